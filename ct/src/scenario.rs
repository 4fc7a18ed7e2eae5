//! What is run with marked secrets: the product's own code, whole commands and whole sessions.

use crate::leak;
use crate::marked::{Card, Drawn, TerminalMemory};
use crate::memcheck::{counted, secret};
use apdu::channel::{CardEnd, ExpectedLength, SessionKeys, TerminalEnd};
use apdu::codec::command::{Command, Form};
use apdu::codec::status::StatusWord;
use apdu::crypto::{Entropy, MacKey, PrivateKey, Secret};
use apdu::identifier::header;
use apdu::message::pin::{Digits, Reference};
use apdu::message::reconnect::Challenge;
use apdu::message::select;
use card_sim::body::VirtualCard;
use card_sim::vpcd::Body;
use conformance::authority::{CARD, TERMINAL, card, desk, terminal_store, today};
use conformance::life::Tape;
use conformance::user::{PIN, User, WRONG_PIN};
use conformance::{Disk, World};
use std::collections::VecDeque;
use std::hint::black_box;
use terminal_lib::Terminal;
use terminal_lib::application::{Application, Notice, PinAnswer, PinRequest, Policy, SetUpReason};
use terminal_lib::session::{CodeOutcome, Session};
use terminal_lib::store::MemoryStore;
use terminal_lib::transport::in_process::{InProcess, LocalCard};

/// One thing that is run.
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// Runs it once. It stops where it does not do what it is meant to.
    pub run: fn(),
}

/// What the product does with secrets.
pub const SCENARIOS: [Scenario; 8] = [
    Scenario {
        name: "tags",
        run: tags,
    },
    Scenario {
        name: "hints",
        run: hints,
    },
    Scenario {
        name: "compare",
        run: compare,
    },
    Scenario {
        name: "messages",
        run: messages,
    },
    Scenario {
        name: "pin",
        run: pin,
    },
    Scenario {
        name: "reconnect",
        run: reconnect,
    },
    Scenario {
        name: "set-up",
        run: set_up,
    },
    Scenario {
        name: "sign",
        run: sign,
    },
];

/// What must be found: a comparison that stops at the first difference.
pub const PLANTED: Scenario = Scenario {
    name: "planted-leak",
    run: planted_leak,
};

/// Digits that are marked once they are known to be digits.
fn digits(text: &[u8]) -> Digits {
    let digits = Digits::new(Reference::Pin, text).unwrap();
    secret(digits.expose());
    digits
}

/// A user who knows what to say.
struct Person(VecDeque<&'static [u8]>);

impl Application for Person {
    fn may_set_up(&mut self, _reason: SetUpReason) -> bool {
        true
    }

    fn pin(&mut self, _request: &PinRequest) -> PinAnswer {
        self.0
            .pop_front()
            .map_or(PinAnswer::Refuse, |text| PinAnswer::Digits(digits(text)))
    }

    fn notice(&mut self, _notice: &Notice) {}
}

/// Both ends with marked memories, and what is done in their session.
fn session(
    card: &Disk,
    store: &MemoryStore,
    answers: &[&'static [u8]],
    work: impl FnOnce(&mut Session<'_>),
) {
    let mut reader = InProcess::new(Card::new(card));
    let mut terminal = Terminal::new(TerminalMemory(store.share()), desk())
        .with_entropy(Drawn)
        .with_clock(today());
    let mut person = Person(answers.iter().copied().collect());
    let mut session = terminal
        .connect(&mut reader, &mut person, &Policy::Auto)
        .unwrap();
    work(&mut session);
}

/// A card with `pairings` pairings, and the store of the terminal that made the last.
fn paired(pairings: usize) -> (Disk, MemoryStore) {
    let disk = card(CARD);
    let mut store = terminal_store(TERMINAL);
    for number in 1..=pairings {
        store = terminal_store(&format!("ZZTALLYTERM{number:05}"));
        let mut world = World::meeting(&disk, &store);
        world.connect(&mut User::willing()).unwrap().close();
    }
    assert_eq!(disk.pairings(), pairings);
    (disk, store)
}

/// The tags in the answer to SELECT, from a card with no pairing and from one whose slots are all in use.
fn tags() {
    for pairings in [0, 16] {
        let (disk, _) = paired(pairings);
        let mut card = Card::new(&disk);
        card.reset();
        let answer = card.transmit(&select::COMMAND.encode().unwrap());
        assert_eq!(answer.len(), 115);
    }
}

/// C1 with a hint that is nobody's.
fn stranger_s_challenge() -> Vec<u8> {
    let data = Challenge {
        hint: [7; 4],
        terminal_nonce: [8; 16],
    }
    .encode();
    Command {
        header: header::RECONNECT,
        data: &data,
        expected: Some(256),
        form: Form::Short,
    }
    .encode()
    .unwrap()
}

/// The search for the slot a hint means: strangers and the terminal of a slot, with 0, 1 and 16 slots in use.
fn hints() {
    for pairings in [0, 1, 16] {
        let (disk, store) = paired(pairings);
        let mut card = Card::new(&disk);
        card.reset();
        card.transmit(&select::COMMAND.encode().unwrap());
        let answer = card.transmit(&stranger_s_challenge());
        assert_eq!(answer.len(), 40);
        if pairings > 0 {
            session(&disk, &store, &[], |_| {});
        }
    }
}

/// One C1 of a stranger to a card with this many pairings, its instructions counted by callgrind. Randomness is fixed, so that nothing but
/// the number of pairings differs from run to run.
pub fn count_challenge(pairings: usize) {
    let (disk, _) = paired(pairings);
    let mut card = VirtualCard::new(disk, Tape::new(1, None));
    card.power_on();
    card.transmit(&select::COMMAND.encode().unwrap());
    let challenge = stranger_s_challenge();
    let answer = counted(|| card.transmit(&challenge));
    assert_eq!(answer.len(), 40);
}

/// MACs and secrets beside equal and unequal ones.
fn compare() {
    let mut entropy = Drawn;
    let entropy: &mut dyn Entropy = &mut entropy;
    let key = entropy.secret::<32>().unwrap();
    let mac_key = MacKey::from(&key);
    let mac = mac_key.mac(&[b"message"]);
    for flip in [0, 1] {
        let mut tag = mac;
        tag[0] ^= flip;
        assert_eq!(mac_key.verify(&[b"message"], &tag), flip == 0);
        let other = Secret::<32>::born(|bytes| {
            bytes.copy_from_slice(key.expose());
            bytes[31] ^= flip;
            Ok::<(), ()>(())
        })
        .unwrap();
        assert_eq!(key.equals(other.expose()), flip == 0);
    }
}

fn session_keys() -> (TerminalEnd, CardEnd) {
    let bytes = Secret::copy_of(&[5; 128]);
    secret(bytes.expose());
    let keys = || SessionKeys::from_bytes(&bytes);
    (TerminalEnd::new(keys()), CardEnd::new(keys()))
}

/// Secure messaging in both directions, and every failure of it: a wrong MAC, cryptogram, object, status word.
fn messages() {
    let plain = [3; 20];
    secret(&plain);
    for flipped in [None, Some(0), Some(4), Some(36), Some(38), Some(53)] {
        let (mut terminal, mut card) = session_keys();
        let sealed = terminal
            .seal(header::VERIFY, &plain, Some(ExpectedLength::Short))
            .unwrap();
        let mut data = sealed.data;
        crate::memcheck::public(&data);
        if let Some(at) = flipped {
            data[at] ^= 1;
        }
        let opened = card.open(sealed.header, &data);
        assert_eq!(opened.is_ok(), flipped.is_none(), "command, {flipped:?}");
    }
    for flipped in [None, Some(0), Some(4), Some(37), Some(39), Some(56)] {
        let (mut terminal, mut card) = session_keys();
        let sealed = terminal.seal(header::STATUS, &[], None).unwrap();
        crate::memcheck::public(&sealed.data);
        card.open(sealed.header, &sealed.data).unwrap();
        let mut data = card.seal(&plain, StatusWord::OK).unwrap();
        crate::memcheck::public(&data);
        if let Some(at) = flipped {
            data[at] ^= 1;
        }
        let opened = terminal.open(&data, StatusWord::OK);
        assert_eq!(opened.is_ok(), flipped.is_none(), "response, {flipped:?}");
    }
}

/// The PIN, wrong at its first digit, at its last, and right.
fn pin() {
    let (disk, store) = paired(1);
    session(&disk, &store, &[], |session| {
        for (text, right) in [
            (&b"971828"[..], false),
            (b"271829", false),
            (PIN, true),
            (WRONG_PIN, false),
        ] {
            let outcome = session.verify_pin(&digits(text)).unwrap();
            assert_eq!(outcome == CodeOutcome::Right, right);
        }
    });
}

/// A session of two ends that know each other: recorded keys, both proofs, the first command, the next generation.
fn reconnect() {
    let (disk, store) = paired(1);
    for _ in 0..2 {
        session(&disk, &store, &[], |session| {
            session.status().unwrap();
        });
    }
}

/// Two ends that have never met: certificates, both key agreements, the PIN, the commit, and the reconnect after it.
fn set_up() {
    let (disk, store) = (card(CARD), terminal_store(TERMINAL));
    session(&disk, &store, &[WRONG_PIN, PIN], |session| {
        session.status().unwrap();
    });
    assert_eq!(disk.pairings(), 1);
}

/// A new key and its signature, as in a request for a certificate.
fn sign() {
    let key = PrivateKey::generate(&mut Drawn).unwrap();
    let signature = key.sign(b"a request");
    crate::memcheck::public(&signature);
    let public = key.public_key();
    let bytes = public.to_uncompressed();
    crate::memcheck::public(&bytes);
    let public = apdu::crypto::PublicKey::from_uncompressed(&bytes).unwrap();
    public.verify(b"a request", &signature).unwrap();
}

fn planted_leak() {
    let mut entropy = Drawn;
    let entropy: &mut dyn Entropy = &mut entropy;
    let (left, right) = (entropy.secret::<32>().unwrap(), [7; 32]);
    black_box(leak::equal(left.expose(), &right));
}
