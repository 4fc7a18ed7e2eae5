//! Copies and roll-back, as far as the protocol claims (§19): an old copy finds no match, and the next set-up names it.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use conformance::evidence::report;
use conformance::{User, World};
use terminal_lib::ConnectError;
use terminal_lib::application::{Policy, SetUpReason};
use terminal_lib::session::Session;

/// A pairing, and the same after some more sessions.
fn then_and_now(sessions: usize) -> (World, World) {
    let then = World::paired();
    let mut now = then.fork();
    for _ in 0..sessions {
        now.reconnect().unwrap().close();
        now.insert();
    }
    (then, now)
}

/// T35: a card, or a terminal's store, that was restored from a copy at least two generations old: by 50 distances in time.
#[test]
fn an_old_copy_of_either_side_finds_no_match_and_is_named_at_the_next_set_up() {
    let mut restored = 0;
    for sessions in 2..52 {
        let (then, now) = then_and_now(sessions);
        let old_card = World::meeting(&then.card.copy(), &now.store.dangerous_copy());
        let old_terminal = World::meeting(&now.card.copy(), &then.store.dangerous_copy());
        for (side, mut world) in [("the card", old_card), ("the terminal", old_terminal)] {
            let label = format!("{side}, {sessions} sessions old");
            let refused = world.reconnect().map(drop).unwrap_err();
            let unknown = matches!(refused, ConnectError::NotPaired(SetUpReason::NeverMet));
            assert!(unknown, "{label}: exactly as for a stranger, not {refused}");
            let mut user = User::willing();
            let session = world.connect_under(&mut user, &Policy::Auto);
            session.unwrap().close();
            assert!(user.was_told_of_a_loss(), "{label}");
            world.insert();
            world.reconnect().map(Session::close).unwrap();
            restored += 1;
        }
    }
    report(
        "T35",
        restored,
        "old copies restored: no match, and named at the next set-up, every time",
    );
}

/// T35: the nearest no. Both sides restored together are at the same generation, and nothing can be noticed.
#[test]
fn both_sides_restored_together_go_on_unnoticed() {
    let (then, _) = then_and_now(3);
    let mut user = User::absent();
    let mut world = then.fork();
    world
        .connect_under(&mut user, &Policy::Never)
        .unwrap()
        .close();
    assert!(!user.was_told_of_a_loss());
}

/// T35: two copies of one card used by turns: the second to appear finds no match, and so does the first when it comes back after
/// the second was paired anew.
#[test]
fn a_clone_used_beside_the_original_is_noticed() {
    let mut noticed = 0;
    for ahead in 2..22 {
        let original = World::paired();
        let clone = original.card.copy();
        let mut world = original.fork();
        for _ in 0..ahead {
            world.reconnect().unwrap().close();
            world.insert();
        }
        let mut with_clone = World::meeting(&clone, &world.store.dangerous_copy());
        assert!(with_clone.reconnect().is_err(), "{ahead} sessions ahead");
        let mut user = User::willing();
        with_clone.visit(&mut user).unwrap();
        assert!(user.was_told_of_a_loss(), "{ahead} sessions ahead");
        let mut back = World::meeting(&world.card, &with_clone.store.dangerous_copy());
        assert!(back.reconnect().is_err(), "{ahead} sessions ahead");
        noticed += 2;
    }
    report(
        "T35",
        noticed,
        "meetings with the other one of two clones: no match, every time",
    );
}
