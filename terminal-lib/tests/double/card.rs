//! The card: one pairing slot, PIN and PUK, a status list, a counter, a vault with one object.

use super::*;
use apdu::channel::CardEnd;
use apdu::codec::command::{Command, Form, Header};
use apdu::codec::response::Response;
use apdu::codec::status::StatusWord;
use apdu::crypto::{decapsulate, encapsulate};
use apdu::handshake::{PairingKey, ProvisionalSecret, Transcript};
use apdu::identifier::{ATR, Aid, PIN_TRIES, PUK_TRIES, SUITES, VERSION, header};
use apdu::message::counter::Counter;
use apdu::message::key_exchange::{CardShare, TerminalRandom, TerminalShare};
use apdu::message::pairings::{Label, Pairing, SlotNumber, decode_delete};
use apdu::message::pin::{Reference, Replacement};
use apdu::message::reconnect::{Challenge, ChallengeAnswer};
use apdu::message::select::{Capabilities, Fci};
use apdu::message::status::CardStatus;
use apdu::message::vault::{Entry, ObjectName, Policy as VaultPolicy};
use std::sync::{Arc, Mutex, MutexGuard};
use terminal_lib::transport::in_process::LocalCard;

const OK: StatusWord = StatusWord::OK;
/// The slot the pairing is in.
pub const SLOT: u8 = 5;

/// Which certificates of terminals the card takes.
#[derive(Clone, Copy, PartialEq)]
pub enum Takes {
    Every,
    None,
    /// Those by the new root, once the link was shown.
    AfterLink,
}

type Tamper = Box<dyn FnMut(Header, Vec<u8>) -> Vec<u8> + Send>;

/// A handle on a card; clones are the same card.
#[derive(Clone)]
pub struct DoubleCard(Arc<Mutex<Inner>>);

pub struct Inner {
    pub key: PrivateKey,
    pub certificate: Certificate,
    pub takes: Takes,
    pub version: u8,
    pub capabilities: u8,
    /// K_g, and g.
    pub slot: Option<(PairingKey, u32)>,
    pub paired_terminal: Option<HolderHash>,
    /// Another terminal is paired, so the last PIN try is kept for it.
    pub others_paired: bool,
    pub pin: Vec<u8>,
    pub tries: u8,
    pub puk_tries: u8,
    pub list: Option<StatusList>,
    /// What it gives instead of its list.
    pub raw_list: Option<Vec<u8>>,
    pub counter: u32,
    /// Headers of all logical commands.
    pub log: Vec<Header>,
    /// Changes each logical response before it leaves.
    pub tamper: Option<Tamper>,
    entropy: FixedEntropy,
    phase: Phase,
    chain: Vec<u8>,
    waiting: Vec<u8>,
}

#[expect(clippy::large_enum_variant, reason = "there is one card")]
enum Phase {
    None,
    Idle {
        prand: [u8; 8],
        transcript: Transcript,
    },
    Linked {
        transcript: Transcript,
    },
    Certified {
        transcript: Transcript,
        terminal: Certificate,
    },
    Provisional(Box<Provisional>),
    Authenticated {
        channel: CardEnd,
        key: PairingKey,
        holder: HolderHash,
        pin: bool,
    },
    Waiting {
        channel: CardEnd,
        known: bool,
    },
    Secure {
        channel: CardEnd,
        pin: bool,
        service: Option<Aid>,
    },
}

struct Provisional {
    channel: CardEnd,
    secret: ProvisionalSecret,
    transcript: Transcript,
    terminal: Certificate,
}

/// A status word, plain or protected.
type Reply = Result<Vec<u8>, StatusWord>;

impl DoubleCard {
    pub fn new() -> Self {
        Self::named(CARD, 7)
    }

    pub fn named(card: &str, key: u8) -> Self {
        let key = private_key(key);
        let public = key.public_key();
        Self(Arc::new(Mutex::new(Inner {
            certificate: certify(&root_key(), ROOT, card, Role::Card, &public, |_| {}),
            key,
            takes: Takes::Every,
            version: VERSION,
            capabilities: 0x82,
            slot: None,
            paired_terminal: None,
            others_paired: false,
            pin: PIN.to_vec(),
            tries: PIN_TRIES,
            puk_tries: PUK_TRIES,
            list: None,
            raw_list: None,
            counter: 0,
            log: Vec::new(),
            tamper: None,
            entropy: FixedEntropy::new(77),
            phase: Phase::None,
            chain: Vec::new(),
            waiting: Vec::new(),
        })))
    }

    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Changes the response to every command of this header.
    pub fn answer_instead(&self, to: Header, answer: impl Fn(Vec<u8>) -> Vec<u8> + Send + 'static) {
        self.inner().tamper = Some(Box::new(move |header, response| {
            if header == to {
                answer(response)
            } else {
                response
            }
        }));
    }

    pub fn tell_the_truth(&self) {
        self.inner().tamper = None;
    }

    /// How often a command of this header came.
    pub fn count(&self, header: Header) -> usize {
        self.inner()
            .log
            .iter()
            .filter(|seen| **seen == header)
            .count()
    }

    /// The headers that came since the last call.
    pub fn take_log(&self) -> Vec<Header> {
        std::mem::take(&mut self.inner().log)
    }
}

impl LocalCard for DoubleCard {
    fn reset(&mut self) -> Vec<u8> {
        let mut inner = self.inner();
        inner.phase = Phase::None;
        inner.chain.clear();
        ATR.to_vec()
    }

    fn transmit(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.inner().transmit(bytes)
    }
}

impl Inner {
    fn transmit(&mut self, bytes: &[u8]) -> Vec<u8> {
        let command = Command::parse(bytes).unwrap();
        if command.header == header::GET_RESPONSE {
            return self.give(Form::Short);
        }
        self.chain.extend_from_slice(command.data);
        if command.header.is_chained() {
            return OK.to_bytes().to_vec();
        }
        let data = std::mem::take(&mut self.chain);
        self.log.push(command.header);
        let response = self.logical(command.header, &data).into_bytes();
        self.waiting = match &mut self.tamper {
            Some(tamper) => tamper(command.header, response),
            None => response,
        };
        self.give(command.form)
    }

    /// The waiting response, cut to what a short command can fetch.
    fn give(&mut self, form: Form) -> Vec<u8> {
        let mut response = std::mem::take(&mut self.waiting);
        if form == Form::Extended || response.len() <= 258 {
            return response;
        }
        self.waiting = response.split_off(256);
        let left = StatusWord::bytes_waiting(self.waiting.len() - 2);
        response.extend(left.to_bytes());
        response
    }

    fn logical(&mut self, header: Header, field: &[u8]) -> Response {
        match header.cla {
            0 => reply(self.plain(header, field)),
            _ => self.secured(header, field).unwrap_or_else(Response::bare),
        }
    }

    fn plain(&mut self, header: Header, data: &[u8]) -> Reply {
        let answer = match (header, std::mem::replace(&mut self.phase, Phase::None)) {
            (header::SELECT, _) => return self.select(data),
            (
                header::RECONNECT,
                Phase::Idle {
                    prand,
                    mut transcript,
                },
            ) => {
                let challenge = Challenge::decode(data).map_err(|_| StatusWord::WRONG_DATA)?;
                let card_nonce = self.nonce();
                transcript.command(header, data);
                let th_f = transcript.reconnect_hash(&card_nonce);
                let decoy = PairingKey::new(self.entropy_secret());
                let meant = self.slot.as_ref().filter(|(key, _)| {
                    key.tag_key().hint(&prand, &challenge.terminal_nonce) == challenge.hint
                });
                let key = meant.map_or(&decoy, |(key, _)| key);
                let proof = key.card_proof(&th_f);
                let known = meant.is_some();
                let channel = CardEnd::new(key.session_keys(&th_f));
                self.phase = Phase::Waiting { channel, known };
                return Ok(ChallengeAnswer { card_nonce, proof }.encode());
            }
            (header::VERIFY_CERTIFICATE, Phase::Idle { transcript, .. }) => {
                self.verify_certificate(transcript, false, data)?
            }
            (header::VERIFY_CERTIFICATE, Phase::Linked { transcript }) => {
                self.verify_certificate(transcript, true, data)?
            }
            (
                header::KEY_EXCHANGE,
                Phase::Certified {
                    transcript,
                    terminal,
                },
            ) => {
                return self.key_exchange(transcript, terminal, data);
            }
            _ => return Err(StatusWord::CONDITIONS_NOT_SATISFIED),
        };
        self.phase = answer;
        Ok(Vec::new())
    }

    fn select(&mut self, data: &[u8]) -> Reply {
        if data != Aid::AUTHENTICATION.0 {
            return Err(StatusWord::NOT_FOUND);
        }
        let prand = self.nonce();
        let mut tags: [[u8; 4]; 16] = std::array::from_fn(|_| self.nonce());
        if let Some((key, _)) = &self.slot {
            tags[usize::from(SLOT)] = key.tag_key().tag(&prand);
        }
        let answer = Fci {
            version: self.version,
            suites: SUITES,
            capabilities: Capabilities(self.capabilities),
            max_command: 0xFFFF,
            max_response: 0xFFFF,
            prand,
            tags,
        }
        .encode();
        let mut transcript = Transcript::start();
        transcript.command(header::SELECT, data);
        transcript.response(&answer, OK);
        self.phase = Phase::Idle { prand, transcript };
        Ok(answer)
    }

    fn verify_certificate(
        &self,
        mut transcript: Transcript,
        linked: bool,
        data: &[u8],
    ) -> Result<Phase, StatusWord> {
        let terminal = Certificate::decode(data).map_err(|_| StatusWord::CERTIFICATE_REFUSED)?;
        let is_link = terminal.claims().role == Role::Authority;
        let taken = match self.takes {
            Takes::Every => !is_link,
            Takes::None => false,
            Takes::AfterLink => is_link != linked,
        };
        if !taken {
            return Err(StatusWord::CERTIFICATE_REFUSED);
        }
        transcript.command(header::VERIFY_CERTIFICATE, data);
        transcript.response(&[], OK);
        Ok(match is_link {
            true => Phase::Linked { transcript },
            false => Phase::Certified {
                transcript,
                terminal,
            },
        })
    }

    fn key_exchange(
        &mut self,
        mut transcript: Transcript,
        terminal: Certificate,
        data: &[u8],
    ) -> Reply {
        let TerminalShare(share) =
            TerminalShare::decode(data).map_err(|_| StatusWord::WRONG_DATA)?;
        let ephemeral = PrivateKey::generate(&mut self.entropy).unwrap();
        let (c_c, random) = encapsulate(&terminal.claims().key, &mut self.entropy).unwrap();
        let answer = CardShare {
            ephemeral: ephemeral.public_key(),
            encapsulation: PublicKey::from_uncompressed(&c_c).unwrap(),
        }
        .encode();
        transcript.command(header::KEY_EXCHANGE, data);
        transcript.response(&answer, OK);
        let secret =
            ProvisionalSecret::derive(&transcript.hash(), &ephemeral.agree(&share), &random);
        self.phase = Phase::Provisional(Box::new(Provisional {
            channel: CardEnd::new(secret.session_keys()),
            secret,
            transcript,
            terminal,
        }));
        Ok(answer)
    }

    /// An unprotected word as an error.
    fn secured(&mut self, header: Header, field: &[u8]) -> Result<Response, StatusWord> {
        let broken = |_| StatusWord::SECURE_MESSAGING_INCORRECT;
        match std::mem::replace(&mut self.phase, Phase::None) {
            Phase::Provisional(mut state) => {
                let opened = state.channel.open(header, field).map_err(broken)?;
                state.transcript.command(header, field);
                if header == header::CARD_CERTIFICATE {
                    let answer = Ok(self.certificate.encoded().to_vec());
                    let response = protect(&mut state.channel, answer);
                    state.transcript.response(&response.data, response.status);
                    self.phase = Phase::Provisional(state);
                    return Ok(response);
                }
                let TerminalRandom(c_t) = TerminalRandom::decode(&opened.data).unwrap();
                let own = self.certificate.claims().key.clone();
                let random = decapsulate(&self.key, &own, &c_t);
                let secret = state.secret.authenticate(&state.transcript.hash(), &random);
                let mut channel = CardEnd::answering(secret.session_keys());
                let response = protect(&mut channel, Ok(self.status().encode().to_vec()));
                self.phase = Phase::Authenticated {
                    channel,
                    key: secret.into_pairing_key(),
                    holder: state.terminal.holder_hash(),
                    pin: false,
                };
                Ok(response)
            }
            Phase::Authenticated {
                mut channel,
                key,
                holder,
                mut pin,
            } => {
                let opened = channel.open(header, field).map_err(broken)?;
                let answer = match header {
                    header::VERIFY if self.others_paired && self.tries == 1 => {
                        Err(StatusWord::BLOCKED)
                    }
                    header::VERIFY => self.compare_pin(&opened.data, &mut pin),
                    header::UNBLOCK if self.others_paired && self.puk_tries == 1 => {
                        Err(StatusWord::BLOCKED)
                    }
                    header::UNBLOCK => self.unblock(&opened.data),
                    header::COMMIT if pin => {
                        let response = protect(&mut channel, Ok(Vec::new()));
                        self.slot = Some((key, 0));
                        self.paired_terminal = Some(holder);
                        return Ok(response);
                    }
                    header::COMMIT => Err(StatusWord::SECURITY_NOT_SATISFIED),
                    _ => Err(StatusWord::CONDITIONS_NOT_SATISFIED),
                };
                let response = protect(&mut channel, answer);
                self.phase = Phase::Authenticated {
                    channel,
                    key,
                    holder,
                    pin,
                };
                Ok(response)
            }
            Phase::Waiting { mut channel, known } => {
                let opened = channel.open(header, field).map_err(broken)?;
                if !known {
                    return Err(StatusWord::SECURE_MESSAGING_INCORRECT);
                }
                let (key, generation) = self.slot.take().unwrap();
                self.slot = Some((key.next(), generation + 1));
                self.session(channel, false, None, header, &opened.data)
            }
            Phase::Secure {
                mut channel,
                pin,
                service,
            } => {
                let opened = channel.open(header, field).map_err(broken)?;
                self.session(channel, pin, service, header, &opened.data)
            }
            _ => Err(StatusWord::CONDITIONS_NOT_SATISFIED),
        }
    }

    fn session(
        &mut self,
        mut channel: CardEnd,
        mut pin: bool,
        mut service: Option<Aid>,
        header: Header,
        data: &[u8],
    ) -> Result<Response, StatusWord> {
        let mut over = false;
        let answer = match header {
            header::STATUS => Ok(self.status().encode().to_vec()),
            header::CARD_CERTIFICATE => Ok(self.certificate.encoded().to_vec()),
            header::GET_STATUS_LIST => match (&self.raw_list, &self.list) {
                (Some(raw), _) => Ok(raw.clone()),
                (None, Some(list)) => Ok(list.encoded().to_vec()),
                (None, None) => Err(StatusWord::NOT_FOUND),
            },
            header::PUT_STATUS_LIST => {
                self.list = Some(StatusList::decode(data).unwrap());
                Ok(Vec::new())
            }
            header::VERIFY if data.is_empty() && pin => Ok(Vec::new()),
            header::VERIFY if data.is_empty() => Err(StatusWord::tries_left(self.tries)),
            header::VERIFY => self.compare_pin(data, &mut pin),
            header::LIST_PAIRINGS if !pin => Err(StatusWord::SECURITY_NOT_SATISFIED),
            header::LIST_PAIRINGS => Ok(Pairing::encode_all(&[Pairing {
                slot: SlotNumber::new(SLOT).unwrap(),
                holder: self.paired_terminal.unwrap(),
                label: Label::default(),
                pinned: false,
                last_use: 1,
            }])),
            header::DELETE_PAIRING => match decode_delete(data).unwrap().number() {
                SLOT => {
                    self.slot = None;
                    over = true;
                    Ok(Vec::new())
                }
                _ if pin => Err(StatusWord::NOT_FOUND),
                _ => Err(StatusWord::SECURITY_NOT_SATISFIED),
            },
            header::FACTORY_RESET if pin => {
                self.slot = None;
                over = true;
                Ok(Vec::new())
            }
            header::FACTORY_RESET => Err(StatusWord::SECURITY_NOT_SATISFIED),
            header::LIST_SERVICES => Ok(apdu::message::services::encode(
                [Aid::VAULT, Aid::COUNTER].into_iter(),
            )),
            header::SELECT_SERVICE if data == Aid::VAULT.0 || data == Aid::COUNTER.0 => {
                service = Some(Aid(data.try_into().unwrap()));
                Ok(Vec::new())
            }
            header::SELECT_SERVICE => Err(StatusWord::NOT_FOUND),
            header::COUNTER_READ if service == Some(Aid::COUNTER) => Ok(Counter {
                value: self.counter,
                limit: 100,
            }
            .encode()
            .to_vec()),
            header::COUNTER_ADD if service == Some(Aid::COUNTER) => {
                self.counter += u32::from_be_bytes(data.try_into().unwrap());
                Ok(self.counter.to_be_bytes().to_vec())
            }
            header::VAULT_LIST if service == Some(Aid::VAULT) => Ok(Entry::encode_all(&[Entry {
                name: ObjectName::new("note").unwrap(),
                policy: VaultPolicy::default(),
                size: 5,
            }])),
            header::VAULT_READ if service == Some(Aid::VAULT) && pin => Ok(vec![0x5A; 3_000]),
            header::VAULT_READ if service == Some(Aid::VAULT) => {
                Err(StatusWord::SECURITY_NOT_SATISFIED)
            }
            header::VAULT_WRITE if service == Some(Aid::VAULT) => Ok(Vec::new()),
            _ => Err(StatusWord::CONDITIONS_NOT_SATISFIED),
        };
        let response = protect(&mut channel, answer);
        if !over {
            self.phase = Phase::Secure {
                channel,
                pin,
                service,
            };
        }
        Ok(response)
    }

    fn compare_pin(&mut self, digits: &[u8], pin: &mut bool) -> Reply {
        if self.tries == 0 {
            return Err(StatusWord::BLOCKED);
        }
        *pin = digits == self.pin;
        self.tries = if *pin { PIN_TRIES } else { self.tries - 1 };
        match pin {
            true => Ok(Vec::new()),
            false => Err(StatusWord::tries_left(self.tries)),
        }
    }

    fn unblock(&mut self, data: &[u8]) -> Reply {
        let codes = Replacement::decode(data, Reference::Puk, Reference::Pin).unwrap();
        if self.puk_tries == 0 {
            return Err(StatusWord::BLOCKED);
        }
        if codes.old.expose() != PUK {
            self.puk_tries -= 1;
            return Err(StatusWord::tries_left(self.puk_tries));
        }
        self.pin = codes.new.expose().to_vec();
        (self.tries, self.puk_tries) = (PIN_TRIES, PUK_TRIES);
        Ok(Vec::new())
    }

    fn status(&self) -> CardStatus {
        CardStatus {
            list_sequence: self.list.as_ref().map_or(0, |list| list.claims().sequence),
            trusted_date: Date::new(2026, 1, 1).unwrap(),
            puk_tries: self.puk_tries,
            pin_tries: self.tries,
        }
    }

    fn nonce<const N: usize>(&mut self) -> [u8; N] {
        let mut nonce = [0; N];
        self.entropy.fill(&mut nonce).unwrap();
        nonce
    }

    fn entropy_secret(&mut self) -> apdu::crypto::Secret<32> {
        apdu::crypto::Secret::copy_of(&self.nonce())
    }
}

fn reply(answer: Reply) -> Response {
    match answer {
        Ok(data) => Response::ok(data),
        Err(status) => Response::bare(status),
    }
}

fn protect(channel: &mut CardEnd, answer: Reply) -> Response {
    let Response { data, status } = reply(answer);
    Response {
        data: channel.seal(&data, status).unwrap(),
        status,
    }
}
