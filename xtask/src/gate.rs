//! Every check in order. If it is green here, it is green everywhere.

use std::path::Path;
use std::process::Command;

use crate::evidence::{self, Request};
use crate::steps::{self, Outcome, Steps};
use crate::{checklist, lane, map, setup, vectors, workspace};

/// The authority with its key on a token.
const TOKENS: [&str; 6] = [
    "-p",
    "authority",
    "-p",
    "certify-tool",
    "--features",
    "authority/pkcs11,certify-tool/pkcs11",
];

/// Where the checks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// A developer's: only Debian packages are installed.
    Desk {
        /// Whether a missing reader stack is an error.
        reader: bool,
    },
    /// A fresh one: tools are installed as well.
    Ci,
}

/// Runs every check and prints a table of them.
///
/// # Errors
/// The names of the checks that failed.
pub fn run(machine: Machine) -> Result<(), String> {
    let mut steps = Steps::default();
    let reader_wanted = machine != Machine::Desk { reader: false };
    steps.step("setup: Debian packages", |_| match setup::install() {
        Err(reason) if !reader_wanted => Outcome::Skipped(reason),
        outcome => outcome.into(),
    });
    if machine == Machine::Ci {
        steps.step("setup: tools", |_| tools().into());
    }
    steps.step("format", |_| cargo(&["fmt", "--all", "--check"]));
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--features",
        "conformance/oracle",
    ];
    steps.step("clippy", |_| {
        cargo(&[&clippy[..], &["--", "-D", "warnings"]].concat())
    });
    steps.step("clippy with PC/SC", |_| {
        if setup::library_is_there() {
            cargo(&[&clippy[..], &["--features", "pcsc", "--", "-D", "warnings"]].concat())
        } else {
            without_reader(reader_wanted, "libpcsclite-dev is missing")
        }
    });
    steps.step("wire and card without std", |_| bare());
    steps.step("clippy with tokens", |_| {
        cargo(
            &[
                &["clippy", "--all-targets"],
                &TOKENS[..],
                &["--", "-D", "warnings"],
            ]
            .concat(),
        )
    });
    steps.step("tests", |results| evidence::tests(Request::QUICK, results));
    steps.step("tests with tokens", |_| {
        let tests = [
            "--test",
            "hsm",
            "--test",
            "hsm_lost",
            "--test",
            "hsm_absent",
            "--test",
            "hsm_authority",
            "--test",
            "token",
        ];
        cargo(&[&["test"], &TOKENS[..], &tests].concat())
    });
    steps.step("vectors", |_| vectors::check().into());
    steps.step("map", |_| map::check().into());
    steps.step("checklist", |_| checklist::check().into());
    steps.step("licences and sources", |_| deny(machine));
    steps.step("tests with a real pcscd", |results| {
        if setup::reader_is_there() {
            lane::tests(&[], results).into()
        } else {
            without_reader(
                reader_wanted,
                "pcscd or its virtual reader is missing: `cargo xtask setup`",
            )
        }
    });
    evidence::gather(&mut steps, Request::QUICK);
    steps.finish()
}

fn cargo(arguments: &[&str]) -> Outcome {
    steps::run(
        Command::new("cargo")
            .args(arguments)
            .current_dir(workspace::root()),
    )
    .into()
}

fn without_reader(wanted: bool, reason: &str) -> Outcome {
    if wanted {
        Outcome::Failed(reason.into())
    } else {
        Outcome::Skipped(reason.into())
    }
}

/// Builds for a target without an operating system where one is installed, else for this machine.
fn bare() -> Outcome {
    let targets = Command::new("rustup")
        .args(["target", "list", "--installed"])
        .output();
    let targets = targets
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let build = [
        "build",
        "-p",
        "apdu",
        "-p",
        "card-core",
        "--no-default-features",
    ];
    match targets.lines().find(|target| target.contains("-none")) {
        Some(target) => cargo(&[&build[..], &["--target", target]].concat()),
        None => cargo(&build),
    }
}

fn deny(machine: Machine) -> Outcome {
    if !steps::succeeds("cargo", &["deny", "--version"]) {
        let reason = "cargo-deny is missing: cargo install --locked cargo-deny";
        return if machine == Machine::Ci {
            Outcome::Failed(reason.into())
        } else {
            Outcome::Skipped(reason.into())
        };
    }
    // Why no advisories: their database lives on another host than the crates, which a closed machine cannot reach.
    cargo(&[
        "deny",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ])
}

/// What a CI machine lacks.
fn tools() -> Result<(), String> {
    // Why not checked: without the target the bare build falls back to this machine's.
    let _ = steps::run(Command::new("rustup").args(["target", "add", "thumbv7em-none-eabi"]));
    if steps::succeeds("cargo", &["deny", "--version"]) {
        return Ok(());
    }
    let mut install = Command::new("cargo");
    install.args(["install", "--locked", "cargo-deny"]);
    // Why elsewhere: cargo would otherwise read this workspace's own settings.
    steps::run(install.current_dir(Path::new("/")))
}
