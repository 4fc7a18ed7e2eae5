//! The station's commands for a blank card (§11.8), against scripted cards.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod double;

use apdu::certificate::{Request, Role};
use apdu::codec::command::Command;
use apdu::codec::response::Response;
use apdu::codec::status::StatusWord;
use apdu::identifier::{SUITES, header};
use apdu::message::personalise::KeyOrder;
use apdu::message::pin::{Digits, Reference};
use apdu::message::select::{Capabilities, Fci};
use double::*;
use terminal_lib::personalise::{PersonaliseError, Station};
use terminal_lib::transport::in_process::InProcess;

/// A card that answers SELECT with `capabilities` and everything else by `answer`; chains are joined.
fn station_card(
    capabilities: u8,
    mut answer: impl FnMut(Command<'_>, &[u8]) -> Response,
) -> impl FnMut(&[u8]) -> Vec<u8> {
    let mut chain = Vec::new();
    move |bytes| {
        let command = Command::parse(bytes).unwrap();
        let fci = Fci {
            version: 1,
            suites: SUITES,
            capabilities: Capabilities(capabilities),
            max_command: 0xFFFF,
            max_response: 0xFFFF,
            prand: [0; 8],
            tags: [[0; 4]; 16],
        };
        chain.extend_from_slice(command.data);
        if command.header.is_chained() {
            return vec![0x90, 0];
        }
        let data = std::mem::take(&mut chain);
        match command.header {
            header::SELECT => Response::ok(fci.encode()).into_bytes(),
            _ => answer(command, &data).into_bytes(),
        }
    }
}

fn order() -> KeyOrder {
    KeyOrder {
        issuer: name(ROOT),
        holder: name(CARD),
        nonce: [9; 16],
    }
}

fn request(issuer: &str, holder: &str, role: Role, nonce: u8) -> Response {
    let request = Request::create(
        name(issuer),
        name(holder),
        role,
        [nonce; 16],
        &private_key(7),
    );
    Response::ok(request.encoded().to_vec())
}

/// ST-60, ST-62: the card gives its public key and takes root and certificate.
#[test]
fn a_station_sends_each_step_once_and_in_clear() {
    let mut seen = Vec::new();
    let mut transport = InProcess::new(station_card(0x02, |command, data| {
        seen.push((command.header, data.len()));
        match command.header {
            header::GENERATE_KEY => request(ROOT, CARD, Role::Card, 9),
            _ => Response::bare(StatusWord::OK),
        }
    }));
    let mut station = Station::begin(&mut transport).unwrap();
    station
        .set_pin(&Digits::new(Reference::Pin, PIN).unwrap())
        .unwrap();
    station
        .set_puk(&Digits::new(Reference::Puk, PUK).unwrap())
        .unwrap();
    station.store_root(&root()).unwrap();
    let request = station.generate_key(&order()).unwrap();
    let key = &request.fields().key;
    let certificate = certify(&root_key(), ROOT, CARD, Role::Card, key, |_| {});
    station.store_certificate(&certificate).unwrap();
    station.activate().unwrap();
    drop(station);
    drop(transport);
    assert_eq!(
        seen,
        [
            (header::SET_PIN, 6),
            (header::SET_PUK, 8),
            (header::STORE_CERTIFICATE, 409),
            (header::GENERATE_KEY, order().encode().len()),
            (header::STORE_CERTIFICATE, 199),
            (header::ACTIVATE, 0),
        ]
    );
}

/// ST-63: a card that is in use is not personalised again.
#[test]
fn a_card_in_use_is_left_alone() {
    let mut transport = InProcess::new(station_card(0x82, |_, _| Response::bare(StatusWord::OK)));
    let refused = Station::begin(&mut transport).map(drop);
    assert_eq!(refused, Err(PersonaliseError::AlreadyActive));
}

#[test]
fn a_request_about_anything_else_than_the_order_is_refused() {
    let rows = [
        request(NEW_ROOT, CARD, Role::Card, 9),
        request(ROOT, "ZZTALLYCARD00002", Role::Card, 9),
        request(ROOT, CARD, Role::Terminal, 9),
        request(ROOT, CARD, Role::Card, 8),
    ];
    for row in rows {
        let mut transport = InProcess::new(station_card(0x02, |_, _| row.clone()));
        let refused = Station::begin(&mut transport)
            .unwrap()
            .generate_key(&order());
        assert_eq!(refused.unwrap_err(), PersonaliseError::OtherRequest);
    }
    let Response { mut data, status } = request(ROOT, CARD, Role::Card, 9);
    data[190] ^= 1;
    let forged = Response { data, status };
    let mut transport = InProcess::new(station_card(0x02, |_, _| forged.clone()));
    let refused = Station::begin(&mut transport)
        .unwrap()
        .generate_key(&order());
    assert!(matches!(refused, Err(PersonaliseError::Request(_))));
}

#[test]
fn a_refusal_says_which_step_and_what_may_be_missing() {
    let mut transport = InProcess::new(station_card(0x02, |command, _| {
        Response::bare(match command.header {
            header::ACTIVATE => StatusWord::CONDITIONS_NOT_SATISFIED,
            _ => StatusWord::WRONG_DATA,
        })
    }));
    let mut station = Station::begin(&mut transport).unwrap();
    let error = station.activate().unwrap_err();
    assert!(error.to_string().contains("PIN, PUK, root and certificate"));
    let error = station.store_certificate(&root()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the card refused its certificate: 6A80 (wrong data)"
    );
}
