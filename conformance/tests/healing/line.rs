//! The line between card and terminal: it can lose a command, lose an answer, or put another in its place.

use super::world::FixedEntropy;
use apdu::identifier::ATR;
use card_core::store::MemoryStore;
use card_core::{Card, World};
use terminal_lib::transport::{Ending, Transport, TransportError};

/// What happens to one exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The card is pulled before the command reaches it.
    PulledBefore,
    /// The card carries the command out and is pulled before its answer arrives.
    PulledAfter,
    /// The terminal gets these bytes instead of the answer; the card has carried the command out.
    Instead(Vec<u8>),
}

/// A card, its store, and the way to it.
pub struct Line {
    pub store: MemoryStore,
    entropy: FixedEntropy,
    card: Option<Card>,
    trouble: Option<(usize, Trouble)>,
    /// Commands and their answers since the last insertion.
    pub log: Vec<(Vec<u8>, Vec<u8>)>,
    pulled: bool,
}

impl Line {
    pub fn new(store: MemoryStore, entropy: FixedEntropy) -> Self {
        Self {
            store,
            entropy,
            card: None,
            trouble: None,
            log: Vec::new(),
            pulled: false,
        }
    }

    /// Puts the card in (again): it starts from its store.
    pub fn insert(&mut self) {
        self.store.power_on();
        *self = Self::new(
            std::mem::take(&mut self.store),
            self.entropy.clone().skipped(),
        );
    }

    /// Plans trouble for exchange `number`, from 0, of this insertion.
    pub fn plan(&mut self, number: usize, trouble: Trouble) {
        self.trouble = Some((number, trouble));
    }

    /// The card once more, out of the reader.
    pub fn dangerous_copy(&self) -> Self {
        Self::new(self.store.dangerous_copy(), self.entropy.clone())
    }

    fn carry_out(&mut self, command: &[u8]) -> Vec<u8> {
        let mut world = World {
            store: &mut self.store,
            entropy: &mut self.entropy,
        };
        if self.card.is_none() {
            self.card = Card::power_up(&mut world).ok();
        }
        match &mut self.card {
            Some(card) => card.transmit(&mut world, command),
            None => vec![0x6F, 0x00],
        }
    }
}

impl Transport for Line {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        if self.pulled {
            return Err(TransportError::CardRemoved);
        }
        let number = self.log.len();
        let trouble = self
            .trouble
            .take_if(|(planned, _)| *planned == number)
            .map(|(_, trouble)| trouble);
        if trouble == Some(Trouble::PulledBefore) {
            self.pulled = true;
            return Err(TransportError::CardRemoved);
        }
        let answer = self.carry_out(command);
        self.log.push((command.to_vec(), answer.clone()));
        // A card that lost its power during the command is as good as pulled.
        if trouble == Some(Trouble::PulledAfter) || self.store.is_off() {
            self.pulled = true;
            return Err(TransportError::CardRemoved);
        }
        match trouble {
            Some(Trouble::Instead(bytes)) => Ok(bytes),
            _ => Ok(answer),
        }
    }

    fn atr(&self) -> &[u8] {
        &ATR
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        if self.pulled {
            Err(TransportError::CardRemoved)
        } else {
            Ok(())
        }
    }

    fn end(&mut self, ending: Ending) {
        if ending == Ending::Reset {
            self.card = None;
        }
    }

    fn reconnect(&mut self) -> Result<(), TransportError> {
        self.card = None;
        self.begin()
    }
}
