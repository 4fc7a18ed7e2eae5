//! The two services under secure messaging (ST-03, ST-04, ST-55), pairings, and what a session may do.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod bench;

use apdu::channel::TerminalEnd;
use apdu::codec::command::Header;
use apdu::codec::status::StatusWord;
use apdu::crypto::SecretBytes;
use apdu::identifier::{Aid, VAULT_BYTES, VAULT_OBJECT_BYTES, VAULT_OBJECTS, header};
use apdu::message::counter::Counter;
use apdu::message::pairings::{Label, Pairing, PairingChange, SlotNumber, encode_delete};
use apdu::message::services;
use apdu::message::vault::{Entry, ObjectName, Policy, Write, encode_name};
use bench::*;

struct Paired {
    bench: Bench,
    terminal: Terminal,
    key: apdu::handshake::PairingKey,
    end: TerminalEnd,
}

impl Paired {
    fn new() -> Self {
        let mut bench = Bench::operational();
        let mut terminal = Terminal::new(1);
        let mut key = terminal.pair(&mut bench);
        let end = terminal.reconnect(&mut bench, &mut key).unwrap();
        Self {
            bench,
            terminal,
            key,
            end,
        }
    }

    fn send(&mut self, header: Header, data: &[u8]) -> (Vec<u8>, StatusWord) {
        self.bench.secured(&mut self.end, header, data)
    }

    fn word(&mut self, header: Header, data: &[u8]) -> StatusWord {
        self.send(header, data).1
    }

    fn select(&mut self, aid: Aid) {
        assert_eq!(self.word(header::SELECT_SERVICE, &aid.0), OK);
    }

    fn verify_pin(&mut self) {
        assert_eq!(self.word(header::VERIFY, PIN), OK);
    }

    fn again(&mut self) {
        self.bench.power_cycle();
        self.end = self
            .terminal
            .reconnect(&mut self.bench, &mut self.key)
            .unwrap();
    }
}

fn write(name: &str, policy: Policy, content: &[u8]) -> SecretBytes {
    let name = ObjectName::new(name).unwrap();
    Write {
        name,
        policy,
        content: SecretBytes::new(content.to_vec()),
    }
    .encode()
}

fn name(name: &str) -> Vec<u8> {
    encode_name(&ObjectName::new(name).unwrap())
}

const OPEN: Policy = Policy {
    pin_to_read: false,
    pin_to_write: false,
};

/// ST-03: several services at once, each with its own identifier.
#[test]
fn both_services_are_listed_and_selected_by_their_whole_identifier() {
    let mut paired = Paired::new();
    let (list, _) = paired.send(header::LIST_SERVICES, &[]);
    assert_eq!(services::decode(&list).unwrap(), [Aid::VAULT, Aid::COUNTER]);
    for wrong in [
        &Aid::VAULT.0[..9],
        &Aid::AUTHENTICATION.0,
        &[],
        &Aid::service(3, 1).0,
    ] {
        assert_eq!(
            paired.word(header::SELECT_SERVICE, wrong),
            StatusWord::NOT_FOUND
        );
    }
    assert_eq!(
        paired.word(header::COUNTER_READ, &[]),
        StatusWord::CONDITIONS_NOT_SATISFIED,
        "none selected"
    );
    paired.select(Aid::COUNTER);
    assert_eq!(paired.word(header::COUNTER_READ, &[]), OK);
}

/// ST-04: one service's commands do not reach another, and its data cannot fill the other's quota.
#[test]
fn a_full_vault_leaves_the_counter_alone() {
    let mut paired = Paired::new();
    paired.select(Aid::VAULT);
    let content = vec![7; VAULT_OBJECT_BYTES];
    for number in 0..3 {
        assert_eq!(
            paired.word(
                header::VAULT_WRITE,
                &write(&format!("big {number}"), OPEN, &content)
            ),
            OK
        );
    }
    assert_eq!(
        paired.word(header::VAULT_WRITE, &write("big 3", OPEN, &content)),
        StatusWord::NO_SPACE
    );
    assert_eq!(
        paired.word(header::COUNTER_READ, &[]),
        StatusWord::INSTRUCTION_UNSUPPORTED,
        "not the vault's"
    );
    paired.select(Aid::COUNTER);
    assert_eq!(
        paired.send(header::COUNTER_ADD, &[0, 0, 0, 5]),
        (vec![0, 0, 0, 5], OK)
    );
    paired.again();
    paired.select(Aid::COUNTER);
    let (bytes, _) = paired.send(header::COUNTER_READ, &[]);
    assert_eq!(
        Counter::decode(&bytes).unwrap(),
        Counter {
            value: 5,
            limit: 1_000_000
        }
    );
}

#[test]
fn objects_of_every_size_come_back_by_chaining() {
    let mut paired = Paired::new();
    paired.select(Aid::VAULT);
    for size in [0, 1, 200, 223, 256, 1_000, VAULT_OBJECT_BYTES] {
        let content: Vec<u8> = (0..size).map(|n| u8::try_from(n % 253).unwrap()).collect();
        assert_eq!(
            paired.word(header::VAULT_WRITE, &write("note", OPEN, &content)),
            OK
        );
        assert_eq!(
            paired.send(header::VAULT_READ, &name("note")),
            (content, OK),
            "{size} bytes"
        );
    }
    assert_eq!(paired.word(header::VAULT_DELETE, &name("note")), OK);
    assert_eq!(
        paired.word(header::VAULT_READ, &name("note")),
        StatusWord::NOT_FOUND
    );
}

#[test]
fn the_policy_of_an_object_decides_when_the_pin_is_needed() {
    let mut paired = Paired::new();
    paired.select(Aid::VAULT);
    let needed = StatusWord::SECURITY_NOT_SATISFIED;
    assert_eq!(
        paired.word(
            header::VAULT_WRITE,
            &write("secret", Policy::default(), b"x")
        ),
        needed
    );
    assert_eq!(
        paired.word(header::VAULT_WRITE, &write("open", OPEN, b"y")),
        OK
    );
    assert_eq!(paired.word(header::VAULT_LIST, &[]), OK);
    paired.verify_pin();
    assert_eq!(
        paired.word(
            header::VAULT_WRITE,
            &write("secret", Policy::default(), b"x")
        ),
        OK
    );
    let (list, _) = paired.send(header::VAULT_LIST, &[]);
    assert_eq!(Entry::decode_all(&list).unwrap().len(), 2);
    paired.again();
    paired.select(Aid::VAULT);
    assert_eq!(
        paired.word(header::VAULT_LIST, &[]),
        needed,
        "names are hidden"
    );
    assert_eq!(paired.word(header::VAULT_READ, &name("secret")), needed);
    assert_eq!(
        paired.word(header::VAULT_READ, &name("nothing")),
        needed,
        "so is what does not exist"
    );
    assert_eq!(
        paired.word(header::VAULT_WRITE, &write("secret", OPEN, b"z")),
        needed
    );
    assert_eq!(paired.word(header::VAULT_DELETE, &name("secret")), needed);
    assert_eq!(
        paired.send(header::VAULT_READ, &name("open")),
        (b"y".to_vec(), OK)
    );
}

#[test]
fn the_vault_holds_64_objects_and_its_bytes_and_not_one_more() {
    let mut paired = Paired::new();
    paired.select(Aid::VAULT);
    for number in 0..VAULT_OBJECTS {
        assert_eq!(
            paired.word(
                header::VAULT_WRITE,
                &write(&format!("object {number}"), OPEN, b"")
            ),
            OK
        );
    }
    assert_eq!(
        paired.word(header::VAULT_WRITE, &write("one more", OPEN, b"")),
        StatusWord::NO_SPACE
    );
    assert_eq!(paired.word(header::VAULT_DELETE, &name("object 7")), OK);
    assert_eq!(
        paired.word(header::VAULT_WRITE, &write("one more", OPEN, b"")),
        OK
    );
    let mut paired = Paired::new();
    paired.select(Aid::VAULT);
    for (number, size) in [
        (0, VAULT_OBJECT_BYTES),
        (1, VAULT_OBJECT_BYTES),
        (2, VAULT_OBJECT_BYTES),
    ] {
        assert_eq!(
            paired.word(
                header::VAULT_WRITE,
                &write(&format!("{number}"), OPEN, &vec![1; size])
            ),
            OK
        );
    }
    let left = VAULT_BYTES - 3 * (VAULT_OBJECT_BYTES + 1) - 1;
    assert_eq!(
        paired.word(header::VAULT_WRITE, &write("3", OPEN, &vec![1; left + 1])),
        StatusWord::NO_SPACE
    );
    assert_eq!(
        paired.word(header::VAULT_WRITE, &write("3", OPEN, &vec![1; left])),
        OK
    );
}

#[test]
fn the_counter_keeps_its_limit_and_only_the_pin_moves_it() {
    let mut paired = Paired::new();
    paired.select(Aid::COUNTER);
    let number = |value: u32| value.to_be_bytes();
    assert_eq!(
        paired.word(header::COUNTER_ADD, &number(1_000_001)),
        StatusWord::NO_SPACE
    );
    assert_eq!(
        paired.word(header::COUNTER_ADD, &number(0)),
        StatusWord::WRONG_DATA
    );
    assert_eq!(
        paired.word(header::COUNTER_ADD, &[1]),
        StatusWord::WRONG_DATA
    );
    assert_eq!(paired.word(header::COUNTER_ADD, &number(999_999)), OK);
    assert_eq!(
        paired.word(header::COUNTER_ADD, &number(u32::MAX)),
        StatusWord::NO_SPACE,
        "no wrap"
    );
    assert_eq!(
        paired.word(header::COUNTER_LIMIT, &number(2_000_000)),
        StatusWord::SECURITY_NOT_SATISFIED
    );
    paired.verify_pin();
    assert_eq!(
        paired.word(header::COUNTER_LIMIT, &number(999_998)),
        StatusWord::WRONG_DATA,
        "below the value"
    );
    assert_eq!(paired.word(header::COUNTER_LIMIT, &number(2_000_000)), OK);
    assert_eq!(paired.word(header::COUNTER_ADD, &number(2)), OK);
    let other = Header {
        p2: 1,
        ..header::COUNTER_READ
    };
    assert_eq!(paired.word(other, &[]), StatusWord::WRONG_P1_P2);
    assert_eq!(
        paired.word(
            Header {
                ins: 0x30,
                ..header::COUNTER_READ
            },
            &[]
        ),
        StatusWord::INSTRUCTION_UNSUPPORTED
    );
}

#[test]
fn pairings_are_listed_renamed_and_deleted_with_the_pin() {
    let mut paired = Paired::new();
    let mut second = Terminal::new(2);
    let second_key = second.pair(&mut paired.bench);
    paired.again();
    let own = SlotNumber::new(0).unwrap();
    let other = SlotNumber::new(1).unwrap();
    let needed = StatusWord::SECURITY_NOT_SATISFIED;
    let change = PairingChange {
        slot: other,
        label: Label::new(b"office").unwrap(),
        pinned: true,
    };
    assert_eq!(paired.word(header::LIST_PAIRINGS, &[]), needed);
    assert_eq!(
        paired.word(header::CHANGE_PAIRING, &change.encode()),
        needed
    );
    assert_eq!(
        paired.word(header::DELETE_PAIRING, &encode_delete(other)),
        needed
    );
    paired.verify_pin();
    assert_eq!(paired.word(header::CHANGE_PAIRING, &change.encode()), OK);
    let (list, _) = paired.send(header::LIST_PAIRINGS, &[]);
    let list = Pairing::decode_all(&list).unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!(
        (list[1].holder, list[1].label.as_str(), list[1].pinned),
        (second.holder(), "office", true)
    );
    let empty = SlotNumber::new(9).unwrap();
    assert_eq!(
        paired.word(header::DELETE_PAIRING, &encode_delete(empty)),
        StatusWord::NOT_FOUND
    );
    assert_eq!(
        paired.word(header::DELETE_PAIRING, &encode_delete(other)),
        OK
    );
    paired.again();
    assert_eq!(
        paired.word(header::DELETE_PAIRING, &encode_delete(own)),
        OK,
        "the own pairing needs no PIN"
    );
    let sealed = paired.end.seal(header::STATUS, &[], None).unwrap();
    assert_eq!(
        paired.bench.send(sealed.header, &sealed.data).status,
        StatusWord::CONDITIONS_NOT_SATISFIED
    );
    assert!(second.challenge(&mut paired.bench, &second_key).is_none());
    assert!(
        paired
            .terminal
            .challenge(&mut paired.bench, &paired.key)
            .is_none()
    );
}

/// ST-54: any number of exchanges in one session.
#[test]
fn a_thousand_commands_pass_in_one_session() {
    let mut paired = Paired::new();
    paired.select(Aid::COUNTER);
    for count in 1..=1_000u32 {
        assert_eq!(
            paired.send(header::COUNTER_ADD, &[0, 0, 0, 1]),
            (count.to_be_bytes().to_vec(), OK)
        );
    }
}

/// A PIN verified in one session is not verified in the next (B3).
#[test]
fn a_verified_pin_ends_with_its_session() {
    let mut paired = Paired::new();
    paired.verify_pin();
    assert_eq!(paired.word(header::VERIFY, &[]), OK);
    paired.end = paired
        .terminal
        .reconnect(&mut paired.bench, &mut paired.key)
        .unwrap();
    assert_eq!(paired.word(header::VERIFY, &[]).as_tries(), Some(3));
}
