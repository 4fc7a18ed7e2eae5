//! Each call to the disk fails once.

use journal::sim::{Fault, Loss, SimDisk};
use journal::{Journal, JournalError};

use crate::model::{MAGIC, Model, Step, VERSION, contents, create, open};

fn scenario() -> Vec<Step> {
    vec![
        Step::put("slot 1", "the first value"),
        Step::all(&[
            ("slot 1", Some("the second")),
            ("slot 2", Some("another value")),
        ]),
        Step::put("tries", "2"),
        Step::erase("slot 2"),
        Step::Compact,
        Step::all(&[("slot 1", None), ("tries", Some("3"))]),
        Step::put("slot 3", "the last"),
    ]
}

/// Opens, or creates what was never finished, and tries once more if the ordered failure comes in between.
fn start(disk: &SimDisk) -> Journal<SimDisk> {
    let attempt = || match open(disk) {
        Err(JournalError::Unfinished) => Journal::create(disk.clone(), MAGIC, VERSION),
        opened => opened,
    };
    match attempt() {
        Err(JournalError::Disk { .. }) => attempt().unwrap(),
        journal => journal.unwrap(),
    }
}

fn is_finished(journal: &mut Journal<SimDisk>) -> bool {
    let read = matches!(journal.read(b"slot 1"), Err(JournalError::Broken));
    let listed = matches!(journal.with_prefix(b""), Err(JournalError::Broken));
    let committed = matches!(
        Step::put("no", "no").take(journal),
        Err(JournalError::Broken)
    );
    let compacted = matches!(journal.compact(), Err(JournalError::Broken));
    journal.is_broken() && read && listed && committed && compacted
}

#[test]
fn after_any_failed_call_the_journal_is_finished_and_reopening_finds_the_old_state_or_the_new() {
    for fault in [Fault::Clean, Fault::Dirty] {
        let mut failing = 0;
        loop {
            let disk = SimDisk::new();
            disk.fail_call(failing, fault);
            let mut journal = start(&disk);
            let mut model = contents(&journal);
            for step in scenario() {
                let case = format!("call {failing} fails, {fault:?}, {step:?}");
                if step.take(&mut journal).is_ok() {
                    model = step.after(&model);
                } else {
                    let calls = disk.calls();
                    assert!(is_finished(&mut journal), "{case}");
                    assert_eq!(
                        disk.calls(),
                        calls,
                        "{case}: a finished journal touched the disk"
                    );
                    journal = start(&disk);
                    let found = contents(&journal);
                    assert!(
                        found == model || found == step.after(&model),
                        "{case}: {found:?}"
                    );
                    model = found;
                }
                assert_eq!(contents(&journal), model, "{case}");
            }
            let fired = disk.calls() > failing;
            let rebooted = open(&disk.after_power_cut(Loss::Everything)).unwrap();
            assert_eq!(
                contents(&rebooted),
                model,
                "call {failing} fails, {fault:?}: lost at the next boot"
            );
            if !fired {
                break;
            }
            failing += 1;
        }
        assert!(failing > 20, "only {failing} calls");
    }
}

#[test]
fn a_failure_while_opening_is_an_error_and_never_an_empty_journal() {
    let disk = SimDisk::new();
    let mut journal = create(&disk);
    let (first, second) = (
        Step::put("key", "the first value"),
        Step::put("key", "the second"),
    );
    first.take(&mut journal).unwrap();
    let append = disk.operations().len();
    second.take(&mut journal).unwrap();
    // The append is whole, its wiping is not begun: opening has to read, settle, wipe and sync.
    let crashed = disk.crashed_at(append + 1, 0, Loss::Nothing);
    let content = crashed.content();
    for fault in [Fault::Clean, Fault::Dirty] {
        let mut failing = 0;
        loop {
            let disk = SimDisk::with_content(content.clone());
            disk.fail_call(failing, fault);
            let opened = open(&disk);
            if disk.calls() <= failing {
                break;
            }
            assert!(
                matches!(opened, Err(JournalError::Disk { .. })),
                "call {failing}, {fault:?}"
            );
            let expected = second.after(&Model::new());
            assert_eq!(
                contents(&open(&disk).unwrap()),
                expected,
                "call {failing}, {fault:?}"
            );
            failing += 1;
        }
        assert_eq!(failing, 7); // measure, read; settle, sync; wipe the value, mark the seal, sync
    }
}

#[test]
fn a_commit_seen_after_its_barrier_failed_survives_the_next_power_cut() {
    let disk = SimDisk::new();
    let mut journal = create(&disk);
    let put = Step::put("key", "a value");
    disk.fail_call(disk.calls() + 1, Fault::Dirty); // the append, then the barrier
    assert!(matches!(
        put.take(&mut journal),
        Err(JournalError::Disk { doing: "sync", .. })
    ));
    let lost = open(&disk.after_power_cut(Loss::Nothing)).unwrap();
    assert!(
        contents(&lost).is_empty(),
        "the failed barrier kept something after all"
    );

    let seen = contents(&open(&disk).unwrap());
    assert_eq!(seen, put.after(&Model::new()));
    let kept = open(&disk.after_power_cut(Loss::Everything)).unwrap();
    assert_eq!(contents(&kept), seen);
}
