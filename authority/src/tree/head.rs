//! The head of the tree: what the authority stands for with its root key (`docs/ledger.md` §3).

use super::hash::Hash;
use super::json::{self, NotJson};
use apdu::certificate::Name;
use apdu::crypto::{PublicKey, SignatureError};
use serde::{Deserialize, Serialize};

/// Longest JSON form that is read, in bytes. Without white space it has at most 330.
pub const MAX_HEAD_JSON: usize = 1_024;

/// What the signed bytes begin with. The rest has a fixed place after the issuer's length byte.
const PREFIX: &[u8] = b"TALLY1 tree head\0";

/// The state of the ledger at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// CHR of the authority's root (`docs/protocol.md` §7.2).
    pub issuer: Name,
    /// When it was signed, Unix seconds.
    pub time: u64,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree over them; [`Hash::EMPTY`] for none.
    pub root: Hash,
}

impl TreeHead {
    /// The bytes to be signed, ECDSA P-256 with SHA-256 (FIPS 186-5), 74 to 82 of them:
    ///
    /// ```text
    /// "TALLY1 tree head" || 00 || length of issuer u8 || issuer || time u64 || size u64 || root 32      big-endian
    /// ```
    ///
    /// The same key signs nothing else that begins with these bytes. What it signs besides are two BER-TLV objects, whole:
    /// bodies of certificates begin with 7F 4E, also those of roots, links and requests (§7.1 and §7.2), bodies of status lists
    /// with E1 (§13); a head begins with 54, the letter T. So no signature over one can be shown as one over another. Whatever
    /// the key is to sign in future needs a first byte or a text of its own.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let issuer = self.issuer.as_bytes();
        let length = u8::try_from(issuer.len()).unwrap_or(u8::MAX); // a name has 8 to 16 bytes
        let (time, size) = (self.time.to_be_bytes(), self.size.to_be_bytes());
        [PREFIX, &[length], issuer, &time, &size, &self.root.0].concat()
    }

    /// Joins the head and the signature over [`signed_bytes`](Self::signed_bytes).
    pub fn sealed(self, signature: [u8; 64]) -> SignedTreeHead {
        let head = self;
        SignedTreeHead { head, signature }
    }
}

/// A head with the authority's signature; not verified until [`verify`](Self::verify) was asked.
///
/// As JSON one object: `issuer` text, `time` and `size` numbers, `root` 64 and `signature` 128 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Text", into = "Text")]
pub struct SignedTreeHead {
    /// What is signed.
    pub head: TreeHead,
    /// r || s, 32 bytes each. Either of s and n - s verifies, so a signature identifies nothing.
    pub signature: [u8; 64],
}

impl SignedTreeHead {
    /// Whether the owner of `key` signed the head: the key of the root certificate whose CHR is the head's issuer. Comparing
    /// that name is up to the caller, who knows the certificate.
    ///
    /// # Errors
    /// The signature is not this key's, or not over this head.
    pub fn verify(&self, key: &PublicKey) -> Result<(), SignatureError> {
        key.verify(&self.head.signed_bytes(), &self.signature)
    }

    /// Reads the JSON form, at most [`MAX_HEAD_JSON`] bytes. It is not verified.
    ///
    /// # Errors
    /// Anything that is not exactly one head.
    pub fn from_json(json: &[u8]) -> Result<Self, NotJson> {
        json::read(json, MAX_HEAD_JSON)
    }
}

/// The JSON form: flat.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(with = "json::name")]
    issuer: Name,
    time: u64,
    size: u64,
    root: Hash,
    #[serde(with = "json::signature")]
    signature: [u8; 64],
}

impl From<Text> for SignedTreeHead {
    fn from(text: Text) -> Self {
        let Text {
            issuer,
            time,
            size,
            root,
            signature,
        } = text;
        TreeHead {
            issuer,
            time,
            size,
            root,
        }
        .sealed(signature)
    }
}

impl From<SignedTreeHead> for Text {
    fn from(signed: SignedTreeHead) -> Self {
        let TreeHead {
            issuer,
            time,
            size,
            root,
        } = signed.head;
        Self {
            issuer,
            time,
            size,
            root,
            signature: signed.signature,
        }
    }
}
