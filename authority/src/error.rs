//! What can go wrong with an authority, by whose fault.

use crate::account::NotProvable;
use crate::approval::ApprovalRefused;
use crate::audit::Finding;
use crate::custody::CustodyError;
use crate::issue::Refused;
use crate::ledger::Fault;
use crate::order::OrderRefused;
use crate::restore::RestoreRefused;
use crate::rights::RightRefused;
use crate::rollover::RolloverRefused;
use crate::roster::ClientRefused;
use crate::status::RevocationRefused;
use crate::store::StoreError;
use apdu::certificate::Name;
use apdu::crypto::EntropyError;
use std::io;
use std::path::PathBuf;

/// Why the authority did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The line cannot be written.
    #[error("the ledger's line cannot be written: {0}")]
    Line(#[from] Fault),
    /// The ledger cannot prove what was asked for.
    #[error(transparent)]
    NotProvable(#[from] NotProvable),
    /// The clock is behind the ledger.
    #[error(
        "the clock is {seconds} seconds behind line {line}, the last one of the ledger: one of the two is wrong; set the clock, or, if it is right, run `authority clock confirm` on the authority's machine"
    )]
    ClockBehind {
        /// By how much.
        seconds: u64,
        /// The number of the last line.
        line: u64,
    },
    /// The clock is far ahead of the ledger.
    #[error(
        "the clock is {seconds} seconds ahead of line {line}, the last one of the ledger: set it, or, if it is right, run `authority clock confirm` on the authority's machine"
    )]
    ClockAhead {
        /// By how much.
        seconds: u64,
        /// The number of the last line.
        line: u64,
    },
    /// The authority's key is needed and was not given.
    #[error("this needs the authority's key")]
    KeyNeeded,
    /// The key is an earlier root's, or none of ours.
    #[error(
        "the authority's root is {0}, and this is not its key; after a roll-over, start what runs with the new root's key"
    )]
    RolledOver(Name),
    /// The roll-over is against policy.
    #[error(transparent)]
    Rollover(#[from] RolloverRefused),
    /// A client used its word for a request again, for another one.
    #[error("this idempotency key was used before for another request; take a new one")]
    TokenReused,
    /// The key.
    #[error(transparent)]
    Custody(#[from] CustodyError),
    /// The operator's order is against policy.
    #[error(transparent)]
    Order(#[from] OrderRefused),
    /// The request is against policy.
    #[error("the request is refused: {0}")]
    Request(#[from] Refused),
    /// The operator's verdict about a request cannot be taken.
    #[error(transparent)]
    Approval(#[from] ApprovalRefused),
    /// The client has no right to it.
    #[error(transparent)]
    Right(#[from] RightRefused),
    /// The clients cannot be changed like this.
    #[error(transparent)]
    Client(#[from] ClientRefused),
    /// The revocation cannot be done.
    #[error(transparent)]
    Revocation(#[from] RevocationRefused),
    /// The folder is taken.
    #[error("{}: there is something already; an authority needs an empty or new folder", .0.display())]
    Taken(PathBuf),
    /// The store to copy to is taken.
    #[error("the store is not empty: the ledger of {0} is in it; copy to an empty one")]
    Occupied(Name),
    /// The root file is not the root of the ledger.
    #[error("{}: not the root certificate of this ledger", .0.display())]
    RootFile(PathBuf),
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The backup cannot be restored like this.
    #[error(transparent)]
    Restore(#[from] RestoreRefused),
    /// What is in the backup does not verify.
    #[error("{}: this backup is damaged: {}", .0.display(), .1)]
    Backup(PathBuf, Box<Finding>),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}
