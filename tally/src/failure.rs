//! Why a command stopped: one line for the person, one number for the program.

use host::output::Undelivered;
use std::fmt::Display;
use std::process::ExitCode;
use terminal_lib::transport::TransportError;

/// The exit codes that are not success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 1: it could not be done.
    Failed,
    /// 2: it was asked for wrongly.
    Usage,
    /// 3: a certificate or a file did not verify.
    Verification,
    /// 4: card and terminal did not come to trust each other, or a PIN was wrong.
    Authentication,
}

/// What stopped the command, and what to do about it.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    message: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: Kind, message: impl Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
        }
    }

    /// It could not be done.
    pub fn failed(message: impl Display) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// It was asked for wrongly.
    pub fn usage(message: impl Display) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// The line for the person.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The number for the program.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Verification => 3,
            Kind::Authentication => 4,
        })
    }
}

impl From<Undelivered> for Failure {
    fn from(error: Undelivered) -> Self {
        Self::failed(error)
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        Self::failed(error)
    }
}
