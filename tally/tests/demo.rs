//! `tally demo`, as a newcomer runs it.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use serde_json::Value;
use std::process::Command;

fn demo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tally"))
        .arg("demo")
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(output.stderr.is_empty());
    String::from_utf8(output.stdout).unwrap()
}

fn commands(insertion: &Value) -> Vec<&str> {
    let steps = insertion["steps"].as_array().unwrap();
    steps
        .iter()
        .filter_map(|step| step["command"].as_str())
        .collect()
}

/// ST-21 to ST-23, ST-27: the whole of Fig. 5, and then authentication alone.
#[test]
fn the_first_insertion_sets_up_and_the_second_does_not() {
    let told: Value = serde_json::from_str(&demo(&["--output-format", "json"])).unwrap();
    let [first, second] = told["insertions"].as_array().unwrap().as_slice() else {
        unreachable!("two insertions");
    };
    assert_eq!(
        commands(first)[..12],
        [
            "SELECT",
            "AUTHENTICATE reconnect",
            "SELECT",
            "VERIFY CERTIFICATE",
            "AUTHENTICATE key exchange",
            "GET DATA card certificate",
            "AUTHENTICATE terminal random",
            "VERIFY",
            "AUTHENTICATE commit",
            "SELECT",
            "AUTHENTICATE reconnect",
            "GET DATA status"
        ]
    );
    assert_eq!(
        commands(second)[..3],
        ["SELECT", "AUTHENTICATE reconnect", "GET DATA status"]
    );
    for (insertion, side, expected) in [
        (first, "curveOperationsCard", 6),
        (second, "curveOperationsCard", 0),
        (second, "curveOperationsTerminal", 0),
    ] {
        assert_eq!(insertion["figures"][side], expected, "{side}");
    }
    assert!(
        first["figures"]["curveOperationsTerminal"]
            .as_u64()
            .unwrap()
            >= 6
    );
}

#[test]
fn the_story_is_told_and_the_trace_hides_every_body() {
    let story = demo(&[]);
    for sentence in [
        "they have never met",
        "asks for its PIN; 3 tries are left",
        "insertion two",
        "yesterday's key is gone",
    ] {
        assert!(story.contains(sentence), "{sentence}");
    }
    let trace = demo(&["--trace"]);
    assert!(trace.len() > story.len());
    for secret in ["271828", "323731383238"] {
        assert!(
            !trace.contains(secret) && !story.contains(secret),
            "the PIN, in text or in bytes"
        );
    }
}

#[test]
fn what_cannot_be_done_is_said_in_one_line_with_its_exit_code() {
    let tally = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_tally"))
            .args(arguments)
            .output()
            .unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("terminal.store");
    let store = store.to_str().unwrap();
    for (arguments, code) in [
        (&["nonsense"][..], 2),
        (&["pairings", "--store", store, "forget", "lower"], 2),
        (
            &["pairings", "--store", store, "forget", "ZZNOBODY00001"],
            1,
        ),
        (&["identity", "--store", store, "show"], 1),
        (
            &[
                "identity",
                "--store",
                store,
                "request",
                "--issuer",
                "ZZROOT00001",
                "--name",
                "ZZTERM00001",
                "--nonce",
                "12",
            ],
            2,
        ),
        (
            &[
                "identity",
                "--store",
                store,
                "install",
                "/nonexistent",
                "--root",
                "/nonexistent",
            ],
            1,
        ),
        (
            &["card", "--store", store, "--listen", "127.0.0.1:1", "reset"],
            2,
        ),
        (&["session", "--store", store, "--listen", "192.0.2.1:1"], 2),
        (&["session", "--store", "/nonexistent/terminal.store"], 1),
    ] {
        let output = tally(arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            !said.is_empty() && !said.contains("panicked"),
            "{arguments:?}: {said}"
        );
    }
}
