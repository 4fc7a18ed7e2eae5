//! The terminal's store: identities and pairings, durable and whole (§15.2).
//!
//! A store keeps small named records, reads them, and commits several changes at once or not at all. What the records
//! say is in [`record`] and in [`identity`](crate::identity). A record that cannot be read is an error, never "absent".

mod codec;
mod file;
mod key;
mod memory;
pub mod record;

pub(crate) use codec::{Fields, begin, end, malformed, push};
pub use file::FileStore;
pub use key::{IdentityName, Key};
pub use memory::{Fault, MemoryStore};

use apdu::crypto::SecretBytes;
use journal::JournalError;

/// One change of a commit.
pub enum Change {
    /// Sets a record.
    Put(Key, SecretBytes),
    /// Removes a record; it need not exist.
    Erase(Key),
}

/// Durable records. Several programs may use one store, each operation for itself.
pub trait PairingStore: Send {
    /// The record of this key, if there is one.
    fn read(&self, key: &Key) -> Result<Option<SecretBytes>, StoreError>;

    /// All keys that begin as `prefix` does, with their records, in an order that stays the same.
    fn list(&self, prefix: &Key) -> Result<Vec<(Key, SecretBytes)>, StoreError>;

    /// Makes all changes durable, or none: when it returns `Ok`, they survive a power cut.
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError>;
}

/// What the store cannot do. Whoever asked must not go on as if nothing were stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file under it.
    #[error("the pairing store: {0}")]
    Journal(#[from] JournalError),
    /// A record is there and cannot be understood.
    #[error(
        "the pairing store's record of {what} is damaged, or of a newer version; restore the store, or forget that record"
    )]
    Malformed {
        /// What the record is about.
        what: &'static str,
    },
    /// A memory store that was told to fail, or lost its power.
    #[error("the store failed")]
    Failed,
}
