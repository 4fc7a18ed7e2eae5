//! What a program says: results on standard output, everything else on standard error.
//!
//! | function | stream | when it cannot be written |
//! |---|---|---|
//! | [`result`], [`bytes`] | output | an error, so the program ends with exit code 1; but a closed pipe is none: whoever reads has enough |
//! | [`handed_over`] | output | always an error: for what a person must have before something that cannot be undone |
//! | [`note`], [`prompt`] | error | nothing happens: words never stop work, and never panic |
//!
//! A program that wrote nothing wrong ends with the exit code that its work has earned, also when `head` or `true` closed its pipe.

use std::fmt::Display;
use std::io::{self, Write as _};

/// Text that had to reach standard output did not.
#[derive(Debug)]
pub struct Undelivered(io::Error);

impl Display for Undelivered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot write to standard output: {}", self.0)
    }
}

impl std::error::Error for Undelivered {}

/// Writes a result, as it is, to standard output. A pipe that was closed at its other end counts as written.
///
/// # Errors
/// A full disk, a device that takes nothing.
pub fn result(text: impl Display) -> Result<(), Undelivered> {
    match handed_over(text) {
        Err(Undelivered(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// The same for what must have arrived before the next step, such as a PUK before a card is activated: a closed pipe is an error as well.
/// That a pipe or file took it does not show that somebody read it.
///
/// # Errors
/// It was not taken.
pub fn handed_over(text: impl Display) -> Result<(), Undelivered> {
    let mut out = io::stdout().lock();
    write!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(Undelivered)
}

/// Writes a result of any bytes, such as a file's content. As [`result`].
///
/// # Errors
/// As [`result`].
pub fn bytes(content: &[u8]) -> Result<(), Undelivered> {
    let mut out = io::stdout().lock();
    match out.write_all(content).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Undelivered(error)),
        _ => Ok(()),
    }
}

/// Writes a line to standard error, as well as that can be done.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes a question to standard error, without the end of a line.
pub fn prompt(question: impl Display) {
    let mut out = io::stderr().lock();
    let _ = write!(out, "{question}").and_then(|()| out.flush());
}
