//! A map that behaves as the journal should, and steps that both can take.

use std::collections::BTreeMap;

use journal::sim::SimDisk;
use journal::{Change, Disk, Journal, JournalError};

pub const MAGIC: [u8; 8] = *b"promises";
pub const VERSION: u16 = 3;

/// What a journal should hold.
pub type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Something done to a journal.
#[derive(Clone, Debug)]
pub enum Step {
    /// Keys with their new values; `None` erases.
    Commit(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    Compact,
}

impl Step {
    pub fn put(key: &str, value: &str) -> Self {
        Self::all(&[(key, Some(value))])
    }

    pub fn erase(key: &str) -> Self {
        Self::all(&[(key, None)])
    }

    pub fn all(lines: &[(&str, Option<&str>)]) -> Self {
        let owned = |(key, value): &(&str, Option<&str>)| {
            (
                key.as_bytes().to_vec(),
                value.map(|v| v.as_bytes().to_vec()),
            )
        };
        Self::Commit(lines.iter().map(owned).collect())
    }

    pub fn take<D: Disk>(&self, journal: &mut Journal<D>) -> Result<(), JournalError> {
        match self {
            Self::Compact => journal.compact(),
            Self::Commit(lines) => {
                let changes: Vec<_> = lines
                    .iter()
                    .map(|(key, value)| match value {
                        Some(value) => Change::Put { key, value },
                        None => Change::Erase { key },
                    })
                    .collect();
                journal.commit(&changes)
            }
        }
    }

    pub fn after(&self, before: &Model) -> Model {
        let mut model = before.clone();
        if let Self::Commit(lines) = self {
            for (key, value) in lines {
                match value {
                    Some(value) => model.insert(key.clone(), value.clone()),
                    None => model.remove(key),
                };
            }
        }
        model
    }

    /// The values this step brings in.
    pub fn values(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Compact => Vec::new(),
            Self::Commit(lines) => lines
                .iter()
                .filter_map(|(_, value)| value.clone())
                .collect(),
        }
    }
}

pub fn create(disk: &SimDisk) -> Journal<SimDisk> {
    Journal::create(disk.clone(), MAGIC, VERSION).unwrap()
}

pub fn open(disk: &SimDisk) -> Result<Journal<SimDisk>, JournalError> {
    Journal::open(disk.clone(), MAGIC, VERSION)
}

/// Everything a journal holds.
pub fn contents<D: Disk>(journal: &Journal<D>) -> Model {
    journal
        .with_prefix(b"")
        .unwrap()
        .map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect()
}

/// Whether `bytes` holds `secret` anywhere. Secrets shorter than eight bytes could be there by chance.
pub fn shows(bytes: &[u8], secret: &[u8]) -> bool {
    assert!(secret.len() >= 8);
    bytes.windows(secret.len()).any(|window| window == secret)
}
