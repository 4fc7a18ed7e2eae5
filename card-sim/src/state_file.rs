//! The card's durable memory: a journal file, one per card (§15.1).
//!
//! Mode 0600, locked while a card lives in it, self-checking. One commit is one append and one barrier.

use card_core::store::{Change, Record, Store, StoreError, Value};
use journal::{Disk, FileDisk, Journal, JournalError};
use std::path::Path;

/// First bytes of a card's file.
const MAGIC: [u8; 8] = *b"TALLYCRD";
/// Version of the records inside.
const VERSION: u16 = 1;

/// The records of one card in a file, or on another disk.
pub struct StateFile<D: Disk = FileDisk>(Journal<D>);

impl StateFile {
    /// Makes the file of a new, blank card. An existing file is never touched.
    pub fn create(path: &Path) -> Result<Self, JournalError> {
        Self::create_on(FileDisk::create(path)?)
    }

    /// Opens a card's file, finishing what a power cut interrupted.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        Self::open_on(FileDisk::open(path)?)
    }
}

impl<D: Disk> StateFile<D> {
    /// Makes a new, blank card on an empty disk.
    pub fn create_on(disk: D) -> Result<Self, JournalError> {
        Ok(Self(Journal::create(disk, MAGIC, VERSION)?))
    }

    /// Opens the card on a disk, finishing what a power cut interrupted.
    pub fn open_on(disk: D) -> Result<Self, JournalError> {
        Ok(Self(Journal::open(disk, MAGIC, VERSION)?))
    }

    /// Whether a write failed earlier. The card then refuses service until its file is opened again.
    pub fn is_broken(&self) -> bool {
        self.0.is_broken()
    }
}

fn key(record: Record) -> [u8; 2] {
    record.0.to_be_bytes()
}

impl<D: Disk> Store for StateFile<D> {
    fn read(&self, record: Record) -> Result<Option<Value>, StoreError> {
        let value = self.0.read(&key(record)).map_err(|_| StoreError)?;
        Ok(value.map(|bytes| Value::new(bytes.to_vec())))
    }

    fn commit(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        let keys: Vec<[u8; 2]> = changes.iter().map(|change| key(change.record())).collect();
        let changes: Vec<journal::Change<'_>> = keys
            .iter()
            .zip(changes)
            .map(|(key, change)| match change {
                Change::Put(_, value) => journal::Change::Put { key, value },
                Change::Erase(_) => journal::Change::Erase { key },
            })
            .collect();
        self.0.commit(&changes).map_err(|_| StoreError)
    }

    fn records(&self) -> Result<Vec<Record>, StoreError> {
        let all = self.0.with_prefix(&[]).map_err(|_| StoreError)?;
        all.map(|(key, _)| {
            let number = key.try_into().map_err(|_| StoreError)?;
            Ok(Record(u16::from_be_bytes(number)))
        })
        .collect()
    }
}
