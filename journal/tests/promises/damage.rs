//! Flipped bits, missing ends and foreign files.

use journal::JournalError;
use journal::sim::SimDisk;

use crate::model::{MAGIC, Model, Step, VERSION, contents, create, open};

/// A file, what it holds, and what it held before its last commit, which begins at `last`.
struct Sample {
    content: Vec<u8>,
    now: Model,
    before_last: Model,
    last: usize,
}

/// Takes `steps` and notes the state around the last one.
fn sample(steps: &[Step]) -> Sample {
    let disk = SimDisk::new();
    let mut journal = create(&disk);
    let (mut now, mut before_last, mut last) = (Model::new(), Model::new(), 0);
    for step in steps {
        last = disk.content().len();
        step.take(&mut journal).unwrap();
        before_last = now;
        now = step.after(&before_last);
    }
    Sample {
        content: disk.content(),
        now,
        before_last,
        last,
    }
}

fn samples() -> Vec<(&'static str, Sample)> {
    let both = Step::all(&[
        ("slot 1", Some("one of two")),
        ("slot 2", Some("two of two")),
    ]);
    let over = Step::put("slot 1", "superseding");
    let fresh = Step::put("slot 3", "a fresh one");
    vec![
        (
            "fresh last",
            sample(&[both.clone(), over.clone(), fresh.clone()]),
        ),
        (
            "superseding last",
            sample(&[both.clone(), fresh.clone(), over.clone()]),
        ),
        (
            "erasing last",
            sample(&[both.clone(), fresh.clone(), Step::erase("slot 2")]),
        ),
        (
            "everything superseded",
            sample(&[both.clone(), both.clone()]),
        ),
        (
            "compacted, then a fresh one",
            sample(&[both.clone(), over.clone(), Step::Compact, fresh.clone()]),
        ),
        (
            "compacted, then superseding",
            sample(&[both, fresh, Step::Compact, over]),
        ),
    ]
}

#[test]
fn a_flipped_bit_is_an_error_or_harmless_or_undoes_the_last_commit_as_a_tear_would() {
    let (mut refused, mut harmless, mut undone) = (0, 0, 0);
    for (label, sample) in samples() {
        for bit in 0..sample.content.len() * 8 {
            let (byte, mut flipped) = (bit / 8, sample.content.clone());
            *flipped.get_mut(byte).unwrap() ^= 1 << (bit % 8);
            let disk = SimDisk::with_content(flipped.clone());
            match open(&disk) {
                Err(_) => {
                    refused += 1;
                    assert_eq!(
                        disk.content(),
                        flipped,
                        "{label}: bit {bit}: refused, yet changed"
                    );
                    assert!(
                        disk.operations().is_empty(),
                        "{label}: bit {bit}: refused, yet written to"
                    );
                }
                Ok(journal) if contents(&journal) == sample.now => harmless += 1,
                Ok(journal) => {
                    undone += 1;
                    assert!(
                        byte >= sample.last,
                        "{label}: bit {bit} in an earlier frame changed the content"
                    );
                    assert_eq!(contents(&journal), sample.before_last, "{label}: bit {bit}");
                }
            }
        }
    }
    assert!(
        refused > 1000 && harmless > 100 && undone > 100,
        "{refused} {harmless} {undone}"
    );
}

#[test]
fn a_flipped_bit_in_a_compacted_part_is_never_taken_for_a_torn_append() {
    let both = Step::all(&[
        ("slot 1", Some("one of two")),
        ("slot 2", Some("two of two")),
    ]);
    let sample = sample(&[both, Step::Compact]);
    for bit in 0..sample.content.len() * 8 {
        let mut flipped = sample.content.clone();
        *flipped.get_mut(bit / 8).unwrap() ^= 1 << (bit % 8);
        assert!(open(&SimDisk::with_content(flipped)).is_err(), "bit {bit}");
    }
    for length in 1..sample.content.len() {
        let short = sample.content.get(..length).unwrap().to_vec();
        assert!(
            open(&SimDisk::with_content(short)).is_err(),
            "{length} bytes"
        );
    }
}

#[test]
fn losing_a_superseding_frame_whole_is_noticed() {
    let superseding = sample(&[
        Step::put("tries", "3 tries left"),
        Step::put("tries", "2 tries left"),
    ]);
    let short = superseding
        .content
        .get(..superseding.last)
        .unwrap()
        .to_vec();
    assert!(matches!(
        open(&SimDisk::with_content(short)),
        Err(JournalError::Corrupt { .. })
    ));
    // A frame that superseded nothing leaves no trace when it goes: that is what a power cut looks like.
    let fresh = sample(&[
        Step::put("tries", "3 tries left"),
        Step::put("slot", "a fresh one"),
    ]);
    let short = fresh.content.get(..fresh.last).unwrap().to_vec();
    assert_eq!(
        contents(&open(&SimDisk::with_content(short)).unwrap()),
        fresh.before_last
    );
}

#[test]
fn a_damaged_frame_in_the_middle_is_named_by_its_place_and_left_alone() {
    let steps = [
        Step::put("a", "the first value"),
        Step::put("b", "the second"),
        Step::put("c", "the third"),
    ];
    let (first, second) = (sample(&steps[..1]), sample(&steps[..2]));
    let whole = sample(&steps);
    let mut damaged = whole.content.clone();
    *damaged.get_mut(second.last).unwrap() ^= 1;
    let disk = SimDisk::with_content(damaged.clone());
    let offset = first.content.len() as u64;
    assert!(matches!(open(&disk), Err(JournalError::Corrupt { offset: found }) if found == offset));
    assert_eq!(disk.content(), damaged);
}

#[test]
fn frames_out_of_sequence_are_refused() {
    let steps = [
        Step::put("a", "the same size"),
        Step::put("b", "the same size"),
        Step::put("c", "the same size"),
    ];
    let (one, two, three) = (sample(&steps[..1]), sample(&steps[..2]), sample(&steps));
    // The third frame in the place of the second, and the second twice.
    let mut skipped = one.content.clone();
    skipped.extend_from_slice(three.content.get(three.last..).unwrap());
    let mut repeated = two.content.clone();
    repeated.extend_from_slice(two.content.get(two.last..).unwrap());
    for (label, content, kept) in [
        ("skipped", skipped, one.now),
        ("repeated", repeated, two.now),
    ] {
        // A frame is bound to its place, so a moved one is no frame at all.
        let journal = open(&SimDisk::with_content(content)).unwrap();
        assert_eq!(contents(&journal), kept, "{label}");
    }
}

#[test]
fn a_frame_in_its_place_but_from_another_history_is_refused() {
    let sized = |length| "v".repeat(length);
    let last = Step::put("c", "a value");
    // One frame of this file is as long as two of the other, so the last frame lies at the same byte in both.
    let one = sample(&[Step::put("a", &sized(95)), last.clone()]);
    let two = sample(&[Step::put("a", &sized(10)), Step::put("b", &sized(10)), last]);
    assert_eq!(one.last, two.last);
    let mut spliced = one.content.get(..one.last).unwrap().to_vec();
    spliced.extend_from_slice(two.content.get(two.last..).unwrap());
    let offset = one.last as u64;
    let opened = open(&SimDisk::with_content(spliced));
    assert!(matches!(opened, Err(JournalError::Corrupt { offset: found }) if found == offset));
}

#[test]
fn two_values_that_changed_places_are_noticed_even_in_a_frame_without_a_seal() {
    let three = Step::all(&[
        ("a", Some("value of a")),
        ("b", Some("value of b")),
        ("c", Some("value of c")),
    ]);
    let sample = sample(&[three, Step::put("c", "superseding")]);
    assert!(open(&SimDisk::with_content(sample.content.clone())).is_ok());
    let content = &sample.content;
    let place = |value: &[u8]| {
        content
            .windows(10)
            .position(|window| window == value)
            .unwrap()
    };
    let (a, b) = (place(b"value of a"), place(b"value of b"));
    let mut swapped = content.clone();
    for offset in 0..26 {
        swapped.swap(a + offset, b + offset); // each value with its digest
    }
    let opened = open(&SimDisk::with_content(swapped));
    assert!(matches!(opened, Err(JournalError::Corrupt { offset }) if offset == a as u64));
}

#[test]
fn a_foreign_file_or_another_version_is_refused_by_name_and_left_alone() {
    let content = sample(&[Step::put("a", "a value")]).content;
    let of = |magic, version| {
        let disk = SimDisk::with_content(content.clone());
        let result = journal::Journal::open(disk.clone(), magic, version);
        assert!(result.is_err() == disk.operations().is_empty());
        result.err()
    };
    assert!(of(MAGIC, VERSION).is_none());
    assert!(matches!(
        of(*b"promised", VERSION),
        Some(JournalError::NotOurs)
    ));
    assert!(matches!(
        of(MAGIC, VERSION - 1),
        Some(JournalError::NewerVersion { found: 3, known: 2 })
    ));
    assert!(matches!(
        of(MAGIC, VERSION + 1),
        Some(JournalError::OlderVersion { found: 3, known: 4 })
    ));
    let foreign = SimDisk::with_content(b"short".to_vec());
    assert!(matches!(open(&foreign), Err(JournalError::NotOurs)));
    assert!(matches!(
        open(&SimDisk::new()),
        Err(JournalError::Unfinished)
    ));
}
