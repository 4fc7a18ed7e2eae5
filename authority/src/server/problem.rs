//! Errors as clients see them: problem details (RFC 9457), with a stable word, a title and what to do.

use super::desk::DeskError;
use serde::Serialize;

/// What went wrong. `type` is the stable word; everything else is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Problem {
    /// A stable word for programs, as a relative reference.
    #[serde(rename = "type")]
    pub word: &'static str,
    /// The word in a few more words.
    pub title: &'static str,
    /// The HTTP status code.
    pub status: u16,
    /// What happened here.
    pub detail: String,
    /// What the client, or its operator, should do.
    pub action: &'static str,
    /// The number under which the server's log has the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Seconds after which asking again makes sense; also in the header `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Word, status, title, what to do.
type Kind = (&'static str, u16, &'static str, &'static str);

/// Every kind of problem there is.
#[rustfmt::skip]
pub const KINDS: [Kind; 21] = [
    MALFORMED, UNENROLLED, REVOKED_CLIENT, WRONG_ROLE, BAD_CODE, NOT_FOUND, NO_ROUTE, METHOD, TIMEOUT, CONFLICT, IN_PROGRESS,
    TOO_LARGE, MEDIA, REFUSED, KEY_MISSING, KEY_REUSED, RATE, INTERNAL, UNAVAILABLE, BUSY, SLOW,
];

pub(super) const MALFORMED: Kind = (
    "malformed",
    400,
    "The request cannot be read",
    "Correct the request; GET /v1/openapi.json describes it.",
);
pub(super) const KEY_MISSING: Kind = (
    "idempotency-key-missing",
    400,
    "No usable Idempotency-Key",
    "Send a header Idempotency-Key of 1 to 64 visible ASCII characters, a new one for each new wish.",
);
pub(super) const UNENROLLED: Kind = (
    "not-enrolled",
    401,
    "No enrolled client certificate",
    "Present the client certificate that enrolment gave; if there is none, ask an operator for a code.",
);
pub(super) const REVOKED_CLIENT: Kind = (
    "client-revoked",
    403,
    "The client was revoked",
    "Ask an operator for a new enrolment code.",
);
pub(super) const WRONG_ROLE: Kind = (
    "wrong-role",
    403,
    "Not for this role",
    "Use a client that is enrolled in the role that the description of the route names.",
);
pub(super) const BAD_CODE: Kind = (
    "bad-code",
    403,
    "The code does not enrol",
    "Compare the code with the one that was printed; if it is right it was used or is over a day old: ask for a new one.",
);
pub(super) const NOT_FOUND: Kind = (
    "not-found",
    404,
    "There is no such thing",
    "Check the name or number.",
);
pub(super) const NO_ROUTE: Kind = (
    "no-such-route",
    404,
    "There is no such route",
    "Check the path; GET /v1/openapi.json lists them all.",
);
pub(super) const METHOD: Kind = (
    "method-not-allowed",
    405,
    "The route has no such method",
    "Use the method that the header Allow names.",
);
pub(super) const TIMEOUT: Kind = (
    "too-slow",
    408,
    "The request did not arrive in time",
    "Send the request faster, on a new connection.",
);
pub(super) const CONFLICT: Kind = (
    "conflict",
    409,
    "Done before, or differently",
    "Look at what is there before asking again.",
);
pub(super) const IN_PROGRESS: Kind = (
    "in-progress",
    409,
    "The same request is being worked on",
    "Ask again with the same Idempotency-Key.",
);
pub(super) const TOO_LARGE: Kind = (
    "too-large",
    413,
    "The body is too large",
    "Send less; no request of this interface needs so much.",
);
pub(super) const MEDIA: Kind = (
    "not-json",
    415,
    "The body is not JSON",
    "Send the header Content-Type: application/json.",
);
pub(super) const REFUSED: Kind = (
    "refused",
    422,
    "Against the authority's policy",
    "Read the detail: it says what to change.",
);
pub(super) const KEY_REUSED: Kind = (
    "idempotency-key-reused",
    422,
    "The Idempotency-Key stands for another request",
    "Use a new key for a new wish.",
);
pub(super) const RATE: Kind = (
    "too-many-requests",
    429,
    "Too many requests",
    "Wait as long as Retry-After says.",
);
pub(super) const INTERNAL: Kind = (
    "internal",
    500,
    "A fault of the authority",
    "Tell its operator the number of the request.",
);
pub(super) const UNAVAILABLE: Kind = (
    "unavailable",
    503,
    "A part of the authority is gone for now",
    "Ask again later, with the same Idempotency-Key; GET /v1/health says which part.",
);
pub(super) const BUSY: Kind = (
    "busy",
    503,
    "The authority is busy",
    "Ask again later, with the same Idempotency-Key.",
);
pub(super) const SLOW: Kind = (
    "no-answer-in-time",
    504,
    "The authority did not answer in time",
    "Ask again with the same Idempotency-Key: it may have been done.",
);

impl Problem {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (word, status, title, action) = kind;
        Self {
            word,
            title,
            status,
            detail: detail.into(),
            action,
            request: None,
            retry_after: None,
        }
    }

    pub(super) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::NotFound => Self::new(NOT_FOUND, error.to_string()),
            DeskError::Refused(words) => Self::new(REFUSED, words),
            DeskError::Conflict => Self::new(CONFLICT, error.to_string()),
            DeskError::Unavailable(words) => Self::new(UNAVAILABLE, words).retry_after(5),
            DeskError::Internal(words) => {
                tracing::error!(reason = words, "the desk failed");
                Self::new(INTERNAL, "the log of the authority says what")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_word_is_one_kind_and_every_kind_says_what_to_do() {
        let words: BTreeSet<_> = KINDS.iter().map(|kind| kind.0).collect();
        assert_eq!(words.len(), KINDS.len());
        for (word, status, title, action) in KINDS {
            assert!((400..600).contains(&status), "{word}");
            assert!(!title.ends_with('.') && action.ends_with('.'), "{word}");
        }
    }

    #[test]
    fn what_is_only_for_the_log_does_not_reach_the_client() {
        let problem = Problem::from(DeskError::Internal("row 7 of table x".into()));
        assert!(!serde_json::to_string(&problem).unwrap().contains("row 7"));
        let problem = Problem::from(DeskError::Refused("ask for a new challenge".into()));
        assert_eq!(
            (problem.status, problem.detail.as_str()),
            (422, "ask for a new challenge")
        );
    }
}
