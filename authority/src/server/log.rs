//! The service's log: lines of JSON that nobody waits for.
//!
//! Lines go through a bounded queue to a thread of their own, which writes them to standard error. When the other end does not read, is
//! gone or is full, lines are lost and counted; a request is never held up and never fails because of its line. Lines that strangers can
//! cause are sampled, so a stranger cannot fill a disk: [`Sampler`].

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};

/// Lines that wait to be written; a line of a request has some 200 bytes.
const QUEUE: usize = 16_384;

/// The running log. Dropping it writes what waits, for at most about a second.
pub struct Log {
    _writer: WorkerGuard,
    lost: ErrorCounter,
}

impl Log {
    /// Starts the process's log on standard error, with lines from `level` on.
    ///
    /// # Panics
    /// When the process has a log already.
    pub fn start(level: LevelFilter) -> Self {
        let (writer, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(QUEUE)
            .lossy(true)
            .thread_name("log")
            .finish(io::stderr());
        let lost = writer.error_counter();
        tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .log_internal_errors(false) // they would go to standard error, and panic when that is gone
            .with_max_level(level)
            .with_writer(writer)
            .init();
        Self {
            _writer: guard,
            lost,
        }
    }

    /// Counts the lines that were lost because the queue was full.
    pub fn lost(&self) -> ErrorCounter {
        self.lost.clone()
    }
}

/// Lines of one kind in a second, on average, and at once after a rest.
const RATE: f64 = 10.0;
const BURST: f64 = 100.0;

/// Lets a bounded number of lines of each kind through, and counts the rest.
#[derive(Default)]
pub(super) struct Sampler(Mutex<HashMap<Kind, Bucket>>);

/// What a line is about. There are few, whatever strangers send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A request of somebody who is no client, by the status of its answer.
    Stranger(u16),
    /// A client that asks too often.
    TooOften,
    /// A TLS handshake that failed.
    Handshake,
}

struct Bucket {
    lines: f64,
    since: Instant,
    left_out: u64,
}

impl Sampler {
    /// Whether a line of this kind is to be written now: gives how many were left out since the last one that was.
    pub fn take(&self, kind: Kind, now: Instant) -> Option<u64> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(kind).or_insert(Bucket {
            lines: BURST,
            since: now,
            left_out: 0,
        });
        let rest = now.saturating_duration_since(bucket.since).as_secs_f64();
        bucket.lines = (bucket.lines + rest * RATE).min(BURST);
        bucket.since = now;
        if bucket.lines < 1.0 {
            bucket.left_out = bucket.left_out.saturating_add(1);
            return None;
        }
        bucket.lines -= 1.0;
        Some(std::mem::take(&mut bucket.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_flood_of_one_kind_is_counted_and_hides_no_other_kind() {
        let sampler = Sampler::default();
        let start = Instant::now();
        let written = (0..10_000)
            .filter(|_| sampler.take(Kind::Handshake, start).is_some())
            .count();
        assert_eq!(written, 100);
        assert_eq!(sampler.take(Kind::Stranger(401), start), Some(0));
        let later = start + Duration::from_millis(150);
        assert_eq!(sampler.take(Kind::Handshake, later), Some(9_900));
        assert_eq!(sampler.take(Kind::Handshake, later), None);
    }
}
