//! What the authority hands out: that an entry is in the ledger, and that the ledger only grew (`docs/ledger.md` §4 and §5).

use super::hash::{Hash, leaf_hash};
use super::head::{SignedTreeHead, TreeHead};
use super::json::{self, NotJson};
use super::verify::{ProofFault, verify_consistency, verify_inclusion};
use apdu::certificate::Name;
use apdu::crypto::PublicKey;
use serde::{Deserialize, Serialize};

/// Longest entry in bytes.
pub const MAX_ENTRY: usize = 16_384;
/// Most hashes of a receipt's path: one for each level of the largest tree.
pub const MAX_PATH: usize = 64;
/// Most hashes of a proof of consistency: one more, for the node in which the earlier tree ends.
pub const MAX_CONSISTENCY: usize = 65;
/// Longest JSON form of a receipt that is read, in bytes: an entry in which each byte is written as six, and room for the rest.
pub const MAX_RECEIPT_JSON: usize = 131_072;
/// Longest JSON form of a proof of consistency that is read, in bytes.
pub const MAX_CONSISTENCY_JSON: usize = 8_192;

/// An entry, and how it leads to the root of a signed tree. Whoever has the authority's root certificate can check it offline.
///
/// As JSON one object: `head` an object, `index` a number, `entry` text, `path` a list of 64 hexadecimal digits each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The head whose tree has the entry.
    #[serde(deserialize_with = "json::object")]
    pub head: SignedTreeHead,
    /// Place of the entry, from 0.
    pub index: u64,
    /// The ledger's line exactly as it was hashed, at most [`MAX_ENTRY`] bytes. What it says about whom is up to the reader.
    #[serde(deserialize_with = "json::text::<MAX_ENTRY, _>")]
    pub entry: String,
    /// From the entry's neighbour to the root's child, at most [`MAX_PATH`] hashes.
    #[serde(deserialize_with = "json::hashes::<MAX_PATH, _>")]
    pub path: Vec<Hash>,
}

/// The receipt proves nothing. The first of these in this order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptFault {
    /// Its text cannot be read. Whoever made or carried it is at fault.
    #[error("the receipt cannot be read: {0}")]
    Malformed(#[from] NotJson),
    /// The entry is longer than any line of a ledger.
    #[error("the receipt's entry has {0} bytes, a ledger's has at most {MAX_ENTRY}")]
    EntryTooLong(usize),
    /// Another authority's.
    #[error(
        "the receipt's head is of {found}, not of {expected}: use the root certificate of {found}, if you trust it"
    )]
    Issuer {
        /// In the head.
        found: Name,
        /// CHR of the root at hand.
        expected: Name,
    },
    /// Not signed by this authority, or changed since.
    #[error(
        "the receipt's head is not signed by this authority, or was changed since: it proves nothing"
    )]
    Signature,
    /// The entry is not in the tree that was signed.
    #[error(
        "the receipt does not fit its signed head: {0}; ask the authority for a new one, and keep this one if it gave it"
    )]
    Proof(ProofFault),
}

impl Receipt {
    /// Whether the owner of `key` signed a tree that has `entry` at `index`. The head's issuer is not compared with anything:
    /// [`verify_of`](Self::verify_of) does.
    ///
    /// # Errors
    /// The first that is wrong of: length of the entry, signature, proof.
    pub fn verify(&self, key: &PublicKey) -> Result<(), ReceiptFault> {
        if self.entry.len() > MAX_ENTRY {
            return Err(ReceiptFault::EntryTooLong(self.entry.len()));
        }
        self.head.verify(key).map_err(|_| ReceiptFault::Signature)?;
        let leaf = leaf_hash(self.entry.as_bytes());
        let TreeHead { size, root, .. } = &self.head.head;
        verify_inclusion(&leaf, self.index, *size, &self.path, root).map_err(ReceiptFault::Proof)
    }

    /// The same, by the CHR and the key of a root certificate that the caller trusts.
    ///
    /// # Errors
    /// [`ReceiptFault::Issuer`] for the head of an authority of another name; then as [`verify`](Self::verify).
    pub fn verify_of(&self, authority: &Name, key: &PublicKey) -> Result<(), ReceiptFault> {
        let (found, expected) = (self.head.head.issuer, *authority);
        if found != expected {
            return Err(ReceiptFault::Issuer { found, expected });
        }
        self.verify(key)
    }

    /// Reads the JSON form, at most [`MAX_RECEIPT_JSON`] bytes. It is not verified.
    ///
    /// # Errors
    /// Anything that is not exactly one receipt.
    pub fn from_json(json: &[u8]) -> Result<Self, NotJson> {
        json::read(json, MAX_RECEIPT_JSON)
    }
}

/// Shows that the tree of `second` entries begins with all entries of the tree of `first`.
///
/// As JSON one object: `first` and `second` numbers, `path` a list of 64 hexadecimal digits each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// Entries of the earlier tree.
    pub first: u64,
    /// Entries of the later tree.
    pub second: u64,
    /// PROOF of RFC 9162 §2.1.4.1, at most [`MAX_CONSISTENCY`] hashes.
    #[serde(deserialize_with = "json::hashes::<MAX_CONSISTENCY, _>")]
    pub path: Vec<Hash>,
}

/// The two heads are not shown to be of one growing ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConsistencyFault {
    /// Heads of two authorities.
    #[error("the heads are of two authorities, {first} and {second}: compare heads of one")]
    Issuer {
        /// Of the earlier head.
        first: Name,
        /// Of the later head.
        second: Name,
    },
    /// A proof for other heads.
    #[error(
        "the proof is about {0} and {1} entries, and the heads are not: ask for the proof between these heads"
    )]
    Sizes(u64, u64),
    /// The proof does not hold. If both heads are signed and the authority has no other proof, it changed its past.
    #[error("{0}; keep both heads if the authority has no better proof: they are the evidence")]
    Proof(ProofFault),
}

impl ConsistencyProof {
    /// Whether the ledger of the later head begins with that of the earlier one, both of one root. Both signatures must have been
    /// verified before.
    ///
    /// # Errors
    /// The first that is wrong of: issuers, sizes, proof.
    pub fn verify(&self, earlier: &TreeHead, later: &TreeHead) -> Result<(), ConsistencyFault> {
        if earlier.issuer != later.issuer {
            let (first, second) = (earlier.issuer, later.issuer);
            return Err(ConsistencyFault::Issuer { first, second });
        }
        self.verify_linked(earlier, later)
    }

    /// The same for heads of one root or of two, if the caller has verified that links lead from the earlier head's root to the later's.
    ///
    /// # Errors
    /// The first that is wrong of: sizes, proof.
    pub fn verify_linked(
        &self,
        earlier: &TreeHead,
        later: &TreeHead,
    ) -> Result<(), ConsistencyFault> {
        let Self { first, second, .. } = *self;
        if (earlier.size, later.size) != (first, second) {
            return Err(ConsistencyFault::Sizes(first, second));
        }
        verify_consistency(first, &earlier.root, second, &later.root, &self.path)
            .map_err(ConsistencyFault::Proof)
    }

    /// Reads the JSON form, at most [`MAX_CONSISTENCY_JSON`] bytes. It is not verified.
    ///
    /// # Errors
    /// Anything that is not exactly one proof.
    pub fn from_json(json: &[u8]) -> Result<Self, NotJson> {
        json::read(json, MAX_CONSISTENCY_JSON)
    }
}
