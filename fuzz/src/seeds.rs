//! The committed seeds: small inputs that reach every command and every reader. Made here, from the vectors and from the saved
//! states, so that none of them is a secret of whoever ran the fuzzer.

use crate::card::starts;
use crate::card::step;
use crate::codecs::CODECS;
use crate::stores::FILES;
use crate::terminal;
use apdu::codec::command::{Command, Header};
use apdu::codec::response::Response;
use apdu::crypto::PrivateKey;
use apdu::identifier::{Aid, header};
use apdu::message::counter::Counter;
use apdu::message::key_exchange::TerminalRandom;
use apdu::message::pairings::{Label, Pairing, PairingChange, SlotNumber};
use apdu::message::vault::{Entry, ObjectName, Policy, Write};
use card_core::store::Store;
use journal::sim::SimDisk;
use journal::{Change, Journal};
use terminal_lib::store::{Key, PairingStore};
use test_vectors::{Fields, group};

/// One input of one target.
pub struct Seed {
    /// The target.
    pub target: &'static str,
    /// Its file's name.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

/// The targets, as their functions are named.
pub const TARGETS: [&str; 6] = [
    "card",
    "codecs",
    "differential",
    "framing",
    "stores",
    "terminal",
];

/// All of them.
pub fn all() -> Vec<Seed> {
    let made = [
        card(),
        codecs(),
        differential(),
        framing(),
        stores(),
        terminal(),
    ];
    let mut seeds = Vec::new();
    for (target, inputs) in TARGETS.into_iter().zip(made) {
        let named = inputs.into_iter().map(|(name, bytes)| Seed {
            target,
            name,
            bytes,
        });
        seeds.extend(named);
    }
    seeds
}

/// Commands that may end a session, in the order in which seeds have them.
const ENDING: [Header; 4] = [
    header::PUT_STATUS_LIST,
    header::DELETE_PAIRING,
    header::FACTORY_RESET,
    header::COMMIT,
];

type Inputs = Vec<(String, Vec<u8>)>;

/// The number of a saved state.
fn start(name: &str) -> u8 {
    let number = starts::with_all(|all| all.iter().position(|start| start.name == name));
    u8::try_from(number.expect("a saved state of this name")).expect("few states")
}

fn row(table: &[Header], header: Header) -> u8 {
    let number = table.iter().position(|row| *row == header);
    u8::try_from(number.expect("a row of this table")).expect("few rows")
}

/// A known plain command with right data of this kind.
fn known(header: Header, variant: u8) -> Vec<u8> {
    vec![step::KNOWN, row(&step::PLAIN, header), 0, variant, 0]
}

/// A sealed command with right data of this kind, undamaged.
fn sealed(header: Header, variant: u8) -> Vec<u8> {
    vec![step::SEALED, row(&step::SECURED, header), 0, variant, 0, 0]
}

fn card() -> Inputs {
    let mut inputs = Inputs::new();
    let mut add = |name: String, state: &str, steps: &[Vec<u8>]| {
        let bytes = [&[start(state)], steps.concat().as_slice()].concat();
        inputs.push((name, bytes));
    };
    let select = || known(header::SELECT, 0);
    add(
        "a-whole-personalisation".into(),
        "blank",
        &[
            select(),
            known(header::SET_PIN, 0),
            known(header::SET_PUK, 0),
            known(header::STORE_CERTIFICATE, 0),
            known(header::GENERATE_KEY, 1),
            known(header::STORE_CERTIFICATE, 1),
            known(header::ACTIVATE, 0),
            vec![step::SET_UP, 0, 7],
            vec![step::AUTHENTICATE, 0],
        ],
    );
    for state in ["blank", "initialised", "certified", "unpaired", "blocked"] {
        let rows = [
            (header::SET_PIN, 1),
            (header::SET_PUK, 1),
            (header::GENERATE_KEY, 0),
            (header::STORE_CERTIFICATE, 0),
            (header::STORE_CERTIFICATE, 1),
            (header::ACTIVATE, 0),
        ];
        for (number, (header, variant)) in rows.into_iter().enumerate() {
            let steps = [select(), known(header, variant), known(header::SET_PIN, 2)];
            add(
                format!("personalisation-of-{state}-{number}"),
                state,
                &steps,
            );
        }
    }
    for terminal in 0..5 {
        let pair = [
            vec![step::SET_UP, terminal, 7],
            vec![step::AUTHENTICATE, terminal],
        ];
        add(format!("set-up-of-terminal-{terminal}"), "unpaired", &pair);
    }
    let states = [
        "in session",
        "in session, PIN verified",
        "in session, vault",
        "in session, counter",
        "first wait",
        "authenticated",
        "authenticated, unpaired",
        "last tries in set-up",
        "PIN verified in set-up",
        "provisional",
    ];
    for state in states {
        for variant in [0, 1, 2, 3, 8] {
            // What ends a session comes last, so that the others are heard.
            let mut rows = step::SECURED.to_vec();
            rows.sort_by_key(|row| ENDING.iter().position(|ending| ending == row));
            let steps: Vec<_> = rows.into_iter().map(|row| sealed(row, variant)).collect();
            let ends_at_once =
                matches!(state, "first wait" | "provisional") || state.contains("set-up");
            let name = format!("{}-{variant}", state.replace([' ', ','], "-"));
            match ends_at_once {
                false => add(name, state, &steps),
                true => {
                    for (number, step) in steps.into_iter().enumerate() {
                        let again = sealed(header::STATUS, 0);
                        if variant == 0 {
                            add(format!("{name}-{number}"), state, &[step, again]);
                        }
                    }
                }
            }
        }
    }
    let lists = [0, 1, 2, 3, 4].map(|list| sealed(header::PUT_STATUS_LIST, list));
    add("lists".into(), "in session", &lists);
    let limited = [
        sealed(header::VERIFY, 0),
        sealed(header::COUNTER_ADD, 5),
        sealed(header::COUNTER_LIMIT, 200),
        sealed(header::COUNTER_READ, 0),
    ];
    add("limit".into(), "in session, counter", &limited);
    let wrong_again = [
        sealed(header::VERIFY, 2),
        sealed(header::CHANGE_PAIRING, 1),
        sealed(header::FACTORY_RESET, 0),
    ];
    add(
        "wrong-after-right".into(),
        "in session, PIN verified",
        &wrong_again,
    );
    let links = [0, 1, 2].map(|link| sealed(header::PUT_LINK, link));
    add("links".into(), "in session", &links);
    let second = [vec![step::AUTHENTICATE, 2], sealed(header::PUT_LINK, 1)];
    add("link-by-the-second-root".into(), "second root", &second);
    let one_more = [vec![step::SET_UP, 1, 7], vec![step::AUTHENTICATE, 1]];
    add("one-pairing-more".into(), "all slots in use", &one_more);
    let reset = [
        vec![step::AUTHENTICATE, 0],
        sealed(header::FACTORY_RESET, 0),
    ];
    add("reset-of-a-blocked-card".into(), "blocked", &reset);
    let raw = |apdu: &[u8]| {
        let length = u8::try_from(apdu.len()).expect("a short one");
        [&[step::RAW, length], apdu].concat()
    };
    for (number, test) in group(test_vectors::APDU, "Command").1.iter().enumerate() {
        let apdu = test.bytes("bytes");
        if apdu.len() < 100 {
            add(format!("apdu-{number}"), "in session", &[raw(&apdu)]);
        }
    }
    let odd = [
        vec![step::LONG, 0x1C, 0xDA, 1, 2, 0xC0, 0x00, 7, 0],
        vec![step::REPLAY, 0],
        vec![step::RESET],
        vec![step::SEALED, 24, 0, 0x77, 0, 0, 7, 0, 0],
    ];
    add("odd-steps".into(), "in session", &odd);
    // The form of the last bytes: short, in segments, extended, without GET RESPONSE; then damage.
    for (number, tail) in [
        [5, 30, 0],
        [6, 0, 0],
        [7, 0, 0],
        [0, 220, 9],
        [0, 240, 1],
        [0, 245, 0],
        [0, 255, 0],
    ]
    .into_iter()
    .enumerate()
    {
        let mut read = sealed(header::VAULT_READ, 0);
        read.truncate(4);
        read.extend(tail);
        let steps = [read, sealed(header::STATUS, 0), vec![step::AUTHENTICATE, 0]];
        add(format!("shape-{number}"), "in session, vault", &steps);
    }
    inputs
}

/// Everything in the vectors that is a data field of something, and a few messages that only secured commands carry.
fn fields() -> Vec<Vec<u8>> {
    let bytes = |tests: Vec<Fields>| tests.into_iter().map(|test| test.bytes("bytes"));
    let mut fields: Vec<Vec<u8>> = Vec::new();
    for (file, kind) in [
        (test_vectors::CERTIFICATE, "Leaf"),
        (test_vectors::CERTIFICATE, "Request"),
        (test_vectors::CERTIFICATE, "StatusList"),
        (test_vectors::TLV, "OneObject"),
        (test_vectors::APDU, "Command"),
    ] {
        fields.extend(bytes(group(file, kind).1).filter(|bytes| bytes.len() < 1_024));
    }
    let (life, tests) = group(test_vectors::SESSION, "Life");
    fields.push(life.bytes("root"));
    for step in tests[0].list("steps") {
        if step.optional_text("command").is_some() {
            let command = step.bytes("command");
            fields.extend(
                Command::parse(&command)
                    .ok()
                    .map(|command| command.data.to_vec()),
            );
            let answer = Response::parse(&step.bytes("response"));
            fields.extend(answer.ok().map(|answer| answer.data));
        }
    }
    let (slot, label) = (
        SlotNumber::new(3).expect("a slot"),
        Label::new(b"desk").expect("a label"),
    );
    let name = ObjectName::new("badge").expect("a name");
    let pairing = Pairing {
        slot,
        holder: apdu::certificate::HolderHash([7; 12]),
        label: label.clone(),
        pinned: true,
        last_use: 9,
    };
    let entry = Entry {
        name: name.clone(),
        policy: Policy::default(),
        size: 3,
    };
    let write = Write {
        name: name.clone(),
        policy: Policy::default(),
        content: apdu::crypto::SecretBytes::new(vec![1, 2, 3]),
    };
    let counter = Counter { value: 1, limit: 2 };
    let certificate = &fields[0];
    let point = PrivateKey::from_scalar(&[7; 32])
        .expect("a key")
        .public_key();
    let armoured = apdu::certificate::pem::encode(apdu::certificate::pem::CERTIFICATE, certificate);
    let pairings = terminal::starts::with(1, |start| {
        let prefix = Key::pairings(&conformance::authority::desk());
        start.terminal.list(&prefix).expect("a sound store")
    });
    fields.extend([
        Pairing::encode_all(&[pairing]),
        PairingChange {
            slot,
            label,
            pinned: false,
        }
        .encode(),
        apdu::message::pairings::encode_delete(slot),
        TerminalRandom(point).encode(),
        b"271828".to_vec(),
        b"31415926".to_vec(),
        b"\x80\x06271828\x81\x06161803".to_vec(),
        b"\x80\x0831415926\x81\x0827182818".to_vec(),
        b"\x80\x0831415926\x81\x06161803".to_vec(),
        apdu::message::services::encode([Aid::VAULT, Aid::COUNTER].into_iter()),
        vec![0, 0, 0, 7, 0x26, 0x11, 0x21, 0xA3],
        counter.encode().to_vec(),
        Entry::encode_all(&[entry]),
        apdu::message::vault::encode_name(&name),
        write.encode().to_vec(),
        vec![3],
        b"ZZTALLYCARD00001".to_vec(),
        b"2026-11-21".to_vec(),
        vec![0x26, 0x11, 0x21],
        vec![2, 6, 1, 1, 2, 1],
        b"badge".to_vec(),
        armoured.expect("a certificate in text").into_bytes(),
        [&[0, 0, 9, 0, 0x2A, 0, 0xBE][..], &[7; 40]].concat(),
    ]);
    fields.extend(pairings.into_iter().map(|(_, record)| record.to_vec()));
    fields
}

/// For each reader two inputs that it accepts and one that it refuses.
fn codecs() -> Inputs {
    let fields = fields();
    let mut inputs = Inputs::new();
    for (number, codec) in (0u8..).zip(&CODECS) {
        let (good, bad): (Vec<_>, Vec<_>) = fields.iter().partition(|field| codec.accepts(field));
        let shown = [good.first(), good.last(), bad.first()]
            .into_iter()
            .flatten();
        for (index, field) in shown.enumerate() {
            let bytes = [&[number], field.as_slice()].concat();
            inputs.push((format!("{}-{index}", codec.name), bytes));
        }
    }
    inputs
}

fn differential() -> Inputs {
    let mut inputs = Inputs::new();
    for (number, file, kind) in [
        (0, test_vectors::TLV, "OneObject"),
        (1, test_vectors::APDU, "Command"),
    ] {
        for (index, test) in group(file, kind).1.iter().enumerate() {
            let bytes = test.bytes("bytes");
            if bytes.len() < 1_024 {
                inputs.push((
                    format!("{}-{index}", kind.to_lowercase()),
                    [&[number], bytes.as_slice()].concat(),
                ));
            }
        }
    }
    let rules: [(&str, &[u8]); 6] = [
        ("t1", &[0, 0x5F, 0x0A, 0]),
        ("t2", &[0, 0x80, 0x81, 1, 9]),
        ("t3", &[0, 0x00, 0x01, 9]),
        ("t4", &[0, 0x30, 0x02, 0x80, 0x05]),
        ("a1", &[1, 0xFF, 0xA4, 4, 0]),
        ("a2", &[1, 0, 0xA4, 4, 0, 0, 0, 0, 1, 2]),
    ];
    inputs.extend(rules.map(|(name, bytes)| (format!("rule-{name}"), bytes.to_vec())));
    inputs
}

fn framing() -> Inputs {
    // Length 0, every control byte, a short command, and one of 65,535 bytes.
    let stream = [
        &[0, 2, 0, 0][..],
        &[1, 0, 1, 1, 1, 2, 1, 4, 1, 3, 1, 0xEE],
        &[2, 0xA4, 4, 0, 0],
        &[3, 0xFF, 0xFF, 7],
        &[3, 0, 2, 9, 2, 0xEE, 1, 2, 3, 0, 3, 0, 9, 1],
    ]
    .concat();
    let mut inputs = Inputs::new();
    for (name, way, cuts) in [
        ("whole", 0, &[][..]),
        ("bytes", 0, &[1]),
        ("pieces", 0, &[3, 1, 250]),
        ("card", 248, &[200]),
        ("card-in-pieces", 248, &[1, 2, 255, 0]),
        ("reader", 252, &[255]),
        ("reader-in-pieces", 252, &[1, 1, 7, 0]),
    ] {
        let length = u8::try_from(cuts.len()).expect("few cuts");
        inputs.push((name.into(), [&[way, length], cuts, &stream].concat()));
    }
    inputs
}

fn stores() -> Inputs {
    let mut inputs = Inputs::new();
    let mut file = |name: &str, way: u8, records: Vec<(Vec<u8>, Vec<u8>)>| {
        let disk = SimDisk::new();
        let (magic, version) = FILES[usize::from(way)];
        let mut journal = Journal::create(disk.clone(), magic, version).expect("an empty disk");
        for records in records.chunks(4) {
            let changes: Vec<_> = records
                .iter()
                .map(|(key, value)| Change::Put { key, value })
                .collect();
            journal.commit(&changes).expect("an honest disk");
        }
        inputs.push((name.into(), [&[way], disk.content().as_slice()].concat()));
        // The same with a value wiped: the last commit is one that supersedes.
        let (key, value) = &records[0];
        journal
            .commit(&[Change::Put { key, value }])
            .expect("an honest disk");
        inputs.push((
            format!("{name}-wiped"),
            [&[way], disk.content().as_slice()].concat(),
        ));
    };
    let card = starts::with_all(|all| {
        all[usize::from(start("paired"))]
            .desk
            .store
            .dangerous_copy()
    });
    let numbers = card.records().expect("a sound store").into_iter();
    let records = numbers.map(|record| {
        let value = card.read(record).expect("a sound store").expect("a record");
        (record.0.to_be_bytes().to_vec(), value.to_vec())
    });
    file("card", 0, records.collect());
    let listed = terminal::starts::with(1, |start| {
        let desk = conformance::authority::desk();
        let all = [Key::identities(), Key::trust(&desk), Key::pairings(&desk)];
        let listed = all
            .iter()
            .flat_map(|prefix| start.terminal.list(prefix).expect("a sound store"));
        listed.collect::<Vec<_>>()
    });
    let records = listed
        .into_iter()
        .map(|(key, value)| (key.as_bytes().to_vec(), value.to_vec()));
    file("terminal", 1, records.collect());
    inputs.push(("way-2-old-value".into(), vec![2, 0, 0, 100, 2, 1]));
    inputs.push(("way-4-untouched".into(), vec![4, 1, 0, 3, 0, 0, 0]));
    for way in 2..5 {
        for number in 0..6 {
            let bytes = vec![way, number * 3, number, 0, number * 40, number, 1, 0, 60, 2];
            inputs.push((format!("way-{way}-{number}"), bytes));
        }
    }
    inputs
}

fn terminal() -> Inputs {
    let mut inputs = Inputs::new();
    let commands: Vec<u8> = vec![8, 0, 1, 2, 3, 5, 6, 7, 8];
    let more: Vec<u8> = vec![6, 9, 10, 11, 4, 8, 0];
    for start in 0..9 {
        for policy in [0, 4] {
            let head = [200, start, 0, policy];
            inputs.push((
                format!("live-{start}-{policy}"),
                [&head, commands.as_slice()].concat(),
            ));
        }
        inputs.push((
            format!("live-{start}-more"),
            [&[200, start, 0, 4], more.as_slice()].concat(),
        ));
        let head = [200, start, 128, 4, 0];
        inputs.push((format!("live-{start}-again"), head.to_vec()));
    }
    // A number of exchanges unaltered, then one that is not.
    for start in [0, 1, 5] {
        for unaltered in 0..10 {
            let whats: [&[u8]; 5] = [
                &[128 + 8, 0, 9, 1],     // in the cryptogram, or in the middle
                &[128 + 8, 0, 38, 1],    // in the MAC
                &[128 + 13, 0x6A, 0x80], // the outer word
                &[128 + 5],              // the answer of before
                &[128 + 7],              // lost
            ];
            for (number, what) in whats.into_iter().enumerate() {
                let head = [200, start, 0, 4, 1, 0];
                let line = [&[0; 10][..unaltered], what].concat();
                let name = format!("live-{start}-{unaltered}-{number}");
                inputs.push((name, [&head[..], &line].concat()));
            }
        }
    }
    inputs.push(("live-personalise".into(), vec![200, 8, 7, 4]));
    // Once found: thousands of empty objects in one answer made a very long line for the log.
    inputs.push(("liar-long".into(), vec![0, 1, 0, 200, 0, 4, 0x85]));
    // Answers in the right form: to SELECT, to C1, to message 2 and 3.
    let answers = [
        5, 0, 0x83, 0, 0, 0, 0, 6, 1, 2, 5, 0, 0x83, 0, 0, 0, 0, 8, 7, 1, 2, 8, 8,
    ];
    for (start, flow) in [(0, 0), (1, 0), (3, 0), (8, 7)] {
        let head = [0, start, flow, 4, 2, 0x3B, 0x00];
        inputs.push((
            format!("liar-{start}"),
            [&head, answers.as_slice()].concat(),
        ));
    }
    inputs
}
