//! Whom time could tell something (T15, T41): pairs of cases that must look alike from outside.
//!
//! Not a gate on small figures: a machine that is shared has noise of its own. A figure is printed; only a gross one, twice, is an error.

use crate::leak;
use crate::welch::{Figure, Random, measure};
use apdu::channel::{CardEnd, ExpectedLength, SessionKeys, TerminalEnd};
use apdu::codec::command::{Command, Form};
use apdu::crypto::{MacKey, Secret, equal};
use apdu::identifier::header;
use apdu::message::pin::{Digits, Reference};
use apdu::message::reconnect::Challenge;
use apdu::message::select;
use card_sim::body::VirtualCard;
use card_sim::vpcd::Body;
use conformance::authority::{CARD, card, terminal_store};
use conformance::user::{PIN, User};
use conformance::{Disk, World, evidence};
use getrandom::SysRng;
use std::hint::black_box;
use terminal_lib::session::CodeOutcome;

/// Calls within one sample of something short.
const REPEATS: usize = 32;
/// Beyond this, twice, something is wrong.
const GROSS: f64 = 50.0;
/// What a leak is at least.
const LEAK: f64 = 4.5;

/// One comparison of two classes.
struct Pair {
    item: &'static str,
    name: &'static str,
    run: fn(u64, u64) -> Figure,
}

const PAIRS: [Pair; 9] = [
    Pair {
        item: "T41",
        name: "MAC wrong in its first byte, in its last",
        run: mac,
    },
    Pair {
        item: "T41",
        name: "secret equal, different in its first byte",
        run: secret,
    },
    Pair {
        item: "T41",
        name: "PIN wrong in its first digit, in its last: the whole command",
        run: pin,
    },
    Pair {
        item: "T41",
        name: "secured command with a wrong MAC, with a wrong cryptogram",
        run: unwrap_failures,
    },
    Pair {
        item: "T15",
        name: "SELECT of a card without pairings, with 16",
        run: |samples, seed| tags([0, 16], samples, seed),
    },
    // What different places in memory make of equal cards: the measure for the line above.
    Pair {
        item: "T15",
        name: "SELECT of cards without pairings, of others without pairings",
        run: |samples, seed| tags([0, 0], samples, seed),
    },
    Pair {
        item: "T15",
        name: "C1 of the known terminal, of a stranger: 1 slot in use",
        run: |samples, seed| hints(1, samples, seed),
    },
    Pair {
        item: "T15",
        name: "C1 of the known terminal, of a stranger: 16 slots in use",
        run: |samples, seed| hints(16, samples, seed),
    },
    Pair {
        item: "T15",
        name: "first secured command with a wrong MAC: known terminal, stranger",
        run: first_command,
    },
];

/// Measures everything and prints a line of evidence for each item.
///
/// # Errors
/// A gross figure that was seen twice, and a planted leak that was not seen.
pub fn report() -> Result<(), String> {
    let samples = evidence::cases(40_000, 2_000_000);
    let seed = evidence::seed();
    let planted = naive(samples, seed);
    println!("{:<68} {planted}", "planted: a comparison that stops early");
    if planted.t.abs() < LEAK {
        return Err(format!("the planted leak was not seen: {planted}"));
    }
    let mut gross = Vec::new();
    for item in ["T15", "T41"] {
        let (mut worst, mut cases) = (0.0_f64, 0);
        for pair in PAIRS.iter().filter(|pair| pair.item == item) {
            let mut figure = (pair.run)(samples, seed);
            if figure.t.abs() > GROSS {
                println!("{:<68} {figure}, once more", pair.name);
                figure = (pair.run)(samples, seed + 1);
                if figure.t.abs() > GROSS {
                    gross.push(format!("{}: {figure}", pair.name));
                }
            }
            println!("{:<68} {figure}", pair.name);
            worst = worst.max(figure.t.abs());
            cases += figure.samples;
        }
        evidence::report(
            item,
            cases,
            format_args!(
                "Welch's t: |t| is {worst:.1} at most; the planted leak has {:.1}",
                planted.t
            ),
        );
    }
    if gross.is_empty() {
        Ok(())
    } else {
        Err(format!("time tells: {}", gross.join("; ")))
    }
}

/// The class decides which of two inputs is written into one and the same place.
fn naive(samples: u64, seed: u64) -> Figure {
    let stored = [7; 32];
    compare(
        samples,
        seed,
        [flipped(stored, 0), flipped(stored, 31)],
        |input| leak::equal(input, &stored),
    )
}

fn secret(samples: u64, seed: u64) -> Figure {
    let stored = [7; 32];
    compare(samples, seed, [stored, flipped(stored, 0)], |input| {
        equal(input, &stored)
    })
}

fn mac(samples: u64, seed: u64) -> Figure {
    let key = MacKey::new(&[5; 32]);
    let tag = key.mac(&[b"message"]);
    compare(samples, seed, [flipped(tag, 0), flipped(tag, 15)], |tag| {
        key.verify(&[b"message"], tag)
    })
}

fn compare<const N: usize>(
    samples: u64,
    seed: u64,
    inputs: [[u8; N]; 2],
    judge: impl Fn(&[u8; N]) -> bool,
) -> Figure {
    let choose = |second: bool| inputs[usize::from(second)];
    measure(samples, seed, choose, |input| {
        for _ in 0..REPEATS {
            black_box(judge(black_box(&input)));
        }
    })
}

fn flipped<const N: usize>(mut bytes: [u8; N], at: usize) -> [u8; N] {
    bytes[at] ^= 1;
    bytes
}

/// A wrong PIN, measured as the terminal sees it, then the right one, which gives the try back.
fn pin(samples: u64, seed: u64) -> Figure {
    let digits = |text: &[u8]| Digits::new(Reference::Pin, text).unwrap();
    let wrong = [digits(b"971828"), digits(b"271829")];
    let right = digits(PIN);
    let mut world = World::paired();
    let mut session = world.reconnect().unwrap();
    let session = std::cell::RefCell::new(&mut session);
    // A session has 65,535 commands; two are needed for each sample.
    measure(
        samples.min(30_000),
        seed,
        |second| {
            let outcome = session.borrow_mut().verify_pin(&right).unwrap();
            assert_eq!(outcome, CodeOutcome::Right);
            usize::from(second)
        },
        |class| {
            let outcome = session.borrow_mut().verify_pin(&wrong[class]);
            assert!(matches!(outcome, Ok(CodeOutcome::Wrong { .. })));
        },
    )
}

/// Every failure of secure messaging is the same error; the MAC is computed over what came in either case.
fn unwrap_failures(samples: u64, seed: u64) -> Figure {
    let keys = || SessionKeys::from_bytes(&Secret::copy_of(&[5; 128]));
    let sealed = TerminalEnd::new(keys())
        .seal(header::VERIFY, &[3; 20], Some(ExpectedLength::Short))
        .unwrap();
    let last = sealed.data.len() - 1;
    let fresh = CardEnd::new(keys());
    let prepare = |second: bool| {
        let mut data = sealed.data.clone();
        data[if second { 4 } else { last }] ^= 1;
        (fresh.dangerous_copy(), data)
    };
    measure(samples, seed, prepare, |(mut card, data)| {
        assert!(card.open(sealed.header, &data).is_err());
    })
}

type Card = VirtualCard<Disk, SysRng>;

/// A card under power with so many pairings, and the memory of the terminal that made the last.
fn paired(pairings: usize) -> (Disk, terminal_lib::store::MemoryStore) {
    let disk = card(CARD);
    let mut store = terminal_store("ZZTALLYTERM00000");
    for number in 1..=pairings {
        store = terminal_store(&format!("ZZTALLYTERM{number:05}"));
        let mut world = World::meeting(&disk, &store);
        world.connect(&mut User::willing()).unwrap().close();
    }
    (disk, store)
}

fn powered(disk: &Disk) -> Card {
    let mut card = VirtualCard::new(disk.clone(), SysRng);
    card.power_on();
    card
}

/// Several cards of each kind, for one card's place in memory has a time of its own.
fn tags(pairings: [usize; 2], samples: u64, seed: u64) -> Figure {
    let kinds = pairings.map(|pairings| paired(pairings).0);
    let mut cards: Vec<[Card; 2]> = (0..16).map(|_| kinds.each_ref().map(powered)).collect();
    let select = select::COMMAND.encode().unwrap();
    let mut random = Random(seed ^ 1);
    let count = u64::try_from(cards.len()).unwrap();
    let prepare = |second: bool| {
        let at = usize::try_from(random.draw() % count).unwrap();
        (at, usize::from(second))
    };
    measure(samples, seed, prepare, |(at, class)| {
        assert_eq!(cards[at][class].transmit(&select).len(), 115);
    })
}

/// C1 as the terminal that made the last pairing sends it, and with a random hint.
struct Challenger {
    card: Card,
    tag_key: apdu::handshake::TagKey,
    random: Random,
}

impl Challenger {
    fn new(pairings: usize, seed: u64) -> Self {
        let (disk, store) = paired(pairings);
        let records = terminal_lib::store::record::PairingRecord::read_all(
            &store,
            &conformance::authority::desk(),
        )
        .unwrap();
        let (key, _) = records[0].current().unwrap();
        Self {
            card: powered(&disk),
            tag_key: key.tag_key(),
            random: Random(seed ^ 2),
        }
    }

    /// SELECT, and the C1 that follows it.
    fn challenge(&mut self, stranger: bool) -> Vec<u8> {
        let answer = self.card.transmit(&select::COMMAND.encode().unwrap());
        let fci = select::Fci::decode(&answer[..answer.len() - 2]).unwrap();
        let nonce = [self.random.draw().to_be_bytes(); 2];
        let terminal_nonce: [u8; 16] = nonce.concat().try_into().unwrap();
        let keyed = self.tag_key.hint(&fci.prand, &terminal_nonce);
        let mut hint = keyed;
        if stranger {
            let [a, b, c, d, ..] = self.random.draw().to_be_bytes();
            hint = [a, b, c, d];
        }
        let data = Challenge {
            hint,
            terminal_nonce,
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
}

fn hints(pairings: usize, samples: u64, seed: u64) -> Figure {
    let challenger = std::cell::RefCell::new(Challenger::new(pairings, seed));
    let prepare = |stranger| challenger.borrow_mut().challenge(stranger);
    measure(samples, seed, prepare, |command| {
        assert_eq!(challenger.borrow_mut().card.transmit(&command).len(), 40);
    })
}

fn first_command(samples: u64, seed: u64) -> Figure {
    let challenger = std::cell::RefCell::new(Challenger::new(1, seed));
    let keys = SessionKeys::from_bytes(&Secret::copy_of(&[5; 128]));
    let sealed = TerminalEnd::new(keys)
        .seal(header::STATUS, &[], Some(ExpectedLength::Short))
        .unwrap();
    let command = Command {
        header: sealed.header,
        data: &sealed.data,
        expected: Some(256),
        form: Form::Short,
    }
    .encode()
    .unwrap();
    let prepare = |stranger| {
        let mut challenger = challenger.borrow_mut();
        let challenge = challenger.challenge(stranger);
        challenger.card.transmit(&challenge);
    };
    measure(samples, seed, prepare, |()| {
        let answer = challenger.borrow_mut().card.transmit(&command);
        assert_eq!(answer, [0x69, 0x88]);
    })
}
