//! What nobody received: results on a full disk or into a closed pipe, and what must be delivered before a card is activated for ever.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;
mod virtual_card;

use card_core::lifecycle::LifeCycle;
use card_core::store::MemoryStore;
use card_sim::fault::Fault;
use std::fs::File;
use std::io;
use std::process::Stdio;
use support::{Desk, Ran, exists, value};
use virtual_card::{CARD, personalise, personalise_into};

fn full() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

/// A pipe whose reader is gone.
fn closed() -> Stdio {
    io::pipe().unwrap().1.into()
}

fn life(memory: &MemoryStore) -> LifeCycle {
    LifeCycle::of(memory).unwrap()
}

/// Verbs that have a result and change nothing.
const READING: [&str; 8] = [
    "list",
    "--output-format json list",
    "log verify",
    "log lines",
    "log head",
    "inspect ca/root.cvcert",
    "verify ca/root.cvcert --root ca/root.cvcert",
    "export root --out -",
];

#[test]
fn a_result_that_cannot_be_written_is_a_failure_and_a_closed_pipe_is_none() {
    let desk = Desk::with_authority();
    personalise(&desk, CARD, MemoryStore::new(), None)
        .0
        .succeeds();
    for line in READING {
        let arguments: Vec<&str> = line.split(' ').collect();
        let run = |stdout: Stdio| {
            let mut command = desk.command(&arguments);
            Ran::new(line, command.stdout(stdout).output().unwrap())
        };
        run(Stdio::piped()).succeeds();
        run(full()).fails(1, "No space left on device");
        let ran = run(closed()).succeeds();
        assert_eq!(ran.stderr, "", "{line}: who closed the pipe has enough");
    }
}

#[test]
fn words_that_nobody_reads_change_no_exit_code() {
    let desk = Desk::with_authority();
    for (line, code) in [
        ("list", 0),
        ("inspect none.pem", 1),
        ("verify pin --root ca/root.cvcert", 3),
    ] {
        for stderr in [full(), closed()] {
            let arguments: Vec<&str> = line.split(' ').collect();
            let output = desk.command(&arguments).stderr(stderr).output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{line}");
        }
    }
}

/// A PUK that nobody received would be lost for ever with the activation.
#[test]
fn a_card_is_not_activated_before_its_puk_was_taken() {
    for stdout in [full, closed] {
        let desk = Desk::with_authority();
        let (ran, memory) = personalise_into(stdout(), &desk, CARD, MemoryStore::new(), None);
        ran.fails(1, "cannot write to standard output");
        assert_eq!(life(&memory), LifeCycle::Certified);
        // Put in again it gets another PUK, which is delivered, and the certificate that it has.
        let (ran, memory) = personalise_into(stdout(), &desk, CARD, memory, None);
        ran.fails(1, "cannot write to standard output");
        assert_eq!(
            life(&memory),
            LifeCycle::Certified,
            "also when its certificate was stored earlier"
        );
        let (ran, memory) = personalise(&desk, CARD, memory, None);
        assert_eq!(value(&ran.succeeds().text(), "puk").len(), 8);
        assert_eq!(life(&memory), LifeCycle::Operational);
    }
}

/// The last command of all, answered by nobody: the card was activated all the same.
#[test]
fn an_activation_whose_answer_was_lost_is_found_to_have_happened() {
    let mut lost = 0;
    for command in 8..24 {
        let desk = Desk::with_authority();
        let fault = Some((command, Fault::DropAfter));
        let (ran, memory) = personalise(&desk, CARD, MemoryStore::new(), fault);
        if life(&memory) == LifeCycle::Operational {
            let text = ran.text();
            assert_eq!(
                value(&text, "puk").len(),
                8,
                "command {command}: its PUK was delivered"
            );
            lost += usize::from(ran.code != Some(0));
        }
    }
    assert!(lost <= 1, "only where the card is gone it is not known");
}

/// Whatever ends a batch while it activates a card, the report has the card once, with its PUK.
#[test]
fn a_batch_that_was_cut_off_at_an_activation_leaves_the_puk() {
    let desk = Desk::with_authority();
    let card =
        r#"{"keyId":"00","name":"ZZTALLYCARD00009","puk":"31415926","validUntil":"2030-01-01"}"#;
    let done = r#"{"name":"ZZTALLYCARD00008","puk":"27182818","state":"operational"}"#;
    desk.write("tray.jsonl", format!("{done}\n").as_bytes());
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(desk.path("tray.jsonl"), private).unwrap();
    desk.write("tray.jsonl.unfinished", card.as_bytes());
    let batch = "batch --listen 127.0.0.1:0 --pin-file pin --passphrase-file passphrase --count 1 --report tray.jsonl";
    let ran = desk.run(batch).succeeds();
    assert!(ran.stderr.contains("ZZTALLYCARD00009"), "{}", ran.stderr);
    let report = || String::from_utf8(desk.read("tray.jsonl")).unwrap();
    let line = report().lines().nth(1).unwrap().to_owned();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["state"], "certified");
    assert_eq!(line["puk"], "31415926");
    assert!(!exists(&desk.path("tray.jsonl.unfinished")));
    // A cut between the report's line and the removal of the other file.
    desk.write("tray.jsonl.unfinished", card.as_bytes());
    desk.run(batch).succeeds();
    assert_eq!(report().lines().count(), 2);
}
