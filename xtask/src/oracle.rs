//! Card and terminal against the second implementation of the protocol, a Python program that was written from the text alone.

use std::process::Command;

use crate::{steps, vectors, workspace};

/// The variable that names the interpreter to the tests (`conformance/tests/oracle/peer.rs`).
const PYTHON: &str = "TALLYSTICK_PYTHON";

/// Brings a Python with the package it needs and runs the tests.
///
/// # Errors
/// Tests that failed, or no Python to run them with.
pub fn tests() -> Result<(), String> {
    let python = vectors::python()?;
    let mut tests = Command::new("cargo");
    tests.args(["test", "-p", "conformance", "--features", "oracle"]);
    tests.args(["--test", "oracle", "--", "--show-output"]);
    tests.env(PYTHON, &python).current_dir(workspace::root());
    steps::run_tests(&mut tests, &mut Vec::new())
}
