//! What an application's own test can show with this crate, and the nearest "no" of each.

use tallystick_testing::{PIN, TestAuthority, TestHolder};
use terminal_lib::Session;
use terminal_lib::application::{Notice, Policy};
use terminal_lib::service::counter::Counter;

const CARD: &str = "ZZTESTCARD00001";
const TERMINAL: &str = "ZZTESTTERM00001";

#[test]
fn a_pairing_outlives_the_card_s_way_out_and_in_again() {
    let authority = TestAuthority::new();
    let card = authority.card(CARD);
    let mut terminal = authority.terminal(TERMINAL);
    for total in [3, 6] {
        let mut reader = card.insert();
        let mut holder = match total {
            3 => TestHolder::willing(),
            _ => TestHolder::absent(),
        };
        let mut session = terminal
            .connect(&mut reader, &mut holder, &Policy::Ask)
            .unwrap();
        assert_eq!(Counter::new().add(&mut session, 3).unwrap(), total);
        session.close();
    }
}

#[test]
fn a_wrong_pin_is_asked_for_again_and_nobody_pairs_without_a_holder() {
    let authority = TestAuthority::new();
    let card = authority.card(CARD);
    let mut terminal = authority.terminal(TERMINAL);
    let mut reader = card.insert();
    let nobody = terminal.connect(&mut reader, &mut TestHolder::absent(), &Policy::Ask);
    assert!(nobody.map(Session::close).is_err());
    let mut mistaken = TestHolder::typing(&["000000", PIN]);
    let mut reader = card.insert();
    let paired = terminal.connect(&mut reader, &mut mistaken, &Policy::Ask);
    assert_eq!(paired.unwrap().card().as_str(), CARD);
    assert!(matches!(
        mistaken.notices.as_slice(),
        [Notice::PairingMade { .. }]
    ));
}

#[test]
fn a_card_of_another_root_is_refused() {
    let card = TestAuthority::new().card(CARD);
    let mut terminal = TestAuthority::new().terminal(TERMINAL);
    let mut reader = card.insert();
    let met = terminal.connect(&mut reader, &mut TestHolder::willing(), &Policy::Ask);
    assert!(met.is_err());
}
