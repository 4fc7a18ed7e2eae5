//! What is refused before anything is written, and what is just inside the limits.

use std::io;

use journal::sim::SimDisk;
use journal::{Change, Disk, Journal, JournalError, MAX_FILE, MAX_KEY, MAX_VALUE};

use crate::model::{MAGIC, Step, VERSION, contents, create, open};

#[test]
fn lengths_at_the_limit_are_kept_and_lengths_beyond_are_refused_without_a_trace() {
    let disk = SimDisk::new();
    let mut journal = create(&disk);
    let (long_key, long_value) = (vec![b'k'; MAX_KEY + 1], vec![7; MAX_VALUE + 1]);
    let key = long_key.get(..MAX_KEY).unwrap();
    let value = long_value.get(..MAX_VALUE).unwrap();
    journal
        .commit(&[
            Change::Put { key, value },
            Change::Put {
                key: b"e",
                value: b"",
            },
        ])
        .unwrap();

    let before = disk.operations().len();
    let refused = journal.commit(&[Change::Put {
        key: &long_key,
        value: b"v",
    }]);
    assert!(matches!(refused, Err(JournalError::KeyLength(65))));
    assert!(matches!(
        journal.commit(&[Change::Erase { key: b"" }]),
        Err(JournalError::KeyLength(0))
    ));
    let refused = journal.commit(&[Change::Put {
        key: b"k",
        value: &long_value,
    }]);
    assert!(matches!(refused, Err(JournalError::ValueLength(length)) if length == MAX_VALUE + 1));
    assert_eq!(disk.operations().len(), before);
    assert!(!journal.is_broken());

    let reopened = open(&disk).unwrap();
    assert_eq!(reopened.read(key).unwrap(), Some(value));
    assert_eq!(reopened.read(b"e").unwrap(), Some(b"".as_slice()));
    assert_eq!(contents(&reopened).len(), 2);
}

#[test]
fn one_commit_cannot_name_a_key_twice() {
    let mut journal = create(&SimDisk::new());
    let twice = [
        Change::Put {
            key: b"k",
            value: b"v",
        },
        Change::Erase { key: b"k" },
    ];
    assert!(matches!(
        journal.commit(&twice),
        Err(JournalError::RepeatedKey)
    ));
    assert!(contents(&journal).is_empty());
    journal.commit(&twice[..1]).unwrap();
    journal.commit(&twice[1..]).unwrap();
    assert!(contents(&journal).is_empty());
}

#[test]
fn a_journal_is_created_on_an_empty_disk_only() {
    let disk = SimDisk::with_content(b"something".to_vec());
    assert!(matches!(
        Journal::create(disk.clone(), MAGIC, VERSION),
        Err(JournalError::NotEmpty)
    ));
    assert_eq!(disk.content(), b"something");
}

#[test]
fn keys_are_listed_by_prefix_in_order_and_their_neighbours_are_not() {
    let mut journal = create(&SimDisk::new());
    let lines = ["slos", "slot", "slot/2", "slot/1", "slou", "s"].map(|key| (key, Some("v")));
    Step::all(&lines).take(&mut journal).unwrap();
    let listed = |prefix: &str| -> Vec<String> {
        let found = journal.with_prefix(prefix.as_bytes()).unwrap();
        found
            .map(|(key, _)| String::from_utf8(key.to_vec()).unwrap())
            .collect()
    };
    assert_eq!(listed("slot"), ["slot", "slot/1", "slot/2"]);
    assert_eq!(listed("slot/"), ["slot/1", "slot/2"]);
    assert_eq!(listed("t"), Vec::<String>::new());
    assert_eq!(listed("").len(), 6);
}

/// A disk that says it is too long, and must not be touched.
struct Endless;

impl Disk for Endless {
    fn len(&self) -> io::Result<u64> {
        Ok(MAX_FILE + 1)
    }
    fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
        panic!("read")
    }
    fn write_at(&mut self, _: u64, _: &[u8]) -> io::Result<()> {
        panic!("written to")
    }
    fn truncate(&mut self, _: u64) -> io::Result<()> {
        panic!("truncated")
    }
    fn barrier(&mut self) -> io::Result<()> {
        panic!("synced")
    }
    fn replace(&mut self, _: &[u8]) -> io::Result<()> {
        panic!("replaced")
    }
}

#[test]
fn a_file_that_is_too_long_is_not_even_read() {
    let refused = Journal::open(Endless, MAGIC, VERSION);
    assert!(matches!(refused, Err(JournalError::Full)));
}

#[test]
fn a_commit_that_would_make_the_file_too_long_is_refused_whole() {
    let disk = SimDisk::new();
    let mut journal = create(&disk);
    let value = vec![7; MAX_VALUE];
    let keys: Vec<_> = (0..256_u16).map(u16::to_be_bytes).collect();
    let changes: Vec<_> = keys
        .iter()
        .map(|key| Change::Put { key, value: &value })
        .collect();
    let before = disk.operations().len();
    assert!(matches!(journal.commit(&changes), Err(JournalError::Full)));
    assert_eq!(disk.operations().len(), before);
    journal.commit(&changes[..1]).unwrap();
    assert_eq!(contents(&journal).len(), 1);
}
