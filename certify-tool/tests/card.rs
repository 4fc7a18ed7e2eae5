//! `certify card` and a virtual card, over the socket a virtual card uses: the whole of Figure 9 on one machine.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;
mod virtual_card;

use apdu::certificate::Certificate;
use card_core::lifecycle::{self, LifeCycle};
use card_core::store::{MemoryStore, Record, Store};
use card_sim::fault::Fault;
use support::{Desk, ROOT, value};
use virtual_card::{CARD, personalise};

fn life(memory: &MemoryStore) -> LifeCycle {
    LifeCycle::of(memory).unwrap()
}

fn certificate(memory: &MemoryStore) -> Certificate {
    let bytes = memory.read(Record::CERTIFICATE).unwrap().unwrap();
    Certificate::decode(&bytes).unwrap()
}

fn issued(desk: &Desk) -> Vec<String> {
    let list = desk.run("--output-format json list").succeeds().json();
    let names = list.as_array().unwrap().iter();
    names
        .map(|row| row["name"].as_str().unwrap().into())
        .collect()
}

/// ST-13, ST-14, ST-15, ST-60, ST-61, ST-62: station and authority on one machine reach the card by its reader's line; the
/// card makes its key and gives the public part; root and certificate are on the card afterwards.
#[test]
fn a_blank_card_comes_into_use_with_root_and_certificate() {
    let desk = Desk::with_authority();
    let (ran, memory) = personalise(&desk, CARD, MemoryStore::new(), None);
    let ran = ran.succeeds();
    assert_eq!(life(&memory), LifeCycle::Operational);
    let root = memory.read(Record::ROOT_A).unwrap().unwrap();
    assert!(*root == desk.read("ca/root.cvcert"));
    let text = ran.text();
    assert_eq!(value(&text, "holder "), "ZZTALLYCARD00001");
    let puk = value(&text, "puk");
    assert!(
        puk.len() == 8 && puk.bytes().all(|byte| byte.is_ascii_digit()),
        "{text}"
    );
    assert!(!ran.stderr.contains(puk) && !ran.stderr.contains("271828"));
    desk.write("card.cvcert", certificate(&memory).encoded());
    desk.run("verify card.cvcert --root ca/root.cvcert")
        .succeeds();
    // The private key is on the card and nowhere in the authority's folder.
    let key = memory.read(Record::KEY).unwrap().unwrap();
    let scalar = &key[..32];
    let hex: String = scalar.iter().map(|byte| format!("{byte:02x}")).collect();
    for (path, content) in desk.snapshot() {
        let found = content.windows(32).any(|bytes| bytes == scalar)
            || content.windows(64).any(|bytes| bytes == hex.as_bytes());
        assert!(!found, "{}", path.display());
    }
}

#[test]
fn name_years_and_puk_are_the_operators_choice() {
    let desk = Desk::with_authority();
    desk.write("puk", b"3141592653");
    let line = format!("{CARD} --name ZZBADGE00042 --years 1 --puk-file puk");
    let (ran, memory) = personalise(&desk, &line, MemoryStore::new(), None);
    assert!(
        !ran.succeeds().text().contains("puk"),
        "a PUK that is known is not shown"
    );
    let certificate = certificate(&memory);
    let claims = certificate.claims();
    assert_eq!(
        (claims.holder.as_str(), claims.issuer.as_str()),
        ("ZZBADGE00042", ROOT)
    );
    assert!((364..=365).contains(&(claims.until.days() - claims.from.days())));
}

/// ST-63: a card in use is not certified again; a card that was reset is, explicitly, and the ledger says so.
#[test]
fn a_second_certification_is_refused_or_explicit_and_recorded() {
    let desk = Desk::with_authority();
    let (ran, memory) = personalise(&desk, CARD, MemoryStore::new(), None);
    ran.succeeds();
    let ledger = desk.ledger();
    let (ran, mut memory) = personalise(&desk, CARD, memory, None);
    ran.fails(1, "the card is personalised already");
    assert!(desk.ledger() == ledger);

    lifecycle::reset(&mut memory).unwrap();
    for _ in 0..2 {
        let (ran, after) = personalise(&desk, CARD, memory, None);
        ran.fails(1, "this card has a root already");
        assert!(desk.ledger() == ledger, "also the second time");
        memory = after;
    }
    let again = format!("{CARD} --name ZZTALLYCARD00001");
    let (ran, memory) = personalise(&desk, &format!("{again} --recertify"), memory, None);
    ran.succeeds();
    assert_eq!(life(&memory), LifeCycle::Operational);
    assert_eq!(
        certificate(&memory).claims().holder.as_str(),
        "ZZTALLYCARD00002"
    );
    let list = desk.run("--output-format json list").succeeds().json();
    assert_eq!(list[1]["replaces"], "ZZTALLYCARD00001");

    // Another card under a name that was given.
    let (ran, memory) = personalise(&desk, &again, MemoryStore::new(), None);
    ran.fails(1, "ZZTALLYCARD00001 was certified before");
    assert_ne!(life(&memory), LifeCycle::Operational);
}

#[test]
fn a_card_of_another_authority_is_not_taken_over() {
    let theirs = Desk::with_authority();
    let (ran, mut memory) = personalise(&theirs, CARD, MemoryStore::new(), None);
    ran.succeeds();
    lifecycle::reset(&mut memory).unwrap();
    let ours = Desk::with_authority();
    let (ran, memory) = personalise(&ours, &format!("{CARD} --recertify"), memory, None);
    ran.fails(1, "the root on it is of another authority");
    assert_ne!(life(&memory), LifeCycle::Operational);
}

/// The card is pulled at every command of a personalisation in turn, and put in again.
fn pull_at_every_command(fault: Fault) {
    for command in 1..=COMMANDS + 1 {
        let at = format!("{fault:?} {command}");
        let desk = Desk::with_authority();
        let fault = Some((command, fault));
        let (first, memory) = personalise(&desk, CARD, MemoryStore::new(), fault);
        if command > COMMANDS {
            first.succeeds(); // there is no such command
            return;
        }
        let first = first.fails(1, "the card was removed");
        let before = issued(&desk);
        let (second, memory) = personalise(&desk, CARD, memory, None);
        let memory = match second.code {
            Some(0) => memory,
            // Pulled behind the activation: there is nothing left to do. The PUK was shown before.
            _ if second.stderr.contains("personalised already") => {
                assert!(first.text().contains("puk"), "{at}");
                memory
            }
            // Pulled between root and certificate: a root may also be the trace of an earlier life.
            _ => {
                second.fails(1, "this card has a root already");
                assert!(before.is_empty(), "{at}");
                let again = format!("{CARD} --recertify");
                let (third, memory) = personalise(&desk, &again, memory, None);
                third.succeeds();
                memory
            }
        };
        assert_eq!(life(&memory), LifeCycle::Operational, "{at}");
        let after = issued(&desk);
        assert_eq!(after.len(), 1, "{at}: one card, one certificate");
        assert_eq!(
            certificate(&memory).claims().holder.as_str(),
            after[0],
            "{at}"
        );
        desk.run("log verify").succeeds();
    }
}

/// SELECT, PIN, PUK, SELECT, root, SELECT, key pair, certificate, ACTIVATE.
const COMMANDS: u64 = 9;

#[test]
fn a_card_pulled_before_any_command_is_resumed_and_never_costs_a_second_certificate() {
    pull_at_every_command(Fault::DropBefore);
}

#[test]
fn a_card_pulled_after_any_command_is_resumed_and_never_costs_a_second_certificate() {
    pull_at_every_command(Fault::DropAfter);
}

#[test]
fn only_this_machine_can_offer_a_card() {
    let desk = Desk::with_authority();
    for (address, says) in [
        ("0.0.0.0:0", "loopback addresses only"),
        ("192.0.2.1:35963", "loopback addresses only"),
        ("nowhere", "is no address and port"),
    ] {
        desk.run(&format!(
            "card --listen {address} --pin-file pin --passphrase-file passphrase"
        ))
        .fails(2, says);
    }
}

#[cfg(not(feature = "pcsc"))]
#[test]
fn a_build_without_readers_says_how_to_get_them() {
    let desk = Desk::with_authority();
    desk.run("card --reader Virtual --pin-file pin --passphrase-file passphrase")
        .fails(2, "--features pcsc");
}
