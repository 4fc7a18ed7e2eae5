//! A certified card and a certified terminal that can be copied at any moment, so that a test can go back to it.

use super::line::Line;
use apdu::certificate::{Certificate, CertificateFields, Date, HolderHash, Name, Request, Role};
use apdu::crypto::{Entropy, EntropyError, PrivateKey, PublicKey, sha256};
use apdu::message::personalise::KeyOrder;
use apdu::message::pin::{Digits, Reference};
use card_core::store::MemoryStore as CardStore;
use terminal_lib::application::{Application, Notice, PinAnswer, PinRequest, SetUpReason};
use terminal_lib::personalise::Station;
use terminal_lib::store::{IdentityName, MemoryStore as TerminalStore};
use terminal_lib::{Terminal, identity};

pub const PIN: &[u8] = b"271828";
pub const CARD: &str = "ZZTALLYCARD00001";
const ROOT: &str = "ZZTALLYROOT00001";

/// SHA-256 of a seed and a counter: deterministic, never the same twice.
#[derive(Clone)]
pub struct FixedEntropy {
    seed: u64,
    drawn: u64,
}

impl FixedEntropy {
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// The stream from here on.
    pub fn skipped(self) -> Self {
        Self {
            drawn: self.drawn + 1,
            ..self
        }
    }
}

impl Entropy for FixedEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(32) {
            self.drawn += 1;
            let block = sha256(&[&self.seed.to_be_bytes(), &self.drawn.to_be_bytes()]);
            chunk
                .iter_mut()
                .zip(block)
                .for_each(|(to, from)| *to = from);
        }
        Ok(())
    }
}

pub struct World {
    pub line: Line,
    pub store: TerminalStore,
}

impl World {
    /// Both certified by the same authority; they have never met.
    pub fn new() -> Self {
        let mut line = Line::new(CardStore::new(), FixedEntropy::new(1));
        let root = certify(ROOT, Role::Authority, root_key().public_key());
        let mut station = Station::begin(&mut line).unwrap();
        station
            .set_pin(&Digits::new(Reference::Pin, PIN).unwrap())
            .unwrap();
        station
            .set_puk(&Digits::new(Reference::Puk, b"31415926").unwrap())
            .unwrap();
        station.store_root(&root).unwrap();
        let order = KeyOrder {
            issuer: name(ROOT),
            holder: name(CARD),
            nonce: [7; 16],
        };
        let request = station.generate_key(&order).unwrap();
        station.store_certificate(&answer(&request)).unwrap();
        station.activate().unwrap();
        drop(station);
        let mut store = TerminalStore::new();
        let (issuer, holder) = (name(ROOT), name("ZZTALLYTERM00001"));
        let mut entropy = FixedEntropy::new(2);
        let request =
            identity::create_request(&mut store, &own(), issuer, holder, [8; 16], &mut entropy)
                .unwrap();
        identity::install(&mut store, &own(), &answer(&request), &[root], today()).unwrap();
        Self { line, store }
    }

    pub fn dangerous_copy(&self) -> Self {
        Self {
            line: self.line.dangerous_copy(),
            store: self.store.dangerous_copy(),
        }
    }

    pub fn terminal(&self, seed: u64) -> Terminal {
        Terminal::new(self.store.share(), own())
            .with_entropy(FixedEntropy::new(seed))
            .with_clock(today())
    }
}

pub fn card_holder() -> HolderHash {
    HolderHash::of(Role::Card, &name(CARD))
}

fn today() -> Date {
    Date::new(2026, 11, 21).unwrap()
}

fn own() -> IdentityName {
    IdentityName::new("world").unwrap()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn root_key() -> PrivateKey {
    PrivateKey::from_scalar(&[1; 32]).unwrap()
}

fn certify(holder: &str, role: Role, key: PublicKey) -> Certificate {
    let fields = CertificateFields {
        issuer: name(ROOT),
        holder: name(holder),
        role,
        epoch: 1,
        key,
        from: Date::new(2026, 1, 1).unwrap(),
        until: Date::new(2030, 1, 1).unwrap(),
    };
    let signature = root_key().sign(&fields.encode_body());
    Certificate::assemble(fields, signature)
}

fn answer(request: &Request) -> Certificate {
    let asked = request.fields();
    certify(asked.holder.as_str(), asked.role, asked.key.clone())
}

/// A user who agrees, gives the PINs of a list one after the other, and remembers what was said.
pub struct User {
    pub pins: Vec<&'static [u8]>,
    pub asked: Vec<PinRequest>,
    pub reasons: Vec<SetUpReason>,
    pub notices: Vec<Notice>,
    pub agrees: bool,
}

impl User {
    pub fn knowing() -> Self {
        Self::giving(&[PIN])
    }

    pub fn giving(pins: &[&'static [u8]]) -> Self {
        Self {
            pins: pins.to_vec(),
            asked: Vec::new(),
            reasons: Vec::new(),
            notices: Vec::new(),
            agrees: true,
        }
    }
}

impl Application for User {
    fn may_set_up(&mut self, reason: SetUpReason) -> bool {
        self.reasons.push(reason);
        self.agrees
    }

    fn pin(&mut self, request: &PinRequest) -> PinAnswer {
        self.asked.push(request.clone());
        if self.pins.is_empty() {
            return PinAnswer::Refuse;
        }
        Digits::new(Reference::Pin, self.pins.remove(0))
            .map_or(PinAnswer::Refuse, PinAnswer::Digits)
    }

    fn notice(&mut self, notice: &Notice) {
        self.notices.push(notice.clone());
    }
}
