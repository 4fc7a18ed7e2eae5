//! An honest card in few lines, made of nothing but the `apdu` crate and the protocol document, and a bench around a
//! terminal. A test makes the card lie by name, or tampers with what it says.
#![allow(dead_code, unused_imports, reason = "each test file uses its part")]

mod bench;
mod card;

pub use bench::*;
pub use card::*;

use apdu::certificate::{
    Certificate, CertificateFields, Date, HolderHash, Name, Role, StatusList, StatusListFields,
};
use apdu::crypto::{Entropy, EntropyError, PrivateKey, PublicKey, sha256};

pub const PIN: &[u8] = b"271828";
pub const PUK: &[u8] = b"31415926";
pub const ROOT: &str = "ZZTALLYROOT00001";
pub const NEW_ROOT: &str = "ZZTALLYROOT00002";
pub const CARD: &str = "ZZTALLYCARD00001";
pub const TERMINAL: &str = "ZZTALLYTERM00001";

/// A generator that gives SHA-256 of a seed and a counter: deterministic, never the same twice.
pub struct FixedEntropy {
    seed: u64,
    drawn: u64,
}

impl FixedEntropy {
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }
}

impl Entropy for FixedEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(32) {
            self.drawn += 1;
            let block = sha256(&[&self.seed.to_be_bytes(), &self.drawn.to_be_bytes()]);
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn today() -> Date {
    Date::new(2026, 11, 21).unwrap()
}

pub fn private_key(byte: u8) -> PrivateKey {
    PrivateKey::from_scalar(&[byte; 32]).unwrap()
}

pub fn root_key() -> PrivateKey {
    private_key(1)
}

pub fn new_root_key() -> PrivateKey {
    private_key(2)
}

/// The root that everybody trusts.
pub fn root() -> Certificate {
    let key = root_key().public_key();
    certify(&root_key(), ROOT, ROOT, Role::Authority, &key, |_| {})
}

/// The next root, and the link that leads to it.
pub fn new_root() -> Certificate {
    let key = new_root_key().public_key();
    certify(
        &new_root_key(),
        NEW_ROOT,
        NEW_ROOT,
        Role::Authority,
        &key,
        |_| {},
    )
}

pub fn link() -> Certificate {
    let key = new_root_key().public_key();
    certify(&root_key(), ROOT, NEW_ROOT, Role::Authority, &key, |_| {})
}

/// A certificate, `change`d before it is signed.
pub fn certify(
    signer: &PrivateKey,
    issuer: &str,
    holder: &str,
    role: Role,
    key: &PublicKey,
    change: impl FnOnce(&mut CertificateFields),
) -> Certificate {
    let mut fields = CertificateFields {
        issuer: name(issuer),
        holder: name(holder),
        role,
        epoch: 1,
        key: key.clone(),
        from: Date::new(2026, 1, 1).unwrap(),
        until: Date::new(2028, 12, 31).unwrap(),
    };
    change(&mut fields);
    let signature = signer.sign(&fields.encode_body());
    Certificate::assemble(fields, signature)
}

/// A status list by the root.
pub fn status_list(sequence: u32, min_epoch: u32, revoked: &[HolderHash]) -> StatusList {
    let mut revoked = revoked.to_vec();
    revoked.sort();
    let fields = StatusListFields {
        issuer: name(ROOT),
        sequence,
        min_epoch,
        date: today(),
        revoked,
    };
    let signature = root_key().sign(&fields.encode_body());
    StatusList::assemble(fields, signature)
}

pub fn holder(role: Role, text: &str) -> HolderHash {
    HolderHash::of(role, &name(text))
}
