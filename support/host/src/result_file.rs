//! Files that a program writes as results. One rule for all programs:
//!
//! | at the path is | then |
//! |---|---|
//! | nothing, or a regular file | the content is written beside it, made durable, and renamed: the old or the new, never a part of one |
//! | a symbolic link to either | it is followed: the file that it leads to is replaced, and the link stays |
//! | a symbolic link to nothing | refused |
//! | a device, a FIFO, a terminal | written to, never replaced |
//! | a folder | refused |

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Its owner: mode 0600.
    Private,
    /// Everybody whom the process's umask allows: mode 0644.
    Public,
}

/// Writes a result to a file, durable when this returns.
///
/// # Errors
/// The operating system's, or a sentence about what is at the path. What was there before is unchanged, except for a device or FIFO
/// that took a part.
pub fn write(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(about) if about.is_file() => replace(&fs::canonicalize(path)?, content, access),
        Ok(about) if about.is_dir() => Err(refused("it is a folder")),
        Ok(_) => {
            let mut file = OpenOptions::new().write(true).open(path)?;
            file.write_all(content)?;
            file.flush()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::symlink_metadata(path) {
            Ok(_) => Err(refused("it is a symbolic link that leads to nothing")),
            Err(_) => replace(path, content, access),
        },
        Err(error) => Err(error),
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

fn replace(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    let beside = beside(path);
    let mode = match access {
        Access::Private => 0o600,
        Access::Public => 0o644,
    };
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside); // it may not exist
    }
    written.and_then(|()| sync_folder(path))
}

/// Makes the name durable as well.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(format!(".{}.part", std::process::id()));
    PathBuf::from(name)
}
