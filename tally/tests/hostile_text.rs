//! T54: hostile text in every argument that `tally` repeats, as text and as JSON, and a card with hostile labels and names.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use test_vectors::evidence::report;
use test_vectors::hostile::{is_dangerous, strings};

fn tally(folder: &Path, arguments: &[&str], format: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tally"))
        .current_dir(folder)
        .env("XDG_DATA_HOME", folder)
        .args(["--output-format", format])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn harmless(output: &Output) -> String {
    let said = String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap();
    assert!(!said.chars().any(is_dangerous), "{said:?}");
    assert!(!said.contains("panicked"), "{said:?}");
    said
}

/// T54: paths, names of cards, objects, identities and addresses, each two hundred times, in both formats.
#[test]
fn what_tally_repeats_is_escaped_for_people_and_ascii_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let (mut runs, mut failed, mut repeated) = (0, 0, 0);
    for text in strings() {
        if text.contains('\0') {
            continue; // no argument of a program can hold it
        }
        let store = format!("--store=missing/{text}");
        let identity = format!("--identity={text}");
        let card = format!("--card={text}");
        let listen = format!("--listen={text}");
        let rows: [&[&str]; 6] = [
            &["pairings", "list", &store],
            &["pairings", "list", &identity],
            &["pairings", "forget", "--", &text],
            &["session", &card],
            &["session", &listen],
            &["vault", "get", "--listen=nowhere", "--", &text],
        ];
        for row in rows {
            let as_text = tally(folder.path(), row, "text");
            failed += u64::from(!as_text.status.success()); // "true" is an identity
            let said = harmless(&as_text);
            assert!(said.lines().count() <= 1, "{row:?}: {said:?}");
            let as_json = tally(folder.path(), row, "json");
            let json = String::from_utf8(as_json.stdout.clone()).unwrap();
            harmless(&as_json);
            assert!(json.is_ascii(), "{row:?}: {json:?}");
            let read: serde_json::Value = serde_json::from_str(&json).unwrap();
            repeated += u64::from(
                read["error"]
                    .as_str()
                    .is_some_and(|error| error.contains(&text)),
            );
            runs += 2;
        }
    }
    assert!(
        runs > 2_000 && failed > 1_000 && repeated > 500,
        "{runs} {failed} {repeated}"
    );
    report(
        "T54",
        runs,
        format_args!(
            "runs of tally with hostile arguments: nothing raw; {repeated} errors repeat the text, and as JSON say it whole"
        ),
    );
}
