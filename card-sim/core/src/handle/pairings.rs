//! The card's pairings (§11.3): list, change, delete.

use super::After;
use crate::card::{Card, Reply, World};
use crate::handle::no_data;
use crate::phase::Session;
use crate::refusal::Refusal;
use crate::slots::SlotData;
use crate::store::{Change, Record};
use alloc::vec::Vec;
use apdu::message::pairings::{Pairing, PairingChange, SlotNumber, decode_delete};

pub(super) fn list(card: &Card, session: &Session, data: &[u8]) -> Reply {
    no_data(data)?;
    need_pin(session)?;
    Ok(Pairing::encode_all(&card.slots.list()))
}

pub(super) fn change(
    card: &mut Card,
    world: &mut World<'_>,
    session: &Session,
    data: &[u8],
) -> Reply {
    let PairingChange {
        slot,
        label,
        pinned,
    } = PairingChange::decode(data)?;
    need_pin(session)?;
    let current = card.slots.data(slot).ok_or(Refusal::NotFound)?.clone();
    let changed = SlotData {
        label,
        pinned,
        ..current
    };
    let record = card
        .slots
        .encode_with(slot, &changed)
        .ok_or(Refusal::NotFound)?;
    world
        .store
        .commit(&[Change::Put(Record::slot(slot.number()), &record)])?;
    card.slots.put(slot, changed, None);
    Ok(Vec::new())
}

/// The own pairing needs no PIN; the answer is still protected, then the session ends.
pub(super) fn delete(
    card: &mut Card,
    world: &mut World<'_>,
    session: &Session,
    data: &[u8],
) -> (Reply, After) {
    match try_delete(card, world, session, data) {
        Ok(slot) if slot == session.slot => (Ok(Vec::new()), After::End),
        Ok(_) => (Ok(Vec::new()), After::Stay),
        Err(refusal) => (Err(refusal), After::Stay),
    }
}

fn try_delete(
    card: &mut Card,
    world: &mut World<'_>,
    session: &Session,
    data: &[u8],
) -> Result<SlotNumber, Refusal> {
    let slot = decode_delete(data)?;
    if slot != session.slot {
        need_pin(session)?;
    }
    let holder = card.slots.data(slot).ok_or(Refusal::NotFound)?.holder;
    world
        .store
        .commit(&[Change::Erase(Record::slot(slot.number()))])?;
    card.slots.release(world, |data| data.holder == holder);
    Ok(slot)
}

fn need_pin(session: &Session) -> Result<(), Refusal> {
    if session.pin_verified {
        Ok(())
    } else {
        Err(Refusal::PinNeeded)
    }
}
