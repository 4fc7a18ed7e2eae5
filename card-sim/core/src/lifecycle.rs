//! The life cycle (§12.1), derived from what is stored, so that it cannot contradict it.

use crate::store::{Change, Record, Store, StoreError};
use alloc::vec::Vec;

/// Where a card is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifeCycle {
    /// No key.
    Blank,
    /// A key, no certificate.
    Initialised,
    /// Root and certificate.
    Certified,
    /// In use.
    Operational,
    /// In use, but the PUK is used up.
    Blocked,
    /// Ended by the body's local command.
    Terminated,
}

impl LifeCycle {
    /// Reads it off the records.
    pub fn of(store: &dyn Store) -> Result<Self, StoreError> {
        let has = |record| store.read(record).map(|value| value.is_some());
        if has(Record::TERMINATED)? {
            return Ok(Self::Terminated);
        }
        if has(Record::ACTIVE)? {
            let used_up = store
                .read(Record::PUK_TRIES)?
                .is_some_and(|tries| tries.as_slice() == [0]);
            return Ok(if used_up {
                Self::Blocked
            } else {
                Self::Operational
            });
        }
        if has(Record::CERTIFICATE)? {
            return Ok(Self::Certified);
        }
        Ok(if has(Record::KEY)? {
            Self::Initialised
        } else {
            Self::Blank
        })
    }

    /// Certified and active: pairs and talks.
    pub fn is_in_use(self) -> bool {
        matches!(self, Self::Operational | Self::Blocked)
    }

    /// The state in one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::Initialised => "initialised",
            Self::Certified => "certified",
            Self::Operational => "operational",
            Self::Blocked => "blocked",
            Self::Terminated => "terminated",
        }
    }
}

/// Erases all that a factory reset erases, in one commit: everything but roots, trusted date, list and minimum epoch (§11.6).
///
/// The card does this itself on FACTORY RESET; its body may do it while the card has no power.
pub fn reset(store: &mut dyn Store) -> Result<(), StoreError> {
    let records = store.records()?.into_iter();
    let erased: Vec<_> = records
        .filter(|record| !record.survives_reset())
        .map(Change::Erase)
        .collect();
    store.commit(&erased)
}
