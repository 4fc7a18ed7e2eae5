//! VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER (§11.5). "Verified" lives in one session.

use crate::card::{Reply, World};
use crate::phase::Session;
use crate::refusal::Refusal;
use crate::retry::{NewReference, compare, tries_left};
use alloc::vec::Vec;
use apdu::message::pin::{Digits, Reference, Replacement};
use planted::planted;

/// VERIFY in a session; without data it only asks.
pub(super) fn verify(world: &mut World<'_>, session: &mut Session, data: &[u8]) -> Reply {
    if data.is_empty() {
        return query(world, session.pin_verified);
    }
    let digits = Digits::new(Reference::Pin, data).ok_or(Refusal::Data)?;
    if !planted("verified-outlives-a-wrong-pin") {
        session.pin_verified = false;
    }
    not_blocked(world)?;
    compare(world, Reference::Pin, &digits, &[])?;
    session.pin_verified = true;
    Ok(Vec::new())
}

/// VERIFY in set-up.
pub(super) fn verify_in_set_up(world: &mut World<'_>, any_pairing: bool, data: &[u8]) -> Reply {
    let digits = Digits::new(Reference::Pin, data).ok_or(Refusal::Data)?;
    not_blocked(world)?;
    keep_last_try(world, any_pairing, Reference::Pin)?;
    compare(world, Reference::Pin, &digits, &[])?;
    Ok(Vec::new())
}

/// UNBLOCK in set-up.
pub(super) fn unblock_in_set_up(world: &mut World<'_>, any_pairing: bool, data: &[u8]) -> Reply {
    // Why syntax first: malformed data is 6A80 whatever the tries.
    Replacement::decode(data, Reference::Puk, Reference::Pin).ok_or(Refusal::Data)?;
    keep_last_try(world, any_pairing, Reference::Puk)?;
    unblock(world, data)
}

/// Once a pairing exists, a set-up does not spend the last try: a stranger with a certificate can block neither code (§11.5).
fn keep_last_try(
    world: &World<'_>,
    any_pairing: bool,
    reference: Reference,
) -> Result<(), Refusal> {
    let anybody = planted("last-try-for-strangers");
    if any_pairing && !anybody && tries_left(world.store, reference)? == Some(1) {
        return Err(Refusal::Blocked);
    }
    Ok(())
}

/// VERIFY without data: spends nothing.
pub(super) fn query(world: &World<'_>, verified: bool) -> Reply {
    if verified {
        return Ok(Vec::new());
    }
    not_blocked(world)?;
    match tries_left(world.store, Reference::Pin)? {
        None => Err(Refusal::NotNow),
        Some(0) => Err(Refusal::Blocked),
        Some(tries_left) => Err(Refusal::WrongDigits { tries_left }),
    }
}

/// CHANGE: the old value is compared and counted, the new one takes effect in the same commit.
pub(super) fn change(
    world: &mut World<'_>,
    session: &mut Session,
    reference: Reference,
    data: &[u8],
) -> Reply {
    let Replacement { old, new } =
        Replacement::decode(data, reference, reference).ok_or(Refusal::Data)?;
    not_blocked(world)?;
    let new = NewReference::draw(world, reference, &new)?;
    let outcome = compare(world, reference, &old, &new.changes());
    forget_after_a_wrong_code(session, outcome).map(|()| Vec::new())
}

/// UNBLOCK in a session.
pub(super) fn unblock_in_session(
    world: &mut World<'_>,
    session: &mut Session,
    data: &[u8],
) -> Reply {
    let outcome = unblock(world, data);
    forget_after_a_wrong_code(session, outcome)
}

/// Whoever guesses a code, PIN or PUK, is not whoever has verified the PIN (§11.5).
fn forget_after_a_wrong_code<T>(
    session: &mut Session,
    outcome: Result<T, Refusal>,
) -> Result<T, Refusal> {
    if matches!(outcome, Err(Refusal::WrongDigits { .. })) && !planted("verified-outlives-a-guess")
    {
        session.pin_verified = false;
    }
    outcome
}

/// UNBLOCK: counted on the PUK; success sets the PIN and fills both counters.
fn unblock(world: &mut World<'_>, data: &[u8]) -> Reply {
    let Replacement { old: puk, new } =
        Replacement::decode(data, Reference::Puk, Reference::Pin).ok_or(Refusal::Data)?;
    let new = NewReference::draw(world, Reference::Pin, &new)?;
    compare(world, Reference::Puk, &puk, &new.changes())?;
    Ok(Vec::new())
}

/// A card whose PUK is used up verifies nothing any more (§12.1: blocked).
fn not_blocked(world: &World<'_>) -> Result<(), Refusal> {
    match tries_left(world.store, Reference::Puk)? {
        Some(0) => Err(Refusal::Blocked),
        _ => Ok(()),
    }
}
