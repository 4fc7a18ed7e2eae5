//! From an order to a revocation over the network, exactly once each; and hostile words in every field.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod http;
mod support;

use apdu::certificate::{
    Anchor, Certificate, Expectations, ProvenCertificate, Request, Role, StatusList, Validity,
};
use apdu::crypto::PrivateKey;
use authority::ledger::{Event, Line};
use authority::tree::{ConsistencyProof, Receipt, SignedTreeHead};
use http::{Bench, Client, JSON, bytes, text};
use serde_json::{Value, json};
use support::{Tape, name};

/// Orders the next card and answers the challenge with a new key.
fn ordered(station: &Client, seed: u64) -> Value {
    let wish = json!({ "role": "card", "name": { "next_of": "ZZCARD" } });
    let answer = station.post("/v1/orders", &wish);
    assert_eq!(answer.status, 201, "{}", answer.body);
    let challenge = answer.json();
    let key = PrivateKey::generate(&mut Tape(seed)).unwrap();
    let word = |key: &str| name(challenge[key].as_str().unwrap());
    let nonce = bytes(&challenge["nonce"]).try_into().unwrap();
    let request = Request::create(word("issuer"), word("holder"), Role::Card, nonce, &key);
    json!({ "request": text(request.encoded()), "role": "card" })
}

#[test]
fn a_card_is_certified_delivered_revoked_and_listed_over_the_network() {
    let bench = Bench::new();
    let (station, operator) = (bench.station(), bench.operator());
    let root = Certificate::decode(&bytes(&station.get("/v1/root").json()["certificate"])).unwrap();
    let anchor = Anchor::trust_root(&root).unwrap();
    assert!(station.get("/v1/status-list").is(404, "not-found"));

    let answer = station.post("/v1/requests", &ordered(&station, 500));
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.json()["state"], "issued");
    let certificate = Certificate::decode(&bytes(&answer.json()["certificate"])).unwrap();
    let expected = Expectations {
        role: Role::Card,
        validity: Validity::Today(certificate.claims().from),
        min_epoch: 0,
        revoked: None,
    };
    assert!(ProvenCertificate::verify(certificate.clone(), &[&anchor], &expected).is_ok());

    let holder = json!({ "holder": "ZZCARD00001" });
    assert_eq!(station.post("/v1/deliveries", &holder).status, 204);
    let lost = json!({ "holder": "ZZCARD00001", "reason": "lost on the train" });
    assert_eq!(operator.post("/v1/revocations", &lost).status, 204);
    let again = operator.post("/v1/revocations", &lost);
    assert!(
        again.is(422, "refused") && again.body.contains("revoked already"),
        "{}",
        again.body
    );
    let published = operator.post("/v1/status-lists", &json!({ "scope": "revoked" }));
    assert_eq!(published.status, 201);
    let fetched = bench.nobody().get("/v1/status-list").json();
    assert_eq!(fetched, published.json());
    let list = StatusList::decode(&bytes(&fetched["status_list"])).unwrap();
    assert_eq!(list.verify(&[&anchor]), Ok(()));
    assert!(list.revokes(&certificate.holder_hash()));

    let holders = operator.get("/v1/holders").json();
    assert_eq!(holders["next"], Value::Null);
    let row = &holders["holders"][0];
    assert_eq!(
        (&row["delivered"], &row["revoked"]),
        (&json!(true), &json!("lost on the train"))
    );
    let figures = bench.nobody().get("/v1/metrics").body;
    assert!(
        figures.contains("\ntallystick_authority_issued_total 1\n"),
        "{figures}"
    );
}

#[test]
fn the_same_key_gives_the_same_answer_and_another_body_is_told_so() {
    let bench = Bench::new();
    let (station, operator) = (bench.station(), bench.operator());
    let wish = json!({ "role": "card", "name": { "next_of": "ZZCARD" } });
    let first = station.post_with("/v1/orders", "k1", &wish);
    assert_eq!(
        station.post_with("/v1/orders", "k1", &wish).body,
        first.body
    );
    assert_ne!(
        station.post_with("/v1/orders", "k2", &wish).body,
        first.body
    );
    let other = json!({ "role": "terminal", "name": { "next_of": "ZZTERM" } });
    assert!(
        station
            .post_with("/v1/orders", "k1", &other)
            .is(422, "idempotency-key-reused")
    );
    let body = ordered(&station, 600);
    let issued = station.post_with("/v1/requests", "k3", &body);
    assert_eq!(
        station.post_with("/v1/requests", "k3", &body).body,
        issued.body
    );
    let used = station.post_with("/v1/requests", "k4", &body);
    assert!(
        used.is(422, "refused") && used.body.contains("used before"),
        "{}",
        used.body
    );
    let list = json!({ "scope": "revoked" });
    let first = operator.post_with("/v1/status-lists", "k1", &list);
    assert_eq!(first.status, 201, "another client's keys are its own");
    assert_eq!(
        operator.post_with("/v1/status-lists", "k1", &list).body,
        first.body
    );
    assert_eq!(
        operator.post("/v1/status-lists", &list).json()["sequence"],
        2
    );
}

#[test]
fn a_change_without_a_usable_key_is_refused() {
    let bench = Bench::new();
    let station = bench.station();
    let body = json!({ "role": "card", "name": { "next_of": "ZZCARD" } }).to_string();
    let long = "x".repeat(65);
    for headers in [
        &[JSON][..],
        &[JSON, ("idempotency-key", "")],
        &[JSON, ("idempotency-key", "a b")],
        &[JSON, ("idempotency-key", &long)],
    ] {
        let answer = station.send("/v1/orders", &body, headers).unwrap();
        assert!(answer.is(400, "idempotency-key-missing"), "{headers:?}");
    }
    let good = [JSON, ("idempotency-key", "k")];
    assert_eq!(
        station.send("/v1/orders", &body, &good).unwrap().status,
        201
    );
    let answer = station
        .send("/v1/orders", &body, &[("idempotency-key", "k")])
        .unwrap();
    assert!(answer.is(415, "not-json"), "{}", answer.body);
}

#[test]
fn holders_come_page_by_page() {
    let bench = Bench::new();
    let (station, operator) = (bench.station(), bench.operator());
    for seed in 0..3 {
        let body = ordered(&station, 700 + seed * 10);
        assert_eq!(station.post("/v1/requests", &body).status, 201);
    }
    let mut names = Vec::new();
    let mut path = "/v1/holders?limit=2".to_owned();
    loop {
        let page = operator.get(&path).json();
        let rows = page["holders"].as_array().unwrap().clone();
        names.extend(
            rows.iter()
                .map(|row| row["holder"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/v1/holders?limit=2&after={next}");
    }
    assert_eq!(names, ["ZZCARD00001", "ZZCARD00002", "ZZCARD00003"]);
}

const HOSTILE: [&str; 12] = [
    "",
    " ",
    "'; DROP TABLE holders; --",
    "../../etc/passwd",
    "{{7*7}}",
    "%00%0a",
    "\u{0}",
    "line\nbreak",
    "\u{1b}[31m",
    "\u{202e}reversed",
    "ZZCARD00001\u{0}",
    "<script>alert(1)</script>",
];

#[test]
fn hostile_words_in_any_field_are_refused_and_change_nothing() {
    let bench = Bench::new();
    let (station, operator) = (bench.station(), bench.operator());
    let long = "Z".repeat(60_000);
    let ledger = || bench.lines();
    let clients = || {
        let register = bench.register();
        let invited = register.invited(bench.now()).unwrap();
        (register.clients().unwrap(), invited)
    };
    let before = (ledger(), clients());
    let mut asked = 0;
    for word in HOSTILE.into_iter().chain([long.as_str()]) {
        let holder = json!({ "role": "card", "name": { "exactly": word } });
        let prefix = json!({ "role": "card", "name": { "next_of": word } });
        let unknown = json!({ "role": "terminal", "name": { "in_place_of_unknown": word } });
        for (client, path, body) in [
            (&station, "/v1/orders", holder),
            (&station, "/v1/orders", prefix),
            (&station, "/v1/orders", unknown),
            (
                &station,
                "/v1/orders",
                json!({ "role": word, "name": { "next_of": "ZZCARD" } }),
            ),
            (
                &station,
                "/v1/orders",
                json!({ "role": "card", "name": { "next_of": "ZZCARD" }, word: 1 }),
            ),
            (
                &station,
                "/v1/requests",
                json!({ "request": word, "role": "card" }),
            ),
            (
                &station,
                "/v1/requests",
                json!({ "request": text(word.as_bytes()), "role": "card" }),
            ),
            (&station, "/v1/deliveries", json!({ "holder": word })),
            (
                &operator,
                "/v1/revocations",
                json!({ "holder": word, "reason": "lost" }),
            ),
            (
                &operator,
                "/v1/revocations",
                json!({ "holder": "ZZCARD00001", "reason": word }),
            ),
            (&operator, "/v1/status-lists", json!({ "scope": word })),
            (
                &operator,
                "/v1/enrolments",
                json!({ "name": word, "role": "station" }),
            ),
            (
                &operator,
                "/v1/enrolments",
                json!({ "name": "X", "role": word }),
            ),
            (&operator, "/v1/approvals/7", json!({ "decision": word })),
            (
                &operator,
                "/v1/approvals/7",
                json!({ "decision": "refuse", "reason": word }),
            ),
            (
                &operator,
                "/v1/enrol",
                json!({ "code": word, "csr": "AAAA" }),
            ),
            (
                &operator,
                "/v1/enrol",
                json!({ "code": "AAAA", "csr": word }),
            ),
        ] {
            let answer = client.post(path, &body);
            let refused = (400..500).contains(&answer.status) && !answer.word().is_empty();
            assert!(
                refused,
                "{path} {body:.200}: {} {}",
                answer.status, answer.body
            );
            asked += 1;
        }
    }
    assert_eq!(asked, 13 * 17);
    assert!(before == (ledger(), clients()), "something was written");
}

#[test]
fn hostile_paths_and_queries_are_refused() {
    let bench = Bench::new();
    let operator = bench.operator();
    for path in [
        "/v1/holders?limit=-1",
        "/v1/holders?limit=99999999999999999999",
        "/v1/holders?limit=1&limit=2",
        "/v1/holders?x=1",
        "/v1/holders?after=%00",
        "/v1/holders?after=zz",
        "/v1/holders?limit",
        "/v1/log/consistency",
        "/v1/log/consistency?from=2&to=1",
        "/v1/log/entries?from=a",
        "/v1/log/receipts/..%2f..%2fetc",
        "/v1/log/receipts/%00",
        "/v1/root?x=1",
    ] {
        let answer = operator.get(path);
        assert!(answer.is(400, "malformed"), "{path}: {}", answer.body);
    }
    assert!(operator.delete("/v1/clients/a%20b").is(400, "malformed"));
    assert_eq!(operator.get("/v1/holders?limit=1").status, 200);
    assert_eq!(
        operator.get("/v1/holders?limit=1000000").status,
        200,
        "more than there may be is as much as there may be"
    );
}

#[test]
fn what_is_no_json_is_told_where_and_not_repeated() {
    let bench = Bench::new();
    let station = bench.station();
    for (number, body) in [
        "",
        "{",
        "[]",
        "null",
        "\"SECRET\"",
        "{\"role\":\"SECRET\"}",
        "{\"role\":\"card\",\"name\":{\"next_of\":\"ZZCARD\"}}x",
        "\u{feff}{}",
    ]
    .into_iter()
    .enumerate()
    {
        let key = number.to_string();
        let answer = station
            .send("/v1/orders", body, &[JSON, ("idempotency-key", &key)])
            .unwrap();
        assert!(answer.is(400, "malformed"), "{body}: {}", answer.body);
        assert!(
            answer.body.contains("line 1") && !answer.body.contains("SECRET"),
            "{}",
            answer.body
        );
    }
    let deep = "[".repeat(60_000);
    let answer = station
        .send("/v1/orders", &deep, &[JSON, ("idempotency-key", "deep")])
        .unwrap();
    assert!(answer.is(400, "malformed"), "{}", answer.body);
}

/// What a station was given is proved by the log, to anybody who has the root.
#[test]
fn a_receipt_comes_with_the_certificate_and_heads_prove_that_the_log_only_grew() {
    let bench = Bench::new();
    let (station, operator) = (bench.station(), bench.operator());
    let root = Certificate::decode(&bytes(&station.get("/v1/root").json()["certificate"])).unwrap();
    let head = |client: &Client| {
        let told = client.get("/v1/log/head").body;
        SignedTreeHead::from_json(told.as_bytes()).unwrap()
    };
    let early = head(&station);
    let issued = station.post("/v1/requests", &ordered(&station, 900)).json();
    let receipt = Receipt::from_json(issued["receipt"].to_string().as_bytes()).unwrap();
    let claims = root.claims();
    receipt.verify_of(&claims.holder, &claims.key).unwrap();
    let certificate = Certificate::decode(&bytes(&issued["certificate"])).unwrap();
    let line = Line::read(&receipt.entry).unwrap();
    assert!(matches!(&line.event, Event::Issued { certificate: told, .. } if *told == certificate));
    assert_eq!(line.by.as_deref(), Some("LINE1"));
    let late = head(&operator);
    late.verify(&claims.key).unwrap();
    let path = format!(
        "/v1/log/consistency?from={}&to={}",
        early.head.size, late.head.size
    );
    let proof = operator.get(&path).body;
    let proof = ConsistencyProof::from_json(proof.as_bytes()).unwrap();
    proof.verify(&early.head, &late.head).unwrap();
    assert!(proof.verify(&late.head, &early.head).is_err());
    let again = operator.get("/v1/log/receipts/ZZCARD00001").body;
    let again = Receipt::from_json(again.as_bytes()).unwrap();
    again.verify_of(&claims.holder, &claims.key).unwrap();
    let path = format!("/v1/log/entries?from={}&count=1", receipt.index);
    let entries = operator.get(&path).json();
    assert_eq!(entries[0], receipt.entry);
    assert!(
        operator
            .get("/v1/log/receipts/ZZCARD00002")
            .is(404, "not-found")
    );
}
