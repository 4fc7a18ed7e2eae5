//! A card in the same process: a simulated card, a test's double, an embedded secure element.

use super::{Ending, Transport, TransportError};
use apdu::identifier::ATR;

/// A card that can be called.
pub trait LocalCard {
    /// Resets the card and gives its answer to reset.
    fn reset(&mut self) -> Vec<u8>;

    /// One command APDU in, one response APDU out.
    fn transmit(&mut self, command: &[u8]) -> Vec<u8>;
}

/// A card that is a closure has nothing to reset: its answer to reset is that of every card.
impl<F: FnMut(&[u8]) -> Vec<u8>> LocalCard for F {
    fn reset(&mut self) -> Vec<u8> {
        ATR.to_vec()
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        self(command)
    }
}

/// The transport to a [`LocalCard`], which is reset once when it is put in.
pub struct InProcess<C> {
    card: C,
    atr: Vec<u8>,
}

impl<C: LocalCard> InProcess<C> {
    /// Puts the card into its reader.
    pub fn new(mut card: C) -> Self {
        let atr = card.reset();
        Self { card, atr }
    }

    /// The card.
    pub fn card(&self) -> &C {
        &self.card
    }

    /// The card, to change it.
    pub fn card_mut(&mut self) -> &mut C {
        &mut self.card
    }

    /// Takes the card out.
    pub fn into_card(self) -> C {
        self.card
    }
}

impl<C: LocalCard> Transport for InProcess<C> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        Ok(self.card.transmit(command))
    }

    fn atr(&self) -> &[u8] {
        &self.atr
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    fn end(&mut self, ending: Ending) {
        if ending == Ending::Reset {
            self.atr = self.card.reset();
        }
    }

    fn reconnect(&mut self) -> Result<(), TransportError> {
        self.atr = self.card.reset();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo {
        resets: u32,
    }

    impl LocalCard for Echo {
        fn reset(&mut self) -> Vec<u8> {
            self.resets += 1;
            vec![0x3B, 0]
        }

        fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
            [command, &[0x90, 0]].concat()
        }
    }

    /// ST-08: a card in the process is reached by the same trait as one in a reader.
    #[test]
    fn a_card_in_the_process_is_reset_when_put_in_and_when_a_session_ends_but_not_when_lent() {
        let mut transport = InProcess::new(Echo { resets: 0 });
        assert_eq!(transport.transmit(&[1, 2]), Ok(vec![1, 2, 0x90, 0]));
        transport.begin().unwrap();
        transport.end(Ending::Leave);
        assert_eq!(transport.card().resets, 1);
        transport.end(Ending::Reset);
        assert_eq!(transport.card().resets, 2);
        transport.reconnect().unwrap();
        assert_eq!(transport.into_card().resets, 3);
    }

    #[test]
    fn a_closure_is_a_card() {
        let mut transport = InProcess::new(|_: &[u8]| vec![0x6D, 0]);
        assert_eq!(transport.atr(), ATR);
        assert_eq!(transport.transmit(&[0]), Ok(vec![0x6D, 0]));
    }
}
