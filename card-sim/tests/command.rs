//! The command `card-sim` as a person runs it.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

fn card_sim(state: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_card-sim"))
        .arg("--state")
        .arg(state)
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_new_card_is_blank_private_and_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("deep/er/card.state");
    assert!(card_sim(&state, &["init"]).status.success());
    assert_eq!(
        fs::metadata(&state).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let shown = card_sim(&state, &["show"]);
    assert!(text(&shown.stdout).contains("life cycle    blank"));
    let again = card_sim(&state, &["init"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        text(&again.stderr).starts_with("card-sim: "),
        "{}",
        text(&again.stderr)
    );
}

#[test]
fn show_gives_the_same_as_data() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("card.state");
    card_sim(&state, &["init"]);
    let shown = card_sim(&state, &["show", "--output-format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(json["lifeCycle"], "blank");
    assert_eq!(json["pairings"], 0);
}

#[test]
fn a_reset_needs_a_yes() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("card.state");
    card_sim(&state, &["init"]);
    assert_eq!(card_sim(&state, &["reset"]).status.code(), Some(2));
    assert!(card_sim(&state, &["reset", "--yes"]).status.success());
}

/// Garbage in the file: one clear line, the file as it was, no panic.
#[test]
fn files_that_are_no_cards_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.state");
    card_sim(&good, &["init"]);
    let good = fs::read(good).unwrap();
    let mut flipped = good.clone();
    flipped[3] ^= 1;
    let rows: [(&str, Vec<u8>); 4] = [
        ("text", b"this is no card\n".repeat(9)),
        ("zeros", vec![0; 4096]),
        ("another magic", flipped),
        ("cut", good[..good.len() - 1].to_vec()),
    ];
    for (label, content) in rows {
        let state = folder.path().join("bad.state");
        fs::write(&state, &content).unwrap();
        fs::set_permissions(&state, fs::Permissions::from_mode(0o600)).unwrap();
        for verb in ["show", "run", "reset"] {
            let output = card_sim(&state, &[verb]);
            assert_eq!(output.status.code(), Some(1), "{label} {verb}");
            let said = text(&output.stderr);
            assert!(
                said.starts_with("card-sim: ") && !said.contains("panicked"),
                "{label} {verb}: {said}"
            );
            assert_eq!(fs::read(&state).unwrap(), content, "{label} {verb}");
        }
        fs::remove_file(&state).unwrap();
    }
    let missing = card_sim(&folder.path().join("none"), &["show"]);
    assert_eq!(missing.status.code(), Some(1));
}
