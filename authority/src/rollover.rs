//! Roll-over: a second root by link certificate (`docs/protocol.md` §7.2, §11.7), without recalling a card.
//!
//! ```text
//! new key durable ──► new root, signed by itself ─┐
//!                     link, signed by the old key ─┴─► one line of the ledger ──► all signatures are the new root's
//! ```
//!
//! The line is the switch: before it the old authority is whole, after it the new one. Nothing else about the authority changes: one
//! ledger, one space of names, one sequence of status lists, one count of epochs.

use crate::authority::Authority;
use crate::book::{Book, counted};
use crate::clock::Waits;
use crate::custody::{NewKey, Signer};
use crate::error::AuthorityError;
use crate::ledger::Event;
use crate::moment::{Moment, last_day};
use crate::roots::Root;
use crate::store::Needs;
use apdu::certificate::{Certificate, CertificateFields, Name, Role};
use apdu::crypto::Entropy;
use std::path::Path;

/// The roll-over is against policy. Nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RolloverRefused {
    /// Done before, perhaps by a run that could not say so.
    #[error("{0} is the authority's root already; there is nothing left to do")]
    Done(Name),
    /// A root or a holder has the name.
    #[error("the name {0} was given before, and no name is given twice; choose another")]
    Taken(Name),
    /// Their cards know the present root only, and it signs nothing afterwards.
    #[error("requests wait for an operator, {0} of them; decide about them before the roll-over")]
    Waiting(u64),
    /// A restored ledger does not know all names.
    #[error(
        "a line that was lost before the restoration may have given the name {0}; choose one with a higher number"
    )]
    MayBeLost(Name),
    /// Cards judge a link by its last day, which is not after the old root's.
    #[error(
        "the authority's root expired on {0}, so nobody would follow a link from it; begin anew with `certify ca init`"
    )]
    Expired(String),
    /// The old root's key, or a holder's.
    #[error("the new key was certified before, for {0}; a root needs a key of its own")]
    KnownKey(Name),
}

impl Authority {
    /// Makes `next` the key of a new root, and from the moment when this returns everything is signed with it. The key is durable in
    /// `folder` before anything is signed; a run that was cut off leaves the old authority, and the same call goes on with the key it
    /// finds there.
    ///
    /// # Errors
    /// [`RolloverRefused`]; [`AuthorityError::RolledOver`] when `old` is not the newest root's key; otherwise keys, store or clock.
    pub fn roll_over(
        &mut self,
        folder: &Path,
        old: &mut dyn Signer,
        next: NewKey<'_>,
        wish: &NewRoot,
        entropy: &mut dyn Entropy,
        now: Moment,
    ) -> Result<Root, AuthorityError> {
        match self.store.awaiting_count(now.unix_seconds())? {
            0 => {}
            waiting => return Err(RolloverRefused::Waiting(waiting).into()),
        }
        let mut needs = Needs::default();
        needs.names.insert(wish.name);
        needs
            .prefixes
            .extend(counted(&wish.name).map(|(prefix, _)| prefix.to_owned()));
        // Policy first: a key that nobody may use is not made.
        let book = self.store.begin(&needs)?;
        let allowed = check(&book, old, wish, now);
        self.store.abandon();
        allowed?;
        let mut next = next.make_next(folder, &wish.name, entropy)?;
        needs.points.insert(next.public_key().to_compressed());
        // The head over the line is the new root's, so the new key is the one that the step knows.
        let root = self.step(
            &needs,
            Some(next.as_mut()),
            (now, Waits::ForTheClock),
            |book, next, now| {
                let next = next.ok_or(AuthorityError::KeyNeeded)?;
                record(book, old, next, wish, now)
            },
        )?;
        self.roots.push(root.clone());
        Ok(root)
    }
}

/// What the new root is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRoot {
    /// Its name.
    pub name: Name,
    /// How long it is good for, in years.
    pub years: u8,
}

fn check(book: &Book, old: &dyn Signer, wish: &NewRoot, now: Moment) -> Result<(), AuthorityError> {
    let root = book.roots.newest();
    if root.name() == wish.name && root.link.is_some() {
        return Err(RolloverRefused::Done(wish.name).into());
    }
    if book.is_given(&wish.name) {
        return Err(RolloverRefused::Taken(wish.name).into());
    }
    if book.may_be_lost(&wish.name) {
        return Err(RolloverRefused::MayBeLost(wish.name).into());
    }
    book.require_key(old)?;
    let until = root.certificate.claims().until;
    if until < now.day() {
        return Err(RolloverRefused::Expired(until.to_string()).into());
    }
    Ok(())
}

/// Signs the new root and the link to it, and writes both down.
fn record(
    book: &mut Book,
    old: &mut dyn Signer,
    next: &mut dyn Signer,
    wish: &NewRoot,
    now: Moment,
) -> Result<Root, AuthorityError> {
    check(book, old, wish, now)?;
    let key = next.public_key();
    if let Some(holder) = book.points.get(&key.to_compressed()) {
        return Err(RolloverRefused::KnownKey(*holder).into());
    }
    let before = book.roots.newest().certificate.claims();
    let own = CertificateFields {
        issuer: wish.name,
        holder: wish.name,
        role: Role::Authority,
        epoch: book.min_epoch(), // a card may have seen this minimum, and judges the link by it
        key,
        from: now.day(),
        until: last_day(now.day(), wish.years),
    };
    let link = CertificateFields {
        issuer: before.holder,
        until: own.until.min(before.until),
        ..own.clone()
    };
    let signature = next.sign(&own.encode_body())?;
    let certificate = Certificate::assemble(own, signature);
    let signature = old.sign(&link.encode_body())?;
    let link = Certificate::assemble(link, signature);
    let event = Event::Rollover {
        holder: wish.name,
        key_id: certificate.key_id(),
        certificate: certificate.clone(),
        link: link.clone(),
    };
    let line = book.record(now.unix_seconds(), None, event)?;
    Ok(Root {
        certificate,
        link: Some(link),
        line: line.sequence,
    })
}
