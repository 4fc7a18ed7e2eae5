//! Durable records (§15.1). A read error is never "absent"; a commit is atomic and durable when it returns.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// The number of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record(pub u16);

impl Record {
    /// The card's private key, and the names its request was made with.
    pub const KEY: Self = Self(0x0001);
    /// The card's certificate.
    pub const CERTIFICATE: Self = Self(0x0002);
    /// Root A.
    pub const ROOT_A: Self = Self(0x0003);
    /// Root B, reached by a link certificate.
    pub const ROOT_B: Self = Self(0x0004);
    /// Present once a terminal certified under root B has paired.
    pub const ROOT_B_PROVEN: Self = Self(0x0005);
    /// Present once the card was activated.
    pub const ACTIVE: Self = Self(0x0006);
    /// Present once the card's life has ended.
    pub const TERMINATED: Self = Self(0x0007);
    /// The trusted date.
    pub const DATE: Self = Self(0x0008);
    /// The newest status list.
    pub const STATUS_LIST: Self = Self(0x0009);
    /// The minimum epoch.
    pub const MIN_EPOCH: Self = Self(0x000A);
    /// PIN reference: key and value.
    pub const PIN: Self = Self(0x0010);
    /// Tries left for the PIN, in a record of their own.
    pub const PIN_TRIES: Self = Self(0x0011);
    /// PUK reference.
    pub const PUK: Self = Self(0x0012);
    /// Tries left for the PUK.
    pub const PUK_TRIES: Self = Self(0x0013);

    /// A pairing slot, 0 to 15.
    pub(crate) const fn slot(number: u8) -> Self {
        Self(0x0100 + number as u16)
    }

    /// Whether this is a pairing slot's record.
    pub fn is_slot(self) -> bool {
        (0x0100..0x0110).contains(&self.0)
    }

    /// Record `key` of service `service`.
    pub(crate) const fn service(service: u8, key: u8) -> Self {
        Self(0x4000 + ((service as u16) << 8) + key as u16)
    }

    /// Service and key, if this is a service's record.
    pub(crate) fn as_service(self) -> Option<(u8, u8)> {
        let [high, key] = self.0.to_be_bytes();
        high.checked_sub(0x40).map(|service| (service, key))
    }

    /// Whether a factory reset leaves this record alone: roots, date and list are no way round revocation (§11.6).
    pub(crate) fn survives_reset(self) -> bool {
        matches!(
            self,
            Self::ROOT_A
                | Self::ROOT_B
                | Self::ROOT_B_PROVEN
                | Self::DATE
                | Self::STATUS_LIST
                | Self::MIN_EPOCH
                | Self::TERMINATED
        )
    }
}

/// One change of a commit.
#[derive(Clone, Copy)]
pub enum Change<'a> {
    /// Writes a record.
    Put(Record, &'a [u8]),
    /// Removes a record; nothing happens when there is none.
    Erase(Record),
}

impl Change<'_> {
    /// The record that changes.
    pub fn record(&self) -> Record {
        match self {
            Self::Put(record, _) | Self::Erase(record) => *record,
        }
    }
}

/// The storage failed. What was to be read is unknown, never "absent"; what was to be written may be stored or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the card's storage failed")]
pub struct StoreError;

/// A record's bytes, wiped when they die.
pub type Value = Zeroizing<Vec<u8>>;

/// Durable storage of a card.
pub trait Store {
    /// Reads a record. `Ok(None)` means that there is none; an error is never that.
    fn read(&self, record: Record) -> Result<Option<Value>, StoreError>;

    /// Applies all changes or none, each to another record; they are durable when this returns `Ok`.
    ///
    /// # Errors
    /// Old or new may be in force, and neither is durable for certain. The card does not ask again: it refuses everything until it is
    /// powered up anew over a store that has read back what is there (§15.1 R6). A store that cannot do that fails every read.
    fn commit(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError>;

    /// The numbers of all records, rising.
    fn records(&self) -> Result<Vec<Record>, StoreError>;
}

/// A store under a card, for one command: it keeps in mind whether a commit failed.
pub(crate) struct Watched<'a> {
    store: &'a mut dyn Store,
    has_failed: bool,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(store: &'a mut dyn Store) -> Self {
        Self {
            store,
            has_failed: false,
        }
    }

    /// Whether a commit failed, so that nobody knows what is stored.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed
    }
}

impl Store for Watched<'_> {
    fn read(&self, record: Record) -> Result<Option<Value>, StoreError> {
        self.store.read(record)
    }

    fn commit(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        let committed = self.store.commit(changes);
        self.has_failed |= committed.is_err();
        committed
    }

    fn records(&self) -> Result<Vec<Record>, StoreError> {
        self.store.records()
    }
}

/// What happens at a planned operation of a [`MemoryStore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Power fails before the operation takes effect.
    CutBefore,
    /// Power fails after it took effect, before the card goes on.
    CutAfter,
    /// The operation fails once, and did nothing.
    Fail,
    /// The operation took effect and fails once all the same, as a write whose barrier reports an error may.
    FailAfter,
}

/// A store in memory: for the demonstration and for tests, which can plan a fault.
#[derive(Default)]
pub struct MemoryStore {
    records: BTreeMap<Record, Value>,
    commits: usize,
    planned: Option<(usize, Fault)>,
    off: bool,
    reads_fail: Option<Record>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Commits so far.
    pub fn commits(&self) -> usize {
        self.commits
    }

    /// Plans a fault at commit number `commit`, counted from 0 at the store's making.
    pub fn plan(&mut self, commit: usize, fault: Fault) {
        self.planned = Some((commit, fault));
    }

    /// Makes every read of `record` fail, or none.
    pub fn fail_reads(&mut self, record: Option<Record>) {
        self.reads_fail = record;
    }

    /// Whether a planned cut has happened: the card is without power until [`power_on`](Self::power_on).
    pub fn is_off(&self) -> bool {
        self.off
    }

    /// Ends a cut and forgets the plan.
    pub fn power_on(&mut self) {
        self.off = false;
        self.planned = None;
    }

    /// A copy of everything stored: what a thief with the card's memory has.
    #[must_use]
    pub fn dangerous_copy(&self) -> Self {
        Self {
            records: self.records.clone(),
            commits: self.commits,
            planned: self.planned,
            off: self.off,
            reads_fail: self.reads_fail,
        }
    }

    /// Whether both hold the same records.
    pub fn same_content(&self, other: &Self) -> bool {
        self.records == other.records
    }

    fn apply(&mut self, changes: &[Change<'_>]) {
        for change in changes {
            match change {
                Change::Put(record, value) => {
                    self.records.insert(*record, Zeroizing::new(value.to_vec()));
                }
                Change::Erase(record) => {
                    self.records.remove(record);
                }
            }
        }
    }
}

impl Store for MemoryStore {
    fn read(&self, record: Record) -> Result<Option<Value>, StoreError> {
        if self.off || self.reads_fail == Some(record) {
            return Err(StoreError);
        }
        Ok(self.records.get(&record).cloned())
    }

    fn commit(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        let named: BTreeSet<Record> = changes.iter().map(Change::record).collect();
        if self.off || named.len() < changes.len() {
            return Err(StoreError);
        }
        let fault = self
            .planned
            .filter(|(commit, _)| *commit == self.commits)
            .map(|(_, fault)| fault);
        self.commits += 1;
        match fault {
            None => {
                self.apply(changes);
                return Ok(());
            }
            Some(Fault::Fail) => {}
            Some(Fault::FailAfter) => self.apply(changes),
            Some(Fault::CutBefore) => self.off = true,
            Some(Fault::CutAfter) => {
                self.apply(changes);
                self.off = true;
            }
        }
        Err(StoreError)
    }

    fn records(&self) -> Result<Vec<Record>, StoreError> {
        if self.off {
            return Err(StoreError);
        }
        Ok(self.records.keys().copied().collect())
    }
}
