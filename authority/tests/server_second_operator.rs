//! What one operator alone may not do, over the network: each change of clients and the cut-off wait for another one.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod asking;
mod http;
mod support;

use asking::{approvals, approve, asked};
use authority::Authority;
use authority::server::approval::Approval;
use authority::server::clients::ClientRole;
use authority::server::second::{ApproveOwn, Second, SecondOperator};
use http::{Answer, Bench, Card, Client, bytes, enrol_body, request};
use rcgen::KeyPair;
use serde_json::{Value, json};
use std::time::Duration;

fn bench(operator: SecondOperator) -> Bench {
    let approve_own = ApproveOwn::Auto;
    let second = Second {
        operator,
        approve_own,
    };
    Bench::with_second(Approval::All, second)
}

fn decide(operator: &Client, answer: &Answer, decision: &str) -> Answer {
    assert_eq!(answer.status, 202, "{}", answer.body);
    let id = answer.json()["proposal"].as_str().unwrap().to_owned();
    operator.post(
        &format!("/v1/proposals/{id}"),
        &json!({ "decision": decision }),
    )
}

fn with_code(bench: &Bench, invited: &Answer) -> (Answer, Client) {
    let key = KeyPair::generate().unwrap();
    let code = invited.json()["code"].as_str().unwrap().to_owned();
    let answer = bench
        .nobody()
        .post("/v1/enrol", &enrol_body(&code, &request(&key)));
    let certificate = match answer.status {
        201 => bytes(&answer.json()["certificate"]),
        _ => return (answer, bench.nobody()),
    };
    (answer, bench.with(Some(&Card { certificate, key })))
}

fn invitation() -> Value {
    json!({ "name": "LINE1", "role": "station", "rights": { "prefixes": ["ZZCARD"], "years": 3 } })
}

fn audit(bench: &Bench) {
    let mut authority = Authority::open(&bench.folder(), Duration::from_secs(60)).unwrap();
    authority.audit().unwrap();
}

#[test]
fn an_invitation_waits_for_another_operator_and_its_code_too() {
    let bench = bench(SecondOperator::Clients);
    let (ada, bob) = (
        bench.client("ADA", ClientRole::Operator),
        bench.client("BOB", ClientRole::Operator),
    );
    let invited = ada.post("/v1/enrolments", &invitation());
    assert!(with_code(&bench, &invited).0.is(403, "bad-code"));
    assert!(decide(&ada, &invited, "confirm").is(422, "refused"));
    let shown = bob.get("/v1/proposals").json();
    let row = &shown["proposals"][0];
    assert_eq!(
        (&row["by"], &row["what"], &row["client"], &row["rights"]),
        (
            &json!("ADA"),
            &json!("invite"),
            &json!("LINE1"),
            &json!({ "prefixes": ["ZZCARD"], "years": 3 })
        )
    );
    assert_eq!(decide(&bob, &invited, "confirm").status, 204);
    assert_eq!(bob.get("/v1/proposals").json(), json!({ "proposals": [] }));
    let (answer, station) = with_code(&bench, &invited);
    assert_eq!(answer.status, 201, "{}", answer.body);
    // Who proposed the station, and has had its code, does not approve its requests; the other one does.
    let id = asked(&station, 900);
    let waiting = &bob.get("/v1/approvals").json()["waiting"][0];
    assert_eq!(waiting["years"], 3, "what is asked for is shown");
    let own = ada.post(&approvals(&id), &approve());
    assert!(own.is(422, "refused"), "{}", own.body);
    assert_eq!(bob.post(&approvals(&id), &approve()).status, 200);
    audit(&bench);
}

#[test]
fn revocations_and_rights_wait_and_can_be_dismissed() {
    let bench = bench(SecondOperator::All);
    let (ada, bob) = (
        bench.client("ADA", ClientRole::Operator),
        bench.client("BOB", ClientRole::Operator),
    );
    let station = bench.station();
    let revoke = || ada.ask("delete", "/v1/clients/LINE1", None);
    let dismissed = revoke();
    assert_eq!(decide(&ada, &dismissed, "dismiss").status, 204);
    assert!(decide(&bob, &dismissed, "confirm").is(404, "not-found"));
    let granted = ada.post("/v1/rights/LINE1", &json!({ "daily": 1 }));
    assert_eq!(decide(&bob, &granted, "confirm").status, 204);
    asked(&station, 900);
    let order = json!({ "role": "card", "name": { "next_of": "ZZCARD" } });
    assert!(station.post("/v1/orders", &order).is(422, "refused"));
    assert_eq!(station.get("/v1/log/head").status, 200);
    assert_eq!(decide(&bob, &revoke(), "confirm").status, 204);
    assert!(station.get("/v1/log/head").is(403, "client-revoked"));
    audit(&bench);
}

#[test]
fn cutting_everything_off_waits_and_an_ordinary_list_does_not() {
    let bench = bench(SecondOperator::CutOff);
    let (ada, bob) = (
        bench.client("ADA", ClientRole::Operator),
        bench.client("BOB", ClientRole::Operator),
    );
    let list = |scope: &str| ada.post("/v1/status-lists", &json!({ "scope": scope }));
    assert_eq!(list("revoked").status, 201);
    let cut = list("everything");
    let epoch = || bob.get("/v1/status-list").json()["min_epoch"].clone();
    assert_eq!(epoch(), 0);
    assert_eq!(decide(&bob, &cut, "confirm").status, 204);
    assert_eq!(epoch(), 1);
    assert_eq!(ada.ask("delete", "/v1/clients/BOB", None).status, 204);
    audit(&bench);
}

#[test]
fn with_one_operator_nothing_waits_and_the_inviter_is_told() {
    let bench = bench(SecondOperator::None);
    let ada = bench.client("ADA", ClientRole::Operator);
    let invited = ada.post("/v1/enrolments", &invitation());
    assert_eq!(invited.status, 201, "{}", invited.body);
    let (answer, station) = with_code(&bench, &invited);
    assert_eq!(answer.status, 201);
    let clients = ada.get("/v1/clients").json();
    assert_eq!(clients["clients"][1]["invited_by"], "ADA");
    let id = asked(&station, 900);
    assert_eq!(ada.post(&approvals(&id), &approve()).status, 200);
    audit(&bench);
}
