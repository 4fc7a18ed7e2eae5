//! When there must be no session, or no pairing: a real card and a real terminal, and what each of them has stored after it.

use apdu::certificate::Role;
use apdu::identifier::header;
use conformance::authority::{
    self, CARD, TERMINAL, desk, name, status_list, terminal_store_with_request, today,
};
use conformance::user::{PIN, User, WRONG_PIN, codes, pin};
use conformance::{Incident, World};
use terminal_lib::application::{Notice, PinAnswer, PinState, Policy, SetUpReason};
use terminal_lib::flow::SetUpFault;
use terminal_lib::{ConnectError, SetUpFailure, identity};

/// The error of a connection that must fail.
fn refusal(world: &mut World, user: &mut User, policy: &Policy) -> ConnectError {
    match world.connect_under(user, policy) {
        Ok(session) => panic!("a session with {}", session.card()),
        Err(error) => error,
    }
}

fn open(tries_left: u8) -> PinState {
    PinState::Open { tries_left }
}

/// ST-41: a wrong PIN is asked for again in the same set-up with the tries left told; the right one gives all tries back.
#[test]
fn wrong_pins_are_counted_on_the_card_and_told_and_the_right_one_pairs() {
    let mut world = World::new();
    let mut user = User::with([pin(WRONG_PIN), pin(WRONG_PIN), pin(PIN)]);
    world.visit(&mut user).unwrap();
    let asked: Vec<_> = user.asked_for_pin.iter().map(|r| r.state).collect();
    assert_eq!(asked, [open(3), open(2), open(1)]);
    assert_eq!((world.card.pin_tries(), world.card.pairings()), (3, 1));
    assert!(!world.line.carried(WRONG_PIN) && !world.line.carried(PIN));
}

/// ST-41: three wrong PINs block the card; neither the right PIN nor another terminal helps, and the PUK does.
#[test]
fn a_blocked_pin_makes_no_pairing_until_the_puk_is_given() {
    let mut world = World::new();
    let mut user = User::with((0..3).map(|_| pin(WRONG_PIN)));
    let error = refusal(&mut world, &mut user, &Policy::Auto);
    let blocked = |error| matches!(error, ConnectError::SetUp(SetUpFailure::PinBlocked { card }) if card == name(CARD));
    assert!(blocked(error));
    assert_eq!((world.card.pin_tries(), world.card.pairings()), (0, 0));
    let other = authority::terminal_store("ZZTALLYTERM00002");
    let mut elsewhere = World::meeting(&world.card, &other);
    assert!(blocked(refusal(
        &mut elsewhere,
        &mut User::willing(),
        &Policy::Auto
    )));
    assert_eq!(world.card.pairings(), 0);
    world.insert();
    let new_pin = codes(authority::PUK, b"161803");
    let mut user = User::with([PinAnswer::Unblock(new_pin)]);
    world.visit(&mut user).unwrap();
    assert_eq!((world.card.pin_tries(), world.card.pairings()), (3, 1));
    let mut elsewhere = World::meeting(&world.card, &other);
    let mut user = User::with([pin(PIN), pin(b"161803")]);
    elsewhere.visit(&mut user).unwrap();
    assert_eq!(
        user.asked_for_pin.len(),
        2,
        "the old PIN is no PIN any more"
    );
}

/// ST-41: while a terminal is paired, a stranger cannot spend the last try.
#[test]
fn a_stranger_cannot_spend_the_last_try_of_a_paired_card() {
    let paired = World::paired();
    let stranger = authority::terminal_store("ZZTALLYTERM00002");
    let mut other = World::meeting(&paired.card, &stranger);
    let mut user = User::with((0..3).map(|_| pin(WRONG_PIN)));
    let error = refusal(&mut other, &mut user, &Policy::Auto);
    assert!(
        matches!(error, ConnectError::SetUp(SetUpFailure::LastTryKept { .. })),
        "{error}"
    );
    assert_eq!(paired.card.pin_tries(), 1);
    let mut first = paired.fork();
    first.reconnect().unwrap().close();
}

/// ST-25, ST-42: a terminal without a certificate is told that it is the one that lacks it, and cannot spend a try.
#[test]
fn a_terminal_without_a_certificate_spends_no_try_and_is_told_what_it_lacks() {
    let mut world = World::new();
    world = World::meeting(&world.card, &terminal_store_with_request(TERMINAL));
    let before = world.fork();
    let mut user = User::willing();
    let error = refusal(&mut world, &mut user, &Policy::Ask);
    assert!(
        matches!(error, ConnectError::SetUp(SetUpFailure::NotCertified(_))),
        "{error}"
    );
    assert!(
        error.to_string().starts_with("this terminal has no"),
        "{error}"
    );
    assert!(user.asked_for_pin.is_empty());
    assert!(world.same_memories(&before));
}

/// ST-25, ST-44: a card without a certificate is said to be the one that lacks it.
#[test]
fn a_blank_card_is_said_to_be_the_side_that_lacks_a_certificate() {
    let blank = conformance::Disk::default();
    let mut world = World::meeting(&blank, &authority::terminal_store(TERMINAL));
    let mut user = User::willing();
    let error = refusal(&mut world, &mut user, &Policy::Ask);
    let fault = SetUpFailure::Fault(SetUpFault::CardNotReady);
    assert_eq!(error.to_string(), fault.to_string());
    assert!(user.asked_for_pin.is_empty());
    assert_eq!(blank.commits(), 0);
}

/// Refused consent, at either question, changes nothing on either side; agreeing afterwards pairs.
#[test]
fn refused_consent_changes_nothing_on_either_side() {
    let mut world = World::new();
    let before = world.fork();
    let error = refusal(&mut world, &mut User::absent(), &Policy::Ask);
    assert!(matches!(
        error,
        ConnectError::NotPaired(SetUpReason::NeverMet)
    ));
    assert_eq!(
        world.line.headers(),
        [header::SELECT, header::RECONNECT],
        "no certificate is shown before the user has agreed"
    );
    assert!(world.same_memories(&before));
    let error = refusal(&mut world, &mut User::with([]), &Policy::Ask);
    assert!(matches!(
        error,
        ConnectError::SetUp(SetUpFailure::PinRefused { .. })
    ));
    assert!(world.same_memories(&before));
    world.visit(&mut User::willing()).unwrap();
    assert!(!world.same_memories(&before));
}

/// The policies: never means never, and only one card means that no other is asked for its PIN.
#[test]
fn a_policy_against_this_card_refuses_before_the_pin() {
    let mut world = World::new();
    let before = world.fork();
    let other = Policy::only(&name("ZZTALLYCARD00002"));
    for policy in [Policy::Never, other] {
        let mut user = User::willing();
        refusal(&mut world, &mut user, &policy);
        assert!(user.was_left_alone(), "{policy:?}");
        assert!(world.same_memories(&before), "{policy:?}");
    }
    let own = Policy::only(&name(CARD));
    let mut user = User::willing();
    world.connect_under(&mut user, &own).unwrap().close();
    assert!(user.asked_to_pair.is_empty() && user.asked_for_pin.len() == 1);
}

/// ST-33: a proof with one wrong bit is no proof; nothing is stored for it, and the next insertion finds both as they were.
#[test]
fn a_failed_authentication_leaves_both_memories_as_they_were() {
    let mut world = World::paired();
    let before = world.fork();
    let proof = world.line.heard.len() + 1;
    world.line.plan(proof, Incident::Flip(8 * 37));
    let error = refusal(&mut world, &mut User::absent(), &Policy::Never);
    let reason = SetUpReason::KnownCardDidNotAuthenticate;
    assert!(
        matches!(error, ConnectError::NotPaired(found) if found == reason),
        "{error}"
    );
    assert!(world.same_memories(&before));
    world.insert();
    world.reconnect().unwrap().close();
}

/// ST-42: a terminal that is revoked loses its pairing on every card that hears of it, and cannot make another.
#[test]
fn a_revoked_terminal_is_forgotten_by_the_card_and_cannot_pair_again() {
    let mut revoked = World::paired();
    let other = authority::terminal_store("ZZTALLYTERM00002");
    let mut other = World::meeting(&revoked.card, &other);
    other.visit(&mut User::willing()).unwrap();
    let list = status_list(1, &[(Role::Terminal, TERMINAL)]);
    identity::take_status_list(&mut other.store, &desk(), &list, today()).unwrap();
    other.insert();
    revoked.insert();
    let mut early = revoked.fork();
    early.reconnect().unwrap().close(); // before the card has heard of it
    let mut user = User::absent();
    other
        .connect_under(&mut user, &Policy::Never)
        .unwrap()
        .close();
    assert_eq!(user.notices, [Notice::StatusListSent { sequence: 1 }]);
    revoked.insert();
    let mut user = User::willing();
    let error = refusal(&mut revoked, &mut user, &Policy::Auto);
    let fault = SetUpFailure::Fault(SetUpFault::TerminalRefused);
    assert_eq!(error.to_string(), fault.to_string());
    assert!(user.asked_for_pin.is_empty());
    other.insert();
    other.reconnect().unwrap().close();
}

/// ST-44: a card that is revoked loses its pairing and cannot make another, and no PIN is asked for.
#[test]
fn a_revoked_card_is_forgotten_by_the_terminal_and_cannot_pair_again() {
    let mut world = World::paired();
    let list = status_list(1, &[(Role::Card, CARD)]);
    identity::take_status_list(&mut world.store, &desk(), &list, today()).unwrap();
    world.insert();
    let mut user = User::willing();
    let error = refusal(&mut world, &mut user, &Policy::Auto);
    assert!(
        matches!(&error, ConnectError::Revoked { card, .. } if *card == name(CARD)),
        "{error}"
    );
    assert!(world.terminal.pairings().unwrap().is_empty());
    world.insert();
    let error = refusal(&mut world, &mut user, &Policy::Auto);
    assert!(
        matches!(
            &error,
            ConnectError::SetUp(SetUpFailure::Fault(SetUpFault::CardDistrusted { .. }))
        ),
        "{error}"
    );
    assert!(user.was_left_alone());
    let fine = authority::card("ZZTALLYCARD00002");
    let mut fine = World::meeting(&fine, &world.store);
    fine.visit(&mut User::willing()).unwrap();
}
