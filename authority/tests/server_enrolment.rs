//! Becoming a client: one code, one client, once.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod http;
mod support;

use authority::EnrolmentCode;
use authority::server::clients::{CODE_LIFETIME, ClientRole};
use http::{Bench, Card, bytes, enrol_body, request, statuses_at_once, text};
use rcgen::KeyPair;
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::Ordering::SeqCst;
use support::Tape;

fn csr() -> Vec<u8> {
    request(&KeyPair::generate().unwrap())
}

#[test]
fn a_code_makes_one_client_and_is_used_up() {
    let bench = Bench::new();
    let code = bench.code("LINE1", ClientRole::Station);
    let key = KeyPair::generate().unwrap();
    let answer = bench
        .nobody()
        .post("/v1/enrol", &enrol_body(&code, &request(&key)));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let told = answer.json();
    assert_eq!(
        (&told["name"], &told["role"]),
        (&json!("LINE1"), &json!("station"))
    );
    assert_eq!(bytes(&told["tls_ca"]), bench.tls_ca);
    let certificate = bytes(&told["certificate"]);
    let station = bench.with(Some(&Card { certificate, key }));
    assert_eq!(station.get("/v1/log/head").status, 200, "it is let in");
    let again = bench.nobody().post("/v1/enrol", &enrol_body(&code, &csr()));
    assert!(again.is(403, "bad-code"), "{}", again.body);
    assert_eq!(bench.register().clients().unwrap().len(), 1);
}

#[test]
fn a_code_enrols_until_its_last_second_and_not_after_it() {
    let bench = Bench::new();
    let (early, late) = (
        bench.code("A", ClientRole::Station),
        bench.code("B", ClientRole::Station),
    );
    bench.clock.store(CODE_LIFETIME, SeqCst);
    let client = bench.nobody();
    assert_eq!(
        client.post("/v1/enrol", &enrol_body(&early, &csr())).status,
        201
    );
    bench.clock.store(CODE_LIFETIME + 1, SeqCst);
    assert!(
        client
            .post("/v1/enrol", &enrol_body(&late, &csr()))
            .is(403, "bad-code")
    );
    assert_eq!(bench.register().invited(bench.now()).unwrap(), []);
}

#[test]
fn a_wrong_a_mistyped_and_a_foreign_code_enrol_nobody_and_leave_the_right_one_good() {
    let bench = Bench::new();
    let code = bench.code("LINE1", ClientRole::Station);
    let wrong = EnrolmentCode::draw(&bench.tls_ca, &mut Tape(77)).unwrap();
    let foreign = EnrolmentCode::draw(b"another CA", &mut Tape(78)).unwrap();
    let slip = code.replacen(&code[..1], if code.starts_with('Z') { "Y" } else { "Z" }, 1);
    let client = bench.nobody();
    for (code, status, word) in [
        (wrong.dangerous_text().as_str(), 403, "bad-code"),
        (foreign.dangerous_text().as_str(), 403, "bad-code"),
        (slip.as_str(), 400, "malformed"),
        ("", 400, "malformed"),
    ] {
        let answer = client.post("/v1/enrol", &enrol_body(code, &csr()));
        assert!(answer.is(status, word), "{}", answer.body);
        assert!(
            code.is_empty() || !answer.body.contains(code),
            "a code is not repeated"
        );
    }
    assert_eq!(
        client.post("/v1/enrol", &enrol_body(&code, &csr())).status,
        201
    );
}

#[test]
fn a_request_that_is_not_signed_by_its_key_enrols_nobody_and_leaves_the_code_good() {
    let bench = Bench::new();
    let code = bench.code("LINE1", ClientRole::Station);
    let good = csr();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let client = bench.nobody();
    for bad in [&flipped[..], &good[..good.len() - 1], b"", b"\x30\x80"] {
        let answer = client.post("/v1/enrol", &enrol_body(&code, bad));
        assert!(answer.is(400, "malformed"), "{}", answer.body);
    }
    assert_eq!(
        client.post("/v1/enrol", &enrol_body(&code, &good)).status,
        201
    );
}

#[test]
fn of_many_who_use_one_code_at_once_exactly_one_wins() {
    let bench = Bench::new();
    let code = bench.code("LINE1", ClientRole::Station);
    let clients: Vec<_> = (0..8).map(|_| bench.nobody()).collect();
    let body = enrol_body(&code, &csr());
    let told = statuses_at_once(&clients, "/v1/enrol", &body);
    assert_eq!(told, [201, 403, 403, 403, 403, 403, 403, 403]);
    assert_eq!(bench.register().clients().unwrap().len(), 1);
}

#[test]
fn an_operator_invites_over_the_network_and_the_code_is_told_once() {
    let bench = Bench::new();
    let operator = bench.operator();
    let wish = json!({ "name": "LINE7", "role": "station" });
    let answer = operator.post_with("/v1/enrolments", "one", &wish);
    assert_eq!(answer.status, 201, "{}", answer.body);
    let code = answer.json()["code"].as_str().unwrap().to_owned();
    let again = operator.post_with("/v1/enrolments", "one", &wish);
    assert!(again.is(409, "conflict"), "{}", again.body);
    let list = operator.get("/v1/enrolments");
    assert_eq!(list.json()["enrolments"][0]["name"], "LINE7");
    let mut stored = Vec::new();
    for file in std::fs::read_dir(bench.folder()).unwrap() {
        stored.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let stored = String::from_utf8_lossy(&stored).into_owned();
    assert!(stored.contains("LINE7"), "the invitation is stored");
    for text in [&list.body, &stored] {
        assert!(!text.contains(&code) && !text.contains(&code.replace('-', "")));
    }
    assert_eq!(
        bench
            .nobody()
            .post("/v1/enrol", &enrol_body(&code, &csr()))
            .status,
        201
    );
    assert_eq!(
        operator.get("/v1/enrolments").json()["enrolments"],
        json!([])
    );
}

#[test]
fn a_name_is_given_again_only_after_its_client_was_revoked() {
    let bench = Bench::new();
    let (operator, station) = (bench.operator(), bench.station());
    let wish = json!({ "name": "LINE1", "role": "station" });
    assert!(operator.post("/v1/enrolments", &wish).is(409, "conflict"));
    assert_eq!(operator.delete("/v1/clients/LINE1").status, 204);
    assert!(
        station.get("/v1/log/head").is(403, "client-revoked"),
        "at its next request"
    );
    assert!(operator.delete("/v1/clients/LINE1").is(404, "not-found"));
    assert_eq!(operator.post("/v1/enrolments", &wish).status, 201);
    assert_eq!(
        operator.delete("/v1/clients/LINE1").status,
        204,
        "an invitation is taken back"
    );
    assert_eq!(
        operator.get("/v1/enrolments").json()["enrolments"],
        json!([])
    );
    let clients = operator.get("/v1/clients").json();
    let revoked: Vec<_> = clients["clients"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["revoked"].is_u64())
        .collect();
    assert_eq!(revoked, [false, true]);
}

#[test]
fn the_files_of_the_service_are_their_owners_alone() {
    let bench = Bench::new();
    bench.code("LINE1", ClientRole::Station);
    for file in ["tls-ca.pem", "tls-ca.key", "authority.db"] {
        let about = std::fs::metadata(bench.folder().join(file)).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, 0o600, "{file}");
    }
    assert_eq!(
        bench.identity().certificate(),
        bench.tls_ca,
        "it is made once"
    );
    assert_eq!(text(&bench.tls_ca).len() % 4, 0);
}
