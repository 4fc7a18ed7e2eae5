//! A journal that several processes use in turn, each for one operation at a time.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use crate::file::{FileDisk, look};
use crate::lock::{Lock, pause_until};
use crate::{FileError, Journal, JournalError};

/// How long an operation waits for the others unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// A journal in a file that is locked, looked at and unlocked for each operation.
///
/// The journal stays in memory between operations. If nobody else has changed the file, an operation costs no more than
/// on a [`Journal`] of one's own.
pub struct SharedJournal {
    path: PathBuf,
    magic: [u8; 8],
    version: u16,
    patience: Duration,
    cached: Mutex<Option<Journal<FileDisk>>>,
}

impl SharedJournal {
    /// Names a journal. Nothing is opened yet.
    pub fn new(path: impl Into<PathBuf>, magic: [u8; 8], version: u16) -> Self {
        Self {
            path: path.into(),
            magic,
            version,
            patience: PATIENCE,
            cached: Mutex::new(None),
        }
    }

    /// Waits at most this long for other users of the file. Ten seconds unless told otherwise.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes an empty journal if there is none, and says whether it did. One that is there is opened and checked.
    ///
    /// # Errors
    /// As for [`with`](Self::with).
    pub fn create_if_missing(&self) -> Result<bool, JournalError> {
        let deadline = Instant::now() + self.patience;
        let mut cached = self.claim(deadline)?;
        let _lock = Lock::wait(&self.path, deadline)?;
        let (journal, made) = match FileDisk::create_unlocked(self.path.clone()) {
            Ok(disk) => (Journal::create(disk, self.magic, self.version)?, true),
            Err(FileError::Exists { .. }) => (self.open()?, false),
            Err(error) => return Err(error.into()),
        };
        *cached = Some(journal);
        Ok(made)
    }

    /// Does `work` on the journal as it is now, while nobody else can touch it.
    ///
    /// `work` must not use this same `SharedJournal` again: it would wait for itself until its patience ends.
    ///
    /// # Errors
    /// [`FileError::InUse`] if others held the file for too long, [`FileError::Missing`] if there is none, any error of
    /// [`Journal::open`], and whatever `work` returns.
    pub fn with<R, E: From<JournalError>>(
        &self,
        work: impl FnOnce(&mut Journal<FileDisk>) -> Result<R, E>,
    ) -> Result<R, E> {
        let deadline = Instant::now() + self.patience;
        let mut cached = self.claim(deadline)?;
        // Asked first, so that a mistyped name leaves no lock file behind.
        if cached.is_none() {
            look(&self.path).map_err(JournalError::from)?;
        }
        let _lock = Lock::wait(&self.path, deadline).map_err(JournalError::from)?;
        // Taken out: if `work` panics, the next operation reads the file again.
        let mut journal = match cached.take() {
            Some(journal) if is_current(&journal) => journal,
            _ => self.open()?,
        };
        let result = work(&mut journal);
        if !journal.is_broken() {
            *cached = Some(journal);
        }
        result
    }

    fn open(&self) -> Result<Journal<FileDisk>, JournalError> {
        Journal::open(
            FileDisk::open_unlocked(self.path.clone())?,
            self.magic,
            self.version,
        )
    }

    /// The threads of this process take their turn here.
    fn claim(
        &self,
        deadline: Instant,
    ) -> Result<MutexGuard<'_, Option<Journal<FileDisk>>>, JournalError> {
        loop {
            match self.cached.try_lock() {
                Ok(cached) => return Ok(cached),
                // The thread that panicked had taken the journal out.
                Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if pause_until(deadline) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(FileError::InUse {
                        path: self.path.clone(),
                    }
                    .into());
                }
            }
        }
    }
}

/// Whether the file is untouched since. If that cannot be found out, opening it anew will say why.
fn is_current(journal: &Journal<FileDisk>) -> bool {
    let in_place = journal.disk().is_in_place().unwrap_or(false);
    in_place && journal.is_current().unwrap_or(false)
}
