//! Secret values that do not print, compare, copy or linger.

use super::census::{Operation, count};
use alloc::{boxed::Box, vec::Vec};
use planted::planted;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of variable length that are wiped when they die: PIN digits, decrypted command data.
pub type SecretBytes = Zeroizing<Vec<u8>>;

/// A secret of `N` bytes, on the heap so that moving it leaves no copy behind.
///
/// It has no `Debug`, `Clone`, `PartialEq` or `Deref`: bytes leave only through [`expose`](Self::expose).
pub struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// A secret born in place: `fill` writes into zeroed bytes that are already where they will stay.
    pub fn born<E>(fill: impl FnOnce(&mut [u8; N]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self(Box::new([0; N]));
        fill(&mut secret.0)?; // on error `secret` is dropped, hence wiped
        Ok(secret)
    }

    /// Copies `bytes` into a secret. The caller's copy remains the caller's to wipe.
    pub fn copy_of(bytes: &[u8; N]) -> Self {
        let mut secret = Self(Box::new([0; N]));
        secret.0.copy_from_slice(bytes);
        secret
    }

    /// The bytes, for feeding a primitive or durable storage.
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// A second copy of the secret. Named so that a review can search for it.
    #[must_use]
    pub fn dangerous_copy(&self) -> Self {
        Self::copy_of(&self.0)
    }

    /// Whether both hold the same bytes, in time that does not depend on them.
    #[must_use]
    pub fn equals(&self, other: &[u8; N]) -> bool {
        equal(self.0.as_slice(), other)
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        if !planted("no-wipe") {
            self.0.zeroize();
        }
    }
}

/// Overwrites so many `WORDS` of 8 bytes of the stack below its caller, where functions that have returned kept what they worked on.
///
/// The algorithms' crates wipe their values, but not the copies that the compiler makes of them on the way.
#[inline(never)]
pub fn wipe_stack<const WORDS: usize>() {
    if planted("stack-not-wiped") {
        return;
    }
    let mut used = [0_u64; WORDS];
    used.zeroize();
    core::hint::black_box(&used);
}

/// The same after a primitive that has made a key, for no more than it uses.
pub(super) fn wipe_below() {
    wipe_stack::<512>();
}

/// Whether two byte strings are equal, in time that depends on their lengths only.
#[must_use]
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// Whether the value of a PIN or PUK is the stored one. As [`equal`], and counted, so that a test can say how often codes were compared.
#[must_use]
pub fn codes_equal(entered: &[u8], stored: &[u8]) -> bool {
    count(Operation::CodeComparison);
    equal(entered, stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_compares_every_byte_and_the_length() {
        assert!(equal(&[1, 2, 3], &[1, 2, 3]));
        assert!(!equal(&[1, 2, 3], &[1, 2, 4]));
        assert!(!equal(&[0, 2, 3], &[1, 2, 3]));
        assert!(!equal(&[1, 2], &[1, 2, 3]));
    }

    #[test]
    fn a_secret_whose_birth_fails_does_not_exist() {
        assert!(Secret::<4>::born(|_| Err::<(), ()>(())).is_err());
        assert!(
            Secret::<4>::born(|bytes| {
                bytes.fill(7);
                Ok::<(), ()>(())
            })
            .unwrap()
            .equals(&[7; 4])
        );
    }
}
