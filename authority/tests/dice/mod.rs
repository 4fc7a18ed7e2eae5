//! Randomness for tests.
#![allow(dead_code, reason = "each test program uses a part of it")]

use apdu::crypto::sha256;

/// Randomness that a seed repeats.
pub struct Dice {
    seed: u64,
    drawn: u64,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    fn next(&mut self) -> u64 {
        self.drawn += 1;
        let block = sha256(&[b"dice", &self.seed.to_be_bytes(), &self.drawn.to_be_bytes()]);
        u64::from_be_bytes(block[..8].try_into().unwrap())
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }

    pub fn one<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}
