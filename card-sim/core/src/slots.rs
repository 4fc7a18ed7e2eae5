//! The 16 pairing slots (§8.4, §9.4, §15.1): durable records, and the keys kept in memory for SELECT and C1.
//!
//! A slot that is empty, worn out or expired behaves like one with a random key: same shape, same work.

use crate::card::World;
use crate::refusal::Refusal;
use crate::store::{Change, Record, Store, StoreError, Value};
use alloc::vec::Vec;
use apdu::certificate::{Date, HolderHash};
use apdu::crypto::{EntropyError, Secret, Wanted};
use apdu::handshake::{Hint, PairingKey, SlotTag, TagKey};
use apdu::identifier::{LAST_GENERATION, MAX_LABEL, SLOTS};
use apdu::message::pairings::{Label, Pairing, SlotNumber};
use planted::planted;

/// Version of the record's layout.
const LAYOUT: u8 = 1;
/// `layout | flags | label length | gen 4 | holder 12 | epoch 4 | until 3 | label 16 | last use 4 | K 32`.
const RECORD: usize = 3 + 4 + 12 + 4 + 3 + MAX_LABEL + 4 + 32;

/// What a slot holds beside its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlotData {
    pub(crate) holder: HolderHash,
    pub(crate) generation: u32,
    pub(crate) epoch: u32,
    pub(crate) until: Date,
    pub(crate) last_use: u32,
    pub(crate) label: Label,
    pub(crate) pinned: bool,
}

impl SlotData {
    fn encode(&self, key: &PairingKey) -> Value {
        let label = self.label.as_str().as_bytes();
        let mut bytes = Vec::with_capacity(RECORD);
        bytes.extend([
            LAYOUT,
            u8::from(self.pinned),
            u8::try_from(label.len()).unwrap_or(0),
        ]);
        bytes.extend(self.generation.to_be_bytes());
        bytes.extend(self.holder.0);
        bytes.extend(self.epoch.to_be_bytes());
        bytes.extend(self.until.to_bcd());
        bytes.extend(label);
        bytes.resize(3 + 4 + 12 + 4 + 3 + MAX_LABEL, 0);
        bytes.extend(self.last_use.to_be_bytes());
        bytes.extend(key.expose());
        Value::new(bytes)
    }

    fn decode(bytes: &[u8]) -> Option<(Self, PairingKey)> {
        let (&[layout, flags, label_length], rest) = bytes.split_first_chunk()?;
        let (generation, rest) = rest.split_first_chunk()?;
        let (holder, rest) = rest.split_first_chunk()?;
        let (epoch, rest) = rest.split_first_chunk()?;
        let (until, rest) = rest.split_first_chunk()?;
        let (label, rest) = rest.split_first_chunk::<MAX_LABEL>()?;
        let (last_use, key) = rest.split_first_chunk()?;
        let (label, padding) = label.split_at_checked(label_length.into())?;
        let sound = layout == LAYOUT && flags <= 1 && padding.iter().all(|byte| *byte == 0);
        let key: &[u8; 32] = key.try_into().ok().filter(|_| sound)?;
        let data = Self {
            holder: HolderHash(*holder),
            generation: u32::from_be_bytes(*generation),
            epoch: u32::from_be_bytes(*epoch),
            until: Date::from_bcd(*until)?,
            last_use: u32::from_be_bytes(*last_use),
            label: Label::new(label)?,
            pinned: flags == 1,
        };
        Some((data, PairingKey::new(Secret::copy_of(key))))
    }

    /// A slot is used up at its last generation, and ends with its terminal's certificate.
    fn is_usable(&self, today: Option<Date>) -> bool {
        self.generation < LAST_GENERATION && today.is_none_or(|date| date <= self.until)
    }
}

/// One slot in memory.
struct Slot {
    key: PairingKey,
    tag_key: TagKey,
    /// None: the key is a decoy.
    data: Option<SlotData>,
    /// Whether there is data, for a choice that nobody sees.
    is_in_use: Wanted,
}

impl Slot {
    fn new(key: PairingKey, data: Option<SlotData>) -> Self {
        let tag_key = key.tag_key();
        let is_in_use = Wanted::if_equal(&[u8::from(data.is_some())], &[1]);
        Self {
            key,
            tag_key,
            data,
            is_in_use,
        }
    }

    fn dangerous_copy(&self) -> Self {
        Self {
            key: self.key.dangerous_copy(),
            tag_key: self.tag_key.dangerous_copy(),
            data: self.data.clone(),
            is_in_use: self.is_in_use,
        }
    }
}

/// All slots in memory, and a spare decoy for when all are in use.
pub(crate) struct Slots {
    slots: Vec<Slot>,
    spare: PairingKey,
}

/// A key answering C1: a slot's, or a decoy.
pub(crate) struct Chosen {
    pub(crate) key: PairingKey,
    pub(crate) slot: HiddenSlot,
}

/// Which slot a terminal means, if any: not looked at before the terminal has proved its key.
#[derive(Clone, Copy)]
pub(crate) struct HiddenSlot {
    number: u8,
    found: Wanted,
}

impl HiddenSlot {
    /// The slot, for everybody to see; `None` for a decoy.
    pub(crate) fn reveal(self) -> Option<SlotNumber> {
        SlotNumber::new(self.number).filter(|_| self.found.reveal())
    }
}

impl Slots {
    /// Reads the slots, drawing a decoy for each unused one in order, then the spare (§6.4).
    pub(crate) fn power_up(world: &mut World<'_>, today: Option<Date>) -> Result<Self, Refusal> {
        let mut slots = Vec::with_capacity(SLOTS);
        for number in SlotNumber::all() {
            slots.push(match read(world.store, number)? {
                Some((data, key)) if data.is_usable(today) => Slot::new(key, Some(data)),
                _ => Slot::new(draw(world)?, None),
            });
        }
        Ok(Self {
            slots,
            spare: draw(world)?,
        })
    }

    pub(crate) fn dangerous_copy(&self) -> Self {
        Self {
            slots: self.slots.iter().map(Slot::dangerous_copy).collect(),
            spare: self.spare.dangerous_copy(),
        }
    }

    /// The tags of all slots for a SELECT.
    pub(crate) fn tags(&self, prand: &[u8; 8]) -> [SlotTag; SLOTS] {
        let mut tags = [[0; 4]; SLOTS];
        for (tag, slot) in tags.iter_mut().zip(&self.slots) {
            *tag = slot.tag_key.tag(prand);
        }
        tags
    }

    /// The key that answers C1: of the first slot whose hint matches, else a decoy.
    ///
    /// All 16 hints are computed and all keys are read twice, always, and nothing branches: neither the time nor what is read tells
    /// whether the terminal is known, nor how many pairings there are.
    pub(crate) fn choose(&self, prand: &[u8; 8], nonce: &[u8; 16], hint: &Hint) -> Chosen {
        let mut slot = HiddenSlot {
            number: 0,
            found: Wanted::no(),
        };
        let mut meant = [Wanted::no(); SLOTS];
        // Why backwards: what comes later replaces what came before, and the first slot is to win.
        let backwards = SlotNumber::all().rev().zip(self.slots.iter().rev());
        for ((number, entry), meant) in backwards.zip(meant.iter_mut()) {
            *meant = entry.tag_key.means(prand, nonce, hint).and(entry.is_in_use);
            slot.number = meant.choose(number.number(), slot.number);
            slot.found = slot.found.or(*meant);
        }
        // First the first decoy, the spare where there is none; a slot that was meant replaces it.
        let slots = || self.slots.iter().rev();
        let decoys = slots().map(|entry| (entry.is_in_use.not(), &entry.key));
        let paired = meant
            .into_iter()
            .zip(slots())
            .map(|(meant, entry)| (meant, &entry.key));
        Chosen {
            key: PairingKey::choose(&self.spare, decoys.chain(paired)),
            slot,
        }
    }

    pub(crate) fn any_in_use(&self) -> bool {
        self.slots.iter().any(|slot| slot.data.is_some())
    }

    pub(crate) fn data(&self, number: SlotNumber) -> Option<&SlotData> {
        self.slots.get(usize::from(number.number()))?.data.as_ref()
    }

    /// The pairings as the card lists them.
    pub(crate) fn list(&self) -> Vec<Pairing> {
        let slots = SlotNumber::all().zip(&self.slots);
        slots
            .filter_map(|(slot, entry)| {
                let data = entry.data.as_ref()?;
                Some(Pairing {
                    slot,
                    holder: data.holder,
                    label: data.label.clone(),
                    pinned: data.pinned,
                    last_use: data.last_use,
                })
            })
            .collect()
    }

    /// Moves a slot to its next generation, durably. Only then may the first command of the session be executed (§8.4).
    pub(crate) fn advance(
        &mut self,
        world: &mut World<'_>,
        number: SlotNumber,
        today: Option<Date>,
    ) -> Result<(), Refusal> {
        let last_use = self.next_use();
        let slot = self
            .slots
            .get(usize::from(number.number()))
            .ok_or(Refusal::Channel)?;
        let data = slot.data.clone().ok_or(Refusal::Channel)?;
        let data = SlotData {
            generation: data.generation + 1,
            last_use,
            ..data
        };
        let key = slot.key.next();
        let record = data.encode(&key);
        world
            .store
            .commit(&[Change::Put(Record::slot(number.number()), &record)])?;
        self.replace(number, Slot::new(key, Some(data)));
        self.expire(world, today);
        Ok(())
    }

    /// The slot of a new pairing: same holder, else free, else least recently used not pinned, else least recently used.
    pub(crate) fn place(&self, holder: &HolderHash) -> SlotNumber {
        let rank = |slot: &Slot| match &slot.data {
            Some(data) if data.holder == *holder => (0, 0),
            None => (1, 0),
            Some(data) if !data.pinned || planted("pinned-goes-first") => (2, data.last_use),
            Some(data) => (3, data.last_use),
        };
        SlotNumber::all()
            .zip(&self.slots)
            .min_by_key(|(_, slot)| rank(slot))
            .map_or_else(|| unreachable!("there are 16 slots"), |(number, _)| number)
    }

    /// The use counter of the next use.
    pub(crate) fn next_use(&self) -> u32 {
        let used = self.slots.iter().filter_map(|slot| slot.data.as_ref());
        used.map(|data| data.last_use)
            .max()
            .unwrap_or(0)
            .saturating_add(1)
    }

    /// The record of a slot with new data; commit it, then call [`put`](Self::put).
    pub(crate) fn encode_with(&self, number: SlotNumber, data: &SlotData) -> Option<Value> {
        let slot = self.slots.get(usize::from(number.number()))?;
        Some(data.encode(&slot.key))
    }

    /// The record of a new pairing; commit it, then call [`put`](Self::put).
    pub(crate) fn encode(data: &SlotData, key: &PairingKey) -> Value {
        data.encode(key)
    }

    /// Takes a committed record into memory; a new key replaces the slot's.
    pub(crate) fn put(&mut self, number: SlotNumber, data: SlotData, key: Option<PairingKey>) {
        let Some(slot) = self.slots.get_mut(usize::from(number.number())) else {
            return;
        };
        *slot = Slot::new(key.unwrap_or_else(|| slot.key.dangerous_copy()), Some(data));
    }

    /// Puts a decoy where a committed change has made slots free or unusable, each freshly drawn.
    pub(crate) fn release(
        &mut self,
        world: &mut World<'_>,
        mut is_released: impl FnMut(&SlotData) -> bool,
    ) {
        for number in SlotNumber::all() {
            if self.data(number).is_some_and(&mut is_released) {
                // Why: the change is durable, so a failing generator must not undo it. What follows the spare is unknown
                // to everybody as well.
                let decoy = draw(world).unwrap_or_else(|_| {
                    self.spare = self.spare.next();
                    self.spare.next()
                });
                self.replace(number, Slot::new(decoy, None));
            }
        }
    }

    /// Puts decoys where the trusted date has passed the end of a terminal's certificate.
    pub(crate) fn expire(&mut self, world: &mut World<'_>, today: Option<Date>) {
        self.release(world, |data| !data.is_usable(today));
    }

    fn replace(&mut self, number: SlotNumber, new: Slot) {
        if let Some(slot) = self.slots.get_mut(usize::from(number.number())) {
            *slot = new;
        }
    }
}

fn read(
    store: &dyn Store,
    number: SlotNumber,
) -> Result<Option<(SlotData, PairingKey)>, StoreError> {
    store
        .read(Record::slot(number.number()))?
        .map(|bytes| SlotData::decode(&bytes).ok_or(StoreError))
        .transpose()
}

fn draw(world: &mut World<'_>) -> Result<PairingKey, EntropyError> {
    world.entropy.secret().map(PairingKey::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> SlotData {
        SlotData {
            holder: HolderHash([7; 12]),
            generation: 5,
            epoch: 3,
            until: Date::new(2028, 12, 31).unwrap(),
            last_use: 9,
            label: Label::new(b"desk").unwrap(),
            pinned: true,
        }
    }

    #[test]
    fn a_record_reads_back_and_one_that_is_not_ours_does_not() {
        let key = PairingKey::new(Secret::copy_of(&[1; 32]));
        let record = data().encode(&key);
        assert_eq!(record.len(), RECORD);
        let good = record.to_vec();
        assert_eq!(SlotData::decode(&good).unwrap().0, data());
        let (layout, flags, label_length, padding) = (0, 1, 2, 26 + 4);
        for (place, value) in [(layout, 2), (flags, 2), (label_length, 17), (padding, 1)] {
            let mut bad = good.clone();
            assert_ne!(bad[place], value);
            bad[place] = value;
            assert!(SlotData::decode(&bad).is_none(), "byte {place}");
        }
        let longer = [&good[..], &[0]].concat();
        assert!(SlotData::decode(&longer).is_none());
        assert!(SlotData::decode(&good[..good.len() - 1]).is_none());
    }

    #[test]
    fn a_slot_ends_with_its_last_generation_and_with_its_terminal_s_certificate() {
        let at = |generation| SlotData {
            generation,
            ..data()
        };
        assert!(at(LAST_GENERATION - 1).is_usable(None));
        assert!(!at(LAST_GENERATION).is_usable(None));
        assert!(data().is_usable(Date::new(2028, 12, 31)));
        assert!(!data().is_usable(Date::new(2029, 1, 1)));
    }
}
