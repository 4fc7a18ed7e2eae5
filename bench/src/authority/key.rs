//! A key in memory, the clock, and randomness that can be foretold.

use crate::world::Failure;
use apdu::crypto::{Entropy, EntropyError, PrivateKey, PublicKey, sha256};
use authority::Moment;
use authority::custody::{CustodyError, Signer};
use std::time::{SystemTime, UNIX_EPOCH};

pub struct Key(pub PrivateKey);

impl Key {
    pub fn copy(&self) -> Self {
        Self(self.0.dangerous_copy())
    }
}

impl Signer for Key {
    fn public_key(&self) -> PublicKey {
        self.0.public_key()
    }

    fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], CustodyError> {
        Ok(self.0.sign(message))
    }

    fn describe(&self) -> String {
        "in memory".into()
    }
}

/// Nonces by their number, so that cards can be made ready before their orders.
pub struct Counted(pub u64);

impl Counted {
    pub fn nonce(number: u64) -> [u8; 32] {
        sha256(&[b"bench", &number.to_be_bytes()])
    }
}

impl Entropy for Counted {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(32) {
            let block = Self::nonce(self.0);
            self.0 += 1;
            chunk.copy_from_slice(block.get(..chunk.len()).unwrap_or_default());
        }
        Ok(())
    }
}

pub fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

pub fn now() -> Result<Moment, Failure> {
    Ok(Moment::from_unix_seconds(seconds()).ok_or("the clock is wrong")?)
}
