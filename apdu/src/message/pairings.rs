//! The card's pairings: list, change, delete (§11.3).

use crate::certificate::HolderHash;
use crate::codec::tlv::{Reader, Tag, TlvError, TlvFault, Writer};
use crate::identifier::{MAX_LABEL, SLOTS};
use alloc::vec::Vec;

const ENTRY: Tag = Tag(0xE0);
const SLOT: Tag = Tag(0x80);
const HOLDER: Tag = Tag(0x81);
const LABEL: Tag = Tag(0x82);
const FLAGS: Tag = Tag(0x83);
const LAST_USE: Tag = Tag(0x84);
const PINNED: u8 = 0x01;

/// A slot number, 0 to 15.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotNumber(u8);

impl SlotNumber {
    /// A number below 16.
    pub fn new(number: u8) -> Option<Self> {
        (usize::from(number) < SLOTS).then_some(Self(number))
    }

    /// All 16, in order.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        (0u8..16).map(Self)
    }

    /// The number.
    pub fn number(self) -> u8 {
        self.0
    }
}

/// What a user calls a pairing: 0 to 16 printable ASCII bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Label(Vec<u8>);

impl Label {
    /// A label from its bytes, if they are printable ASCII and not too many.
    pub fn new(text: &[u8]) -> Option<Self> {
        let printable = text.iter().all(|byte| (0x20..=0x7E).contains(byte));
        (text.len() <= MAX_LABEL && printable).then(|| Self(text.to_vec()))
    }

    /// The label as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// One pairing, as the card lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    /// Where it is stored.
    pub slot: SlotNumber,
    /// The terminal.
    pub holder: HolderHash,
    /// What the user calls it.
    pub label: Label,
    /// Kept when another pairing needs room.
    pub pinned: bool,
    /// A counter; larger is later.
    pub last_use: u32,
}

impl Pairing {
    /// `n x E0 {80 slot, 81 holder hash, 82 label, 83 flags, 84 last use}`.
    pub fn encode_all(pairings: &[Self]) -> Vec<u8> {
        let mut list = Writer::new();
        for pairing in pairings {
            let entry = Writer::new()
                .put(SLOT, &[pairing.slot.0])
                .put(HOLDER, &pairing.holder.0)
                .put(LABEL, &pairing.label.0)
                .put(FLAGS, &[if pairing.pinned { PINNED } else { 0 }])
                .put(LAST_USE, &pairing.last_use.to_be_bytes());
            list = list.nest(ENTRY, entry);
        }
        list.into_bytes()
    }

    /// Reads the list; slots stand in rising order.
    pub fn decode_all(bytes: &[u8]) -> Result<Vec<Self>, TlvError> {
        let mut reader = Reader::new(bytes);
        let mut pairings: Vec<Self> = Vec::new();
        while !reader.is_at_end() {
            let mut entry = reader.enter(ENTRY)?;
            let slot = read_slot(&mut entry)?;
            if pairings.last().is_some_and(|last| last.slot >= slot) {
                return Err(entry.error(TlvFault::Value(SLOT)));
            }
            let holder = HolderHash(entry.fixed(HOLDER)?);
            let label = read_label(&mut entry)?;
            let pinned = read_flags(&mut entry)?;
            let last_use = u32::from_be_bytes(entry.fixed(LAST_USE)?);
            entry.finish()?;
            pairings.push(Self {
                slot,
                holder,
                label,
                pinned,
                last_use,
            });
        }
        Ok(pairings)
    }
}

/// CHANGE PAIRING: a new label and new flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairingChange {
    /// Which pairing.
    pub slot: SlotNumber,
    /// Its new label.
    pub label: Label,
    /// Whether it is kept when another needs room.
    pub pinned: bool,
}

impl PairingChange {
    /// `80 slot, 82 label, 83 flags`.
    pub fn encode(&self) -> Vec<u8> {
        Writer::new()
            .put(SLOT, &[self.slot.0])
            .put(LABEL, &self.label.0)
            .put(FLAGS, &[if self.pinned { PINNED } else { 0 }])
            .into_bytes()
    }

    /// Reads the data field.
    pub fn decode(bytes: &[u8]) -> Result<Self, TlvError> {
        let mut reader = Reader::new(bytes);
        let slot = read_slot(&mut reader)?;
        let label = read_label(&mut reader)?;
        let pinned = read_flags(&mut reader)?;
        reader.finish()?;
        Ok(Self {
            slot,
            label,
            pinned,
        })
    }
}

/// DELETE PAIRING: `80 slot`.
pub fn encode_delete(slot: SlotNumber) -> Vec<u8> {
    Writer::new().put(SLOT, &[slot.0]).into_bytes()
}

/// Reads the data field of DELETE PAIRING.
pub fn decode_delete(bytes: &[u8]) -> Result<SlotNumber, TlvError> {
    let mut reader = Reader::new(bytes);
    let slot = read_slot(&mut reader)?;
    reader.finish()?;
    Ok(slot)
}

fn read_slot(reader: &mut Reader<'_>) -> Result<SlotNumber, TlvError> {
    let wrong = reader.error(TlvFault::Value(SLOT));
    let [number] = reader.fixed(SLOT)?;
    SlotNumber::new(number).ok_or(wrong)
}

fn read_label(reader: &mut Reader<'_>) -> Result<Label, TlvError> {
    let wrong = reader.error(TlvFault::Value(LABEL));
    Label::new(reader.expect(LABEL)?).ok_or(wrong)
}

fn read_flags(reader: &mut Reader<'_>) -> Result<bool, TlvError> {
    let wrong = reader.error(TlvFault::Value(FLAGS));
    match reader.fixed(FLAGS)? {
        [0] => Ok(false),
        [PINNED] => Ok(true),
        _ => Err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairing(slot: u8) -> Pairing {
        Pairing {
            slot: SlotNumber::new(slot).unwrap(),
            holder: HolderHash([slot; 12]),
            label: Label::new(b"desk").unwrap(),
            pinned: slot % 2 == 1,
            last_use: 7,
        }
    }

    #[test]
    fn a_list_of_pairings_reads_back_in_slot_order_only() {
        let list = [pairing(0), pairing(3)];
        assert_eq!(
            Pairing::decode_all(&Pairing::encode_all(&list)).unwrap(),
            list
        );
        let disorder = Pairing::encode_all(&[pairing(3), pairing(0)]);
        assert!(Pairing::decode_all(&disorder).is_err());
        assert_eq!(Pairing::decode_all(&[]).unwrap(), []);
    }

    #[test]
    fn slots_labels_and_flags_outside_their_range_are_refused() {
        assert!(SlotNumber::new(16).is_none());
        assert!(Label::new(b"seventeen letters").is_none());
        assert!(Label::new(b"tab\t").is_none());
        assert!(decode_delete(&[0x80, 1, 16]).is_err());
        assert!(decode_delete(&[0x80, 1, 15]).is_ok());
        assert!(PairingChange::decode(&[0x80, 1, 1, 0x82, 0, 0x83, 1, 2]).is_err());
        assert!(PairingChange::decode(&[0x80, 1, 1, 0x82, 0, 0x83, 1, 1]).is_ok());
    }
}
