//! The card's body: power, reset, and one command at a time. Around it a socket; inside it the card.

use crate::vpcd::Body;
use apdu::crypto::{Entropy, KnownAnswers, SelfTestError, wipe_stack};
use apdu::identifier::ATR;
use card_core::store::Store;
use card_core::{Card, World};
use std::sync::LazyLock;

/// What a dead card answers: its storage, its random generator or its self-test failed.
const DEAD: [u8; 2] = [0x6F, 0x00];

/// The self-test, once in a process: all its cards have the same arithmetic.
static SELF_TEST: LazyLock<Result<(), SelfTestError>> =
    LazyLock::new(|| KnownAnswers::PUBLISHED.check());

/// A virtual card: a store, a random generator, and while there is power a card.
pub struct VirtualCard<S, E> {
    store: S,
    entropy: E,
    self_test: Result<(), SelfTestError>,
    card: Option<Powered>,
}

/// A card under power. When it ends, what its commands left on the stack ends, too.
struct Powered(Card);

/// Words of the stack that a command may have used for keys and codes, without optimisation.
const USED_STACK: usize = (128 << 10) / 8;

impl Drop for Powered {
    fn drop(&mut self) {
        wipe_stack::<USED_STACK>();
    }
}

impl<S: Store, E: Entropy> VirtualCard<S, E> {
    /// A card without power, after its self-test.
    pub fn new(store: S, entropy: E) -> Self {
        Self::after_self_test(store, entropy, *SELF_TEST)
    }

    /// A card without power whose self-test had this outcome. One that failed is dead: it answers 6F00 to everything.
    pub fn after_self_test(store: S, entropy: E, outcome: Result<(), SelfTestError>) -> Self {
        Self {
            store,
            entropy,
            self_test: outcome,
            card: None,
        }
    }

    /// The store, for looking at it.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Takes power away and gives the store back.
    pub fn into_store(self) -> S {
        self.store
    }
}

impl<S: Store, E: Entropy> Body for VirtualCard<S, E> {
    /// The card reads its store and starts afresh. Without storage, randomness or sound arithmetic it stays dead.
    fn power_on(&mut self) {
        self.card = None; // the old keys are wiped first
        if self.self_test.is_err() {
            return;
        }
        let mut world = World {
            store: &mut self.store,
            entropy: &mut self.entropy,
        };
        self.card = Card::power_up(&mut world).ok().map(Powered);
    }

    /// Every volatile key is wiped.
    fn power_off(&mut self) {
        self.card = None;
    }

    fn reset(&mut self) {
        self.power_on();
    }

    /// The same for every card.
    fn atr(&self) -> Vec<u8> {
        ATR.to_vec()
    }

    /// One command. A card without power is powered first, as a reader would.
    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        if self.card.is_none() {
            self.power_on();
        }
        let mut world = World {
            store: &mut self.store,
            entropy: &mut self.entropy,
        };
        match &mut self.card {
            Some(Powered(card)) => card.transmit(&mut world, command),
            None => DEAD.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use card_core::store::MemoryStore;
    use getrandom::SysRng;

    /// ST-01: bytes in, bytes out, without knowing through what.
    #[test]
    fn a_virtual_card_answers_select_after_power_and_after_reset() {
        let mut card = VirtualCard::new(MemoryStore::new(), SysRng);
        let select = apdu::message::select::COMMAND.encode().unwrap();
        for _ in 0..2 {
            let answer = card.transmit(&select);
            assert_eq!((answer.len(), &answer[113..]), (115, &[0x90, 0x00][..]));
            card.power_off();
        }
    }

    #[test]
    fn a_card_whose_store_cannot_be_read_is_dead_not_blank() {
        let mut store = MemoryStore::new();
        store.fail_reads(Some(card_core::store::Record::DATE));
        let mut card = VirtualCard::new(store, SysRng);
        assert_eq!(
            card.transmit(&apdu::message::select::COMMAND.encode().unwrap()),
            DEAD
        );
    }
}
