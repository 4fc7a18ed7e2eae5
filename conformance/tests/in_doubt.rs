//! Both ends when the card's storage fails in the middle (§15.1 R6, §17): 6581 says that nobody knows, so the terminal forgets nothing,
//! and the next insertion finds out.

use apdu::message::pin::{Digits, Reference};
use card_core::store::Fault;
use conformance::World;
use conformance::user::{PIN, User};
use terminal_lib::service::counter::Counter;
use terminal_lib::session::{CodeOutcome, SessionError};

const FAULTS: [(Fault, bool); 2] = [(Fault::Fail, false), (Fault::FailAfter, true)];

/// Message 7: the key stays pending. Where the card has it, it opens the next session without a question.
#[test]
fn a_set_up_whose_commit_is_in_doubt_is_settled_by_the_next_insertion() {
    for (fault, done) in FAULTS {
        let mut world = World::new();
        // The try is spent, given back; then the commit.
        world.card.plan(2, fault);
        let error = world.visit(&mut User::willing()).unwrap_err();
        assert!(error.to_string().contains("not known"), "{error}");
        world.insert();
        let mut user = User::willing();
        world.visit(&mut user).unwrap();
        assert_eq!(user.asked_to_pair.is_empty(), done, "{fault:?}");
        assert_eq!(world.card.pairings(), 1);
        world.insert();
        world.reconnect().unwrap().close();
    }
}

/// The ratchet's step: both generations are tried.
#[test]
fn a_reconnect_that_is_in_doubt_succeeds_at_the_next_insertion() {
    for (fault, _) in FAULTS {
        let mut world = World::paired();
        world.card.plan(0, fault);
        assert!(world.reconnect().is_err());
        world.insert();
        world.reconnect().unwrap().close();
    }
}

/// In a session: the outcome is unknown, the session is over, the card says nothing more, and the next one shows what was done.
#[test]
fn a_command_that_is_in_doubt_ends_the_session_and_is_never_repeated() {
    for (fault, done) in FAULTS {
        let mut world = World::paired();
        let disk = world.card.clone();
        let mut session = world.reconnect().unwrap();
        let mut counter = Counter::new();
        assert_eq!(counter.add(&mut session, 5).unwrap(), 5);
        disk.plan(0, fault);
        let doubtful = counter.add(&mut session, 7);
        assert!(matches!(doubtful, Err(SessionError::InDoubt { .. })));
        let later = counter.add(&mut session, 7);
        assert!(matches!(later, Err(SessionError::Over)));
        session.close();
        world.insert();
        let mut session = world.reconnect().unwrap();
        let found = Counter::new().read(&mut session).unwrap();
        assert_eq!(found.value, if done { 12 } else { 5 });
    }
}

/// Deleting and resetting: the terminal keeps its pairing while it does not know.
#[test]
fn a_pairing_is_not_forgotten_while_its_end_is_in_doubt() {
    for (fault, done) in FAULTS {
        for reset in [false, true] {
            let mut world = World::paired();
            let disk = world.card.clone();
            let mut session = world.reconnect().unwrap();
            let pin = Digits::new(Reference::Pin, PIN).unwrap();
            let right = session.verify_pin(&pin).unwrap();
            assert_eq!(right, CodeOutcome::Right);
            disk.plan(0, fault);
            let ended = match reset {
                true => session.factory_reset(),
                false => session.unpair(),
            };
            assert!(matches!(ended, Err(SessionError::InDoubt { .. })));
            world.insert();
            assert_eq!(world.terminal.pairings().unwrap().len(), 1);
            assert_eq!(world.reconnect().is_err(), done, "{fault:?}, reset {reset}");
        }
    }
}
