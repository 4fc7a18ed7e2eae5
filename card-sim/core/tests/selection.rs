//! SELECT and what the card takes from a Le (§4, §5): the name first, then whether an answer is wanted; never how long it may be.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod bench;

use apdu::codec::status::StatusWord;
use apdu::handshake::Transcript;
use apdu::identifier::{Aid, header};
use apdu::message::reconnect::{Challenge, ChallengeAnswer};
use apdu::message::select::Fci;
use bench::{Bench, OK, Terminal};

/// `00 A4 04 00`, then Lc and data in short or extended form, then this Le.
fn select(name: &[u8], extended: bool, le: &[u8]) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    let lc = match (extended, name.is_empty()) {
        (false, false) => vec![length],
        (true, false) => vec![0, 0, length],
        (_, true) => Vec::new(),
    };
    [&[0x00, 0xA4, 0x04, 0x00], &lc[..], name, le].concat()
}

#[test]
fn the_name_is_looked_at_before_the_le() {
    let ours = Aid::AUTHENTICATION.0;
    let longer = [&ours[..], &[0]].concat();
    let mut bench = Bench::operational();
    for name in [
        &Aid::VAULT.0[..],
        &ours[..9],
        &longer,
        &[0xA0, 0, 0, 0, 3],
        &[],
    ] {
        for le in [&[][..], &[0], &[9]] {
            let answer = bench.raw(&select(name, false, le));
            assert_eq!(answer.status, StatusWord::NOT_FOUND, "{name:02X?} {le:?}");
            assert!(answer.data.is_empty());
            assert_eq!(bench.card.phase_name(), "NONE");
        }
    }
    for extended in [false, true] {
        let answer = bench.raw(&select(&ours, extended, &[]));
        assert_eq!(answer.status, StatusWord::WRONG_LENGTH, "{extended}");
    }
}

/// The same 113 bytes whatever Le says, and the same transcript: the terminal's key proves itself after each form.
#[test]
fn any_le_in_either_form_gets_the_whole_answer_to_select_and_to_a_challenge() {
    let mut bench = Bench::operational();
    let mut terminal = Terminal::new(1);
    let key = terminal.pair(&mut bench);
    let forms: [(bool, &[u8]); 6] = [
        (false, &[0]),
        (false, &[1]),
        (false, &[112]),
        (true, &[0, 0]),
        (true, &[0, 1]),
        (true, &[1, 0]),
    ];
    for (extended, le) in forms {
        let answer = bench.raw(&select(&Aid::AUTHENTICATION.0, extended, le));
        assert_eq!((answer.status, answer.data.len()), (OK, 113), "{le:?}");
        let mut transcript = Transcript::start();
        transcript.command(header::SELECT, &Aid::AUTHENTICATION.0);
        transcript.response(&answer.data, OK);
        let fci = Fci::decode(&answer.data).unwrap();
        let data = Challenge {
            hint: key.tag_key().hint(&fci.prand, &[3; 16]),
            terminal_nonce: [3; 16],
        }
        .encode();
        let lc = u8::try_from(data.len()).unwrap();
        let lc = if extended { vec![0, 0, lc] } else { vec![lc] };
        let answer = bench.raw(&[&[0x00, 0x86, 0x01, 0x01], &lc[..], &data, le].concat());
        assert_eq!((answer.status, answer.data.len()), (OK, 38), "{le:?}");
        transcript.command(header::RECONNECT, &data);
        let answer = ChallengeAnswer::decode(&answer.data).unwrap();
        let th_f = transcript.reconnect_hash(&answer.card_nonce);
        assert!(key.proves(&th_f, &answer.proof), "{extended} {le:?}");
    }
}

#[test]
fn get_response_gives_what_its_le_says_and_never_more_than_256_bytes() {
    for (get, expected) in [
        (&[0x00, 0xC0, 0x00, 0x00, 0x05][..], 5),
        (&[0x00, 0xC0, 0x00, 0x00, 0x00], 256),
        (&[0x00, 0xC0, 0x00, 0x00, 0x00, 0x00, 0x07], 7),
        (&[0x00, 0xC0, 0x00, 0x00, 0x00, 0x00, 0x00], 256),
        (&[0x00, 0xC0, 0x00, 0x00, 0x00, 0x01, 0x01], 256),
    ] {
        let mut bench = long_answer_waits();
        assert_eq!(bench.raw(get).data.len(), expected, "{get:02X?}");
    }
}

/// A card that has given 256 bytes of a vault object of 900 under secure messaging.
fn long_answer_waits() -> Bench {
    use apdu::channel::ExpectedLength;
    use apdu::codec::chaining::segments;
    use apdu::codec::command::Form;
    use apdu::codec::tlv::{Tag, Writer};
    let mut bench = Bench::operational();
    let mut terminal = Terminal::new(1);
    let mut key = terminal.pair(&mut bench);
    let mut end = terminal.session_with_pin(&mut bench, &mut key);
    let vault = header::SELECT_SERVICE;
    assert_eq!(bench.secured(&mut end, vault, &Aid::VAULT.0).1, OK);
    let object = Writer::new()
        .put(Tag(0x80), b"long")
        .put(Tag(0x81), &[0])
        .put(Tag(0x82), &[7; 900])
        .into_bytes();
    assert_eq!(bench.secured(&mut end, header::VAULT_WRITE, &object).1, OK);
    let name = Writer::new().put(Tag(0x80), b"long").into_bytes();
    let sealed = end
        .seal(header::VAULT_READ, &name, Some(ExpectedLength::ANY))
        .unwrap();
    let apdus = segments(sealed.header, &sealed.data, Some(256), Form::Short, 255).unwrap();
    let [read] = &apdus[..] else {
        panic!("one short command");
    };
    let first = bench.raw(read);
    assert_eq!(first.data.len(), 256);
    assert!(first.status.as_bytes_waiting().is_some());
    bench
}
