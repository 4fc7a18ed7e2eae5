//! Custody of the private key: encrypted PKCS#8 in a file of its own, readable by its owner only.

use apdu::crypto::{Entropy, EntropyError, KeyFileError, PrivateKey, PublicKey};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
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
    /// The key file belongs to another user, who can exchange it.
    #[error("{}: belongs to user {owner}, not to you; run as that user or chown it", path.display())]
    OtherOwner {
        /// The key file.
        path: PathBuf,
        /// User id of its owner.
        owner: u32,
    },
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

/// Opening a symbolic link fails. A C `int` on every system we know, so nothing is cut off.
#[expect(
    clippy::cast_possible_wrap,
    reason = "flags are bits; the sign means nothing"
)]
const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

/// A new file that only its owner may touch, from the first moment on.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(NO_FOLLOW)
        .open(path)
}

fn read_private(path: &Path) -> Result<Zeroizing<String>, CustodyError> {
    // Asked before it is opened, for opening a pipe would wait for its writer.
    let about = fs::symlink_metadata(path).map_err(|source| failed(path, source))?;
    check(&about, path)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(NO_FOLLOW)
        .open(path)
        .map_err(|source| failed(path, source))?;
    // And asked again of the open file: between the two looks it may have been exchanged.
    let about = file.metadata().map_err(|source| failed(path, source))?;
    check(&about, path)?;
    let mut text = Zeroizing::new(String::new());
    match file.take(MAX_FILE).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(CustodyError::NotAFile(path.into()))
        }
        Err(source) => Err(failed(path, source)),
    }
}

fn check(about: &Metadata, path: &Path) -> Result<(), CustodyError> {
    let path = path.to_path_buf();
    if !about.is_file() || about.len() > MAX_FILE {
        Err(CustodyError::NotAFile(path))
    } else if about.uid() != rustix::process::geteuid().as_raw() {
        let owner = about.uid();
        Err(CustodyError::OtherOwner { path, owner })
    } else if about.mode() & 0o077 != 0 {
        Err(CustodyError::Loose(path))
    } else {
        Ok(())
    }
}

fn failed(path: &Path, source: io::Error) -> CustodyError {
    CustodyError::File {
        path: path.into(),
        source,
    }
}
