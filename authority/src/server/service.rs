//! What every request needs: the desk, the register of clients, the TLS identity, limits and figures.

use super::clients::Register;
use super::desk::{Desk, Part};
use super::identity::Identity;
use super::limit::{Buckets, Limits};
use super::log::Sampler;
use super::metrics::Metrics;
use super::replay::Replay;
use super::route::Route;
use super::routes::routes;
use super::second::Second;
use crate::EnrolmentCode;
use apdu::crypto::EntropyError;
use getrandom::SysRng;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;
use tracing_appender::non_blocking::ErrorCounter;

/// Unix time in seconds, handed in.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The service without its sockets.
pub struct Service {
    pub(super) desk: Arc<dyn Desk>,
    pub(super) register: Register,
    pub(super) identity: Identity,
    pub(super) limits: Limits,
    pub(super) second: Second,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) replay: Replay,
    pub(super) routes: Vec<Route>,
    pub(super) sampler: Sampler,
    clients: Buckets<String>,
    addresses: Buckets<IpAddr>,
    /// Makes request ids of two runs differ.
    run: u32,
    requests: AtomicU64,
}

impl Service {
    /// Puts a service together.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new(
        desk: Arc<dyn Desk>,
        register: Register,
        identity: Identity,
        limits: Limits,
        clock: Clock,
    ) -> Result<Self, EntropyError> {
        let entropy: &mut dyn apdu::crypto::Entropy = &mut SysRng;
        Ok(Self {
            desk,
            register,
            identity,
            clients: Buckets::new(limits.rate, limits.burst),
            addresses: Buckets::new(limits.rate, limits.burst),
            limits,
            second: Second::default(),
            clock,
            metrics: Metrics::default(),
            replay: Replay::default(),
            routes: routes(),
            sampler: Sampler::default(),
            run: u32::from_be_bytes(entropy.nonce()?),
            requests: AtomicU64::new(0),
        })
    }

    /// Tells with the figures how many lines the log has lost.
    #[must_use]
    pub fn with_log(mut self, lost: ErrorCounter) -> Self {
        self.metrics.log_lost = Some(lost);
        self
    }

    /// With these settings about a second operator.
    pub fn with_second(self, second: Second) -> Self {
        Self { second, ..self }
    }

    pub(super) fn now(&self) -> u64 {
        (self.clock)()
    }

    /// The number under which the log has a request.
    pub(super) fn next_id(&self) -> String {
        format!("{:08x}-{}", self.run, self.requests.fetch_add(1, Relaxed))
    }

    /// Takes a token for a client, or for the address of someone who is none; or says how many seconds to wait.
    pub(super) fn admit(&self, client: Option<&str>, address: IpAddr) -> Result<(), u64> {
        match client {
            Some(name) => self.clients.take(name.into(), Instant::now()),
            None => self.addresses.take(address, Instant::now()),
        }
    }

    pub(super) fn draw_code(&self) -> Result<EnrolmentCode, EntropyError> {
        EnrolmentCode::draw(self.identity.certificate(), &mut SysRng)
    }

    /// The desk's parts, and the register of clients.
    pub(super) fn health(&self) -> Vec<Part> {
        let mut parts = self.desk.health();
        parts.push(Part {
            name: "clients",
            wrong: self.register.find(&[0; 32]).err().map(|error| {
                tracing::error!(reason = %error, "the register of clients");
                "the register of clients cannot be read".into()
            }),
        });
        parts
    }
}
