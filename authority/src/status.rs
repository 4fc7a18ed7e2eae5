//! Revocation and the signed status list (§13).

use crate::authority::Authority;
use crate::custody::Signer;
use crate::error::AuthorityError;
use crate::ledger::Event;
use crate::moment::Moment;
use apdu::certificate::{Name, StatusList, StatusListFields};
use apdu::identifier::MAX_REVOKED;

/// Longest reason, in bytes.
const MAX_REASON: usize = 200;

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
    #[error("{0} is revoked already; `certify status-list` publishes it again")]
    Already(Name),
    /// The reason is empty, too long, or more than one line.
    #[error("a reason is one line of 1 to {MAX_REASON} bytes")]
    Reason,
    /// A list has room for 64.
    #[error(
        "{MAX_REVOKED} holders are revoked already, and a list has no room for more; \
         cut off all certificates issued so far with `certify status-list --cut-off-all`, then certify the good ones again"
    )]
    Full,
    /// 4,294,967,295 lists or epochs.
    #[error("the numbers of status lists or epochs are used up")]
    UsedUp,
}

impl Authority {
    /// Revokes a holder, for ever. The revocation is in the ledger when this returns; it works once a list is published.
    ///
    /// # Errors
    /// [`RevocationRefused`] when the name is unknown or revoked, or the list is full; otherwise ledger or clock.
    pub fn revoke(
        &mut self,
        holder: &Name,
        reason: &str,
        now: Moment,
    ) -> Result<(), AuthorityError> {
        let known = self.holder(holder)?;
        if known.revoked.is_some() {
            return Err(RevocationRefused::Already(*holder).into());
        }
        let one_line = !reason.contains(char::is_control);
        if !one_line || reason.trim().is_empty() || reason.len() > MAX_REASON {
            return Err(RevocationRefused::Reason.into());
        }
        let in_force = known.certificate.claims().epoch >= self.book.min_epoch();
        if in_force && self.book.revoked(self.book.min_epoch()).len() >= MAX_REVOKED {
            return Err(RevocationRefused::Full.into());
        }
        let event = Event::Revoked {
            holder: *holder,
            reason: reason.into(),
        };
        self.record(now, event).map(drop)
    }

    /// Signs the next status list: sequence + 1, dated today. It is in the ledger when this returns.
    ///
    /// # Errors
    /// [`RevocationRefused::UsedUp`] after 2^32 lists; otherwise the key, ledger or clock.
    pub fn publish(
        &mut self,
        key: &mut dyn Signer,
        scope: Scope,
        now: Moment,
    ) -> Result<StatusList, AuthorityError> {
        self.ledger.check_clock(now)?;
        let min_epoch = match scope {
            Scope::Revoked => Some(self.book.min_epoch()),
            Scope::Everything => self.book.min_epoch().checked_add(1),
        };
        let min_epoch = min_epoch.ok_or(RevocationRefused::UsedUp)?;
        let sequence = self.book.next_sequence().ok_or(RevocationRefused::UsedUp)?;
        let fields = StatusListFields {
            issuer: self.book.root.claims().holder,
            sequence,
            min_epoch,
            date: now.day(),
            revoked: self.book.revoked(min_epoch).into_iter().collect(),
        };
        let signature = key.sign(&fields.encode_body())?;
        let list = StatusList::assemble(fields, signature);
        let event = Event::List {
            sequence,
            min_epoch,
            list: list.clone(),
        };
        self.record(now, event)?;
        Ok(list)
    }
}
