//! HTTPS to the authority's service: TLS with our own certificate, JSON, and requests that may be sent again.

use super::station::Identity;
use crate::failure::Failure;
use serde_json::Value;
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::{Response, StatusCode};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body, Error};

/// How often a request is sent before we give up, and how long to wait before the second time. The wait doubles.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest answer.
const MAX_ANSWER: u64 = 4 << 20;

/// A way to one authority's service.
pub struct Link {
    agent: Agent,
    base: String,
    /// Drawn once, so that the idempotency keys of two runs differ.
    run: u128,
    asked: Cell<u32>,
}

/// What the service refused.
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    /// The stable word of the problem.
    pub word: String,
    pub message: String,
}

/// What came of a request.
pub enum LinkError {
    Refused(Refusal),
    Failed(Failure),
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Failed(failure) => failure,
            LinkError::Refused(refusal) => Failure::failed(format!(
                "the authority refused: {} ({})",
                refusal.message, refusal.word
            )),
        }
    }
}

impl Link {
    /// A link to `base`, `https://host:port`, whose TLS CA is known; with an identity, as a client of it.
    pub fn new(
        base: &str,
        tls_ca: &[u8],
        identity: Option<&Identity>,
        run: u128,
    ) -> Result<Self, Failure> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificate = |der: &[u8]| Certificate::from_der(der).to_owned();
        let client = match identity {
            None => None,
            Some(identity) => {
                let key = PrivateKey::from_pem(identity.key_pem().as_bytes()).map_err(|_| {
                    Failure::failed("this station's key file is damaged; enrol again")
                })?;
                let chain = [certificate(identity.certificate())];
                Some(ClientCert::new_with_certs(&chain, key.to_owned()))
            }
        };
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(RootCerts::new_with_certs(&[certificate(tls_ca)]))
            .client_cert(client)
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .https_only(true)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(PATIENCE))
            .build()
            .new_agent();
        Ok(Self {
            agent,
            base: base.trim_end_matches('/').into(),
            run,
            asked: Cell::new(0),
        })
    }

    /// Asks for something that exists.
    pub fn get(&self, path: &str) -> Result<Value, LinkError> {
        self.persist(|| self.agent.get(format!("{}{path}", self.base)).call())
    }

    /// Ends what has this path.
    pub fn delete(&self, path: &str) -> Result<Value, LinkError> {
        self.persist(|| self.agent.delete(format!("{}{path}", self.base)).call())
    }

    /// Has something done, once, however often it has to be sent.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, LinkError> {
        let number = self.asked.get();
        self.asked.set(number + 1);
        self.post_as(&format!("{:032x}-{number}", self.run), path, body)
    }

    /// The same, under a key of the caller's.
    pub fn post_as(&self, key: &str, path: &str, body: &Value) -> Result<Value, LinkError> {
        let text = body.to_string();
        self.persist(|| {
            self.agent
                .post(format!("{}{path}", self.base))
                .header("Content-Type", "application/json")
                .header("Idempotency-Key", key)
                .send(&text)
        })
    }

    /// Sends until there is an answer that sending again would not change.
    fn persist(
        &self,
        send: impl Fn() -> Result<Response<Body>, Error>,
    ) -> Result<Value, LinkError> {
        let mut pause = PAUSE;
        let mut attempt = 1;
        loop {
            let outcome = send();
            let again = match &outcome {
                Ok(response) => is_passing(response.status()),
                Err(error) => is_broken(error),
            };
            if !again || attempt >= ATTEMPTS {
                return self.judge(outcome);
            }
            std::thread::sleep(pause);
            pause *= 2;
            attempt += 1;
        }
    }

    fn judge(&self, outcome: Result<Response<Body>, Error>) -> Result<Value, LinkError> {
        let failed = |reason: String| {
            LinkError::Failed(Failure::failed(format!(
                "cannot reach {}: {reason}",
                self.base
            )))
        };
        let mut response = outcome.map_err(|error| failed(error.to_string()))?;
        let status = response.status();
        let text = response
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER)
            .read_to_string()
            .map_err(|error| failed(error.to_string()))?;
        let body: Value = match text.is_empty() {
            true => Value::Null,
            false => serde_json::from_str(&text)
                .map_err(|_| failed("it answers with something that is not JSON".into()))?,
        };
        if status.is_success() {
            return Ok(body);
        }
        let word = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
        let parts = [word("detail"), word("action")];
        Err(LinkError::Refused(Refusal {
            status: status.as_u16(),
            word: word("type").into(),
            message: parts.join(". "),
        }))
    }
}

/// Whether the same request may get another answer soon.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502..=504)
}

/// Whether the way was broken, and not the request.
fn is_broken(error: &Error) -> bool {
    matches!(
        error,
        Error::Io(_) | Error::ConnectionFailed | Error::Timeout(_) | Error::HostNotFound
    )
}
