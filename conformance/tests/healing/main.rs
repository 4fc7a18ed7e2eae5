//! Both ends together when everything that can go wrong does: power, lines, copies, lies.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod line;
mod world;

use card_core::store::Fault as CardFault;
use line::Trouble;
use terminal_lib::application::{Notice, PinState, Policy, SetUpReason};
use terminal_lib::store::Fault;
use terminal_lib::{ConnectError, SetUpFailure};
use world::{CARD, PIN, User, World, card_holder};

fn session(
    world: &mut World,
    user: &mut User,
    policy: Policy,
    seed: u64,
) -> Result<(), ConnectError> {
    world.line.insert();
    let mut terminal = world.terminal(seed);
    let mut session = terminal.connect(&mut world.line, user, &policy)?;
    assert_eq!(session.card().as_str(), CARD);
    session.services()?;
    session.close();
    Ok(())
}

fn paired() -> World {
    let mut world = World::new();
    session(&mut world, &mut User::knowing(), Policy::Ask, 10).unwrap();
    world
}

/// ST-21, ST-23, ST-26: set-up once, with the PIN; after it three commands to the first answer. `tally demo`'s own test counts
/// the curve operations, alone in its process.
#[test]
fn the_first_meeting_sets_up_and_the_next_does_not() {
    let mut world = World::new();
    let mut user = User::knowing();
    session(&mut world, &mut user, Policy::Ask, 10).unwrap();
    assert_eq!(
        (user.reasons.as_slice(), user.asked.len()),
        (&[SetUpReason::NeverMet][..], 1)
    );
    assert_eq!(user.asked[0].state, PinState::Open { tries_left: 3 });
    let mut user = User::giving(&[]);
    session(&mut world, &mut user, Policy::Never, 11).unwrap();
    assert_eq!(
        world.line.log.len(),
        4,
        "SELECT, AUTHENTICATE, status, and the test's own command"
    );
    assert!(user.reasons.is_empty() && user.asked.is_empty());
}

/// ST-41: wrong PINs are asked again with the tries left; a refusal changes nothing.
#[test]
fn wrong_pins_are_counted_and_told() {
    let mut world = World::new();
    let mut user = User::giving(&[b"000000", b"111111"]);
    let error = session(&mut world, &mut user, Policy::Auto, 10).unwrap_err();
    assert!(
        matches!(error, ConnectError::SetUp(SetUpFailure::PinRefused { .. })),
        "{error}"
    );
    let tries: Vec<_> = user.asked.iter().map(|request| request.state).collect();
    let open = |tries_left| PinState::Open { tries_left };
    assert_eq!(tries, [open(3), open(2), open(1)]);
    session(&mut world, &mut User::knowing(), Policy::Auto, 11).unwrap();
}

/// Refused consent, and a policy that says no, change nothing on either side and show no certificate.
#[test]
fn without_consent_nothing_happens() {
    let mut world = World::new();
    let before = world.dangerous_copy();
    let mut user = User::knowing();
    user.agrees = false;
    for policy in [Policy::Ask, Policy::Never] {
        let error = session(&mut world, &mut user, policy, 10).unwrap_err();
        assert!(
            matches!(error, ConnectError::NotPaired(SetUpReason::NeverMet)),
            "{error}"
        );
        assert_eq!(world.line.log.len(), 2, "SELECT and AUTHENTICATE only");
    }
    let other = apdu::certificate::Name::new("ZZTALLYCARD00009").unwrap();
    assert!(session(&mut world, &mut user, Policy::only(&other), 11).is_err());
    assert!(
        user.asked.is_empty(),
        "the PIN is not asked for another card"
    );
    assert!(
        world.line.store.same_content(&before.line.store)
            && world.store.same_content(&before.store)
    );
    session(&mut world, &mut user, Policy::Only(card_holder()), 12).unwrap();
}

/// T35 as far as it is claimed: copies two generations old find no match, and are named at the next set-up.
#[test]
fn old_copies_of_either_side_are_named_at_the_next_set_up() {
    for card_is_old in [true, false] {
        let mut world = paired();
        let old = world.dangerous_copy();
        for seed in 20..23 {
            session(&mut world, &mut User::giving(&[]), Policy::Never, seed).unwrap();
        }
        let mut mixed = if card_is_old {
            World {
                line: old.line,
                store: world.store.dangerous_copy(),
            }
        } else {
            World {
                line: world.line.dangerous_copy(),
                store: old.store,
            }
        };
        let error = session(&mut mixed, &mut User::giving(&[]), Policy::Never, 30).unwrap_err();
        assert!(
            matches!(error, ConnectError::NotPaired(SetUpReason::NeverMet)),
            "{error}"
        );
        let mut user = User::knowing();
        session(&mut mixed, &mut user, Policy::Ask, 31).unwrap();
        assert!(
            user.notices
                .iter()
                .any(|notice| matches!(notice, Notice::PairingLost { .. })),
            "{:?}",
            user.notices
        );
        session(&mut mixed, &mut User::giving(&[]), Policy::Never, 32).unwrap();
    }
}

/// After whatever happened: a session, with at most one more set-up, and no try was given back for nothing.
fn heals(world: &mut World, label: &str) {
    let mut user = User::knowing();
    let outcome = session(world, &mut user, Policy::Auto, 90);
    outcome.unwrap_or_else(|error| panic!("{label}: {error}"));
    assert!(user.asked.len() <= 1, "{label}: one set-up at most");
    if let Some(request) = user.asked.first() {
        assert!(
            matches!(request.state, PinState::Open { tries_left: 2 | 3 }),
            "{label}: {:?}",
            request.state
        );
    }
    let mut user = User::giving(&[]);
    session(world, &mut user, Policy::Never, 91)
        .unwrap_or_else(|error| panic!("{label}, again: {error}"));
}

/// T25, I1, I6: power fails at every commit of the card, in set-up and in reconnect.
#[test]
fn a_cut_at_every_commit_of_the_card_heals() {
    for (start, name) in [(World::new(), "set-up"), (paired(), "reconnect")] {
        let mut whole = start.dangerous_copy();
        session(&mut whole, &mut User::knowing(), Policy::Auto, 40).unwrap();
        let (first, last) = (start.line.store.commits(), whole.line.store.commits());
        assert!(last > first);
        for commit in first..last {
            for fault in [CardFault::CutBefore, CardFault::CutAfter, CardFault::Fail] {
                let mut world = start.dangerous_copy();
                world.line.insert();
                world.line.store.plan(commit, fault);
                let mut terminal = world.terminal(40);
                let outcome = terminal
                    .connect(&mut world.line, &mut User::knowing(), &Policy::Auto)
                    .map(drop);
                drop(terminal);
                assert!(outcome.is_err(), "{name}, {fault:?} at commit {commit}");
                heals(&mut world, &format!("{name}, {fault:?} at commit {commit}"));
            }
        }
    }
}

/// T25 on the other side: the terminal's store fails or is cut at every commit.
#[test]
fn a_cut_at_every_commit_of_the_terminal_heals() {
    for (start, name) in [(World::new(), "set-up"), (paired(), "reconnect")] {
        let mut whole = start.dangerous_copy();
        session(&mut whole, &mut User::knowing(), Policy::Auto, 40).unwrap();
        let (first, last) = (
            start.dangerous_copy().store.commits(),
            whole.store.commits(),
        );
        assert!(last > first);
        for commit in first..last {
            for fault in [Fault::CutBefore, Fault::CutAfter, Fault::Fail] {
                let mut world = start.dangerous_copy();
                world.store.plan_fault(commit, fault);
                let label = format!("{name}, {fault:?} at the terminal's commit {commit}");
                let outcome = session(&mut world, &mut User::knowing(), Policy::Auto, 40);
                assert!(outcome.is_err(), "{label}");
                world.store = world.store.dangerous_copy(); // power comes back
                heals(&mut world, &label);
            }
        }
    }
}

/// The card is pulled before or after every single command of both insertions; it works at the next one.
#[test]
fn a_card_pulled_at_any_command_works_at_the_next_insertion() {
    for (start, name) in [(World::new(), "set-up"), (paired(), "reconnect")] {
        let mut whole = start.dangerous_copy();
        session(&mut whole, &mut User::knowing(), Policy::Auto, 40).unwrap();
        let commands = whole.line.log.len();
        assert!(commands >= 4);
        for number in 0..commands {
            for trouble in [Trouble::PulledBefore, Trouble::PulledAfter] {
                let mut world = start.dangerous_copy();
                let label = format!("{name}, {trouble:?} at command {number}");
                world.line.insert();
                world.line.plan(number, trouble);
                let mut terminal = world.terminal(40);
                let outcome = terminal
                    .connect(&mut world.line, &mut User::knowing(), &Policy::Auto)
                    .map_err(|error| error.to_string())
                    .and_then(|mut session| {
                        session
                            .services()
                            .map(drop)
                            .map_err(|error| error.to_string())
                    });
                drop(terminal);
                assert!(outcome.is_err(), "{label}");
                heals(&mut world, &label);
            }
        }
    }
}

/// T3, T11 in small: status words and garbage at every receive point: no session, no PIN in clear, no panic, and it heals.
#[test]
fn lies_at_any_receive_point_open_nothing() {
    let lies: [&[u8]; 16] = [
        &[],
        &[0x90],
        &[0x90, 0x00],
        &[0x61, 0x00],
        &[0x61, 0x10],
        &[0x6C, 0x00],
        &[0x63, 0x00],
        &[0x63, 0xC3],
        &[0x69, 0x82],
        &[0x69, 0x83],
        &[0x69, 0x85],
        &[0x69, 0x88],
        &[0x6A, 0x80],
        &[0x6F, 0x00],
        &[0x99, 0x02, 0x90, 0x00, 0x90, 0x00],
        &[0xFF; 300],
    ];
    for (start, name) in [(World::new(), "set-up"), (paired(), "reconnect")] {
        let mut whole = start.dangerous_copy();
        session(&mut whole, &mut User::knowing(), Policy::Auto, 40).unwrap();
        for number in 0..whole.line.log.len() {
            for lie in lies {
                // An answer without data is 9000 by right.
                if whole.line.log[number].1 == lie {
                    continue;
                }
                let mut world = start.dangerous_copy();
                let label = format!("{name}, {lie:02X?} at command {number}");
                world.line.insert();
                world.line.plan(number, Trouble::Instead(lie.to_vec()));
                let mut terminal = world.terminal(40);
                let connected =
                    terminal.connect(&mut world.line, &mut User::knowing(), &Policy::Auto);
                let opened = connected.is_ok_and(|mut session| session.services().is_ok());
                drop(terminal);
                // §16: one new SELECT after a plain error word to SELECT or C1, and one new set-up when the card was disturbed
                // while the user was asked (the answer to VERIFY). §4: 6Cxx repeats the same bytes once.
                let sent = &whole.line.log[number].0;
                let may_try_again = [&[0x00, 0xA4][..], &[0x00, 0x86, 0x01, 0x01], &[0x0C, 0x20]]
                    .iter()
                    .any(|header| sent.starts_with(header))
                    || lie.first() == Some(&0x6C);
                assert!(!opened || may_try_again, "{label}");
                let plain_pin = world
                    .line
                    .log
                    .iter()
                    .any(|(command, _)| command.windows(6).any(|bytes| bytes == PIN));
                assert!(!plain_pin, "{label}");
                heals(&mut world, &label);
            }
        }
    }
}
