//! P-256 keys and elliptic-curve Diffie-Hellman (SP 800-56A).

use super::census::{Operation, count};
use super::entropy::{Entropy, EntropyError};
use super::hash::hmac_sha256;
use super::secret::Secret;
use core::cell::OnceCell;
use core::fmt;
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
        PublicKey::of(self.0.public_key())
    }

    /// The x coordinate of the shared point, 32 bytes.
    pub fn agree(&self, peer: &PublicKey) -> Secret<32> {
        count(Operation::Agreement);
        let Some(point) = peer.point() else {
            // Why not an error: a wrong secret already shows as a wrong MAC, and nobody else knows this one.
            return hmac_sha256(&self.0.to_bytes(), &[b"no such point"]);
        };
        let shared = p256::ecdh::diffie_hellman(self.0.to_nonzero_scalar(), point.as_affine());
        Secret::copy_of(&(*shared.raw_secret_bytes()).into())
    }

    /// A second copy of the key; see [`Secret::dangerous_copy`].
    #[must_use]
    pub fn dangerous_copy(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A P-256 public key: a point on the curve, never the identity.
///
/// Keys equal when their points do. The compressed form is kept; the point of a [`restored`](Self::restored) key is
/// computed when it is first needed, which costs as much as a tenth of a verification.
#[derive(Clone)]
pub struct PublicKey {
    compressed: [u8; 33],
    point: OnceCell<Option<p256::PublicKey>>,
}

impl PublicKey {
    /// Reads an uncompressed point, 65 bytes beginning with 04 (the form of messages).
    pub fn from_uncompressed(bytes: &[u8]) -> Result<Self, PointError> {
        if bytes.len() != 65 || !bytes.starts_with(&[4]) {
            return Err(PointError);
        }
        let point = p256::PublicKey::from_sec1_bytes(bytes).map_err(|_| PointError)?;
        Ok(Self::of(point))
    }

    /// Reads a compressed point, 33 bytes beginning with 02 or 03 (the form of certificates).
    pub fn from_compressed(bytes: &[u8]) -> Result<Self, PointError> {
        let key = Self::restored(bytes)?;
        if key.point().is_some() {
            Ok(key)
        } else {
            Err(PointError)
        }
    }

    /// Takes a compressed point back out of this end's own durable storage, where it was put after it had been checked.
    ///
    /// Only the form is checked here. A point that is none agrees with nobody and verifies nothing.
    pub fn restored(bytes: &[u8]) -> Result<Self, PointError> {
        let compressed: [u8; 33] = bytes.try_into().map_err(|_| PointError)?;
        match compressed {
            [2 | 3, ..] => Ok(Self {
                compressed,
                point: OnceCell::new(),
            }),
            _ => Err(PointError),
        }
    }

    pub(super) fn of(point: p256::PublicKey) -> Self {
        Self {
            compressed: encode(&point, true),
            point: OnceCell::from(Some(point)),
        }
    }

    pub(super) fn point(&self) -> Option<&p256::PublicKey> {
        let decompress = || p256::PublicKey::from_sec1_bytes(&self.compressed).ok();
        self.point.get_or_init(decompress).as_ref()
    }

    /// The point in 65 bytes, 04 || x || y; zeros for a point that is none.
    pub fn to_uncompressed(&self) -> [u8; 65] {
        self.point().map_or([0; 65], |point| encode(point, false))
    }

    /// The point in 33 bytes, 02 or 03 || x.
    pub fn to_compressed(&self) -> [u8; 33] {
        self.compressed
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.compressed == other.compressed
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.compressed
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn encode<const N: usize>(key: &p256::PublicKey, compressed: bool) -> [u8; N] {
    match key.to_sec1_point(compressed).as_bytes().try_into() {
        Ok(bytes) => bytes,
        Err(_) => unreachable!("a P-256 point is 33 bytes compressed and 65 bytes uncompressed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restored_key_is_the_key_and_a_point_that_is_none_opens_nothing() {
        let private = PrivateKey::from_scalar(&[7; 32]).unwrap();
        let public = private.public_key();
        let restored = PublicKey::restored(&public.to_compressed()).unwrap();
        assert_eq!(restored, public);
        assert_eq!(restored.to_uncompressed(), public.to_uncompressed());
        let mut none = [0xFF; 33];
        none[0] = 2;
        assert!(PublicKey::from_compressed(&none).is_err());
        let none = PublicKey::restored(&none).unwrap();
        assert!(none.verify(b"m", &private.sign(b"m")).is_err());
        let other = PrivateKey::from_scalar(&[8; 32]).unwrap();
        assert!(!private.agree(&none).equals(other.agree(&none).expose()));
        assert!(PublicKey::restored(&public.to_uncompressed()).is_err());
    }
}
