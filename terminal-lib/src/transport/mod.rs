//! The way to a card: one trait, several bodies (§16).

/// A connected card. APDU bytes in, APDU bytes out; nothing above knows what kind of reader it is.
pub trait Transport {
    /// Sends one command APDU and gives the response APDU, status word included.
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError>;

    /// The card's answer to reset.
    fn atr(&self) -> &[u8];

    /// Begins exclusive use of the card. Calls nest no deeper than one; other programs wait until [`end`](Self::end).
    fn begin(&mut self) -> Result<(), TransportError>;

    /// Ends exclusive use; nothing happens when none was begun.
    fn end(&mut self);

    /// Resets the card and connects again, after [`TransportError::CardReset`].
    fn reconnect(&mut self) -> Result<(), TransportError>;
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
