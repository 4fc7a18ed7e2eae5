//! What `DA 7F 21` stores and refuses before a card is in use (§11.8), step by step in the order of the refusals.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod bench;

use apdu::certificate::{
    Certificate, Date, HolderHash, Name, Request, Role, StatusList, StatusListFields,
};
use apdu::codec::status::StatusWord;
use apdu::identifier::header;
use apdu::message::personalise::KeyOrder;
use bench::{
    Bench, CARD, OK, PIN, PUK, ROOT, Terminal, certify, certify_with, private_key, root, root_key,
};
use card_core::store::{Change, Record, Store};

const DATA: StatusWord = StatusWord::WRONG_DATA;
const NOT_NOW: StatusWord = StatusWord::CONDITIONS_NOT_SATISFIED;

fn store(bench: &mut Bench, bytes: &[u8]) -> StatusWord {
    bench.select();
    bench.send(header::STORE_CERTIFICATE, bytes).status
}

/// A new key under the usual names; the public key of its request.
fn generate_key(bench: &mut Bench) -> apdu::crypto::PublicKey {
    bench.select();
    let order = KeyOrder {
        issuer: Name::new(ROOT).unwrap(),
        holder: Name::new(CARD).unwrap(),
        nonce: [5; 16],
    };
    let request = bench.plain_ok(header::GENERATE_KEY, &order.encode());
    Request::decode(&request).unwrap().fields().key.clone()
}

/// A root whose own signature does not hold.
fn unsigned_root() -> Certificate {
    let key = private_key(1).public_key();
    certify(&private_key(9), ROOT, ROOT, Role::Authority, &key)
}

fn link() -> Certificate {
    let key = private_key(2).public_key();
    certify(&root_key(), ROOT, "ZZTALLYROOT00002", Role::Authority, &key)
}

#[test]
fn the_first_root_is_taken_only_if_it_is_one_and_afterwards_none_is_looked_at() {
    let mut bench = Bench::blank();
    let other = {
        let key = private_key(3);
        let name = "ZZTALLYROOT00003";
        certify(&key, name, name, Role::Authority, &key.public_key())
    };
    let terminal = Terminal::new(1).certificate;
    let damaged = root().encoded()[1..].to_vec();
    for refused in [&damaged[..], unsigned_root().encoded(), link().encoded()] {
        assert_eq!(store(&mut bench, refused), DATA);
    }
    assert_eq!(store(&mut bench, terminal.encoded()), DATA);
    assert!(bench.store.read(Record::ROOT_A).unwrap().is_none());
    assert_eq!(store(&mut bench, root().encoded()), OK);
    let before = bench.store.dangerous_copy();
    for later in [&root(), &other, &unsigned_root(), &link()] {
        assert_eq!(store(&mut bench, later.encoded()), NOT_NOW);
    }
    // What is malformed has no role, and a terminal's certificate is never one for here.
    assert_eq!(store(&mut bench, &damaged), DATA);
    assert_eq!(store(&mut bench, terminal.encoded()), DATA);
    assert!(bench.store.same_content(&before));
}

#[test]
fn a_card_that_has_its_certificate_does_not_look_at_another() {
    let mut bench = Bench::blank();
    assert_eq!(store(&mut bench, root().encoded()), OK);
    let key = generate_key(&mut bench);
    let own = certify(&root_key(), ROOT, CARD, Role::Card, &key);
    assert_eq!(store(&mut bench, own.encoded()), OK);
    for bytes in [own.encoded(), root().encoded(), b"no certificate", &[]] {
        assert_eq!(store(&mut bench, bytes), NOT_NOW);
    }
}

fn list(revoked: &[HolderHash], min_epoch: u32) -> StatusList {
    let fields = StatusListFields {
        issuer: Name::new(ROOT).unwrap(),
        sequence: 1,
        min_epoch,
        date: Date::new(2027, 6, 1).unwrap(),
        revoked: revoked.to_vec(),
    };
    let signature = root_key().sign(&fields.encode_body());
    StatusList::assemble(fields, signature)
}

/// A card after a factory reset, with a new key, that has kept this list.
fn reset_with(list: &StatusList) -> (Bench, apdu::crypto::PublicKey) {
    let mut bench = Bench::operational();
    let mut terminal = Terminal::new(1);
    let mut key = terminal.pair(&mut bench);
    let mut end = terminal.session_with_pin(&mut bench, &mut key);
    let put = bench.secured(&mut end, header::PUT_STATUS_LIST, list.encoded());
    assert_eq!(put.1, OK);
    if bench.card.phase_name() == "NONE" {
        // The list has ended this very pairing: the body resets the card.
        card_core::lifecycle::reset(&mut bench.store).unwrap();
    } else {
        assert_eq!(bench.secured(&mut end, header::FACTORY_RESET, &[]).1, OK);
    }
    bench.power_cycle();
    let key = generate_key(&mut bench);
    (bench, key)
}

#[test]
fn what_a_reset_has_left_judges_the_cards_own_new_certificate() {
    let own = HolderHash::of(Role::Card, &Name::new(CARD).unwrap());
    let (mut listed, key) = reset_with(&list(&[own], 0));
    let certificate = certify(&root_key(), ROOT, CARD, Role::Card, &key);
    let before = listed.store.dangerous_copy();
    assert_eq!(store(&mut listed, certificate.encoded()), DATA, "listed");
    assert!(listed.store.same_content(&before));

    let (mut bench, key) = reset_with(&list(&[], 7));
    let with = |epoch, until| {
        certify_with(&root_key(), ROOT, CARD, Role::Card, &key, |fields| {
            (fields.epoch, fields.until) = (epoch, until);
        })
    };
    let (past, later) = (Date::new(2027, 5, 31), Date::new(2029, 1, 1));
    // The trusted date moved with the list, but by 366 days at most: it stands at 2027-01-02.
    bench
        .store
        .commit(&[Change::Put(
            Record::DATE,
            &Date::new(2027, 6, 1).unwrap().to_bcd(),
        )])
        .unwrap();
    bench.power_cycle();
    for (what, certificate, word) in [
        ("below min_epoch", with(6, later.unwrap()), DATA),
        ("over at the trusted date", with(7, past.unwrap()), DATA),
        ("fine", with(7, later.unwrap()), OK),
    ] {
        assert_eq!(store(&mut bench, certificate.encoded()), word, "{what}");
    }
    assert_eq!(bench.send(header::SET_PIN, PIN).status, OK);
    assert_eq!(bench.send(header::SET_PUK, PUK).status, OK);
    assert_eq!(bench.send(header::ACTIVATE, &[]).status, OK);
}
