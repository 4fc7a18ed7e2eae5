//! What a reconnect costs in curve operations: a test program of its own, because the count is one for the whole process.

use apdu::crypto::census;
use conformance::{User, World};

/// ST-27: symmetric cryptography only, on both sides; set-up is the nearest counter-example.
#[test]
fn a_set_up_uses_the_curve_on_both_sides_and_a_reconnect_on_neither() {
    let mut world = World::new();
    let before = census();
    world.visit(&mut User::willing()).unwrap();
    let (all, card) = (census() - before, world.line.card_operations);
    assert!(card.total() > 0, "the card calculates");
    assert!((all - card).total() > 0, "the terminal calculates");
    assert_eq!(
        card.signatures, 0,
        "no side signs a statement that outlives the meeting"
    );
    for _ in 0..2 {
        world.insert();
        let before = census();
        let mut session = world.reconnect().unwrap();
        session.status().unwrap();
        session.close();
        assert_eq!((census() - before).total(), 0);
    }
}
