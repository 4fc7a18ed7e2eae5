//! Custody in a file: encrypted PKCS#8 (RFC 5958), readable by its owner only.

use super::Signer;
use super::error::{CustodyError, MIN_PASSPHRASE};
use apdu::crypto::{Entropy, PrivateKey, PublicKey};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Longest file that is read, in bytes.
const MAX_FILE: u64 = 16_384;

/// The authority's private key, unlocked, in this process's memory. Wiped when it dies.
pub struct SigningKey {
    key: PrivateKey,
    path: PathBuf,
}

impl SigningKey {
    /// Draws a key and writes it to a new file, durable, mode 0600.
    pub(super) fn create(
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
        Ok(Self {
            key,
            path: path.into(),
        })
    }

    /// Opens the key that belongs to `public`.
    pub(super) fn open(
        path: &Path,
        passphrase: &[u8],
        public: &PublicKey,
    ) -> Result<Self, CustodyError> {
        let opened = Self::reopen(path, passphrase)?;
        if opened.public_key() != *public {
            return Err(CustodyError::OtherKey(path.display().to_string()));
        }
        Ok(opened)
    }

    /// Opens a key that belongs to no certificate yet.
    pub(super) fn reopen(path: &Path, passphrase: &[u8]) -> Result<Self, CustodyError> {
        let pem = read_private(path)?;
        let key = PrivateKey::from_encrypted_pem(&pem, passphrase).map_err(|source| {
            CustodyError::Locked {
                path: path.into(),
                source,
            }
        })?;
        Ok(Self {
            key,
            path: path.into(),
        })
    }
}

impl Signer for SigningKey {
    fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    /// Cannot fail: the key is in memory, and the nonce needs no randomness (RFC 6979).
    fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], CustodyError> {
        Ok(self.key.sign(message))
    }

    fn describe(&self) -> String {
        self.path.display().to_string()
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

/// A new private file with what is in another one. Durable.
pub(crate) fn create_private_copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = File::open(from)?;
    let mut to = create_private(to)?;
    io::copy(&mut from, &mut to)?;
    to.sync_all()
}

/// The text of a file that only its owner may touch; a link, a pipe or another user's file is refused.
pub(super) fn read_private(path: &Path) -> Result<Zeroizing<String>, CustodyError> {
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
