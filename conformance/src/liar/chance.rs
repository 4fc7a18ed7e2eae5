//! A generator that repeats itself: worthless, and just right for telling a session again bit for bit.

use apdu::crypto::{Entropy, EntropyError, sha256};

/// SHA-256 of a seed and a counter, a block for every 32 bytes of a draw.
#[derive(Clone)]
pub struct Chance {
    seed: u64,
    drawn: u64,
}

impl Chance {
    /// The generator of this number.
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// The next `N` bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.draw(&mut bytes);
        bytes
    }

    /// A number from 0 to `limit - 1`; 0 if `limit` is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        let bits = u64::from_be_bytes(self.bytes());
        usize::try_from(bits >> 1)
            .unwrap_or_default()
            .checked_rem(limit)
            .unwrap_or_default()
    }

    fn draw(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            self.drawn += 1;
            let block = sha256(&[&self.seed.to_be_bytes(), &self.drawn.to_be_bytes()]);
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}

impl Entropy for Chance {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        self.draw(bytes);
        Ok(())
    }
}
