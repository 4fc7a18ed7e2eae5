//! The power fails during every operation of every kind of change, at every byte of it.

use journal::JournalError;
use journal::sim::{Loss, Operation, SimDisk};

use crate::model::{Model, Step, contents, create, open, shows};

const LOSSES: [Loss; 6] = [
    Loss::Nothing,
    Loss::Everything,
    Loss::Seeded(1),
    Loss::Seeded(2),
    Loss::Seeded(3),
    Loss::Seeded(4),
];

/// How many bytes of `operation` may arrive, from none to all.
fn tears(operation: Option<&Operation>) -> std::ops::RangeInclusive<usize> {
    match operation {
        Some(Operation::Write { bytes, .. }) => 0..=bytes.len(),
        _ => 0..=0,
    }
}

/// Cuts the power everywhere during `step` and checks what each next boot finds.
fn cut_everywhere(label: &str, before_steps: &[Step], step: &Step) -> usize {
    let disk = SimDisk::new();
    let mut journal = create(&disk);
    let mut before = Model::new();
    let mut secrets = step.values();
    for earlier in before_steps {
        earlier.take(&mut journal).unwrap();
        before = earlier.after(&before);
        secrets.extend(earlier.values());
    }
    let start = disk.operations().len();
    step.take(&mut journal).unwrap();
    let after = step.after(&before);
    let operations = disk.operations();
    let durable = operations
        .iter()
        .skip(start)
        .position(|done| matches!(done, Operation::Barrier | Operation::Replace(_)));
    let durable = start + durable.expect("every change ends in a barrier or a replacement");

    let mut cuts = 0;
    for operation in start..=operations.len() {
        for torn in tears(operations.get(operation)) {
            for loss in LOSSES {
                cuts += 1;
                let case =
                    format!("{label}: operation {operation}, {torn} bytes arrived, {loss:?}");
                let crashed = disk.crashed_at(operation, torn, loss);
                let found = recovered(&case, &crashed, &secrets);
                assert!(
                    found == before || found == after,
                    "{case}: a mix: {found:?}"
                );
                assert!(operation <= durable || found == after, "{case}: lost");
                cut_during_recovery(&case, &crashed, &found, &secrets);
            }
        }
    }
    cuts
}

/// Opens a disk after a crash and checks that only what it holds can be read from it, and that it still works.
fn recovered(case: &str, crashed: &SimDisk, secrets: &[Vec<u8>]) -> Model {
    let mut journal = open(crashed).unwrap_or_else(|error| panic!("{case}: {error}"));
    let found = contents(&journal);
    let durable = crashed.after_power_cut(Loss::Everything).content();
    for secret in secrets {
        let alive = found.values().any(|value| value == secret);
        let secret_text = String::from_utf8_lossy(secret);
        assert_eq!(
            shows(&crashed.content(), secret),
            alive,
            "{case}: {secret_text} in the file"
        );
        assert_eq!(
            shows(&durable, secret),
            alive,
            "{case}: {secret_text} on the medium"
        );
    }
    let next = Step::put("next", "after the crash");
    next.take(&mut journal).unwrap();
    let reopened = open(&crashed.after_power_cut(Loss::Everything))
        .unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(
        contents(&reopened),
        next.after(&found),
        "{case}: the commit after it"
    );
    found
}

/// The power fails again while the file is being put in order.
fn cut_during_recovery(case: &str, crashed: &SimDisk, found: &Model, secrets: &[Vec<u8>]) {
    let again = SimDisk::with_content(crashed.crashed_at(0, 0, Loss::Everything).content());
    open(&again).unwrap();
    for (operation, done) in again.operations().iter().enumerate() {
        let torn = tears(Some(done)).end() / 2;
        for loss in [Loss::Nothing, Loss::Seeded(operation as u64)] {
            let case = format!("{case}; then operation {operation} of the recovery, {loss:?}");
            assert_eq!(
                recovered(&case, &again.crashed_at(operation, torn, loss), secrets),
                *found,
                "{case}"
            );
        }
    }
}

#[test]
fn a_cut_during_creation_leaves_nothing_or_an_empty_journal() {
    let disk = SimDisk::new();
    create(&disk);
    let (mut unfinished, mut empty) = (0, 0);
    for operation in 0..=disk.operations().len() {
        for loss in LOSSES {
            let crashed = disk.crashed_at(operation, 0, loss);
            match open(&crashed) {
                Ok(journal) => {
                    assert!(contents(&journal).is_empty());
                    empty += 1;
                }
                Err(JournalError::Unfinished) => {
                    assert!(contents(&create(&crashed)).is_empty());
                    unfinished += 1;
                }
                Err(error) => panic!("operation {operation}, {loss:?}: {error}"),
            }
        }
    }
    assert!(unfinished > 0 && empty >= LOSSES.len());
}

#[test]
fn a_cut_during_any_change_leaves_the_old_state_or_the_new_and_no_dead_secret() {
    let first = Step::put("slot 1", "the first secret of slot 1");
    let second = Step::put("slot 1", "the second secret");
    let both = Step::all(&[
        ("slot 1", Some("one of two")),
        ("slot 2", Some("two of two, which is longer")),
    ]);
    let table = [
        ("put", vec![], first.clone()),
        (
            "put beside another",
            vec![both.clone()],
            Step::put("tries", "3 tries left"),
        ),
        ("overwrite", vec![first.clone()], second.clone()),
        (
            "overwrite twice",
            vec![first.clone(), second.clone()],
            Step::put("slot 1", "the third secret of all"),
        ),
        (
            "several keys",
            vec![first.clone(), Step::put("slot 2", "stays as it is")],
            both.clone(),
        ),
        ("half of a frame", vec![both.clone()], second.clone()),
        (
            "overwrite, add and erase at once",
            vec![both.clone(), second.clone()],
            Step::all(&[
                ("slot 1", None),
                ("slot 2", Some("overwritten")),
                ("slot 3", Some("added here")),
            ]),
        ),
        ("erase", vec![both.clone()], Step::erase("slot 2")),
        ("erase the last", vec![first.clone()], Step::erase("slot 1")),
        (
            "erase what is not there",
            vec![first.clone()],
            Step::erase("slot 9"),
        ),
        (
            "compact",
            vec![
                first.clone(),
                second.clone(),
                both.clone(),
                Step::erase("slot 1"),
            ],
            Step::Compact,
        ),
        (
            "compact nothing",
            vec![first.clone(), Step::erase("slot 1")],
            Step::Compact,
        ),
        (
            "overwrite after a compaction",
            vec![both.clone(), Step::Compact],
            second.clone(),
        ),
        (
            "compact again",
            vec![both, Step::Compact, first, second],
            Step::Compact,
        ),
    ];
    let cuts: usize = table
        .iter()
        .map(|(label, before, step)| cut_everywhere(label, before, step))
        .sum();
    assert!(cuts > 5_000, "only {cuts} cuts");
}

#[test]
fn a_torn_append_followed_by_zeros_or_garbage_is_dropped() {
    let disk = SimDisk::new();
    let mut journal = create(&disk);
    Step::put("kept", "the value that stays")
        .take(&mut journal)
        .unwrap();
    let whole = disk.content().len();
    Step::put("torn", "the value that does not")
        .take(&mut journal)
        .unwrap();
    let content = disk.content();
    for end in whole..content.len() {
        for tail in [
            vec![0; 300],
            vec![0xA5; 300],
            b"TJF1".repeat(80),
            content.get(..whole).unwrap().to_vec(),
        ] {
            let mut torn = content.get(..end).unwrap().to_vec();
            torn.extend_from_slice(&tail);
            let crashed = SimDisk::with_content(torn);
            let journal = open(&crashed).unwrap_or_else(|error| panic!("cut at {end}: {error}"));
            // Zeros where zeros belong may complete the frame; nothing else may.
            let model = contents(&journal);
            assert!(
                model.contains_key(b"kept".as_slice()) && model.len() == 1,
                "cut at {end}: {model:?}"
            );
            assert_eq!(crashed.content().len(), whole);
        }
    }
}
#[test]
fn an_armed_power_cut_fails_every_call_from_then_on() {
    let disk = SimDisk::new();
    let mut journal = create(&disk);
    disk.cut_power_at(disk.operations().len() + 1, 0);
    let put = Step::put("key", "a value");
    assert!(matches!(
        put.take(&mut journal),
        Err(JournalError::Disk { doing: "sync", .. })
    ));
    assert!(matches!(open(&disk), Err(JournalError::Disk { .. })));
    let kept = open(&disk.after_power_cut(Loss::Nothing)).unwrap();
    assert_eq!(contents(&kept), put.after(&Model::new()));
    let lost = open(&disk.after_power_cut(Loss::Everything)).unwrap();
    assert!(contents(&lost).is_empty());
}
