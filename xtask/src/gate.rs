//! Every check in order. If it is green here, it is green everywhere.

use std::process::Command;

use crate::evidence::{self, Request};
use crate::steps::{self, Outcome, Steps};
use crate::{checklist, lane, map, setup, tools, vectors, workspace};

/// The authority with its key on a token.
const TOKENS: [&str; 6] = [
    "-p",
    "authority",
    "-p",
    "certify-tool",
    "--features",
    "authority/pkcs11,certify-tool/pkcs11",
];

/// Runs every check and prints a table of them. What a check needs and this machine lacks is installed; where that cannot be, the check is
/// skipped in words. In CI a check that was skipped has failed.
///
/// # Errors
/// The names of the checks that failed.
pub fn run() -> Result<(), String> {
    let mut steps = Steps::default();
    steps.step("setup: Debian packages", |_| match setup::install() {
        Ok(()) => Outcome::Passed,
        Err(reason) => Outcome::Skipped(reason),
    });
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
            Outcome::Skipped("libpcsclite-dev is missing".into())
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
    steps.step("vectors", |_| match setup::python_is_there() {
        Ok(()) => vectors::check().into(),
        Err(reason) => Outcome::Skipped(reason),
    });
    steps.step("map", |_| map::check().into());
    steps.step("checklist", |_| checklist::check().into());
    steps.step("licences and sources", |_| deny());
    steps.step("tests with a real pcscd", |results| {
        if setup::reader_is_there() {
            lane::tests(&[], results).into()
        } else {
            Outcome::Skipped("pcscd or its virtual reader is missing: `cargo xtask setup`".into())
        }
    });
    evidence::gather(&mut steps, Request::QUICK);
    steps.finish(std::env::var_os("CI").is_some())
}

fn cargo(arguments: &[&str]) -> Outcome {
    steps::run(
        Command::new("cargo")
            .args(arguments)
            .current_dir(workspace::root()),
    )
    .into()
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

fn deny() -> Outcome {
    let path = match tools::DENY.search_path() {
        Ok(path) => path,
        Err(reason) => return Outcome::Skipped(reason),
    };
    // Their database lives on another host than the crates, which a closed machine cannot reach.
    println!(
        "advisories (RustSec): NOT CHECKED; where the network allows it: cargo deny check advisories"
    );
    let mut deny = Command::new("cargo");
    deny.args([
        "deny",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]);
    steps::run(deny.env("PATH", path).current_dir(workspace::root())).into()
}
