//! AUTHENTICATE, set-up: the key exchange (message 3) and the terminal's random (message 5) (§9.1; seed A705, A706).

use crate::codec::tlv::{Reader, Tag, TlvError, Writer};
use crate::crypto::PublicKey;
use alloc::vec::Vec;

const TEMPLATE: Tag = Tag(0x7C);
const EPHEMERAL: Tag = Tag(0x85);
const ENCAPSULATION: Tag = Tag(0x86);

/// Why the data of a key exchange is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyExchangeError {
    /// The template is malformed.
    #[error(transparent)]
    Template(#[from] TlvError),
    /// A value is no uncompressed point of P-256.
    #[error(transparent)]
    Point(#[from] crate::crypto::PointError),
}

/// Message 3, command: E_T. 69 bytes.
pub struct TerminalShare(pub PublicKey);

/// Message 3, answer: E_C and c_C, the card's random encapsulated to the terminal's certified key. 137 bytes.
pub struct CardShare {
    /// E_C.
    pub ephemeral: PublicKey,
    /// c_C.
    pub encapsulation: PublicKey,
}

/// Message 5, command: c_T, the terminal's random encapsulated to the card's certified key. 69 bytes.
pub struct TerminalRandom(pub PublicKey);

impl TerminalShare {
    /// `7C 43 {85 41 E_T}`.
    pub fn encode(&self) -> Vec<u8> {
        one_point(EPHEMERAL, &self.0)
    }

    /// Reads the data field; the point must be on the curve.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyExchangeError> {
        read_one_point(EPHEMERAL, bytes).map(Self)
    }
}

impl TerminalRandom {
    /// `7C 43 {86 41 c_T}`.
    pub fn encode(&self) -> Vec<u8> {
        one_point(ENCAPSULATION, &self.0)
    }

    /// Reads the data field; the point must be on the curve.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyExchangeError> {
        read_one_point(ENCAPSULATION, bytes).map(Self)
    }
}

impl CardShare {
    /// `7C 81 86 {85 41 E_C, 86 41 c_C}`.
    pub fn encode(&self) -> Vec<u8> {
        let children = Writer::new()
            .put(EPHEMERAL, &self.ephemeral.to_uncompressed())
            .put(ENCAPSULATION, &self.encapsulation.to_uncompressed());
        Writer::new().nest(TEMPLATE, children).into_bytes()
    }

    /// Reads the answer; both points must be on the curve.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyExchangeError> {
        let mut outer = Reader::new(bytes);
        let mut inner = outer.enter(TEMPLATE)?;
        outer.finish()?;
        let (ephemeral, encapsulation) = (inner.expect(EPHEMERAL)?, inner.expect(ENCAPSULATION)?);
        inner.finish()?;
        Ok(Self {
            ephemeral: PublicKey::from_uncompressed(ephemeral)?,
            encapsulation: PublicKey::from_uncompressed(encapsulation)?,
        })
    }
}

fn one_point(tag: Tag, point: &PublicKey) -> Vec<u8> {
    let children = Writer::new().put(tag, &point.to_uncompressed());
    Writer::new().nest(TEMPLATE, children).into_bytes()
}

fn read_one_point(tag: Tag, bytes: &[u8]) -> Result<PublicKey, KeyExchangeError> {
    let mut outer = Reader::new(bytes);
    let mut inner = outer.enter(TEMPLATE)?;
    outer.finish()?;
    let point = inner.expect(tag)?;
    inner.finish()?;
    Ok(PublicKey::from_uncompressed(point)?)
}
