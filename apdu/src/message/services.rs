//! GET DATA services: the identifiers of the services on a card (§11.4).

use crate::codec::tlv::{Reader, Tag, TlvError, Writer};
use crate::identifier::Aid;
use alloc::vec::Vec;

const IDENTIFIER: Tag = Tag(0x4F);

/// `n x 4F AID`.
pub fn encode(services: impl Iterator<Item = Aid>) -> Vec<u8> {
    services
        .fold(Writer::new(), |list, aid| list.put(IDENTIFIER, &aid.0))
        .into_bytes()
}

/// Reads the list.
pub fn decode(bytes: &[u8]) -> Result<Vec<Aid>, TlvError> {
    let mut reader = Reader::new(bytes);
    let mut services = Vec::new();
    while !reader.is_at_end() {
        services.push(Aid(reader.fixed(IDENTIFIER)?));
    }
    Ok(services)
}
