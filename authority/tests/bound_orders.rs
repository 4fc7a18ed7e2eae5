//! An order and its delivery belong to the client that ordered, as the authority judges and as the lines alone prove.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use apdu::certificate::{Certificate, Role};
use authority::job::{Job, Task};
use authority::ledger::{Event, Line};
use authority::{Application, Challenge, NameOrder, Order, Owner};
use support::{Bench, DAY, at, finding, name, request};

fn run(bench: &mut Bench, by: Option<&str>, job: Job) -> Result<Line, String> {
    let task = Task {
        job,
        by: by.map(Into::into),
        token: None,
    };
    let now = at(bench.now);
    let done = bench
        .authority
        .run(&[task], Some(bench.key.as_mut()), &mut bench.tape, now);
    let mut done = done.unwrap();
    done.pop().unwrap().map_err(|error| error.to_string())
}

fn order(bench: &mut Bench, by: Option<&str>) -> Box<Application> {
    let order = Order {
        role: Role::Card,
        name: NameOrder::NextOf("ZZCARD".into()),
    };
    let line = run(bench, by, Job::Order(order)).unwrap();
    let challenge = Challenge::of(&line, name("ZZTALLYROOT00001")).unwrap();
    let key = bench.key_pair();
    Box::new(Application {
        request: request(&challenge, &key),
        role: Role::Card,
        years: None,
    })
}

fn issue(bench: &mut Bench, by: Option<&str>, application: Box<Application>) -> Certificate {
    match run(bench, by, Job::Issue(application)).unwrap().event {
        Event::Issued { certificate, .. } => certificate,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_order_is_answered_only_by_the_client_that_ordered() {
    let mut bench = Bench::new();
    for owner in [Some("LINE1"), None] {
        let application = order(&mut bench, owner);
        for job in [
            Job::Issue(application.clone()),
            Job::Ask {
                application: application.clone(),
                lifetime: DAY,
            },
        ] {
            let other = run(&mut bench, Some("LINE2"), job).unwrap_err();
            assert!(other.contains("given to another client"), "{other}");
        }
        issue(&mut bench, owner, application);
    }
    bench.authority.audit().unwrap();
}

#[test]
fn a_delivery_is_reported_only_by_the_client_that_ordered() {
    let mut bench = Bench::new();
    let application = order(&mut bench, Some("LINE1"));
    let certificate = issue(&mut bench, Some("LINE1"), application);
    let holder = certificate.claims().holder;
    let other = run(&mut bench, Some("LINE2"), Job::Deliver(holder)).unwrap_err();
    assert!(other.contains("ordered by another client"), "{other}");
    assert!(!bench.authority.holder(&holder).unwrap().delivered);
    run(&mut bench, Some("LINE1"), Job::Deliver(holder)).unwrap();
    let known = bench.authority.holder(&holder).unwrap();
    assert_eq!(
        (known.delivered, known.owner),
        (true, Owner::Client("LINE1".into()))
    );
    bench.authority.audit().unwrap();
}

#[test]
fn what_waited_for_an_operator_still_belongs_to_its_client() {
    let mut bench = Bench::new();
    let application = order(&mut bench, Some("LINE1"));
    let holder = application.request.fields().holder;
    let ask = Job::Ask {
        application,
        lifetime: DAY,
    };
    let asked = run(&mut bench, Some("LINE1"), ask).unwrap().sequence;
    run(&mut bench, Some("ADA"), Job::Approve(asked)).unwrap();
    assert!(run(&mut bench, Some("LINE2"), Job::Deliver(holder)).is_err());
    run(&mut bench, Some("LINE1"), Job::Deliver(holder)).unwrap();
    bench.authority.audit().unwrap();
}

#[test]
fn a_client_is_told_only_its_own_certificates_that_wait() {
    let mut bench = Bench::new();
    for client in ["LINE1", "LINE2"] {
        let application = order(&mut bench, Some(client));
        issue(&mut bench, Some(client), application);
    }
    for (client, card) in [("LINE1", "ZZCARD00001"), ("LINE2", "ZZCARD00002")] {
        let waiting = bench.authority.waiting_of(client, Role::Card, 9).unwrap();
        let names: Vec<_> = waiting
            .iter()
            .map(|holder| holder.certificate.claims().holder)
            .collect();
        assert_eq!(names, [name(card)]);
    }
    assert_eq!(bench.authority.waiting(Role::Card, 9).unwrap().len(), 2);
}

#[test]
fn lines_in_which_another_client_answers_or_reports_are_found() {
    let mut bench = Bench::new();
    let application = order(&mut bench, Some("LINE1"));
    let certificate = issue(&mut bench, Some("LINE1"), application);
    let holder = certificate.claims().holder;
    run(&mut bench, Some("LINE1"), Job::Deliver(holder)).unwrap();
    let lines = bench.authority.lines(1, 9).unwrap();
    assert_eq!(finding(&bench.authority, &lines), "good");
    for (at, words) in [(2, "another client"), (3, "another client")] {
        let mut forged = lines.clone();
        forged[at] = forged[at].replacen("LINE1", "LINE2", 1);
        let told = finding(&bench.authority, &forged);
        assert!(told.contains(words), "line {at}: {told}");
    }
    // As earlier versions wrote it: nobody knows whose order it was, and the lines are good.
    let mut old = lines;
    old[1] = old[1].replacen(",\"bound\":true", "", 1);
    old[2] = old[2].replacen("LINE1", "LINE2", 1);
    assert_eq!(finding(&bench.authority, &old), "good");
}
