//! Randomness is handed in: the operating system's generator on hosts, a fixed tape in tests and vectors.

use super::secret::Secret;

/// A source of unpredictable bytes. Every `rand_core::TryCryptoRng` is one.
pub trait Entropy {
    /// Fills `bytes` completely, or fails and the caller must not use them.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// The random generator failed; nothing that needs randomness can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the random generator failed; nothing was done")]
pub struct EntropyError;

impl<R: rand_core::TryCryptoRng> Entropy for R {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        self.try_fill_bytes(bytes).map_err(|_| EntropyError)
    }
}

impl dyn Entropy + '_ {
    /// A fresh public random value of `N` bytes, one draw.
    pub fn nonce<const N: usize>(&mut self) -> Result<[u8; N], EntropyError> {
        let mut nonce = [0; N];
        self.fill(&mut nonce)?;
        Ok(nonce)
    }

    /// A fresh secret of `N` bytes, one draw.
    pub fn secret<const N: usize>(&mut self) -> Result<Secret<N>, EntropyError> {
        Secret::born(|bytes| self.fill(bytes))
    }
}
