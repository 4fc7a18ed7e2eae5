//! One user of a file at a time, by an advisory lock on a file beside it.
//!
//! Why beside it: a compaction puts a new file in the place of the old one, and a lock on the old one would guard
//! nothing. The lock file is empty and stays where it is; the system drops the lock when its holder dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::FileError;
use crate::file::{NO_FOLLOW, beside, io_error};

/// Holds the lock while it lives.
pub(crate) struct Lock {
    _file: File,
}

/// How long to sleep between two attempts.
const PAUSE: Duration = Duration::from_millis(2);

impl Lock {
    /// Takes the lock of the file at `path`, or says at once that it is in use.
    pub fn take(path: &Path) -> Result<Self, FileError> {
        let place = beside(path, ".lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(NO_FOLLOW)
            .open(&place)
            .map_err(io_error("open the lock file", &place))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(FileError::InUse {
                path: path.to_path_buf(),
            }),
            Err(TryLockError::Error(source)) => Err(io_error("lock", &place)(source)),
        }
    }

    /// Takes the lock of the file at `path`, and tries again until `deadline` if it is in use.
    pub fn wait(path: &Path, deadline: Instant) -> Result<Self, FileError> {
        loop {
            match Self::take(path) {
                Err(FileError::InUse { .. }) if Instant::now() < deadline => thread::sleep(PAUSE),
                taken => return taken,
            }
        }
    }
}

/// Sleeps for one pause, or says that `deadline` has passed.
pub(crate) fn pause_until(deadline: Instant) -> bool {
    let early = Instant::now() < deadline;
    if early {
        thread::sleep(PAUSE);
    }
    early
}
