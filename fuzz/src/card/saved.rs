//! What a card has stored, read by the oracle with its own eyes: records as they lie there, not as the card sees them.

use apdu::certificate::{Anchor, Certificate, Date, HolderHash, StatusList};
use apdu::crypto::{Secret, hmac_sha256};
use apdu::handshake::PairingKey;
use apdu::identifier::{LAST_GENERATION, PIN_TRIES, PUK_TRIES};
use apdu::message::pin::Reference;
use card_core::lifecycle::LifeCycle;
use card_core::store::{MemoryStore, Record, Store};

/// A view of a store.
#[derive(Clone, Copy)]
pub struct Saved<'a>(pub &'a MemoryStore);

/// One pairing, field by field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Bit 0: pinned.
    pub flags: u8,
    /// g.
    pub generation: u32,
    /// The terminal.
    pub holder: HolderHash,
    /// Of its certificate.
    pub epoch: u32,
    /// Last day of its certificate.
    pub until: Date,
    /// Length and text, filled up with zeros.
    pub label: (u8, [u8; 16]),
    /// Larger is later.
    pub last_use: u32,
    /// K_g.
    pub key: [u8; 32],
}

impl Slot {
    /// `layout | flags | label length | gen 4 | holder 12 | epoch 4 | until 3 | label 16 | last use 4 | K 32`.
    pub fn read(bytes: &[u8]) -> Self {
        let bytes: &[u8; 78] = bytes.try_into().expect("a slot has 78 bytes");
        let number = |at: usize| u32::from_be_bytes(*bytes[at..].first_chunk().unwrap());
        assert_eq!(bytes[0], 1, "the layout of a slot");
        Self {
            flags: bytes[1],
            generation: number(3),
            holder: HolderHash(*bytes[7..].first_chunk().unwrap()),
            epoch: number(19),
            until: Date::from_bcd(*bytes[23..].first_chunk().unwrap()).expect("a day"),
            label: (bytes[2], *bytes[26..].first_chunk().unwrap()),
            last_use: number(42),
            key: *bytes.last_chunk().unwrap(),
        }
    }

    /// K_g as a key.
    pub fn pairing_key(&self) -> PairingKey {
        PairingKey::new(Secret::copy_of(&self.key))
    }
}

/// The record of a slot.
pub fn slot_record(number: u8) -> Record {
    Record(0x0100 + u16::from(number))
}

/// Where a code and its tries are stored, and how many tries it has.
pub fn code_records(reference: Reference) -> (Record, Record, u8) {
    match reference {
        Reference::Pin => (Record::PIN, Record::PIN_TRIES, PIN_TRIES),
        Reference::Puk => (Record::PUK, Record::PUK_TRIES, PUK_TRIES),
    }
}

/// Whether `stored` is the value of these digits (§11.5).
pub fn is_value_of(stored: &[u8], reference: Reference, digits: &[u8]) -> bool {
    let Some((key, value)) = stored.split_at_checked(32) else {
        return false;
    };
    let number = [reference.number()];
    let expected = hmac_sha256(key, &[b"TALLY1 pin", &number, digits]);
    expected.expose().as_slice() == value
}

impl Saved<'_> {
    /// A record's bytes.
    pub fn value(&self, record: Record) -> Option<Vec<u8>> {
        let value = self.0.read(record).expect("no fault is planned");
        value.map(|bytes| bytes.to_vec())
    }

    /// The records that are not the same in `other`.
    pub fn differences(&self, other: Self) -> Vec<Record> {
        let mut records = self.0.records().unwrap();
        records.extend(other.0.records().unwrap());
        records.sort();
        records.dedup();
        records.retain(|record| self.value(*record) != other.value(*record));
        records
    }

    /// Where the card is in its life.
    pub fn life(&self) -> LifeCycle {
        LifeCycle::of(self.0).expect("no fault is planned")
    }

    /// The pairing in a slot, used up or not.
    pub fn slot(&self, number: u8) -> Option<Slot> {
        Some(Slot::read(&self.value(slot_record(number))?))
    }

    /// The pairings that are not worn out or expired.
    pub fn usable_slots(&self) -> Vec<Slot> {
        let all = (0..16).filter_map(|number| self.slot(number));
        all.filter(|slot| self.is_usable(slot)).collect()
    }

    /// §9.4, §13: neither worn out nor expired.
    pub fn is_usable(&self, slot: &Slot) -> bool {
        slot.generation < LAST_GENERATION && self.date().is_none_or(|date| date <= slot.until)
    }

    /// Tries left, as stored.
    pub fn tries(&self, reference: Reference) -> Option<u8> {
        let (_, tries, _) = code_records(reference);
        self.value(tries).map(|bytes| bytes[0])
    }

    /// Whether these are the digits of PIN or PUK.
    pub fn is_right(&self, reference: Reference, digits: &[u8]) -> bool {
        let (record, _, _) = code_records(reference);
        self.value(record)
            .is_some_and(|stored| is_value_of(&stored, reference, digits))
    }

    /// The trusted date.
    pub fn date(&self) -> Option<Date> {
        let bytes = self.value(Record::DATE)?;
        Date::from_bcd(bytes.try_into().expect("three bytes"))
    }

    /// The trusted date after an authentic `candidate` (§13).
    pub fn date_after(&self, candidate: Date) -> Date {
        self.date()
            .map_or(candidate, |date| candidate.clamp(date, date.plus_days(366)))
    }

    /// A root.
    pub fn root(&self, record: Record) -> Option<Anchor> {
        let certificate = Certificate::decode(&self.value(record)?).expect("a certificate");
        Some(Anchor::restored(&certificate).expect("a root"))
    }

    /// Root A, root B.
    pub fn roots(&self) -> Vec<Anchor> {
        let both = [Record::ROOT_A, Record::ROOT_B];
        both.into_iter()
            .filter_map(|root| self.root(root))
            .collect()
    }

    /// The newest status list.
    pub fn list(&self) -> Option<StatusList> {
        let bytes = self.value(Record::STATUS_LIST)?;
        Some(StatusList::decode(&bytes).expect("a status list"))
    }

    /// Sequence of the newest status list.
    pub fn list_sequence(&self) -> u32 {
        self.list().map_or(0, |list| list.claims().sequence)
    }

    /// Certificates of a lower epoch are refused.
    pub fn min_epoch(&self) -> u32 {
        let bytes = self.value(Record::MIN_EPOCH);
        bytes.map_or(0, |bytes| u32::from_be_bytes(bytes.try_into().unwrap()))
    }

    /// Every secret of 32 bytes that must never leave the card.
    pub fn secrets(&self) -> Vec<[u8; 32]> {
        let codes = [Record::KEY, Record::PIN, Record::PUK];
        let codes = codes.into_iter().filter_map(|record| self.value(record));
        let mut secrets: Vec<[u8; 32]> = codes.map(|bytes| *bytes.first_chunk().unwrap()).collect();
        secrets.extend((0..16).filter_map(|number| Some(self.slot(number)?.key)));
        secrets
    }
}
