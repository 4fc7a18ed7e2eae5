//! An authority in a folder: `root.cvcert`, `key.pem` or `key.uri`, `authority.db`; for each later root `key-NAME.pem` or `key-NAME.uri`.

use crate::authority::{Authority, head_over};
use crate::book::Book;
use crate::custody::{Custody, CustodyError, NewKey, Signer, create_private};
use crate::error::AuthorityError;
use crate::ledger::{Event, Line};
use crate::moment::{Moment, last_day};
use crate::roots::{Root, Roots};
use crate::store::{Store, sqlite};
use apdu::certificate::{Certificate, CertificateFields, Name, Role};
use apdu::crypto::Entropy;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::time::Duration;

/// The first root certificate's file, DER.
pub const ROOT_FILE: &str = "root.cvcert";
/// The store's file.
pub const STORE_FILE: &str = "authority.db";

impl Authority {
    /// Makes an authority in `folder`, which must be new or empty: key, root certificate, store. All or nothing.
    ///
    /// # Errors
    /// [`AuthorityError::Taken`] when something is there; [`CustodyError::WeakPassphrase`]; otherwise files and randomness.
    pub fn init(
        folder: &Path,
        name: Name,
        years: u8,
        passphrase: &[u8],
        entropy: &mut dyn Entropy,
        now: Moment,
    ) -> Result<(), AuthorityError> {
        let key = NewKey::File { passphrase };
        Self::init_with(folder, name, years, key, entropy, now)
    }

    /// As [`init`](Self::init), with a key in a file or on a token. A key that a token has made stays there when a later step
    /// fails; begin again with [`NewKey::Token`] and `existing`.
    ///
    /// # Errors
    /// As [`init`](Self::init); [`CustodyError::Token`] when the token does not make or have such a key.
    pub fn init_with(
        folder: &Path,
        name: Name,
        years: u8,
        key: NewKey<'_>,
        entropy: &mut dyn Entropy,
        now: Moment,
    ) -> Result<(), AuthorityError> {
        refuse_taken(folder)?;
        in_workshop(folder, entropy, |workshop, entropy| {
            build(workshop, name, years, key, entropy, now)
        })
    }

    /// Opens the authority in `folder`. Changes wait up to `patience` while another process makes one.
    ///
    /// # Errors
    /// [`StoreError::Absent`](crate::store::StoreError::Absent), `Damaged`, [`AuthorityError::RootFile`].
    pub fn open(folder: &Path, patience: Duration) -> Result<Self, AuthorityError> {
        Self::within(folder, sqlite::open(&folder.join(STORE_FILE), patience)?)
    }

    /// The authority in `folder` whose ledger is in this store; the folder's root certificate must be the store's.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn within(folder: &Path, store: Box<dyn Store>) -> Result<Self, AuthorityError> {
        let authority = Self::new(store)?;
        let path = folder.join(ROOT_FILE);
        let mut root = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(4_096).read_to_end(&mut root))
            .map_err(|error| failed(&path, error))?;
        // The first root, for good: a roll-over leaves this file alone, so it cannot be caught between two.
        match authority.roots.at(1) {
            Some(first) if first.certificate.encoded() == root => Ok(authority),
            _ => Err(AuthorityError::RootFile(path)),
        }
    }

    /// Opens the newest root's private key in `folder`: `secret` is the passphrase of its file, or the PIN of its token.
    ///
    /// # Errors
    /// [`CustodyError::Locked`] for a wrong passphrase or a damaged file, [`CustodyError::Loose`] when others may read it;
    /// [`CustodyError::Token`] for a wrong PIN, a missing token or a key that must not be used.
    pub fn unlock(&self, folder: &Path, secret: &[u8]) -> Result<Box<dyn Signer>, CustodyError> {
        self.unlock_of(self.roots.newest(), folder, secret)
    }

    /// The same for the key of any root.
    ///
    /// # Errors
    /// As [`unlock`](Self::unlock).
    pub fn unlock_of(
        &self,
        root: &Root,
        folder: &Path,
        secret: &[u8],
    ) -> Result<Box<dyn Signer>, CustodyError> {
        Custody::of_root(folder, root)?.unlock(secret, &root.certificate.claims().key)
    }
}

/// Builds a folder beside its place and moves it there by one rename: whoever is interrupted leaves nothing half behind.
pub(crate) fn in_workshop<T>(
    folder: &Path,
    entropy: &mut dyn Entropy,
    build: impl FnOnce(&Path, &mut dyn Entropy) -> Result<T, AuthorityError>,
) -> Result<T, AuthorityError> {
    let parent = match folder.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
    let number = u64::from_be_bytes(entropy.nonce()?);
    let workshop = parent.join(format!(".authority-{number:016x}"));
    DirBuilder::new()
        .mode(0o700)
        .create(&workshop)
        .map_err(|error| failed(&workshop, error))?;
    let made = build(&workshop, entropy).and_then(|made| {
        sync_folder(&workshop)?;
        fs::rename(&workshop, folder).map_err(|error| failed(folder, error))?;
        sync_folder(parent)?;
        Ok(made)
    });
    if made.is_err() {
        let _ = fs::remove_dir_all(&workshop); // it holds nothing that anyone uses
    }
    made
}

pub(crate) fn refuse_taken(folder: &Path) -> Result<(), AuthorityError> {
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(AuthorityError::Taken(folder.into())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(AuthorityError::Taken(folder.into()))
        }
        Err(error) => Err(failed(folder, error)),
    }
}

fn build(
    folder: &Path,
    name: Name,
    years: u8,
    key: NewKey<'_>,
    entropy: &mut dyn Entropy,
    now: Moment,
) -> Result<(), AuthorityError> {
    let mut key = key.make(folder, entropy)?;
    let mut store = sqlite::create(&folder.join(STORE_FILE), Duration::ZERO)?;
    let root = found(store.as_mut(), name, years, key.as_mut(), now)?;
    let path = folder.join(ROOT_FILE);
    create_private(&path)
        .and_then(|mut file| {
            file.write_all(root.encoded())?;
            file.sync_all()
        })
        .map_err(|error| failed(&path, error))?;
    Ok(()) // and the store is closed: its log is merged into the file
}

/// Makes an authority in an empty store: the root certificate, self-signed for so many years, and the first line of the ledger.
///
/// # Errors
/// When there is an authority already, or the key or the store fails.
pub fn found(
    store: &mut dyn Store,
    name: Name,
    years: u8,
    key: &mut dyn Signer,
    now: Moment,
) -> Result<Certificate, AuthorityError> {
    let fields = CertificateFields {
        issuer: name,
        holder: name,
        role: Role::Authority,
        epoch: 0,
        key: key.public_key(),
        from: now.day(),
        until: last_day(now.day(), years),
    };
    let signature = key.sign(&fields.encode_body())?;
    let root = Certificate::assemble(fields, signature);
    let event = Event::Root {
        holder: name,
        key_id: root.key_id(),
        certificate: root.clone(),
    };
    let first = Line::write(1, now.unix_seconds(), None, event)?;
    let book = Book::empty(Roots::first(root.clone()), 1, now.unix_seconds());
    let head = head_over(&book, first.hash(), key)?; // a tree of one leaf: the leaf is its root
    store.found(&first, &root, Some(&head))?;
    Ok(root)
}

fn sync_folder(folder: &Path) -> Result<(), AuthorityError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| failed(folder, error))
}

fn failed(path: &Path, source: io::Error) -> AuthorityError {
    AuthorityError::File {
        path: path.into(),
        source,
    }
}
