//! What a commit costs, and when the file is compacted.

use journal::sim::{Loss, Operation, SimDisk};
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

#[test]
fn a_torn_append_is_overwritten_before_it_is_cut_off() {
    let disk = SimDisk::new();
    let mut journal = create(&disk);
    let (whole, before) = (disk.content().len(), disk.operations().len());
    Step::put("a", "a value that is torn")
        .take(&mut journal)
        .unwrap();
    let crashed = disk.crashed_at(before, 80, Loss::Nothing);
    assert_eq!(crashed.content().len(), whole + 80);
    assert_eq!(trace(&crashed, || drop(open(&crashed).unwrap())), "WTB");
    match crashed.operations().first().unwrap() {
        Operation::Write { offset, bytes } => {
            assert_eq!(*offset, whole as u64);
            assert_eq!(*bytes, [0; 80]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn opening_ends_an_interrupted_wiping_so_that_not_even_a_digest_of_the_dead_value_stays() {
    let disk = SimDisk::new();
    let mut journal = create(&disk);
    Step::put("pin", "a value that can be guessed")
        .take(&mut journal)
        .unwrap();
    let append = disk.operations().len();
    Step::put("pin", "another").take(&mut journal).unwrap();
    let wiped = disk.content();
    for operation in append + 1..=disk.operations().len() {
        for torn in 0..45 {
            let crashed = disk.crashed_at(operation, torn, Loss::Nothing);
            open(&crashed).unwrap();
            assert_eq!(
                crashed.content(),
                wiped,
                "operation {operation}, {torn} bytes arrived"
            );
            let medium = crashed.after_power_cut(Loss::Everything).content();
            assert_eq!(medium, wiped, "operation {operation}, {torn} bytes arrived");
        }
    }
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
