//! What a commit costs, and when the file is compacted.

use journal::sim::{Operation, SimDisk};
use journal::{Change, Journal};

use crate::model::{Step, contents, create, open};

/// The operations that `step` takes: W for a write, B for a barrier, R for a replacement, T for a truncation.
fn trace(disk: &SimDisk, work: impl FnOnce()) -> String {
    let before = disk.operations().len();
    work();
    let letter = |operation: &Operation| match operation {
        Operation::Write { .. } => 'W',
        Operation::Barrier => 'B',
        Operation::Replace(_) => 'R',
        Operation::Truncate(_) => 'T',
        Operation::Forget => 'F',
    };
    disk.operations().iter().skip(before).map(letter).collect()
}

#[test]
fn a_commit_is_one_write_and_one_barrier_and_then_the_wiping() {
    let disk = SimDisk::new();
    let mut journal = create(&disk);
    let both = Step::all(&[("a", Some("a value")), ("b", Some("another"))]);
    let mut of = |step: &Step| trace(&disk, || step.take(&mut journal).unwrap());
    assert_eq!(of(&both), "WB");
    assert_eq!(of(&Step::put("a", "one superseded")), "WBWW");
    assert_eq!(of(&both), "WBWWWW");
    assert_eq!(of(&Step::erase("a")), "WBWW");
    assert_eq!(of(&Step::erase("a")), "WB");
    assert_eq!(of(&Step::all(&[])), "");
}

#[test]
fn opening_after_a_clean_end_writes_the_last_frame_once_more_and_nothing_else() {
    let disk = SimDisk::new();
    let mut journal = create(&disk);
    assert_eq!(trace(&disk, || drop(open(&disk).unwrap())), "");
    Step::put("a", "a value").take(&mut journal).unwrap();
    Step::put("a", "another").take(&mut journal).unwrap();
    let content = disk.content();
    assert_eq!(trace(&disk, || drop(open(&disk).unwrap())), "WB");
    assert_eq!(disk.content(), content);
    journal.compact().unwrap();
    assert_eq!(trace(&disk, || drop(open(&disk).unwrap())), "");
}

fn put<'a>(key: &'a [u8], value: &'a [u8]) -> [Change<'a>; 1] {
    [Change::Put { key, value }]
}

/// Overwrites `key` until the file shrinks; returns its longest and its next length.
fn grow_until_compacted(
    disk: &SimDisk,
    journal: &mut Journal<SimDisk>,
    value: &[u8],
) -> (usize, usize) {
    let mut longest = disk.content().len();
    for _ in 0..1000 {
        journal.commit(&put(b"big", value)).unwrap();
        let length = disk.content().len();
        if length < longest {
            return (longest, length);
        }
        longest = length;
    }
    panic!("never compacted");
}

#[test]
fn a_small_store_is_compacted_when_more_than_256_kib_are_dead() {
    let disk = SimDisk::new();
    let mut journal = create(&disk);
    journal
        .commit(&put(b"kept", b"a value that stays"))
        .unwrap();
    let (longest, next) = grow_until_compacted(&disk, &mut journal, &[7; 10_000]);
    assert!((256 << 10..300 << 10).contains(&longest), "{longest}");
    assert!(next < 25_000, "{next}");
    assert_eq!(contents(&journal), contents(&open(&disk).unwrap()));
    assert_eq!(
        journal.read(b"kept").unwrap(),
        Some(b"a value that stays".as_slice())
    );
}

#[test]
fn a_large_store_is_compacted_when_four_times_its_live_bytes_are_dead() {
    let disk = SimDisk::new();
    let mut journal = create(&disk);
    let (longest, _) = grow_until_compacted(&disk, &mut journal, &[7; 100_000]);
    assert!((500_000..700_000).contains(&longest), "{longest}");
}

#[test]
fn the_compaction_comes_before_the_commit_and_never_inside_it() {
    let disk = SimDisk::new();
    let mut journal = create(&disk);
    let traces: Vec<_> = (0..40)
        .map(|_| {
            trace(&disk, || {
                journal.commit(&put(b"big", &[7; 10_000])).unwrap();
            })
        })
        .collect();
    assert_eq!(traces.first().unwrap(), "WB");
    assert_eq!(traces.iter().filter(|trace| *trace == "RWBWW").count(), 1);
    assert_eq!(traces.iter().filter(|trace| *trace == "WBWW").count(), 38);
}
