//! One step of an input: what the opponent does next. The bytes are read here and written by the makers of seeds.

use super::desk::{Damage, Desk, Shape};
use super::papers::card_certificate;
use crate::tape::Tape;
use apdu::certificate::Name;
use apdu::codec::command::{Form, Header};
use apdu::crypto::PrivateKey;
use apdu::identifier::{Aid, header};
use apdu::message::pairings::{Label, PairingChange, SlotNumber, encode_delete};
use apdu::message::personalise::KeyOrder;
use apdu::message::vault::{ObjectName, Policy, Write, encode_name};
use card_core::store::Record;
use conformance::authority::{CARD, ROOT, name};

/// The codes that the opponent knows; a card may have got others meanwhile.
const PINS: [&[u8]; 3] = [b"271828", b"161803", b"000000"];
const PUKS: [&[u8]; 3] = [b"31415926", b"27182818", b"00000000"];

/// Plain commands, by the number that stands in an input.
pub const PLAIN: [Header; 10] = [
    header::SELECT,
    header::VERIFY_CERTIFICATE,
    header::RECONNECT,
    header::KEY_EXCHANGE,
    header::SET_PIN,
    header::SET_PUK,
    header::GENERATE_KEY,
    header::STORE_CERTIFICATE,
    header::ACTIVATE,
    header::GET_RESPONSE,
];

/// Secured commands, by the number that stands in an input; after the last comes any header at all.
pub const SECURED: [Header; 24] = [
    header::TERMINAL_RANDOM,
    header::COMMIT,
    header::CARD_CERTIFICATE,
    header::STATUS,
    header::GET_STATUS_LIST,
    header::PUT_STATUS_LIST,
    header::LIST_PAIRINGS,
    header::CHANGE_PAIRING,
    header::DELETE_PAIRING,
    header::LIST_SERVICES,
    header::PUT_LINK,
    header::VERIFY,
    header::CHANGE_PIN,
    header::CHANGE_PUK,
    header::UNBLOCK,
    header::FACTORY_RESET,
    header::SELECT_SERVICE,
    header::VAULT_LIST,
    header::VAULT_READ,
    header::VAULT_WRITE,
    header::VAULT_DELETE,
    header::COUNTER_READ,
    header::COUNTER_ADD,
    header::COUNTER_LIMIT,
];

/// A raw APDU. This and the next are the bytes that begin a step.
pub const RAW: u8 = 0;
/// A known plain command.
pub const KNOWN: u8 = 1;
/// A command sealed under the keys there are.
pub const SEALED: u8 = 2;
/// Power off and on.
pub const RESET: u8 = 3;
/// An APDU of this run, once more.
pub const REPLAY: u8 = 4;
/// So many messages of a set-up.
pub const SET_UP: u8 = 5;
/// SELECT, C1 and the first secured command.
pub const AUTHENTICATE: u8 = 6;
/// A long raw command.
pub const LONG: u8 = 7;

/// Takes the next step.
pub fn take(desk: &mut Desk, tape: &mut Tape<'_>) {
    match tape.byte() % 8 {
        RAW => {
            let apdu = tape.string().to_vec();
            desk.transmit(&apdu, None);
        }
        KNOWN => {
            let header = PLAIN[tape.below(PLAIN.len())];
            let data = data(desk, tape, header);
            let shape = shape(tape);
            desk.plain(header, &data, shape);
        }
        SEALED => {
            let row = tape.below(SECURED.len() + 1);
            let header = SECURED.get(row).copied().unwrap_or_else(|| {
                let cla = [0x0C, 0x8C][tape.below(2)];
                Header::new(cla, tape.byte(), tape.byte(), tape.byte())
            });
            let data = data(desk, tape, header);
            let (shape, damage) = (shape(tape), damage(tape));
            desk.secured(header, &data, shape, damage);
        }
        RESET => desk.reset(),
        REPLAY => desk.replay(tape.byte().into()),
        SET_UP => set_up(desk, tape.below(5), tape.byte()),
        AUTHENTICATE => {
            authenticate(desk, tape.byte() % 16);
            desk.secured(header::STATUS, &[], Shape::PLAIN, Damage::None);
        }
        LONG => long(desk, tape),
        _ => unreachable!("a number below 8"),
    }
}

/// A long raw command: header, length, one byte over and over.
fn long(desk: &mut Desk, tape: &mut Tape<'_>) {
    let mut apdu = tape.take(4).to_vec();
    let length = length(tape, 65_535);
    apdu.push(0);
    apdu.extend(&length.to_be_bytes()[6..]);
    apdu.extend(std::iter::repeat_n(tape.byte(), length));
    apdu.extend(tape.take(usize::from(tape.clone().byte() % 4)));
    desk.transmit(&apdu, None);
}

/// Mostly a length of up to 1,023, because a long one costs as much as the rest of an input; else any up to `most`.
fn length(tape: &mut Tape<'_>, most: usize) -> usize {
    match usize::from(tape.number()) {
        number @ 0..0xC000 => number % 1_024,
        number => most - (number - 0xC000) * most / 0x4000,
    }
}

/// SELECT and C1 with the key of a slot.
pub fn authenticate(desk: &mut Desk, slot: u8) {
    desk.select();
    let challenge = desk.challenge(slot);
    desk.plain(header::RECONNECT, &challenge, Shape::PLAIN);
}

/// As many messages of a set-up: 1 is SELECT, 2 the certificate, 3 the keys, 4 and 5 under SM1, 6 the PIN, 7 the commit.
pub fn set_up(desk: &mut Desk, terminal: usize, messages: u8) {
    let messages = messages % 8;
    let certificate = desk.papers.holders[terminal].certificate.encoded().to_vec();
    let link = desk.papers.links[0].encoded().to_vec();
    if messages >= 1 {
        desk.select();
    }
    if messages >= 2 && terminal == 2 {
        desk.plain(header::VERIFY_CERTIFICATE, &link, Shape::PLAIN);
    }
    if messages >= 2 {
        desk.plain(header::VERIFY_CERTIFICATE, &certificate, Shape::PLAIN);
    }
    if messages >= 3 {
        let share = desk.share();
        desk.plain(header::KEY_EXCHANGE, &share, Shape::PLAIN);
    }
    let under_keys = [
        header::CARD_CERTIFICATE,
        header::TERMINAL_RANDOM,
        header::VERIFY,
        header::COMMIT,
    ];
    for header in under_keys
        .iter()
        .take(usize::from(messages.saturating_sub(3)))
    {
        let data = match *header {
            header::TERMINAL_RANDOM => desk.random(),
            header::VERIFY => PINS[0].to_vec(),
            _ => Vec::new(),
        };
        desk.secured(*header, &data, Shape::PLAIN, Damage::None);
    }
}

fn shape(tape: &mut Tape<'_>) -> Shape {
    match tape.byte() % 8 {
        5 => Shape {
            segment: usize::from(tape.byte()) + 1,
            ..Shape::PLAIN
        },
        6 => Shape {
            form: Form::Extended,
            segment: 65_535,
            collects: true,
        },
        7 => Shape {
            collects: false,
            ..Shape::PLAIN
        },
        _ => Shape::PLAIN,
    }
}

fn damage(tape: &mut Tape<'_>) -> Damage {
    match tape.byte() {
        0..=215 => Damage::None,
        216..=235 => Damage::Flip(tape.number()),
        236..=242 => Damage::OtherP2(tape.byte()),
        243..=249 => Damage::Unfinished,
        _ => Damage::OtherClass,
    }
}

/// A data field: right for this command, right but for a few bytes, or anything.
fn data(desk: &mut Desk, tape: &mut Tape<'_>, header: Header) -> Vec<u8> {
    match tape.byte() % 8 {
        4 => {
            let mut data = right(desk, header, tape.byte());
            for _ in 0..tape.below(4) + 1 {
                let (at, mask) = (usize::from(tape.number()), tape.byte());
                if !data.is_empty() {
                    let at = at % data.len();
                    data[at] ^= mask;
                }
            }
            data
        }
        5 => tape.string().to_vec(),
        6 => {
            let mut data = right(desk, header, tape.byte());
            data.truncate(data.len().saturating_sub(tape.byte().into()));
            data.extend(tape.string());
            data
        }
        7 => {
            let length = length(tape, 41_000);
            vec![tape.byte(); length]
        }
        _ => right(desk, header, tape.byte()),
    }
}

/// Right data for a command; there are several kinds of right.
fn right(desk: &mut Desk, header: Header, variant: u8) -> Vec<u8> {
    let pick = |count: usize| usize::from(variant) % count;
    let papers = std::rc::Rc::clone(&desk.papers);
    match header {
        header::SELECT => Aid::AUTHENTICATION.0.to_vec(),
        header::VERIFY_CERTIFICATE => match pick(8) {
            number @ 0..=4 => papers.holders[number].certificate.encoded().to_vec(),
            number => papers.links[number - 5].encoded().to_vec(),
        },
        header::RECONNECT => desk.challenge(variant % 16),
        header::KEY_EXCHANGE => desk.share(),
        header::TERMINAL_RANDOM => desk.random(),
        header::SET_PIN => PINS[pick(3)].to_vec(),
        header::SET_PUK => PUKS[pick(3)].to_vec(),
        header::GENERATE_KEY => KeyOrder {
            issuer: name(ROOT),
            holder: name(CARD),
            nonce: [variant; 16],
        }
        .encode(),
        header::STORE_CERTIFICATE if pick(2) == 0 => papers.root.encoded().to_vec(),
        header::STORE_CERTIFICATE => own_certificate(desk),
        header::PUT_STATUS_LIST => papers.lists[pick(5)].encoded().to_vec(),
        header::PUT_LINK => papers.links[pick(3)].encoded().to_vec(),
        header::CHANGE_PAIRING => PairingChange {
            slot: SlotNumber::new(variant % 16).unwrap(),
            label: Label::new(&b"kiosk"[..pick(6)]).unwrap(),
            pinned: variant >= 128,
        }
        .encode(),
        header::DELETE_PAIRING => encode_delete(SlotNumber::new(variant % 16).unwrap()),
        header::VERIFY if pick(4) == 3 => Vec::new(),
        header::VERIFY => PINS[pick(4)].to_vec(),
        header::CHANGE_PIN => pair(PINS[pick(3)], PINS[usize::from(variant / 3) % 3]),
        header::CHANGE_PUK => pair(PUKS[pick(3)], PUKS[usize::from(variant / 3) % 3]),
        header::UNBLOCK => pair(PUKS[pick(3)], PINS[usize::from(variant / 3) % 3]),
        header::SELECT_SERVICE => [Aid::VAULT, Aid::COUNTER, Aid::service(9, 1)][pick(3)]
            .0
            .to_vec(),
        header::VAULT_READ | header::VAULT_DELETE => encode_name(&object(variant)),
        header::VAULT_WRITE => Write {
            name: object(variant),
            policy: Policy::from_byte(variant / 4 % 4).unwrap(),
            content: apdu::crypto::SecretBytes::new(vec![variant; pick(7) * 100]),
        }
        .encode()
        .to_vec(),
        header::COUNTER_ADD | header::COUNTER_LIMIT => vec![0, 0, 0, variant],
        _ => Vec::new(),
    }
}

fn object(variant: u8) -> ObjectName {
    ObjectName::new(["badge", "key", "note"][usize::from(variant) % 3]).unwrap()
}

/// `80 old, 81 new`.
fn pair(old: &[u8], new: &[u8]) -> Vec<u8> {
    let length = |digits: &[u8]| u8::try_from(digits.len()).unwrap();
    [&[0x80, length(old)], old, &[0x81, length(new)], new].concat()
}

/// The certificate that the card waits for, if it has a key.
fn own_certificate(desk: &Desk) -> Vec<u8> {
    let Some(record) = desk.saved().value(Record::KEY) else {
        return desk.papers.root.encoded().to_vec();
    };
    let key = PrivateKey::from_scalar(record.first_chunk().unwrap()).unwrap();
    // The names it asked for stand behind its key: `42 CAR, 5F20 CHR`, each of 16 here.
    let holder = record.get(53..).and_then(Name::from_bytes);
    let holder = holder.map_or(CARD.to_owned(), |holder| holder.as_str().to_owned());
    card_certificate(key.public_key(), &holder)
        .encoded()
        .to_vec()
}
