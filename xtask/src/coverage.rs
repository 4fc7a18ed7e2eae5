//! `cargo xtask coverage`: which lines of the modules that verify something are run by the tests (T83).
//!
//! The compiler counts (`-C instrument-coverage`), its own `llvm-profdata` and `llvm-cov` read: `rustup component add llvm-tools`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{steps, workspace};

/// What must not have a line that no test runs unnoticed: secure messaging, handshakes, certificates, PIN, slots.
const WATCHED: [&str; 8] = [
    "apdu/src/channel/",
    "apdu/src/handshake/",
    "apdu/src/certificate/",
    "card-sim/core/src/retry.rs",
    "card-sim/core/src/slots.rs",
    "card-sim/core/src/trust.rs",
    "card-sim/core/src/handle/",
    "terminal-lib/src/flow/",
];
/// The packages whose tests are run.
const PACKAGES: [&str; 4] = ["apdu", "card-core", "terminal-lib", "conformance"];
/// Fewer lines than this share of a watched module is a failure.
const FLOOR: f64 = 90.0;

/// Runs the tests and prints the share of lines of each watched file.
///
/// # Errors
/// Missing tools, tests that fail, or a share below the floor.
pub fn check() -> Result<(), String> {
    let tools = tools()?;
    let folder = workspace::target()?.join("coverage");
    let programs = build(&folder)?;
    let profiles = folder.join("profiles");
    if profiles.exists() {
        std::fs::remove_dir_all(&profiles).map_err(|error| error.to_string())?;
    }
    for (package, program) in &programs {
        let mut test = Command::new(program);
        test.current_dir(package)
            .env("CARGO_MANIFEST_DIR", package)
            .env("LLVM_PROFILE_FILE", profiles.join("%p-%m.profraw"))
            .stdout(Stdio::null());
        steps::run(&mut test)?;
    }
    let merged = folder.join("merged.profdata");
    let mut merge = Command::new(tools.join("llvm-profdata"));
    merge
        .args(["merge", "-sparse", "-o"])
        .arg(&merged)
        .arg(&profiles);
    steps::run(&mut merge)?;
    judge(&report(&tools, &merged, &programs)?)
}

/// Where the toolchain keeps its llvm tools.
fn tools() -> Result<PathBuf, String> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir"])
        .current_dir(workspace::root())
        .output()
        .map_err(|error| format!("rustc: {error}"))?;
    let library = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let tools = Path::new(&library).with_file_name("bin");
    if tools.join("llvm-cov").is_file() {
        Ok(tools)
    } else {
        Err("the toolchain's llvm tools are missing: rustup component add llvm-tools".into())
    }
}

/// The test programs, each with its package's folder.
fn build(folder: &Path) -> Result<Vec<(PathBuf, PathBuf)>, String> {
    let mut cargo = Command::new("cargo");
    cargo.args([
        "test",
        "--no-run",
        "--message-format=json",
        "--lib",
        "--tests",
    ]);
    for package in PACKAGES {
        cargo.args(["-p", package]);
    }
    cargo
        .current_dir(workspace::root())
        .env("CARGO_TARGET_DIR", folder)
        .env("RUSTFLAGS", "-C instrument-coverage")
        .env("LLVM_PROFILE_FILE", folder.join("build/%p-%m.profraw")) // build scripts count, too
        .stderr(Stdio::inherit());
    let output = cargo.output().map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err("the tests do not build".into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let programs = messages.filter_map(|message| {
        let program = message["executable"].as_str()?;
        let manifest = Path::new(message["manifest_path"].as_str()?);
        Some((manifest.parent()?.to_path_buf(), PathBuf::from(program)))
    });
    Ok(programs.collect())
}

/// What llvm-cov says, as JSON.
fn report(tools: &Path, merged: &Path, programs: &[(PathBuf, PathBuf)]) -> Result<Value, String> {
    let mut export = Command::new(tools.join("llvm-cov"));
    export
        .args([
            "export",
            "--summary-only",
            "--format=text",
            "-instr-profile",
        ])
        .arg(merged);
    for (_, program) in programs {
        export.arg("-object").arg(program);
    }
    let output = export
        .output()
        .map_err(|error| format!("llvm-cov: {error}"))?;
    serde_json::from_slice(&output.stdout).map_err(|error| format!("llvm-cov: {error}"))
}

/// One line a watched file, and the sum.
fn judge(report: &Value) -> Result<(), String> {
    let root = format!("{}/", workspace::root().display());
    let files = report["data"][0]["files"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let (mut lines, mut covered, mut low) = (0, 0, Vec::new());
    for file in files {
        let name = file["filename"].as_str().unwrap_or_default();
        let Some(name) = name.strip_prefix(&root) else {
            continue;
        };
        if !WATCHED.iter().any(|watched| name.starts_with(watched)) || name.ends_with("tests.rs") {
            continue;
        }
        let of = |field: &str| file["summary"]["lines"][field].as_u64().unwrap_or_default();
        let percent = file["summary"]["lines"]["percent"]
            .as_f64()
            .unwrap_or_default();
        println!(
            "{name:<46} {:>5} of {:>5} lines  {percent:>6.2} %",
            of("covered"),
            of("count")
        );
        lines += of("count");
        covered += of("covered");
        if percent < FLOOR {
            low.push(format!("{name} {percent:.1} %"));
        }
    }
    if lines == 0 {
        return Err("llvm-cov saw none of the watched files".into());
    }
    println!(
        "evidence: T83 cases={lines} seed=0 lines of the verifying modules, {covered} of them run by a test"
    );
    if low.is_empty() {
        Ok(())
    } else {
        Err(format!("below {FLOOR} %: {}", low.join(", ")))
    }
}
