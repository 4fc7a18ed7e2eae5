//! ECDSA over P-256 with SHA-256 (FIPS 186-5), nonces by RFC 6979, signatures as 64 bytes r || s.

use super::agreement::{PrivateKey, PublicKey};
use super::census::{Operation, count};
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};

/// The signature does not verify; why is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct SignatureError;

impl PrivateKey {
    /// Signs `message`. The same key and message always give the same signature (RFC 6979).
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        count(Operation::Signature);
        let signature: Signature = SigningKey::from(&self.0).sign(message);
        signature.to_bytes().into()
    }
}

impl PublicKey {
    /// Verifies r || s over `message`; r and s must be in 1..n-1. Either of s and n - s verifies (§7.1).
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), SignatureError> {
        count(Operation::Verification);
        let signature = Signature::from_slice(signature).map_err(|_| SignatureError)?;
        let point = self.point().ok_or(SignatureError)?;
        VerifyingKey::from(point)
            .verify(message, &signature)
            .map_err(|_| SignatureError)
    }
}
