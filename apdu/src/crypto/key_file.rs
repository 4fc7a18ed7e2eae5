//! A private key as encrypted PKCS#8 (RFC 5958) in PEM: PBES2 with scrypt and AES-256-CBC.

use super::agreement::PrivateKey;
use super::entropy::Entropy;
use alloc::string::String;
use p256::pkcs8::DecodePrivateKey;
use p256::pkcs8::EncodePrivateKey;
use zeroize::Zeroizing;

/// The key file could not be written or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// Wrong passphrase, or not an encrypted PKCS#8 file with a P-256 key: the two cannot be told apart.
    #[error("wrong passphrase, or not an encrypted PKCS#8 key for P-256")]
    Locked,
    /// The key could not be encrypted.
    #[error("the key could not be encrypted")]
    Encrypt,
}

impl PrivateKey {
    /// The key as `ENCRYPTED PRIVATE KEY` PEM under `passphrase` (scrypt, N = 2^15, r = 8, p = 1).
    pub fn to_encrypted_pem(
        &self,
        passphrase: &[u8],
        entropy: &mut dyn Entropy,
    ) -> Result<Zeroizing<String>, KeyFileError> {
        let (salt, iv) = (
            entropy.nonce::<16>().map_err(|_| KeyFileError::Encrypt)?,
            entropy.nonce::<16>().map_err(|_| KeyFileError::Encrypt)?,
        );
        let work =
            pkcs8::pkcs5::scrypt::Params::new(15, 8, 1).map_err(|_| KeyFileError::Encrypt)?;
        let scheme = pkcs8::pkcs5::pbes2::Parameters::generate_scrypt_aes256cbc(work, &salt, iv)
            .map_err(|_| KeyFileError::Encrypt)?;
        let plain = self.0.to_pkcs8_der().map_err(|_| KeyFileError::Encrypt)?;
        pkcs8::PrivateKeyInfoRef::try_from(plain.as_bytes())
            .and_then(|info| info.encrypt_with_params(scheme, passphrase))
            .and_then(|sealed| {
                sealed
                    .to_pem("ENCRYPTED PRIVATE KEY", pkcs8::LineEnding::LF)
                    .map_err(Into::into)
            })
            .map_err(|_| KeyFileError::Encrypt)
    }

    /// Opens a key written by [`to_encrypted_pem`](Self::to_encrypted_pem), or by any PBES2 tool.
    pub fn from_encrypted_pem(pem: &str, passphrase: &[u8]) -> Result<Self, KeyFileError> {
        p256::SecretKey::from_pkcs8_encrypted_pem(pem, passphrase)
            .map(Self)
            .map_err(|_| KeyFileError::Locked)
    }
}
