//! Where the ledger and what follows from it are kept.
//!
//! A change takes the store's only write lock, loads the records it needs into a [`Book`], lets policy decide, and commits lines and
//! records together: durable when `commit` returns, or nothing of it happened. Two processes on one store take turns.

mod batch;
mod change;
mod clients;
mod compare;
#[cfg(feature = "postgres")]
mod exchange;
mod load;
mod moving;
#[cfg(debug_assertions)]
mod plan;
#[cfg(feature = "postgres")]
pub mod postgres;
mod records;
mod row;
mod schema;
mod sql;
pub mod sqlite;
#[cfg(feature = "postgres")]
mod tls;
#[cfg(debug_assertions)]
mod whole;
mod write;

pub use clients::Clients;
pub use compare::Expected;
pub use moving::copy;

use crate::approval::Asked;
use crate::book::{Book, Holder};
use crate::ledger::Line;
use crate::roots::Roots;
use crate::tree::{Hash, MemoryNodes, Missing, Nodes, SignedTreeHead};
use apdu::certificate::{Certificate, Name, Role, StatusList};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// The store did not do what it was asked. Nothing was changed; after [`Unavailable`](Self::Unavailable) at the end of a step, all of the
/// step may have been, and the same token finds out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no authority in it.
    #[error("there is no authority in {0}; make one with `certify ca init`")]
    Absent(String),
    /// Another writer held the lock for too long.
    #[error("{0}: in use by another process for too long; try again")]
    Busy(String),
    /// The medium or the database failed: full, gone, not writable.
    #[error("{place}: {reason}")]
    Unavailable {
        /// Which store.
        place: String,
        /// What it said.
        reason: String,
    },
    /// It was written by another version of this program.
    #[error(
        "{place}: its format is {found}, this program has {ours}; use the program that wrote it"
    )]
    Version {
        /// Which store.
        place: String,
        /// What stands in it.
        found: i64,
        /// What this program writes.
        ours: i64,
    },
    /// A copy into it was cut off.
    #[error(
        "{0}: a copy of a ledger that was never finished; remove it and begin again with an empty store"
    )]
    Unfinished(String),
    /// A record is not what this program writes.
    #[error("{place}: {what} is damaged; nothing was changed; `certify log verify` tells more")]
    Damaged {
        /// Which store.
        place: String,
        /// Which record.
        what: String,
    },
}

/// For how many seconds at least the answer to a [`Token`] is kept, counted by the times of the ledger's lines: 7 days. A request that is
/// repeated later is judged as a new one: a request for a certificate is refused then, for its nonce is used up.
pub const ANSWERS_KEPT: u64 = 7 * 86_400;

/// Names a request of a client, so that sending it twice does it once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// Whose request.
    pub client: String,
    /// The client's own word for it.
    pub word: String,
}

/// What was done for a [`Token`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// SHA-256 of what was asked.
    pub digest: [u8; 32],
    /// The line it made.
    pub line: Line,
}

/// The records that a change has to see. What is not named here counts as unknown to the change, so it must name all it asks for.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// Holders by name.
    pub names: BTreeSet<Name>,
    /// Challenges.
    pub nonces: BTreeSet<[u8; 16]>,
    /// Holders by key: compressed points.
    pub points: BTreeSet<[u8; 33]>,
    /// Requests for an operator, by their lines' numbers. Those for `names` and `points` are loaded as well.
    pub requests: BTreeSet<u64>,
    /// Highest serial numbers.
    pub prefixes: BTreeSet<String>,
    /// Active clients of the service, by name.
    pub clients: BTreeSet<String>,
    /// All clients, invitations and open proposals.
    pub roll: bool,
    /// Requests that may have been answered before.
    pub tokens: BTreeSet<Token>,
}

/// The tree after lines were appended.
#[derive(Debug, Clone)]
pub struct Appended {
    /// Its root.
    pub root: Hash,
    /// What it ended with before, and what is new: enough to prove that the new lines are in it.
    pub nodes: MemoryNodes,
}

/// A durable ledger with its records, and the clients of its service.
pub trait Store: Clients + Send {
    /// Makes an authority in an empty store, with the head over its first line.
    ///
    /// # Errors
    /// When there is one already, or the medium fails.
    fn found(
        &mut self,
        first: &Line,
        root: &Certificate,
        head: Option<&SignedTreeHead>,
    ) -> Result<(), StoreError>;

    /// The roots.
    ///
    /// # Errors
    /// [`StoreError::Absent`] in an empty store.
    fn roots(&mut self) -> Result<Roots, StoreError>;

    /// Whether a change costs round trips to a server, however little is in it.
    fn is_far(&self) -> bool;

    /// From now on this store is a copy that is being made: nobody else can use what is in it.
    fn begin_copy(&mut self);

    /// The copy is whole: from now on it is a store like any other.
    ///
    /// # Errors
    /// When the medium fails.
    fn end_copy(&mut self) -> Result<(), StoreError>;

    /// Takes the write lock and loads the records that a change needs.
    ///
    /// # Errors
    /// When another process keeps the lock, or the medium fails.
    fn begin(&mut self, needs: &Needs) -> Result<Book, StoreError>;

    /// Writes the lines that the book has gained, not yet for good; gives the tree over all lines, as far as the change knows it.
    ///
    /// # Errors
    /// When the medium fails; the change is to be abandoned then.
    fn append(&mut self, book: &Book) -> Result<Appended, StoreError>;

    /// Ends a change: what was appended, and the records of the book, become durable, all of it or nothing.
    ///
    /// # Errors
    /// When the medium fails. Whether the change happened is then known only from the next [`Store::begin`].
    fn commit(&mut self, book: Book, head: Option<&SignedTreeHead>) -> Result<(), StoreError>;

    /// Ends a change without a trace.
    fn abandon(&mut self);

    /// A holder and the number of the line that made it.
    ///
    /// # Errors
    /// When the medium fails or a record is damaged; so for all reads below.
    fn holder(&mut self, name: &Name) -> Result<Option<(Holder, u64)>, StoreError>;

    /// Up to `count` holders after `after`, by name.
    fn holders(&mut self, after: Option<&Name>, count: u32) -> Result<Vec<Holder>, StoreError>;

    /// Up to `count` holders of a role, newest first, whose certificate was never seen stored and is not revoked.
    fn waiting(&mut self, role: Role, count: u32) -> Result<Vec<Holder>, StoreError>;

    /// The same of one client's orders, and of those from before orders were bound to clients.
    fn waiting_of(
        &mut self,
        client: &str,
        role: Role,
        count: u32,
    ) -> Result<Vec<Holder>, StoreError>;

    /// A request that waits or has waited for an operator, by its line's number.
    fn request(&mut self, line: u64) -> Result<Option<Asked>, StoreError>;

    /// Up to `count` requests after line `after`, decided or not, in the order of their lines.
    fn requests(&mut self, after: u64, count: u32) -> Result<Vec<Asked>, StoreError>;

    /// Up to `count` requests that wait for an operator at this second, oldest first; of one client and role, or all.
    fn awaiting(
        &mut self,
        of: Option<(&str, Role)>,
        unix_seconds: u64,
        count: u32,
    ) -> Result<Vec<Asked>, StoreError>;

    /// How many requests wait for an operator at this second.
    fn awaiting_count(&mut self, unix_seconds: u64) -> Result<u64, StoreError>;

    /// Number of the line of the last restoration; 0 if there was none.
    fn restored(&mut self) -> Result<u64, StoreError>;

    /// The newest status list.
    fn status_list(&mut self) -> Result<Option<StatusList>, StoreError>;

    /// The prefix whose serial numbers are the farthest, and the highest of them.
    fn highest(&mut self) -> Result<Option<(String, u32)>, StoreError>;

    /// Whether the store takes changes, and has room: writes 64 KiB, durable, and takes them away again.
    fn probe(&mut self) -> Result<(), StoreError>;

    /// The first record that says something else than the lines, in words.
    fn differing(&mut self, expected: &Expected<'_>) -> Result<Option<String>, StoreError>;

    /// Number and time (Unix seconds) of the last line.
    fn last_line(&mut self) -> Result<(u64, u64), StoreError>;

    /// Number of lines.
    fn size(&mut self) -> Result<u64, StoreError>;

    /// Texts of up to `count` lines from number `first`, from 1.
    fn lines(&mut self, first: u64, count: u32) -> Result<Vec<String>, StoreError>;

    /// The newest signed head, if one was signed for at least `size` lines.
    fn head(&mut self, size: u64) -> Result<Option<SignedTreeHead>, StoreError>;

    /// Hashes of complete subtrees, by level and place: of 2^level leaves, from leaf place * 2^level on. All that were asked for.
    fn nodes(&mut self, wanted: &[(u8, u64)]) -> Result<MemoryNodes, StoreError>;
}

/// The tree of a store for one computation of a root or proof. It runs twice: first to see which nodes it asks for, then with these,
/// which are read all together.
pub(crate) struct StoredNodes {
    asked: RefCell<BTreeSet<(u8, u64)>>,
    read: Option<MemoryNodes>,
}

impl StoredNodes {
    /// Which nodes are asked for does not depend on their hashes. An error of the first run is that of the computation.
    pub(crate) fn compute<T, E: From<StoreError>>(
        store: &mut dyn Store,
        work: impl Fn(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let first = Self {
            asked: RefCell::default(),
            read: None,
        };
        work(&first)?;
        let wanted: Vec<_> = first.asked.into_inner().into_iter().collect();
        work(&Self {
            asked: RefCell::default(),
            read: Some(store.nodes(&wanted)?),
        })
    }
}

impl Nodes for StoredNodes {
    type Error = Missing;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Missing> {
        match &self.read {
            Some(nodes) => nodes.node(level, index),
            None => {
                self.asked.borrow_mut().insert((level, index));
                Ok(Hash::EMPTY)
            }
        }
    }
}
