//! Hashes of leaves and nodes (RFC 9162 §2.1.1).

use crate::ledger::text::{from_hex, to_hex};
use apdu::crypto::sha256;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Before an entry. Why two prefixes: without them the text of a node could be passed off as an entry.
const LEAF: u8 = 0x00;
/// Before two hashes.
const NODE: u8 = 0x01;

/// SHA-256 of a leaf, a node or an empty tree: 32 bytes, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

/// The text is no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hash is written as 64 hexadecimal digits in small letters")]
pub struct HashText;

impl Hash {
    /// The root of a tree without leaves: SHA-256 of no bytes.
    pub const EMPTY: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9,
        0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52,
        0xb8, 0x55,
    ]);
}

/// The hash of an entry: SHA-256(00 || entry).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(sha256(&[&[LEAF], entry]))
}

/// The hash of two subtrees side by side: SHA-256(01 || left || right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash(sha256(&[&[NODE], &left.0, &right.0]))
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&to_hex(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = HashText;

    fn from_str(text: &str) -> Result<Self, HashText> {
        let bytes = from_hex(text).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(HashText)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, sink: S) -> Result<S::Ok, S::Error> {
        sink.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_tree_has_the_hash_of_no_bytes() {
        assert_eq!(Hash::EMPTY.0, sha256(&[]));
        assert_ne!(Hash::EMPTY, leaf_hash(b""));
    }

    #[test]
    fn a_node_cannot_be_passed_off_as_an_entry() {
        let (left, right) = (leaf_hash(b"left"), leaf_hash(b"right"));
        let node = node_hash(&left, &right);
        let both = [left.0, right.0].concat();
        assert_ne!(leaf_hash(&both), node);
        assert_ne!(node_hash(&right, &left), node);
    }

    #[test]
    fn a_hash_has_one_spelling() {
        let hash = leaf_hash(b"entry");
        let text = hash.to_string();
        assert_eq!(text.parse(), Ok(hash));
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<Hash>(&json).unwrap(), hash);
        for bad in [
            text.to_uppercase(),
            format!(" {text}"),
            format!("{text}00"),
            text[2..].to_owned(),
            text[1..].to_owned(),
            String::new(),
        ] {
            assert_eq!(bad.parse::<Hash>(), Err(HashText), "{bad}");
            assert!(serde_json::from_str::<Hash>(&format!("\"{bad}\"")).is_err());
        }
    }
}
