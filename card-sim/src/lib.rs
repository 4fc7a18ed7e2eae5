//! A virtual card: what puts a card into a reader slot.
//!
//! | module | what lives there |
//! |---|---|
//! | [`body`] | the card with its power switch |
//! | [`state_file`] | the card's durable memory, one file per card |
//! | [`framing`] | the byte framing between a card and the virtual reader driver `vpcd` |
//! | [`vpcd`] | the client that plugs a [`vpcd::Body`] into one reader slot of `pcscd`; the only file with sockets |
//! | [`event`] | what that client reports |
//! | [`fault`] | faults that a test plans: answers late, cut, damaged or lost |
//!
//! What the card *is* lives in `card-core`; this package only carries bytes to it.

pub mod body;
pub mod event;
pub mod fault;
pub mod framing;
pub mod state_file;
pub mod vpcd;
