//! A count of elliptic-curve operations, and of codes compared, in this process: for demonstrations, benchmarks and tests (feature
//! `census`).
//!
//! Without the feature nothing is counted and nothing is compiled in.

/// The operations that are counted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operation {
    PublicKey,
    Agreement,
    Signature,
    Verification,
    CodeComparison,
}

#[cfg(not(feature = "census"))]
pub(super) fn count(_: Operation) {}

#[cfg(feature = "census")]
pub(super) use counting::count;
#[cfg(feature = "census")]
pub use counting::{Census, census};

#[cfg(feature = "census")]
mod counting {
    use super::Operation;
    use core::ops::{Add, Sub};
    use core::sync::atomic::{AtomicU32, Ordering};

    static PUBLIC_KEYS: AtomicU32 = AtomicU32::new(0);
    static AGREEMENTS: AtomicU32 = AtomicU32::new(0);
    static SIGNATURES: AtomicU32 = AtomicU32::new(0);
    static VERIFICATIONS: AtomicU32 = AtomicU32::new(0);
    static CODE_COMPARISONS: AtomicU32 = AtomicU32::new(0);

    /// How many operations of each kind were done since the process began.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub struct Census {
        /// Public keys computed from private ones: one for each key pair drawn.
        pub key_pairs: u32,
        /// Diffie-Hellman.
        pub agreements: u32,
        /// Signatures made.
        pub signatures: u32,
        /// Signatures verified.
        pub verifications: u32,
        /// PINs and PUKs compared with the stored one.
        pub code_comparisons: u32,
    }

    impl Census {
        /// All elliptic-curve operations together.
        pub fn total(self) -> u32 {
            self.key_pairs + self.agreements + self.signatures + self.verifications
        }

        fn combine(self, other: Self, with: impl Fn(u32, u32) -> u32) -> Self {
            Self {
                key_pairs: with(self.key_pairs, other.key_pairs),
                agreements: with(self.agreements, other.agreements),
                signatures: with(self.signatures, other.signatures),
                verifications: with(self.verifications, other.verifications),
                code_comparisons: with(self.code_comparisons, other.code_comparisons),
            }
        }
    }

    impl Sub for Census {
        type Output = Self;

        fn sub(self, before: Self) -> Self {
            self.combine(before, u32::wrapping_sub)
        }
    }

    impl Add for Census {
        type Output = Self;

        fn add(self, other: Self) -> Self {
            self.combine(other, u32::wrapping_add)
        }
    }

    /// The counts as they stand.
    pub fn census() -> Census {
        Census {
            key_pairs: PUBLIC_KEYS.load(Ordering::Relaxed),
            agreements: AGREEMENTS.load(Ordering::Relaxed),
            signatures: SIGNATURES.load(Ordering::Relaxed),
            verifications: VERIFICATIONS.load(Ordering::Relaxed),
            code_comparisons: CODE_COMPARISONS.load(Ordering::Relaxed),
        }
    }

    pub(in crate::crypto) fn count(operation: Operation) {
        let counter = match operation {
            Operation::PublicKey => &PUBLIC_KEYS,
            Operation::Agreement => &AGREEMENTS,
            Operation::Signature => &SIGNATURES,
            Operation::Verification => &VERIFICATIONS,
            Operation::CodeComparison => &CODE_COMPARISONS,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
