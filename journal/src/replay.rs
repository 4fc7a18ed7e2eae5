//! Reading a whole file back: which frames count, which values live, what is still to be wiped.
//!
//! Nothing is written here. Damage that a power cut cannot explain is an error, so that the file stays as it was found.

use std::collections::BTreeMap;
use std::ops::Range;

use zeroize::Zeroizing;

use crate::JournalError;
use crate::index::{Index, Record, Wipe};
use crate::layout::{self, DIGEST, Digest, Frame, HEADER, Header, RETIRED, Seal};

/// What a file turned out to hold.
pub(crate) struct Replayed {
    pub index: Index,
    /// Sequence number of the newest frame; before the first frame, one less than its number.
    pub sequence: u64,
    /// Where the last whole frame ends. What lies behind is a torn append.
    pub end: usize,
    /// The last frame, if it was appended: nobody knows yet whether it is durable.
    pub unproven: Option<Range<usize>>,
    /// Head digest of the last frame and the frame's place: recognises this very state again.
    pub tip: Option<(u64, Digest)>,
    /// Dead values that are still there.
    pub wipes: Vec<Wipe>,
}

/// Reads `file` as a journal of this `magic` and `version`.
pub(crate) fn replay(file: &[u8], magic: [u8; 8], version: u16) -> Result<Replayed, JournalError> {
    if file.is_empty() {
        return Err(JournalError::Unfinished);
    }
    let header = Header::decode(file, magic, version)?;
    let settled =
        usize::try_from(header.settled).map_err(|_| JournalError::Corrupt { offset: 0 })?;
    let (mut frames, mut end) = heads(file, header.first)?;
    if let Some(torn) = frames.pop_if(|last| last.seal(file) == Seal::Wrong) {
        end = torn.start;
    }
    // What a replacement wrote cannot be torn.
    if end < settled {
        return Err(corrupt(end));
    }

    let (index, wipes) = contents(file, &frames)?;
    let before_first = header.first.checked_sub(1).ok_or(corrupt(0))?;
    let last = frames.last();
    Ok(Replayed {
        index,
        sequence: last.map_or(before_first, |last| last.sequence),
        end,
        unproven: last
            .filter(|last| last.start >= settled)
            .map(|last| last.start..last.end),
        tip: last.map(|last| (last.start as u64, last.head)),
        wipes,
    })
}

/// All frames with a whole head, in order, and where the last of them ends.
fn heads(file: &[u8], first: u64) -> Result<(Vec<Frame>, usize), JournalError> {
    let (mut frames, mut end, mut expected) = (Vec::new(), HEADER, first);
    while let Some(frame) = Frame::decode(file, end) {
        if frame.sequence != expected {
            return Err(corrupt(end));
        }
        expected = expected.checked_add(1).ok_or(corrupt(end))?;
        end = frame.end;
        frames.push(frame);
    }
    // A torn append has nothing after it. A later frame means that this place was whole once.
    let later = |at: usize| Frame::decode(file, at).is_some_and(|frame| frame.sequence >= expected);
    if (end.saturating_add(1)..file.len()).any(later) {
        return Err(corrupt(end));
    }
    Ok((frames, end))
}

/// The live values of `frames`, each checked, and the dead ones that are not wiped yet.
fn contents(file: &[u8], frames: &[Frame]) -> Result<(Index, Vec<Wipe>), JournalError> {
    let mut live: BTreeMap<&[u8], (&Frame, &Range<usize>)> = BTreeMap::new();
    let mut dead: BTreeMap<usize, Vec<&Range<usize>>> = BTreeMap::new();
    for frame in frames {
        for entry in &frame.entries {
            let old = match &entry.value {
                Some(value) => live.insert(&entry.key, (frame, value)),
                None => live.remove(entry.key.as_slice()),
            };
            if let Some((old_frame, old_value)) = old {
                dead.entry(old_frame.start).or_default().push(old_value);
            }
        }
    }

    let mut wipes = Vec::new();
    for frame in frames {
        match dead.get(&frame.start) {
            // Also catches a frame marked RETIRED whose successor has vanished.
            None if frame.seal(file) != Seal::Whole => return Err(corrupt(frame.seal_at())),
            None => {}
            Some(values) => wipes.extend(
                values
                    .iter()
                    .filter_map(|value| still_there(file, frame, value)),
            ),
        }
    }

    let mut index = Index::default();
    for (key, (frame, range)) in live {
        let value = layout::whole_value(file, key, range).ok_or(corrupt(range.start))?;
        let value = Zeroizing::new(value.to_vec());
        index.put(
            key,
            Record {
                value,
                at: range.start as u64,
                seal_at: frame.seal_at() as u64,
            },
        );
    }
    Ok((index, wipes))
}

/// The wiping that a dead value still needs.
fn still_there(file: &[u8], frame: &Frame, value: &Range<usize>) -> Option<Wipe> {
    let dead = file.get(value.start..value.end + DIGEST)?;
    let seal = file.get(frame.seal_at()..frame.end)?;
    let gone = dead.iter().all(|byte| *byte == 0) && seal == RETIRED;
    (!gone).then_some(Wipe {
        at: value.start as u64,
        length: dead.len(),
        seal_at: frame.seal_at() as u64,
    })
}

fn corrupt(offset: usize) -> JournalError {
    JournalError::Corrupt {
        offset: offset as u64,
    }
}
