//! Several users of one file: handles, threads, and a process that is killed.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use journal::{Change, Disk, FileDisk, FileError, Journal, JournalError, SharedJournal};
use tempfile::TempDir;

use crate::model::{MAGIC, VERSION, shows};

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairings");
    (folder, path)
}

fn shared(path: &Path) -> SharedJournal {
    SharedJournal::new(path, MAGIC, VERSION)
}

fn put(journal: &mut Journal<FileDisk>, key: &[u8], value: &[u8]) -> Result<(), JournalError> {
    journal.commit(&[Change::Put { key, value }])
}

fn read(journal: &SharedJournal, key: &[u8]) -> Option<Vec<u8>> {
    journal
        .with(|journal| Ok::<_, JournalError>(journal.read(key)?.map(<[u8]>::to_vec)))
        .unwrap()
}

/// Adds one to the number at `count`.
fn count_up<D: Disk>(journal: &mut Journal<D>) -> Result<u64, JournalError> {
    let count = journal
        .read(b"count")?
        .map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()))
        + 1;
    journal.commit(&[Change::Put {
        key: b"count",
        value: &count.to_be_bytes(),
    }])?;
    Ok(count)
}

#[test]
fn a_shared_journal_is_made_once_and_missing_until_then() {
    let (folder, path) = folder();
    let (one, two) = (shared(&path), shared(&path));
    let missing = one.with(|_| Ok::<_, JournalError>(()));
    assert!(matches!(
        missing,
        Err(JournalError::File(FileError::Missing { .. }))
    ));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(one.create_if_missing().unwrap());
    one.with(|journal| put(journal, b"a", b"a value")).unwrap();
    assert!(!two.create_if_missing().unwrap());
    assert_eq!(read(&two, b"a").unwrap(), b"a value");
}

#[test]
fn each_user_sees_what_the_others_did_also_across_compactions() {
    let (_folder, path) = folder();
    let (one, two) = (shared(&path), shared(&path));
    one.create_if_missing().unwrap();
    for round in 0..20_u8 {
        let (writer, reader) = if round % 2 == 0 {
            (&one, &two)
        } else {
            (&two, &one)
        };
        writer
            .with(|journal| put(journal, b"round", &[round]))
            .unwrap();
        assert_eq!(read(reader, b"round").unwrap(), [round]);
        if round % 5 == 0 {
            writer.with(Journal::compact).unwrap();
        }
    }
    assert!(read(&one, b"nothing").is_none());
}

#[test]
fn an_unchanged_file_is_not_read_again_and_a_changed_one_is() {
    let (_folder, path) = folder();
    let (one, two) = (shared(&path), shared(&path));
    one.create_if_missing().unwrap();
    one.with(|journal| put(journal, b"a", b"a value to find"))
        .unwrap();
    one.with(|journal| put(journal, b"b", b"behind it"))
        .unwrap();
    one.with(Journal::compact).unwrap();
    // Damage that only a reading of the whole file can notice.
    let at = fs::read(&path)
        .unwrap()
        .windows(15)
        .position(|window| window == b"a value to find")
        .unwrap();
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .write_all_at(b"A", at as u64)
        .unwrap();
    assert_eq!(read(&one, b"a").unwrap(), b"a value to find");
    let noticed = two.with(|_| Ok::<_, JournalError>(()));
    assert!(matches!(noticed, Err(JournalError::Corrupt { .. })));
}

#[test]
fn an_older_copy_written_over_the_file_is_noticed_even_if_its_length_is_the_same() {
    let (_folder, path) = folder();
    let one = shared(&path);
    one.create_if_missing().unwrap();
    let empty = fs::read(&path).unwrap();
    one.with(|journal| put(journal, b"a", b"first")).unwrap();
    let first = fs::read(&path).unwrap();
    fs::write(&path, &empty).unwrap();
    assert!(read(&one, b"a").is_none());
    one.with(|journal| put(journal, b"b", b"other")).unwrap();
    fs::write(&path, &first).unwrap();
    assert_eq!(read(&one, b"a").unwrap(), b"first");
    assert!(read(&one, b"b").is_none());
}

#[test]
fn another_file_moved_into_the_place_is_noticed() {
    let (folder, path) = folder();
    let (one, other) = (shared(&path), folder.path().join("other"));
    one.create_if_missing().unwrap();
    fs::copy(&path, &other).unwrap();
    one.with(|journal| put(journal, b"a", b"a value")).unwrap();
    assert!(read(&one, b"a").is_some());
    fs::rename(&other, &path).unwrap();
    assert!(read(&one, b"a").is_none());
}

#[test]
fn after_a_failed_write_the_next_operation_reads_the_file_again() {
    let (folder, path) = folder();
    let one = shared(&path);
    one.create_if_missing().unwrap();
    one.with(|journal| put(journal, b"a", b"a value")).unwrap();
    // Something stands where the compacted file would be made.
    let in_the_way = folder.path().join("pairings.journal-new");
    fs::create_dir(&in_the_way).unwrap();
    let failed = one.with(Journal::compact);
    assert!(matches!(
        failed,
        Err(JournalError::Disk {
            doing: "compact",
            ..
        })
    ));
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(read(&one, b"a").unwrap(), b"a value");
    one.with(Journal::compact).unwrap();
}

#[test]
fn many_threads_and_handles_count_together_without_losing_a_step() {
    let (_folder, path) = folder();
    let common = shared(&path).with_patience(Duration::from_secs(60));
    common.create_if_missing().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (common, path) = (&common, &path);
            scope.spawn(move || {
                let own = shared(path).with_patience(Duration::from_secs(60));
                let journal = if thread % 2 == 0 { common } else { &own };
                for _ in 0..50 {
                    journal.with(count_up).unwrap();
                }
            });
        }
    });
    assert_eq!(read(&common, b"count").unwrap(), 200_u64.to_be_bytes());
}

#[test]
fn a_file_that_is_held_too_long_is_in_use() {
    let (_folder, path) = folder();
    let one = shared(&path).with_patience(Duration::from_millis(20));
    one.create_if_missing().unwrap();
    let holder = FileDisk::open(&path).unwrap();
    let refused = one.with(|_| Ok::<_, JournalError>(()));
    assert!(matches!(
        refused,
        Err(JournalError::File(FileError::InUse { .. }))
    ));
    drop(holder);
    // Inside an operation nobody else gets in, not even by the same handle.
    let nested = one.with(|_| {
        assert!(matches!(
            FileDisk::open(&path),
            Err(FileError::InUse { .. })
        ));
        Ok::<_, JournalError>(one.with(|_| Ok::<_, JournalError>(())))
    });
    assert!(matches!(
        nested.unwrap(),
        Err(JournalError::File(FileError::InUse { .. }))
    ));
    assert!(one.with(|_| Ok::<_, JournalError>(())).is_ok());
}

#[test]
fn an_operation_that_panics_leaves_the_journal_usable() {
    let (_folder, path) = folder();
    let one = shared(&path);
    one.create_if_missing().unwrap();
    one.with(|journal| put(journal, b"a", b"a value")).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        one.with(|_| -> Result<(), JournalError> { panic!("as the test ordered") })
    }));
    assert!(panicked.is_err());
    assert_eq!(read(&one, b"a").unwrap(), b"a value");
}

/// Names the file to the child process below.
const CHILD_FILE: &str = "JOURNAL_TEST_CHILD_FILE";

/// Not a test of its own: the process that the next test kills. It counts up and says each number it has committed.
#[test]
#[ignore = "run as a child process by the test below"]
fn child_that_counts_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD_FILE) else {
        return;
    };
    let journal = SharedJournal::new(path, MAGIC, VERSION);
    loop {
        let count = journal.with(count_up).unwrap();
        println!("committed {count}");
    }
}

#[test]
fn a_killed_process_loses_nothing_it_has_acknowledged_and_frees_the_lock() {
    let (_folder, path) = folder();
    let one = shared(&path);
    one.create_if_missing().unwrap();
    let mut acknowledged = 0;
    for round in 1..=5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "shared::child_that_counts_until_it_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(CHILD_FILE, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let mut counts = said.filter_map(|line| line.split_once("committed ")?.1.parse().ok());
        acknowledged = counts.by_ref().nth(20 * round).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged = counts.last().unwrap_or(acknowledged);
        let found = u64::from_be_bytes(read(&one, b"count").unwrap().try_into().unwrap());
        assert!(
            (acknowledged..=acknowledged + 1).contains(&found),
            "{acknowledged} acknowledged, {found} found"
        );
    }
    assert!(acknowledged > 100);
}

#[test]
fn a_superseded_pairing_key_is_gone_from_the_file_at_once() {
    let (_folder, path) = folder();
    let one = shared(&path);
    one.create_if_missing().unwrap();
    one.with(|journal| put(journal, b"key", b"the old pairing key"))
        .unwrap();
    assert!(shows(&fs::read(&path).unwrap(), b"the old pairing key"));
    one.with(|journal| put(journal, b"key", b"the new pairing key"))
        .unwrap();
    let content = fs::read(&path).unwrap();
    assert!(!shows(&content, b"the old pairing key") && shows(&content, b"the new pairing key"));
}
