//! GET DATA and PUT DATA objects (§11.1, §11.2, §11.4, §11.7), and the factory reset (§11.6).

use super::{After, no_data, set_up::place_root};
use crate::card::{Card, Reply, World};
use crate::lifecycle::{self, LifeCycle};
use crate::phase::Session;
use crate::refusal::Refusal;
use crate::retry::tries_left;
use crate::store::{Change, Record, Store};
use crate::trust::{Trust, list_sequence, survives, trusted_date};
use alloc::vec::Vec;
use apdu::certificate::{Certificate, StatusList};
use apdu::crypto::PrivateKey;
use apdu::message::pairings::SlotNumber;
use apdu::message::pin::Reference;
use apdu::message::services;
use apdu::message::status::CardStatus;

pub(super) fn card_certificate(world: &World<'_>, data: &[u8]) -> Reply {
    no_data(data)?;
    let certificate = world
        .store
        .read(Record::CERTIFICATE)?
        .ok_or(Refusal::NotNow)?;
    Ok(certificate.to_vec())
}

/// The card's private key; its scalar is the first 32 bytes of the record.
pub(super) fn private_key(store: &dyn Store) -> Result<PrivateKey, Refusal> {
    let record = store.read(Record::KEY)?.ok_or(Refusal::NotNow)?;
    let scalar = record.first_chunk::<32>().ok_or(Refusal::Storage)?;
    PrivateKey::from_scalar(scalar).ok_or(Refusal::Storage)
}

pub(super) fn status(world: &World<'_>, data: &[u8]) -> Reply {
    no_data(data)?;
    let status = CardStatus {
        list_sequence: list_sequence(world.store)?,
        trusted_date: trusted_date(world.store)?.ok_or(Refusal::NotNow)?,
        puk_tries: tries_left(world.store, Reference::Puk)?.unwrap_or(0),
        pin_tries: tries_left(world.store, Reference::Pin)?.unwrap_or(0),
    };
    Ok(status.encode().to_vec())
}

pub(super) fn status_list(world: &World<'_>, data: &[u8]) -> Reply {
    no_data(data)?;
    let list = world
        .store
        .read(Record::STATUS_LIST)?
        .ok_or(Refusal::NotFound)?;
    Ok(list.to_vec())
}

pub(super) fn services(card: &Card, data: &[u8]) -> Reply {
    no_data(data)?;
    Ok(services::encode(
        card.services.iter().map(|service| service.identifier()),
    ))
}

/// A newer list: stored, enforced on every slot, the date moved, in one commit. If it revokes this very terminal, the
/// answer is still protected, then the session ends (§13).
pub(super) fn put_status_list(
    card: &mut Card,
    world: &mut World<'_>,
    session: &Session,
    data: &[u8],
) -> (Reply, After) {
    match try_put_status_list(card, world, data) {
        Err(refusal) => (Err(refusal), After::Stay),
        Ok(())
            if card
                .slots
                .data(session.slot)
                .is_none_or(|data| data.holder != session.holder) =>
        {
            (Ok(Vec::new()), After::End)
        }
        Ok(()) => (Ok(Vec::new()), After::Stay),
    }
}

fn try_put_status_list(card: &mut Card, world: &mut World<'_>, data: &[u8]) -> Result<(), Refusal> {
    let list = StatusList::decode(data).map_err(|_| Refusal::Data)?;
    let trust = Trust::read(world.store)?;
    trust.judge_list(&list)?;
    let claims = list.claims();
    if claims.sequence < trust.list_sequence() {
        return Err(Refusal::NotNow);
    }
    if claims.sequence == trust.list_sequence() {
        return Ok(());
    }
    let epoch = claims.min_epoch.max(trust.min_epoch);
    let (epoch_bytes, date) = (epoch.to_be_bytes(), trust.moved_date(claims.date));
    let bcd = date.to_bcd();
    let mut changes = Vec::from([
        Change::Put(Record::STATUS_LIST, list.encoded()),
        Change::Put(Record::MIN_EPOCH, &epoch_bytes),
        Change::Put(Record::DATE, &bcd),
    ]);
    for number in SlotNumber::all() {
        let revoked = card
            .slots
            .data(number)
            .is_some_and(|data| !survives(&list, epoch, &data.holder, data.epoch));
        if revoked {
            changes.push(Change::Erase(Record::slot(number.number())));
        }
    }
    world.store.commit(&changes)?;
    card.slots.release(world, |data| {
        !survives(&list, epoch, &data.holder, data.epoch)
    });
    card.slots.expire(world, Some(date));
    Ok(())
}

/// A link certificate in a session: its root is stored at once.
pub(super) fn put_link(world: &mut World<'_>, data: &[u8]) -> Reply {
    let link = Certificate::decode(data).map_err(|_| Refusal::Data)?;
    let (_, place) = Trust::read(world.store)?.judge_link(&link)?;
    if let Some(change) = place_root(place, link.encoded()) {
        world.store.commit(&[change])?;
    }
    Ok(Vec::new())
}

/// Back to blank, by whoever knows the PIN, or by any paired terminal once the card is blocked.
pub(super) fn factory_reset(
    card: &mut Card,
    world: &mut World<'_>,
    session: &Session,
    data: &[u8],
) -> (Reply, After) {
    match try_factory_reset(card, world, session, data) {
        Ok(()) => (Ok(Vec::new()), After::End),
        Err(refusal) => (Err(refusal), After::Stay),
    }
}

fn try_factory_reset(
    card: &mut Card,
    world: &mut World<'_>,
    session: &Session,
    data: &[u8],
) -> Result<(), Refusal> {
    no_data(data)?;
    if !session.pin_verified && LifeCycle::of(world.store)? != LifeCycle::Blocked {
        return Err(Refusal::PinNeeded);
    }
    lifecycle::reset(world.store)?;
    card.slots.release(world, |_| true);
    Ok(())
}
