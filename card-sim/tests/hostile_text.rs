//! T54: a card's file with a hostile name, in everything the command prints about it.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};
use test_vectors::evidence::report;
use test_vectors::hostile::{is_dangerous, strings};

fn run(folder: &std::path::Path, file: &str, verb: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_card-sim"))
        .current_dir(folder)
        .arg(format!("--state={file}"))
        .args(verb)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn harmless(output: &Output, lines: usize) -> String {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(!said.chars().any(is_dangerous), "{said:?}");
    assert!(said.lines().count() <= lines, "{said:?}");
    said
}

/// T54: as a file that is there, with a card in it, and as one that is not.
#[test]
fn a_hostile_file_name_is_shown_escaped_and_reads_back_from_json() {
    let folder = tempfile::tempdir().unwrap();
    let (mut there, mut missing) = (0, 0);
    for text in strings() {
        if text.contains('\0') {
            continue; // no argument of a program can hold it
        }
        let output = run(folder.path(), &text, &["show"]);
        assert!(!output.status.success());
        harmless(&output, 1);
        missing += 1;
        let made = run(folder.path(), &text, &["init"]);
        harmless(&made, 3);
        if !made.status.success() {
            continue; // too long, or with a folder in it
        }
        harmless(&run(folder.path(), &text, &["show"]), 7);
        let json = harmless(
            &run(folder.path(), &text, &["show", "--output-format", "json"]),
            12,
        );
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["file"], text);
        assert!(json.is_ascii());
        harmless(&run(folder.path(), &text, &["reset"]), 1);
        harmless(&run(folder.path(), &text, &["reset", "--yes"]), 1);
        fs::set_permissions(folder.path().join(&text), fs::Permissions::from_mode(0o644)).unwrap();
        harmless(&run(folder.path(), &text, &["show"]), 1);
        there += 1;
    }
    assert!(there > 130 && missing > 190, "{there} {missing}");
    report(
        "T54",
        6 * there + missing,
        format_args!(
            "runs of card-sim on {there} files with hostile names and {missing} that are missing: nothing raw, JSON reads back"
        ),
    );
}
