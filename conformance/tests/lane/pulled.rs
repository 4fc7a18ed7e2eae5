//! A card that is pulled at every boundary between two APDUs, and in the middle of answers.

use super::{Inserted, Slot};
use card_sim::fault::Fault;
use card_sim::vpcd::VpcdClient;
use conformance::evidence::report;
use conformance::{User, World};
use std::time::{Duration, Instant};
use terminal_lib::application::Policy;

/// So soon a pulled card is an error.
const NOTICED: Duration = Duration::from_secs(2);

/// Pulls the card by `fault` at the `number`th APDU, counted from 1; then it comes back.
fn pull(slot: &Slot, start: &World, number: usize, fault: Fault) {
    let label = format!("{fault:?} at {number}");
    let mut world = start.fork();
    let client = VpcdClient::slot(0).with_fault(u64::try_from(number).unwrap(), fault);
    let _inserted = Inserted::with(client, world.card.clone());
    let mut reader = slot.wait_for_card();
    let begun = Instant::now();
    let session = world
        .terminal
        .connect(&mut reader, &mut User::willing(), &Policy::Auto)
        .map(drop);
    let took = begun.elapsed();
    assert!(session.is_err(), "{label}");
    assert!(took < NOTICED, "{label}: an error after {took:?}");
    drop(reader);
    slot.wait_for_removal();
    let mut reader = slot.wait_for_card();
    let mut user = User::willing();
    let session = world
        .terminal
        .connect(&mut reader, &mut user, &Policy::Auto)
        .map(drop);
    assert!(session.is_ok(), "{label}: {session:?}");
    assert!(user.asked_for_pin.len() <= 1, "{label}");
}

fn apdus(start: &World) -> usize {
    let mut whole = start.fork();
    whole.visit(&mut User::willing()).unwrap();
    whole.line.heard.len()
}

/// ST-12, ST-23, T62: in a set-up.
#[test]
fn a_card_pulled_at_any_moment_of_a_set_up_is_an_error_at_once_and_works_at_the_next_insertion() {
    let slot = Slot::new();
    let start = World::new();
    let apdus = apdus(&start);
    assert_eq!(apdus, 12);
    for number in 1..=apdus {
        for fault in [Fault::DropBefore, Fault::DropAfter] {
            pull(&slot, &start, number, fault);
            slot.wait_for_removal();
        }
    }
    report(
        "T62",
        2 * apdus as u64,
        "cards pulled in a set-up: an error at once, and the next insertion works",
    );
}

/// ST-12, ST-27, T62: in a reconnect. A driver hands out the beginning of an answer as if it were all of it.
#[test]
fn a_card_pulled_at_any_moment_of_a_reconnect_is_an_error_at_once_and_works_at_the_next_insertion()
{
    let slot = Slot::new();
    let start = World::paired();
    let apdus = apdus(&start);
    assert_eq!(apdus, 3);
    for number in 1..=apdus {
        for fault in [
            Fault::DropBefore,
            Fault::DropAfter,
            Fault::CutAnswer { keep: 20 },
        ] {
            pull(&slot, &start, number, fault);
            slot.wait_for_removal();
        }
    }
    report(
        "T62",
        3 * apdus as u64,
        "cards pulled in a reconnect: an error at once, and the next insertion works",
    );
}
