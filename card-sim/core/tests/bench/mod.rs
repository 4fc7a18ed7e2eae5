//! A test bench around one card: fixed entropy, memory store, an authority, and a terminal that follows the protocol
//! step by step with nothing but the `apdu` crate, so that a test can stop or lie at any step.
#![allow(dead_code, reason = "each test file uses its part of the bench")]

pub mod states;

use apdu::certificate::{Certificate, CertificateFields, Date, HolderHash, Name, Request, Role};
use apdu::channel::{ExpectedLength, TerminalEnd};
use apdu::codec::chaining::segments;
use apdu::codec::command::{Command, Form, Header};
use apdu::codec::response::Response;
use apdu::codec::status::StatusWord;
use apdu::crypto::{
    Entropy, EntropyError, PrivateKey, PublicKey, Secret, decapsulate, encapsulate, sha256,
};
use apdu::handshake::{PairingKey, ProvisionalSecret, Transcript};
use apdu::identifier::header;
use apdu::message::key_exchange::{CardShare, TerminalRandom, TerminalShare};
use apdu::message::personalise::KeyOrder;
use apdu::message::reconnect::{Challenge, ChallengeAnswer};
use apdu::message::select::{self, Fci};
use card_core::store::MemoryStore;
use card_core::{Card, World};

pub const PIN: &[u8] = b"271828";
pub const PUK: &[u8] = b"31415926";
pub const OK: StatusWord = StatusWord::OK;

/// A generator that gives SHA-256 of a seed and a counter: deterministic, never the same twice.
#[derive(Clone)]
pub struct FixedEntropy {
    seed: u64,
    drawn: u64,
}

impl FixedEntropy {
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }
}

impl Entropy for FixedEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(32) {
            self.drawn += 1;
            let block = sha256(&[&self.seed.to_be_bytes(), &self.drawn.to_be_bytes()]);
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }
}

/// A certificate by `signer`, named `issuer`.
pub fn certify(
    signer: &PrivateKey,
    issuer: &str,
    holder: &str,
    role: Role,
    key: &PublicKey,
) -> Certificate {
    certify_with(signer, issuer, holder, role, key, |_| {})
}

pub fn certify_with(
    signer: &PrivateKey,
    issuer: &str,
    holder: &str,
    role: Role,
    key: &PublicKey,
    change: impl FnOnce(&mut CertificateFields),
) -> Certificate {
    let mut fields = CertificateFields {
        issuer: Name::new(issuer).unwrap(),
        holder: Name::new(holder).unwrap(),
        role,
        epoch: 1,
        key: key.clone(),
        from: Date::new(2026, 1, 1).unwrap(),
        until: Date::new(2028, 12, 31).unwrap(),
    };
    change(&mut fields);
    let signature = signer.sign(&fields.encode_body());
    Certificate::assemble(fields, signature)
}

pub const ROOT: &str = "ZZTALLYROOT00001";
pub const CARD: &str = "ZZTALLYCARD00001";

pub fn private_key(byte: u8) -> PrivateKey {
    PrivateKey::from_scalar(&[byte; 32]).unwrap()
}

pub fn root_key() -> PrivateKey {
    private_key(1)
}

pub fn root() -> Certificate {
    certify(
        &root_key(),
        ROOT,
        ROOT,
        Role::Authority,
        &root_key().public_key(),
    )
}

/// A card under power, its store, its randomness.
pub struct Bench {
    pub card: Card,
    pub store: MemoryStore,
    pub entropy: FixedEntropy,
}

impl Bench {
    pub fn blank() -> Self {
        Self::with_store(MemoryStore::new(), 1)
    }

    pub fn with_store(mut store: MemoryStore, seed: u64) -> Self {
        let mut entropy = FixedEntropy::new(seed);
        let card = Card::power_up(&mut World {
            store: &mut store,
            entropy: &mut entropy,
        })
        .unwrap();
        Self {
            card,
            store,
            entropy,
        }
    }

    /// A card that was personalised and activated.
    pub fn operational() -> Self {
        let mut bench = Self::blank();
        bench.personalise();
        bench
    }

    pub fn personalise(&mut self) {
        self.select();
        self.plain_ok(header::SET_PIN, PIN);
        self.plain_ok(header::SET_PUK, PUK);
        self.plain_ok(header::STORE_CERTIFICATE, root().encoded());
        let order = KeyOrder {
            issuer: Name::new(ROOT).unwrap(),
            holder: Name::new(CARD).unwrap(),
            nonce: [5; 16],
        };
        let request =
            Request::decode(&self.plain_ok(header::GENERATE_KEY, &order.encode())).unwrap();
        let certificate = certify(&root_key(), ROOT, CARD, Role::Card, &request.fields().key);
        self.plain_ok(header::STORE_CERTIFICATE, certificate.encoded());
        self.plain_ok(header::ACTIVATE, &[]);
    }

    /// The same card after power was cut: what was not stored is gone.
    pub fn power_cycle(&mut self) {
        self.store.power_on();
        self.card = Card::power_up(&mut World {
            store: &mut self.store,
            entropy: &mut self.entropy,
        })
        .unwrap();
    }

    /// A second card in exactly this state.
    pub fn fork(&self) -> Self {
        Self {
            card: self.card.dangerous_copy(),
            store: self.store.dangerous_copy(),
            entropy: self.entropy.clone(),
        }
    }

    pub fn raw(&mut self, bytes: &[u8]) -> Response {
        let mut world = World {
            store: &mut self.store,
            entropy: &mut self.entropy,
        };
        Response::parse(&self.card.transmit(&mut world, bytes)).unwrap()
    }

    /// One logical command by short APDUs: chaining and GET RESPONSE where needed.
    pub fn send(&mut self, header: Header, data: &[u8]) -> Response {
        let apdus = segments(header, data, Some(256), Form::Short, 255).unwrap();
        let mut response = Response::bare(OK);
        for apdu in apdus {
            assert_eq!(response, Response::bare(OK), "an intermediate segment");
            response = self.raw(&apdu);
        }
        while response.status.as_bytes_waiting().is_some() {
            let command = Command {
                header: header::GET_RESPONSE,
                data: &[],
                expected: Some(256),
                form: Form::Short,
            };
            let next = self.raw(&command.encode().unwrap());
            response.data.extend(next.data);
            response.status = next.status;
        }
        response
    }

    pub fn plain_ok(&mut self, header: Header, data: &[u8]) -> Vec<u8> {
        let response = self.send(header, data);
        assert_eq!(response.status, OK, "{header:02X?}");
        response.data
    }

    pub fn select(&mut self) -> (Fci, Transcript) {
        let response = self.raw(&select::COMMAND.encode().unwrap());
        assert_eq!(response.status, OK);
        let mut transcript = Transcript::start();
        transcript.command(header::SELECT, select::COMMAND.data);
        transcript.response(&response.data, OK);
        (Fci::decode(&response.data).unwrap(), transcript)
    }

    /// One secured command; the answer's data and its protected word.
    pub fn secured(
        &mut self,
        end: &mut TerminalEnd,
        header: Header,
        data: &[u8],
    ) -> (Vec<u8>, StatusWord) {
        let sealed = end.seal(header, data, Some(ExpectedLength::Short)).unwrap();
        let response = self.send(sealed.header, &sealed.data);
        let (data, status) = end
            .open(&response.data, response.status)
            .unwrap_or_else(|_| panic!("unprotected: {}", response.status));
        (data.to_vec(), status)
    }
}

/// What a terminal holds between messages 3 and 5.
pub struct Provisional {
    pub sm1: TerminalEnd,
    pub secret: ProvisionalSecret,
    pub transcript: Transcript,
}

impl Provisional {
    /// Message 4.
    pub fn card_certificate(&mut self, bench: &mut Bench) -> Certificate {
        let sealed = self
            .sm1
            .seal(header::CARD_CERTIFICATE, &[], Some(ExpectedLength::Short))
            .unwrap();
        let response = bench.send(sealed.header, &sealed.data);
        self.transcript.command(sealed.header, &sealed.data);
        self.transcript.response(&response.data, response.status);
        let (plain, _) = self.sm1.open(&response.data, response.status).unwrap();
        Certificate::decode(&plain).unwrap()
    }
}

/// A terminal with a certificate.
pub struct Terminal {
    pub key: PrivateKey,
    pub certificate: Certificate,
    pub entropy: FixedEntropy,
}

impl Terminal {
    pub fn new(number: u8) -> Self {
        let key = private_key(0x20 + number);
        let holder = format!("ZZTALLYTERM{number:05}");
        let certificate = certify(
            &root_key(),
            ROOT,
            &holder,
            Role::Terminal,
            &key.public_key(),
        );
        Self {
            key,
            certificate,
            entropy: FixedEntropy::new(100 + u64::from(number)),
        }
    }

    pub fn holder(&self) -> HolderHash {
        self.certificate.holder_hash()
    }

    /// Set-up up to the answer to message 3: under SM1.
    pub fn set_up_to_share(&mut self, bench: &mut Bench) -> Provisional {
        let (_, mut transcript) = bench.select();
        let certificate = self.certificate.encoded().to_vec();
        bench.plain_ok(header::VERIFY_CERTIFICATE, &certificate);
        transcript.command(header::VERIFY_CERTIFICATE, &certificate);
        transcript.response(&[], OK);

        let ephemeral = PrivateKey::generate(&mut self.entropy).unwrap();
        let share = TerminalShare(ephemeral.public_key()).encode();
        let answer = bench.plain_ok(header::KEY_EXCHANGE, &share);
        transcript.command(header::KEY_EXCHANGE, &share);
        transcript.response(&answer, OK);
        let card = CardShare::decode(&answer).unwrap();
        let card_random = decapsulate(&self.key, &self.key.public_key(), &card.encapsulation);
        let secret = ProvisionalSecret::derive(
            &transcript.hash(),
            &ephemeral.agree(&card.ephemeral),
            &card_random,
        );
        Provisional {
            sm1: TerminalEnd::new(secret.session_keys()),
            secret,
            transcript,
        }
    }

    /// Set-up up to the answer to message 5: under SM2, before the PIN. And K_0 as the terminal would store it.
    pub fn set_up_to_pin(&mut self, bench: &mut Bench) -> (TerminalEnd, PairingKey) {
        let mut provisional = self.set_up_to_share(bench);
        let card = provisional.card_certificate(bench);
        let (message, random) = self.random_for(&card);
        let Provisional {
            mut sm1,
            secret,
            mut transcript,
        } = provisional;
        let sealed = sm1
            .seal(
                header::TERMINAL_RANDOM,
                &message,
                Some(ExpectedLength::Short),
            )
            .unwrap();
        transcript.command(sealed.header, &sealed.data);
        let response = bench.send(sealed.header, &sealed.data);
        let secret = secret.authenticate(&transcript.hash(), &random);
        let mut sm2 = TerminalEnd::awaiting(secret.session_keys());
        let (status, word) = sm2.open(&response.data, response.status).unwrap();
        assert_eq!(
            (status.len(), word),
            (8, OK),
            "the PIN request carries the status"
        );
        (sm2, secret.into_pairing_key())
    }

    /// Message 5 to the card with this certificate, and the random in it.
    pub fn random_for(&mut self, card: &Certificate) -> (Vec<u8>, Secret<32>) {
        let (enc, random) = encapsulate(&card.claims().key, &mut self.entropy).unwrap();
        let message = TerminalRandom(PublicKey::from_uncompressed(&enc).unwrap()).encode();
        (message, random)
    }

    /// A whole set-up with the right PIN.
    pub fn pair(&mut self, bench: &mut Bench) -> PairingKey {
        let (mut sm2, key) = self.set_up_to_pin(bench);
        assert_eq!(bench.secured(&mut sm2, header::VERIFY, PIN).1, OK);
        assert_eq!(bench.secured(&mut sm2, header::COMMIT, &[]).1, OK);
        key
    }

    /// SELECT and C1 with this key; `None` when no tag matches or the card's proof is wrong.
    pub fn challenge(&mut self, bench: &mut Bench, key: &PairingKey) -> Option<TerminalEnd> {
        let (fci, mut transcript) = bench.select();
        let tag_key = key.tag_key();
        let known = fci.tags.contains(&tag_key.tag(&fci.prand));
        let mut terminal_nonce = [0; 16];
        self.entropy.fill(&mut terminal_nonce).unwrap();
        let challenge = Challenge {
            hint: tag_key.hint(&fci.prand, &terminal_nonce),
            terminal_nonce,
        }
        .encode();
        let answer = bench.plain_ok(header::RECONNECT, &challenge);
        transcript.command(header::RECONNECT, &challenge);
        let answer = ChallengeAnswer::decode(&answer).unwrap();
        let th_f = transcript.reconnect_hash(&answer.card_nonce);
        let proven = key.proves(&th_f, &answer.proof);
        assert_eq!(
            known, proven,
            "a tag that matches belongs to a key that proves"
        );
        proven.then(|| TerminalEnd::new(key.session_keys(&th_f)))
    }

    /// Reconnects; the key moves to its next generation with the first answer.
    pub fn reconnect(&mut self, bench: &mut Bench, key: &mut PairingKey) -> Option<TerminalEnd> {
        let mut end = self.challenge(bench, key)?;
        let (_, word) = bench.secured(&mut end, header::STATUS, &[]);
        assert_eq!(word, OK);
        *key = key.next();
        Some(end)
    }

    /// Reconnects and verifies the PIN.
    pub fn session_with_pin(&mut self, bench: &mut Bench, key: &mut PairingKey) -> TerminalEnd {
        let mut end = self.reconnect(bench, key).unwrap();
        assert_eq!(bench.secured(&mut end, header::VERIFY, PIN).1, OK);
        end
    }
}
