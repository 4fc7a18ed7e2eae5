//! T23: the files of both ends. Damage is an error; what opens is whole, and a card or a terminal can live with it.
//!
//! | first byte | the input is | what must hold |
//! |---|---|---|
//! | 0, 1 | a whole file, as it lies on the disk | it is refused, or it opens to the same records twice, and a fresh file with them has them |
//! | 2 | changes to a sound file of a card | what was committed is there, or the file is refused: never another content |
//! | 3 | values of a card's records | the card does not start, or it answers every command |
//! | 4 | values of a terminal's records | every function reads them or says what is damaged |

use crate::card::starts;
use crate::entropy::Fixed;
use crate::tape::Tape;
use crate::terminal;
use apdu::certificate::Certificate;
use apdu::codec::chaining::segments;
use apdu::codec::command::{Form, Header};
use apdu::crypto::SecretBytes;
use apdu::identifier::header;
use apdu::message::reconnect::Challenge;
use apdu::message::select;
use card_core::store::{Change as CardChange, MemoryStore as CardStore, Record, Store};
use card_core::{Card, World};
use card_sim::state_file::StateFile;
use conformance::authority::desk;
use journal::sim::SimDisk;
use journal::{Change as Entry, Journal};
use std::collections::BTreeMap;
use std::rc::Rc;
use terminal_lib::identity;
use terminal_lib::store::record::PairingRecord;
use terminal_lib::store::{Change, Key, PairingStore};

/// Magic and version of the card's file, and of the terminal's.
pub const FILES: [([u8; 8], u16); 2] = [(*b"TALLYCRD", 1), (*b"TALLYTRM", 1)];

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The file, or a record in it, was refused.
    Refused,
    /// It was read.
    Read,
}

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// Runs one input.
pub fn run(input: &[u8]) -> (u8, Outcome) {
    let mut tape = Tape::new(input);
    let way = tape.byte() % 5;
    let outcome = match way {
        0 | 1 => whole_file(tape.rest(), FILES[usize::from(way)]),
        2 => damaged_file(&mut tape),
        3 => card_records(&mut tape),
        _ => terminal_records(&mut tape),
    };
    (way, outcome)
}

fn records(journal: &Journal<SimDisk>) -> Records {
    let all = journal.with_prefix(&[]).expect("an open journal");
    all.map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect()
}

fn open(disk: &SimDisk, (magic, version): ([u8; 8], u16)) -> Option<Journal<SimDisk>> {
    Journal::open(disk.clone(), magic, version).ok()
}

fn whole_file(bytes: &[u8], file: ([u8; 8], u16)) -> Outcome {
    let disk = SimDisk::with_content(bytes.to_vec());
    let Some(journal) = open(&disk, file) else {
        assert_eq!(disk.content(), bytes, "a refused file was changed");
        return Outcome::Refused;
    };
    let stored = records(&journal);
    drop(journal);
    let again = open(&disk, file).expect("what opened once opens again");
    assert_eq!(
        records(&again),
        stored,
        "the second opening shows another content"
    );
    let mut fresh = Journal::create(SimDisk::new(), file.0, file.1).expect("an empty disk");
    let changes: Vec<_> = stored
        .iter()
        .map(|(key, value)| Entry::Put { key, value })
        .collect();
    fresh
        .commit(&changes)
        .expect("records that were in a file fit into one");
    assert_eq!(records(&fresh), stored);
    if file == FILES[0] {
        let card = StateFile::open_on(disk).expect("the same file");
        let numbered = stored.keys().all(|key| key.len() == 2);
        assert_eq!(
            card.records().is_ok(),
            numbered,
            "only numbers name a card's records"
        );
    }
    Outcome::Read
}

/// A card's file with two commits, some bytes of it altered, cut or added.
fn damaged_file(tape: &mut Tape<'_>) -> Outcome {
    let disk = SimDisk::new();
    let mut journal = Journal::create(disk.clone(), FILES[0].0, FILES[0].1).expect("an empty disk");
    let mut moments = vec![records(&journal)];
    // The second commit leaves a value of the first one in force: nothing but its own digest watches over it then.
    let put = |key, value| Entry::Put { key, value };
    let pin = put(&[0, 0x10], &[2; 64]);
    for changes in [&[pin, put(&[0, 0x11], &[2])][..], &[put(&[0, 0x11], &[1])]] {
        journal.commit(changes).expect("an honest disk");
        moments.push(records(&journal));
    }
    let sound = disk.content();
    let mut content = sound.clone();
    for _ in 0..tape.below(4) + 1 {
        let at = usize::from(tape.number()) % (content.len() + 1);
        match tape.byte() % 4 {
            0 => content.truncate(at),
            1 => content.extend(tape.string()),
            _ => {
                let mask = tape.byte();
                if let Some(byte) = content.get_mut(at) {
                    *byte ^= mask;
                }
            }
        }
    }
    let longer = content.len() > sound.len();
    let disk = SimDisk::with_content(content.clone());
    match open(&disk, FILES[0]) {
        None => {
            assert_ne!(content, sound, "a sound file was refused");
            Outcome::Refused
        }
        Some(journal) => {
            // Why moments: a torn last append is no damage. More than it could only be there if somebody wrote a whole frame.
            let now = records(&journal);
            assert!(
                moments.contains(&now) || longer,
                "damage became another content"
            );
            Outcome::Read
        }
    }
}

/// Some records of a sound card replaced: its memory is trusted, but nothing in it may stop it dead.
fn card_records(tape: &mut Tape<'_>) -> Outcome {
    let mut store: CardStore =
        starts::with_all(|all| all[tape.below(all.len())].desk.store.dangerous_copy());
    for _ in 0..tape.below(3) + 1 {
        let numbers = store.records().expect("no fault is planned");
        let known = numbers
            .get(usize::from(tape.byte()) % numbers.len().max(1))
            .copied();
        let record = match tape.byte() % 4 {
            0 => Record(tape.number()),
            _ => known.unwrap_or(Record::DATE),
        };
        let old = store.read(record).expect("no fault is planned");
        let mut value = old.map_or_else(Vec::new, |value| value.to_vec());
        match tape.byte() % 4 {
            0 => value = tape.string().to_vec(),
            1 => value.truncate(tape.byte().into()),
            2 => {
                store
                    .commit(&[CardChange::Erase(record)])
                    .expect("no fault is planned");
                continue;
            }
            _ => {
                let (at, mask) = (usize::from(tape.number()), tape.byte());
                let at = at % value.len().max(1);
                if let Some(byte) = value.get_mut(at) {
                    *byte ^= mask;
                }
            }
        }
        store
            .commit(&[CardChange::Put(record, &value)])
            .expect("no fault is planned");
    }
    let mut entropy = Fixed::new(3);
    let mut world = World {
        store: &mut store,
        entropy: &mut entropy,
    };
    let Ok(mut card) = Card::power_up(&mut world) else {
        return Outcome::Refused;
    };
    for (header, data) in commands() {
        let select = select::COMMAND.encode().expect("a command");
        let apdus = segments(header, &data, None, Form::Short, 255).expect("a command");
        for apdu in [vec![select], apdus].concat() {
            let answer = card.transmit(&mut world, &apdu);
            assert!((2..=258).contains(&answer.len()));
        }
    }
    Outcome::Read
}

/// Each reads other records of the card.
fn commands() -> Vec<(Header, Vec<u8>)> {
    let papers = starts::with_all(|all| Rc::clone(&all[0].desk.papers));
    let challenge = Challenge {
        hint: [9; 4],
        terminal_nonce: [9; 16],
    };
    let shown = |certificate: &Certificate| certificate.encoded().to_vec();
    vec![
        (
            header::VERIFY_CERTIFICATE,
            shown(&papers.holders[0].certificate),
        ),
        (header::VERIFY_CERTIFICATE, shown(&papers.links[0])),
        (header::RECONNECT, challenge.encode()),
        (header::SET_PIN, b"271828".to_vec()),
        (header::STORE_CERTIFICATE, shown(&papers.root)),
        (header::ACTIVATE, Vec::new()),
    ]
}

/// One of a terminal's records altered, or another one in its place.
fn terminal_records(tape: &mut Tape<'_>) -> Outcome {
    let mut store = terminal::starts::with(tape.below(9), |start| start.terminal.dangerous_copy());
    let all = store.list(&Key::identities()).expect("no fault is planned");
    let pairings = store
        .list(&Key::pairings(&desk()))
        .expect("no fault is planned");
    let trust = store
        .list(&Key::trust(&desk()))
        .expect("no fault is planned");
    let all = [all, pairings, trust].concat();
    let (key, value) = &all[tape.below(all.len())];
    let mut value = value.to_vec();
    match tape.byte() % 4 {
        0 => value = tape.string().to_vec(),
        1 => value.truncate(tape.byte().into()),
        2 => value.extend(tape.string()),
        _ => {
            let (at, mask) = (usize::from(tape.number()) % value.len(), tape.byte());
            value[at] ^= mask;
        }
    }
    let put = Change::Put(key.clone(), SecretBytes::new(value));
    store.commit(&[put]).expect("no fault is planned");
    let summary = identity::summary(&store, &desk());
    let request = identity::request(&store, &desk());
    let pairings = PairingRecord::read_all(&store, &desk());
    let names = identity::names(&store);
    for record in pairings.iter().flatten() {
        assert!(record.current().is_some() || record.pending().len() > 0);
        let _ = record.certificate();
    }
    assert_eq!(names.expect("the keys are sound").len(), 1);
    assert!(request.is_err(), "no request waits in any of these stores");
    match (summary, pairings) {
        (Ok(_), Ok(_)) => Outcome::Read,
        _ => Outcome::Refused,
    }
}
