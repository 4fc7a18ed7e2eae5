//! Which custody an authority's folder has: `key.pem` is the key itself, `key.uri` says on which token it is.

use super::Signer;
use super::error::CustodyError;
use super::file::{SigningKey, create_private, read_private};
use super::pin::Pin;
use super::uri::KeyUri;
use apdu::crypto::{Entropy, PublicKey};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

const KEY_FILE: &str = "key.pem";
const URI_FILE: &str = "key.uri";

/// Where an authority's key is.
pub enum Custody {
    /// In this file.
    File(PathBuf),
    /// On this token.
    Token(Box<KeyUri>),
}

impl Custody {
    /// What the authority in `folder` has. The file `key.uri` names a library that will run as you, so it is guarded like a key.
    ///
    /// # Errors
    /// [`CustodyError::Loose`] and the like when others may change `key.uri`; [`CustodyError::Uri`] when it is damaged.
    pub fn of(folder: &Path) -> Result<Self, CustodyError> {
        let path = folder.join(URI_FILE);
        match read_private(&path) {
            Ok(text) => Ok(Self::Token(Box::new(KeyUri::parse(
                text.trim_end_matches('\n'),
            )?))),
            Err(CustodyError::File { source, .. })
                if matches!(
                    source.kind(),
                    ErrorKind::NotFound | ErrorKind::NotADirectory
                ) =>
            {
                Ok(Self::File(folder.join(KEY_FILE)))
            }
            Err(error) => Err(error),
        }
    }

    /// Opens the key that belongs to `public`. The secret is the file's passphrase, or the token's PIN.
    ///
    /// # Errors
    /// [`CustodyError::Locked`] or [`CustodyError::Token`] for a wrong secret, [`CustodyError::OtherKey`] for another key,
    /// [`CustodyError::NotBuiltIn`] for a token without the feature `pkcs11`.
    pub fn unlock(
        &self,
        secret: &[u8],
        public: &PublicKey,
    ) -> Result<Box<dyn Signer>, CustodyError> {
        match self {
            Self::File(path) => Ok(Box::new(SigningKey::open(path, secret, public)?)),
            Self::Token(uri) => open_token(uri, Pin::new(secret)?, public),
        }
    }
}

/// A key for a new authority.
pub enum NewKey<'a> {
    /// Drawn here, kept in an encrypted file.
    File {
        /// At least [`MIN_PASSPHRASE`](super::MIN_PASSPHRASE) bytes.
        passphrase: &'a [u8],
    },
    /// Made by a token, which keeps it.
    Token {
        /// Which token, and the key's label.
        uri: &'a KeyUri,
        /// The token's user PIN.
        pin: Pin,
        /// The key was made there before: it is checked, and none is made.
        existing: bool,
    },
}

impl NewKey<'_> {
    /// Makes the key and leaves in `folder` what [`Custody::of`] needs, durable, mode 0600.
    pub(crate) fn make(
        self,
        folder: &Path,
        entropy: &mut dyn Entropy,
    ) -> Result<Box<dyn Signer>, CustodyError> {
        match self {
            Self::File { passphrase } => Ok(Box::new(SigningKey::create(
                &folder.join(KEY_FILE),
                passphrase,
                entropy,
            )?)),
            Self::Token { uri, pin, existing } => {
                // The file first: a key on a token cannot be taken back by removing a folder.
                let path = folder.join(URI_FILE);
                create_private(&path)
                    .and_then(|mut file| {
                        writeln!(file, "{uri}")?;
                        file.sync_all()
                    })
                    .map_err(|source| CustodyError::File { path, source })?;
                make_on_token(uri, pin, existing)
            }
        }
    }
}

#[cfg(feature = "pkcs11")]
fn open_token(uri: &KeyUri, pin: Pin, public: &PublicKey) -> Result<Box<dyn Signer>, CustodyError> {
    Ok(Box::new(super::Pkcs11Key::open(uri, pin, Some(public))?))
}

#[cfg(feature = "pkcs11")]
fn make_on_token(uri: &KeyUri, pin: Pin, existing: bool) -> Result<Box<dyn Signer>, CustodyError> {
    Ok(Box::new(if existing {
        super::Pkcs11Key::open(uri, pin, None)?
    } else {
        super::Pkcs11Key::generate(uri, pin)?
    }))
}

#[cfg(not(feature = "pkcs11"))]
fn open_token(_: &KeyUri, _: Pin, _: &PublicKey) -> Result<Box<dyn Signer>, CustodyError> {
    Err(CustodyError::NotBuiltIn)
}

#[cfg(not(feature = "pkcs11"))]
fn make_on_token(_: &KeyUri, _: Pin, _: bool) -> Result<Box<dyn Signer>, CustodyError> {
    Err(CustodyError::NotBuiltIn)
}
