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
    certify(&["log", "verify"]).succeeds();
}

#[test]
fn without_an_authority_the_verbs_say_how_to_make_one() {
    let desk = Desk::empty();
    for line in [
        "list",
        "challenge",
        "export root",
        "log verify",
        "revoke ZZTALLYTERM00001 --reason lost --passphrase-file passphrase",
        "status-list publish --passphrase-file passphrase",
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
        "status-list publish --passphrase-file wrong",
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
    desk.run("status-list publish --out before.pem --passphrase-file passphrase")
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
    desk.run("status-list publish --cut-off-all --out list.pem --passphrase-file passphrase")
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
fn a_noted_head_finds_a_ledger_that_was_put_back() {
    let desk = Desk::with_authority();
    let early = desk.read("ca/authority.db");
    desk.run("log head --out early.json").succeeds();
    desk.run(CERTIFY).succeeds();
    desk.run("log head --out late.json").succeeds();
    let audit = desk
        .run("--output-format json log verify")
        .succeeds()
        .json();
    assert_eq!(
        (
            &audit["lines"],
            &audit["certificates"],
            &audit["signedUpTo"]
        ),
        (&4.into(), &1.into(), &3.into())
    );
    desk.run("log verify --head early.json").succeeds();
    desk.run("log verify --head late.json").succeeds();
    desk.write("ca/authority.db", &early);
    desk.run("log verify --head early.json").succeeds();
    desk.run("log verify --head late.json")
        .fails(3, "does not go on where this head ended");
    let text = String::from_utf8(desk.read("late.json")).unwrap();
    let forged = text.replace("\"size\":3", "\"size\":1");
    desk.write("forged.json", forged.as_bytes());
    desk.run("log verify --head forged.json")
        .fails(3, "the noted head is not signed by ZZTALLYROOT00001");
    desk.write("none.json", b"{}");
    desk.run("log verify --head none.json")
        .fails(3, "none.json:");
}

#[test]
fn a_receipt_is_checked_offline_and_a_damaged_one_is_refused() {
    let desk = Desk::with_authority();
    desk.run("log head --out early.json").succeeds();
    desk.run(CERTIFY).succeeds();
    desk.run("log head --out late.json").succeeds();
    desk.run("export root --out root.pem").succeeds();
    desk.run("log receipt ZZTALLYTERM00001 --out receipt.json")
        .succeeds();
    desk.run("log consistency --from early.json --to late.json --out proof.json")
        .succeeds();
    std::fs::remove_dir_all(desk.path("ca")).unwrap(); // nobody needs the authority for this
    let check = "log check receipt.json --root root.pem";
    let shown = desk
        .run(&format!("--output-format json {check}"))
        .succeeds()
        .json();
    assert_eq!(shown["holder"], "ZZTALLYTERM00001");
    assert_eq!(
        (&shown["event"], &shown["line"]),
        (&"issued".into(), &3.into())
    );
    let proof = "log check proof.json --root root.pem --from early.json --to late.json";
    desk.run(proof).succeeds();
    desk.run("log check proof.json --root root.pem --from late.json --to early.json")
        .fails(3, "proof.json:");
    let good = String::from_utf8(desk.read("receipt.json")).unwrap();
    for (what, with) in [
        ("ZZTALLYTERM00001", "ZZTALLYTERM00002"),
        ("\"index\":2", "\"index\":1"),
        ("\"size\":3", "\"size\":4"),
    ] {
        let damaged = good.replace(what, with);
        assert_ne!(damaged, good, "{what}");
        desk.write("receipt.json", damaged.as_bytes());
        desk.run(check).fails(3, "receipt.json:");
    }
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
    desk.run("log verify").succeeds();
}

#[test]
fn an_output_that_cannot_be_written_loses_nothing() {
    let desk = Desk::with_authority();
    desk.run("status-list publish --out no/such/folder/list.pem --passphrase-file passphrase")
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
        "status-list publish --passphrase secret",
        "card --listen 127.0.0.1:0 --pin 271828",
        "card --listen 127.0.0.1:0 --puk 27182818",
    ] {
        let ran = desk.run(line);
        assert_eq!(ran.code, Some(2), "{line}");
        assert!(ran.stderr.contains("unexpected argument"), "{}", ran.stderr);
    }
}
