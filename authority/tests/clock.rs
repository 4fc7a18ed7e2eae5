//! A clock that is wrong: what waits, what goes on, and the way out.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use apdu::certificate::{Date, Role};
use authority::ledger::{Event, Line};
use authority::{AuthorityError, CLOCK_AHEAD, CLOCK_BEHIND, NameOrder, Scope};
use std::process::{Command, Output};
use support::{Bench, at, name};

const DAY: u64 = 86_400;

fn with_limit(mut bench: Bench) -> Bench {
    bench.authority = bench.authority.with_clock_limit(CLOCK_AHEAD);
    bench
}

fn publish(bench: &mut Bench) -> Result<Date, AuthorityError> {
    let now = at(bench.now);
    let list = bench
        .authority
        .publish(bench.key.as_mut(), Scope::Revoked, now)?;
    Ok(list.claims().date)
}

fn order(bench: &mut Bench) -> Result<(), AuthorityError> {
    bench
        .order(Role::Card, NameOrder::NextOf("ZZTALLYCARD".into()))
        .map(drop)
}

fn lines(bench: &mut Bench) -> Vec<Line> {
    let texts = bench.authority.lines(1, 1_000).unwrap();
    texts.iter().map(|text| Line::read(text).unwrap()).collect()
}

/// Revoking, publishing and what was done already never wait; they neither go back in the ledger's time nor believe the clock.
#[test]
fn what_protects_goes_on_with_any_clock_and_what_certifies_waits_for_one_that_is_believed() {
    let mut number = 0;
    for (seconds, believed) in [
        (0_i64, true),
        (-i64::try_from(CLOCK_BEHIND).unwrap(), true),
        (-i64::try_from(CLOCK_BEHIND).unwrap() - 1, false),
        (-10 * 86_400, false),
        (86_400, true),
        (86_401, false),
        (3_650 * 86_400, false),
    ] {
        let mut bench = with_limit(Bench::new());
        number += 2;
        bench.certify(Role::Card, &format!("ZZTALLYCARD{:05}", number - 1));
        bench.certify(Role::Card, &format!("ZZTALLYCARD{number:05}"));
        let challenge = bench
            .order(Role::Card, NameOrder::NextOf("ZZTALLYCARD".into()))
            .unwrap();
        let request = bench.answer(&challenge);
        let last = bench.now;
        bench.now = last.saturating_add_signed(seconds);
        let expected = if believed { bench.now.max(last) } else { last };

        let holder = name(&format!("ZZTALLYCARD{:05}", number - 1));
        let now = at(bench.now);
        bench.authority.delivered(&holder, now).unwrap();
        bench.authority.revoke(&holder, "lost", now).unwrap();
        assert_eq!(
            publish(&mut bench).unwrap(),
            at(expected).day(),
            "{seconds}"
        );
        let written = lines(&mut bench);
        assert_eq!(written.last().unwrap().time, expected, "{seconds}");

        // A step that was believed moves the ledger's time, so the clock is as good as before for what comes now.
        let issued = bench.issue(&request, Role::Card);
        let ordered = order(&mut bench);
        for done in [issued.map(drop), ordered] {
            match (seconds, done) {
                (_, Ok(())) => assert!(believed, "{seconds}"),
                (..0, Err(AuthorityError::ClockBehind { .. })) => assert!(!believed, "{seconds}"),
                (0.., Err(AuthorityError::ClockAhead { .. })) => assert!(!believed, "{seconds}"),
                (_, Err(error)) => panic!("{seconds}: {error}"),
            }
        }
        assert!(bench.reopen().authority.audit().is_ok(), "{seconds}");
    }
}

/// What happened before there was a limit: one order with the clock a month ahead.
#[test]
fn a_ledger_that_is_ahead_of_the_right_clock_goes_on_after_one_recorded_word() {
    let mut bench = Bench::new();
    let right = bench.now;
    bench.now = right + 30 * DAY;
    order(&mut bench).unwrap();
    bench.now = right + 60;
    let mut bench = with_limit(bench.reopen());
    assert!(matches!(
        order(&mut bench),
        Err(AuthorityError::ClockBehind { seconds, line: 2 }) if seconds == 30 * DAY - 60
    ));
    let now = at(bench.now);
    for reason in ["", "two\nlines"] {
        assert!(bench.authority.confirm_clock(reason, None, now).is_err());
    }
    let line = bench
        .authority
        .confirm_clock("the clock was a month ahead", None, now);
    assert_eq!(line.unwrap().time, bench.now);
    bench.now += 1;
    order(&mut bench).unwrap();
    assert_eq!(publish(&mut bench).unwrap(), at(right).day());
    let written = lines(&mut bench);
    for pair in written.windows(2) {
        let back = pair[1].time < pair[0].time;
        let allowed = matches!(pair[1].event, Event::Clock { .. });
        assert!(!back || allowed, "{pair:?}");
    }
    assert!(bench.reopen().authority.audit().is_ok());
}

/// A service over a holiday: it has watched its clock, so nothing is unexpected; a service that was started after it asks for the word.
#[test]
fn a_watched_clock_may_go_on_for_months_and_an_unwatched_one_needs_a_word() {
    let mut watched = with_limit(Bench::new());
    for _ in 0..90 {
        watched.now += DAY;
        let now = at(watched.now);
        assert!(watched.authority.watch_clock(now).unwrap().is_none());
    }
    order(&mut watched).unwrap();

    let mut unwatched = with_limit(Bench::new());
    unwatched.now += 90 * DAY;
    let now = at(unwatched.now);
    assert!(unwatched.authority.watch_clock(now).unwrap().is_some());
    assert!(matches!(
        order(&mut unwatched),
        Err(AuthorityError::ClockAhead { .. })
    ));
    unwatched
        .authority
        .confirm_clock("summer", None, now)
        .unwrap();
    order(&mut unwatched).unwrap();
}

/// Near midnight, the machines of two instances some seconds apart.
#[test]
fn two_instances_some_seconds_apart_both_issue_around_midnight() {
    let mut bench = with_limit(Bench::new());
    let midnight = bench.now + DAY - bench.now % DAY;
    for second in 0..20 {
        // One is three seconds ahead of the other.
        bench.now = midnight - 10 + second + 3 * (second % 2);
        order(&mut bench).unwrap();
    }
    assert!(bench.reopen().authority.audit().is_ok());
}

#[test]
fn the_command_shows_the_clock_beside_the_ledger_and_records_the_word() {
    let mut bench = Bench::new();
    bench.now += 40 * 365 * DAY; // whatever the date of this test
    order(&mut bench).unwrap();
    let run = |arguments: &[&str]| -> (Output, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_authority"));
        command.args(arguments).arg("--data").arg(bench.folder());
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        (output, text)
    };
    let (output, text) = run(&["clock", "show"]);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("behind line 2"), "{text}");
    assert!(
        !run(&["clock", "confirm"]).0.status.success(),
        "without a reason"
    );
    let (output, text) = run(&["clock", "confirm", "--reason", "the battery was empty"]);
    assert!(output.status.success(), "{output:?}");
    assert!(
        text.contains("line 3 says that the clock is right"),
        "{text}"
    );
    assert!(run(&["clock", "show"]).1.contains("the clock is believed"));
}
