//! Revocation and the signed status list (§13).

use crate::book::Book;
use crate::custody::Signer;
use crate::error::AuthorityError;
use crate::ledger::{Event, Line};
use crate::moment::Moment;
use crate::roots::Root;
use apdu::certificate::{Name, StatusList, StatusListFields};
use apdu::identifier::MAX_REVOKED;
use std::collections::BTreeSet;

/// Longest reason, in bytes.
pub(crate) const MAX_REASON: usize = 200;

/// Whom a new status list cuts off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The revoked holders, by name.
    Revoked,
    /// Every certificate issued so far: the minimum epoch rises by one, and the list of names begins anew.
    Everything,
}

/// The revocation cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevocationRefused {
    /// No certificate has this name.
    #[error("no certificate was ever issued to {0}")]
    Unknown(Name),
    /// Done before.
    #[error("{0} is revoked already; `certify status-list publish` publishes it again")]
    Already(Name),
    /// The reason is empty, too long, or more than one line.
    #[error("a reason is one line of 1 to {MAX_REASON} bytes")]
    Reason,
    /// A list has room for 64.
    #[error(
        "{MAX_REVOKED} holders are revoked already, and a list has no room for more; \
         cut off all certificates issued so far with `certify status-list publish --cut-off-all`, then certify the good ones again"
    )]
    Full,
    /// 4,294,967,295 lists or epochs.
    #[error("the numbers of status lists or epochs are used up")]
    UsedUp,
}

/// Revokes a holder, for ever: the line. It works once a list is published.
pub(crate) fn revoke(
    book: &mut Book,
    holder: &Name,
    reason: &str,
    by: Option<String>,
    now: Moment,
) -> Result<Line, AuthorityError> {
    let known = book.holders.get(holder).map(|(holder, _)| holder);
    let known = known.ok_or(RevocationRefused::Unknown(*holder))?;
    if known.revoked.is_some() {
        return Err(RevocationRefused::Already(*holder).into());
    }
    if !is_reason(reason) {
        return Err(RevocationRefused::Reason.into());
    }
    let in_force = known.certificate.claims().epoch >= book.min_epoch();
    if in_force && book.cut_off.len() >= MAX_REVOKED {
        return Err(RevocationRefused::Full.into());
    }
    let event = Event::Revoked {
        holder: *holder,
        reason: reason.into(),
    };
    Ok(book.record(now.unix_seconds(), by, event)?)
}

/// Whether an operator's words can stand in the ledger: one line of 1 to [`MAX_REASON`] bytes.
pub(crate) fn is_reason(words: &str) -> bool {
    let one_line = !words.contains(char::is_control);
    one_line && !words.trim().is_empty() && words.len() <= MAX_REASON
}

/// Signs the next status list with the newest root's key: sequence + 1, dated today. It revokes holders under all roots.
pub(crate) fn publish(
    book: &mut Book,
    key: &mut dyn Signer,
    scope: Scope,
    confirms: Option<u64>,
    by: Option<String>,
    now: Moment,
) -> Result<(StatusList, Line), AuthorityError> {
    book.require_key(key)?;
    let issuer = book.roots.newest().name();
    sign(book, key, issuer, (scope, confirms), by, now)
}

/// The same with an earlier root's key, for whoever knows no later one. Nothing is cut off with it: the link to the next root would be,
/// too, where only this list is known.
pub(crate) fn publish_under(
    book: &mut Book,
    key: &mut dyn Signer,
    now: Moment,
) -> Result<(StatusList, Line), AuthorityError> {
    let public = key.public_key();
    let of = |root: &&Root| root.certificate.claims().key == public;
    let issuer = book.roots.iter().find(of).map(Root::name);
    let issuer = issuer.ok_or_else(|| AuthorityError::RolledOver(book.roots.newest().name()))?;
    sign(book, key, issuer, (Scope::Revoked, None), None, now)
}

fn sign(
    book: &mut Book,
    key: &mut dyn Signer,
    issuer: Name,
    (scope, confirms): (Scope, Option<u64>),
    by: Option<String>,
    now: Moment,
) -> Result<(StatusList, Line), AuthorityError> {
    let (min_epoch, revoked) = match scope {
        Scope::Revoked => (Some(book.min_epoch()), book.cut_off.clone()),
        Scope::Everything => (book.min_epoch().checked_add(1), BTreeSet::new()),
    };
    let min_epoch = min_epoch.ok_or(RevocationRefused::UsedUp)?;
    let sequence = book.next_sequence().ok_or(RevocationRefused::UsedUp)?;
    let fields = StatusListFields {
        issuer,
        sequence,
        min_epoch,
        date: now.day(),
        revoked: revoked.into_iter().collect(),
    };
    let signature = key.sign(&fields.encode_body())?;
    let list = StatusList::assemble(fields, signature);
    let event = Event::List {
        sequence,
        min_epoch,
        list: list.clone(),
        confirms,
    };
    let line = book.record(now.unix_seconds(), by, event)?;
    Ok((list, line))
}
