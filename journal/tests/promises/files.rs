//! Real files: who may open them, and what a replacement leaves behind.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use journal::{Disk as _, FileDisk, FileError, Journal, JournalError};
use tempfile::TempDir;

use crate::model::{MAGIC, Model, Step, VERSION, contents, shows};

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.state");
    (folder, path)
}

fn create(path: &Path) -> Journal<FileDisk> {
    Journal::create(FileDisk::create(path).unwrap(), MAGIC, VERSION).unwrap()
}

fn open(path: &Path) -> Journal<FileDisk> {
    Journal::open(FileDisk::open(path).unwrap(), MAGIC, VERSION).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn names(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_keeps_its_records_and_is_private_from_the_start_and_after_a_compaction() {
    let (folder, path) = folder();
    let disk = FileDisk::create(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    let mut journal = Journal::create(disk, MAGIC, VERSION).unwrap();
    assert_eq!(mode(&path), 0o600);
    let steps = [
        Step::put("a", "the first value"),
        Step::put("a", "the second"),
        Step::put("b", "a third"),
    ];
    let mut model = Model::new();
    for step in &steps {
        step.take(&mut journal).unwrap();
        model = step.after(&model);
    }
    assert!(!shows(&fs::read(&path).unwrap(), b"the first value"));
    let inode = fs::metadata(&path).unwrap().ino();
    journal.compact().unwrap();
    assert_ne!(fs::metadata(&path).unwrap().ino(), inode);
    assert_eq!(mode(&path), 0o600);
    Step::erase("b").take(&mut journal).unwrap();
    model.remove(b"b".as_slice());
    drop(journal);
    assert_eq!(contents(&open(&path)), model);
    assert_eq!(names(&folder), ["card.state", "card.state.lock"]);
    assert_eq!(mode(&folder.path().join("card.state.lock")), 0o600);
}

#[test]
fn a_replaced_file_is_full_of_zeros() {
    let (_folder, path) = folder();
    let mut journal = create(&path);
    Step::put("a", "a live value").take(&mut journal).unwrap();
    let old = File::open(&path).unwrap();
    journal.compact().unwrap();
    let mut left = vec![1; usize::try_from(old.metadata().unwrap().len()).unwrap()];
    old.read_exact_at(&mut left, 0).unwrap();
    assert!(left.len() > 100 && left.iter().all(|byte| *byte == 0));
    assert_eq!(old.metadata().unwrap().nlink(), 0);
}

#[test]
fn a_replacement_that_a_crash_interrupted_is_ended_by_the_next_opening() {
    let (folder, path) = folder();
    let put = Step::put("a", "a live value");
    put.take(&mut create(&path)).unwrap();
    let (new, old) = (
        folder.path().join("card.state.journal-new"),
        folder.path().join("card.state.journal-old"),
    );

    // Before the renaming: a new file half written, and a second name for the one in use.
    fs::write(&new, b"half of a new file with a live value").unwrap();
    fs::hard_link(&path, &old).unwrap();
    let half = File::open(&new).unwrap();
    let mut journal = open(&path);
    assert_eq!(contents(&journal), put.after(&Model::new()));
    let mut left = vec![1; 36];
    half.read_exact_at(&mut left, 0).unwrap();
    assert_eq!(left, [0; 36]);
    assert_eq!(names(&folder), ["card.state", "card.state.lock"]);

    // After the renaming: the old file still has a name and its bytes.
    journal.compact().unwrap();
    drop(journal);
    fs::write(&old, b"an old file with a live value").unwrap();
    let former = File::open(&old).unwrap();
    assert_eq!(contents(&open(&path)), put.after(&Model::new()));
    let mut left = vec![1; 29];
    former.read_exact_at(&mut left, 0).unwrap();
    assert_eq!(left, [0; 29]);
    assert_eq!(names(&folder), ["card.state", "card.state.lock"]);
}

#[test]
fn a_symbolic_link_is_refused_to_open_and_to_create() {
    let (folder, path) = folder();
    drop(create(&path));
    let link = folder.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(matches!(
        FileDisk::open(&link),
        Err(FileError::Symlink { .. })
    ));
    assert!(matches!(
        FileDisk::create(&link),
        Err(FileError::Symlink { .. })
    ));
    let dangling = folder.path().join("dangling");
    symlink(folder.path().join("nothing"), &dangling).unwrap();
    assert!(matches!(
        FileDisk::create(&dangling),
        Err(FileError::Symlink { .. })
    ));
    assert!(!folder.path().join("nothing").exists());
    assert!(FileDisk::open(&path).is_ok());
}

#[test]
fn a_lock_file_that_is_a_symbolic_link_is_refused() {
    let (folder, path) = folder();
    symlink(
        folder.path().join("elsewhere"),
        folder.path().join("card.state.lock"),
    )
    .unwrap();
    assert!(matches!(FileDisk::create(&path), Err(FileError::Io { .. })));
    assert!(!folder.path().join("elsewhere").exists());
}

#[test]
fn every_permission_for_others_is_refused_and_only_those() {
    let (_folder, path) = folder();
    drop(create(&path));
    for bits in 0..=0o77 {
        let mode = 0o600 | bits;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        match FileDisk::open(&path) {
            Ok(_) => assert_eq!(bits, 0),
            Err(FileError::LoosePermissions { mode: found, .. }) => {
                assert!(bits != 0 && found == mode);
            }
            Err(error) => panic!("mode {mode:o}: {error}"),
        }
    }
}

#[test]
fn a_second_opener_is_refused_until_the_first_has_left_even_after_a_compaction() {
    let (_folder, path) = folder();
    let mut journal = create(&path);
    assert!(matches!(
        FileDisk::open(&path),
        Err(FileError::InUse { .. })
    ));
    journal.compact().unwrap();
    let refused = FileDisk::open(&path).err().unwrap();
    assert!(refused.to_string().contains("in use by another process"));
    drop(journal);
    assert!(FileDisk::open(&path).is_ok());
}

#[test]
fn a_missing_file_a_folder_and_an_existing_journal_are_told_apart() {
    let (folder, path) = folder();
    assert!(matches!(
        FileDisk::open(&path),
        Err(FileError::Missing { .. })
    ));
    assert!(
        names(&folder).is_empty(),
        "a mistyped name left something behind"
    );
    assert!(matches!(
        FileDisk::open(folder.path()),
        Err(FileError::NotAFile { .. })
    ));
    drop(create(&path));
    assert!(matches!(
        FileDisk::create(&path),
        Err(FileError::Exists { .. })
    ));
}

#[test]
fn a_creation_that_a_crash_interrupted_can_be_repeated() {
    let (_folder, path) = folder();
    drop(FileDisk::create(&path).unwrap());
    let unfinished = Journal::open(FileDisk::open(&path).unwrap(), MAGIC, VERSION);
    assert!(matches!(unfinished, Err(JournalError::Unfinished)));
    assert!(contents(&create(&path)).is_empty());
    assert!(contents(&open(&path)).is_empty());
}

#[test]
fn a_read_beyond_the_end_is_an_error() {
    let (_folder, path) = folder();
    let mut disk = FileDisk::create(&path).unwrap();
    disk.write_at(0, b"four").unwrap();
    let mut buffer = [0; 5];
    assert!(disk.read_at(0, &mut buffer).is_err());
    assert!(disk.read_at(0, &mut buffer[..4]).is_ok());
    disk.truncate(3).unwrap();
    assert_eq!(disk.len().unwrap(), 3);
    assert!(disk.read_at(0, &mut buffer[..4]).is_err());
}
