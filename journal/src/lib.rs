//! A crash-safe record file: one append and one barrier per commit, old values erased.
//!
//! The card keeps its keys, slots and PIN tries in one such file; the terminal keeps its pairings in another.
//! Both need the same promises (docs/protocol.md §15):
//!
//! - a commit of several records happens whole or not at all, whenever the power fails;
//! - a committed value is never lost, and a damaged one is an error, never "absent";
//! - a superseded value cannot be read from the file once the journal has been opened again;
//! - after a failed write or a failed barrier the journal is finished: it answers [`JournalError::Broken`] until it is
//!   opened again (a barrier that failed once may "succeed" later without having kept anything).
//!
//! # Layout
//!
//! Integers are big-endian. Digests are the first 16 bytes of SHA-256; they find damage, they do not stop a forger.
//!
//! ```text
//! file     ┌────────┬─────────────────┬─────────┬─────────┬──
//!          │ header │ snapshot, maybe │ frame   │ frame   │ ...
//!          └────────┴─────────────────┴─────────┴─────────┴──
//!          └──── settled bytes ───────┘ written by one atomic replacement: damage here is never a torn append
//!
//! header   magic 8 │ version u16 │ layout u16 │ first sequence number u64 │ settled bytes u64 │ digest 16
//!
//! frame    "TJF1" │ sequence u64 │ entries u32 │ table length u32 │ head digest 16    one commit
//!          table: for each entry   kind u8 │ key length u8 │ value length u32 │ key
//!          body:  for each value   value │ digest of key and value 16
//!          seal 16: digest of everything above, or RETIRED
//!
//! wiping   value │ digest  ->  zeros          when a later frame supersedes the value
//!          seal            ->  RETIRED        so nothing derived from a dead value stays behind
//! ```
//!
//! The head digest covers the frame's offset, its header and its table, so it survives the wiping of values.
//! The seal tells a torn append from a damaged file: only the last frame may be torn, and a frame that bears the mark
//! RETIRED was once followed by another, so it is never taken for a torn one.
//!
//! # What it does not do
//!
//! It does not encrypt, it does not notice that a whole older copy of the file was put back, and it cannot promise that
//! the medium forgets: flash translation and copy-on-write file systems may keep what was overwritten.
//! [`FileDisk`] is for Unix systems: it leans on owners, modes and `O_NOFOLLOW`.

mod disk;
mod error;
mod file;
mod index;
mod layout;
mod lock;
mod replay;
mod shared;
pub mod sim;
mod store;

pub use disk::Disk;
pub use error::{FileError, JournalError};
pub use file::FileDisk;
pub use shared::SharedJournal;
pub use store::{Change, Journal};

/// Longest key, in bytes. The shortest has one byte.
pub const MAX_KEY: usize = 64;
/// Longest value, in bytes (1 MiB). A value may be empty.
pub const MAX_VALUE: usize = 1 << 20;
/// Longest file, in bytes (256 MiB): it is read whole when it is opened.
pub const MAX_FILE: u64 = 256 << 20;
