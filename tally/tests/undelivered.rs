//! Results that nobody receives, and content that a terminal must not act on.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod desk;

use desk::Desk;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};

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

fn run(desk: &Desk, verb: &[&str], stdout: Stdio, stderr: Stdio) -> Output {
    let output = desk
        .command(verb, &["--pin-file", "pin", "--pairing", "auto"])
        .stdout(stdout)
        .stderr(stderr)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{verb:?}: {said}");
    output
}

/// Verbs with a result, at a card.
const VERBS: [&[&str]; 5] = [
    &["session"],
    &["counter", "show"],
    &["vault", "list"],
    &["card", "show"],
    &["counter", "add", "5"],
];

#[test]
fn a_result_that_cannot_be_written_is_exit_code_1_and_a_closed_pipe_is_none() {
    let desk = Desk::listening();
    desk.ok(&["vault", "put", "note", "pin"], &[]);
    for verb in VERBS {
        let told = run(&desk, verb, full(), Stdio::piped());
        assert_eq!(told.status.code(), Some(1), "{verb:?}");
        let said = String::from_utf8(told.stderr).unwrap();
        assert!(
            said.contains("cannot write to standard output"),
            "{verb:?}: {said}"
        );
        for (stdout, stderr) in [
            (closed(), Stdio::piped()),
            (Stdio::piped(), closed()),
            (Stdio::piped(), full()),
        ] {
            assert_eq!(
                run(&desk, verb, stdout, stderr).status.code(),
                Some(0),
                "{verb:?}"
            );
        }
    }
    // Four times 5: what the card was asked to do it has done, whoever reads of it.
    assert!(desk.ok(&["counter", "show"], &[]).starts_with("20 of"));
}

#[test]
fn verbs_without_a_card_do_the_same() {
    for verb in [
        &["demo"][..],
        &["--output-format", "json", "demo"],
        &["demo", "--trace"],
    ] {
        let run = |stdout: Stdio| {
            let mut tally = Command::new(env!("CARGO_BIN_EXE_tally"));
            tally.args(verb).stdout(stdout).output().unwrap()
        };
        assert_eq!(run(full()).status.code(), Some(1), "{verb:?}");
        let quiet = run(closed());
        assert_eq!(quiet.status.code(), Some(0), "{verb:?}");
        assert!(quiet.stderr.is_empty(), "{verb:?}");
    }
}

/// What a card holds may have been written by another terminal.
#[test]
fn content_for_a_terminal_is_escaped_and_for_a_pipe_or_a_file_it_is_as_it_is() {
    let desk = Desk::listening();
    let content = b"one\n\x1b]0;owned\x07\x1b[2Jtwo\xff\n";
    fs::write(desk.path("note.bin"), content).unwrap();
    desk.ok(&["vault", "put", "note", "note.bin"], &[]);
    let get: &[&str] = &["vault", "get", "note"];
    let piped = run(&desk, get, Stdio::piped(), Stdio::piped());
    assert_eq!(piped.stdout, content);
    desk.ok(&["vault", "get", "note"], &["--out", "copy"]);
    assert_eq!(fs::read(desk.path("copy")).unwrap(), content);
    let mode = fs::metadata(desk.path("copy"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "a file with an object is its owner's");
    let at_terminal = |more: &[&str]| {
        let command = desk.command(get, &[&["--pin-file", "pin"], more].concat());
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let line: Vec<String> = words
            .map(|word| format!("'{}'", word.to_str().unwrap()))
            .collect();
        // `script` gives the command a terminal.
        Command::new("script")
            .args(["-q", "-e", "-c", &line.join(" "), "/dev/null"])
            .current_dir(desk.path(""))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let shown = at_terminal(&[]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.success(), "{text}");
    assert!(
        text.contains("\\u{1b}]0;owned\\u{7}\\u{1b}[2Jtwo\\xff"),
        "{text:?}"
    );
    assert!(!text.contains("\u{1b}]0;"), "{text:?}");
    let raw = at_terminal(&["--raw"]);
    let found = raw
        .stdout
        .windows(10)
        .any(|bytes| bytes == b"\x1b]0;owned\x07");
    assert!(found, "{:?}", String::from_utf8_lossy(&raw.stdout));
}
