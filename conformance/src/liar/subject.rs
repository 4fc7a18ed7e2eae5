//! What is tested, made without chance: a card that can be copied in the middle of a session, and a terminal's store.

use super::chance::Chance;
use crate::authority::{PUK, ROOT, certify, desk, name, root, terminal, today};
use crate::user::PIN;
use apdu::certificate::{Certificate, Date, Role};
use apdu::crypto::{PrivateKey, PublicKey};
use apdu::identifier::ATR;
use apdu::message::personalise::KeyOrder;
use apdu::message::pin::{Digits, Reference};
use card_core::store::{MemoryStore, Record, Store};
use card_core::{Card, World};
use card_sim::vpcd::Body;
use terminal_lib::personalise::Station;
use terminal_lib::store::MemoryStore as TerminalStore;
use terminal_lib::transport::in_process::{InProcess, LocalCard};
use terminal_lib::{Terminal, identity};

/// A card under power, its memory and its chance.
pub struct Subject {
    card: Card,
    /// Its durable memory.
    pub memory: MemoryStore,
    chance: Chance,
}

impl Subject {
    /// A card in use under this name.
    pub fn certified(holder: &str, seed: u64) -> Self {
        let blank = Self::power_up(MemoryStore::new(), Chance::new(seed));
        let mut reader = InProcess::new(blank);
        let mut station = Station::begin(&mut reader).unwrap();
        let digits = |reference, digits| Digits::new(reference, digits).unwrap();
        station.set_pin(&digits(Reference::Pin, PIN)).unwrap();
        station.set_puk(&digits(Reference::Puk, PUK)).unwrap();
        station.store_root(&root()).unwrap();
        let order = KeyOrder {
            issuer: name(ROOT),
            holder: name(holder),
            nonce: [7; 16],
        };
        let request = station.generate_key(&order).unwrap();
        let certificate = leaf(holder, Role::Card, request.fields().key.clone());
        station.store_certificate(&certificate).unwrap();
        station.activate().unwrap();
        drop(station);
        reader.into_card()
    }

    fn power_up(mut memory: MemoryStore, mut chance: Chance) -> Self {
        let card = Card::power_up(&mut World {
            store: &mut memory,
            entropy: &mut chance,
        })
        .unwrap();
        Self {
            card,
            memory,
            chance,
        }
    }

    /// A second card in exactly this state, in the middle of whatever is going on.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            card: self.card.dangerous_copy(),
            memory: self.memory.dangerous_copy(),
            chance: self.chance.clone(),
        }
    }

    /// The same card with other chance from here on.
    #[must_use]
    pub fn with_chance(mut self, seed: u64) -> Self {
        self.chance = Chance::new(seed);
        self
    }

    /// The volatile state's name in §12.2.
    pub fn state(&self) -> &'static str {
        self.card.phase_name()
    }

    /// The pairing keys it has stored, in the order of the slots.
    pub fn pairing_keys(&self) -> Vec<[u8; 32]> {
        let records = self.memory.records().unwrap();
        let slots = records.into_iter().filter(|record| record.is_slot());
        let keys = slots.map(|slot| {
            let stored = self.memory.read(slot).unwrap().unwrap();
            *stored.last_chunk().unwrap() // §15.1 is the card's business; this is the layout of this card
        });
        keys.collect()
    }

    /// Tries left for the PIN, as they are stored.
    pub fn pin_tries(&self) -> u8 {
        self.memory.read(Record::PIN_TRIES).unwrap().unwrap()[0]
    }
}

impl LocalCard for Subject {
    fn reset(&mut self) -> Vec<u8> {
        Body::reset(self);
        ATR.to_vec()
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        let mut world = World {
            store: &mut self.memory,
            entropy: &mut self.chance,
        };
        self.card.transmit(&mut world, command)
    }
}

impl Body for Subject {
    fn power_on(&mut self) {
        Body::reset(self);
    }

    fn power_off(&mut self) {}

    fn reset(&mut self) {
        let memory = core::mem::take(&mut self.memory);
        *self = Self::power_up(memory, self.chance.clone());
    }

    fn atr(&self) -> Vec<u8> {
        ATR.to_vec()
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        LocalCard::transmit(self, command)
    }
}

/// A certificate by the root, good on every day of the tests.
pub fn leaf(holder: &str, role: Role, key: PublicKey) -> Certificate {
    certify(name(holder), role, key, Date::new(2060, 1, 1).unwrap())
}

/// A certificate and its key, for a peer that is made by hand.
#[derive(Clone)]
pub struct Identity {
    /// The private key's scalar.
    pub scalar: [u8; 32],
    /// The certificate.
    pub certificate: Certificate,
}

impl Identity {
    /// An identity that the root has certified.
    pub fn certified(holder: &str, role: Role, seed: u64) -> Self {
        let scalar = Chance::new(seed).bytes();
        let key = PrivateKey::from_scalar(&scalar).unwrap().public_key();
        let certificate = leaf(holder, role, key);
        Self {
            scalar,
            certificate,
        }
    }

    /// The private key.
    pub fn key(&self) -> PrivateKey {
        PrivateKey::from_scalar(&self.scalar).unwrap()
    }
}

/// The store of a certified terminal that trusts the root.
pub fn terminal_store(holder: &str, seed: u64) -> TerminalStore {
    let (mut store, mut chance) = (TerminalStore::new(), Chance::new(seed));
    let (desk, issuer) = (desk(), name(ROOT));
    let request = identity::create_request(
        &mut store,
        &desk,
        issuer,
        name(holder),
        [8; 16],
        &mut chance,
    );
    let key = request.unwrap().fields().key.clone();
    let certificate = leaf(holder, Role::Terminal, key);
    identity::install(&mut store, &desk, &certificate, &[root()], today()).unwrap();
    store
}

/// The product's terminal over this store, with chance that repeats itself.
pub fn terminal_with(store: &TerminalStore, seed: u64) -> Terminal {
    terminal(store.share()).with_entropy(Chance::new(seed))
}
