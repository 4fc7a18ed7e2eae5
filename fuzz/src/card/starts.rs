//! The saved states: cards in every part of their life, some of them in the middle of a handshake or a session.

use super::desk::{Damage, Desk, Shape};
use super::papers::Papers;
use super::step::{authenticate, set_up};
use apdu::codec::command::Header;
use apdu::identifier::{Aid, header};
use std::rc::Rc;

/// One saved state.
pub struct Start {
    /// What it is, in words.
    pub name: &'static str,
    /// The card in it.
    pub desk: Desk,
}

thread_local! {
    static ALL: Vec<Start> = all();
}

/// Works with all saved states, which are made once.
pub fn with_all<R>(work: impl FnOnce(&[Start]) -> R) -> R {
    ALL.with(|all| work(all))
}

fn plain(desk: &mut Desk, header: Header, data: &[u8]) {
    desk.plain(header, data, Shape::PLAIN);
}

fn secured(desk: &mut Desk, header: Header, data: &[u8]) {
    let word = desk.secured(header, data, Shape::PLAIN, Damage::None);
    assert!(word.is_some(), "{header:02X?} was not protected");
}

fn session(desk: &mut Desk, slot: u8) {
    authenticate(desk, slot);
    secured(desk, header::STATUS, &[]);
    assert_eq!(desk.card.phase_name(), "SECURE");
}

/// Takes a card on: its copy, changed.
fn then(desk: &Desk, change: impl FnOnce(&mut Desk)) -> Desk {
    let mut desk = desk.fork();
    change(&mut desk);
    desk
}

fn initialised(desk: &mut Desk) {
    let root = desk.papers.root.encoded().to_vec();
    desk.select();
    plain(desk, header::SET_PIN, b"271828");
    plain(desk, header::SET_PUK, b"31415926");
    plain(desk, header::STORE_CERTIFICATE, &root);
    let order = apdu::message::personalise::KeyOrder {
        issuer: conformance::authority::name(conformance::authority::ROOT),
        holder: conformance::authority::name(conformance::authority::CARD),
        nonce: [5; 16],
    };
    plain(desk, header::GENERATE_KEY, &order.encode());
    desk.reset();
}

fn all() -> Vec<Start> {
    let blank = Desk::blank(Rc::new(Papers::new()));
    let initialised = then(&blank, initialised);
    let certified = then(&initialised, |desk| {
        let key = desk.saved().value(card_core::store::Record::KEY).unwrap();
        let key = apdu::crypto::PrivateKey::from_scalar(key.first_chunk().unwrap()).unwrap();
        let card = conformance::authority::CARD;
        let own = super::papers::card_certificate(key.public_key(), card);
        desk.select();
        plain(desk, header::STORE_CERTIFICATE, own.encoded());
        desk.reset();
    });
    let unpaired = then(&certified, |desk| {
        desk.select();
        plain(desk, header::ACTIVATE, &[]);
        desk.reset();
    });
    let paired = then(&unpaired, |desk| {
        set_up(desk, 0, 7);
        set_up(desk, 1, 7);
        desk.reset();
        assert_eq!(desk.saved().usable_slots().len(), 2);
    });
    let wrong = |desk: &mut Desk, header, data: &[u8], times| {
        session(desk, 0);
        for _ in 0..times {
            secured(desk, header, data);
        }
    };
    let pin_blocked = then(&paired, |desk| {
        wrong(desk, header::VERIFY, b"999999", 3);
        desk.reset();
    });
    let last_tries = then(&paired, |desk| {
        wrong(desk, header::VERIFY, b"999999", 2);
        wrong(desk, header::UNBLOCK, b"\x80\x0899999999\x81\x06271828", 9);
        desk.reset();
    });
    let blocked = then(&last_tries, |desk| {
        wrong(desk, header::UNBLOCK, b"\x80\x0899999999\x81\x06271828", 1);
        desk.reset();
    });
    let in_session = then(&paired, |desk| session(desk, 0));
    let verified = then(&in_session, |desk| secured(desk, header::VERIFY, b"271828"));
    let vault = then(&verified, |desk| {
        secured(desk, header::SELECT_SERVICE, &Aid::VAULT.0);
        let long = [&b"\x80\x05badge\x81\x01\x03\x82\x82\x02\x58"[..], &[7; 600]].concat();
        secured(desk, header::VAULT_WRITE, &long);
        secured(
            desk,
            header::VAULT_WRITE,
            b"\x80\x03key\x81\x01\x00\x82\x02ab",
        );
    });
    let counter = then(&in_session, |desk| {
        secured(desk, header::SELECT_SERVICE, &Aid::COUNTER.0);
    });
    let full = then(&unpaired, |desk| {
        set_up(desk, 0, 7);
        for number in 1..16 {
            // Only the name of the holder makes them sixteen: the records of other terminals as a card would have them.
            desk.plant_pairing(number);
        }
        desk.reset();
        assert_eq!(desk.saved().usable_slots().len(), 16);
    });
    let linked = then(&paired, |desk| {
        set_up(desk, 2, 7);
        desk.reset();
        assert_eq!(desk.saved().roots().len(), 2);
    });
    let rows = [
        ("provisional", then(&paired, |desk| set_up(desk, 0, 4))),
        ("authenticated", then(&paired, |desk| set_up(desk, 0, 5))),
        (
            "authenticated, unpaired",
            then(&unpaired, |desk| set_up(desk, 1, 5)),
        ),
        (
            "PIN verified in set-up",
            then(&unpaired, |desk| set_up(desk, 0, 6)),
        ),
        ("first wait", then(&paired, |desk| authenticate(desk, 1))),
        (
            "last tries in set-up",
            then(&last_tries, |desk| set_up(desk, 1, 5)),
        ),
        ("blank", blank),
        ("initialised", initialised),
        ("certified", certified),
        ("unpaired", unpaired),
        ("paired", paired),
        ("PIN blocked", pin_blocked),
        ("last tries", last_tries),
        ("blocked", blocked),
        ("in session", in_session),
        ("in session, PIN verified", verified),
        ("in session, vault", vault),
        ("in session, counter", counter),
        ("all slots in use", full),
        ("second root", linked),
    ];
    rows.into_iter()
        .map(|(name, desk)| Start { name, desk })
        .collect()
}
