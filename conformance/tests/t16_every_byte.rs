//! Every byte counts (T16): all 256 values at each place of each input of the key schedule give different keys.
//!
//! Keys do not come out of their types, so what they do is compared: two messages of each direction, one with data and one without,
//! show the encryption key and the MAC key of that direction apart.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

use apdu::certificate::{HolderHash, Name, Role};
use apdu::channel::{CardEnd, SessionKeys, TerminalEnd};
use apdu::codec::command::{Command, Header};
use apdu::codec::status::StatusWord;
use apdu::crypto::Secret;
use apdu::handshake::{PairingKey, ProvisionalSecret, Transcript};
use apdu::identifier::header;
use conformance::evidence::report;
use conformance::liar::puppet::Scene;
use conformance::liar::tape::Couple;
use std::collections::HashSet;

/// What keys do, by the name of the key.
type Seen = Vec<(&'static str, Vec<u8>)>;

/// The four keys of a session, each by what it alone decides.
fn session(names: [&'static str; 4], keys: impl Fn() -> SessionKeys) -> Seen {
    let seal = |data: &[u8]| TerminalEnd::new(keys()).seal(header::STATUS, data, None);
    let answer = |data: &[u8]| CardEnd::answering(keys()).seal(data, StatusWord::OK);
    let (cryptogram, mac) = (seal(&[0x11; 8]).unwrap().data, seal(&[]).unwrap().data);
    let (cryptogram_back, mac_back) = (answer(&[0x11; 8]).unwrap(), answer(&[]).unwrap());
    let [enc_t, mac_t, enc_c, mac_c] = names;
    vec![
        (enc_t, cryptogram[3..19].to_vec()),
        (mac_t, mac),
        (enc_c, cryptogram_back[3..19].to_vec()),
        (mac_c, mac_back),
    ]
}

/// Everything that comes from a pairing key and a transcript.
fn of_pairing(key: &[u8; 32], th_f: &[u8; 32]) -> Seen {
    let pairing = PairingKey::new(Secret::copy_of(key));
    let mut seen = session(["encT F", "macT F", "encC F", "macC F"], || {
        pairing.session_keys(th_f)
    });
    seen.push(("AuthC", pairing.card_proof(th_f).to_vec()));
    seen
}

/// What comes from the pairing key alone.
fn of_generation(key: &[u8; 32]) -> Seen {
    let pairing = PairingKey::new(Secret::copy_of(key));
    let tags = pairing.tag_key();
    vec![
        ("next", pairing.next().expose().to_vec()),
        // Four bytes may meet by chance; three of them in a row do not.
        ("tag", [1, 2, 3].map(|prand| tags.tag(&[prand; 8])).concat()),
    ]
}

/// Everything that comes from the two stages of set-up.
fn of_set_up(inputs: &[[u8; 32]; 5]) -> Seen {
    let [th_3, ephemeral, card_random, th_5, terminal_random] = inputs;
    let first = || {
        ProvisionalSecret::derive(
            th_3,
            &Secret::copy_of(ephemeral),
            &Secret::copy_of(card_random),
        )
    };
    let second = || first().authenticate(th_5, &Secret::copy_of(terminal_random));
    let mut seen = session(["encT 1", "macT 1", "encC 1", "macC 1"], || {
        first().session_keys()
    });
    seen.extend(session(["encT 2", "macT 2", "encC 2", "macC 2"], || {
        second().session_keys()
    }));
    seen.push(("K_0", second().into_pairing_key().expose().to_vec()));
    seen
}

/// Tries all values of every byte of `input`; each key of `names`, or every key when there are none, must be another one each time.
fn every_value(input: &str, bytes: &[u8], names: &[&str], derive: impl Fn(&[u8]) -> Seen) -> u64 {
    let mut cases = 0;
    for place in 0..bytes.len() {
        let mut seen: HashSet<(&str, Vec<u8>)> = HashSet::new();
        let mut keys = 0;
        for value in 0..=255 {
            let mut changed = bytes.to_vec();
            changed[place] = value;
            for (name, key) in derive(&changed) {
                if !names.is_empty() && !names.contains(&name) {
                    continue;
                }
                keys += 1;
                assert!(
                    seen.insert((name, key)),
                    "{input}, byte {place}, value {value:02X}: {name} as before"
                );
            }
            cases += 1;
        }
        assert_eq!(seen.len(), keys, "{input}, byte {place}");
        assert!(keys >= 256, "{input}, byte {place}");
    }
    cases
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap()
}

/// T16: the pairing key, and the transcript of a reconnect.
#[test]
fn every_byte_of_a_pairing_key_and_its_transcript_changes_every_key() {
    let (key, th_f) = ([0x42; 32], [0x24; 32]);
    let pairing = every_value("K_g", &key, &[], |key| of_pairing(&array(key), &th_f));
    let generation = every_value("K_g", &key, &[], |key| of_generation(&array(key)));
    let transcript = every_value("th_F", &th_f, &[], |th_f| of_pairing(&key, &array(th_f)));
    let prand = every_value("prand", &[7; 8], &[], |prand| {
        let tags = PairingKey::new(Secret::copy_of(&key)).tag_key();
        let hints = [1, 2, 3].map(|nonce| tags.hint(&array(prand), &[nonce; 16]));
        vec![("hint", hints.concat())]
    });
    let nonce = every_value("n_T", &[7; 16], &[], |nonce| {
        let tags = PairingKey::new(Secret::copy_of(&key)).tag_key();
        let hints = [1, 2, 3].map(|prand| tags.hint(&[prand; 8], &array(nonce)));
        vec![("hint", hints.concat())]
    });
    let cases = pairing + generation + transcript + prand + nonce;
    assert_eq!(cases, 256 * (3 * 32 + 8 + 16));
    report(
        "T16",
        cases,
        "values of bytes of K_g, th_F, prand, n_T: every key, tag, hint and proof another one each time",
    );
}

/// T16: the secrets and transcripts of set-up. What comes before the terminal's random does not hang on it.
#[test]
fn every_byte_of_every_secret_of_set_up_changes_every_key_behind_it() {
    let second = ["encT 2", "macT 2", "encC 2", "macC 2", "K_0"];
    let rows: [(&str, &[&str]); 5] = [
        ("th_3", &[]),
        ("ss_e", &[]),
        ("r_C", &[]),
        ("th_5", &second),
        ("r_T", &second),
    ];
    let inputs = [[1; 32], [2; 32], [3; 32], [4; 32], [5; 32]];
    let mut cases = 0;
    for (row, (input, names)) in rows.into_iter().enumerate() {
        cases += every_value(input, &inputs[row], names, |bytes| {
            let mut inputs = inputs;
            inputs[row] = array(bytes);
            of_set_up(&inputs)
        });
    }
    assert_eq!(cases, 256 * 5 * 32);
    report(
        "T16",
        cases,
        "values of bytes of th_3, ss_e, r_C, th_5, r_T: every session key and K_0 another one each time",
    );
}

/// T16: every byte that both ends say in set-up and in C1 goes into the transcript, names in certificates included.
#[test]
fn every_byte_that_is_said_changes_the_transcript_and_every_byte_of_a_name_its_hash() {
    let mut cases = 0;
    for (scene, mut couple) in [
        (Scene::SetUp, Couple::strangers(1, 1)),
        (Scene::Session, Couple::paired(1, 1)),
    ] {
        for said in couple.record(scene).into_iter().take(4) {
            let command = Command::parse(&said.command).unwrap();
            let [cla, rest @ ..] = command.header.to_bytes();
            let hash = |cla, said: &[u8]| {
                let ([ins, p1, p2], data) = said.split_first_chunk().unwrap();
                let mut transcript = Transcript::start();
                transcript.command(Header::new(cla, *ins, *p1, *p2), data);
                transcript.hash().to_vec()
            };
            let said_in_it = [&rest, command.data].concat();
            cases += every_value("a command", &said_in_it, &[], |said| {
                vec![("th", hash(cla, said))]
            });
            let classes: HashSet<_> = (0..=255).map(|cla| hash(cla, &said_in_it)).collect();
            assert_eq!(
                classes.len(),
                128,
                "all but the chaining bit, which is none of it"
            );
            cases += every_value("an answer", &said.answer, &[], |answer| {
                let mut transcript = Transcript::start();
                let (data, word) = answer.split_last_chunk::<2>().unwrap();
                transcript.response(data, StatusWord(u16::from_be_bytes(*word)));
                vec![("th", transcript.hash().to_vec())]
            });
        }
    }
    let mut hashes = HashSet::new();
    let letters = (b'A'..=b'Z').chain(b'0'..=b'9');
    for letter in letters {
        for place in 2..11 {
            let mut text = *b"ZZTALLYCARD00001";
            if text[place] == letter {
                continue;
            }
            text[place] = letter;
            let name = Name::new(core::str::from_utf8(&text).unwrap()).unwrap();
            for role in [Role::Card, Role::Terminal] {
                assert!(hashes.insert(HolderHash::of(role, &name).0), "{name}");
                cases += 1;
            }
        }
    }
    report(
        "T16",
        cases,
        "values of bytes of messages and names: every transcript and holder hash another one",
    );
}
