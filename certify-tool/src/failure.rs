//! Why a command stopped: one line for the person, one number for the program.

use authority::AuthorityError;
use authority::custody::{CustodyError, TokenError};
use authority::restore::RestoreRefused;
use host::output::Undelivered;
use std::fmt::Display;
use std::process::ExitCode;
use terminal_lib::identity::IdentityError;
use terminal_lib::personalise::PersonaliseError;
use terminal_lib::store::StoreError;
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
    /// 4: a passphrase or a PIN was wrong.
    Authentication,
    /// 5: an operator has to approve it first.
    Waiting,
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

    /// Something does not verify.
    pub fn verification(message: impl Display) -> Self {
        Self::new(Kind::Verification, message)
    }

    /// The line for the person, not escaped.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same, with something more to do about it.
    pub fn and(self, hint: &str) -> Self {
        Self {
            message: format!("{}; {hint}", self.message),
            ..self
        }
    }

    /// Whether an operator has to approve it first.
    pub fn is_waiting(&self) -> bool {
        self.kind == Kind::Waiting
    }

    /// The number for the program.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Verification => 3,
            Kind::Authentication => 4,
            Kind::Waiting => 5,
        })
    }
}

impl From<AuthorityError> for Failure {
    fn from(error: AuthorityError) -> Self {
        match error {
            AuthorityError::Custody(error) => error.into(),
            AuthorityError::Store(error) => error.into(),
            AuthorityError::RootFile(_)
            | AuthorityError::Backup(..)
            | AuthorityError::Line(_)
            | AuthorityError::Restore(RestoreRefused::Forged | RestoreRefused::OtherLedger) => {
                Self::verification(error)
            }
            error => Self::failed(error),
        }
    }
}

impl From<authority::store::StoreError> for Failure {
    fn from(error: authority::store::StoreError) -> Self {
        let kind = match error {
            authority::store::StoreError::Damaged { .. } => Kind::Verification,
            _ => Kind::Failed,
        };
        Self::new(kind, error)
    }
}

impl From<CustodyError> for Failure {
    fn from(error: CustodyError) -> Self {
        let kind = match error {
            CustodyError::Locked { .. }
            | CustodyError::Token {
                fault: TokenError::WrongPin | TokenError::PinLocked | TokenError::LastTry,
                ..
            } => Kind::Authentication,
            _ => Kind::Failed,
        };
        Self::new(kind, error)
    }
}

impl From<Undelivered> for Failure {
    fn from(error: Undelivered) -> Self {
        Self::failed(error)
    }
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        Self::failed(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::failed(error)
    }
}

impl From<PersonaliseError> for Failure {
    fn from(error: PersonaliseError) -> Self {
        Self::failed(error)
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        Self::failed(error)
    }
}
