//! A disk in memory that can lose power, tear and reorder writes, and fail on demand. For tests.
//!
//! It keeps a tape of all that was done to it, so a test can ask what the next boot would find, had the power failed at
//! any operation of the past:
//!
//! ```
//! use journal::{Change, Journal, sim::{Loss, SimDisk}};
//!
//! let disk = SimDisk::new();
//! let mut journal = Journal::create(disk.clone(), *b"example\0", 1)?;
//! let before = disk.operations().len();
//! journal.commit(&[Change::Put { key: b"tries", value: b"3" }])?;
//!
//! // The first operation of the commit is its append. Its seventh byte was the last that arrived.
//! let crashed = disk.crashed_at(before, 7, Loss::Nothing);
//! let journal = Journal::open(crashed, *b"example\0", 1)?;
//! assert_eq!(journal.read(b"tries")?, None);
//! # Ok::<(), journal::JournalError>(())
//! ```

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Disk;

/// A handle on one simulated disk; its clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<Platter>>);

/// What becomes of the writes that no barrier has confirmed when the power fails.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    /// All of them had reached the medium.
    Nothing,
    /// None of them had.
    Everything,
    /// Each was kept, lost or kept in pieces, in any order, as this seed says.
    Seeded(u64),
}

/// How a call fails.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It did nothing.
    Clean,
    /// It did its work by half, or wholly, and says that it failed: a write keeps its first half, a replacement happens,
    /// and a barrier loses what was unsynced for good while reads still show it.
    Dirty,
}

/// One change made to a disk.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Bytes written at an offset.
    Write {
        /// Where.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// Cut to this length.
    Truncate(u64),
    /// Everything before is durable.
    Barrier,
    /// Everything before is unsynced for ever: a barrier that failed.
    Forget,
    /// All content exchanged, durably.
    Replace(Vec<u8>),
}

#[derive(Default)]
struct Platter {
    start: Vec<u8>,
    seen: Vec<u8>,
    tape: Vec<Operation>,
    calls: std::cell::Cell<u64>,
    fault: Option<(u64, Fault)>,
    cut: Option<(usize, usize)>,
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk that holds `content`, durably.
    pub fn with_content(content: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Platter {
            seen: content.clone(),
            start: content,
            ..Platter::default()
        })))
    }

    /// What a read would show now.
    pub fn content(&self) -> Vec<u8> {
        self.platter().seen.clone()
    }

    /// All changes made so far.
    pub fn operations(&self) -> Vec<Operation> {
        self.platter().tape.clone()
    }

    /// How many calls of any kind were made, reads and failed calls included.
    pub fn calls(&self) -> u64 {
        self.platter().calls.get()
    }

    /// Makes one call fail: the one that is number `call`, counted from zero over the life of the disk.
    pub fn fail_call(&self, call: u64, fault: Fault) {
        self.platter().fault = Some((call, fault));
    }

    /// Cuts the power at an operation, counted as in [`operations`](Self::operations). If it is a write, its first `torn`
    /// bytes still arrive. That operation and every call after it fail.
    pub fn cut_power_at(&self, operation: usize, torn: usize) {
        self.platter().cut = Some((operation, torn));
    }

    /// What the next boot finds after [`cut_power_at`](Self::cut_power_at), or if the power failed now.
    pub fn after_power_cut(&self, loss: Loss) -> Self {
        let (operation, torn) = {
            let platter = self.platter();
            platter.cut.unwrap_or((platter.tape.len(), 0))
        };
        self.crashed_at(operation, torn, loss)
    }

    /// What the next boot would have found, had the power failed during `operation` (see
    /// [`operations`](Self::operations)), of which the first `torn` bytes arrived if it was a write.
    pub fn crashed_at(&self, operation: usize, torn: usize, loss: Loss) -> Self {
        let platter = self.platter();
        let (mut durable, mut unsynced) = (platter.start.clone(), Vec::new());
        for done in platter.tape.iter().take(operation) {
            match done {
                Operation::Barrier => unsynced
                    .drain(..)
                    .for_each(|done| apply(&mut durable, done)),
                Operation::Forget => unsynced.clear(),
                Operation::Replace(content) => {
                    unsynced.clear();
                    durable.clone_from(content);
                }
                Operation::Write { .. } | Operation::Truncate(_) => unsynced.push(done),
            }
        }
        let torn_write;
        match platter.tape.get(operation) {
            Some(Operation::Write { offset, bytes }) => {
                let arrived = bytes.get(..torn).unwrap_or(bytes).to_vec();
                torn_write = Operation::Write {
                    offset: *offset,
                    bytes: arrived,
                };
                unsynced.push(&torn_write);
            }
            Some(done @ (Operation::Truncate(_) | Operation::Replace(_))) => unsynced.push(done),
            Some(Operation::Barrier | Operation::Forget) | None => {}
        }
        match loss {
            Loss::Nothing => unsynced
                .into_iter()
                .for_each(|done| apply(&mut durable, done)),
            Loss::Everything => {}
            Loss::Seeded(seed) => scatter(&mut durable, unsynced, &mut Random(seed)),
        }
        Self::with_content(durable)
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        // A test that panicked elsewhere leaves whole state behind: every change below is one statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `operation` on the tape, or fails as the test ordered. `half` is what a dirty failure leaves.
    fn perform(&self, operation: Operation, half: Option<Operation>) -> io::Result<()> {
        let mut platter = self.platter();
        let fault = platter.next_call()?;
        if platter.cut.is_some_and(|(at, _)| at == platter.tape.len()) {
            // Kept for `crashed_at`; no read will ever see it.
            platter.tape.push(operation);
            return Err(power_is_off());
        }
        let done = match fault {
            None => Some(operation),
            Some(Fault::Clean) => None,
            Some(Fault::Dirty) => half,
        };
        if let Some(done) = done {
            apply(&mut platter.seen, &done);
            platter.tape.push(done);
        }
        if fault.is_some() {
            Err(ordered_failure())
        } else {
            Ok(())
        }
    }
}

impl Disk for SimDisk {
    fn len(&self) -> io::Result<u64> {
        let platter = self.platter();
        match platter.next_call()? {
            None => Ok(platter.seen.len() as u64),
            Some(_) => Err(ordered_failure()),
        }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let platter = self.platter();
        if platter.next_call()?.is_some() {
            return Err(ordered_failure());
        }
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let bytes = platter
            .seen
            .get(offset..)
            .and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let (first_half, _) = bytes.split_at(bytes.len() / 2);
        let half = Operation::Write {
            offset,
            bytes: first_half.to_vec(),
        };
        self.perform(
            Operation::Write {
                offset,
                bytes: bytes.to_vec(),
            },
            Some(half),
        )
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.perform(
            Operation::Truncate(length),
            Some(Operation::Truncate(length)),
        )
    }

    fn barrier(&mut self) -> io::Result<()> {
        self.perform(Operation::Barrier, Some(Operation::Forget))
    }

    fn replace(&mut self, content: &[u8]) -> io::Result<()> {
        self.perform(
            Operation::Replace(content.to_vec()),
            Some(Operation::Replace(content.to_vec())),
        )
    }
}

impl Platter {
    /// Counts a call and says how it must fail, if it must.
    fn next_call(&self) -> io::Result<Option<Fault>> {
        let call = self.calls.replace(self.calls.get() + 1);
        if self.cut.is_some_and(|(at, _)| at < self.tape.len()) {
            return Err(power_is_off());
        }
        Ok(self
            .fault
            .filter(|(at, _)| *at == call)
            .map(|(_, fault)| fault))
    }
}

fn apply(content: &mut Vec<u8>, operation: &Operation) {
    match operation {
        Operation::Write { offset, bytes } => {
            let start = place(*offset);
            let end = start + bytes.len();
            if content.len() < end {
                content.resize(end, 0);
            }
            if let Some(there) = content.get_mut(start..end) {
                there.copy_from_slice(bytes);
            }
        }
        Operation::Truncate(length) => content.resize(place(*length), 0),
        Operation::Replace(new) => content.clone_from(new),
        Operation::Barrier | Operation::Forget => {}
    }
}

/// Applies what the seed lets through of `unsynced`, in an order of the seed's choice.
fn scatter(durable: &mut Vec<u8>, mut unsynced: Vec<&Operation>, random: &mut Random) {
    // A replacement under way is the last of them. It is another file: earlier writes cannot reach into it.
    if let Some(Operation::Replace(content)) =
        unsynced.pop_if(|done| matches!(done, Operation::Replace(_)))
        && random.below(2) == 0
    {
        durable.clone_from(content);
        return;
    }
    while !unsynced.is_empty() {
        let done = unsynced.swap_remove(random.below(unsynced.len()));
        match (random.below(4), done) {
            (0, _) => {}
            (1, Operation::Write { offset, bytes }) => pieces(durable, *offset, bytes, random),
            _ => apply(durable, done),
        }
    }
}

/// Keeps some pieces of a write. Where the disk grew, the lost ones show zeros or what lay there long ago.
fn pieces(durable: &mut Vec<u8>, offset: u64, bytes: &[u8], random: &mut Random) {
    let (end, stale) = (
        place(offset) + bytes.len(),
        if random.below(2) == 0 { 0 } else { 0xA5 },
    );
    if durable.len() < end {
        durable.resize(end, stale);
    }
    let size = 1 + random.below(48);
    for (number, piece) in bytes.chunks(size).enumerate() {
        if random.below(2) == 0 {
            let offset = offset + (number * size) as u64;
            apply(
                durable,
                &Operation::Write {
                    offset,
                    bytes: piece.to_vec(),
                },
            );
        }
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

fn ordered_failure() -> io::Error {
    io::Error::other("failed as ordered")
}

/// SplitMix64: small, seeded, and the same everywhere.
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `limit - 1`, or 0 if `limit` is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        let bits = usize::try_from(self.bits() >> 33).unwrap_or_default();
        bits.checked_rem(limit).unwrap_or_default()
    }
}
