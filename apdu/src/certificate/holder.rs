//! Short identities of holders and keys (§7.4).

use super::cvc::Role;
use super::name::Name;
use crate::crypto::{PublicKey, sha256};
use core::fmt;

/// `SHA-256("TALLY1 holder" || role || CHR)[0..12]`. The authority never gives a CHR twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HolderHash(pub [u8; 12]);

/// `SHA-256(uncompressed point)[0..8]`: notices the same holder with another key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 8]);

impl HolderHash {
    /// The hash of a holder.
    pub fn of(role: Role, holder: &Name) -> Self {
        let hash = sha256(&[b"TALLY1 holder", &[role.to_byte()], holder.as_bytes()]);
        Self(hash.first_chunk().copied().unwrap_or_default())
    }
}

impl KeyId {
    /// The id of a key.
    pub fn of(key: &PublicKey) -> Self {
        let hash = sha256(&[&key.to_uncompressed()]);
        Self(hash.first_chunk().copied().unwrap_or_default())
    }
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for HolderHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for HolderHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}
