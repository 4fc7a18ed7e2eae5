//! What certification is for: a card and a terminal that were certified apart meet and come to trust each other.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod owner;
mod support;
mod virtual_card;

use card_core::store::MemoryStore;
use card_sim::body::VirtualCard;
use card_sim::vpcd::Body as _;
use getrandom::SysRng;
use owner::Owner;
use support::Desk;
use terminal_lib::application::Policy;
use terminal_lib::store::{FileStore, IdentityName};
use terminal_lib::transport::in_process::InProcess;
use terminal_lib::{ConnectError, Terminal};
use virtual_card::{CARD, personalise};

const TERMINAL: &str =
    "terminal --store terminal.store --identity desk --passphrase-file passphrase";

/// Puts the card into the terminal: the card's proven name, and the names for which a PIN was asked.
fn meet(desk: &Desk, memory: &MemoryStore) -> (Result<String, ConnectError>, Vec<String>) {
    let store = FileStore::open(desk.path("terminal.store")).unwrap();
    let mut terminal = Terminal::new(store, IdentityName::new("desk").unwrap());
    let mut card = VirtualCard::new(memory.dangerous_copy(), SysRng);
    let mut transport = InProcess::new(move |command: &[u8]| card.transmit(command));
    let mut owner = Owner::default();
    let met = terminal
        .connect(&mut transport, &mut owner, &Policy::Auto)
        .map(|session| session.card().to_string());
    (met, owner.asked_about)
}

/// ST-13, ST-14, ST-15: one machine is station, authority and terminal's line.
#[test]
fn a_card_and_a_terminal_certified_by_one_authority_pair_when_they_meet() {
    let desk = Desk::with_authority();
    let (ran, memory) = personalise(&desk, CARD, MemoryStore::new(), None);
    ran.succeeds();
    desk.run(TERMINAL).succeeds();
    let (met, asked) = meet(&desk, &memory);
    assert_eq!(met.unwrap(), "ZZTALLYCARD00001");
    assert_eq!(asked, ["ZZTALLYCARD00001"]);
}

#[test]
fn a_card_and_a_terminal_of_two_authorities_do_not_and_no_pin_is_asked() {
    let (ours, theirs) = (Desk::with_authority(), Desk::with_authority());
    let (ran, memory) = personalise(&theirs, CARD, MemoryStore::new(), None);
    ran.succeeds();
    ours.run(TERMINAL).succeeds();
    let (met, asked) = meet(&ours, &memory);
    assert!(met.is_err());
    assert!(asked.is_empty());
}

/// A terminal that is certified after a revocation knows of it from the start.
#[test]
fn a_card_revoked_before_it_met_the_terminal_is_refused() {
    let desk = Desk::with_authority();
    let (ran, memory) = personalise(&desk, CARD, MemoryStore::new(), None);
    ran.succeeds();
    desk.run("revoke ZZTALLYCARD00001 --reason lost --out list.pem --passphrase-file passphrase")
        .succeeds();
    desk.run(TERMINAL).succeeds();
    let (met, asked) = meet(&desk, &memory);
    assert!(met.is_err());
    assert!(asked.is_empty());
}
