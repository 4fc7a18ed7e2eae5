//! A real card and a real terminal, from the first insertion on (§16; seed Fig. 5): who is asked what, and what it costs.

use apdu::identifier::{Aid, header};
use apdu::message::pin::{Digits, Reference};
use apdu::message::vault::{ObjectName, Policy as VaultPolicy};
use card_core::store::Store;
use conformance::authority::{self, CARD, TERMINAL, name};
use conformance::user::{PIN, User};
use conformance::{Incident, World};
use terminal_lib::ConnectError;
use terminal_lib::application::{PinState, Policy, SetUpReason};
use terminal_lib::service::counter::Counter;
use terminal_lib::service::vault::Vault;
use terminal_lib::session::{CodeOutcome, SessionError};
use terminal_lib::transport::Transport;

/// ST-20, ST-21, ST-22, ST-23: authentication is tried first and fails, set-up with the PIN, authentication, secured commands.
#[test]
fn the_first_insertion_fails_to_authenticate_sets_up_and_authenticates() {
    let mut world = World::new();
    let mut user = User::willing();
    let mut session = world.connect(&mut user).unwrap();
    assert_eq!(session.card(), name(CARD));
    assert_eq!(
        session.services().unwrap(),
        [Aid::VAULT, Aid::COUNTER],
        "a secured command is answered"
    );
    session.close();
    let headers = world.line.headers();
    assert_eq!(
        headers,
        [
            header::SELECT,
            header::RECONNECT, // S502 fails
            header::SELECT,
            header::VERIFY_CERTIFICATE,
            header::KEY_EXCHANGE,
            header::CARD_CERTIFICATE,
            header::TERMINAL_RANDOM,
            header::VERIFY,
            header::COMMIT, // S504 is done
            header::SELECT,
            header::RECONNECT, // S502 again
            header::STATUS,    // S503
            header::LIST_SERVICES,
        ]
    );
    assert_eq!(user.asked_to_pair, [SetUpReason::NeverMet]);
    assert_eq!(user.asked_for_pin.len(), 1);
    assert!(!world.line.carried(PIN), "the PIN is never in clear");
    assert_eq!(world.card.pairings(), 1);
}

/// ST-27, ST-09: a pair is set up once; every insertion after it takes three APDUs to the first answer and asks nothing.
#[test]
fn every_later_insertion_needs_no_set_up_and_three_commands() {
    let mut world = World::paired();
    for _ in 0..3 {
        world.insert();
        let mut user = User::absent();
        world
            .connect_under(&mut user, &Policy::Auto)
            .unwrap()
            .close();
        assert!(user.was_left_alone());
        let expected = [header::SELECT, header::RECONNECT, header::STATUS];
        assert_eq!(world.line.headers(), expected);
    }
}

/// ST-24: a card that forgets its pairings right after set-up ends the connection with an error that says what to do.
#[test]
fn a_second_failure_to_authenticate_stops_with_an_error_that_says_what_to_do() {
    let mut world = World::new();
    let mut clean = world.fork();
    clean.visit(&mut User::willing()).unwrap();
    let after_commit = clean.line.first(header::COMMIT) + 1;
    world.line.plan(after_commit, Incident::ForgetPairings);
    let mut user = User::willing();
    let error = world.connect(&mut user).map(drop).unwrap_err();
    assert!(matches!(error, ConnectError::SecondFailure), "{error}");
    assert!(error.to_string().contains("try again"), "{error}");
    assert_eq!(user.asked_for_pin.len(), 1, "there is no second set-up");
    world.insert();
    let mut user = User::willing();
    world.visit(&mut user).unwrap();
    assert_eq!(user.pairings_made(), 1);
}

/// ST-26: a second terminal and a second card ask for nothing but the PIN, and the first pair goes on.
#[test]
fn a_new_terminal_and_a_new_card_need_nothing_but_the_pin() {
    let mut old = World::paired();
    let store = authority::terminal_store("ZZTALLYTERM00002");
    let card = authority::card("ZZTALLYCARD00002");
    for mut new in [
        World::meeting(&old.card, &store),
        World::meeting(&card, &old.store),
    ] {
        let mut user = User::willing();
        new.connect_under(&mut user, &Policy::Auto).unwrap().close();
        assert!(user.asked_to_pair.is_empty());
        assert_eq!(user.asked_for_pin.len(), 1);
        assert_eq!(
            user.asked_for_pin[0].state,
            PinState::Open { tries_left: 3 }
        );
        new.insert();
        new.reconnect().unwrap().close();
    }
    old.insert();
    old.reconnect().unwrap().close();
    assert_eq!(old.card.pairings(), 2);
}

/// ST-11, ST-03: two service providers share one session by turns, each with its own data, and both find it again.
#[test]
fn several_service_providers_share_one_session_and_find_their_data_at_the_next() {
    let mut world = World::paired();
    let (mut vault, mut counter) = (Vault::new(), Counter::new());
    let note = ObjectName::new("note").unwrap();
    let open = VaultPolicy {
        pin_to_read: false,
        pin_to_write: false,
    };
    let mut session = world.reconnect().unwrap();
    for round in 1..=3_u8 {
        vault
            .write(&mut session, &note, open, &[round; 300])
            .unwrap();
        assert_eq!(counter.add(&mut session, 5).unwrap(), u32::from(round) * 5);
        let stored = vault.read(&mut session, &note).unwrap();
        assert_eq!(stored.as_slice(), [round; 300]);
    }
    session.close();
    world.insert();
    let mut session = world.reconnect().unwrap();
    assert_eq!(Counter::new().read(&mut session).unwrap().value, 15);
    let mut other = Vault::new();
    assert_eq!(other.list(&mut session).unwrap()[0].size, 300);
    assert_eq!(
        other.read(&mut session, &note).unwrap().as_slice(),
        [3; 300]
    );
}

/// ST-41: what needs the PIN is refused before it and done after it, in one session.
#[test]
fn an_object_behind_the_pin_is_given_after_the_pin_and_not_before() {
    let mut world = World::paired();
    let mut vault = Vault::new();
    let name = ObjectName::new("seal").unwrap();
    let policy = VaultPolicy {
        pin_to_read: true,
        pin_to_write: true,
    };
    let mut session = world.reconnect().unwrap();
    let refused = vault.write(&mut session, &name, policy, b"content");
    assert!(matches!(refused, Err(SessionError::Refused { .. })));
    let digits = Digits::new(Reference::Pin, PIN).unwrap();
    assert_eq!(session.verify_pin(&digits).unwrap(), CodeOutcome::Right);
    vault
        .write(&mut session, &name, policy, b"content")
        .unwrap();
    session.close();
    world.insert();
    let mut session = world.reconnect().unwrap();
    let refused = vault.read(&mut session, &name).map(drop);
    assert!(matches!(refused, Err(SessionError::Refused { .. })));
    assert_eq!(session.verify_pin(&digits).unwrap(), CodeOutcome::Right);
    assert_eq!(
        vault.read(&mut session, &name).unwrap().as_slice(),
        b"content"
    );
}

/// ST-06, ST-07, ST-16: a card that lost its power has its certificate, its PIN counter and its pairings; a session is gone.
#[test]
fn pulling_the_card_in_a_session_leaves_everything_but_the_session() {
    let mut world = World::paired();
    let before = world.card.records().unwrap();
    world.line.plan(3, Incident::LoseAnswer);
    let mut session = world.reconnect().unwrap();
    assert!(matches!(
        session.status(),
        Err(SessionError::Unanswered { .. })
    ));
    assert!(matches!(session.status(), Err(SessionError::Over)));
    drop(session);
    let secured = world.line.heard[2].command.clone();
    world.insert();
    assert_eq!(world.card.records().unwrap(), before);
    let answer = world.line.transmit(&secured).unwrap();
    assert_eq!(answer.len(), 2, "a command of the old session");
    assert_ne!(answer, [0x90, 0x00]);
    world.insert();
    world.reconnect().unwrap().close();
}

/// ST-12: a pairing is what is in the store, not the terminal's name.
#[test]
fn a_terminal_of_the_same_name_with_another_store_is_a_stranger() {
    let mut world = World::paired();
    let stranger = authority::terminal_store(TERMINAL);
    let mut other = World::meeting(&world.card, &stranger);
    let refused = other.reconnect().map(drop).unwrap_err();
    assert!(matches!(
        refused,
        ConnectError::NotPaired(SetUpReason::NeverMet)
    ));
    world.insert();
    world.reconnect().unwrap().close();
}
