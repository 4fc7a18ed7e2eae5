//! The service's limits, and the token buckets that keep each client to its rate.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What the service puts up with. Each is a setting; see `docs/authority.md`.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Connections at a time; more wait to be accepted.
    pub connections: usize,
    /// Desk operations at a time; more wait.
    pub operations: usize,
    /// Largest body of a request, in bytes.
    pub body_bytes: usize,
    /// Largest head of a request, in bytes; at least 8,192.
    pub head_bytes: usize,
    /// Time for a TLS handshake, and for a request's head, also on an idle connection.
    pub head_time: Duration,
    /// Time for a request's body.
    pub body_time: Duration,
    /// Time for an answer, from the end of the head.
    pub request_time: Duration,
    /// Age at which a connection takes no more requests. One `request_time` later it is cut.
    pub connection_time: Duration,
    /// Time that running requests have when the service stops.
    pub grace_time: Duration,
    /// Requests per second and client.
    pub rate: f64,
    /// Requests that a client may send at once after a rest.
    pub burst: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            operations: 16,
            body_bytes: 65_536,
            head_bytes: 16_384,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            request_time: Duration::from_secs(30),
            connection_time: Duration::from_secs(300),
            grace_time: Duration::from_secs(20),
            rate: 500.0,
            burst: 1_000.0,
        }
    }
}

/// Token buckets, one for each client.
pub(super) struct Buckets<K> {
    rate: f64,
    burst: f64,
    buckets: Mutex<HashMap<K, (f64, Instant)>>,
}

/// Most clients that are remembered; full buckets are forgotten first.
const MAX_BUCKETS: usize = 4_096;

impl<K: Hash + Eq> Buckets<K> {
    pub fn new(rate: f64, burst: f64) -> Self {
        Self {
            rate,
            burst,
            buckets: Mutex::default(),
        }
    }

    /// Takes one token, or says after how many whole seconds there is one.
    pub fn take(&self, client: K, now: Instant) -> Result<(), u64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = |(tokens, since): (f64, Instant)| {
            let rest = now.saturating_duration_since(since).as_secs_f64();
            (tokens + rest * self.rate).min(self.burst)
        };
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(&client) {
            buckets.retain(|_, bucket| filled(*bucket) < self.burst);
        }
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(&client) {
            return Err(1);
        }
        let bucket = buckets.entry(client).or_insert((self.burst, now));
        let tokens = filled(*bucket);
        if tokens < 1.0 {
            *bucket = (tokens, now);
            let wait = ((1.0 - tokens) / self.rate).ceil().clamp(1.0, 86_400.0);
            return Err(Duration::from_secs_f64(wait).as_secs());
        }
        *bucket = (tokens - 1.0, now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_its_burst_and_then_its_rate_and_takes_nothing_from_others() {
        let buckets = Buckets::new(0.5, 3.0);
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(buckets.take("a", start), Ok(()));
        }
        assert_eq!(buckets.take("a", start), Err(2));
        assert_eq!(buckets.take("b", start), Ok(()));
        assert_eq!(buckets.take("a", start + Duration::from_secs(1)), Err(1));
        assert_eq!(buckets.take("a", start + Duration::from_secs(2)), Ok(()));
        assert_eq!(buckets.take("a", start + Duration::from_secs(2)), Err(2));
        let rested = start + Duration::from_secs(3_600);
        for _ in 0..3 {
            assert_eq!(buckets.take("a", rested), Ok(()));
        }
        assert!(
            buckets.take("a", rested).is_err(),
            "a rest fills it to the burst, not above"
        );
    }

    #[test]
    fn a_crowd_of_clients_does_not_grow_without_end_and_the_rested_are_forgotten_first() {
        let buckets = Buckets::new(1.0, 1.0);
        let start = Instant::now();
        for client in 0..MAX_BUCKETS {
            assert_eq!(buckets.take(client, start), Ok(()));
        }
        assert_eq!(buckets.take(MAX_BUCKETS, start), Err(1));
        let later = start + Duration::from_secs(1);
        assert_eq!(buckets.take(MAX_BUCKETS, later), Ok(()));
        assert_eq!(buckets.buckets.lock().unwrap().len(), 1);
    }
}
