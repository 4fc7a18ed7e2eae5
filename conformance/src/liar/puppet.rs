//! A terminal by hand: set-up and sessions, one APDU at a time (§8, §9, §10).
//!
//! It is honest, and can be copied between any two APDUs; whoever holds the strings may change what it says. It knows how it would
//! fail, but stores nothing and asks nobody.

use super::chance::Chance;
use super::messaging::Messaging;
use super::subject::Identity;
use crate::user::PIN;
use apdu::certificate::Certificate;
use apdu::codec::chaining::segments;
use apdu::codec::command::{Command, Form, Header};
use apdu::codec::status::StatusWord;
use apdu::crypto::{
    MacKey, PrivateKey, PublicKey, Secret, decapsulate, encapsulate, hkdf_expand, hkdf_extract, kdf,
};
use apdu::handshake::{PairingKey, Transcript};
use apdu::identifier::{Aid, header};
use apdu::message::key_exchange::{CardShare, TerminalRandom, TerminalShare};
use apdu::message::reconnect::{Challenge, ChallengeAnswer};
use apdu::message::select::Fci;
use apdu::message::vault::{ObjectName, Policy, Write, encode_name};
use serde::Deserialize;
use std::collections::VecDeque;

/// The object in the vault that sessions write and read.
pub const OBJECT: &str = "badge";

/// One logical command and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// SELECT.
    Select,
    /// C1.
    Challenge,
    /// Message 2.
    Certificate,
    /// Message 3.
    KeyExchange,
    /// Message 4.
    CardCertificate,
    /// Message 5.
    TerminalRandom,
    /// Message 6, and VERIFY in a session: case 3.
    Pin,
    /// Message 7: case 1.
    Commit,
    /// The first command of a session: case 2.
    Status,
    /// VERIFY without data: case 1.
    PinQuery,
    /// The same in extended form.
    PinQueryExtended,
    /// The list of services: case 2.
    Services,
    /// SELECT of the vault: case 3.
    Service,
    /// An object of 300 bytes into the vault: case 3, extended.
    Write,
    /// The same in short segments.
    WriteInPieces,
    /// The object out of the vault: case 4, extended.
    Read,
    /// The same in short form, with GET RESPONSE: case 4.
    ReadInPieces,
    /// The vault's list: case 2, extended.
    List,
    /// The object's deletion: case 3.
    Delete,
}

impl Step {
    /// Of which step this command is, told by its header, and VERIFY by whether it has data. GET RESPONSE is of none.
    pub fn of(command: &[u8]) -> Option<Self> {
        let command = Command::parse(command).ok()?;
        Some(match command.header.unchained() {
            header::SELECT => Self::Select,
            header::RECONNECT => Self::Challenge,
            header::VERIFY_CERTIFICATE => Self::Certificate,
            header::KEY_EXCHANGE => Self::KeyExchange,
            header::CARD_CERTIFICATE => Self::CardCertificate,
            header::TERMINAL_RANDOM => Self::TerminalRandom,
            header::VERIFY if command.data.starts_with(&[0x87]) => Self::Pin,
            header::VERIFY => Self::PinQuery,
            header::COMMIT => Self::Commit,
            header::STATUS => Self::Status,
            header::LIST_SERVICES => Self::Services,
            header::SELECT_SERVICE => Self::Service,
            header::VAULT_WRITE => Self::Write,
            header::VAULT_READ => Self::Read,
            header::VAULT_LIST => Self::List,
            header::VAULT_DELETE => Self::Delete,
            _ => return None,
        })
    }
}

/// What a puppet goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scene {
    /// Set-up, then the first session.
    SetUp,
    /// A session of a pairing, with the PIN, a command of every case, short and extended, in pieces and whole.
    Session,
}

impl Scene {
    /// Its steps, in order.
    pub const fn steps(self) -> &'static [Step] {
        use Step::*;
        match self {
            Self::SetUp => &[
                Select,
                Certificate,
                KeyExchange,
                CardCertificate,
                TerminalRandom,
                Pin,
                Commit,
                Select,
                Challenge,
                Status,
            ],
            Self::Session => &[
                Select,
                Challenge,
                Status,
                Pin,
                PinQuery,
                PinQueryExtended,
                Services,
                Service,
                Write,
                WriteInPieces,
                Read,
                ReadInPieces,
                List,
                Delete,
            ],
        }
    }
}

/// Why a puppet does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// An unprotected word where an answer was due.
    Word(u16),
    /// An answer that is not authentic.
    Unauthentic,
    /// A plain answer of a wrong form.
    Malformed,
    /// No tag, or no proof, of the pairing.
    NotRecognised,
    /// A refusal under the card's MAC.
    Refused(u16),
}

/// A terminal by hand.
#[derive(Clone)]
pub struct Puppet {
    /// Its certificate and key.
    pub identity: Identity,
    /// The digits it enters.
    pub pin: Vec<u8>,
    chance: Chance,
    /// The key of its pairing, moved on as the protocol says.
    pub pairing: Option<[u8; 32]>,
    /// The steps to come, the present one first.
    pub plan: VecDeque<Step>,
    /// The channel, once there is one.
    pub channel: Option<Messaging>,
    /// APDUs of the present step that were not sent yet.
    queue: VecDeque<Vec<u8>>,
    got: Vec<u8>,
    transcript: Transcript,
    prand: [u8; 8],
    ephemeral: [u8; 32],
    prk: [u8; 32],
    random: [u8; 32],
    card_key: Option<PublicKey>,
}

impl Puppet {
    /// A terminal with this identity, which knows the PIN and has met nobody.
    pub fn new(identity: Identity, seed: u64) -> Self {
        Self {
            identity,
            pin: PIN.to_vec(),
            chance: Chance::new(seed),
            pairing: None,
            plan: VecDeque::new(),
            channel: None,
            queue: VecDeque::new(),
            got: Vec::new(),
            transcript: Transcript::start(),
            prand: [0; 8],
            ephemeral: [0; 32],
            prk: [0; 32],
            random: [0; 32],
            card_key: None,
        }
    }

    /// What it will go through, from the beginning.
    #[must_use]
    pub fn planning(mut self, scene: Scene) -> Self {
        self.plan = scene.steps().iter().copied().collect();
        self.queue.clear();
        self.channel = None;
        self
    }

    /// The same terminal with other chance from here on.
    #[must_use]
    pub fn with_chance(mut self, seed: u64) -> Self {
        self.chance = Chance::new(seed);
        self
    }

    /// Goes on where a copy of it has come to: its pairing, and a chance that does not repeat what the copy drew.
    pub fn follow(&mut self, copy: &Self) {
        self.pairing = copy.pairing;
        self.chance = copy.chance.clone();
    }

    /// The present step.
    pub fn step(&self) -> Option<Step> {
        self.plan.front().copied()
    }

    /// Whether the next APDU is the first of its step.
    pub fn begins_a_step(&self) -> bool {
        self.queue.is_empty() && self.got.is_empty()
    }

    /// The command of a secured step as it would be without secure messaging.
    pub fn in_clear(&self, step: Step) -> Vec<u8> {
        let (header, data, expected, form) = self.clone().content(step);
        let header = Header {
            cla: header.cla & !0x0C,
            ..header
        };
        let expected = expected.map(|_| 256);
        segments(header, &data, expected, form, form.max_data()).unwrap()[0].clone()
    }

    /// Whether the present step takes more than one APDU.
    pub fn is_in_pieces(&self) -> bool {
        matches!(self.step(), Some(Step::WriteInPieces | Step::ReadInPieces))
    }

    /// Whether `later` is the generation that follows `key`.
    pub fn is_one_behind(key: &[u8; 32], later: &[u8; 32]) -> bool {
        PairingKey::new(Secret::copy_of(key)).next().expose() == later
    }

    /// The next APDU, or nothing once all steps are done.
    pub fn speak(&mut self) -> Option<Vec<u8>> {
        if self.queue.is_empty() {
            let step = self.step()?;
            self.queue = self.say(step).into();
            self.got.clear();
        }
        self.queue.pop_front()
    }

    /// Takes the answer to the last APDU.
    ///
    /// # Errors
    /// Why it would not go on.
    pub fn hear(&mut self, answer: &[u8]) -> Result<(), Stop> {
        let (data, word) = answer.split_last_chunk().ok_or(Stop::Malformed)?;
        let word = u16::from_be_bytes(*word);
        if !self.queue.is_empty() {
            return match (data, word) {
                ([], 0x9000) => Ok(()),
                ([], word) => Err(Stop::Word(word)),
                _ => Err(Stop::Malformed),
            };
        }
        self.got.extend(data);
        if let Some(waiting) = StatusWord(word).as_bytes_waiting() {
            let command = Command {
                header: header::GET_RESPONSE,
                data: &[],
                expected: u32::try_from(waiting).ok(),
                form: Form::Short,
            };
            self.queue.push_back(command.encode().unwrap());
            return Ok(());
        }
        let step = self.plan.pop_front().ok_or(Stop::Malformed)?;
        let data = core::mem::take(&mut self.got);
        self.judge(step, &data, word)
    }

    /// Goes on to the end.
    ///
    /// # Errors
    /// Why it did not get there.
    pub fn run(&mut self, mut card: impl FnMut(&[u8]) -> Vec<u8>) -> Result<(), Stop> {
        while let Some(command) = self.speak() {
            self.hear(&card(&command))?;
        }
        Ok(())
    }

    fn say(&mut self, step: Step) -> Vec<Vec<u8>> {
        let (header, data, expected, form) = match step {
            Step::Select => {
                self.transcript = Transcript::start();
                self.channel = None;
                let name = Aid::AUTHENTICATION.0.to_vec();
                (header::SELECT, name, Some(256), Form::Short)
            }
            Step::Certificate => {
                let certificate = self.identity.certificate.encoded().to_vec();
                (header::VERIFY_CERTIFICATE, certificate, None, Form::Short)
            }
            Step::KeyExchange => {
                self.ephemeral = self.chance.bytes();
                let ephemeral = PrivateKey::from_scalar(&self.ephemeral).unwrap();
                let share = TerminalShare(ephemeral.public_key()).encode();
                (header::KEY_EXCHANGE, share, Some(256), Form::Short)
            }
            Step::Challenge => {
                let terminal_nonce: [u8; 16] = self.chance.bytes();
                let hint = match self.key() {
                    Some(key) => key.tag_key().hint(&self.prand, &terminal_nonce),
                    None => self.chance.bytes(),
                };
                let challenge = Challenge {
                    hint,
                    terminal_nonce,
                };
                let challenge = challenge.encode();
                (header::RECONNECT, challenge, Some(256), Form::Short)
            }
            secured => return self.say_secured(secured),
        };
        self.transcript.command(header, &data);
        segments(header, &data, expected, form, form.max_data()).unwrap()
    }

    fn say_secured(&mut self, step: Step) -> Vec<Vec<u8>> {
        let (header, data, expected, form) = self.content(step);
        let Some(channel) = &mut self.channel else {
            // Told to speak out of turn: there are no keys, so any will do.
            let field = Messaging::new([0; 128]).seal(header, &data, expected);
            return segments(header, &field, Some(256), Form::Short, 255).unwrap();
        };
        let field = channel.seal(header, &data, expected);
        self.transcript.command(header, &field);
        if step == Step::TerminalRandom {
            let prk = hkdf_extract(&self.transcript.hash(), &[&self.prk, &self.random]);
            self.prk = *prk.expose();
            let keys = hkdf_expand(&prk, &[b"TALLY1 sm2"]);
            self.channel = Some(Messaging::new(*keys.expose()));
        }
        let le = match form {
            Form::Short => 256,
            Form::Extended => 65_536,
        };
        segments(header, &field, Some(le), form, form.max_data()).unwrap()
    }

    /// A secured step in plain: header, data, the content of object 97, the form.
    fn content(&mut self, step: Step) -> (Header, Vec<u8>, Option<&'static [u8]>, Form) {
        const NONE: Option<&[u8]> = None;
        const SHORT: Option<&[u8]> = Some(&[0]);
        const LONG: Option<&[u8]> = Some(&[0xFF, 0xFD]);
        let object = ObjectName::new(OBJECT).unwrap();
        let content = || {
            let write = Write {
                name: object.clone(),
                policy: Policy {
                    pin_to_read: true,
                    pin_to_write: true,
                },
                content: vec![0xA5; 300].into(),
            };
            write.encode().to_vec()
        };
        let (short, extended) = (Form::Short, Form::Extended);
        match step {
            Step::CardCertificate => (header::CARD_CERTIFICATE, vec![], SHORT, short),
            Step::TerminalRandom => {
                let own = || self.identity.key().public_key();
                let card_key = self.card_key.clone().unwrap_or_else(own);
                let (point, random) = encapsulate(&card_key, &mut self.chance).unwrap();
                self.random = *random.expose();
                let point = PublicKey::from_uncompressed(&point).unwrap();
                let data = TerminalRandom(point).encode();
                (header::TERMINAL_RANDOM, data, SHORT, short)
            }
            Step::Pin => (header::VERIFY, self.pin.clone(), NONE, short),
            Step::Commit => (header::COMMIT, vec![], NONE, short),
            Step::PinQuery => (header::VERIFY, vec![], NONE, short),
            Step::PinQueryExtended => (header::VERIFY, vec![], NONE, extended),
            Step::Services => (header::LIST_SERVICES, vec![], SHORT, short),
            Step::Service => (header::SELECT_SERVICE, Aid::VAULT.0.to_vec(), NONE, short),
            Step::Write => (header::VAULT_WRITE, content(), NONE, extended),
            Step::WriteInPieces => (header::VAULT_WRITE, content(), NONE, short),
            Step::Read => (header::VAULT_READ, encode_name(&object), LONG, extended),
            Step::ReadInPieces => (header::VAULT_READ, encode_name(&object), LONG, short),
            Step::List => (header::VAULT_LIST, vec![], LONG, extended),
            Step::Delete => (header::VAULT_DELETE, encode_name(&object), NONE, short),
            Step::Status
            | Step::Select
            | Step::Challenge
            | Step::Certificate
            | Step::KeyExchange => (header::STATUS, vec![], SHORT, short),
        }
    }

    fn key(&self) -> Option<PairingKey> {
        let key = self.pairing.as_ref()?;
        Some(PairingKey::new(Secret::copy_of(key)))
    }

    fn judge(&mut self, step: Step, data: &[u8], word: u16) -> Result<(), Stop> {
        match step {
            Step::Select | Step::Certificate | Step::KeyExchange | Step::Challenge => {
                if word != 0x9000 {
                    return Err(Stop::Word(word));
                }
                self.judge_plain(step, data)
            }
            secured => {
                let plain = self.open(data, word)?;
                self.judge_secured(secured, data, &plain, word)
            }
        }
    }

    fn judge_plain(&mut self, step: Step, data: &[u8]) -> Result<(), Stop> {
        match step {
            Step::Select => {
                let answer = Fci::decode(data).map_err(|_| Stop::Malformed)?;
                self.prand = answer.prand;
                self.transcript.response(data, StatusWord::OK);
                let tag = self.key().map(|key| key.tag_key().tag(&self.prand));
                match tag {
                    Some(tag) if !answer.tags.contains(&tag) => Err(Stop::NotRecognised),
                    _ => Ok(()),
                }
            }
            Step::Challenge => {
                let answer = ChallengeAnswer::decode(data).map_err(|_| Stop::Malformed)?;
                let th_f = self.transcript.reconnect_hash(&answer.card_nonce);
                let key = self.key().ok_or(Stop::NotRecognised)?;
                if !key.proves(&th_f, &answer.proof) {
                    return Err(Stop::NotRecognised);
                }
                let keys = kdf(&MacKey::new(key.expose()), "smF", &th_f);
                self.channel = Some(Messaging::new(*keys.expose()));
                Ok(())
            }
            Step::KeyExchange => {
                let share = CardShare::decode(data).map_err(|_| Stop::Malformed)?;
                self.transcript.response(data, StatusWord::OK);
                let own = self.identity.key();
                let agreed = PrivateKey::from_scalar(&self.ephemeral).unwrap();
                let agreed = agreed.agree(&share.ephemeral);
                let random = decapsulate(&own, &own.public_key(), &share.encapsulation);
                let inputs = [&agreed.expose()[..], random.expose()];
                let prk = hkdf_extract(&self.transcript.hash(), &inputs);
                self.prk = *prk.expose();
                let keys = hkdf_expand(&prk, &[b"TALLY1 sm1"]);
                self.channel = Some(Messaging::new(*keys.expose()));
                Ok(())
            }
            _ => {
                self.transcript.response(&[], StatusWord::OK);
                if data.is_empty() {
                    Ok(())
                } else {
                    Err(Stop::Malformed)
                }
            }
        }
    }

    fn open(&mut self, data: &[u8], word: u16) -> Result<Vec<u8>, Stop> {
        if data.is_empty() {
            return Err(Stop::Word(word));
        }
        let channel = self.channel.as_mut().ok_or(Stop::Unauthentic)?;
        channel.open(data, word).ok_or(Stop::Unauthentic)
    }

    fn judge_secured(
        &mut self,
        step: Step,
        data: &[u8],
        plain: &[u8],
        word: u16,
    ) -> Result<(), Stop> {
        self.transcript.response(data, StatusWord(word));
        if step == Step::Status && self.pairing.is_some() {
            self.pairing = self.key().map(|key| *key.next().expose());
        }
        if word != 0x9000 {
            return Err(Stop::Refused(word));
        }
        match step {
            Step::CardCertificate => {
                let card = Certificate::decode(plain).map_err(|_| Stop::Malformed)?;
                self.card_key = Some(card.claims().key.clone());
            }
            Step::Commit => {
                let prk = Secret::copy_of(&self.prk);
                self.pairing = Some(*hkdf_expand(&prk, &[b"TALLY1 pair"]).expose());
            }
            _ => {}
        }
        Ok(())
    }
}
