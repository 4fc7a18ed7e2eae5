//! What the journal holds right now, in memory, and where each value lies in the file.

use std::collections::BTreeMap;
use std::ops::Bound;

use zeroize::Zeroizing;

use crate::layout::{self, DIGEST};

/// The live records, in the order of their keys. Values are wiped when they leave.
#[derive(Default)]
pub(crate) struct Index {
    records: BTreeMap<Vec<u8>, Record>,
    /// Bytes that the live entries would take in a fresh file.
    live: u64,
}

/// A live value and its place.
pub(crate) struct Record {
    pub value: Zeroizing<Vec<u8>>,
    /// First byte of the value in the file.
    pub at: u64,
    /// First byte of the seal of its frame.
    pub seal_at: u64,
}

/// Bytes of the file that must be wiped: a dead value with its digest, and the seal over them.
pub(crate) struct Wipe {
    pub at: u64,
    pub length: usize,
    pub seal_at: u64,
}

impl Index {
    pub fn value(&self, key: &[u8]) -> Option<&[u8]> {
        self.records.get(key).map(|record| record.value.as_slice())
    }

    pub fn with_prefix<'a>(
        &'a self,
        prefix: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.records
            .range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(move |(key, _)| key.starts_with(prefix))
            .map(|(key, record)| (key.as_slice(), record.value.as_slice()))
    }

    pub fn live(&self) -> u64 {
        self.live
    }

    /// Takes in a record and says what of the file has died.
    pub fn put(&mut self, key: &[u8], record: Record) -> Option<Wipe> {
        self.live += layout::entry_len(key, Some(&record.value));
        let old = self.records.insert(key.to_vec(), record);
        old.map(|old| self.bury(key, &old))
    }

    /// Forgets a record and says what of the file has died.
    pub fn erase(&mut self, key: &[u8]) -> Option<Wipe> {
        let old = self.records.remove(key);
        old.map(|old| self.bury(key, &old))
    }

    /// After a rewrite: the values lie at `places` now, in the order of their keys, all under one seal.
    pub fn move_to(&mut self, places: impl Iterator<Item = u64>, seal_at: u64) {
        for (record, at) in self.records.values_mut().zip(places) {
            record.at = at;
            record.seal_at = seal_at;
        }
    }

    fn bury(&mut self, key: &[u8], old: &Record) -> Wipe {
        self.live -= layout::entry_len(key, Some(&old.value));
        Wipe {
            at: old.at,
            length: old.value.len() + DIGEST,
            seal_at: old.seal_at,
        }
    }
}
