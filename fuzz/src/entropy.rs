//! Generators that give the same bytes in every run.

use apdu::crypto::{Entropy, EntropyError, sha256};

/// SHA-256 of a seed and a counter.
#[derive(Clone)]
pub struct Fixed {
    seed: u64,
    drawn: u64,
}

impl Fixed {
    /// A generator of its own.
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }
}

impl Entropy for Fixed {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(32) {
            self.drawn += 1;
            let block = sha256(&[&self.seed.to_be_bytes(), &self.drawn.to_be_bytes()]);
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }
}
