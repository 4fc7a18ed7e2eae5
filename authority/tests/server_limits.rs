//! What the service puts up with: sizes, rates, slow and broken clients; and stopping while it works.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod http;
mod support;

use apdu::certificate::{Certificate, Name, Request, Role, StatusList};
use authority::ledger::{ClientChange, Line, Wish};
use authority::server::clients::RegisterError;
use authority::server::desk::{
    Desk, DeskError, HolderRow, IdempotencyKey, Issued, Outcome, Page, Part, Waiting,
};
use authority::server::limit::Limits;
use authority::{Challenge, Holder, Order, Root, Scope};
use http::{Bench, timed_out};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(50);
const GET: &str = "GET /v1/root HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[test]
fn a_body_of_65536_bytes_is_read_and_one_byte_more_is_not() {
    let bench = Bench::new();
    let station = bench.station();
    let send = |length: usize, key: &str| {
        let body = format!(
            "{{\"role\":\"card\",\"name\":{{\"next_of\":\"ZZCARD\"}}{}}}",
            " ".repeat(length - 43)
        );
        assert_eq!(body.len(), length);
        station
            .send("/v1/orders", &body, &[http::JSON, ("idempotency-key", key)])
            .unwrap()
    };
    assert_eq!(send(65_536, "a").status, 201);
    assert!(send(65_537, "b").is(413, "too-large"));
}

#[test]
fn who_is_refused_hears_why_also_while_still_sending() {
    let bench = Bench::new();
    let headers = [http::JSON, ("idempotency-key", "a")];
    let answer = bench
        .nobody()
        .send("/v1/orders", &" ".repeat(200_000), &headers);
    assert!(answer.unwrap().is(401, "not-enrolled"));
    let head = "POST /v1/enrol HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n";
    let told = bench.raw().exchange(head.as_bytes());
    assert!(told.contains("\"too-large\""), "{told}");
}

#[test]
fn the_connection_goes_on_after_a_refusal() {
    let bench = Bench::new();
    for path in ["POST /v1/nowhere", "POST /v1/root", "GET /v1/status-list"] {
        let mut raw = bench.raw();
        let head = format!("{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n");
        raw.0.write_all(head.as_bytes()).unwrap();
        raw.0.flush().unwrap();
        let rest = format!("{}{GET}", " ".repeat(60_000));
        let told = raw.exchange(rest.as_bytes());
        let statuses: Vec<&str> = told
            .split("HTTP/1.1 ")
            .skip(1)
            .map(|part| &part[..3])
            .collect();
        assert!(
            matches!(statuses[..], ["404" | "405", "200"]),
            "{path}: {told}"
        );
    }
}

#[test]
fn a_chunked_body_is_measured_as_it_comes() {
    let limits = Limits {
        body_bytes: 1_000,
        ..Limits::default()
    };
    let bench = Bench::limited(limits);
    let head = "POST /v1/enrol HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    let chunk = format!("1f4\r\n{}\r\n", " ".repeat(500));
    let told = bench
        .raw()
        .exchange(format!("{head}{chunk}{chunk}0\r\n\r\n").as_bytes());
    assert!(told.contains("\"malformed\""), "{told}");
    let told = bench
        .raw()
        .exchange(format!("{head}{chunk}{chunk}1\r\n \r\n0\r\n\r\n").as_bytes());
    assert!(told.contains("\"too-large\""), "{told}");
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let bench = Bench::new();
    let told = |length: usize| {
        let head = format!(
            "GET /v1/root HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: {}\r\n\r\n",
            "x".repeat(length)
        );
        bench.raw().exchange(head.as_bytes())
    };
    assert!(told(15_000).starts_with("HTTP/1.1 200 "));
    assert!(told(17_000).starts_with("HTTP/1.1 431 "));
    let many = "X: x\r\n".repeat(65);
    let many = bench
        .raw()
        .exchange(format!("GET /v1/root HTTP/1.1\r\nHost: localhost\r\n{many}\r\n").as_bytes());
    assert!(many.starts_with("HTTP/1.1 431 "), "{many}");
}

#[test]
fn who_asks_too_often_is_told_to_wait_and_others_are_not() {
    let limits = Limits {
        rate: 0.001,
        burst: 4.0,
        ..Limits::default()
    };
    let bench = Bench::limited(limits);
    let station = bench.station(); // one request of an address without a certificate
    for _ in 0..4 {
        assert_eq!(station.get("/v1/log/head").status, 200);
    }
    let answer = station.get("/v1/log/head");
    assert!(answer.is(429, "too-many-requests"), "{}", answer.body);
    let seconds: u64 = answer.retry_after.unwrap().parse().unwrap();
    assert!((900..=1_000).contains(&seconds), "{seconds}");
    let nobody = bench.nobody();
    for _ in 0..3 {
        assert_eq!(nobody.get("/v1/root").status, 200);
    }
    assert!(nobody.get("/v1/root").is(429, "too-many-requests"));
}

#[test]
fn slow_senders_are_cut_off_at_every_stage() {
    let bench = Bench::limited(Limits {
        head_time: SHORT,
        ..Limits::default()
    });
    let mut silent = bench.tcp();
    assert_eq!(silent.read(&mut [0; 16]).unwrap_or(0), 0, "no handshake");
    let told = bench.raw().exchange(b"GET /v1/root HTTP/1.1\r\nHost: loc");
    assert!(!told.contains("200"), "half a head: {told}");
    assert!(!bench.raw().exchange(b"").contains("200"), "no head at all");
    let bench = Bench::limited(Limits {
        body_time: SHORT,
        ..Limits::default()
    });
    let body = "POST /v1/enrol HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let told = bench.raw().exchange(body.as_bytes());
    assert!(
        told.starts_with("HTTP/1.1 408 ") && told.contains("\"too-slow\""),
        "{told}"
    );
}

#[test]
fn an_idle_connection_is_closed_and_an_old_one_takes_no_more() {
    let keep = GET.replace("Connection: close\r\n", "");
    for limits in [
        Limits {
            head_time: SHORT,
            ..Limits::default()
        },
        Limits {
            connection_time: SHORT,
            ..Limits::default()
        },
    ] {
        let bench = Bench::limited(limits);
        // On a busy machine the time may be over before the first request: then once more.
        let (mut connection, told) = loop {
            let mut connection = bench.raw();
            let told = connection.exchange(keep.as_bytes());
            if !told.is_empty() {
                break (connection, told);
            }
        };
        assert_eq!(told.matches("HTTP/1.1 200 ").count(), 1, "{told}");
        assert!(!connection.exchange(keep.as_bytes()).contains("200"));
    }
}

#[test]
fn when_all_places_are_taken_the_next_waits_until_one_is_free() {
    let bench = Bench::limited(Limits {
        connections: 2,
        ..Limits::default()
    });
    let keep = GET.replace("Connection: close\r\n", "");
    let mut first = bench.raw();
    first.0.write_all(keep.as_bytes()).unwrap();
    assert!(first.some().starts_with("HTTP/1.1 200 "));
    let second = bench.tcp();
    let mut third = bench.raw();
    third.0.sock.set_read_timeout(Some(SHORT)).unwrap();
    let error = third
        .0
        .write_all(GET.as_bytes())
        .and_then(|()| third.0.flush())
        .unwrap_err();
    assert!(timed_out(&error), "no place, so no handshake: {error}");
    drop(second);
    third
        .0
        .sock
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    assert!(third.exchange(GET.as_bytes()).starts_with("HTTP/1.1 200 "));
}

#[test]
fn what_is_no_http_or_no_tls_is_refused_and_the_service_goes_on() {
    let bench = Bench::new();
    for bytes in [
        &b"\r\n\r\n\r\n\r\nX\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v1/root HTTP/1.1\r\nHost\r\n\r\n",
        b"GET /v1/root HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST /v1/enrol HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /v1/enrol HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x00\x01\x02\x03\xff\xfe\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let told = bench.raw().exchange(bytes);
        assert!(
            told.is_empty() || told.starts_with("HTTP/1.1 4"),
            "{bytes:?}: {told}"
        );
    }
    for bytes in [
        &b"GET /v1/root HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        &[0; 4_096],
    ] {
        let mut stream = bench.tcp();
        let _ = stream.write_all(bytes); // it may have been closed already
        stream
            .shutdown(std::net::Shutdown::Write)
            .unwrap_or_default();
        let mut told = Vec::new();
        let _ = stream.read_to_end(&mut told); // a reset is an answer too
        assert!(!told.starts_with(b"HTTP"), "{bytes:?}");
    }
    assert_eq!(bench.nobody().get("/v1/root").status, 200);
}

/// A desk that waits in `root` until it is told to go on, and is the real one otherwise.
struct Gate {
    desk: Arc<dyn Desk>,
    entered: SyncSender<()>,
    go_on: Mutex<Receiver<()>>,
}

impl Desk for Gate {
    fn root(&self) -> Result<Certificate, DeskError> {
        self.entered.send(()).unwrap();
        self.go_on.lock().unwrap().recv().unwrap();
        self.desk.root()
    }
    fn roots(&self) -> Result<Vec<(Root, Value)>, DeskError> {
        self.desk.roots()
    }
    fn status_list(&self) -> Result<StatusList, DeskError> {
        panic!("a bug at the desk")
    }
    fn order(&self, key: &IdempotencyKey, order: Order) -> Result<Challenge, DeskError> {
        self.desk.order(key, order)
    }
    fn request(
        &self,
        key: &IdempotencyKey,
        request: Request,
        role: Role,
        years: Option<u8>,
    ) -> Result<Outcome, DeskError> {
        self.desk.request(key, request, role, years)
    }
    fn pending(&self, client: &str, id: &str) -> Result<Outcome, DeskError> {
        self.desk.pending(client, id)
    }
    fn awaiting(&self, client: &str, role: Role) -> Result<Vec<Waiting>, DeskError> {
        self.desk.awaiting(client, role)
    }
    fn approvals(&self) -> Result<Vec<Waiting>, DeskError> {
        self.desk.approvals()
    }
    fn approvals_count(&self) -> Result<u64, DeskError> {
        self.desk.approvals_count()
    }
    fn approval(&self, id: &str) -> Result<Option<Waiting>, DeskError> {
        self.desk.approval(id)
    }
    fn approve(&self, key: &IdempotencyKey, id: &str) -> Result<Issued, DeskError> {
        self.desk.approve(key, id)
    }
    fn refuse(&self, key: &IdempotencyKey, id: &str, reason: &str) -> Result<(), DeskError> {
        self.desk.refuse(key, id, reason)
    }
    fn delivered(&self, key: &IdempotencyKey, holder: Name) -> Result<(), DeskError> {
        self.desk.delivered(key, holder)
    }
    fn waiting(&self, client: &str, role: Role) -> Result<Vec<Certificate>, DeskError> {
        self.desk.waiting(client, role)
    }
    fn holder(&self, holder: Name) -> Result<Holder, DeskError> {
        self.desk.holder(holder)
    }
    fn revoke(&self, key: &IdempotencyKey, holder: Name, reason: &str) -> Result<(), DeskError> {
        self.desk.revoke(key, holder, reason)
    }
    fn publish(&self, key: &IdempotencyKey, scope: Scope) -> Result<StatusList, DeskError> {
        self.desk.publish(key, scope)
    }
    fn change_client(&self, by: &str, change: ClientChange) -> Result<Line, RegisterError> {
        self.desk.change_client(by, change)
    }
    fn propose_client(&self, by: &str, wish: Wish) -> Result<Line, RegisterError> {
        self.desk.propose_client(by, wish)
    }
    fn propose(&self, key: &IdempotencyKey, wish: Wish) -> Result<Line, DeskError> {
        self.desk.propose(key, wish)
    }
    fn confirm(&self, key: &IdempotencyKey, proposal: u64) -> Result<(), DeskError> {
        self.desk.confirm(key, proposal)
    }
    fn dismiss(&self, key: &IdempotencyKey, proposal: u64) -> Result<(), DeskError> {
        self.desk.dismiss(key, proposal)
    }
    fn holders(&self, page: &Page) -> Result<Vec<HolderRow>, DeskError> {
        self.desk.holders(page)
    }
    fn head(&self) -> Result<Value, DeskError> {
        Err(DeskError::Unavailable("the token is gone".into()))
    }
    fn consistency(&self, from: u64, to: u64) -> Result<Value, DeskError> {
        self.desk.consistency(from, to)
    }
    fn receipt(&self, holder: Name) -> Result<Value, DeskError> {
        self.desk.receipt(holder)
    }
    fn entries(&self, from: u64, count: u64) -> Result<Value, DeskError> {
        self.desk.entries(from, count)
    }
    fn health(&self) -> Vec<Part> {
        let wrong = Some("the token is gone".into());
        vec![Part { name: "key", wrong }]
    }
}

fn gated(limits: Limits) -> (Bench, Receiver<()>, SyncSender<()>) {
    let (entered, has_entered) = sync_channel(8);
    let (go, go_on) = sync_channel(8);
    let go_on = Mutex::new(go_on);
    let bench = Bench::behind(limits, |desk| {
        Arc::new(Gate {
            desk,
            entered,
            go_on,
        })
    });
    (bench, has_entered, go)
}

#[test]
fn a_running_request_ends_well_when_the_service_stops_and_nobody_new_is_let_in() {
    let (bench, has_entered, go) = gated(Limits::default());
    let client = bench.nobody();
    let asking = thread::spawn(move || client.get("/v1/root").status);
    has_entered.recv().unwrap();
    let address = bench.running.address();
    bench.running.stop();
    while TcpStream::connect(address).is_ok() {
        thread::yield_now(); // until the listener is closed
    }
    go.send(()).unwrap();
    assert_eq!(asking.join().unwrap(), 200);
    assert_eq!(bench.stop(), 0, "no connection was cut");
}

#[test]
fn who_does_not_end_within_the_grace_time_is_cut() {
    let (bench, has_entered, go) = gated(Limits {
        grace_time: SHORT,
        ..Limits::default()
    });
    let client = bench.nobody();
    let asking = thread::spawn(move || client.try_get("/v1/root").is_err());
    has_entered.recv().unwrap();
    assert_eq!(bench.stop(), 1);
    assert!(asking.join().unwrap());
    drop(go);
}

#[test]
fn an_operation_that_takes_too_long_is_answered_all_the_same_and_a_busy_service_says_so() {
    let limits = Limits {
        request_time: SHORT,
        operations: 1,
        ..Limits::default()
    };
    let (bench, has_entered, go) = gated(limits);
    let client = bench.nobody();
    assert!(client.get("/v1/root").is(504, "no-answer-in-time"));
    has_entered.recv().unwrap();
    let busy = client.get("/v1/health");
    assert!(busy.is(503, "busy"), "{}", busy.body);
    assert_eq!(busy.retry_after.as_deref(), Some("1"));
    go.send(()).unwrap();
}

#[test]
fn a_part_that_is_gone_is_told_to_the_client_and_on_the_health_page() {
    let (bench, _has_entered, _go) = gated(Limits::default());
    let answer = bench.station().get("/v1/log/head");
    assert!(answer.is(503, "unavailable") && answer.body.contains("the token is gone"));
    let health = bench.nobody().get("/v1/health");
    assert_eq!(
        (health.status, &health.json()["ok"]),
        (503, &Value::Bool(false))
    );
    assert!(health.body.contains("the token is gone"));
    let figures = bench.nobody().get("/v1/metrics").body;
    assert!(
        figures.contains("tallystick_authority_health{part=\"key\"} 0\n"),
        "{figures}"
    );
    let well = Bench::new().nobody().get("/v1/health");
    assert_eq!((well.status, &well.json()["ok"]), (200, &Value::Bool(true)));
}

#[test]
fn a_panic_at_the_desk_is_one_answer_and_the_service_goes_on() {
    let (bench, has_entered, go) = gated(Limits::default());
    let client = bench.nobody();
    let answer = client.get("/v1/status-list");
    assert!(
        answer.is(500, "internal") && !answer.body.contains("bug"),
        "{}",
        answer.body
    );
    go.send(()).unwrap();
    assert_eq!(client.get("/v1/root").status, 200);
    has_entered.recv().unwrap();
}
