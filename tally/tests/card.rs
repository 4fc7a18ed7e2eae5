//! The verbs of `tally` against a virtual card that plugs itself in, without a card service.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod desk;

use desk::Desk;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// ST-26, ST-27: the second process start reconnects without set-up and without a PIN.
#[test]
fn a_session_pairs_once_and_reconnects_ever_after() {
    let desk = Desk::listening();
    assert_eq!(desk.code(&["session"], &[]), 4, "nobody to ask: no pairing");
    assert_eq!(
        desk.code(&["session"], &["--pairing", "auto", "--pin-file", "wrong"]),
        4,
        "the wrong PIN"
    );
    let first = desk.ok(&["session"], &["--output-format", "json"]);
    assert_eq!(
        (&json(&first)["pairedNow"], &json(&first)["pinTries"]),
        (&Value::Bool(true), &3.into())
    );
    let second = desk.tally(
        &["session"],
        &["--pairing", "never", "--output-format", "json"],
    );
    let second = json(std::str::from_utf8(&second.stdout).unwrap());
    assert_eq!(second["pairedNow"], false);
    assert_eq!(second["services"], serde_json::json!(["vault", "counter"]));
    let pairings = Command::new(env!("CARGO_BIN_EXE_tally"))
        .args(["pairings", "list", "--output-format", "json", "--store"])
        .arg(desk.path("terminal.store"))
        .output()
        .unwrap();
    assert_eq!(
        json(std::str::from_utf8(&pairings.stdout).unwrap())[0]["card"],
        "ZZTALLYCARD00001"
    );
    assert_eq!(
        desk.code(&["session"], &["--card", "ZZTALLYCARD00009"]),
        4,
        "another card was expected"
    );
}

/// ST-03, ST-11: both services through the command line; large objects survive the way there and back.
#[test]
fn vault_and_counter_keep_what_they_are_given() {
    let desk = Desk::listening();
    let content: Vec<u8> = (0..20_000u32)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect();
    fs::write(desk.path("in"), &content).unwrap();
    desk.ok(&["vault", "put", "note", "in"], &[]);
    desk.ok(&["vault", "get", "note", "--out", "out"], &[]);
    assert_eq!(fs::read(desk.path("out")).unwrap(), content);
    let list = json(&desk.ok(&["vault", "list"], &["--output-format", "json"]));
    assert_eq!(
        (&list[0]["name"], &list[0]["bytes"]),
        (&"note".into(), &20_000.into())
    );
    desk.ok(&["vault", "delete", "note"], &[]);
    assert_eq!(desk.ok(&["vault", "list"], &[]), "the vault is empty\n");
    assert_eq!(desk.ok(&["counter", "add", "5"], &[]), "5 of 1000000\n");
    assert_eq!(desk.ok(&["counter", "limit", "6"], &[]), "5 of 6\n");
    assert_eq!(
        desk.code(&["counter", "add", "2"], &[]),
        1,
        "beyond the limit"
    );
    fs::write(desk.path("big"), vec![0; 32_769]).unwrap();
    assert_eq!(
        desk.code(&["vault", "put", "big", "big"], &["--pin-file", "pin"]),
        1
    );
    assert_eq!(
        desk.code(&["vault", "get", &"x".repeat(33)], &["--pin-file", "pin"]),
        2
    );
}

/// ST-25, ST-41 from the outside: wrong codes are counted, the PUK helps, a reset leaves a blank card.
#[test]
fn pin_puk_and_reset_do_what_they_say() {
    let desk = Desk::listening();
    desk.ok(&["session"], &[]);
    assert_eq!(
        desk.code(
            &["pin", "change"],
            &["--pin-file", "wrong", "--new-pin-file", "new"]
        ),
        4
    );
    desk.ok(&["pin", "change", "--new-pin-file", "new"], &[]);
    for _ in 0..3 {
        assert_eq!(desk.code(&["card", "show"], &["--pin-file", "wrong"]), 4);
    }
    assert_eq!(
        desk.code(&["card", "show"], &["--pin-file", "new"]),
        4,
        "blocked"
    );
    assert_eq!(
        desk.code(
            &[
                "pin",
                "unblock",
                "--puk-file",
                "puk",
                "--new-pin-file",
                "pin"
            ],
            &[]
        ),
        0
    );
    let shown = desk.ok(&["card", "show"], &["--output-format", "json"]);
    assert_eq!(json(&shown)["pairings"].as_array().unwrap().len(), 1);
    desk.ok(&["card", "reset", "--yes"], &[]);
    let blank = desk.tally(&["session"], &["--pairing", "auto", "--pin-file", "pin"]);
    let said = String::from_utf8_lossy(&blank.stderr).into_owned();
    assert_eq!(blank.status.code(), Some(4), "a blank card");
    assert!(
        said.contains("certif"),
        "it says which side lacks what: {said}"
    );
}

#[test]
fn a_root_that_is_trusted_by_a_link_is_shown_with_the_others() {
    let desk = Desk::listening();
    fs::write(desk.path("link"), desk::link_to("ZZTALLYROOT00002")).unwrap();
    let identity = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tally"))
            .args(["identity", "--output-format", "json", "--store"])
            .arg(desk.path("terminal.store"))
            .args(arguments)
            .current_dir(desk.path(""))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    identity(&["link", "link"]);
    let shown = String::from_utf8(identity(&["show"])).unwrap();
    let roots = &json(&shown)["roots"];
    assert_eq!(
        *roots,
        serde_json::json!(["ZZTALLYROOT00001", "ZZTALLYROOT00002"])
    );
}

/// Revocation reaches a card through any terminal that has the list, the revoked one included (§13).
#[test]
fn a_status_list_travels_with_a_terminal_and_is_enforced_by_the_card() {
    let desk = Desk::listening();
    desk.ok(&["session"], &[]);
    let mut damaged = desk::list_that_revokes("ZZTALLYTERM00001");
    fs::write(desk.path("list"), &damaged).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(desk.path("damaged"), damaged).unwrap();
    let take = |file: &str| {
        Command::new(env!("CARGO_BIN_EXE_tally"))
            .args(["identity", "status-list", file, "--store"])
            .arg(desk.path("terminal.store"))
            .current_dir(desk.path(""))
            .output()
            .unwrap()
            .status
            .code()
    };
    assert_eq!(take("damaged"), Some(3));
    assert_eq!(take("pin"), Some(1), "no list at all");
    assert_eq!(take("list"), Some(0));
    // The session that hands the list over is this terminal's last one.
    drop(desk.tally(&["session"], &["--pairing", "never"]));
    assert_eq!(
        desk.code(&["session"], &["--pairing", "never"]),
        4,
        "the pairing is gone"
    );
    let again = ["--pairing", "auto", "--pin-file", "pin"];
    assert_eq!(
        desk.code(&["session"], &again),
        4,
        "and cannot be made again"
    );
}

/// What is in a terminal's store that is no store: one clear line, nothing changed.
#[test]
fn a_store_that_is_none_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store: &Path = &folder.path().join("terminal.store");
    fs::write(store, "no store at all").unwrap();
    fs::set_permissions(store, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tally"))
        .args(["pairings", "list", "--store"])
        .arg(store)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .starts_with("tally: ")
    );
    assert_eq!(fs::read(store).unwrap(), b"no store at all");
}
