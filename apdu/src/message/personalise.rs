//! GENERATE ASYMMETRIC KEY PAIR in personalisation: what the request is to be about (§11.8).

use crate::certificate::Name;
use crate::codec::tlv::{Reader, Tag, TlvError, TlvFault, Writer};
use alloc::vec::Vec;

const ISSUER: Tag = Tag(0x42);
const HOLDER: Tag = Tag(0x5F20);
const NONCE: Tag = Tag(0x81);

/// Whom the card is to ask for a certificate, and under which name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOrder {
    /// The authority's root, CAR.
    pub issuer: Name,
    /// The card's name, CHR.
    pub holder: Name,
    /// The authority's fresh nonce.
    pub nonce: [u8; 16],
}

impl KeyOrder {
    /// `42 CAR, 5F20 CHR, 81 10 nonce`.
    pub fn encode(&self) -> Vec<u8> {
        Writer::new()
            .put(ISSUER, self.issuer.as_bytes())
            .put(HOLDER, self.holder.as_bytes())
            .put(NONCE, &self.nonce)
            .into_bytes()
    }

    /// Reads the data field.
    pub fn decode(bytes: &[u8]) -> Result<Self, TlvError> {
        let mut reader = Reader::new(bytes);
        let wrong = reader.error(TlvFault::Value(ISSUER));
        let issuer = Name::from_bytes(reader.expect(ISSUER)?).ok_or(wrong)?;
        let wrong = reader.error(TlvFault::Value(HOLDER));
        let holder = Name::from_bytes(reader.expect(HOLDER)?).ok_or(wrong)?;
        let nonce = reader.fixed(NONCE)?;
        reader.finish()?;
        Ok(Self {
            issuer,
            holder,
            nonce,
        })
    }
}
