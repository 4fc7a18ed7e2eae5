//! Who may do what: each route, asked by each kind of client. The table of what is allowed is kept here, apart from the code.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod http;
mod support;

use authority::server::clients::ClientRole;
use authority::server::openapi::verb;
use authority::server::routes::routes;
use http::{Bench, Card, Client, request};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Method, route, path, body, and the five answers.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    Option<Value>,
    [&'static str; 5],
);

/// What nobody, a station, an operator, a revoked client and an auditor are told before the desk is asked.
/// `yes`: they come through, whatever the desk says then.
#[rustfmt::skip]
fn table() -> Vec<Row> {
    const OPEN: [&str; 5] = ["yes", "yes", "yes", "yes", "yes"];
    const STATION: [&str; 5] = ["not-enrolled", "yes", "wrong-role", "client-revoked", "wrong-role"];
    const OPERATOR: [&str; 5] = ["not-enrolled", "wrong-role", "yes", "client-revoked", "wrong-role"];
    const READER: [&str; 5] = ["not-enrolled", "wrong-role", "yes", "client-revoked", "yes"];
    const BOTH: [&str; 5] = ["not-enrolled", "yes", "yes", "client-revoked", "yes"];
    let holder = || Some(json!({ "holder": "ZZTALLYCARD00009" }));
    vec![
        ("get", "/v1/health", "/v1/health", None, OPEN),
        ("get", "/v1/metrics", "/v1/metrics", None, OPEN),
        ("get", "/v1/openapi.json", "/v1/openapi.json", None, OPEN),
        ("get", "/v1/root", "/v1/root", None, OPEN),
        ("get", "/v1/roots", "/v1/roots", None, OPEN),
        ("get", "/v1/status-list", "/v1/status-list", None, OPEN),
        ("post", "/v1/enrol", "/v1/enrol", Some(json!({ "code": "", "csr": "" })), OPEN),
        ("post", "/v1/orders", "/v1/orders", Some(json!({ "role": "card", "name": { "next_of": "ZZCARD" } })), STATION),
        ("post", "/v1/requests", "/v1/requests", Some(json!({ "request": "", "role": "card" })), STATION),
        ("get", "/v1/requests/{id}", "/v1/requests/7", None, STATION),
        ("get", "/v1/waiting", "/v1/waiting?role=card", None, STATION),
        ("post", "/v1/deliveries", "/v1/deliveries", holder(), STATION),
        ("get", "/v1/approvals", "/v1/approvals", None, READER),
        ("post", "/v1/approvals/{id}", "/v1/approvals/7", Some(json!({ "decision": "approve" })), OPERATOR),
        ("post", "/v1/revocations", "/v1/revocations", Some(json!({ "holder": "ZZTALLYCARD00009", "reason": "lost" })), OPERATOR),
        ("post", "/v1/status-lists", "/v1/status-lists", Some(json!({ "scope": "revoked" })), OPERATOR),
        ("get", "/v1/holders", "/v1/holders", None, READER),
        ("get", "/v1/enrolments", "/v1/enrolments", None, READER),
        ("post", "/v1/enrolments", "/v1/enrolments", Some(json!({ "name": "LINE9", "role": "station" })), OPERATOR),
        ("get", "/v1/clients", "/v1/clients", None, READER),
        ("delete", "/v1/clients/{name}", "/v1/clients/LINE8", None, OPERATOR),
        ("post", "/v1/rights/{name}", "/v1/rights/LINE8", Some(json!({})), OPERATOR),
        ("get", "/v1/proposals", "/v1/proposals", None, READER),
        ("post", "/v1/proposals/{id}", "/v1/proposals/7", Some(json!({ "decision": "confirm" })), OPERATOR),
        ("get", "/v1/holders/{holder}", "/v1/holders/ZZTALLYCARD00009", None, BOTH),
        ("get", "/v1/log/head", "/v1/log/head", None, BOTH),
        ("get", "/v1/log/consistency", "/v1/log/consistency?from=1&to=2", None, BOTH),
        ("get", "/v1/log/receipts/{holder}", "/v1/log/receipts/ZZTALLYCARD00009", None, BOTH),
        ("get", "/v1/log/entries", "/v1/log/entries?from=0", None, BOTH),
    ]
}

/// What a client is told by the gate; `yes` for anything that comes from behind it.
fn gate(client: &Client, method: &str, path: &str, body: Option<&Value>) -> String {
    let answer = client.ask(method, path, body);
    let word = answer.word();
    let status = match word.as_str() {
        "not-enrolled" => 401,
        "wrong-role" | "client-revoked" => 403,
        _ => return "yes".into(),
    };
    assert_eq!(answer.status, status, "{method} {path}");
    word
}

#[test]
fn every_route_admits_whom_the_table_says_and_nobody_else() {
    let bench = Bench::new();
    let (station, operator) = (bench.station(), bench.operator());
    let revoked = bench.client("GONE", ClientRole::Operator);
    bench.register().revoke("GONE", bench.now()).unwrap();
    let auditor = bench.client("EVE", ClientRole::Auditor);
    let clients = [&bench.nobody(), &station, &operator, &revoked, &auditor];
    let names = [
        "nobody",
        "a station",
        "an operator",
        "a revoked client",
        "an auditor",
    ];
    let mut wrong = Vec::new();
    for (method, _, path, body, expected) in table() {
        for ((client, name), expected) in clients.iter().zip(names).zip(expected) {
            let told = gate(client, method, path, body.as_ref());
            if told != expected {
                wrong.push(format!("{method} {path} by {name}: {told}, not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_revoked_station_is_refused_like_a_revoked_operator() {
    let bench = Bench::new();
    let station = bench.station();
    assert_eq!(gate(&station, "get", "/v1/log/head", None), "yes");
    bench.register().revoke("LINE1", bench.now()).unwrap();
    assert_eq!(
        gate(&station, "get", "/v1/log/head", None),
        "client-revoked"
    );
}

#[test]
fn every_route_stands_in_the_table_and_in_the_description_and_nothing_else_does() {
    let table: BTreeSet<_> = table()
        .into_iter()
        .map(|(method, route, ..)| format!("{method} {route}"))
        .collect();
    let code: BTreeSet<_> = routes()
        .iter()
        .map(|route| format!("{} {}", verb(route.method), route.path))
        .collect();
    let bench = Bench::new();
    let described = bench.nobody().get("/v1/openapi.json").json();
    let described: BTreeSet<_> = described["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| format!("{method} {path}"))
        })
        .collect();
    assert_eq!(table, code);
    assert_eq!(described, code);
}

#[test]
fn a_path_or_method_that_is_not_served_is_a_problem_too() {
    let bench = Bench::new();
    let client = bench.nobody();
    for path in [
        "/",
        "/v1",
        "/v1/rootz",
        "/v1/root/",
        "/v2/root",
        "/v1/../v1/x",
        "//v1/root",
    ] {
        assert!(client.get(path).is(404, "no-such-route"), "{path}");
    }
    let answer = client.delete("/v1/root");
    assert!(answer.is(405, "method-not-allowed"));
    assert_eq!(answer.allow.as_deref(), Some("GET,HEAD"));
}

#[test]
fn a_certificate_of_our_own_ca_that_is_not_in_the_register_opens_nothing() {
    let bench = Bench::new();
    let key = KeyPair::generate().unwrap();
    let (_, certificate) = bench
        .identity()
        .certify(&request(&key), "LINE1", http::today())
        .unwrap();
    let stranger = bench.with(Some(&Card { certificate, key }));
    let answer = stranger.get("/v1/log/head");
    assert!(answer.is(401, "not-enrolled"));
    assert!(
        answer.body.contains("not in the register"),
        "{}",
        answer.body
    );
    assert_eq!(
        stranger.get("/v1/root").status,
        200,
        "what is for everybody is for it too"
    );
}

#[test]
fn a_self_signed_certificate_does_not_get_past_the_handshake() {
    let bench = Bench::new();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    let certificate = certificate.der().to_vec();
    let card = Card { certificate, key };
    assert!(bench.with(Some(&card)).try_get("/v1/root").is_err());
    let told = bench
        .tls(&[&rustls::version::TLS13], Some(&card))
        .exchange(b"GET /v1/root HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(told, "");
    assert_eq!(bench.nobody().get("/v1/root").status, 200);
}

#[test]
fn a_client_that_trusts_another_ca_does_not_speak_to_us() {
    let bench = Bench::new();
    let other = Bench::new();
    assert_ne!(bench.tls_ca, other.tls_ca);
    assert!(
        bench
            .trusting(&other.tls_ca, None)
            .try_get("/v1/root")
            .is_err()
    );
    assert!(
        bench
            .trusting(&bench.tls_ca, None)
            .try_get("/v1/root")
            .is_ok()
    );
}

#[test]
fn tls_1_2_is_refused() {
    let bench = Bench::new();
    let get = b"GET /v1/root HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(
        bench.tls(&[&rustls::version::TLS12], None).exchange(get),
        ""
    );
    let told = bench.tls(&[&rustls::version::TLS13], None).exchange(get);
    assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
}
