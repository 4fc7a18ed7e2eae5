//! PIN and PUK with their retry counters (§11.5). Order: syntax, tries, durable decrement, compare, durable restore, answer.

use crate::card::World;
use crate::refusal::Refusal;
use crate::store::{Change, Record, Store, StoreError, Value};
use alloc::vec::Vec;
use apdu::crypto::{Secret, codes_equal, hmac_sha256};
use apdu::identifier::{PIN_TRIES, PUK_TRIES};
use apdu::message::pin::{Digits, Reference};
use planted::planted;

/// Bytes of the key in a reference record; the value follows.
const KEY: usize = 32;

fn records(reference: Reference) -> (Record, Record, u8) {
    match reference {
        Reference::Pin => (Record::PIN, Record::PIN_TRIES, PIN_TRIES),
        Reference::Puk => (Record::PUK, Record::PUK_TRIES, PUK_TRIES),
    }
}

/// `HMAC(k, "TALLY1 pin" || reference || digits)`.
fn value(key: &[u8], reference: Reference, digits: &Digits) -> Secret<32> {
    let number = [reference.number()];
    hmac_sha256(key, &[b"TALLY1 pin", &number, digits.expose()])
}

/// The records of a new value, with all tries.
pub(crate) struct NewReference {
    reference: Reference,
    record: Value,
}

impl NewReference {
    pub(crate) fn draw(
        world: &mut World<'_>,
        reference: Reference,
        digits: &Digits,
    ) -> Result<Self, Refusal> {
        let key = world.entropy.secret::<KEY>()?;
        let value = value(key.expose(), reference, digits);
        let record: Vec<u8> = [key.expose().as_slice(), value.expose()].concat();
        Ok(Self {
            reference,
            record: Value::new(record),
        })
    }

    pub(crate) fn changes(&self) -> [Change<'_>; 2] {
        let (record, tries, full) = records(self.reference);
        [
            Change::Put(record, &self.record),
            Change::Put(tries, full_tries(full)),
        ]
    }
}

fn full_tries(full: u8) -> &'static [u8] {
    match full {
        PIN_TRIES => &[PIN_TRIES],
        _ => &[PUK_TRIES],
    }
}

/// Tries left; `None` when the reference was never set.
pub(crate) fn tries_left(
    store: &dyn Store,
    reference: Reference,
) -> Result<Option<u8>, StoreError> {
    let (_, tries, full) = records(reference);
    match store.read(tries)?.as_deref().map(Vec::as_slice) {
        None => Ok(None),
        Some(&[left]) if left <= full => Ok(Some(left)),
        Some(_) => Err(StoreError), // not one of ours: a gate treats an error as a refusal
    }
}

/// Spends a try durably, compares, and on success restores all tries together with `on_success`, in one commit.
pub(crate) fn compare(
    world: &mut World<'_>,
    reference: Reference,
    digits: &Digits,
    on_success: &[Change<'_>],
) -> Result<(), Refusal> {
    let (record, tries, full) = records(reference);
    let stored = world.store.read(record)?.ok_or(Refusal::NotNow)?;
    let left = tries_left(world.store, reference)?.ok_or(Refusal::NotNow)?;
    if planted("comparison-before-the-try-is-spent") {
        let (key, expected) = stored.split_at_checked(KEY).ok_or(Refusal::Storage)?;
        if !codes_equal(value(key, reference, digits).expose(), expected) {
            let tries_left = left.saturating_sub(1);
            world.store.commit(&[Change::Put(tries, &[tries_left])])?;
            return Err(Refusal::WrongDigits { tries_left });
        }
    }
    let spent = left.checked_sub(1).ok_or(Refusal::Blocked)?;
    world.store.commit(&[Change::Put(tries, &[spent])])?;
    // Why: a write that only seemed to succeed must not give a free guess.
    if tries_left(world.store, reference)? != Some(spent) {
        return Err(Refusal::Storage);
    }
    let (key, expected) = stored.split_at_checked(KEY).ok_or(Refusal::Storage)?;
    if !codes_equal(value(key, reference, digits).expose(), expected) {
        return Err(Refusal::WrongDigits { tries_left: spent });
    }
    let mut changes = Vec::with_capacity(on_success.len() + 1);
    // A new value of the very reference that was compared brings its tries along.
    if on_success.iter().all(|change| change.record() != tries) {
        changes.push(Change::Put(tries, full_tries(full)));
    }
    changes.extend_from_slice(on_success);
    world.store.commit(&changes)?;
    Ok(())
}
