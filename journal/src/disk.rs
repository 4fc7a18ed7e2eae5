//! What the journal asks of the medium under it.

use std::io;

/// A row of bytes that can be made durable.
///
/// Nothing written is durable before [`barrier`](Disk::barrier) has returned `Ok`; until then a power cut may lose, tear
/// or reorder it. An error of any method may leave its work half done.
#[expect(
    clippy::len_without_is_empty,
    reason = "a length that can fail has no use for a second question"
)]
pub trait Disk {
    /// Length in bytes.
    ///
    /// # Errors
    /// The medium's own.
    fn len(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` if the bytes are not all there; the medium's own.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`, growing the disk where needed. Not durable by itself.
    ///
    /// # Errors
    /// The medium's own; a part may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the disk to `length` bytes. Not durable by itself.
    ///
    /// # Errors
    /// The medium's own.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// Returns when everything written so far is durable.
    ///
    /// # Errors
    /// The medium's own. What was unsynced may then be lost for good, even if a later barrier succeeds.
    fn barrier(&mut self) -> io::Result<()>;

    /// Puts `content` in the place of everything, atomically and durably, and overwrites the old bytes.
    ///
    /// # Errors
    /// The medium's own; the disk then holds the old content or the new, never a mix.
    fn replace(&mut self, content: &[u8]) -> io::Result<()>;
}
