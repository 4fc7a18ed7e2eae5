//! The ledger: one line per event, each a leaf of a Merkle tree (RFC 9162 §2.1, `docs/ledger.md`).
//!
//! A line is durable before what it tells of leaves the authority. A signed tree head stands for all lines up to it: whoever holds
//! one notices when an earlier line is changed, removed or inserted.

mod event;
mod line;
pub(crate) mod text;

pub use event::{ClientChange, Event, Replaced, Wish};
pub use line::{Fault, Line, MAX_LINE};
