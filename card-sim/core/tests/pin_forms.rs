//! T32: whatever is sent in place of a PIN, a PUK or a pair of them: only a well-formed wrong value costs a try, and exactly one.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod bench;

use apdu::channel::TerminalEnd;
use apdu::codec::command::Header;
use apdu::codec::status::StatusWord;
use apdu::identifier::{PIN_DIGITS, PUK_DIGITS, header};
use bench::*;
use card_core::store::{Record, Store};
use std::ops::RangeInclusive;
use test_vectors::evidence::report;

/// The new PIN of every well-formed replacement.
const NEW: &[u8] = b"161803";

/// A command that takes digits, in one state.
struct Door {
    name: &'static str,
    header: Header,
    /// The value that is compared: which lengths are well formed, where its tries are, what is right.
    lengths: RangeInclusive<usize>,
    tries: Record,
    right: &'static [u8],
    /// Whether a new value follows the compared one.
    replaces: bool,
    in_set_up: bool,
}

fn doors() -> [Door; 6] {
    let pin = |name, header, replaces, in_set_up| Door {
        name,
        header,
        lengths: PIN_DIGITS,
        tries: Record::PIN_TRIES,
        right: PIN,
        replaces,
        in_set_up,
    };
    let puk = |name, header, in_set_up| Door {
        lengths: PUK_DIGITS,
        tries: Record::PUK_TRIES,
        right: PUK,
        ..pin(name, header, true, in_set_up)
    };
    [
        pin("VERIFY in set-up", header::VERIFY, false, true),
        pin("VERIFY in a session", header::VERIFY, false, false),
        pin("CHANGE PIN", header::CHANGE_PIN, true, false),
        puk("CHANGE PUK", header::CHANGE_PUK, false),
        puk("UNBLOCK in set-up", header::UNBLOCK, true),
        puk("UNBLOCK in a session", header::UNBLOCK, false),
    ]
}

impl Door {
    /// A well-formed new value for this door.
    fn new_value(&self) -> &'static [u8] {
        if self.header == header::CHANGE_PUK {
            b"27182818"
        } else {
            NEW
        }
    }

    /// The lengths of the new value.
    fn new_lengths(&self) -> RangeInclusive<usize> {
        if self.header == header::CHANGE_PUK {
            PUK_DIGITS
        } else {
            PIN_DIGITS
        }
    }

    /// The data field with this compared value, everything else well formed.
    fn around(&self, value: &[u8]) -> Vec<u8> {
        match self.replaces {
            true => pair(value, self.new_value()),
            false => value.to_vec(),
        }
    }

    /// A card at this door, and the terminal's end.
    fn open(&self) -> (Bench, TerminalEnd) {
        let mut bench = Bench::operational();
        let mut terminal = Terminal::new(1);
        if self.in_set_up {
            let end = terminal.set_up_to_pin(&mut bench).0;
            return (bench, end);
        }
        let mut key = terminal.pair(&mut bench);
        let end = terminal.reconnect(&mut bench, &mut key).unwrap();
        (bench, end)
    }
}

fn object(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = match u8::try_from(value.len()).unwrap() {
        short @ 0..0x80 => vec![short],
        long => vec![0x81, long],
    };
    [&[tag], &length[..], value].concat()
}

/// `80 old, 81 new`.
fn pair(old: &[u8], new: &[u8]) -> Vec<u8> {
    [object(0x80, old), object(0x81, new)].concat()
}

/// Values that are not digits in the right number: lengths, foreign bytes at every place, other alphabets, other paddings.
fn malformed_values(lengths: &RangeInclusive<usize>, right: &[u8]) -> Vec<Vec<u8>> {
    let wrong_lengths = (0..=255).filter(|length| !lengths.contains(length));
    let mut values: Vec<Vec<u8>> = wrong_lengths.map(|length| vec![b'7'; length]).collect();
    for place in 0..right.len() {
        for byte in (0..=255u8).filter(|byte| !byte.is_ascii_digit()) {
            let mut value = right.to_vec();
            value[place] = byte;
            values.push(value);
        }
    }
    for text in [
        "٢٧١٨٢٨",
        "२७१८२८",
        "２７１８２８",
        "²⁷¹⁸²⁸",
        "𝟐𝟕𝟏𝟖𝟐𝟖",
        "27182\u{300}8",
        "\u{feff}271828",
        "271828\u{200b}",
        "27\u{202e}1828",
        "-271828",
        "+271828",
        "27182.8",
        "0x271828",
        "271 828",
        " 271828",
        "271828 ",
        "271828\n",
        "\"271828\"",
        "27182８",
        "twosev",
    ] {
        values.push(text.as_bytes().to_vec());
        values.push(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
    }
    let bcd: Vec<u8> = right
        .chunks(2)
        .map(|two| (two[0] - b'0') << 4 | (two[1] - b'0'))
        .collect();
    let length = u8::try_from(right.len()).unwrap();
    for filler in [0x00, 0x20, 0x80, 0xFF, 0x0F] {
        for size in [8, 12, 16] {
            for body in [right, &bcd] {
                let mut padded = body.to_vec();
                padded.resize(size.max(body.len() + 1), filler);
                values.push(padded);
            }
        }
    }
    values.push([right, &[0x80, 0, 0, 0]].concat());
    values.push([&[0x20 | length], &bcd[..], &[0xFF; 3]].concat()); // ISO 9564 format 2
    values.push([&[length], right].concat());
    values.push(bcd);
    values
}

/// Data fields that are no two objects: fields missing, twice, in the wrong order, without lengths, with the wrong ones.
fn malformed_pairs(door: &Door) -> Vec<Vec<u8>> {
    let (old, new) = (door.right, door.new_value());
    let both = pair(old, new);
    let wrong_new = malformed_values(&door.new_lengths(), new).into_iter();
    let mut fields: Vec<Vec<u8>> = wrong_new.map(|value| pair(old, &value)).collect();
    fields.extend([
        Vec::new(),
        object(0x80, old),
        object(0x81, new),
        [object(0x81, new), object(0x80, old)].concat(),
        [object(0x80, old), object(0x80, old), object(0x81, new)].concat(),
        [&both[..], &object(0x81, new)].concat(),
        [object(0x80, old), object(0x82, new)].concat(),
        [object(0xA0, old), object(0xA1, new)].concat(),
        object(0x30, &both),
        [&both[..], &[0]].concat(),
        [&[0], &both[..]].concat(),
        [old, new].concat(),
        [old, b"\xff\xff", new].concat(),
        [&[0x80, 0x81, object(0x80, old)[1]], old, &object(0x81, new)].concat(), // a long form where the short one fits
        [&[0x80, 0x80], old, &[0, 0], &object(0x81, new)].concat(),
    ]);
    // The border moved: the old value's length says more, or less, than there is.
    for length in (0..=255u8).filter(|length| usize::from(*length) != old.len()) {
        let mut moved = both.clone();
        moved[1] = length;
        fields.push(moved);
        let mut moved = both.clone();
        moved[3 + old.len()] = length;
        fields.push(moved);
    }
    fields.extend((1..both.len()).map(|length| both[..length].to_vec()));
    // Where both values have one length the moved border is no other.
    fields.retain(|field| *field != both);
    fields
}

/// T32: at all six doors.
#[test]
fn only_well_formed_wrong_values_cost_a_try() {
    let (mut refused, mut spent) = (0, 0);
    for door in doors() {
        let (mut bench, mut end) = door.open();
        let before = bench.store.dangerous_copy();
        let mut cases: Vec<Vec<u8>> = malformed_values(&door.lengths, door.right)
            .iter()
            .map(|value| door.around(value))
            .collect();
        if door.replaces {
            cases.extend(malformed_pairs(&door));
        } else {
            cases.retain(|case| !case.is_empty()); // that is the query
        }
        for case in &cases {
            let (data, word) = bench.secured(&mut end, door.header, case);
            assert_eq!(
                (word, data.len()),
                (StatusWord::WRONG_DATA, 0),
                "{}: {case:02X?}",
                door.name
            );
            assert!(
                bench.store.same_content(&before),
                "{}: {case:02X?}",
                door.name
            );
            refused += 1;
        }
        // The nearest no: well formed and wrong, at every length.
        for length in door.lengths.clone() {
            let (mut bench, mut end) = door.open();
            let full = bench.store.read(door.tries).unwrap().unwrap()[0];
            let wrong = door.around(&vec![b'7'; length]);
            assert_eq!(
                bench.secured(&mut end, door.header, &wrong).1.as_tries(),
                Some(full - 1),
                "{}",
                door.name
            );
            assert_eq!(
                bench.store.read(door.tries).unwrap().unwrap()[..],
                [full - 1],
                "{}",
                door.name
            );
            spent += 1;
        }
        // And the state was not lost meanwhile: the right value is still taken.
        assert_eq!(
            bench
                .secured(&mut end, door.header, &door.around(door.right))
                .1,
            OK,
            "{}",
            door.name
        );
    }
    assert!(
        refused > 10_000 && spent == 3 * 7 + 3 * 9,
        "{refused} {spent}"
    );
    report(
        "T32",
        refused + spent,
        format_args!(
            "{refused} malformed values at 6 doors cost nothing, {spent} well-formed wrong ones one try each"
        ),
    );
}

/// T32: a malformed VERIFY does not even clear "verified", and a malformed CHANGE leaves the old PIN in force.
#[test]
fn a_malformed_value_changes_nothing_in_the_session() {
    let mut bench = Bench::operational();
    let mut terminal = Terminal::new(1);
    let mut key = terminal.pair(&mut bench);
    let mut end = terminal.session_with_pin(&mut bench, &mut key);
    assert_eq!(
        bench.secured(&mut end, header::VERIFY, b"27182").1,
        StatusWord::WRONG_DATA
    );
    assert_eq!(
        bench.secured(&mut end, header::VERIFY, &[]).1,
        OK,
        "still verified"
    );
    assert_eq!(
        bench
            .secured(&mut end, header::CHANGE_PIN, &pair(PIN, b"16180"))
            .1,
        StatusWord::WRONG_DATA
    );
    assert_eq!(
        bench.secured(&mut end, header::VERIFY, PIN).1,
        OK,
        "the old one is in force"
    );
    assert_eq!(
        bench
            .secured(&mut end, header::VERIFY, b"999999")
            .1
            .as_tries(),
        Some(2)
    );
    assert_eq!(
        bench.secured(&mut end, header::VERIFY, &[]).1.as_tries(),
        Some(2),
        "a well-formed one clears it"
    );
}

/// §11.5: whoever guesses is not whoever has verified, whichever code it is and whatever the command.
#[test]
fn every_wrong_code_ends_what_the_session_has_verified_and_nothing_else_does() {
    const WRONG_PUK: &[u8] = b"99999999";
    let (clears, stays) = (Some(2), None);
    let rows = [
        (header::VERIFY, b"999999".to_vec(), clears),
        (header::CHANGE_PIN, pair(b"999999", b"161803"), clears),
        (header::CHANGE_PUK, pair(WRONG_PUK, PUK), clears),
        (header::UNBLOCK, pair(WRONG_PUK, b"161803"), clears),
        (header::CHANGE_PIN, pair(PIN, b"161803"), stays),
        (header::CHANGE_PUK, pair(PUK, PUK), stays),
        (header::UNBLOCK, pair(PUK, b"161803"), stays),
        (header::UNBLOCK, pair(WRONG_PUK, b"1618"), stays),
        (header::VERIFY, b"1618".to_vec(), stays),
    ];
    for (header, data, outcome) in rows {
        for verified in [true, false] {
            let mut bench = Bench::operational();
            let mut terminal = Terminal::new(1);
            let mut key = terminal.pair(&mut bench);
            let mut end = match verified {
                true => terminal.session_with_pin(&mut bench, &mut key),
                false => terminal.reconnect(&mut bench, &mut key).unwrap(),
            };
            let word = bench.secured(&mut end, header, &data).1;
            let is_wrong = word.as_tries().is_some();
            assert_eq!(is_wrong, outcome == clears, "{header:02X?}: {word}");
            let query = bench.secured(&mut end, header::VERIFY, &[]).1;
            let expected = verified && outcome == stays;
            assert_eq!(query == OK, expected, "{header:02X?} {data:02X?}");
        }
    }
}
