//! The ledger's file: read whole under a lock, then only appended to.

use super::event::Event;
use super::line::{Fault, Line, LineHash, MAX_LINE, decode, encode};
use crate::moment::Moment;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How long to sleep between two attempts to lock.
const PAUSE: Duration = Duration::from_millis(10);

/// The ledger could not be read or written. What it tells of has not left the authority.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// No authority here.
    #[error("there is no authority in {}; make one with `certify ca init`", folder(.0))]
    Absent(PathBuf),
    /// Another process has it open.
    #[error("{}: in use by another process", .0.display())]
    InUse(PathBuf),
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    File {
        /// The ledger.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A line was changed, removed or inserted, or is not of a ledger. Nothing was changed.
    #[error("{}, line {line}: {fault}; nothing was changed", path.display())]
    Damaged {
        /// The ledger.
        path: PathBuf,
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong.
        fault: Fault,
    },
    /// The line cannot be written: its text is too long.
    #[error("the ledger's line cannot be written: {0}")]
    Line(Fault),
    /// An earlier write failed. What reached the disk is known only after the ledger has been opened again.
    #[error("an earlier write to the ledger failed; start again")]
    Broken,
    /// The clock is behind the ledger.
    #[error("the clock is wrong: it is behind the last line of the ledger")]
    ClockBehind,
}

fn folder(path: &Path) -> String {
    path.parent().unwrap_or(path).display().to_string()
}

/// An open ledger. One process holds it at a time.
pub struct Ledger {
    file: File,
    path: PathBuf,
    /// Of every line, in order.
    hashes: Vec<LineHash>,
    last_time: u64,
    broken: bool,
    was_cut: bool,
}

impl Ledger {
    fn around(file: File, path: &Path) -> Self {
        Self {
            file,
            path: path.into(),
            hashes: Vec::new(),
            last_time: 0,
            broken: false,
            was_cut: false,
        }
    }

    /// Makes a new ledger with its first line, durable. The file must not exist.
    pub(crate) fn create(path: &Path, now: Moment, first: Event) -> Result<(), LedgerError> {
        let file = crate::custody::create_private(path).map_err(|source| LedgerError::File {
            path: path.into(),
            source,
        })?;
        let mut ledger = Self::around(file, path);
        let (line, bytes) = ledger.next(now, first)?;
        ledger.append(&line, &bytes)
    }

    /// Opens a ledger and hands each line to `read`, in order. Waits up to `patience` for another user.
    ///
    /// An unfinished last line is cut off. Everything else that is not exactly a ledger is an error, and changes nothing.
    pub(crate) fn open(
        path: &Path,
        patience: Duration,
        mut read: impl FnMut(Line) -> Result<(), &'static str>,
    ) -> Result<Self, LedgerError> {
        let file = match OpenOptions::new().read(true).append(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(LedgerError::Absent(path.into()));
            }
            opened => opened.map_err(|source| failed(path, source))?,
        };
        lock(&file, path, Instant::now() + patience)?;
        let mut ledger = Self::around(file, path);
        let good = ledger.replay(&mut read)?;
        ledger.cut_after(good)?;
        Ok(ledger)
    }

    /// Reads all finished lines and gives the number of bytes they take.
    fn replay(
        &mut self,
        read: &mut dyn FnMut(Line) -> Result<(), &'static str>,
    ) -> Result<u64, LedgerError> {
        let source = self
            .file
            .try_clone()
            .map_err(|error| failed(&self.path, error))?;
        let mut source = BufReader::new(source);
        let mut good = 0;
        loop {
            let mut bytes = Vec::new();
            let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
            source
                .by_ref()
                .take(limit)
                .read_until(b'\n', &mut bytes)
                .map_err(|error| failed(&self.path, error))?;
            let sequence = self.lines() + 1;
            let damaged = |fault| LedgerError::Damaged {
                path: self.path.clone(),
                line: sequence,
                fault,
            };
            let Some(text) = bytes.strip_suffix(b"\n") else {
                // The end, an unfinished line, or no line at all. The first line came with the file: it is never unfinished.
                return match bytes.len() {
                    length if length >= MAX_LINE => Err(damaged(Fault::TooLong)),
                    _ if self.hashes.is_empty() => Err(damaged(Fault::Shape)),
                    _ => Ok(good),
                };
            };
            let line = decode(sequence, self.head(), text).map_err(damaged)?;
            let (hash, time) = (line.hash, line.time);
            read(line).map_err(|reason| damaged(Fault::Contradiction(reason)))?;
            self.hashes.push(hash);
            self.last_time = time;
            good += u64::try_from(bytes.len()).unwrap_or(0);
        }
    }

    fn cut_after(&mut self, good: u64) -> Result<(), LedgerError> {
        let length = self
            .file
            .seek(SeekFrom::End(0))
            .map_err(|error| failed(&self.path, error))?;
        if length > good {
            self.file
                .set_len(good)
                .and_then(|()| self.file.sync_all())
                .map_err(|error| failed(&self.path, error))?;
            self.was_cut = true;
        }
        Ok(())
    }

    /// The line that would come next, and its bytes. Nothing is written.
    pub(crate) fn next(&self, now: Moment, event: Event) -> Result<(Line, Vec<u8>), LedgerError> {
        self.check_clock(now)?;
        let time = now.unix_seconds().max(self.last_time); // seconds may step back a little, the ledger does not
        encode(self.lines() + 1, time, self.head(), event).map_err(LedgerError::Line)
    }

    /// Writes a line made by [`next`](Self::next) and waits until it is durable. After a failure every further write fails.
    pub(crate) fn append(&mut self, line: &Line, bytes: &[u8]) -> Result<(), LedgerError> {
        if self.broken {
            return Err(LedgerError::Broken);
        }
        let written = self
            .file
            .write_all(bytes)
            .and_then(|()| self.file.sync_all());
        if let Err(source) = written {
            self.broken = true;
            return Err(failed(&self.path, source));
        }
        self.hashes.push(line.hash);
        self.last_time = line.time;
        Ok(())
    }

    /// Whether the clock is on the ledger's last day or later.
    pub(crate) fn check_clock(&self, now: Moment) -> Result<(), LedgerError> {
        let last = Moment::from_unix_seconds(self.last_time).map(Moment::day);
        if last.is_some_and(|last| now.day() < last) {
            return Err(LedgerError::ClockBehind);
        }
        Ok(())
    }

    /// Number of lines.
    pub fn lines(&self) -> u64 {
        u64::try_from(self.hashes.len()).unwrap_or(u64::MAX)
    }

    /// Hash of the last line: it stands for the whole ledger.
    pub fn head(&self) -> LineHash {
        self.hashes.last().copied().unwrap_or(LineHash::NONE)
    }

    /// Whether a line has this hash: a head noted earlier proves that nothing up to it was taken away or replaced.
    pub fn holds(&self, head: LineHash) -> bool {
        self.hashes.contains(&head)
    }

    /// Whether an unfinished last line was cut off when the ledger was opened.
    pub fn was_cut(&self) -> bool {
        self.was_cut
    }
}

fn failed(path: &Path, source: io::Error) -> LedgerError {
    LedgerError::File {
        path: path.into(),
        source,
    }
}

fn lock(file: &File, path: &Path, deadline: Instant) -> Result<(), LedgerError> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => return Err(LedgerError::InUse(path.into())),
            Err(TryLockError::Error(source)) => return Err(failed(path, source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apdu::certificate::Name;

    #[test]
    fn after_a_failed_write_the_ledger_takes_nothing_more_and_keeps_what_it_had() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        std::fs::write(&path, b"").unwrap();
        let mut ledger = Ledger::around(File::open(&path).unwrap(), &path); // for reading only: a write fails
        let now = Moment::from_unix_seconds(1_795_219_200).unwrap();
        let event = Event::Delivered {
            holder: Name::new("ZZTALLYCARD00001").unwrap(),
        };
        let (line, bytes) = ledger.next(now, event).unwrap();
        let first = ledger.append(&line, &bytes);
        assert!(matches!(first, Err(LedgerError::File { .. })));
        assert_eq!((ledger.lines(), ledger.head()), (0, LineHash::NONE));
        ledger.file = OpenOptions::new().append(true).open(&path).unwrap();
        let second = ledger.append(&line, &bytes);
        assert!(matches!(second, Err(LedgerError::Broken)));
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }
}
