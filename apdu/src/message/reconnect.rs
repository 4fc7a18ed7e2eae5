//! AUTHENTICATE, reconnect: C1 and its answer (§8.1; seed A601, A602).

use crate::codec::tlv::{Reader, Tag, TlvError, Writer};
use crate::handshake::Hint;
use alloc::vec::Vec;

const TEMPLATE: Tag = Tag(0x7C);

/// C1: which pairing the terminal means, and its nonce. 26 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Keyed hint of the pairing whose tag matched; random when none did.
    pub hint: Hint,
    /// n_T, fresh.
    pub terminal_nonce: [u8; 16],
}

/// The answer to C1: the card's nonce and its proof. 38 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChallengeAnswer {
    /// n_C, fresh.
    pub card_nonce: [u8; 16],
    /// AuthC, authentication data 1.
    pub proof: [u8; 16],
}

impl Challenge {
    /// `7C 18 {80 04 hint, 81 10 n_T}`.
    pub fn encode(&self) -> Vec<u8> {
        let children = Writer::new()
            .put(Tag(0x80), &self.hint)
            .put(Tag(0x81), &self.terminal_nonce);
        Writer::new().nest(TEMPLATE, children).into_bytes()
    }

    /// Reads the data field of C1.
    pub fn decode(bytes: &[u8]) -> Result<Self, TlvError> {
        let mut outer = Reader::new(bytes);
        let mut inner = outer.enter(TEMPLATE)?;
        outer.finish()?;
        let (hint, terminal_nonce) = (inner.fixed(Tag(0x80))?, inner.fixed(Tag(0x81))?);
        inner.finish()?;
        Ok(Self {
            hint,
            terminal_nonce,
        })
    }
}

impl ChallengeAnswer {
    /// `7C 24 {81 10 n_C, 82 10 AuthC}`.
    pub fn encode(&self) -> Vec<u8> {
        let children = Writer::new()
            .put(Tag(0x81), &self.card_nonce)
            .put(Tag(0x82), &self.proof);
        Writer::new().nest(TEMPLATE, children).into_bytes()
    }

    /// Reads the answer to C1.
    pub fn decode(bytes: &[u8]) -> Result<Self, TlvError> {
        let mut outer = Reader::new(bytes);
        let mut inner = outer.enter(TEMPLATE)?;
        outer.finish()?;
        let (card_nonce, proof) = (inner.fixed(Tag(0x81))?, inner.fixed(Tag(0x82))?);
        inner.finish()?;
        Ok(Self { card_nonce, proof })
    }
}
