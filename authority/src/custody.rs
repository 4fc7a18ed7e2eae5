//! Custody of the private key: encrypted PKCS#8 in a file of its own, readable by its owner only.

use apdu::crypto::{Entropy, EntropyError, KeyFileError, PrivateKey, PublicKey};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Shortest passphrase for a new key, in bytes.
pub const MIN_PASSPHRASE: usize = 8;
/// Longest key file that is read, in bytes.
const MAX_FILE: u64 = 16_384;

/// The key could not be made, kept or opened.
#[derive(Debug, thiserror::Error)]
pub enum CustodyError {
    /// Too short for a new key.
    #[error("the passphrase needs at least {MIN_PASSPHRASE} characters")]
    WeakPassphrase,
    /// Wrong passphrase or no such key file; the two look the same.
    #[error("{}: {source}", path.display())]
    Locked {
        /// The key file.
        path: PathBuf,
        /// What was wrong.
        source: KeyFileError,
    },
    /// Others may read the key file.
    #[error("{}: other users may read or write it; make it private with `chmod 600` and think about who saw it", .0.display())]
    Loose(PathBuf),
    /// Not a file of its own: a link, a folder, or too long.
    #[error("{}: not a key file", .0.display())]
    NotAFile(PathBuf),
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    File {
        /// The key file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The key is not that of the authority's root.
    #[error("{}: the key of another authority", .0.display())]
    OtherKey(PathBuf),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// The authority's private key, unlocked. Wiped when it dies.
pub struct SigningKey(PrivateKey);

impl SigningKey {
    /// Draws a key and writes it to a new file, durable, mode 0600.
    pub(crate) fn create(
        path: &Path,
        passphrase: &[u8],
        entropy: &mut dyn Entropy,
    ) -> Result<Self, CustodyError> {
        if passphrase.len() < MIN_PASSPHRASE {
            return Err(CustodyError::WeakPassphrase);
        }
        let key = PrivateKey::generate(entropy)?;
        let pem = key
            .to_encrypted_pem(passphrase, entropy)
            .map_err(|source| CustodyError::Locked {
                path: path.into(),
                source,
            })?;
        create_private(path)
            .and_then(|mut file| {
                file.write_all(pem.as_bytes())?;
                file.sync_all()
            })
            .map_err(|source| failed(path, source))?;
        Ok(Self(key))
    }

    /// Opens the key that belongs to `public`.
    pub(crate) fn open(
        path: &Path,
        passphrase: &[u8],
        public: &PublicKey,
    ) -> Result<Self, CustodyError> {
        let pem = read_private(path)?;
        let key = PrivateKey::from_encrypted_pem(&pem, passphrase).map_err(|source| {
            CustodyError::Locked {
                path: path.into(),
                source,
            }
        })?;
        if key.public_key() != *public {
            return Err(CustodyError::OtherKey(path.into()));
        }
        Ok(Self(key))
    }

    /// ECDSA over `message`, r || s.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message)
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        self.0.public_key()
    }
}

/// A new file that only its owner may touch, from the first moment on.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn read_private(path: &Path) -> Result<Zeroizing<String>, CustodyError> {
    let about = fs::symlink_metadata(path).map_err(|source| failed(path, source))?;
    if !about.is_file() || about.len() > MAX_FILE {
        return Err(CustodyError::NotAFile(path.into()));
    }
    if about.permissions().mode() & 0o077 != 0 {
        return Err(CustodyError::Loose(path.into()));
    }
    let mut text = Zeroizing::new(String::new());
    match File::open(path).and_then(|file| file.take(MAX_FILE).read_to_string(&mut text)) {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(CustodyError::NotAFile(path.into()))
        }
        Err(source) => Err(failed(path, source)),
    }
}

fn failed(path: &Path, source: io::Error) -> CustodyError {
    CustodyError::File {
        path: path.into(),
        source,
    }
}
