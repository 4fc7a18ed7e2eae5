//! Both ends' memories and randomness, handed out with every secret in them marked.
//!
//! Secret are: pairing keys, PIN and PUK references, private keys, and what is drawn for them. Names, certificates, dates, counters and
//! nonces are not.

use crate::memcheck::{public, public_value, secret};
use apdu::codec::tlv::{Reader, Tag};
use apdu::crypto::{Entropy, EntropyError, SecretBytes};
use card_core::store::{Change as CardChange, Record, Store, StoreError as CardStoreError, Value};
use card_sim::body::VirtualCard;
use card_sim::vpcd::Body;
use conformance::Disk;
use getrandom::SysRng;
use terminal_lib::store::{Change, Key, MemoryStore, PairingStore, StoreError};
use terminal_lib::transport::in_process::LocalCard;

/// Bytes of a key, and of everything secret that is drawn.
const KEY: usize = 32;

/// The operating system's randomness: 32 bytes are a secret, fewer are a nonce.
pub struct Drawn;

impl Entropy for Drawn {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        Entropy::fill(&mut SysRng, bytes)?;
        if bytes.len() == KEY {
            secret(bytes);
        }
        Ok(())
    }
}

/// A card's memory.
pub struct CardMemory(pub Disk);

impl Store for CardMemory {
    fn read(&self, record: Record) -> Result<Option<Value>, CardStoreError> {
        let value = self.0.read(record)?;
        if let Some(bytes) = &value {
            match record {
                Record::PIN | Record::PUK => secret(bytes),
                Record::KEY => secret(bytes.get(..KEY).unwrap_or_default()),
                slot if slot.is_slot() => {
                    secret(bytes.get(bytes.len() - KEY..).unwrap_or_default());
                }
                _ => {}
            }
        }
        Ok(value)
    }

    fn commit(&mut self, changes: &[CardChange<'_>]) -> Result<(), CardStoreError> {
        changes.iter().for_each(public_value);
        self.0.commit(changes)
    }

    fn records(&self) -> Result<Vec<Record>, CardStoreError> {
        self.0.records()
    }
}

/// A terminal's memory.
pub struct TerminalMemory(pub MemoryStore);

/// Marks the keys in an identity's record (80, 82) or in a pairing's (89, 8B).
fn mark(key: &Key, record: &SecretBytes) {
    let secrets: &[u32] = match key.as_bytes().first() {
        Some(b'i') => &[0x80, 0x82],
        Some(b'p') => &[0x89, 0x8B],
        _ => &[],
    };
    let objects = record.get(1..).unwrap_or_default(); // the first byte is the version
    let mut reader = Reader::new(objects);
    let mut tag = 0x80;
    while tag <= 0x8F {
        match reader.optional(Tag(tag)) {
            Ok(Some(value)) if secrets.contains(&tag) => secret(value),
            Ok(Some(_)) => {}
            // A pairing's pending keys are pairs of 8A and 8B.
            _ => {
                tag += 1;
                continue;
            }
        }
        tag = if tag == 0x8B { 0x8A } else { tag };
    }
}

impl PairingStore for TerminalMemory {
    fn read(&self, key: &Key) -> Result<Option<SecretBytes>, StoreError> {
        let record = self.0.read(key)?;
        if let Some(record) = &record {
            mark(key, record);
        }
        Ok(record)
    }

    fn list(&self, prefix: &Key) -> Result<Vec<(Key, SecretBytes)>, StoreError> {
        let records = self.0.list(prefix)?;
        records.iter().for_each(|(key, record)| mark(key, record));
        Ok(records)
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        for change in changes {
            public_value(change);
            // What is a secret in it is marked again when it is read.
            match change {
                Change::Put(key, record) => {
                    public(key.as_bytes());
                    public(record);
                }
                Change::Erase(key) => public(key.as_bytes()),
            }
        }
        self.0.commit(changes)
    }
}

/// A card in the same process. What passes between the ends is public.
pub struct Card(pub VirtualCard<CardMemory, Drawn>);

impl Card {
    /// The card with this memory, without power.
    pub fn new(disk: &Disk) -> Self {
        Self(VirtualCard::new(CardMemory(disk.clone()), Drawn))
    }
}

impl LocalCard for Card {
    fn reset(&mut self) -> Vec<u8> {
        self.0.reset();
        self.0.atr()
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        public(command);
        let answer = self.0.transmit(command);
        public_value(&answer);
        public(&answer);
        answer
    }
}
