//! The journal: read from memory, commit with one append and one barrier.

use planted::planted;
use zeroize::Zeroizing;

use crate::index::{Index, Record, Wipe};
use crate::layout::{self, Digest, HEADER, Header, RETIRED};
use crate::replay::replay;
use crate::{Disk, JournalError, MAX_FILE, MAX_KEY, MAX_VALUE};

/// Dead bytes that are never worth a compaction.
const DEAD_ALLOWED: u64 = 256 << 10;
/// Beyond that, a compaction is due when the dead bytes outweigh the live ones this many times.
const DEAD_PER_LIVE: u64 = 4;

/// One line of a commit.
#[derive(Clone, Copy)]
pub enum Change<'a> {
    /// Sets `key` (1 to 64 bytes) to `value` (at most 1 MiB).
    Put {
        /// Name of the record.
        key: &'a [u8],
        /// Its new content.
        value: &'a [u8],
    },
    /// Removes `key`. It need not exist.
    Erase {
        /// Name of the record.
        key: &'a [u8],
    },
}

impl<'a> Change<'a> {
    pub(crate) fn key(&self) -> &'a [u8] {
        match self {
            Self::Put { key, .. } | Self::Erase { key } => key,
        }
    }

    pub(crate) fn value(&self) -> Option<&'a [u8]> {
        match self {
            Self::Put { value, .. } => Some(value),
            Self::Erase { .. } => None,
        }
    }
}

/// A crash-safe set of records on a [`Disk`].
pub struct Journal<D: Disk> {
    disk: D,
    magic: [u8; 8],
    version: u16,
    index: Index,
    /// Bytes in use; the next frame goes here.
    length: u64,
    /// Number of the newest frame.
    sequence: u64,
    /// Place and head digest of the newest frame.
    tip: Option<(u64, Digest)>,
    /// Set while something is being written, and left set when it failed.
    broken: bool,
}

impl<D: Disk> Journal<D> {
    /// Makes an empty journal on an empty disk. `magic` and `version` name the application's format.
    ///
    /// # Errors
    /// [`NotEmpty`](JournalError::NotEmpty), or [`Disk`](JournalError::Disk).
    pub fn create(mut disk: D, magic: [u8; 8], version: u16) -> Result<Self, JournalError> {
        if disk.len().map_err(JournalError::disk("measure"))? != 0 {
            return Err(JournalError::NotEmpty);
        }
        let header = Header {
            first: 1,
            settled: HEADER as u64,
        };
        disk.replace(&header.encode(magic, version))
            .map_err(JournalError::disk("create"))?;
        let length = header.settled;
        Ok(Self {
            disk,
            magic,
            version,
            index: Index::default(),
            length,
            sequence: 0,
            tip: None,
            broken: false,
        })
    }

    /// Reads a journal back. A torn last append is dropped, and dead values that a crash left behind are wiped.
    ///
    /// # Errors
    /// [`Unfinished`](JournalError::Unfinished), [`NotOurs`](JournalError::NotOurs),
    /// [`NewerVersion`](JournalError::NewerVersion), [`OlderVersion`](JournalError::OlderVersion),
    /// [`Corrupt`](JournalError::Corrupt), [`Full`](JournalError::Full): the disk is left as it was found.
    /// [`Disk`](JournalError::Disk): opening may be tried again.
    pub fn open(mut disk: D, magic: [u8; 8], version: u16) -> Result<Self, JournalError> {
        let length = disk.len().map_err(JournalError::disk("measure"))?;
        if length > MAX_FILE {
            return Err(JournalError::Full);
        }
        let size = usize::try_from(length).map_err(|_| JournalError::Full)?;
        let mut file = Zeroizing::new(vec![0; size]);
        disk.read_at(0, &mut file)
            .map_err(JournalError::disk("read"))?;
        let found = replay(&file, magic, version)?;
        let torn = size - found.end;
        let unproven = found
            .unproven
            .and_then(|range| Some((range.start as u64, file.get(range)?)));
        settle(&mut disk, unproven, found.end as u64, torn)?;
        // Why a barrier of its own: a wiping must never be durable before the frame that supersedes the value.
        if !found.wipes.is_empty() {
            wipe(&mut disk, &found.wipes)?;
            disk.barrier().map_err(JournalError::disk("sync"))?;
        }
        Ok(Self {
            disk,
            magic,
            version,
            index: found.index,
            length: found.end as u64,
            sequence: found.sequence,
            tip: found.tip,
            broken: false,
        })
    }

    /// The value of `key`, or `None` if there is none.
    ///
    /// # Errors
    /// [`Broken`](JournalError::Broken).
    pub fn read(&self, key: &[u8]) -> Result<Option<&[u8]>, JournalError> {
        self.ready()?;
        Ok(self.index.value(key))
    }

    /// All keys that begin with `prefix`, with their values, in the order of the keys. An empty prefix names them all.
    ///
    /// # Errors
    /// [`Broken`](JournalError::Broken).
    pub fn with_prefix<'a>(
        &'a self,
        prefix: &'a [u8],
    ) -> Result<impl Iterator<Item = (&'a [u8], &'a [u8])>, JournalError> {
        self.ready()?;
        Ok(self.index.with_prefix(prefix))
    }

    /// Makes all of `changes` durable, or none. When it returns `Ok` they are, and superseded values are overwritten.
    ///
    /// One write, one barrier, then two writes without a barrier for each superseded value. Now and then the file is
    /// compacted first.
    ///
    /// # Errors
    /// [`KeyLength`](JournalError::KeyLength), [`ValueLength`](JournalError::ValueLength),
    /// [`RepeatedKey`](JournalError::RepeatedKey), [`Full`](JournalError::Full): nothing was changed.
    /// [`Disk`](JournalError::Disk): the changes are in doubt, and the journal is [`Broken`](JournalError::Broken)
    /// until it is opened again.
    pub fn commit(&mut self, changes: &[Change<'_>]) -> Result<(), JournalError> {
        self.ready()?;
        check(changes)?;
        if changes.is_empty() {
            return Ok(());
        }
        let room = layout::frame_len(changes);
        if compaction_is_due(self.length, self.index.live(), room) {
            self.compact()?;
        }
        if self.length.saturating_add(room) > MAX_FILE {
            return Err(JournalError::Full);
        }
        let sequence = self.sequence.checked_add(1).ok_or(JournalError::Full)?;
        let frame = layout::encode_frame(self.length, sequence, changes)?;

        self.broken = true; // until everything below has worked
        self.disk
            .write_at(self.length, &frame.bytes)
            .map_err(JournalError::disk("append to"))?;
        if !planted("barrier-missing") {
            self.disk.barrier().map_err(JournalError::disk("sync"))?;
        }
        self.tip = Some((self.length, frame.head));
        self.length += room;
        self.sequence = sequence;
        let mut dead = Vec::new();
        for (change, at) in changes.iter().zip(frame.values) {
            dead.extend(match (change.value(), at) {
                (Some(value), Some(at)) => {
                    let value = Zeroizing::new(value.to_vec());
                    self.index.put(
                        change.key(),
                        Record {
                            value,
                            at,
                            seal_at: frame.seal_at,
                        },
                    )
                }
                _ => self.index.erase(change.key()),
            });
        }
        wipe(&mut self.disk, &dead)?;
        self.broken = false;
        Ok(())
    }

    /// Rewrites the file with the live values only, atomically. [`commit`](Self::commit) does it when it is due.
    ///
    /// # Errors
    /// [`Disk`](JournalError::Disk): no value was changed, but the journal is [`Broken`](JournalError::Broken) until it
    /// is opened again.
    pub fn compact(&mut self) -> Result<(), JournalError> {
        self.ready()?;
        // Numbers go on rising, so that two states of one file never look alike.
        let first = self.sequence.checked_add(1).ok_or(JournalError::Full)?;
        let all: Vec<_> = self
            .index
            .with_prefix(b"")
            .map(|(key, value)| Change::Put { key, value })
            .collect();
        let at = HEADER as u64;
        let frame = layout::encode_frame(at, first, &all)?;
        let settled = at + frame.bytes.len() as u64;
        let mut file = Zeroizing::new(Vec::with_capacity(HEADER + frame.bytes.len()));
        file.extend_from_slice(&Header { first, settled }.encode(self.magic, self.version));
        file.extend_from_slice(&frame.bytes);

        self.broken = true;
        self.disk
            .replace(&file)
            .map_err(JournalError::disk("compact"))?;
        self.index
            .move_to(frame.values.into_iter().flatten(), frame.seal_at);
        self.tip = Some((at, frame.head));
        self.length = settled;
        self.sequence = first;
        self.broken = false;
        Ok(())
    }

    /// Whether an earlier write failed, so that the journal must be opened again.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether the disk still holds exactly the state this journal knows. Reads a few bytes.
    pub(crate) fn is_current(&self) -> std::io::Result<bool> {
        if self.disk.len()? != self.length {
            return Ok(false);
        }
        let Some((at, head)) = self.tip else {
            return Ok(true);
        };
        let mut found = Digest::default();
        self.disk.read_at(at + layout::HEAD_DIGEST_AT, &mut found)?;
        Ok(found == head)
    }

    pub(crate) fn disk(&self) -> &D {
        &self.disk
    }

    fn ready(&self) -> Result<(), JournalError> {
        if self.broken {
            Err(JournalError::Broken)
        } else {
            Ok(())
        }
    }
}

/// Whether a file of `length` bytes, of which `live` count, should be rewritten before `room` more are appended.
fn compaction_is_due(length: u64, live: u64, room: u64) -> bool {
    let dead = length.saturating_sub(HEADER as u64 + layout::FRAME_OVERHEAD + live);
    let limit = DEAD_ALLOWED.max(live.saturating_mul(DEAD_PER_LIVE));
    dead > limit || (dead > 0 && length.saturating_add(room) > MAX_FILE)
}

/// Refuses what the layout cannot hold.
fn check(changes: &[Change<'_>]) -> Result<(), JournalError> {
    let mut keys = std::collections::BTreeSet::new();
    for change in changes {
        let (key, length) = (change.key(), change.value().map_or(0, <[u8]>::len));
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(JournalError::KeyLength(key.len()));
        }
        if length > MAX_VALUE {
            return Err(JournalError::ValueLength(length));
        }
        if !keys.insert(key) {
            return Err(JournalError::RepeatedKey);
        }
    }
    Ok(())
}

/// Makes what was found true on the medium: no torn bytes behind `end`, and the last frame durable.
fn settle<D: Disk>(
    disk: &mut D,
    unproven: Option<(u64, &[u8])>,
    end: u64,
    torn: usize,
) -> Result<(), JournalError> {
    if torn > 0 {
        // They may hold parts of secrets.
        disk.write_at(end, &vec![0; torn])
            .map_err(JournalError::disk("clear the end of"))?;
        disk.truncate(end)
            .map_err(JournalError::disk("clear the end of"))?;
    }
    // Why written again: its writer may have died before the barrier, or seen the barrier fail. Then the bytes come from
    // a cache that believes them safe, and a barrier alone would keep nothing.
    if let Some((at, frame)) = unproven {
        disk.write_at(at, frame)
            .map_err(JournalError::disk("settle"))?;
    }
    if torn > 0 || unproven.is_some() {
        disk.barrier().map_err(JournalError::disk("sync"))?;
    }
    Ok(())
}

/// Overwrites dead values, their digests and the seals over them. No barrier: opening looks again.
fn wipe<D: Disk>(disk: &mut D, dead: &[Wipe]) -> Result<(), JournalError> {
    for wipe in dead {
        disk.write_at(wipe.at, &vec![0; wipe.length])
            .map_err(JournalError::disk("wipe a value in"))?;
        disk.write_at(wipe.seal_at, &RETIRED)
            .map_err(JournalError::disk("wipe a value in"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compaction_is_due_beyond_the_limits_and_not_at_them() {
        let bare = HEADER as u64 + layout::FRAME_OVERHEAD;
        let mib = 1 << 20;
        let table = [
            ("nothing dead", bare, 0, 100, false),
            ("256 KiB dead", bare + DEAD_ALLOWED, 0, 100, false),
            ("one byte more", bare + DEAD_ALLOWED + 1, 0, 100, true),
            (
                "four times the live bytes dead",
                bare + 5 * mib,
                mib,
                100,
                false,
            ),
            ("one byte more", bare + 5 * mib + 1, mib, 100, true),
            ("just room enough", MAX_FILE - 100, 200 * mib, 100, false),
            ("no room without it", MAX_FILE - 100, 200 * mib, 101, true),
            ("no room even with it", MAX_FILE, MAX_FILE - bare, 1, false),
        ];
        for (label, length, live, room, due) in table {
            assert_eq!(
                compaction_is_due(length, live, room),
                due,
                "{label}: {length}, {live}, {room}"
            );
        }
    }
}
