//! Bodies, paths and bytes that nobody would send: made from the service's own description, then spoilt; and HTTP that is hardly HTTP.
//! Whatever comes gets a clear answer, what is refused changes nothing, and the service stays up.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod dice;
mod http;
mod spoilt;
mod support;

use authority::Authority;
use authority::server::limit::Limits;
use authority::server::problem::KINDS;
use dice::Dice;
use http::{Answer, Bench, Client, JSON};
use serde_json::{Value, json};
use spoilt::{from_schema, spoil, text_of};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Shutdown;
use std::time::Duration;
use test_vectors::evidence::{cases, report, seed};

/// One operation of the description.
struct Operation {
    verb: String,
    path: String,
    body: Option<Value>,
    statuses: BTreeSet<u16>,
    query: Vec<String>,
}

fn operations(description: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, verbs) in description["paths"].as_object().unwrap() {
        for (verb, operation) in verbs.as_object().unwrap() {
            let statuses = operation["responses"].as_object().unwrap().keys();
            let parameters = operation["parameters"].as_array().unwrap().iter();
            all.push(Operation {
                verb: verb.clone(),
                path: path.clone(),
                body: operation["requestBody"]["content"]["application/json"]
                    .get("schema")
                    .cloned(),
                statuses: statuses.filter_map(|status| status.parse().ok()).collect(),
                query: parameters
                    .filter(|parameter| parameter["in"] == "query")
                    .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                    .collect(),
            });
        }
    }
    all
}

/// A service that lets everybody ask as often as they like.
fn hurried() -> Bench {
    Bench::limited(Limits {
        rate: 1e9,
        burst: 1e9,
        ..Limits::default()
    })
}

/// What must stay as it is when a request is refused: the ledger, and who may come in.
fn state(bench: &Bench, operator: &Client) -> (u64, String, String) {
    let mut authority = Authority::open(&bench.folder(), Duration::from_secs(60)).unwrap();
    (
        authority.size().unwrap(),
        operator.get("/v1/clients").body,
        operator.get("/v1/enrolments").body,
    )
}

/// A good answer of the route, or a problem as described; never a fault of the service.
fn check(answer: &Answer, operation: &Operation, sent: &str) -> String {
    let about = || format!("{} {} {sent}: {answer:?}", operation.verb, operation.path);
    if answer.status < 300 {
        assert!(operation.statuses.contains(&answer.status), "{}", about());
        return "good".into();
    }
    let word = answer.word();
    let kind = KINDS.iter().find(|(known, ..)| *known == word);
    let (_, status, ..) = kind.unwrap_or_else(|| panic!("no problem: {}", about()));
    assert_eq!(*status, answer.status, "{}", about());
    assert!(answer.status < 500, "{}", about());
    let told = answer.json();
    assert_eq!(told["status"], answer.status);
    for member in ["title", "detail", "action", "request"] {
        assert!(!told[member].as_str().unwrap().is_empty(), "{}", about());
    }
    word
}

#[test]
fn no_body_and_no_path_is_more_than_the_service_can_bear() {
    let bench = hurried();
    let (station, operator, nobody) = (bench.station(), bench.operator(), bench.nobody());
    let order = json!({ "role": "terminal", "name": { "exactly": "ZZFUZZTERM000001" } });
    assert_eq!(station.post("/v1/orders", &order).status, 201);
    let description = nobody.get("/v1/openapi.json").json();
    let operations = operations(&description);
    let clients = [&station, &operator, &nobody];
    let mut dice = Dice::new(seed());
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut refused_at: BTreeSet<(String, String)> = BTreeSet::new();
    let mut before = state(&bench, &operator);
    let rounds = cases(200, 20_000);
    let mut sent = 0;
    for operation in operations
        .iter()
        .cycle()
        .take(operations.len() * usize::try_from(rounds).unwrap())
    {
        let client = *dice.one(&clients);
        let path = wild_path(operation, &mut dice);
        let (text, answer) = match &operation.body {
            Some(schema) => {
                let mut body = from_schema(schema, &description, &mut dice);
                for _ in 0..dice.below(3) {
                    spoil(&mut body, &mut dice);
                }
                let text = text_of(&body, &mut dice);
                let key = format!("fuzz-{sent}");
                let headers: &[_] = match dice.below(20) {
                    0 => &[JSON],
                    1 => &[("idempotency-key", &key)],
                    2 => &[JSON, ("idempotency-key", "")],
                    _ => &[JSON, ("idempotency-key", &key)],
                };
                let answer = client.send(&path, &text, headers).unwrap();
                (text, answer)
            }
            None => (String::new(), client.ask(&operation.verb, &path, None)),
        };
        let word = check(&answer, operation, &format!("{path} {text}"));
        sent += 1;
        let after = match operation.verb == "get" && word == "good" {
            true => before.clone(), // looked at again after the next refusal
            false => state(&bench, &operator),
        };
        if word != "good" {
            assert!(
                before == after,
                "{} {path} {text}: refused with {word}, and yet",
                operation.verb
            );
            refused_at.insert((operation.verb.clone(), operation.path.clone()));
        }
        before = after;
        *seen.entry(word).or_default() += 1;
    }
    // Not everything was nonsense, and every route that can refuse did.
    assert!(seen["good"] > 0 && seen.len() >= 8, "{seen:?}");
    for operation in operations
        .iter()
        .filter(|operation| operation.body.is_some())
    {
        let place = (operation.verb.clone(), operation.path.clone());
        assert!(refused_at.contains(&place), "{place:?} refused nothing");
    }
    assert_eq!(nobody.get("/v1/health").status, 200);
    assert_eq!(
        station
            .post("/v1/orders", &order_of("ZZFUZZTERM000002"))
            .status,
        201
    );
    report(
        "fuzzed",
        sent,
        format_args!("requests made from the description and spoilt: {seen:?}"),
    );
}

fn order_of(name: &str) -> Value {
    json!({ "role": "terminal", "name": { "exactly": name } })
}

/// The path with something in its variable part, and a query.
fn wild_path(operation: &Operation, dice: &mut Dice) -> String {
    const SEGMENTS: [&str; 9] = [
        "ZZFUZZTERM000001",
        "x",
        "..",
        "%00",
        "%2e%2e%2f",
        "%F0%9F%98%80",
        "a%20b",
        "%ff%fe",
        "-1",
    ];
    const VALUES: [&str; 10] = [
        "",
        "0",
        "1",
        "-1",
        "18446744073709551615",
        "18446744073709551616",
        "card",
        "%00",
        "1e3",
        "ZZFUZZTERM000001",
    ];
    let mut path = match (operation.path.split_once('{'), dice.below(8)) {
        (Some((front, _)), 0) => format!("{front}{}", "x".repeat(4_000)),
        (Some((front, _)), _) => format!("{front}{}", dice.one(&SEGMENTS)),
        (None, 0) => format!("{}/", operation.path),
        (None, _) => operation.path.clone(),
    };
    let mut names: Vec<&str> = operation.query.iter().map(String::as_str).collect();
    if dice.below(8) == 0 {
        names.push("unknown");
    }
    let mut pairs = Vec::new();
    for name in names {
        if dice.below(6) > 0 {
            pairs.push(format!("{name}={}", dice.one(&VALUES)));
        }
    }
    if !pairs.is_empty() {
        path += &format!("?{}", pairs.join("&"));
    }
    path
}

#[test]
fn bytes_that_are_hardly_http_get_an_answer_or_none_and_change_nothing() {
    let bench = hurried();
    let operator = bench.operator();
    let before = state(&bench, &operator);
    let mut dice = Dice::new(seed());
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    let rounds = cases(3_000, 300_000);
    for _ in 0..rounds {
        let mut bytes = dice.one(&WELL_FORMED).replace('|', "\r\n").into_bytes();
        for _ in 0..=dice.below(4) {
            break_http(&mut bytes, &mut dice);
        }
        let mut raw = bench.raw();
        let told = raw.exchange_and_end(&bytes);
        for head in told.split("HTTP/1.1 ").skip(1) {
            let status: u16 = head[..3].parse().unwrap();
            assert!(status < 500, "{}: {told}", String::from_utf8_lossy(&bytes));
            *statuses.entry(status).or_default() += 1;
        }
        let _ = raw.0.sock.shutdown(Shutdown::Both); // it may be closed already
    }
    assert!(
        state(&bench, &operator) == before,
        "somebody without a certificate changed something"
    );
    assert!(statuses.len() >= 5, "{statuses:?}");
    assert_eq!(bench.nobody().get("/v1/health").status, 200);
    report(
        "fuzzed",
        rounds,
        format_args!("connections with broken HTTP, by the status they got: {statuses:?}"),
    );
}

/// Requests as they should be; `|` ends a line.
const WELL_FORMED: [&str; 5] = [
    "GET /v1/root HTTP/1.1|Host: localhost||",
    "GET /v1/status-list?x=1 HTTP/1.1|Host: localhost|Accept: */*||GET /v1/health HTTP/1.1|Host: localhost||",
    "POST /v1/orders HTTP/1.1|Host: localhost|Content-Type: application/json|Idempotency-Key: a|Content-Length: 51||{\"role\":\"card\",\"name\":{\"exactly\":\"ZZTALLYCARD00001\"}}",
    "POST /v1/enrol HTTP/1.1|Host: localhost|Content-Type: application/json|Content-Length: 22||{\"code\":\"A\",\"csr\":\"\"} ",
    "POST /v1/enrol HTTP/1.1|Host: localhost|Content-Type: application/json|Transfer-Encoding: chunked||5|{\"cod|10|e\":\"A\",\"csr\":\"\"}|0||",
];

/// One more thing wrong with a request.
fn break_http(bytes: &mut Vec<u8>, dice: &mut Dice) {
    const PIECES: [&str; 16] = [
        "\r\n",
        "\n",
        "\r",
        "\0",
        " ",
        "\t",
        ":",
        "HTTP/2.0",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: chunked\r\n",
        "ffffffffffffffff\r\n",
        "Expect: 100-continue\r\n",
        "Host: localhost\r\n",
    ];
    let at = dice.below(bytes.len().max(1));
    match dice.below(6) {
        0 if !bytes.is_empty() => bytes[at] = dice.byte(),
        1 if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
        2 => bytes.truncate(at),
        3 => {
            bytes.splice(at..at, dice.one(&PIECES).bytes());
        }
        4 => {
            let lines: Vec<usize> = bytes
                .windows(2)
                .enumerate()
                .filter(|(_, pair)| pair == b"\r\n")
                .map(|(at, _)| at + 2)
                .collect();
            let at = if lines.is_empty() {
                0
            } else {
                *dice.one(&lines)
            };
            bytes.splice(at..at, dice.one(&PIECES).bytes());
        }
        _ => {
            let end = (at + 1 + dice.below(40)).min(bytes.len());
            bytes.drain(at.min(end)..end);
        }
    }
}
