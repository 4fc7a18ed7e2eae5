//! The rules of approval as the ledger alone proves them: forged lines are found by whoever checks them.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use apdu::certificate::Role;
use authority::job::{Job, Task};
use authority::ledger::Line;
use authority::store::{copy, sqlite};
use authority::{Application, Authority, Challenge, Finding, LineAudit, NameOrder, Order, Verdict};
use std::time::Duration;
use support::{Bench, DAY, START, at, message, name, request};

/// The authority's lines: root, challenge, request, and what comes then.
struct Story {
    bench: Bench,
}

const REQUEST: u64 = 3;

impl Story {
    /// LINE1 has asked for a card; its request waits for a day.
    fn new() -> Self {
        let mut story = Self {
            bench: Bench::new(),
        };
        story.ask("LINE1", "ZZCARD");
        story
    }

    fn ask(&mut self, station: &str, prefix: &str) -> u64 {
        let order = Order {
            role: Role::Card,
            name: NameOrder::NextOf(prefix.into()),
        };
        let line = self.run(station, Job::Order(order)).unwrap();
        let challenge = Challenge::of(&line, name("ZZTALLYROOT00001")).unwrap();
        let key = self.bench.key_pair();
        let application = Box::new(Application {
            request: request(&challenge, &key),
            role: Role::Card,
            years: Some(3),
        });
        let ask = Job::Ask {
            application,
            lifetime: DAY,
        };
        self.run(station, ask).unwrap().sequence
    }

    fn run(&mut self, by: &str, job: Job) -> Result<Line, String> {
        let by = Some(by.to_owned()).filter(|by| !by.is_empty());
        let task = Task {
            job,
            by,
            token: None,
        };
        let Bench {
            authority,
            key,
            tape,
            now,
            ..
        } = &mut self.bench;
        let mut done = authority
            .run(&[task], Some(key.as_mut()), tape, at(*now))
            .unwrap();
        done.pop().unwrap().map_err(|error| error.to_string())
    }

    fn refuse(&mut self, by: &str, request: u64) -> Result<Line, String> {
        let reason = "not ours".into();
        self.run(by, Job::Refuse { request, reason })
    }

    fn lines(&mut self) -> Vec<String> {
        self.bench.authority.lines(1, 100).unwrap()
    }

    /// What a check of these lines finds.
    fn found(&self, lines: &[String]) -> String {
        let mut audit = LineAudit::new(self.bench.authority.root().clone(), Vec::new());
        for line in lines {
            match audit.enter(line) {
                Ok(()) => {}
                Err(Finding::Line { fault, .. }) => return fault.to_string(),
                Err(finding) => return finding.to_string(),
            }
        }
        format!("{} good lines", audit.finish().unwrap().lines)
    }
}

/// The line with another number.
fn renumbered(line: &str, from: u64, to: u64) -> String {
    let changed = line.replacen(
        &format!("\"sequence\":{from}"),
        &format!("\"sequence\":{to}"),
        1,
    );
    assert_ne!(changed, line);
    changed
}

fn replaced(line: &str, from: &str, to: &str) -> String {
    let changed = line.replacen(from, to, 1);
    assert_ne!(changed, line, "{from}");
    changed
}

#[test]
fn an_approved_request_makes_a_ledger_that_holds_with_the_years_that_were_asked_for() {
    let mut story = Story::new();
    story.bench.now += 10;
    let line = story.run("ADA", Job::Approve(REQUEST)).unwrap();
    let holder = story.bench.authority.holder(&name("ZZCARD00001")).unwrap();
    let claims = holder.certificate.claims();
    assert_eq!(claims.until.to_string(), "2029-11-20");
    let asked = story.bench.authority.request(REQUEST).unwrap().unwrap();
    assert_eq!(asked.verdict, Some(Verdict::Approved(line.sequence)));
    assert_eq!(story.bench.authority.audit().unwrap().certificates, 1);
    let lines = story.lines();
    assert_eq!(story.found(&lines), "4 good lines");
}

#[test]
fn a_certificate_without_the_approval_that_it_needed_is_found() {
    let mut story = Story::new();
    story.run("ADA", Job::Approve(REQUEST)).unwrap();
    let lines = story.lines();
    let last = lines.last().unwrap();
    for (forged, finding) in [
        (
            replaced(last, ",\"approves\":3", ""),
            "the key stands in a request for an operator",
        ),
        (
            replaced(last, "\"approves\":3", "\"approves\":2"),
            "no request has this number",
        ),
        (
            replaced(last, "\"by\":\"ADA\"", "\"by\":\"LINE1\""),
            "nobody else than who asked has decided",
        ),
        (
            replaced(last, "\"by\":\"ADA\",", ""),
            "nobody else than who asked has decided",
        ),
        (
            replaced(
                last,
                &format!("\"time\":{START}"),
                &format!("\"time\":{}", START + DAY + 1),
            ),
            "the request had died",
        ),
    ] {
        let mut lines = lines.clone();
        *lines.last_mut().unwrap() = forged;
        let found = story.found(&lines);
        assert!(found.contains(finding), "{found}");
    }
    assert_eq!(story.found(&lines), "4 good lines", "unchanged it holds");
}

#[test]
fn a_certificate_after_a_refusal_is_found_and_so_is_a_second_verdict() {
    let mut approved = Story::new();
    approved.run("ADA", Job::Approve(REQUEST)).unwrap();
    let issued = approved.lines().pop().unwrap();
    let mut story = Story::new(); // fixed randomness: the same request
    story.refuse("ADA", REQUEST).unwrap();
    let mut lines = story.lines();
    assert_eq!(story.found(&lines), "4 good lines");
    let refused = lines.last().unwrap().clone();
    lines.push(renumbered(&issued, 4, 5));
    assert!(
        story
            .found(&lines)
            .contains("the request was decided before")
    );
    lines.pop();
    lines.push(renumbered(&refused, 4, 5));
    assert!(
        story
            .found(&lines)
            .contains("the request was decided before")
    );
}

#[test]
fn a_request_line_that_contradicts_its_own_request_is_found() {
    let mut story = Story::new();
    let lines = story.lines();
    let last = lines.last().unwrap();
    for (from, to, finding) in [
        (
            "\"holder\":\"ZZCARD00001\"",
            "\"holder\":\"ZZCARD00002\"",
            "another holder, role or key",
        ),
        (
            "\"role\":\"card\"",
            "\"role\":\"terminal\"",
            "another holder, role or key",
        ),
        ("\"by\":\"LINE1\",", "", "nobody asked for it"),
        (
            "\"replaces\":null",
            "\"replaces\":\"unknown\"",
            "the challenge was for another",
        ),
        ("\"request\":\"7f21", "\"request\":\"7f22", "not understood"),
    ] {
        let mut lines = lines.clone();
        *lines.last_mut().unwrap() = replaced(last, from, to);
        let found = story.found(&lines);
        assert!(found.contains(finding), "{from}: {found}");
    }
    let twice = renumbered(last, 3, 4);
    let mut lines = story.lines();
    lines.push(twice);
    assert!(
        story
            .found(&lines)
            .contains("certified or asked for before")
    );
}

#[test]
fn who_asked_does_not_decide_and_nobody_decides_without_a_name() {
    let mut story = Story::new();
    let own = story.run("LINE1", Job::Approve(REQUEST)).unwrap_err();
    assert!(
        own.contains("LINE1 asked for the certificate itself"),
        "{own}"
    );
    assert!(story.refuse("LINE1", REQUEST).is_err());
    let nameless = story.run("", Job::Approve(REQUEST)).unwrap_err();
    assert!(nameless.contains("known by name"), "{nameless}");
    let none = story.run("ADA", Job::Approve(2)).unwrap_err();
    assert!(none.contains("no request with the number 2"), "{none}");
    assert_eq!(story.lines().len(), 3);
    story.run("ADA", Job::Approve(REQUEST)).unwrap();
}

#[test]
fn a_waiting_name_and_key_are_refused_on_the_authoritys_own_machine_too() {
    let mut story = Story::new();
    let exactly = NameOrder::Exactly(name("ZZCARD00001"));
    let order = message(story.bench.order(Role::Card, exactly));
    assert!(order.contains("was asked for before"), "{order}");
    let asked = story.bench.authority.request(REQUEST).unwrap().unwrap();
    let challenge = story
        .bench
        .order(Role::Card, NameOrder::NextOf("ZZCARD".into()))
        .unwrap();
    assert_eq!(challenge.holder, name("ZZCARD00002"));
    let issued = message(story.bench.issue(&asked.request, Role::Card));
    assert!(issued.contains("its nonce was used before"), "{issued}");
    assert_eq!(story.bench.authority.awaiting_count(at(START)).unwrap(), 1);
    assert_eq!(
        story
            .bench
            .authority
            .awaiting_count(at(START + DAY))
            .unwrap(),
        1
    );
    let after = story.bench.authority.awaiting_count(at(START + DAY + 1));
    assert_eq!(after.unwrap(), 0);
}

#[test]
fn waiting_requests_move_with_their_ledger_and_are_approved_in_the_new_store() {
    let mut story = Story::new();
    let refused = story.ask("LINE1", "ZZCARD");
    story.refuse("ADA", refused).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("moved.db");
    let patience = Duration::ZERO;
    let home = story.bench.folder().join(authority::STORE_FILE);
    let mut home = sqlite::open(&home, patience).unwrap();
    let mut away = sqlite::create(&path, patience).unwrap();
    copy(home.as_mut(), away.as_mut()).unwrap();
    story.bench.authority = Authority::new(away).unwrap();
    story.bench.authority.audit().unwrap();
    assert!(story.run("ADA", Job::Approve(refused)).is_err());
    story.run("ADA", Job::Approve(REQUEST)).unwrap();
    assert_eq!(story.bench.authority.audit().unwrap().certificates, 1);
}
