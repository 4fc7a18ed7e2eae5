//! P-256 keys and elliptic-curve Diffie-Hellman (SP 800-56A).

use super::census::{Operation, count};
use super::entropy::{Entropy, EntropyError};
use super::secret::Secret;
use p256::elliptic_curve::sec1::ToSec1Point;

/// The bytes are not a point of P-256 in the form asked for, or are the point at infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a point of P-256 in the expected form")]
pub struct PointError;

/// A P-256 private key.
pub struct PrivateKey(pub(super) p256::SecretKey);

impl PrivateKey {
    /// Draws a key: 32 random bytes, drawn again while they are not in 1..n-1 (probability 2^-32).
    pub fn generate(entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        loop {
            let candidate = entropy.secret::<32>()?;
            if let Some(key) = Self::from_scalar(candidate.expose()) {
                return Ok(key);
            }
        }
    }

    /// A key from its 32-byte big-endian scalar; `None` unless it is in 1..n-1.
    pub fn from_scalar(scalar: &[u8; 32]) -> Option<Self> {
        p256::SecretKey::from_slice(scalar).ok().map(Self)
    }

    /// The 32-byte big-endian scalar, for durable storage.
    pub fn expose_scalar(&self) -> Secret<32> {
        Secret::copy_of(&self.0.to_bytes().into())
    }

    /// The public key that belongs to this private key: one multiplication of the base point.
    pub fn public_key(&self) -> PublicKey {
        count(Operation::PublicKey);
        PublicKey(self.0.public_key())
    }

    /// The x coordinate of the shared point, 32 bytes.
    pub fn agree(&self, peer: &PublicKey) -> Secret<32> {
        count(Operation::Agreement);
        let shared = p256::ecdh::diffie_hellman(self.0.to_nonzero_scalar(), peer.0.as_affine());
        Secret::copy_of(&(*shared.raw_secret_bytes()).into())
    }

    /// A second copy of the key; see [`Secret::dangerous_copy`].
    #[must_use]
    pub fn dangerous_copy(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A P-256 public key: a point on the curve, never the identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(pub(super) p256::PublicKey);

impl PublicKey {
    /// Reads an uncompressed point, 65 bytes beginning with 04 (the form of messages).
    pub fn from_uncompressed(bytes: &[u8]) -> Result<Self, PointError> {
        Self::decode(bytes, 65, &[4])
    }

    /// Reads a compressed point, 33 bytes beginning with 02 or 03 (the form of certificates).
    pub fn from_compressed(bytes: &[u8]) -> Result<Self, PointError> {
        Self::decode(bytes, 33, &[2, 3])
    }

    fn decode(bytes: &[u8], length: usize, forms: &[u8]) -> Result<Self, PointError> {
        let form = bytes.first().ok_or(PointError)?;
        if bytes.len() != length || !forms.contains(form) {
            return Err(PointError);
        }
        p256::PublicKey::from_sec1_bytes(bytes)
            .map(Self)
            .map_err(|_| PointError)
    }

    /// The point in 65 bytes, 04 || x || y.
    pub fn to_uncompressed(&self) -> [u8; 65] {
        encode(&self.0, false)
    }

    /// The point in 33 bytes, 02 or 03 || x.
    pub fn to_compressed(&self) -> [u8; 33] {
        encode(&self.0, true)
    }
}

fn encode<const N: usize>(key: &p256::PublicKey, compressed: bool) -> [u8; N] {
    match key.to_sec1_point(compressed).as_bytes().try_into() {
        Ok(bytes) => bytes,
        Err(_) => unreachable!("a P-256 point is 33 bytes compressed and 65 bytes uncompressed"),
    }
}
