//! T51: a program that is shot in the middle of its work leaves no picture of its memory behind.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "logs/desk.rs"]
#[expect(dead_code, reason = "what was said is not looked at here")]
mod desk;
#[path = "logs/forms.rs"]
#[expect(dead_code, reason = "nothing is searched here")]
mod forms;

use conformance::evidence;
use desk::Desk;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

const SIGABRT: i32 = 6;

/// The limit of core files, soft and hard, as the kernel says.
fn core_limit(process: &str) -> Vec<String> {
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    line.unwrap()
        .split_whitespace()
        .skip(4)
        .take(2)
        .map(str::to_owned)
        .collect()
}

/// T51: each of the three programs, aborted while it waits for its other end.
#[test]
fn an_aborted_program_leaves_no_core() {
    let mut desk = Desk::new();
    desk.secret_file("pin", b"918273645501");
    desk.secret_file("passphrase", b"seven geese");
    let certify = "certify --dir ca";
    desk.run(
        &format!("{certify} ca init --name ZZTALLYROOT00001 --passphrase-file passphrase"),
        true,
    );
    desk.run(
        &format!("{certify} terminal --store terminal.store --passphrase-file passphrase"),
        true,
    );
    desk.run("card-sim --state card.state init", true);
    let programs = [
        "card-sim --state card.state run --connect ADDRESS".to_owned(),
        "tally session --listen ADDRESS --store terminal.store".to_owned(),
        format!("{certify} card --listen ADDRESS --pin-file pin --passphrase-file passphrase"),
    ];
    for line in &programs {
        let mut child = desk.spawn(line);
        // Its first words are said when it has long begun.
        let mut first = String::new();
        BufReader::new(child.stderr.as_mut().unwrap())
            .read_line(&mut first)
            .unwrap();
        let id = child.id().to_string();
        assert_eq!(core_limit(&id), ["0", "0"], "{line}");
        // What must not be dumped is the administrator's to read, no more this user's.
        let owner = |process: &str| {
            fs::metadata(format!("/proc/{process}/environ"))
                .unwrap()
                .uid()
        };
        let own = owner("self");
        assert!(own == 0 || owner(&id) != own, "{line}");
        // The shell's own `kill`: a small machine has no program of that name.
        let shot = Command::new("sh")
            .args(["-c", &format!("kill -ABRT {id}")])
            .status()
            .unwrap();
        assert!(shot.success());
        let end = child.wait().unwrap();
        assert_eq!(
            (end.signal(), end.core_dumped()),
            (Some(SIGABRT), false),
            "{line}"
        );
    }
    let runs = u64::try_from(programs.len()).unwrap();
    evidence::report("T51", runs, "programs aborted at work: limit 0, no core");
}
