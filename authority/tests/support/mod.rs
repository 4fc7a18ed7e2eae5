//! An authority in a temporary folder, with fixed randomness and a manual clock.
#![allow(dead_code, reason = "each test program uses a part of it")]

use apdu::certificate::{Certificate, Name, Request, Role};
use apdu::crypto::{Entropy, EntropyError, PrivateKey, PublicKey, sha256};
use authority::custody::{CustodyError, Signer};
use authority::{
    Authority, AuthorityError, Challenge, Finding, LineAudit, Moment, NameOrder, Order,
};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// 2026-11-21, 00:00 UTC.
pub const START: u64 = 1_795_219_200;
pub const DAY: u64 = 86_400;
pub const PASSPHRASE: &[u8] = b"correct horse";

/// Randomness that is the same in every run and never repeats within one.
pub struct Tape(pub u64);

impl Entropy for Tape {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(32) {
            self.0 += 1;
            let block = sha256(&[b"tape", &self.0.to_be_bytes()]);
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }
}

/// A generator that has failed.
pub struct NoEntropy;

impl Entropy for NoEntropy {
    fn fill(&mut self, _: &mut [u8]) -> Result<(), EntropyError> {
        Err(EntropyError)
    }
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn at(seconds: u64) -> Moment {
    Moment::from_unix_seconds(seconds).unwrap()
}

/// The authority under test, its key, and what is handed in.
pub struct Bench {
    pub temporary: TempDir,
    pub authority: Authority,
    pub key: Box<dyn Signer>,
    pub tape: Tape,
    pub now: u64,
}

impl Bench {
    pub fn new() -> Self {
        Self::drawn_from(Tape(0))
    }

    /// Another tape makes another authority.
    pub fn drawn_from(mut tape: Tape) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("ca");
        Authority::init(
            &folder,
            name("ZZTALLYROOT00001"),
            15,
            PASSPHRASE,
            &mut tape,
            at(START),
        )
        .unwrap();
        let authority = Authority::open(&folder, Duration::ZERO).unwrap();
        let key = authority.unlock(&folder, PASSPHRASE).unwrap();
        Self {
            temporary,
            authority,
            key,
            tape,
            now: START,
        }
    }

    pub fn folder(&self) -> PathBuf {
        self.temporary.path().join("ca")
    }

    /// Closes the authority and opens it again, as another run of the program would.
    pub fn reopen(self) -> Self {
        let Self {
            temporary,
            authority,
            key,
            tape,
            now,
        } = self;
        drop(authority);
        let authority = Authority::open(&temporary.path().join("ca"), Duration::ZERO).unwrap();
        Self {
            temporary,
            authority,
            key,
            tape,
            now,
        }
    }

    pub fn order(&mut self, role: Role, name: NameOrder) -> Result<Challenge, AuthorityError> {
        let order = Order { role, name };
        self.authority.order(&order, &mut self.tape, at(self.now))
    }

    pub fn key_pair(&mut self) -> PrivateKey {
        PrivateKey::generate(&mut self.tape).unwrap()
    }

    /// The honest answer to a challenge, with a new key.
    pub fn answer(&mut self, challenge: &Challenge) -> Request {
        let key = self.key_pair();
        request(challenge, &key)
    }

    pub fn issue(&mut self, request: &Request, role: Role) -> Result<Certificate, AuthorityError> {
        self.authority
            .issue(self.key.as_mut(), request, role, None, at(self.now))
    }

    /// Orders, answers and issues.
    pub fn certify(&mut self, role: Role, text: &str) -> Certificate {
        let challenge = self.order(role, NameOrder::Exactly(name(text))).unwrap();
        let request = self.answer(&challenge);
        self.issue(&request, role).unwrap()
    }
}

pub fn request(challenge: &Challenge, key: &PrivateKey) -> Request {
    Request::create(
        challenge.issuer,
        challenge.holder,
        challenge.role,
        challenge.nonce,
        key,
    )
}

/// The message of an error, or nothing to compare with.
pub fn message<T>(result: Result<T, AuthorityError>) -> String {
    match result {
        Ok(_) => "it was done".into(),
        Err(error) => error.to_string(),
    }
}

/// A key in memory.
pub struct Key(pub PrivateKey);

impl Signer for Key {
    fn public_key(&self) -> PublicKey {
        self.0.public_key()
    }

    fn sign(&mut self, message: &[u8]) -> Result<[u8; 64], CustodyError> {
        Ok(self.0.sign(message))
    }

    fn describe(&self) -> String {
        "in memory".into()
    }
}

/// What a check of these lines finds, under the root of an authority.
pub fn finding(authority: &Authority, lines: &[String]) -> String {
    let mut audit = LineAudit::new(authority.root().clone(), Vec::new());
    for line in lines {
        match audit.enter(line) {
            Ok(()) => {}
            Err(Finding::Line { fault, .. }) => return fault.to_string(),
            Err(finding) => return finding.to_string(),
        }
    }
    "good".into()
}
