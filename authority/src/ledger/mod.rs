//! The ledger: one line of JSON per event, each bound to the one before by SHA-256.
//!
//! A line is durable before what it tells of leaves the authority. A changed, removed or inserted line is found when the
//! ledger is opened; only an unfinished last line, the trace of a power cut, is cut off. What a chain cannot notice by itself
//! is a file that was shortened by whole lines or replaced whole: note the head that [`Ledger::head`] gives elsewhere.

mod event;
mod file;
mod line;
pub(crate) mod text;

pub use event::{Event, Replaced};
pub use file::{Ledger, LedgerError};
pub use line::{Fault, Line, LineHash};
