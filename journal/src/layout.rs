//! The bytes of the file: header and frames, encoder beside decoder. The drawing is in the crate's front page.
//!
//! Decoders never trust a length before the digest over it has been checked, and never index outside what they hold.

use std::ops::Range;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::store::Change;
use crate::{JournalError, MAX_KEY, MAX_VALUE};

/// A shortened SHA-256: finds damage, does not stop a forger.
pub(crate) type Digest = [u8; DIGEST];

pub(crate) const DIGEST: usize = 16;
pub(crate) const HEADER: usize = 8 + 2 + 2 + 8 + 8 + DIGEST;
/// The seal of a frame of which at least one value was wiped.
pub(crate) const RETIRED: Digest = *b"RETIRED.RETIRED.";

/// What a frame takes beside its entries.
pub(crate) const FRAME_OVERHEAD: u64 = (FRAME_HEADER + DIGEST) as u64;
/// From the start of a frame to its head digest.
pub(crate) const HEAD_DIGEST_AT: u64 = (FRAME_HEADER - DIGEST) as u64;

const LAYOUT: u16 = 1;
const FRAME_MAGIC: [u8; 4] = *b"TJF1";
const FRAME_HEADER: usize = 4 + 8 + 4 + 4 + DIGEST;
const ENTRY_HEADER: usize = 1 + 1 + 4;
const PUT: u8 = 1;
const ERASE: u8 = 2;

/// The first bytes of the file.
pub(crate) struct Header {
    /// Sequence number of the first frame.
    pub first: u64,
    /// Bytes from the start of the file that one atomic replacement wrote; none of them can be torn.
    pub settled: u64,
}

impl Header {
    pub fn encode(&self, magic: [u8; 8], version: u16) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(&magic);
        bytes.extend_from_slice(&version.to_be_bytes());
        bytes.extend_from_slice(&LAYOUT.to_be_bytes());
        bytes.extend_from_slice(&self.first.to_be_bytes());
        bytes.extend_from_slice(&self.settled.to_be_bytes());
        let check = digest(&[b"header", &bytes]);
        bytes.extend_from_slice(&check);
        bytes
    }

    pub fn decode(file: &[u8], magic: [u8; 8], version: u16) -> Result<Self, JournalError> {
        let corrupt = JournalError::Corrupt { offset: 0 };
        let mut bytes = Cursor(file);
        if bytes.array() != Some(magic) {
            return Err(JournalError::NotOurs);
        }
        let Some(found) = bytes.u16() else {
            return Err(corrupt);
        };
        let Some(layout) = bytes.u16() else {
            return Err(corrupt);
        };
        // The layout decides where the digest is, so it is asked first.
        if layout > LAYOUT {
            return Err(JournalError::NewerVersion {
                found: layout,
                known: LAYOUT,
            });
        }
        let (Some(first), Some(settled), Some(check)) = (bytes.u64(), bytes.u64(), bytes.array())
        else {
            return Err(corrupt);
        };
        let covered = file.get(..HEADER - DIGEST).unwrap_or_default();
        if layout != LAYOUT || check != digest(&[b"header", covered]) {
            return Err(corrupt);
        }
        if found > version {
            return Err(JournalError::NewerVersion {
                found,
                known: version,
            });
        }
        if found < version {
            return Err(JournalError::OlderVersion {
                found,
                known: version,
            });
        }
        Ok(Self { first, settled })
    }
}

/// A frame ready to be written, and where its parts will lie in the file.
pub(crate) struct Encoded {
    pub bytes: Zeroizing<Vec<u8>>,
    /// For each change, where its value begins. An erasure has none.
    pub values: Vec<Option<u64>>,
    pub seal_at: u64,
    pub head: Digest,
}

/// Bytes that a frame of `changes` takes.
pub(crate) fn frame_len(changes: &[Change<'_>]) -> u64 {
    let entries: u64 = changes
        .iter()
        .map(|change| entry_len(change.key(), change.value()))
        .sum();
    entries + FRAME_OVERHEAD
}

/// Bytes that one entry takes in the table and the body together.
pub(crate) fn entry_len(key: &[u8], value: Option<&[u8]>) -> u64 {
    let body = value.map_or(0, |value| value.len() as u64 + DIGEST as u64);
    ENTRY_HEADER as u64 + key.len() as u64 + body
}

/// Writes the frame of one commit, to lie at byte `at` of the file. The lengths were checked by the caller.
pub(crate) fn encode_frame(
    at: u64,
    sequence: u64,
    changes: &[Change<'_>],
) -> Result<Encoded, JournalError> {
    let length = usize::try_from(frame_len(changes)).map_err(|_| JournalError::Full)?;
    let entries = u32::try_from(changes.len()).map_err(|_| JournalError::Full)?;

    let mut table = Vec::new();
    for change in changes {
        let (key, value) = (change.key(), change.value());
        let key_length = u8::try_from(key.len()).map_err(|_| JournalError::KeyLength(key.len()))?;
        let value_length = value.map_or(0, <[u8]>::len);
        let value_length =
            u32::try_from(value_length).map_err(|_| JournalError::ValueLength(value_length))?;
        table.push(if value.is_some() { PUT } else { ERASE });
        table.push(key_length);
        table.extend_from_slice(&value_length.to_be_bytes());
        table.extend_from_slice(key);
    }
    let table_length = u32::try_from(table.len()).map_err(|_| JournalError::Full)?;

    // Reserved whole, so that no half-grown copy of a secret stays behind in the heap.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    bytes.extend_from_slice(&FRAME_MAGIC);
    bytes.extend_from_slice(&sequence.to_be_bytes());
    bytes.extend_from_slice(&entries.to_be_bytes());
    bytes.extend_from_slice(&table_length.to_be_bytes());
    let head = head_digest(at, &bytes, &table);
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(&table);
    let mut values = Vec::with_capacity(changes.len());
    for change in changes {
        values.push(change.value().map(|_| at + bytes.len() as u64));
        if let Some(value) = change.value() {
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(&value_digest(change.key(), value));
        }
    }
    let seal_at = at + bytes.len() as u64;
    let seal = digest(&[b"seal", &bytes]);
    bytes.extend_from_slice(&seal);
    Ok(Encoded {
        bytes,
        values,
        seal_at,
        head,
    })
}

/// A frame found in the file. Its head is whole; its values may still be torn, damaged or wiped.
pub(crate) struct Frame {
    pub start: usize,
    pub end: usize,
    pub sequence: u64,
    pub head: Digest,
    pub entries: Vec<Entry>,
}

/// One line of a frame's table.
pub(crate) struct Entry {
    pub key: Vec<u8>,
    /// Where the value lies in the file; `None` for an erasure.
    pub value: Option<Range<usize>>,
}

/// What a frame's last bytes say about it.
#[derive(PartialEq)]
pub(crate) enum Seal {
    /// Every byte is as it was written.
    Whole,
    /// At least one value was wiped, after a later frame had become durable.
    Retired,
    /// Torn or damaged.
    Wrong,
}

impl Frame {
    /// Reads the head of the frame at `start`, or `None` if no whole head lies there.
    ///
    /// The frame may end beyond the end of `file`: an append that was cut short.
    pub fn decode(file: &[u8], start: usize) -> Option<Self> {
        let bytes = file.get(start..)?;
        let mut cursor = Cursor(bytes);
        if cursor.array()? != FRAME_MAGIC {
            return None;
        }
        let sequence = cursor.u64()?;
        let count = cursor.u32()?;
        let table_length = usize::try_from(cursor.u32()?).ok()?;
        let head = cursor.array()?;
        let mut table = Cursor(cursor.take(table_length)?);
        if head != head_digest(start as u64, bytes.get(..FRAME_HEADER - DIGEST)?, table.0) {
            return None;
        }

        let mut at = start.checked_add(FRAME_HEADER)?.checked_add(table_length)?;
        let mut entries = Vec::new();
        for _ in 0..count {
            let [kind, key_length] = table.array()?;
            let value_length = usize::try_from(table.u32()?).ok()?;
            let key = table.take(usize::from(key_length))?.to_vec();
            if key.is_empty() || key.len() > MAX_KEY || value_length > MAX_VALUE {
                return None;
            }
            let value = match (kind, value_length) {
                (PUT, length) => {
                    let value = at..at.checked_add(length)?;
                    at = value.end.checked_add(DIGEST)?;
                    Some(value)
                }
                (ERASE, 0) => None,
                _ => return None,
            };
            entries.push(Entry { key, value });
        }
        let end = at.checked_add(DIGEST)?;
        table.0.is_empty().then_some(Self {
            start,
            end,
            sequence,
            head,
            entries,
        })
    }

    pub fn seal_at(&self) -> usize {
        self.end - DIGEST
    }

    pub fn seal(&self, file: &[u8]) -> Seal {
        let (Some(covered), Some(seal)) = (
            file.get(self.start..self.seal_at()),
            file.get(self.seal_at()..self.end),
        ) else {
            return Seal::Wrong;
        };
        if seal == RETIRED {
            Seal::Retired
        } else if seal == digest(&[b"seal", covered]) {
            Seal::Whole
        } else {
            Seal::Wrong
        }
    }
}

/// The value at `range` if the digest behind it agrees.
pub(crate) fn whole_value<'a>(
    file: &'a [u8],
    key: &[u8],
    range: &Range<usize>,
) -> Option<&'a [u8]> {
    let value = file.get(range.clone())?;
    let check = file.get(range.end..range.end.checked_add(DIGEST)?)?;
    (check == value_digest(key, value)).then_some(value)
}

fn head_digest(at: u64, header: &[u8], table: &[u8]) -> Digest {
    digest(&[b"head", &at.to_be_bytes(), header, table])
}

fn value_digest(key: &[u8], value: &[u8]) -> Digest {
    digest(&[b"value", &(key.len() as u64).to_be_bytes(), key, value])
}

fn digest(parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let mut short = [0; DIGEST];
    for (short, full) in short.iter_mut().zip(hash.finalize()) {
        *short = full;
    }
    short
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of `layout`, with a digest that agrees.
    fn header(layout: u16) -> Vec<u8> {
        let settled = HEADER as u64;
        let mut bytes = Header { first: 1, settled }.encode(*b"layouts.", 1);
        bytes.splice(10..12, layout.to_be_bytes());
        let check = digest(&[b"header", bytes.get(..HEADER - DIGEST).unwrap()]);
        bytes.splice(HEADER - DIGEST.., check);
        bytes
    }

    #[test]
    fn only_the_layout_we_know_is_read() {
        let decoded = |layout| Header::decode(&header(layout), *b"layouts.", 1);
        assert!(decoded(LAYOUT).is_ok());
        assert!(matches!(
            decoded(0),
            Err(JournalError::Corrupt { offset: 0 })
        ));
        let newer = decoded(2);
        assert!(matches!(
            newer,
            Err(JournalError::NewerVersion { found: 2, known: 1 })
        ));
    }

    #[test]
    fn a_newer_layout_is_named_before_its_digest_is_looked_for() {
        let mut bytes = header(9);
        bytes.truncate(12);
        let newer = Header::decode(&bytes, *b"layouts.", 1);
        assert!(matches!(
            newer,
            Err(JournalError::NewerVersion { found: 9, known: 1 })
        ));
    }
}
