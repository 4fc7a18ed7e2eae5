//! A store in memory, for tests, demonstrations, and terminals that are to forget.

use super::{Change, Key, PairingStore, StoreError};
use apdu::crypto::SecretBytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// What happens to a commit that was planned to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The medium refuses, nothing changes, the store goes on.
    Fail,
    /// The power goes before anything is durable.
    CutBefore,
    /// The power goes when everything is durable, and nobody is told.
    CutAfter,
}

/// Records in memory. Handles made by [`share`](Self::share) see the same records, like two programs on one file.
#[derive(Default)]
pub struct MemoryStore(Arc<Mutex<Content>>);

#[derive(Default)]
struct Content {
    records: BTreeMap<Key, SecretBytes>,
    commits: u64,
    planned: Option<(u64, Fault)>,
    unreadable: bool,
    without_power: bool,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another handle on the same records.
    #[must_use]
    pub fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// A copy of all records, keys included, as a thief or a restored backup has it. Its power is on, no fault is planned.
    #[must_use]
    pub fn dangerous_copy(&self) -> Self {
        let copy = Content {
            records: self.content().records.clone(),
            ..Content::default()
        };
        Self(Arc::new(Mutex::new(copy)))
    }

    /// Plans what happens to the commit of this number, counted from 0 over the store's life.
    pub fn plan_fault(&self, commit: u64, fault: Fault) {
        self.content().planned = Some((commit, fault));
    }

    /// From now on every read fails, or works again.
    pub fn set_unreadable(&self, unreadable: bool) {
        self.content().unreadable = unreadable;
    }

    /// How many commits were asked for.
    pub fn commits(&self) -> u64 {
        self.content().commits
    }

    /// Whether both hold the same records.
    pub fn same_content(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.content().records == other.content().records
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        // No operation leaves the content half changed, so a panic elsewhere does not matter.
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn readable(&self) -> Result<MutexGuard<'_, Content>, StoreError> {
        let content = self.content();
        if content.unreadable || content.without_power {
            return Err(StoreError::Failed);
        }
        Ok(content)
    }
}

impl PairingStore for MemoryStore {
    fn read(&self, key: &Key) -> Result<Option<SecretBytes>, StoreError> {
        Ok(self.readable()?.records.get(key).cloned())
    }

    fn list(&self, prefix: &Key) -> Result<Vec<(Key, SecretBytes)>, StoreError> {
        let content = self.readable()?;
        let listed = content
            .records
            .iter()
            .filter(|(key, _)| key.after(prefix).is_some());
        Ok(listed
            .map(|(key, record)| (key.clone(), record.clone()))
            .collect())
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let mut content = self.content();
        if content.without_power {
            return Err(StoreError::Failed);
        }
        let number = content.commits;
        content.commits += 1;
        let fault = content
            .planned
            .filter(|(planned, _)| *planned == number)
            .map(|(_, fault)| fault);
        content.without_power = matches!(fault, Some(Fault::CutBefore | Fault::CutAfter));
        if matches!(fault, Some(Fault::Fail | Fault::CutBefore)) {
            return Err(StoreError::Failed);
        }
        for change in changes {
            match change {
                Change::Put(key, record) => {
                    content.records.insert(key.clone(), record.clone());
                }
                Change::Erase(key) => {
                    content.records.remove(key);
                }
            }
        }
        match fault {
            Some(_) => Err(StoreError::Failed),
            None => Ok(()),
        }
    }
}
