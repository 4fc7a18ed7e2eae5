//! A disk that is a file of this machine, private to its owner and to one process at a time.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::lock::Lock;
use crate::{Disk, FileError};

/// Opening a symbolic link fails. A C `int` on every system we know, so nothing is cut off.
#[expect(
    clippy::cast_possible_wrap,
    reason = "flags are bits; the sign means nothing"
)]
pub(crate) const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

/// A file with mode 0600. No other process can open it while this one holds it.
pub struct FileDisk {
    file: File,
    path: PathBuf,
    /// `None` where the caller holds the lock for each operation.
    _lock: Option<Lock>,
}

impl FileDisk {
    /// Makes a new, empty file. One that is empty already was left by a creation that never finished, and is taken.
    ///
    /// # Errors
    /// [`FileError::Exists`], or as for [`open`](Self::open).
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, FileError> {
        let path = path.into();
        let lock = Lock::take(&path)?;
        Ok(Self {
            _lock: Some(lock),
            ..Self::create_unlocked(path)?
        })
    }

    /// Opens an existing file.
    ///
    /// # Errors
    /// [`FileError::Missing`], [`Symlink`](FileError::Symlink), [`NotAFile`](FileError::NotAFile),
    /// [`LoosePermissions`](FileError::LoosePermissions), [`OtherOwner`](FileError::OtherOwner),
    /// [`InUse`](FileError::InUse), [`Io`](FileError::Io).
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, FileError> {
        let path = path.into();
        // Asked first, so that a mistyped name leaves no lock file behind.
        look(&path)?;
        let lock = Lock::take(&path)?;
        Ok(Self {
            _lock: Some(lock),
            ..Self::open_unlocked(path)?
        })
    }

    /// As [`create`](Self::create), for a caller that holds the lock.
    pub(crate) fn create_unlocked(path: PathBuf) -> Result<Self, FileError> {
        match private().create_new(true).open(&path) {
            Ok(file) => {
                finish_replacement(&file, &path)?;
                Ok(Self {
                    file,
                    path,
                    _lock: None,
                })
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let disk = Self::open_unlocked(path)?;
                match disk.len() {
                    Ok(0) => Ok(disk),
                    Ok(_) => Err(FileError::Exists { path: disk.path }),
                    Err(source) => Err(io_error("measure", &disk.path)(source)),
                }
            }
            Err(source) => Err(io_error("create", &path)(source)),
        }
    }

    /// As [`open`](Self::open), for a caller that holds the lock.
    pub(crate) fn open_unlocked(path: PathBuf) -> Result<Self, FileError> {
        look(&path)?;
        let file = private().open(&path).map_err(io_error("open", &path))?;
        let found = file.metadata().map_err(io_error("look at", &path))?;
        // Checked again on the open file: between the two looks it may have been exchanged.
        check(&found, rustix::process::geteuid().as_raw(), &path)?;
        finish_replacement(&file, &path)?;
        Ok(Self {
            file,
            path,
            _lock: None,
        })
    }

    /// Whether the file at the path is still the one that is open here.
    pub(crate) fn is_in_place(&self) -> io::Result<bool> {
        let (here, there) = (self.file.metadata()?, fs::symlink_metadata(&self.path)?);
        Ok(same_file(&here, &there))
    }
}

impl Disk for FileDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn barrier(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn replace(&mut self, content: &[u8]) -> io::Result<()> {
        let (new, old) = (beside(&self.path, NEW), beside(&self.path, OLD));
        let file = private().create_new(true).open(&new)?;
        file.write_all_at(content, 0)?;
        file.sync_all()?;
        // A second name for the old file, so that a crash from here on leaves it where the next opening finds it.
        match fs::hard_link(&self.path, &old) {
            // FAT and some network file systems have no second names. There such a crash leaves the old bytes unnamed.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
                ) => {}
            linked => linked?,
        }
        fs::rename(&new, &self.path)?;
        sync_folder(&self.path)?;
        overwrite(&self.file)?;
        match fs::remove_file(&old) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
        self.file = file;
        Ok(())
    }
}

/// Endings of the two names that live during a replacement.
const NEW: &str = ".journal-new";
const OLD: &str = ".journal-old";

/// Ends a replacement that a crash interrupted: of the old and the new file, the one that lost is overwritten.
fn finish_replacement(file: &File, path: &Path) -> Result<(), FileError> {
    let found = file.metadata().map_err(io_error("look at", path))?;
    for name in [beside(path, NEW), beside(path, OLD)] {
        let left = match private().open(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            left => left.map_err(io_error("open", &name))?,
        };
        let other = left.metadata().map_err(io_error("look at", &name))?;
        if !same_file(&found, &other) {
            overwrite(&left).map_err(io_error("overwrite", &name))?;
        }
        fs::remove_file(&name).map_err(io_error("remove", &name))?;
    }
    // The name itself must be durable before anything is committed to what it names.
    sync_folder(path).map_err(io_error("sync the folder of", path))
}

/// Zeros over everything, and a sync: the system would forget the zeros of a file without a name.
fn overwrite(file: &File) -> io::Result<()> {
    let (length, zeros) = (file.metadata()?.len(), [0; 4096]);
    let mut at = 0;
    while at < length {
        let step = usize::try_from(length - at).map_or(zeros.len(), |left| left.min(zeros.len()));
        file.write_all_at(zeros.get(..step).unwrap_or(&zeros), at)?;
        at += step as u64;
    }
    file.sync_data()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// How every file of ours is opened: never through a link, never readable by others, not even for a moment.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(NO_FOLLOW);
    options
}

/// What stands at `path`, judged without opening it.
pub(crate) fn look(path: &Path) -> Result<(), FileError> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(FileError::Missing {
                path: path.to_path_buf(),
            });
        }
        found => found.map_err(io_error("look at", path))?,
    };
    check(&found, rustix::process::geteuid().as_raw(), path)
}

fn check(found: &Metadata, user: u32, path: &Path) -> Result<(), FileError> {
    let path = path.to_path_buf();
    let mode = found.mode() & 0o777;
    if found.is_symlink() {
        Err(FileError::Symlink { path })
    } else if !found.is_file() {
        Err(FileError::NotAFile { path })
    } else if found.uid() != user {
        Err(FileError::OtherOwner {
            path,
            owner: found.uid(),
        })
    } else if mode & 0o077 != 0 {
        Err(FileError::LoosePermissions { path, mode })
    } else {
        Ok(())
    }
}

fn same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// The name of a file that belongs to the one at `path`.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// For `map_err`.
pub(crate) fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_path_buf();
    move |source| FileError::Io {
        doing,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_user_is_refused_and_our_own_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let found = private()
            .create_new(true)
            .open(&path)
            .unwrap()
            .metadata()
            .unwrap();
        let me = found.uid();
        assert!(check(&found, me, &path).is_ok());
        let refused = check(&found, me + 1, &path);
        assert!(matches!(refused, Err(FileError::OtherOwner { owner, .. }) if owner == me));
    }

    #[test]
    fn a_link_put_there_after_the_look_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("state"), folder.path().join("link"));
        private().create_new(true).open(&path).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(private().open(&path).is_ok());
        assert!(private().open(&link).is_err());
    }
}
