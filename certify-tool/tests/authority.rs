//! The authority's own verbs: making it, looking at it, revoking.

mod support;

use std::process::{Command, Stdio};
use support::{Desk, ROOT, Ran, exists, value};

const CERTIFY: &str = "terminal --store store --identity one --passphrase-file passphrase";

#[test]
fn an_authority_is_made_once_with_a_passphrase_worth_the_name() {
    let desk = Desk::empty();
    desk.write("short", b"7 bytes\n");
    let init = format!("ca init --name {ROOT} --passphrase-file");
    desk.run(&format!("{init} short"))
        .fails(1, "the passphrase needs at least 8 characters");
    desk.run("ca init --name lower00001 --passphrase-file passphrase")
        .fails(2, "lower00001 is no name");
    assert!(!exists(&desk.path("ca")));
    let made = desk.run(&format!("{init} passphrase")).succeeds();
    assert_eq!(value(&made.text(), "holder "), ROOT);
    assert_eq!(value(&made.text(), "bytes"), "409");
    let before = desk.snapshot();
    desk.run(&format!("{init} passphrase"))
        .fails(1, "there is something already");
    assert!(desk.snapshot() == before);
}

#[test]
fn an_authority_nobody_named_is_in_the_users_data_folder() {
    let desk = Desk::empty();
    let certify = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_certify"))
            .args(arguments)
            .current_dir(desk.path("."))
            .env_remove("TALLY_AUTHORITY")
            .env("XDG_DATA_HOME", desk.path("data"))
            .output()
            .unwrap();
        Ran::new("without --dir", output)
    };
    certify(&[
        "ca",
        "init",
        "--name",
        ROOT,
        "--passphrase-file",
        "passphrase",
    ])
    .succeeds();
    assert!(exists(&desk.path("data/tallystick/authority/root.cvcert")));
    certify(&["ledger", "verify"]).succeeds();
}

#[test]
fn without_an_authority_the_verbs_say_how_to_make_one() {
    let desk = Desk::empty();
    for line in [
        "list",
        "challenge",
        "export root",
        "ledger verify",
        "revoke ZZTALLYTERM00001 --reason lost --passphrase-file passphrase",
        "status-list --passphrase-file passphrase",
    ] {
        desk.run(line).fails(
            1,
            "there is no authority in ca; make one with `certify ca init`",
        );
    }
}

#[test]
fn a_wrong_passphrase_is_exit_code_4_and_writes_nothing() {
    let desk = Desk::with_authority();
    desk.run(CERTIFY).succeeds();
    desk.write("wrong", b"wrong horse\n");
    let before = desk.snapshot();
    for line in [
        "revoke ZZTALLYTERM00001 --reason lost --passphrase-file wrong",
        "status-list --passphrase-file wrong",
        "terminal --store other --passphrase-file wrong",
        "card --listen 127.0.0.1:0 --pin-file pin --passphrase-file wrong",
    ] {
        desk.run(line).fails(4, "wrong passphrase");
    }
    assert!(desk.snapshot() == before);
    assert!(!exists(&desk.path("other")));
}

#[test]
fn a_revoked_holder_is_refused_under_the_new_list_and_taken_under_the_old_one() {
    let desk = Desk::with_authority();
    desk.run(CERTIFY).succeeds();
    desk.run("export ZZTALLYTERM00001 --out one.pem").succeeds();
    desk.run("status-list --out before.pem --passphrase-file passphrase")
        .succeeds();
    let verify = "verify one.pem --root ca/root.cvcert --list";
    desk.run(&format!("{verify} before.pem")).succeeds();

    desk.run("revoke ZZTALLYTERM00009 --reason lost --passphrase-file passphrase")
        .fails(1, "no certificate was ever issued to ZZTALLYTERM00009");
    let revoke = "revoke ZZTALLYTERM00001 --reason lost --out after.der --format der --passphrase-file passphrase";
    desk.run(revoke).succeeds();
    desk.run(revoke).fails(1, "is revoked already");
    desk.run(&format!("{verify} after.der"))
        .fails(3, "the holder is revoked");
    desk.run(&format!("{verify} before.pem")).succeeds();
    let list = desk.run("--output-format json list").succeeds().json();
    assert_eq!(
        (&list[0]["state"], &list[0]["reason"]),
        (&"revoked".into(), &"lost".into())
    );
    let seen = desk
        .run("--output-format json inspect after.der")
        .succeeds()
        .json();
    assert_eq!(
        (&seen["sequence"], &seen["minimumEpoch"]),
        (&2.into(), &0.into())
    );
    assert_eq!(seen["revoked"].as_array().unwrap().len(), 1);
    let newest = desk.run("export list --format der").succeeds();
    assert!(newest.stdout == desk.read("after.der"));
}

#[test]
fn a_cut_takes_every_earlier_certificate_and_no_later_one() {
    let desk = Desk::with_authority();
    desk.run(CERTIFY).succeeds();
    desk.run("status-list --cut-off-all --out list.pem --passphrase-file passphrase")
        .succeeds();
    desk.run("terminal --store store --identity two --passphrase-file passphrase")
        .succeeds();
    for (name, code) in [("ZZTALLYTERM00001", 3), ("ZZTALLYTERM00002", 0)] {
        desk.run(&format!("export {name} --out {name}")).succeeds();
        let ran = desk.run(&format!(
            "verify {name} --root ca/root.cvcert --list list.pem"
        ));
        assert_eq!(ran.code, Some(code), "{name}: {}", ran.stderr);
    }
    assert!(desk.run("list").succeeds().text().contains("cut off"));
}

#[test]
fn text_from_outside_cannot_play_tricks_with_the_screen() {
    let desk = Desk::with_authority();
    desk.run(CERTIFY).succeeds();
    let reason = "lost\u{202e}tsol";
    let arguments = [
        "revoke",
        "ZZTALLYTERM00001",
        "--passphrase-file",
        "passphrase",
        "--reason",
        reason,
    ];
    Ran::new("revoke", desk.command(&arguments).output().unwrap()).succeeds();
    let text = desk.run("list").succeeds().text();
    assert!(text.contains("lost\\u{202e}tsol"), "{text}");
    let trick = "nofile\u{1b}[2J";
    let ran = Ran::new(trick, desk.command(&["inspect", trick]).output().unwrap());
    assert!(
        ran.fails(1, "cannot read nofile\\u{1b}[2J")
            .stderr
            .is_ascii()
    );
}

#[test]
fn the_ledger_verifies_and_a_noted_head_finds_a_shortened_one() {
    let desk = Desk::with_authority();
    let early = desk
        .run("--output-format json ledger verify")
        .succeeds()
        .json();
    desk.run(CERTIFY).succeeds();
    let late = desk
        .run("--output-format json ledger verify")
        .succeeds()
        .json();
    assert_eq!(
        (&late["lines"], &late["certificates"]),
        (&4.into(), &1.into())
    );
    let head = |of: &serde_json::Value| of["head"].as_str().unwrap().to_string();
    let check = |head: &str| desk.run(&format!("ledger verify --head {head}"));
    check(&head(&early)).succeeds();
    check(&head(&late)).succeeds();
    check("abc").fails(2, "a head is 64 hexadecimal digits");
    let ledger = desk.ledger();
    let end = ledger[..ledger.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap();
    desk.write("ca/ledger.jsonl", &ledger[..=end]);
    check(&head(&early)).succeeds();
    check(&head(&late)).fails(3, "lines were taken away");
    let mut tampered = ledger.clone();
    tampered[end / 2] ^= 1;
    desk.write("ca/ledger.jsonl", &tampered);
    desk.run("ledger verify").fails(3, "nothing was changed");
    assert!(desk.ledger() == tampered);
}

#[test]
fn a_ledger_cut_in_its_last_line_goes_on_and_says_so() {
    let desk = Desk::with_authority();
    let before = desk.ledger();
    desk.run("challenge").succeeds();
    let ledger = desk.ledger();
    desk.write("ca/ledger.jsonl", &ledger[..ledger.len() - 5]);
    let ran = desk.run("list").succeeds();
    assert!(
        ran.stderr.contains("unfinished and was cut off"),
        "{}",
        ran.stderr
    );
    assert!(desk.ledger() == before);
}

#[test]
fn two_processes_at_once_give_two_names_and_one_whole_ledger() {
    let desk = Desk::with_authority();
    let children: Vec<_> = (0..8)
        .map(|_| {
            desk.command(&["--output-format", "json", "challenge"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut names: Vec<String> = children
        .into_iter()
        .map(|child| Ran::new("challenge", child.wait_with_output().unwrap()).succeeds())
        .map(|ran| ran.json()["name"].as_str().unwrap().to_string())
        .collect();
    names.sort();
    let expected: Vec<String> = (1..=8).map(|n| format!("ZZTALLYTERM{n:05}")).collect();
    assert_eq!(names, expected);
    desk.run("ledger verify").succeeds();
}

#[test]
fn an_output_that_cannot_be_written_loses_nothing() {
    let desk = Desk::with_authority();
    desk.run("status-list --out no/such/folder/list.pem --passphrase-file passphrase")
        .fails(1, "`certify export` writes it once more");
    desk.run("export list --out list.pem").succeeds();
    let seen = desk
        .run("--output-format json inspect list.pem")
        .succeeds()
        .json();
    assert_eq!(seen["sequence"], 1);
}

#[test]
fn a_secret_is_no_argument() {
    let desk = Desk::with_authority();
    for line in [
        "status-list --passphrase secret",
        "card --listen 127.0.0.1:0 --pin 271828",
        "card --listen 127.0.0.1:0 --puk 27182818",
    ] {
        let ran = desk.run(line);
        assert_eq!(ran.code, Some(2), "{line}");
        assert!(ran.stderr.contains("unexpected argument"), "{}", ran.stderr);
    }
}
