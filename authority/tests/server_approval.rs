//! Certificates that an operator has to approve, over the network: nothing is signed before, each verdict once, and every "no".
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod asking;
mod http;
mod support;

use apdu::certificate::Certificate;
use asking::{approvals, approve, asked, card, id, refuse, requests, wish};
use authority::Authority;
use authority::ledger::{Event, Line};
use authority::server::approval::Approval;
use authority::server::clients::ClientRole;
use authority::tree::Receipt;
use http::{Bench, Client, bytes, text};
use serde_json::{Value, json};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use support::{DAY, START, name};

fn metric(bench: &Bench, line: &str) -> bool {
    let figures = bench.nobody().get("/v1/metrics").body;
    let line = format!("tallystick_authority_{line}");
    figures.lines().any(|other| other == line)
}

fn audit(bench: &Bench) -> u64 {
    let mut authority = Authority::open(&bench.folder(), Duration::from_secs(60)).unwrap();
    authority.audit().unwrap().certificates
}

#[test]
fn nothing_is_signed_before_an_operator_says_yes_and_the_ledger_names_both() {
    let bench = Bench::asking(Approval::Cards);
    let (station, operator) = (bench.station(), bench.operator());
    let body = card(&station, 100);
    let id = id(&station.post_with("/v1/requests", "k1", &body));
    assert!(station.get("/v1/holders/ZZCARD00001").is(404, "not-found"));
    assert_eq!(audit(&bench), 0);
    let waits = station.get(&requests(&id));
    assert_eq!((waits.status, &waits.json()["id"]), (202, &json!(id)));
    let list = operator.get("/v1/approvals").json();
    let row = &list["waiting"][0];
    assert_eq!((&row["id"], &row["client"]), (&json!(id), &json!("LINE1")));
    assert_eq!(row["holder"], "ZZCARD00001");
    assert_eq!(row["until"], START + 7 * DAY);
    let own = station.get("/v1/waiting?role=card").json();
    assert_eq!(own["requests"][0], *row);
    let others = station.get("/v1/waiting?role=terminal").json();
    assert_eq!(others["requests"], json!([]));
    assert!(metric(&bench, "waiting 1"));

    let yes = operator.post(&approvals(&id), &approve());
    assert_eq!(yes.status, 200, "{}", yes.body);
    let told = yes.json();
    let receipt = Receipt::from_json(told["receipt"].to_string().as_bytes()).unwrap();
    let line = Line::read(&receipt.entry).unwrap();
    let approved: u64 = id.parse().unwrap();
    assert_eq!(line.by.as_deref(), Some("Ada"));
    assert!(
        matches!(line.event, Event::Issued { approves: Some(request), .. } if request == approved)
    );
    let asked = Line::read(&bench.lines()[usize::try_from(approved).unwrap() - 1]).unwrap();
    assert_eq!(asked.by.as_deref(), Some("LINE1"));
    assert!(
        matches!(asked.event, Event::Requested { holder, .. } if holder == name("ZZCARD00001"))
    );

    let issued = station.get(&requests(&id));
    assert_eq!(issued.status, 200);
    assert_eq!(issued.json()["certificate"], told["certificate"]);
    let root = bytes(&station.get("/v1/root").json()["certificate"]);
    let root = Certificate::decode(&root).unwrap();
    let receipt = issued.json()["receipt"].to_string();
    let receipt = Receipt::from_json(receipt.as_bytes()).unwrap();
    receipt.verify(&root.claims().key).unwrap();
    assert_eq!(operator.get("/v1/approvals").json()["waiting"], json!([]));
    assert!(metric(&bench, "waiting 0"));
    assert_eq!(audit(&bench), 1);
}

#[test]
fn the_setting_names_the_roles_that_wait_and_the_others_do_not() {
    for (approval, waits) in [
        (Approval::None, [false, false]),
        (Approval::Cards, [true, false]),
        (Approval::Terminals, [false, true]),
        (Approval::All, [true, true]),
    ] {
        let bench = Bench::asking(approval);
        let station = bench.station();
        for (role, waits) in ["card", "terminal"].into_iter().zip(waits) {
            let body = wish(&station, role, &json!({ "next_of": "ZZBOTH" }), 200);
            let body = match role {
                "card" => body,
                _ => wish(&station, role, &json!({ "next_of": "ZZBOTH" }), 300),
            };
            let answer = station.post("/v1/requests", &body);
            let expected = if waits { 202 } else { 201 };
            assert_eq!(answer.status, expected, "{approval:?} {role}");
        }
    }
}

#[test]
fn the_same_key_gives_the_same_id_and_after_the_approval_the_certificate() {
    let bench = Bench::asking(Approval::All);
    let (station, operator) = (bench.station(), bench.operator());
    let body = card(&station, 400);
    let first = station.post_with("/v1/requests", "k1", &body);
    let lines = bench.lines().len();
    let again = station.post_with("/v1/requests", "k1", &body);
    assert_eq!((again.status, &again.body), (202, &first.body));
    let used = station.post_with("/v1/requests", "k2", &body);
    assert!(used.is(422, "refused") && used.body.contains("nonce was used"));
    assert_eq!(bench.lines().len(), lines, "nothing was added");
    let yes = operator.post(&approvals(&id(&first)), &approve());
    let issued = station.post_with("/v1/requests", "k1", &body);
    assert_eq!(issued.status, 201, "{}", issued.body);
    assert_eq!(issued.json()["certificate"], yes.json()["certificate"]);
    let other = card(&station, 401);
    let reused = station.post_with("/v1/requests", "k1", &other);
    assert!(reused.is(422, "idempotency-key-reused"), "{}", reused.body);
}

#[test]
fn a_bad_request_is_refused_at_once_and_does_not_wait() {
    let bench = Bench::asking(Approval::All);
    let (station, operator) = (bench.station(), bench.operator());
    let mut body = card(&station, 500);
    body["role"] = json!("terminal");
    let other = station.post("/v1/requests", &body);
    assert!(other.is(422, "refused"), "{}", other.body);
    let mut damaged = bytes(&body["request"]);
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let forged = json!({ "request": text(&damaged), "role": "card" });
    let forged = station.post("/v1/requests", &forged);
    assert!(forged.is(400, "malformed"), "{}", forged.body);
    bench.clock.store(2 * DAY, SeqCst);
    body["role"] = json!("card");
    let late = station.post("/v1/requests", &body);
    assert!(late.is(422, "refused") && late.body.contains("expired"));
    assert_eq!(operator.get("/v1/approvals").json()["waiting"], json!([]));
}

#[test]
fn name_and_key_are_taken_while_a_request_waits_and_burnt_after_a_refusal() {
    let bench = Bench::asking(Approval::All);
    let (station, operator) = (bench.station(), bench.operator());
    let exactly = json!({ "exactly": "ZZCARD00001" });
    let second = wish(&station, "card", &exactly, 601); // planned before the name was asked for
    let id = asked_exactly(&station, &exactly, 600);
    let taken = |word: &str| {
        let order = station.post("/v1/orders", &json!({ "role": "card", "name": exactly }));
        assert!(order.is(422, "refused"), "{word}: {}", order.body);
        assert!(
            order.body.contains("was asked for before"),
            "{}",
            order.body
        );
        let name = station.post("/v1/requests", &second);
        assert!(name.is(422, "refused"), "{word}: {}", name.body);
        assert!(name.body.contains("the name ZZCARD00001"), "{}", name.body);
        let next = wish(&station, "card", &json!({ "next_of": "ZZCARD" }), 600);
        let key = station.post("/v1/requests", &next);
        assert!(key.is(422, "refused"), "{word}: {}", key.body);
        assert!(
            key.body.contains("its key stands in a request"),
            "{}",
            key.body
        );
    };
    taken("while it waits");
    let no = operator.post(&approvals(&id), &refuse("nobody knows this card"));
    assert_eq!(no.status, 204, "{}", no.body);
    taken("after the refusal");
    assert_eq!(audit(&bench), 0);
}

fn asked_exactly(station: &Client, exactly: &Value, seed: u64) -> String {
    id(&station.post("/v1/requests", &wish(station, "card", exactly, seed)))
}

#[test]
fn a_refusal_is_told_with_its_reason_and_no_verdict_follows_another() {
    let bench = Bench::asking(Approval::All);
    let (station, operator) = (bench.station(), bench.operator());
    let body = card(&station, 700);
    let id = id(&station.post_with("/v1/requests", "k1", &body));
    for reason in ["", " ", "two\nlines", &"x".repeat(201)] {
        let bad = operator.post(&approvals(&id), &refuse(reason));
        assert!(bad.is(422, "refused"), "{reason:?}: {}", bad.body);
    }
    assert_eq!(
        operator.post(&approvals(&id), &refuse("not ours")).status,
        204
    );
    let told = station.get(&requests(&id));
    assert_eq!(
        (told.status, &told.json()["state"]),
        (200, &json!("refused"))
    );
    assert_eq!(told.json()["reason"], "an operator refused it: not ours");
    let again = station.post_with("/v1/requests", "k1", &body);
    assert!(again.is(422, "refused") && again.body.contains("not ours"));
    let lines = bench.lines();
    assert!(
        operator
            .post(&approvals(&id), &approve())
            .is(409, "conflict")
    );
    let reworded = operator.post(&approvals(&id), &refuse("another word"));
    assert!(reworded.is(409, "conflict"), "{}", reworded.body);
    let same = operator.post(&approvals(&id), &refuse("not ours"));
    assert_eq!(same.status, 204, "the same word again");
    assert!(bench.lines() == lines, "nothing was written");
}

#[test]
fn approving_twice_gives_one_certificate_and_a_refusal_after_it_is_a_conflict() {
    let bench = Bench::asking(Approval::All);
    let (station, operator) = (bench.station(), bench.operator());
    let id = asked(&station, 800);
    let first = operator.post_with(&approvals(&id), "k1", &approve());
    let lines = bench.lines();
    let same = operator.post_with(&approvals(&id), "k1", &approve());
    assert_eq!(same.body, first.body);
    let again = operator.post_with(&approvals(&id), "k2", &approve());
    assert_eq!(again.status, 200, "{}", again.body);
    assert_eq!(again.json()["certificate"], first.json()["certificate"]);
    let no = operator.post(&approvals(&id), &refuse("too late"));
    assert!(no.is(409, "conflict"), "{}", no.body);
    assert!(bench.lines() == lines, "nothing was written");
    assert_eq!(audit(&bench), 1);
}

#[test]
fn a_request_that_nobody_decided_about_dies_and_its_name_with_it() {
    let bench = Bench::asking(Approval::All);
    let (station, operator) = (bench.station(), bench.operator());
    let (early, late) = (asked(&station, 900), asked(&station, 901));
    bench.clock.store(7 * DAY, SeqCst);
    let last_second = operator.post(&approvals(&early), &approve());
    assert_eq!(last_second.status, 200, "{}", last_second.body);
    bench.clock.store(7 * DAY + 1, SeqCst);
    let told = station.get(&requests(&late)).json();
    assert_eq!(told["state"], "refused");
    assert_eq!(told["reason"], "no operator has decided about it in time");
    for verdict in [approve(), refuse("too late")] {
        let answer = operator.post(&approvals(&late), &verdict);
        assert!(answer.is(422, "refused"), "{}", answer.body);
        assert!(answer.body.contains("waited too long"), "{}", answer.body);
    }
    assert_eq!(operator.get("/v1/approvals").json()["waiting"], json!([]));
    assert!(metric(&bench, "waiting 0"));
    let exactly = json!({ "role": "card", "name": { "exactly": "ZZCARD00002" } });
    assert!(station.post("/v1/orders", &exactly).is(422, "refused"));
    assert_eq!(audit(&bench), 1);
}

#[test]
fn no_station_decides_and_none_sees_the_request_of_another() {
    let bench = Bench::asking(Approval::All);
    let (station, operator) = (bench.station(), bench.operator());
    let other = bench.client("LINE2", ClientRole::Station);
    let id = asked(&station, 1_000);
    for client in [&station, &other] {
        let answer = client.post(&approvals(&id), &approve());
        assert!(answer.is(403, "wrong-role"), "{}", answer.body);
        assert!(client.get("/v1/approvals").is(403, "wrong-role"));
    }
    assert!(other.get(&requests(&id)).is(404, "not-found"));
    assert!(operator.get(&requests(&id)).is(403, "wrong-role"));
    let seen = other.get("/v1/waiting?role=card").json();
    assert_eq!(seen["requests"], json!([]));
    assert_eq!(station.get(&requests(&id)).status, 202);
    assert_eq!(audit(&bench), 0);
}

#[test]
fn an_id_that_is_none_is_not_found() {
    let bench = Bench::asking(Approval::All);
    let (station, operator) = (bench.station(), bench.operator());
    let id = asked(&station, 1_100);
    let longer = format!("0{id}");
    for other in [
        "0",
        "1",
        "2",
        "99",
        &longer,
        "-1",
        "x",
        "18446744073709551616",
    ] {
        assert!(
            station.get(&requests(other)).is(404, "not-found"),
            "{other}"
        );
        for verdict in [approve(), refuse("no such thing")] {
            let answer = operator.post(&approvals(other), &verdict);
            assert!(answer.is(404, "not-found"), "{other}: {}", answer.body);
        }
    }
    assert_eq!(station.get(&requests(&id)).status, 202);
}

#[test]
fn what_a_station_asked_for_before_it_was_revoked_can_be_refused_and_not_approved() {
    let bench = Bench::asking(Approval::All);
    let (station, operator) = (bench.station(), bench.operator());
    let (one, other) = (asked(&station, 1_200), asked(&station, 1_201));
    bench.clock.store(10, SeqCst);
    bench.register().revoke("LINE1", bench.now()).unwrap();
    assert!(station.get(&requests(&one)).is(403, "client-revoked"));
    let revoked = |id: &str| {
        let answer = operator.post(&approvals(id), &approve());
        assert!(answer.is(422, "refused"), "{}", answer.body);
        assert!(answer.body.contains("LINE1 was revoked"), "{}", answer.body);
    };
    revoked(&one);
    // Whoever has the name now has not asked.
    let successor = bench.station();
    revoked(&other);
    let id = asked(&successor, 1_202);
    assert_eq!(operator.post(&approvals(&id), &approve()).status, 200);
    let no = operator.post(&approvals(&one), &refuse("the station was revoked"));
    assert_eq!(no.status, 204, "{}", no.body);
    assert_eq!(audit(&bench), 1);
}
