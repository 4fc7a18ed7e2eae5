//! T15: before both ends have authenticated, every failure looks like every other: the same bytes, and the same card behind them.
//!
//! The times are measured by `cargo xtask constant-time`.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use apdu::certificate::{Certificate, Date, Role};
use apdu::channel::{ExpectedLength, SessionKeys, TerminalEnd};
use apdu::codec::command::{Command, Form, Header};
use apdu::crypto::{PrivateKey, PublicKey, Secret};
use apdu::handshake::{PairingKey, Transcript};
use apdu::identifier::header;
use apdu::message::key_exchange::TerminalShare;
use apdu::message::reconnect::{Challenge, ChallengeAnswer};
use apdu::message::select::{self, Fci};
use card_sim::body::VirtualCard;
use card_sim::vpcd::Body;
use conformance::authority::{
    CARD, TERMINAL, card, certify, desk, name, root, status_list, terminal_store,
};
use conformance::{Disk, User, World, evidence};
use getrandom::SysRng;
use terminal_lib::store::{MemoryStore, record::PairingRecord};

/// 6988: secure messaging failed.
const BROKEN: [u8; 2] = [0x69, 0x88];
/// 6300: a certificate was refused.
const REFUSED: [u8; 2] = [0x63, 0x00];

/// A card under power.
struct Bare(VirtualCard<Disk, SysRng>);

impl Bare {
    fn new(disk: &Disk) -> Self {
        let mut card = VirtualCard::new(disk.clone(), SysRng);
        card.power_on();
        Self(card)
    }

    fn say(&mut self, header: Header, data: &[u8], expected: Option<u32>) -> Vec<u8> {
        let command = Command {
            header,
            data,
            expected,
            form: if data.len() > 255 {
                Form::Extended
            } else {
                Form::Short
            },
        };
        self.0.transmit(&command.encode().unwrap())
    }

    fn select(&mut self) -> Vec<u8> {
        self.0.transmit(&select::COMMAND.encode().unwrap())
    }

    /// SELECT and C1 with this hint; gives th_F after it and the answer.
    fn challenge(&mut self, hint: impl FnOnce(&Fci, &[u8; 16]) -> [u8; 4]) -> ([u8; 32], Vec<u8>) {
        let selected = self.select();
        let (fci, _) = selected.split_at(selected.len() - 2);
        let mut transcript = Transcript::start();
        transcript.command(header::SELECT, select::COMMAND.data);
        transcript.response(fci, apdu::codec::status::StatusWord::OK);
        let terminal_nonce = [9; 16];
        let data = Challenge {
            hint: hint(&Fci::decode(fci).unwrap(), &terminal_nonce),
            terminal_nonce,
        }
        .encode();
        let answer = self.say(header::RECONNECT, &data, Some(256));
        transcript.command(header::RECONNECT, &data);
        let card_nonce = ChallengeAnswer::decode(&answer[..answer.len() - 2])
            .unwrap()
            .card_nonce;
        (transcript.reconnect_hash(&card_nonce), answer)
    }

    /// What the card says to a fixed list of questions, the random parts of its answers blanked.
    fn behaviour(&mut self) -> Vec<Vec<u8>> {
        let mut said = vec![
            self.say(header::STATUS, &[0x8E; 24], Some(256)),
            self.say(header::RECONNECT, &[0; 26], Some(256)),
            self.say(header::KEY_EXCHANGE, &[0; 69], Some(256)),
            self.say(header::VERIFY, &[], None),
        ];
        said.push(blank(self.select()));
        said
    }
}

/// An answer to SELECT without prand and tags, an answer to C1 without nonce and proof.
fn blank(mut answer: Vec<u8>) -> Vec<u8> {
    let status = answer.split_off(answer.len() - 2);
    let plain = if let Ok(fci) = Fci::decode(&answer) {
        let (prand, tags) = Default::default();
        Fci { prand, tags, ..fci }.encode()
    } else if ChallengeAnswer::decode(&answer).is_ok() {
        let (card_nonce, proof) = Default::default();
        ChallengeAnswer { card_nonce, proof }.encode()
    } else {
        panic!("neither of the two: {answer:02x?}");
    };
    assert_eq!(plain.len(), answer.len());
    [plain, status].concat()
}

/// A card with so many pairings, and the key of the last.
fn paired(pairings: u32) -> (Disk, Option<PairingKey>) {
    let disk = card(CARD);
    let mut store = MemoryStore::new();
    for number in 1..=pairings {
        store = terminal_store(&format!("ZZTALLYTERM{number:05}"));
        let mut world = World::meeting(&disk, &store);
        world.visit(&mut User::willing()).unwrap();
    }
    let records = PairingRecord::read_all(&store, &desk()).unwrap();
    let key = records.first().and_then(|record| record.current());
    (disk, key.map(|(key, _)| key.dangerous_copy()))
}

/// A first secured command under these keys.
fn first_command(keys: SessionKeys) -> Vec<u8> {
    let mut channel = TerminalEnd::new(keys);
    let sealed = channel.seal(header::STATUS, &[], Some(ExpectedLength::Short));
    sealed.unwrap().data
}

/// Ways to spoil the data field of a secured command: every bit, every length, and nothing at all like it.
fn spoiled(field: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = (0..field.len() * 8)
        .map(|bit| {
            let mut spoiled = field.to_vec();
            spoiled[bit / 8] ^= 1 << (bit % 8);
            spoiled
        })
        .collect();
    all.extend((0..field.len()).map(|length| field[..length].to_vec()));
    all.push([field, &[0]].concat());
    all.push([field, field].concat());
    all.push(vec![0x8E; 200]);
    all
}

/// T15: what a first secured command can be refused for, with a key the card has and with one it has not.
#[test]
fn every_refused_first_command_is_answered_alike_whether_the_terminal_is_known_or_not() {
    let (mut cases, mut accepted) = (0, 0);
    let mut behaviours = Vec::new();
    for pairings in [0, 1, 16] {
        let (disk, key) = paired(pairings);
        let mut card = Bare::new(&disk);
        let before = disk.copy();
        for known in [true, false] {
            let key = key.as_ref().filter(|_| known);
            let hint = |fci: &Fci, nonce: &[u8; 16]| {
                key.map_or([7; 4], |key| key.tag_key().hint(&fci.prand, nonce))
            };
            let keys = |th_f: &[u8; 32]| match key {
                Some(key) => key.session_keys(th_f),
                None => SessionKeys::from_bytes(&Secret::copy_of(&[5; 128])),
            };
            let (th_f, _) = card.challenge(hint);
            let length = spoiled(&first_command(keys(&th_f))).len();
            for number in 0..length {
                let (th_f, _) = card.challenge(hint);
                let field = spoiled(&first_command(keys(&th_f))).swap_remove(number);
                let answer = card.say(header::STATUS, &field, Some(256));
                assert_eq!(
                    answer, BROKEN,
                    "{pairings} pairings, known: {known}, {number}"
                );
                behaviours.push(card.behaviour());
                cases += 1;
            }
            // The whole header is under the MAC, and so is everything from an earlier session.
            let (earlier, _) = card.challenge(hint);
            let (th_f, _) = card.challenge(hint);
            for (header, th_f) in [(header::LIST_SERVICES, th_f), (header::STATUS, earlier)] {
                let answer = card.say(header, &first_command(keys(&th_f)), Some(256));
                assert_eq!(
                    answer, BROKEN,
                    "{pairings} pairings, known: {known}, {header:?}"
                );
                behaviours.push(card.behaviour());
                card.challenge(hint);
                cases += 1;
            }
        }
        assert!(
            disk.same_content(&before),
            "a refusal changed what is stored"
        );
        // And the nearest yes.
        if let Some(key) = &key {
            let (th_f, _) = card.challenge(|fci, nonce| key.tag_key().hint(&fci.prand, nonce));
            let field = first_command(key.session_keys(&th_f));
            let answer = card.say(header::STATUS, &field, Some(256));
            accepted += usize::from(answer.ends_with(&[0x90, 0x00]));
        }
    }
    assert_eq!(accepted, 2);
    let first = &behaviours[0];
    assert!(behaviours.iter().all(|behaviour| behaviour == first));
    evidence::report(
        "T15",
        cases,
        "first commands refused: one answer, one behaviour after it",
    );
}

/// T15: SELECT and C1 say nothing of who is known: only nonces, tags and proofs differ, and none of them comes twice.
#[test]
fn a_card_answers_known_terminals_and_strangers_in_one_shape() {
    let (mut shapes, mut values, mut cases) = (Vec::new(), Vec::new(), 0);
    for pairings in [0, 1, 16] {
        let (disk, key) = paired(pairings);
        let mut card = Bare::new(&disk);
        for round in 0..20 {
            let key = key.as_ref().filter(|_| round % 2 == 0);
            let (_, answer) = card.challenge(|fci, nonce| {
                values.extend(fci.tags.map(|tag| tag.to_vec()));
                values.push(fci.prand.to_vec());
                key.map_or([round; 4], |key| key.tag_key().hint(&fci.prand, nonce))
            });
            values.extend([answer[4..20].to_vec(), answer[22..38].to_vec()]);
            shapes.push([blank(answer), blank(card.select())]);
            cases += 1;
        }
    }
    assert!(shapes.iter().all(|shape| *shape == shapes[0]));
    assert_eq!(shapes[0][0][38..], [0x90, 0x00]);
    let drawn = values.len();
    values.sort_unstable();
    values.dedup();
    // 960 tags of 4 bytes: one equal pair comes by chance, once in 10,000 runs; a second one does not.
    assert!(
        values.len() + 1 >= drawn,
        "{} of {drawn} are new",
        values.len()
    );
    evidence::report(
        "T15",
        cases,
        format_args!("challenges answered in one shape; {drawn} random values, none repeated"),
    );
}

/// Certificates that are refused, each for its own reason.
fn bad_certificates() -> Vec<(&'static str, Vec<u8>)> {
    let key = || PrivateKey::from_scalar(&[3; 32]).unwrap().public_key();
    let until = |year| Date::new(year, 1, 2).unwrap();
    let good = certify(name(TERMINAL), Role::Terminal, key(), until(2060));
    let bytes = good.encoded().to_vec();
    let flipped = |at: usize| {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        flipped
    };
    let stranger = PrivateKey::from_scalar(&[4; 32]).unwrap();
    let mut fields = good.claims().clone();
    fields.issuer = name("ZZTALLYROOT00009");
    let body = fields.encode_body();
    let unknown = Certificate::assemble(fields.clone(), stranger.sign(&body));
    fields.issuer = good.claims().issuer;
    let body = fields.encode_body();
    let forged = Certificate::assemble(fields, stranger.sign(&body));
    let encoded = |certificate: Certificate| certificate.encoded().to_vec();
    vec![
        ("signature", flipped(bytes.len() - 1)),
        ("first byte", flipped(0)),
        ("a point that is none", flipped(bytes.len() / 3)),
        ("cut off", bytes[..bytes.len() - 1].to_vec()),
        ("too long", [&bytes[..], &[0]].concat()),
        ("no certificate", vec![0x55; 199]),
        ("unknown issuer", encoded(unknown)),
        ("another's signature", encoded(forged)),
        (
            "a card's",
            encoded(certify(name(CARD), Role::Card, key(), until(2060))),
        ),
        (
            "expired",
            encoded(certify(name(TERMINAL), Role::Terminal, key(), until(2026))),
        ),
        (
            "revoked",
            encoded(certify(
                name("ZZTALLYTERM00066"),
                Role::Terminal,
                key(),
                until(2060),
            )),
        ),
        ("the root's own", encoded(root())),
    ]
}

/// T15: why a certificate is refused is not said.
#[test]
fn every_refused_certificate_is_answered_alike() {
    let mut world = World::paired();
    let list = status_list(1, &[(Role::Terminal, "ZZTALLYTERM00066")]);
    let mut session = world.reconnect().unwrap();
    session.put_status_list(&list).unwrap();
    session.close();
    let before = world.card.copy();
    let mut card = Bare::new(&world.card);
    let mut behaviours = Vec::new();
    let certificates = bad_certificates();
    for (cause, certificate) in &certificates {
        card.select();
        let answer = card.say(header::VERIFY_CERTIFICATE, certificate, None);
        assert_eq!(answer, REFUSED, "{cause}");
        behaviours.push(card.behaviour());
    }
    assert!(
        behaviours
            .iter()
            .all(|behaviour| *behaviour == behaviours[0])
    );
    assert!(world.card.same_content(&before));
    // The nearest yes.
    let key = PrivateKey::from_scalar(&[3; 32]).unwrap().public_key();
    let good = certify(
        name(TERMINAL),
        Role::Terminal,
        key,
        Date::new(2060, 1, 2).unwrap(),
    );
    card.select();
    let answer = card.say(header::VERIFY_CERTIFICATE, good.encoded(), None);
    assert_eq!(answer, [0x90, 0x00]);
    let cases = u64::try_from(certificates.len()).unwrap();
    evidence::report(
        "T15",
        cases,
        "certificates refused for reasons of their own: one answer, one behaviour after it",
    );
}

/// T15: a terminal that shows a certificate and does not hold its key learns nothing from the way it fails.
#[test]
fn an_impostor_in_set_up_is_answered_alike_whatever_it_sends() {
    let owner = PrivateKey::from_scalar(&[3; 32]).unwrap();
    let certificate = |public: PublicKey| {
        certify(
            name(TERMINAL),
            Role::Terminal,
            public,
            Date::new(2060, 1, 2).unwrap(),
        )
    };
    let shown = certificate(owner.public_key());
    let share = TerminalShare(PrivateKey::from_scalar(&[6; 32]).unwrap().public_key()).encode();
    let mut card = Bare::new(&card(CARD));
    let field = first_command(SessionKeys::from_bytes(&Secret::copy_of(&[5; 128])));
    let mut behaviours = Vec::new();
    let fields = spoiled(&field);
    for field in fields.iter().chain([&field]) {
        card.select();
        card.say(header::VERIFY_CERTIFICATE, shown.encoded(), None);
        let answer = card.say(header::KEY_EXCHANGE, &share, Some(256));
        assert_eq!(answer.len(), 139);
        assert_eq!(card.say(header::CARD_CERTIFICATE, field, Some(256)), BROKEN);
        behaviours.push(card.behaviour());
    }
    assert!(
        behaviours
            .iter()
            .all(|behaviour| *behaviour == behaviours[0])
    );
    let cases = u64::try_from(behaviours.len()).unwrap();
    evidence::report(
        "T15",
        cases,
        "impostors in set-up: one answer, one behaviour after it",
    );
}

/// T15: to an observer, a terminal sends C1 to a card it knows as to one it does not.
#[test]
fn a_terminals_challenge_has_one_shape_for_known_cards_and_strangers() {
    let shape = |world: &mut World| {
        let _ = world.reconnect().map(drop);
        let number = world.line.first(header::RECONNECT);
        let mut command = world.line.heard[number].command.clone();
        let hint = command[9..13].to_vec();
        command[9..13].fill(0);
        command[15..31].fill(0);
        (number, command, hint)
    };
    let (known, stranger) = (shape(&mut World::paired()), shape(&mut World::new()));
    assert_eq!((known.0, &known.1), (stranger.0, &stranger.1));
    assert_ne!(known.2, stranger.2);
    assert_eq!(known.1.len(), 32);
}
