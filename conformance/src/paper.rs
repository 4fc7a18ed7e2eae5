//! Both ends' memories on disks that remember every write: what the next boot finds after a cut at any byte.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use card_core::store::{Change as CardChange, Record, Store, StoreError as CardStoreError, Value};
use card_sim::state_file::StateFile;
use journal::sim::SimDisk;
use journal::{Journal, JournalError};
use terminal_lib::store::{Change, Key, PairingStore, StoreError};

/// Format name and version of the terminal's file in these tests.
const TERMINAL: ([u8; 8], u16) = (*b"TALLYTRM", 1);

/// Everything stored, by key.
pub type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// Whose memory it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The card's.
    Card,
    /// The terminal's.
    Terminal,
}

/// A memory under power.
enum Opened {
    Card(StateFile<SimDisk>),
    Terminal(Journal<SimDisk>),
}

impl Opened {
    fn create(side: Side, disk: SimDisk) -> Result<Self, JournalError> {
        Ok(match side {
            Side::Card => Self::Card(StateFile::create_on(disk)?),
            Side::Terminal => Self::Terminal(Journal::create(disk, TERMINAL.0, TERMINAL.1)?),
        })
    }

    fn open(side: Side, disk: SimDisk) -> Result<Self, JournalError> {
        Ok(match side {
            Side::Card => Self::Card(StateFile::open_on(disk)?),
            Side::Terminal => Self::Terminal(Journal::open(disk, TERMINAL.0, TERMINAL.1)?),
        })
    }

    fn records(&self) -> Option<Records> {
        match self {
            Self::Card(card) => {
                let numbers = card.records().ok()?.into_iter();
                numbers
                    .map(|record| {
                        let value = card.read(record).ok()??;
                        Some((record.0.to_be_bytes().to_vec(), value.to_vec()))
                    })
                    .collect()
            }
            Self::Terminal(journal) => {
                let all = journal.with_prefix(&[]).ok()?;
                Some(
                    all.map(|(key, value)| (key.to_vec(), value.to_vec()))
                        .collect(),
                )
            }
        }
    }
}

/// What was stored when, beginning with what was there at the opening. The number is that of disk operations done.
pub type Moments = Vec<(usize, Records)>;

/// The memory of one side on its disk. Clones are the same memory.
#[derive(Clone)]
pub struct Paper {
    /// Whose it is.
    pub side: Side,
    /// The disk under it.
    pub disk: SimDisk,
    memory: Arc<Mutex<Memory>>,
}

struct Memory {
    opened: Opened,
    moments: Moments,
    /// What a commit that failed would have left.
    attempted: Option<Records>,
}

impl Paper {
    /// An empty memory.
    pub fn blank(side: Side) -> Self {
        let disk = SimDisk::new();
        let opened = Opened::create(side, disk.clone()).unwrap();
        Self::with(side, disk, opened)
    }

    /// What the next boot makes of a disk.
    ///
    /// # Errors
    /// Whatever the journal says of the disk.
    pub fn open(side: Side, disk: SimDisk) -> Result<Self, JournalError> {
        let opened = Opened::open(side, disk.clone())?;
        Ok(Self::with(side, disk, opened))
    }

    fn with(side: Side, disk: SimDisk, opened: Opened) -> Self {
        let records = opened.records().unwrap();
        let moments = Vec::from([(disk.operations().len(), records)]);
        Self {
            side,
            disk,
            memory: Arc::new(Mutex::new(Memory {
                opened,
                moments,
                attempted: None,
            })),
        }
    }

    /// Another memory with the same content, on a disk without a past.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::open(self.side, SimDisk::with_content(self.disk.content())).unwrap()
    }

    /// Everything stored now.
    pub fn records(&self) -> Records {
        self.memory().newest().clone()
    }

    /// What was stored after each commit, rising.
    pub fn moments(&self) -> Moments {
        self.memory().moments.clone()
    }

    /// What the last commit would have left that failed.
    pub fn attempted(&self) -> Option<Records> {
        self.memory().attempted.clone()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap()
    }

    /// Does a commit and writes down what it has left, or would have left.
    fn commit_with<E>(
        &self,
        changes: impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)>,
        commit: impl FnOnce(&mut Opened) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut memory = self.memory();
        let outcome = commit(&mut memory.opened);
        if outcome.is_ok() {
            let records = memory.opened.records().unwrap();
            memory.moments.push((self.disk.operations().len(), records));
        } else {
            let mut records = memory.newest().clone();
            for (key, value) in changes {
                match value {
                    Some(value) => records.insert(key, value),
                    None => records.remove(&key),
                };
            }
            memory.attempted = Some(records);
        }
        outcome
    }
}

impl Memory {
    fn newest(&self) -> &Records {
        let (_, records) = self.moments.last().unwrap();
        records
    }
}

impl Store for Paper {
    fn read(&self, record: Record) -> Result<Option<Value>, CardStoreError> {
        match &self.memory().opened {
            Opened::Card(card) => card.read(record),
            Opened::Terminal(_) => Err(CardStoreError),
        }
    }

    fn commit(&mut self, changes: &[CardChange<'_>]) -> Result<(), CardStoreError> {
        let named = changes.iter().map(|change| match change {
            CardChange::Put(record, value) => {
                (record.0.to_be_bytes().to_vec(), Some(value.to_vec()))
            }
            CardChange::Erase(record) => (record.0.to_be_bytes().to_vec(), None),
        });
        self.commit_with(named, |opened| match opened {
            Opened::Card(card) => card.commit(changes),
            Opened::Terminal(_) => Err(CardStoreError),
        })
    }

    fn records(&self) -> Result<Vec<Record>, CardStoreError> {
        match &self.memory().opened {
            Opened::Card(card) => card.records(),
            Opened::Terminal(_) => Err(CardStoreError),
        }
    }
}

impl PairingStore for Paper {
    fn read(&self, key: &Key) -> Result<Option<apdu::crypto::SecretBytes>, StoreError> {
        match &self.memory().opened {
            Opened::Terminal(journal) => PairingStore::read(journal, key),
            Opened::Card(_) => Err(StoreError::Failed),
        }
    }

    fn list(&self, prefix: &Key) -> Result<Vec<(Key, apdu::crypto::SecretBytes)>, StoreError> {
        match &self.memory().opened {
            Opened::Terminal(journal) => journal.list(prefix),
            Opened::Card(_) => Err(StoreError::Failed),
        }
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let named = changes.iter().map(|change| match change {
            Change::Put(key, value) => (key.as_bytes().to_vec(), Some(value.to_vec())),
            Change::Erase(key) => (key.as_bytes().to_vec(), None),
        });
        self.commit_with(named, |opened| match opened {
            Opened::Terminal(journal) => PairingStore::commit(journal, changes),
            Opened::Card(_) => Err(StoreError::Failed),
        })
    }
}
