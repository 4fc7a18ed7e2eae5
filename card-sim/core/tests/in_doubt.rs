//! T25: after a commit that failed the card does not know what is stored (§15.1 R6, §17): it says 6581, and nothing else until the next
//! power-up has read what is there.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod bench;

use apdu::certificate::{Date, Name, StatusList, StatusListFields};
use apdu::codec::command::Header;
use apdu::codec::status::StatusWord;
use apdu::handshake::PairingKey;
use apdu::identifier::{Aid, header};
use apdu::message::pairings::{SlotNumber, encode_delete};
use apdu::message::select;
use bench::{Bench, OK, PIN, PUK, ROOT, Terminal, root_key};
use card_core::store::Fault;

const UNKNOWN: StatusWord = StatusWord::MEMORY_FAILURE;

/// Nothing but 6581, whatever is sent.
fn refuses_everything(bench: &mut Bench, what: &str) {
    let before = bench.store.dangerous_copy();
    for command in [
        &select::COMMAND.encode().unwrap()[..],
        &[0x00, 0xA4, 0x04, 0x00, 0x02, 0x3F, 0x00],
        &[0x00, 0x86, 0x01, 0x01, 0x00],
        &[0x0C, 0xCA, 0x01, 0x01, 0x00],
        &[0x00, 0xC0, 0x00, 0x00, 0x00],
        &[0xFF],
    ] {
        let answer = bench.raw(command);
        assert_eq!(answer.status, UNKNOWN, "{what}: {command:02X?}");
        assert!(answer.data.is_empty());
    }
    assert!(bench.store.same_content(&before), "{what}");
}

fn revoking(terminal: &Terminal) -> StatusList {
    let fields = StatusListFields {
        issuer: Name::new(ROOT).unwrap(),
        sequence: 1,
        min_epoch: 0,
        date: Date::new(2026, 6, 1).unwrap(),
        revoked: vec![terminal.holder()],
    };
    let signature = root_key().sign(&fields.encode_body());
    StatusList::assemble(fields, signature)
}

/// Two pairings, and the first terminal's key.
fn paired() -> (Bench, PairingKey) {
    let mut bench = Bench::operational();
    let key = Terminal::new(1).pair(&mut bench);
    Terminal::new(2).pair(&mut bench);
    (bench, key)
}

/// Every command that writes, its last commit failing before or after it took effect.
#[test]
fn after_a_write_that_failed_the_card_answers_nothing_else_and_finds_out_at_power_up() {
    let (start, key) = paired();
    let list = revoking(&Terminal::new(2));
    let codes = |first: &[u8], second: &[u8]| {
        let length = |code: &[u8]| u8::try_from(code.len()).unwrap();
        let (one, two) = ([0x80, length(first)], [0x81, length(second)]);
        [&one[..], first, &two, second].concat()
    };
    let pin = header::CHANGE_PIN;
    let rows: [(&str, Header, Vec<u8>, usize); 8] = [
        ("VERIFY: the spent try", header::VERIFY, PIN.to_vec(), 0),
        ("VERIFY: all tries", header::VERIFY, PIN.to_vec(), 1),
        ("CHANGE", pin, codes(PIN, b"161803"), 1),
        ("UNBLOCK", header::UNBLOCK, codes(PUK, b"161803"), 1),
        ("list", header::PUT_STATUS_LIST, list.encoded().to_vec(), 0),
        (
            "link",
            header::PUT_LINK,
            bench::states::link().encoded().to_vec(),
            0,
        ),
        (
            "delete",
            header::DELETE_PAIRING,
            encode_delete(SlotNumber::new(0).unwrap()),
            0,
        ),
        ("reset", header::FACTORY_RESET, Vec::new(), 0),
    ];
    for (what, command, data, nth) in rows {
        for (fault, done) in [(Fault::Fail, false), (Fault::FailAfter, true)] {
            let case = format!("{what}, {fault:?}");
            let mut bench = start.fork();
            let mut key = key.dangerous_copy();
            let mut terminal = Terminal::new(1);
            let mut end = terminal.session_with_pin(&mut bench, &mut key);
            let before = bench.store.dangerous_copy();
            bench.store.plan(bench.store.commits() + nth, fault);
            let (answer, word) = bench.secured(&mut end, command, &data);
            assert_eq!((answer.len(), word), (0, UNKNOWN), "{case}: protected");
            assert_eq!(bench.card.phase_name(), "NONE", "{case}");
            refuses_everything(&mut bench, &case);
            let unchanged = bench.store.same_content(&before);
            assert!(done || nth > 0 || unchanged, "{case}: {unchanged}");
            bench.power_cycle();
            assert_eq!(bench.raw(&select::COMMAND.encode().unwrap()).status, OK);
        }
    }
}

/// Brothers in clear: the ratchet's step, and personalisation.
#[test]
fn a_failed_step_of_the_ratchet_is_plain_and_both_generations_are_possible() {
    let (start, key) = paired();
    for (fault, moved) in [(Fault::Fail, false), (Fault::FailAfter, true)] {
        let mut bench = start.fork();
        let mut terminal = Terminal::new(1);
        let mut end = terminal.challenge(&mut bench, &key).unwrap();
        bench.store.plan(bench.store.commits(), fault);
        let sealed = end.seal(header::STATUS, &[], None).unwrap();
        let answer = bench.send(sealed.header, &sealed.data);
        assert_eq!((answer.status, answer.data.len()), (UNKNOWN, 0));
        refuses_everything(&mut bench, "the ratchet");
        bench.power_cycle();
        let (now, other) = match moved {
            true => (key.next(), key.dangerous_copy()),
            false => (key.dangerous_copy(), key.next()),
        };
        assert!(terminal.challenge(&mut bench, &other).is_none());
        assert!(terminal.challenge(&mut bench, &now).is_some());
    }
    let mut bench = Bench::blank();
    bench.select();
    bench.store.plan(bench.store.commits(), Fault::FailAfter);
    assert_eq!(bench.send(header::SET_PIN, PIN).status, UNKNOWN);
    refuses_everything(&mut bench, "personalisation");
}

/// What went wrong before: the list was stored, the answer was 6581, the session went on, and the revoked terminal's slot, still in
/// memory, was written back at its next reconnect.
#[test]
fn a_pairing_that_a_list_has_ended_does_not_come_back_through_a_write_that_only_seemed_to_fail() {
    let (mut bench, mut key) = paired();
    let mut terminal = Terminal::new(1);
    let mut end = terminal.session_with_pin(&mut bench, &mut key);
    let list = revoking(&terminal);
    bench.store.plan(bench.store.commits(), Fault::FailAfter);
    let (_, word) = bench.secured(&mut end, header::PUT_STATUS_LIST, list.encoded());
    assert_eq!(word, UNKNOWN);
    let answer = bench.raw(&select::COMMAND.encode().unwrap());
    assert_eq!(answer.status, UNKNOWN);
    bench.power_cycle();
    assert!(terminal.challenge(&mut bench, &key).is_none(), "revoked");
}

/// Message 7: the new pairing is there after power-up, or it is not.
#[test]
fn a_failed_commit_of_a_set_up_leaves_the_old_pairing_or_the_new() {
    let (start, old) = paired();
    for (fault, made) in [(Fault::Fail, false), (Fault::FailAfter, true)] {
        let mut bench = start.fork();
        let mut terminal = Terminal::new(1);
        let (mut end, new) = terminal.set_up_to_pin(&mut bench);
        assert_eq!(bench.secured(&mut end, header::VERIFY, PIN).1, OK);
        bench.store.plan(bench.store.commits(), fault);
        assert_eq!(bench.secured(&mut end, header::COMMIT, &[]).1, UNKNOWN);
        refuses_everything(&mut bench, "message 7");
        bench.power_cycle();
        assert_eq!(terminal.challenge(&mut bench, &new).is_some(), made);
        assert_eq!(terminal.challenge(&mut bench, &old).is_some(), !made);
    }
}

/// A service's write is a write.
#[test]
fn a_service_whose_write_failed_does_not_go_on_either() {
    let (mut bench, mut key) = paired();
    let mut end = Terminal::new(1).session_with_pin(&mut bench, &mut key);
    let counter = header::SELECT_SERVICE;
    assert_eq!(bench.secured(&mut end, counter, &Aid::COUNTER.0).1, OK);
    bench.store.plan(bench.store.commits(), Fault::FailAfter);
    let (_, word) = bench.secured(&mut end, header::COUNTER_ADD, &[0, 0, 0, 1]);
    assert_eq!(word, UNKNOWN);
    refuses_everything(&mut bench, "counter");
}
