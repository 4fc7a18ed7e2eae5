//! The secrets of a life, computed again from what passed between the ends, what they drew and what they had stored.

use apdu::certificate::Certificate;
use apdu::codec::command::Command;
use apdu::codec::response::Response;
use apdu::codec::tlv::{Reader, Tag};
use apdu::crypto::{
    MacKey, PrivateKey, PublicKey, Secret, decapsulate, hkdf_expand, hkdf_extract, kdf,
};
use apdu::handshake::{PairingKey, Transcript, TranscriptHash};
use apdu::identifier::header;
use apdu::message::key_exchange::{CardShare, TerminalShare};
use apdu::message::reconnect::ChallengeAnswer;
use card_core::store::{Record, Store};
use card_sim::state_file::StateFile;
use conformance::authority::desk;
use conformance::life::{CARD_FILE, Heard, TERMINAL_FILE, pin};
use std::path::Path;
use terminal_lib::store::{FileStore, Key, PairingStore};

/// More generations than a life has.
const GENERATIONS: usize = 8;

/// A secret and its name.
pub struct Known {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// A certified private key and its public key.
struct Own {
    private: PrivateKey,
    public: PublicKey,
}

/// What both ends had stored before they lived.
pub struct Before {
    card: Own,
    terminal: Own,
    /// Key and value of the stored PIN.
    pin_record: Vec<u8>,
}

impl Before {
    pub fn read(folder: &Path) -> Self {
        let card = StateFile::open(&folder.join(CARD_FILE)).unwrap();
        let record = |number| card.read(number).unwrap().unwrap().to_vec();
        let store = FileStore::open(folder.join(TERMINAL_FILE)).unwrap();
        let identity = store.read(&Key::identity(&desk())).unwrap().unwrap();
        let mut fields = Reader::new(&identity[1..]);
        let scalar = fields.expect(Tag(0x80)).unwrap().to_vec();
        let certificate = fields.expect(Tag(0x81)).unwrap().to_vec();
        Self {
            card: own(&record(Record::KEY)[..32], &record(Record::CERTIFICATE)),
            terminal: own(&scalar, &certificate),
            pin_record: record(Record::PIN),
        }
    }
}

fn own(scalar: &[u8], certificate: &[u8]) -> Own {
    let private = PrivateKey::from_scalar(scalar.try_into().unwrap()).unwrap();
    let public = Certificate::restored(certificate)
        .unwrap()
        .claims()
        .key
        .clone();
    assert_eq!(private.public_key(), public);
    Own { private, public }
}

/// What was collected so far.
#[derive(Default)]
struct Collected(Vec<Known>);

impl Collected {
    fn add(&mut self, name: impl Into<String>, bytes: &[u8]) {
        self.0.push(Known {
            name: name.into(),
            bytes: bytes.to_vec(),
        });
    }

    fn session_keys(&mut self, session: &str, keys: &Secret<128>) {
        let names = ["encT", "macT", "encC", "macC"];
        for (name, key) in names.iter().zip(keys.expose().chunks(32)) {
            self.add(format!("{session} {name}"), key);
        }
    }
}

/// All secrets of a life. It stops where what was computed does not fit what was said.
pub fn of_life(before: &Before, heard: &Heard, drawn: [&[[u8; 32]]; 2], seed: u64) -> Vec<Known> {
    let mut found = Collected::default();
    found.add("PIN", pin(seed).expose());
    found.add("stored PIN's key", &before.pin_record[..32]);
    found.add("stored PIN's value", &before.pin_record[32..]);
    for (name, own) in [("card", &before.card), ("terminal", &before.terminal)] {
        found.add(
            format!("{name}'s certified key"),
            own.private.expose_scalar().expose(),
        );
    }
    for (end, draws) in ["card", "terminal"].iter().zip(drawn) {
        for (number, draw) in draws.iter().enumerate() {
            found.add(format!("{end}'s draw {number}"), draw);
        }
    }
    let key = set_up(before, heard, drawn.concat().as_slice(), &mut found);
    reconnects(key, heard, &mut found);
    // A scalar may lie in memory with its words in the machine's order.
    let reversed: Vec<Known> = found
        .0
        .iter()
        .filter(|known| known.bytes.len() == 32)
        .map(|known| Known {
            name: format!("{}, reversed", known.name),
            bytes: known.bytes.iter().rev().copied().collect(),
        })
        .collect();
    found.0.extend(reversed);
    found.0
}

/// The logical messages that the transcript of a handshake is made of, one at a time.
fn messages(heard: &Heard) -> impl Iterator<Item = (Command<'_>, Response)> {
    heard.iter().map(|(command, answer)| {
        let command = Command::parse(command).unwrap();
        (command, Response::parse(answer).unwrap())
    })
}

fn absorb(transcript: &mut Transcript, command: &Command<'_>, response: &Response) {
    transcript.command(command.header, command.data);
    transcript.response(&response.data, response.status);
}

/// SM1, SM2 and everything before them; gives K_0.
fn set_up(before: &Before, heard: &Heard, drawn: &[[u8; 32]], found: &mut Collected) -> PairingKey {
    let private = |share: &PublicKey| {
        let keys = drawn.iter().filter_map(PrivateKey::from_scalar);
        keys.into_iter()
            .find(|key| key.public_key() == *share)
            .unwrap()
    };
    let mut transcript = Transcript::start();
    let mut messages = messages(heard);
    let (command, response) = messages
        .by_ref()
        .inspect(|(command, response)| {
            if command.header == header::SELECT {
                transcript = Transcript::start();
            }
            absorb(&mut transcript, command, response);
        })
        .find(|(command, _)| command.header == header::KEY_EXCHANGE)
        .unwrap();
    let TerminalShare(terminal_share) = TerminalShare::decode(command.data).unwrap();
    let share = CardShare::decode(&response.data).unwrap();
    let agreed = private(&terminal_share).agree(&share.ephemeral);
    found.add("ss_e", agreed.expose());
    let Own {
        private: key,
        public,
    } = &before.terminal;
    found.add("DH of r_C", key.agree(&share.encapsulation).expose());
    let card_random = decapsulate(key, public, &share.encapsulation);
    found.add("r_C", card_random.expose());
    let first = hkdf_extract(&transcript.hash(), &[agreed.expose(), card_random.expose()]);
    found.add("PRK1", first.expose());
    found.session_keys("SM1", &hkdf_expand(&first, &[b"TALLY1 sm1"]));

    let (command, response) = messages.next().unwrap();
    absorb(&mut transcript, &command, &response);
    let (command, _) = messages.next().unwrap();
    transcript.command(command.header, command.data);
    let th_5 = transcript.hash();
    let challenge = challenges(heard).into_iter().nth(1).unwrap();
    // The terminal's encapsulation is encrypted; it is one of the draws, and only the right one leads to what the card proved next.
    let Own {
        private: key,
        public,
    } = &before.card;
    let candidates = drawn.iter().filter_map(PrivateKey::from_scalar);
    let (random, second, paired) = candidates
        .map(|drawn| {
            let random = decapsulate(key, public, &drawn.public_key());
            let second = hkdf_extract(&th_5, &[first.expose(), random.expose()]);
            let paired = PairingKey::new(hkdf_expand(&second, &[b"TALLY1 pair"]));
            (random, second, paired)
        })
        .find(|(_, _, paired)| paired.proves(&challenge.0, &challenge.1))
        .unwrap();
    found.add("r_T", random.expose());
    found.add("PRK2", second.expose());
    found.session_keys("SM2", &hkdf_expand(&second, &[b"TALLY1 sm2"]));
    paired
}

/// th_F and AuthC of every reconnect.
fn challenges(heard: &Heard) -> Vec<(TranscriptHash, [u8; 16])> {
    let mut transcript = Transcript::start();
    let mut found = Vec::new();
    for (command, response) in messages(heard) {
        if command.header == header::SELECT {
            transcript = Transcript::start();
            absorb(&mut transcript, &command, &response);
        }
        if command.header == header::RECONNECT {
            transcript.command(command.header, command.data);
            let answer = ChallengeAnswer::decode(&response.data).unwrap();
            found.push((transcript.reconnect_hash(&answer.card_nonce), answer.proof));
        }
    }
    found
}

/// Every generation of the pairing key, and the session keys of every reconnect.
fn reconnects(first: PairingKey, heard: &Heard, found: &mut Collected) {
    let mut keys = vec![first];
    for generation in 1..GENERATIONS {
        keys.push(keys[generation - 1].next());
    }
    let mut sessions = 0;
    for (th_f, proof) in challenges(heard) {
        for key in keys.iter().filter(|key| key.proves(&th_f, &proof)) {
            let expanded = MacKey::new(key.expose());
            found.session_keys(&format!("SMF {sessions}"), &kdf(&expanded, "smF", &th_f));
            sessions += 1;
        }
    }
    assert_eq!(sessions, 3, "a life has three sessions");
    for (generation, key) in keys.iter().take(sessions + 1).enumerate() {
        found.add(format!("K_{generation}"), key.expose());
        let tag_key: Secret<32> = kdf(&MacKey::new(key.expose()), "tag", &[]);
        found.add(format!("K_tag of K_{generation}"), tag_key.expose());
    }
}
