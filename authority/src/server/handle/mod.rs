//! What each route does, by who may use it.

pub(super) mod account;
pub(super) mod clients;
pub(super) mod operator;
pub(super) mod public;
pub(super) mod station;

use super::clients::RegisterError;
use super::problem::{BAD_CODE, CONFLICT, MALFORMED, NOT_FOUND, Problem, REFUSED, UNAVAILABLE};
use crate::ClientRefused;

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        let kind = match &error {
            RegisterError::Client(refused) => match refused {
                ClientRefused::Name => MALFORMED,
                ClientRefused::Taken(_) => CONFLICT,
                ClientRefused::NoInvitation => BAD_CODE,
                ClientRefused::Unknown => NOT_FOUND,
                _ => REFUSED,
            },
            RegisterError::Refused(_) => REFUSED,
            RegisterError::Busy(words) => {
                return Self::new(UNAVAILABLE, words.clone()).retry_after(5);
            }
            RegisterError::Store(_) | RegisterError::File { .. } => {
                tracing::error!(reason = %error, "the register of clients");
                let detail = "the register of clients cannot be read or written";
                return Self::new(UNAVAILABLE, detail).retry_after(5);
            }
        };
        Self::new(kind, error.to_string())
    }
}
