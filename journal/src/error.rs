//! What can go wrong, sorted by who can do something about it.

use std::io;
use std::path::PathBuf;

/// Why the journal refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The medium failed. A change that was under way is in doubt: open again and look.
    #[error("cannot {doing} the journal: {source}")]
    Disk {
        /// What was being done, as a verb: "append to".
        doing: &'static str,
        /// The medium's own words.
        source: io::Error,
    },
    /// The file behind the journal cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// An earlier write failed. Nothing is read or written until the journal is opened again.
    #[error("the journal failed earlier; open it again")]
    Broken,
    /// The disk is empty: its creation never finished, and nothing was ever stored. Create it again.
    #[error("the journal is empty: its creation never finished, create it again")]
    Unfinished,
    /// The disk to create a journal on holds something already.
    #[error("there is something here already; a journal is created on an empty disk")]
    NotEmpty,
    /// The first bytes are not this application's. The file was left as it is.
    #[error("this is not one of our files")]
    NotOurs,
    /// A newer program wrote this file. It was left as it is.
    #[error("the file has version {found}, newer than {known}; use the newer program")]
    NewerVersion {
        /// Version in the file.
        found: u16,
        /// Version asked for.
        known: u16,
    },
    /// The file has an older version than the one asked for. It was left as it is.
    #[error("the file has version {found}, older than {known}; it must be migrated")]
    OlderVersion {
        /// Version in the file.
        found: u16,
        /// Version asked for.
        known: u16,
    },
    /// The file is damaged in a way that no power cut explains. It was left as it is.
    #[error("the file is damaged at byte {offset}; restore it or start afresh")]
    Corrupt {
        /// Where the damage was noticed, in bytes from the start of the file.
        offset: u64,
    },
    /// A key was empty or longer than [`MAX_KEY`](crate::MAX_KEY). Nothing was changed.
    #[error("a key has 1 to 64 bytes, not {0}")]
    KeyLength(usize),
    /// A value was longer than [`MAX_VALUE`](crate::MAX_VALUE). Nothing was changed.
    #[error("a value has at most 1 MiB, not {0} bytes")]
    ValueLength(usize),
    /// One commit named the same key twice. Nothing was changed.
    #[error("one commit names the same key twice")]
    RepeatedKey,
    /// The file would grow beyond [`MAX_FILE`](crate::MAX_FILE). Nothing was changed.
    #[error("the journal is full")]
    Full,
}

impl JournalError {
    /// For `map_err`: an error of the medium while `doing` something to the journal.
    pub(crate) fn disk(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Disk { doing, source }
    }
}

/// Why a file on disk was not used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is no such file.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The file asked for.
        path: PathBuf,
    },
    /// There is a file already, and it is not empty.
    #[error("{} exists already", path.display())]
    Exists {
        /// The file to be created.
        path: PathBuf,
    },
    /// A symbolic link: it could point anywhere tomorrow.
    #[error("{} is a symbolic link; name the file itself", path.display())]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// A folder, a pipe or a device.
    #[error("{} is not a plain file", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// Others than the owner may read or write the file.
    #[error("{} is open to others (mode {mode:03o}); check who has read it, then: chmod 600", path.display())]
    LoosePermissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file belongs to another user.
    #[error("{} belongs to user {owner}, not to you; run as that user or chown it", path.display())]
    OtherOwner {
        /// The file.
        path: PathBuf,
        /// User id of its owner.
        owner: u32,
    },
    /// Another process (or another handle in this one) holds the file.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's own words.
        source: io::Error,
    },
}
