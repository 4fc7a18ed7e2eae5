//! SHA-256 (FIPS 180-4), HMAC (FIPS 198-1), HKDF (RFC 5869).

use super::secret::Secret;
use core::convert::Infallible;
use hmac::digest::FixedOutput;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Digest;

/// SHA-256 over several parts, as one string.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = sha2::Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// SHA-256 fed piece by piece, for content that does not lie in one place.
#[derive(Default)]
pub struct Sha256(sha2::Sha256);

impl Sha256 {
    /// Appends `bytes` to what is hashed.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of everything fed in.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// HMAC-SHA-256 over several parts, as one string.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Secret<32> {
    let mut mac = match <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(key) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes keys of any length"),
    };
    for part in parts {
        mac.update(part);
    }
    let tag = Secret::born(|tag: &mut [u8; 32]| {
        mac.finalize_into(tag.into());
        Ok::<(), Infallible>(())
    });
    match tag {
        Ok(tag) => tag,
        Err(never) => match never {},
    }
}

/// HKDF-Extract: `HMAC(salt, ikm)`, with the input key material given in parts.
pub fn hkdf_extract(salt: &[u8], ikm: &[&[u8]]) -> Secret<32> {
    hmac_sha256(salt, ikm)
}

/// HKDF-Expand to `N` bytes, `N` at most 8,160.
pub fn hkdf_expand<const N: usize>(prk: &Secret<32>, info: &[&[u8]]) -> Secret<N> {
    const { assert!(N <= 255 * 32) };
    let expanded = Secret::born(|out| {
        hkdf::Hkdf::<sha2::Sha256>::from_prk(prk.expose())
            .map_err(|_| ())?
            .expand_multi_info(info, out)
            .map_err(|_| ())
    });
    match expanded {
        Ok(secret) => secret,
        Err(()) => unreachable!("a 32-byte key and at most 8,160 bytes are within HKDF's limits"),
    }
}
