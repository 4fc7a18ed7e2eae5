//! ECDSA over P-256 with SHA-256 (FIPS 186-5), nonces by RFC 6979, signatures as 64 bytes r || s.

use super::agreement::{PrivateKey, PublicKey};
use super::census::{Operation, count};
use super::hash::sha256;
use ecdsa::hazmat::sign_prehashed_rfc6979;
use p256::NistP256;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use zeroize::Zeroizing;

/// The signature does not verify; why is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct SignatureError;

impl PrivateKey {
    /// Signs `message`. The same key and message always give the same signature (RFC 6979).
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        count(Operation::Signature);
        // Why not `SigningKey`: it computes its public key each time it is made, which costs as much as the signature.
        let scalar = Zeroizing::new(self.0.to_nonzero_scalar());
        let digest = sha256(&[message]);
        let (signature, _) =
            sign_prehashed_rfc6979::<NistP256, sha2::Sha256>(&scalar, &digest, &[]);
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
