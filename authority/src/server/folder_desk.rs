//! The desk over an authority in a folder, behind a mutex. One process; it keeps no tree and asks for no approvals.
//!
//! Exactly-once holds while the service runs: the outcomes of orders and requests are remembered under their keys.

use super::desk::{
    Desk, DeskError, HolderRow, IdempotencyKey, Issued, Outcome, Page, Part, Waiting,
};
use crate::custody::SigningKey;
use crate::ledger::LedgerError;
use crate::{Authority, AuthorityError, Challenge, Moment, Order, Scope};
use apdu::certificate::{Certificate, Name, Request, Role, StatusList};
use getrandom::SysRng;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Clock;

/// An authority in a folder, with its key unlocked.
pub struct FolderDesk {
    inside: Mutex<Inside>,
    clock: Clock,
}

struct Inside {
    authority: Authority,
    key: SigningKey,
    orders: HashMap<IdempotencyKey, (Order, Challenge)>,
    requests: HashMap<IdempotencyKey, (Vec<u8>, Certificate)>,
}

impl FolderDesk {
    /// A desk over an open authority and its key.
    pub fn new(authority: Authority, key: SigningKey, clock: Clock) -> Self {
        Self {
            inside: Mutex::new(Inside {
                authority,
                key,
                orders: HashMap::new(),
                requests: HashMap::new(),
            }),
            clock,
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // The ledger takes nothing more after a failed write, so a panic elsewhere leaves nothing half done.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Result<Moment, DeskError> {
        let now = Moment::from_unix_seconds((self.clock)());
        now.ok_or_else(|| DeskError::Unavailable("the authority's clock is wrong".into()))
    }
}

impl From<AuthorityError> for DeskError {
    fn from(error: AuthorityError) -> Self {
        match &error {
            AuthorityError::Order(_)
            | AuthorityError::Request(_)
            | AuthorityError::Revocation(_) => Self::Refused(error.to_string()),
            AuthorityError::Ledger(LedgerError::ClockBehind) | AuthorityError::Entropy(_) => {
                Self::Unavailable(error.to_string())
            }
            _ => Self::Internal(error.to_string()), // these name paths
        }
    }
}

impl Desk for FolderDesk {
    fn root(&self) -> Result<Certificate, DeskError> {
        Ok(self.inside().authority.root().clone())
    }

    fn status_list(&self) -> Result<StatusList, DeskError> {
        let inside = self.inside();
        inside
            .authority
            .status_list()
            .cloned()
            .ok_or(DeskError::NotFound)
    }

    fn order(&self, key: &IdempotencyKey, order: Order) -> Result<Challenge, DeskError> {
        let now = self.now()?;
        let mut inside = self.inside();
        match inside.orders.get(key) {
            Some((first, challenge)) if *first == order => return Ok(challenge.clone()),
            Some(_) => return Err(DeskError::Conflict),
            None => {}
        }
        let challenge = inside.authority.order(&order, &mut SysRng, now)?;
        inside
            .orders
            .insert(key.clone(), (order, challenge.clone()));
        Ok(challenge)
    }

    fn request(
        &self,
        key: &IdempotencyKey,
        request: Request,
        role: Role,
        years: Option<u8>,
    ) -> Result<Outcome, DeskError> {
        let now = self.now()?;
        let mut inside = self.inside();
        let certificate = match inside.requests.get(key) {
            Some((first, certificate)) if first == request.encoded() => certificate.clone(),
            Some(_) => return Err(DeskError::Conflict),
            None => {
                let Inside {
                    authority,
                    key: signing,
                    ..
                } = &mut *inside;
                let certificate = authority.issue(signing, &request, role, years, now)?;
                let done = (request.encoded().to_vec(), certificate.clone());
                inside.requests.insert(key.clone(), done);
                certificate
            }
        };
        Ok(Outcome::Issued(Box::new(Issued {
            certificate,
            receipt: Value::Null,
        })))
    }

    fn pending(&self, _id: &str) -> Result<Outcome, DeskError> {
        Err(DeskError::NotFound) // nothing ever waits
    }

    fn approvals(&self) -> Result<Vec<Waiting>, DeskError> {
        Ok(Vec::new())
    }

    fn approve(&self, _id: &str) -> Result<Issued, DeskError> {
        Err(DeskError::NotFound)
    }

    fn refuse(&self, _id: &str, _reason: &str) -> Result<(), DeskError> {
        Err(DeskError::NotFound)
    }

    fn delivered(&self, holder: Name) -> Result<(), DeskError> {
        let now = self.now()?;
        Ok(self.inside().authority.delivered(&holder, now)?)
    }

    fn revoke(&self, holder: Name, reason: &str) -> Result<(), DeskError> {
        let now = self.now()?;
        Ok(self.inside().authority.revoke(&holder, reason, now)?)
    }

    fn publish(&self, scope: Scope) -> Result<StatusList, DeskError> {
        let now = self.now()?;
        let mut inside = self.inside();
        let Inside { authority, key, .. } = &mut *inside;
        Ok(authority.publish(key, scope, now)?)
    }

    fn holders(&self, page: &Page) -> Result<Vec<HolderRow>, DeskError> {
        let inside = self.inside();
        let later = inside
            .authority
            .holders()
            .filter(|holder| Some(holder.certificate.claims().holder) > page.after);
        Ok(later
            .take(page.limit)
            .map(|holder| {
                let claims = holder.certificate.claims();
                HolderRow {
                    holder: claims.holder,
                    role: claims.role,
                    issued: holder.issued,
                    until: claims.until.to_string(),
                    delivered: holder.delivered,
                    revoked: holder.revoked.clone(),
                }
            })
            .collect())
    }

    fn head(&self) -> Result<Value, DeskError> {
        Err(DeskError::NotFound) // no tree is kept
    }

    fn consistency(&self, _from: u64, _to: u64) -> Result<Value, DeskError> {
        Err(DeskError::NotFound)
    }

    fn receipt(&self, _holder: Name) -> Result<Value, DeskError> {
        Err(DeskError::NotFound)
    }

    fn entries(&self, _from: u64, _count: u64) -> Result<Value, DeskError> {
        Err(DeskError::NotFound)
    }

    fn health(&self) -> Vec<Part> {
        let wrong = self.now().err().map(|error| error.to_string());
        let store = self.inside.is_poisoned();
        vec![
            Part {
                name: "clock",
                wrong,
            },
            Part {
                name: "store",
                wrong: store
                    .then(|| "an operation stopped in the middle; restart the service".into()),
            },
        ]
    }
}
