//! The order of refusals (§4), the life cycle (§12.1), and any bytes in any state (T12, T22 in small).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod bench;

use apdu::codec::command::{Command, Form, Header};
use apdu::codec::status::StatusWord;
use apdu::crypto::Entropy;
use apdu::identifier::{Aid, header};
use bench::*;
use card_core::store::{Change, Record, Store};
use card_core::{Card, World};

/// ST-02: classes of ISO/IEC 7816-4 that are not ours are refused cleanly, all 256 of them.
#[test]
fn every_class_byte_has_its_answer() {
    let start = Bench::operational();
    for cla in 0..=255u8 {
        let expected = match cla {
            0x00 => StatusWord::INSTRUCTION_UNSUPPORTED,
            0x0C | 0x8C => StatusWord::CONDITIONS_NOT_SATISFIED,
            0x10 | 0x1C | 0x9C => StatusWord::WRONG_LENGTH, // a segment without data
            0x01..=0x03 | 0x40..=0x7F => StatusWord::CHANNEL_UNSUPPORTED,
            0x04 | 0x08 | 0x14 | 0x18 | 0x84 | 0x88 => StatusWord::SECURE_MESSAGING_UNSUPPORTED,
            _ => StatusWord::CLASS_UNSUPPORTED,
        };
        let mut bench = start.fork();
        bench.select();
        assert_eq!(
            bench.raw(&[cla, 0x02, 0, 0]).status,
            expected,
            "class {cla:02X}"
        );
        assert_eq!(bench.card.phase_name(), "NONE", "class {cla:02X}");
    }
}

/// ST-16, ST-01: SELECT takes the whole identifier and nothing else; nothing tells what is on the card.
#[test]
fn only_the_whole_identifier_selects() {
    let mut bench = Bench::operational();
    let select = |data: &[u8]| {
        Command {
            header: header::SELECT,
            data,
            expected: Some(256),
            form: Form::Short,
        }
        .encode()
        .unwrap()
    };
    for wrong in [
        &Aid::AUTHENTICATION.0[..9],
        &Aid::VAULT.0,
        &Aid::COUNTER.0,
        b"unknown",
    ] {
        assert_eq!(bench.raw(&select(wrong)).status, StatusWord::NOT_FOUND);
    }
    assert_eq!(bench.raw(&select(&Aid::AUTHENTICATION.0)).status, OK);
    let other = Header {
        p2: 0x0C,
        ..header::SELECT
    };
    assert_eq!(
        bench.send(other, &Aid::AUTHENTICATION.0).status,
        StatusWord::WRONG_P1_P2
    );
}

/// Nothing in SELECT or C1 identifies a card: two answers share nothing but their frame, and a card without pairings
/// answers in the same shape as one with 16.
#[test]
fn answers_to_strangers_have_one_shape_and_never_repeat() {
    let mut empty = Bench::operational();
    let mut full = Bench::operational();
    for number in 0..16 {
        Terminal::new(number).pair(&mut full);
    }
    let mut seen = std::collections::BTreeSet::new();
    for bench in [&mut empty, &mut full] {
        for _ in 0..50 {
            let (fci, _) = bench.select();
            for tag in fci.tags {
                assert!(
                    seen.insert((fci.prand, tag)),
                    "a repeated tag would be a name"
                );
            }
            let challenge = apdu::message::reconnect::Challenge {
                hint: [1; 4],
                terminal_nonce: [2; 16],
            };
            let answer = bench.send(header::RECONNECT, &challenge.encode());
            assert_eq!((answer.status, answer.data.len()), (OK, 38));
            assert_eq!(bench.card.phase_name(), "FWAIT");
        }
    }
}

/// §4: only one C1 for each SELECT.
#[test]
fn a_second_challenge_needs_a_new_select() {
    let mut bench = Bench::operational();
    bench.select();
    let challenge = apdu::message::reconnect::Challenge {
        hint: [1; 4],
        terminal_nonce: [2; 16],
    }
    .encode();
    assert_eq!(bench.send(header::RECONNECT, &challenge).status, OK);
    assert_eq!(
        bench.send(header::RECONNECT, &challenge).status,
        StatusWord::SECURITY_NOT_SATISFIED
    );
    assert_eq!(
        bench.send(header::RECONNECT, &challenge).status,
        StatusWord::CONDITIONS_NOT_SATISFIED
    );
}

/// ST-02: chains.
#[test]
fn a_broken_chain_is_refused_and_forgotten() {
    let mut bench = Bench::operational();
    bench.select();
    let segment = |header: Header, data: &[u8]| {
        Command {
            header,
            data,
            expected: None,
            form: Form::Short,
        }
        .encode()
        .unwrap()
    };
    let first = segment(header::VERIFY_CERTIFICATE.chained(), &[1, 2, 3]);
    assert_eq!(bench.raw(&first).status, OK);
    assert_eq!(
        bench.raw(&segment(header::RECONNECT, &[1])).status,
        StatusWord::LAST_SEGMENT_EXPECTED
    );
    assert_eq!(
        bench.raw(&segment(header::VERIFY_CERTIFICATE, &[4])).status,
        StatusWord::CONDITIONS_NOT_SATISFIED
    );
    bench.select();
    assert_eq!(bench.raw(&first).status, OK);
    bench.select(); // SELECT ends a chain and is answered
    assert_eq!(
        bench.raw(&segment(header::SET_PIN.chained(), &[1])).status,
        StatusWord::CHAINING_UNSUPPORTED
    );
    bench.select();
    let with_le = Command {
        header: header::VERIFY_CERTIFICATE.chained(),
        data: &[1],
        expected: Some(1),
        form: Form::Short,
    };
    assert_eq!(
        bench.raw(&with_le.encode().unwrap()).status,
        StatusWord::WRONG_LENGTH
    );
}

/// A chain ends at the limit of a data field, not at the end of memory.
#[test]
fn a_chain_without_end_is_stopped() {
    let mut bench = Bench::operational();
    bench.select();
    let segment = Command {
        header: header::VERIFY_CERTIFICATE.chained(),
        data: &[0; 255],
        expected: None,
        form: Form::Short,
    };
    let segment = segment.encode().unwrap();
    let refused = (0..200).find(|_| bench.raw(&segment).status != OK).unwrap();
    assert_eq!(refused, 40_960 / 255, "the first segment beyond the limit");
}

/// §12.1: in use, the card knows no plain personalisation any more.
#[test]
fn personalisation_ends_with_activation() {
    let mut bench = Bench::operational();
    let before = bench.store.dangerous_copy();
    for (header, data) in [
        (header::SET_PIN, PIN),
        (header::SET_PUK, PUK),
        (header::STORE_CERTIFICATE, root().encoded()),
        (header::GENERATE_KEY, &[][..]),
        (header::ACTIVATE, &[][..]),
    ] {
        bench.select();
        assert_eq!(
            bench.send(header, data).status,
            StatusWord::CONDITIONS_NOT_SATISFIED
        );
    }
    assert!(bench.store.same_content(&before));
}

/// P8: whoever certified first owns the card; ST-63 from the card's side.
#[test]
fn the_root_is_written_once() {
    let mut bench = Bench::blank();
    bench.select();
    bench.plain_ok(header::STORE_CERTIFICATE, root().encoded());
    assert_eq!(
        bench
            .send(header::STORE_CERTIFICATE, root().encoded())
            .status,
        StatusWord::CONDITIONS_NOT_SATISFIED
    );
}

/// §12.1: nothing is activated before everything is there, and no reference has a default (T34).
#[test]
fn an_incomplete_card_is_not_activated() {
    for missing in [Record::PIN, Record::PUK] {
        let mut bench = Bench::operational();
        bench
            .store
            .commit(&[Change::Erase(missing), Change::Erase(Record::ACTIVE)])
            .unwrap();
        bench.select();
        assert_eq!(
            bench.send(header::ACTIVATE, &[]).status,
            StatusWord::CONDITIONS_NOT_SATISFIED
        );
    }
}

#[test]
fn a_terminated_card_says_so_and_nothing_else() {
    let mut bench = Bench::operational();
    bench.card.terminate(&mut bench.store).unwrap();
    let select = apdu::message::select::COMMAND.encode().unwrap();
    assert_eq!(bench.raw(&select).status, StatusWord::FILE_TERMINATED);
    assert_eq!(
        bench.send(header::RECONNECT, &[1]).status,
        StatusWord::CONDITIONS_NOT_SATISFIED
    );
}

/// T28: a read error is never "absent": a card whose storage fails does not start, or refuses.
#[test]
fn a_read_error_is_never_absence() {
    let mut start = Bench::operational();
    let mut other = Terminal::new(2);
    let mut key = other.pair(&mut start);
    let mut end = other.reconnect(&mut start, &mut key).unwrap();
    for (header, data) in [
        (header::PUT_STATUS_LIST, states::status_list().encoded()),
        (header::PUT_LINK, states::link().encoded()),
    ] {
        assert_eq!(start.secured(&mut end, header, data).1, OK);
    }
    // The PUK's value is the one record that pairing does not need.
    let mut records = start.store.records().unwrap();
    records.retain(|record| *record != Record::PUK);
    assert_eq!(records.len(), 12);
    for record in records {
        let mut bench = start.fork();
        bench.store.fail_reads(Some(record));
        let mut world = World {
            store: &mut bench.store,
            entropy: &mut bench.entropy,
        };
        let Ok(card) = Card::power_up(&mut world) else {
            continue;
        };
        bench.card = card;
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut terminal = Terminal::new(1);
            let mut key = terminal.pair(&mut bench);
            terminal.reconnect(&mut bench, &mut key)
        }));
        assert!(outcome.is_err(), "{record:?} unread, and yet a session");
    }
}

/// T22 in small: any command from any state gets an answer and changes nothing without authorisation.
#[test]
fn random_commands_never_change_what_is_stored() {
    let mut paired = Bench::operational();
    let mut terminal = Terminal::new(1);
    let key = terminal.pair(&mut paired);
    let states: [fn(&mut Bench, &apdu::handshake::PairingKey); 4] = [
        |_, _| {},
        |bench, _| {
            bench.select();
        },
        |bench, _| drop(Terminal::new(2).set_up_to_pin(bench)),
        |bench, key| drop(Terminal::new(1).challenge(bench, key)),
    ];
    let mut random = FixedEntropy::new(42);
    let instructions = [
        0xA4, 0x2A, 0x86, 0xCA, 0xDA, 0x20, 0x24, 0x2C, 0xE6, 0x46, 0x44, 0xC0, 0x10, 0x20, 0xFF,
    ];
    for state in states {
        let mut start = paired.fork();
        state(&mut start, &key);
        let before = start.store.dangerous_copy();
        for _ in 0..1_500 {
            let mut bench = start.fork();
            for _ in 0..4 {
                let mut bytes = [0u8; 48];
                random.fill(&mut bytes).unwrap();
                let [cla, ins, length, ..] = bytes;
                bytes[0] = [0x00, 0x0C, 0x8C, 0x10, 0x1C, cla][usize::from(cla % 6)];
                bytes[1] = instructions[usize::from(ins) % instructions.len()];
                if length % 2 == 0 {
                    bytes[4] = 43; // a whole short command
                }
                bench.raw(&bytes[..5 + usize::from(length % 44)]);
            }
            assert!(bench.store.same_content(&before));
        }
    }
}
