//! The vectors are what their generator makes: a Python program that shares no code with the workspace.

use std::path::PathBuf;
use std::process::Command;

use crate::steps;
use crate::workspace;

const GENERATOR: &str = "test-vectors/generate.py";
const PACKAGE: &str = "cryptography>=43";
/// Says whether the Python package is there and new enough: deterministic ECDSA came with 43, Debian 12 has 38.
const PROBE: &str =
    "import cryptography, sys; sys.exit(int(cryptography.__version__.split('.')[0]) < 43)";

/// Runs the generator with `--check`.
///
/// # Errors
/// Vectors that differ from what the generator makes, or no Python to run it with.
pub fn check() -> Result<(), String> {
    let python = python()?;
    steps::run(
        Command::new(python)
            .args([GENERATOR, "--check"])
            .current_dir(workspace::root()),
    )
}

/// A Python that has the package: the machine's, or one in a folder of our own that gets it now.
///
/// # Errors
/// There is none, and none could be made.
pub fn python() -> Result<PathBuf, String> {
    if steps::succeeds("python3", &["-c", PROBE]) {
        return Ok("python3".into());
    }
    let folder = workspace::target()?.join("python");
    let own = folder.join("bin/python");
    if steps::succeeds(&own.to_string_lossy(), &["-c", PROBE]) {
        return Ok(own);
    }
    let make = |python: &str| {
        steps::run(
            Command::new(python)
                .args(["-m", "venv", "--clear"])
                .arg(&folder),
        )
    };
    // Why two: the first may be one without the module that makes environments, Debian's has it from a package.
    make("python3").or_else(|_| make("/usr/bin/python3"))?;
    steps::run(Command::new(&own).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        PACKAGE,
    ]))?;
    Ok(own)
}
