//! Custody of the authority's private key: one interface, and two places where the key may lie.
//!
//! | module | job |
//! |---|---|
//! | `file` | an encrypted PKCS#8 file (RFC 5958); the key is in this process's memory while it is open |
//! | `pkcs11` | an HSM or a token through PKCS#11 v2.40; the key never leaves it. Feature `pkcs11` |
//! | `uri` | which key on which token (RFC 7512) |
//! | `pin` | the token's PIN: from a private file, or handed in |
//! | `place` | which custody an authority's folder has |
//! | `awaited` | a key whose token may be away when the service starts |
//! | `error`, `token` | what can go wrong, and what to do about it |
//!
//! Whoever signs asks a [`Signer`] and cannot tell the places apart, but for this: a token may be lost at any time. Nothing
//! is written to the ledger then.

mod awaited;
mod error;
mod file;
mod pin;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod place;
mod token;
mod uri;

pub use awaited::Awaited;
pub use error::{CustodyError, MIN_PASSPHRASE};
pub use file::SigningKey;
pub(crate) use file::{create_private, create_private_copy};
pub use pin::Pin;
#[cfg(feature = "pkcs11")]
pub use pkcs11::Pkcs11Key;
pub use place::{Custody, NewKey};
pub use token::{KeyFault, TokenError};
pub use uri::{KeyUri, UriError};

use apdu::crypto::PublicKey;

/// Whoever can sign as the authority.
pub trait Signer: Send {
    /// The public key that belongs to the private one.
    fn public_key(&self) -> PublicKey;

    /// ECDSA over P-256 (FIPS 186-5) of the SHA-256 hash of `message`: r || s, 32 bytes each, big-endian.
    ///
    /// # Errors
    /// [`CustodyError::TokenLost`] when a token is away: the same call may succeed later. [`CustodyError::Token`] when it must
    /// not be used. A key in a file does not fail.
    fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], CustodyError>;

    /// Where the key is, for an operator: the file, or the labels of token and key. Never a secret.
    fn describe(&self) -> String;
}
