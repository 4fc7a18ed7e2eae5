//! A store in one file, shared by the programs of one user (§15.2).
//!
//! The file is a [`journal`]: mode 0600, one append and one barrier per commit, superseded keys overwritten. It is locked
//! for each operation. The keys in it are not encrypted: whoever reads the file is this terminal.

use super::{Change, Key, PairingStore, StoreError};
use apdu::crypto::SecretBytes;
use journal::{Disk, Journal, SharedJournal};
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"TALLYTRM";
const VERSION: u16 = 1;

/// A store in a file.
pub struct FileStore {
    journal: SharedJournal,
}

impl FileStore {
    /// Opens the store at `path`, which must be there: a mistyped place must not look like a terminal without pairings.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let journal = SharedJournal::new(path, MAGIC, VERSION);
        journal.with(|_| Ok::<(), StoreError>(()))?;
        Ok(Self { journal })
    }

    /// Opens the store at `path`, or makes an empty one. Its folder must be there.
    pub fn open_or_create(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let journal = SharedJournal::new(path, MAGIC, VERSION);
        journal.create_if_missing()?;
        Ok(Self { journal })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.journal.path()
    }
}

impl PairingStore for FileStore {
    fn read(&self, key: &Key) -> Result<Option<SecretBytes>, StoreError> {
        self.journal
            .with(|journal| PairingStore::read(journal, key))
    }

    fn list(&self, prefix: &Key) -> Result<Vec<(Key, SecretBytes)>, StoreError> {
        self.journal.with(|journal| journal.list(prefix))
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.journal
            .with(|journal| PairingStore::commit(journal, changes))
    }
}

/// The records themselves, on any disk.
impl<D: Disk + Send> PairingStore for Journal<D> {
    fn read(&self, key: &Key) -> Result<Option<SecretBytes>, StoreError> {
        let record = self.read(key.as_bytes())?;
        Ok(record.map(|record| SecretBytes::new(record.to_vec())))
    }

    fn list(&self, prefix: &Key) -> Result<Vec<(Key, SecretBytes)>, StoreError> {
        let listed = self.with_prefix(prefix.as_bytes())?;
        Ok(listed
            .map(|(key, record)| (Key::from_bytes(key), SecretBytes::new(record.to_vec())))
            .collect())
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let changes: Vec<journal::Change<'_>> = changes
            .iter()
            .map(|change| match change {
                Change::Put(key, value) => journal::Change::Put {
                    key: key.as_bytes(),
                    value,
                },
                Change::Erase(key) => journal::Change::Erase {
                    key: key.as_bytes(),
                },
            })
            .collect();
        Ok(self.commit(&changes)?)
    }
}
