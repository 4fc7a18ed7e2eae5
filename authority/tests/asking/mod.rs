//! Requests that wait for an operator, as stations and operators send them.
#![allow(dead_code, reason = "each test program uses a part of it")]

use crate::http::{Answer, Client, bytes, text};
use crate::support::{Tape, name};
use apdu::certificate::{Request, Role};
use apdu::crypto::PrivateKey;
use serde_json::{Value, json};

pub fn approve() -> Value {
    json!({ "decision": "approve" })
}

pub fn refuse(reason: &str) -> Value {
    json!({ "decision": "refuse", "reason": reason })
}

/// Orders under the name and answers with the key of this seed.
pub fn wish(station: &Client, role: &str, name_choice: &Value, seed: u64) -> Value {
    let answer = station.post("/v1/orders", &json!({ "role": role, "name": name_choice }));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let challenge = answer.json();
    let word = |key: &str| name(challenge[key].as_str().unwrap());
    let as_what = if role == "card" {
        Role::Card
    } else {
        Role::Terminal
    };
    let nonce = bytes(&challenge["nonce"]).try_into().unwrap();
    let key = PrivateKey::generate(&mut Tape(seed)).unwrap();
    let request = Request::create(word("issuer"), word("holder"), as_what, nonce, &key);
    json!({ "request": text(request.encoded()), "role": role })
}

pub fn card(station: &Client, seed: u64) -> Value {
    wish(station, "card", &json!({ "next_of": "ZZCARD" }), seed)
}

/// The id of a request that waits.
pub fn id(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(answer.json()["state"], "awaiting-approval");
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// Asks for the next card, which waits then; its id.
pub fn asked(station: &Client, seed: u64) -> String {
    id(&station.post("/v1/requests", &card(station, seed)))
}

pub fn approvals(id: &str) -> String {
    format!("/v1/approvals/{id}")
}

pub fn requests(id: &str) -> String {
    format!("/v1/requests/{id}")
}
