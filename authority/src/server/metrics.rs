//! Figures about the service in Prometheus' text format 0.0.4. No client's or holder's name is among them.

use super::desk::Part;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tracing_appender::non_blocking::ErrorCounter;

/// The media type.
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper ends of the histogram's buckets, in microseconds, and as seconds in words.
const BUCKETS: [(u64, &str); 12] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (1_000_000, "1"),
    (5_000_000, "5"),
    (30_000_000, "30"),
];

/// What is counted.
#[derive(Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, &'static str, u16), u64>>,
    buckets: [AtomicU64; BUCKETS.len()],
    count: AtomicU64,
    micros: AtomicU64,
    pub(super) connections: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) handshakes_failed: AtomicU64,
    pub(super) issued: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) log_lost: Option<ErrorCounter>,
}

impl Metrics {
    pub(super) fn request(
        &self,
        method: &'static str,
        route: &'static str,
        status: u16,
        took: Duration,
    ) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route, method, status)).or_default() += 1;
        drop(requests);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        for ((end, _), count) in BUCKETS.iter().zip(&self.buckets) {
            if micros <= *end {
                count.fetch_add(1, Relaxed);
            }
        }
        self.count.fetch_add(1, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
    }

    /// All figures, with how the parts are, and how many requests wait for an operator, if that is known.
    pub(super) fn text(&self, parts: &[Part], waiting: Option<u64>) -> String {
        let mut text = String::new();
        let begin = |text: &mut String, name: &str, kind: &str, help: &str| {
            let name = format!("tallystick_authority_{name}");
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            name
        };
        let name = begin(
            &mut text,
            "requests_total",
            "counter",
            "Requests answered, by route and status.",
        );
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        for ((route, method, status), count) in requests.iter() {
            let _ = writeln!(
                text,
                "{name}{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}} {count}"
            );
        }
        drop(requests);
        let name = begin(
            &mut text,
            "request_seconds",
            "histogram",
            "Seconds from a request's head to its answer.",
        );
        for ((_, end), count) in BUCKETS.iter().zip(&self.buckets) {
            let _ = writeln!(
                text,
                "{name}_bucket{{le=\"{end}\"}} {}",
                count.load(Relaxed)
            );
        }
        let count = self.count.load(Relaxed);
        let micros = self.micros.load(Relaxed);
        let _ = writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(
            text,
            "{name}_sum {}.{:06}",
            micros / 1_000_000,
            micros % 1_000_000
        );
        let _ = writeln!(text, "{name}_count {count}");
        for (short, kind, help, value) in [
            (
                "connections",
                "gauge",
                "Connections that are open.",
                &self.connections,
            ),
            (
                "connections_total",
                "counter",
                "Connections accepted.",
                &self.accepted,
            ),
            (
                "handshakes_failed_total",
                "counter",
                "TLS handshakes that failed or took too long.",
                &self.handshakes_failed,
            ),
            (
                "issued_total",
                "counter",
                "Certificates issued.",
                &self.issued,
            ),
            (
                "refused_total",
                "counter",
                "Orders and requests against policy.",
                &self.refused,
            ),
        ] {
            let name = begin(&mut text, short, kind, help);
            let _ = writeln!(text, "{name} {}", value.load(Relaxed));
        }
        if let Some(lost) = &self.log_lost {
            let help = "Log lines that were lost because nobody read them in time.";
            let name = begin(&mut text, "log_lines_lost_total", "counter", help);
            let _ = writeln!(text, "{name} {}", lost.dropped_lines());
        }
        if let Some(waiting) = waiting {
            let help = "Requests that wait for an operator, at all instances of the store.";
            let name = begin(&mut text, "waiting", "gauge", help);
            let _ = writeln!(text, "{name} {waiting}");
        }
        let name = begin(
            &mut text,
            "health",
            "gauge",
            "1 for a part that is well, 0 for one that is not.",
        );
        for part in parts {
            let well = u8::from(part.wrong.is_none());
            let _ = writeln!(text, "{name}{{part=\"{}\"}} {well}", part.name);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buckets_count_upwards_and_the_sum_is_in_seconds() {
        let metrics = Metrics::default();
        for micros in [400, 500, 501, 2_000_000, 60_000_000] {
            metrics.request("GET", "/v1/root", 200, Duration::from_micros(micros));
        }
        let parts = [("store", None), ("key", Some("the token is gone".into()))];
        let parts = parts.map(|(name, wrong)| Part { name, wrong });
        let text = metrics.text(&parts, Some(3));
        for line in [
            r#"tallystick_authority_requests_total{method="GET",route="/v1/root",status="200"} 5"#,
            r#"tallystick_authority_request_seconds_bucket{le="0.0005"} 2"#,
            r#"tallystick_authority_request_seconds_bucket{le="0.001"} 3"#,
            r#"tallystick_authority_request_seconds_bucket{le="1"} 3"#,
            r#"tallystick_authority_request_seconds_bucket{le="5"} 4"#,
            r#"tallystick_authority_request_seconds_bucket{le="+Inf"} 5"#,
            "tallystick_authority_request_seconds_sum 62.001401",
            "tallystick_authority_waiting 3",
            r#"tallystick_authority_health{part="store"} 1"#,
            r#"tallystick_authority_health{part="key"} 0"#,
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
        assert!(!text.contains("token"), "why is on the health page");
        let unknown = metrics.text(&parts, None);
        assert!(!unknown.contains("authority_waiting"), "not known is not 0");
    }
}
