//! The way to a card: one trait, several bodies (§16).

pub mod in_process;
pub mod listener;
#[cfg(feature = "pcsc")]
pub mod pcsc;
pub mod replay;
pub mod trace;

/// A connected card. APDU bytes in, APDU bytes out; nothing above knows what kind of reader it is.
pub trait Transport {
    /// Sends one command APDU and gives the response APDU, status word included.
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError>;

    /// The card's answer to reset.
    fn atr(&self) -> &[u8];

    /// Begins exclusive use of the card. Calls nest no deeper than one; other programs wait until [`end`](Self::end).
    ///
    /// [`TransportError::CardReset`] says that another program reset the card since this one used it last.
    fn begin(&mut self) -> Result<(), TransportError>;

    /// Ends exclusive use; nothing happens when none was begun.
    fn end(&mut self, ending: Ending);

    /// Connects again, after [`TransportError::CardReset`]. What the card held of a session is gone.
    fn reconnect(&mut self) -> Result<(), TransportError>;

    /// Whether extended length has not failed on this reader yet.
    fn takes_extended_length(&self) -> bool {
        true
    }

    /// Remembers that extended length failed, so that it is not tried again.
    fn extended_length_failed(&mut self) {}
}

/// In what state the card is left for other programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As it is: the user is being asked, and the session may go on.
    Leave,
    /// Reset, so that nothing of the session remains in it.
    Reset,
}

/// What went wrong between terminal and card. None of it is the card's word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The card was pulled out, or its reader was.
    #[error("the card was removed; insert it again")]
    CardRemoved,
    /// Another program reset the card: its session is gone.
    #[error("another program reset the card; connect again")]
    CardReset,
    /// The reader or its driver failed.
    #[error("the reader failed: {0}")]
    Reader(String),
    /// No reader, or no card service.
    #[error("{0}")]
    Unavailable(String),
}

impl<T: Transport + ?Sized> Transport for &mut T {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        (**self).transmit(command)
    }

    fn atr(&self) -> &[u8] {
        (**self).atr()
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        (**self).begin()
    }

    fn end(&mut self, ending: Ending) {
        (**self).end(ending);
    }

    fn reconnect(&mut self) -> Result<(), TransportError> {
        (**self).reconnect()
    }

    fn takes_extended_length(&self) -> bool {
        (**self).takes_extended_length()
    }

    fn extended_length_failed(&mut self) {
        (**self).extended_length_failed();
    }
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        (**self).transmit(command)
    }

    fn atr(&self) -> &[u8] {
        (**self).atr()
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        (**self).begin()
    }

    fn end(&mut self, ending: Ending) {
        (**self).end(ending);
    }

    fn reconnect(&mut self) -> Result<(), TransportError> {
        (**self).reconnect()
    }

    fn takes_extended_length(&self) -> bool {
        (**self).takes_extended_length()
    }

    fn extended_length_failed(&mut self) {
        (**self).extended_length_failed();
    }
}
