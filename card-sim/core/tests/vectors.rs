//! session.json against the card: the bytes of a whole life, computed by a program that shares no code with it.

use apdu::crypto::{Entropy, EntropyError};
use card_core::store::MemoryStore;
use card_core::{Card, World};
use test_vectors::{group, to_hex};

/// Randomness that was written down.
struct Tape(std::vec::IntoIter<u8>);

impl Entropy for Tape {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for byte in bytes {
            *byte = self.0.next().ok_or(EntropyError)?;
        }
        Ok(())
    }
}

/// ST-21, ST-22, ST-27, ST-30, ST-31, ST-32, ST-34, ST-35, ST-40, ST-41, ST-42, ST-44, ST-45, ST-46, ST-47, ST-50, ST-51,
/// ST-52, ST-54, ST-60, ST-62: each as bytes.
#[test]
fn the_card_answers_a_whole_life_byte_for_byte() {
    let (group, tests) = group(test_vectors::SESSION, "Life");
    assert_eq!(tests.len(), 1);
    let mut store = MemoryStore::new();
    let mut entropy = Tape(group.bytes("cardTape").into_iter());
    let mut card: Option<Card> = None;
    let mut commands = 0;
    for step in tests[0].list("steps") {
        let mut world = World {
            store: &mut store,
            entropy: &mut entropy,
        };
        if step.optional_text("power").is_some() {
            card = Some(Card::power_up(&mut world).unwrap());
            continue;
        }
        let response = card
            .as_mut()
            .unwrap()
            .transmit(&mut world, &step.bytes("command"));
        assert_eq!(
            to_hex(&response),
            step.text("response"),
            "{}",
            step.text("comment")
        );
        commands += 1;
    }
    assert_eq!(commands, 36);
    assert_eq!(
        entropy.0.len(),
        0,
        "the card drew exactly what the specification says"
    );
}
