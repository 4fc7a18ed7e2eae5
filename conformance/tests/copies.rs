//! Copies and roll-back, as far as the protocol claims (§19): an old copy finds no match, and the next set-up names it.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use conformance::{User, World};
use terminal_lib::ConnectError;
use terminal_lib::application::{Policy, SetUpReason};
use terminal_lib::session::Session;

/// A pairing, and the same after three more sessions.
fn then_and_now() -> (World, World) {
    let then = World::paired();
    let mut now = then.fork();
    for _ in 0..3 {
        now.reconnect().unwrap().close();
        now.insert();
    }
    (then, now)
}

/// T35: a card, or a terminal's store, that was restored from a copy three generations old.
#[test]
fn an_old_copy_of_either_side_finds_no_match_and_is_named_at_the_next_set_up() {
    let (then, now) = then_and_now();
    let old_card = World::meeting(&then.card.copy(), &now.store.dangerous_copy());
    let old_terminal = World::meeting(&now.card.copy(), &then.store.dangerous_copy());
    for (label, mut world) in [("the card", old_card), ("the terminal", old_terminal)] {
        let refused = world.reconnect().map(drop).unwrap_err();
        let unknown = matches!(refused, ConnectError::NotPaired(SetUpReason::NeverMet));
        assert!(unknown, "{label}: exactly as for a stranger, not {refused}");
        let mut user = User::willing();
        world
            .connect_under(&mut user, &Policy::Auto)
            .unwrap()
            .close();
        assert!(user.was_told_of_a_loss(), "{label}");
        world.insert();
        world.reconnect().map(Session::close).unwrap();
    }
}

/// T35: the nearest no. Both sides restored together are at the same generation, and nothing can be noticed.
#[test]
fn both_sides_restored_together_go_on_unnoticed() {
    let (then, _) = then_and_now();
    let mut user = User::absent();
    let mut world = then.fork();
    world
        .connect_under(&mut user, &Policy::Never)
        .unwrap()
        .close();
    assert!(!user.was_told_of_a_loss());
}

/// T35: two copies of one card used by turns: the second to appear finds no match.
#[test]
fn a_clone_used_beside_the_original_is_noticed() {
    let original = World::paired();
    let clone = original.card.copy();
    let mut world = original.fork();
    for _ in 0..2 {
        world.reconnect().unwrap().close();
        world.insert();
    }
    let mut with_clone = World::meeting(&clone, &world.store.dangerous_copy());
    assert!(with_clone.reconnect().is_err());
}
