//! Which custody an authority's folder has: `key.pem` is the key itself, `key.uri` says on which token it is. The keys of roots after
//! the first stand beside them, in `key-NAME.pem` or `key-NAME.uri`: no key ever takes the place of another.

use super::Signer;
use super::error::CustodyError;
use super::file::{SigningKey, create_private, read_private};
use super::pin::Pin;
use super::uri::KeyUri;
use crate::roots::Root;
use apdu::certificate::Name;
use apdu::crypto::{Entropy, PublicKey};
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Where an authority's key is.
pub enum Custody {
    /// In this file.
    File(PathBuf),
    /// On this token.
    Token(Box<KeyUri>),
}

impl Custody {
    /// What the authority in `folder` has for its first root. The file `key.uri` names a library that will run as you, so it is guarded
    /// like a key.
    ///
    /// # Errors
    /// [`CustodyError::Loose`] and the like when others may change `key.uri`; [`CustodyError::Uri`] when it is damaged.
    pub fn of(folder: &Path) -> Result<Self, CustodyError> {
        Self::named(folder, "key")
    }

    /// What it has for this root.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn of_root(folder: &Path, root: &Root) -> Result<Self, CustodyError> {
        match root.link {
            None => Self::of(folder),
            Some(_) => Self::named(folder, &stem(&root.name())),
        }
    }

    fn named(folder: &Path, stem: &str) -> Result<Self, CustodyError> {
        let path = folder.join(format!("{stem}.uri"));
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
                Ok(Self::File(folder.join(format!("{stem}.pem"))))
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

/// What the files of a later root's key are called, before the dot.
fn stem(root: &Name) -> String {
    format!("key-{root}")
}

/// A key for a new root.
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
                &folder.join("key.pem"),
                passphrase,
                entropy,
            )?)),
            Self::Token { uri, pin, existing } => {
                // The file first: a key on a token cannot be taken back by removing a folder.
                let path = folder.join("key.uri");
                write_uri(&path, uri).map_err(|source| CustodyError::File { path, source })?;
                make_on_token(uri, pin, existing)
            }
        }
    }

    /// The same for a later root of this name, in a folder that is in use. A key file that an earlier try has left is opened and used; it
    /// appears whole or not at all, and takes no other file's place.
    pub(crate) fn make_next(
        self,
        folder: &Path,
        root: &Name,
        entropy: &mut dyn Entropy,
    ) -> Result<Box<dyn Signer>, CustodyError> {
        let [key, uri_file, part] =
            ["pem", "uri", "part"].map(|kind| folder.join(format!("{}.{kind}", stem(root))));
        let failed = |path: &Path, source| CustodyError::File {
            path: path.into(),
            source,
        };
        removed(&part)?; // what a cut left of a file that never got its name
        match self {
            Self::File { passphrase } => {
                // An earlier try was for a token: its file would be found first.
                removed(&uri_file)?;
                if fs::symlink_metadata(&key).is_ok() {
                    return Ok(Box::new(SigningKey::reopen(&key, passphrase)?));
                }
                SigningKey::create(&part, passphrase, entropy)?;
                // A second name, which fails where the name is taken, instead of a new one, which does not.
                fs::hard_link(&part, &key)
                    .and_then(|()| fs::remove_file(&part))
                    .and_then(|()| fs::File::open(folder)?.sync_all())
                    .map_err(|source| failed(&key, source))?;
                Ok(Box::new(SigningKey::reopen(&key, passphrase)?))
            }
            Self::Token { uri, pin, existing } => {
                // It only says where a key is, and no root in the ledger has that key yet: an earlier try's may go.
                write_uri(&part, uri)
                    .and_then(|()| fs::rename(&part, &uri_file))
                    .and_then(|()| fs::File::open(folder)?.sync_all())
                    .map_err(|source| failed(&uri_file, source))?;
                make_on_token(uri, pin, existing)
            }
        }
    }
}

/// Removes a file that may not be there.
fn removed(path: &Path) -> Result<(), CustodyError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(CustodyError::File {
            path: path.into(),
            source,
        }),
        _ => Ok(()),
    }
}

fn write_uri(path: &Path, uri: &KeyUri) -> io::Result<()> {
    let mut file = create_private(path)?;
    writeln!(file, "{uri}")?;
    file.sync_all()
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
