//! The desk over an authority's store: a clerk who writes, and a pool of connections to the store for those who only read.

use super::Clock;
use super::approval::Approval;
use super::clients::RegisterError;
use super::desk::{
    Desk, DeskError, HolderRow, IdempotencyKey, Issued, Outcome, Page, Part, Waiting,
};
use super::pool::{Lent, Pool};
use crate::clerk::{Clerk, ClerkError, Machine, Made};
use crate::custody::{Awaited, CustodyError, Signer};
use crate::job::{Job, Task};
use crate::ledger::{ClientChange, Event, Line, Wish};
use crate::store::{StoreError, Token};
use crate::tree::Receipt;
use crate::{
    Application, ApprovalRefused, Authority, AuthorityError, Challenge, ClientRefused, Holder,
    Moment, NotProvable, Order, RevocationRefused, Root, Scope,
};
use apdu::certificate::{Certificate, Name, Request, Role, StatusList};
use apdu::crypto::Entropy;
use getrandom::SysRng;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

/// Most certificates that are told to wait for their holder.
pub(super) const MAX_WAITING: u32 = 256;

/// An authority with its key at work.
pub struct LedgerDesk {
    clerk: Clerk,
    readers: Pool<Authority>,
    clock: Clock,
    approval: Approval,
    /// How long a request waits for it.
    approval_time: Duration,
    /// Whether the last change was refused by the store.
    unwritable: AtomicBool,
}

struct Here {
    clock: Clock,
    entropy: SysRng,
}

impl Machine for Here {
    fn now(&mut self) -> Option<Moment> {
        Moment::from_unix_seconds((self.clock)())
    }

    fn entropy(&mut self) -> &mut dyn Entropy {
        &mut self.entropy
    }
}

impl LedgerDesk {
    /// Sets a clerk to work on `writer` with the authority's key; `readers` are other openings of the same store.
    pub fn new(
        writer: Authority,
        readers: impl Into<Pool<Authority>>,
        key: Box<dyn Signer>,
        clock: Clock,
    ) -> Self {
        let here = Here {
            clock: clock.clone(),
            entropy: SysRng,
        };
        Self {
            clerk: Clerk::start(writer, key, Box::new(here)),
            readers: readers.into(),
            clock,
            approval: Approval::None,
            approval_time: Duration::ZERO,
            unwritable: AtomicBool::new(false),
        }
    }

    /// The same with a key that may be away at first: the health page says so until it has signed.
    pub fn awaiting(
        writer: Authority,
        readers: impl Into<Pool<Authority>>,
        key: Awaited,
        clock: Clock,
    ) -> Self {
        let missing = key.missing().map(str::to_owned);
        let desk = Self::new(writer, readers, Box::new(key), clock);
        desk.clerk.note_key_trouble(missing);
        desk
    }

    /// Has requests of these roles wait for an operator, for at most this time.
    pub fn with_approval(self, approval: Approval, approval_time: Duration) -> Self {
        Self {
            approval,
            approval_time,
            ..self
        }
    }

    pub(super) fn reader(&self) -> Lent<'_, Authority> {
        self.readers.borrow()
    }

    pub(super) fn now(&self) -> Result<Moment, DeskError> {
        let now = Moment::from_unix_seconds((self.clock)());
        now.ok_or_else(|| DeskError::Unavailable(ClerkError::Clock.to_string()))
    }

    /// Has a task done for a client, once.
    fn ask(&self, key: &IdempotencyKey, job: Job) -> Result<Made, DeskError> {
        Ok(self.try_ask(key, job)?)
    }

    /// Has a task done for a client without its own word for it: a change of the clients, which is refused when it was done before.
    fn ask_for(&self, by: &str, job: Job) -> Result<Line, RegisterError> {
        let by = Some(by.into());
        let token = None;
        match self.clerk.ask(Task { job, by, token }) {
            Ok(line) => Ok(line),
            Err(ClerkError::Task(error)) => Err(error.into()),
            Err(ClerkError::Store(error)) => Err(error.into()),
            Err(error) => Err(RegisterError::Busy(error.to_string())),
        }
    }

    pub(super) fn try_ask(&self, key: &IdempotencyKey, job: Job) -> Result<Made, ClerkError> {
        let task = Task {
            job,
            by: Some(key.client().into()),
            token: Some(Token {
                client: key.client().into(),
                word: key.key().into(),
            }),
        };
        let done = self.clerk.make(task);
        match &done {
            Ok(_) => self.unwritable.store(false, SeqCst),
            Err(ClerkError::Store(_)) => self.unwritable.store(true, SeqCst),
            Err(_) => {}
        }
        done
    }

    /// What is wrong with the clock: also a ledger that is ahead of it, for that looks the same.
    fn clock_trouble(&self) -> Option<String> {
        let Some(now) = Moment::from_unix_seconds((self.clock)()) else {
            return Some("the clock is wrong: it is before the year 2000 or after 2099".into());
        };
        // Now, and when it was last looked at: far ahead of what was seen before.
        let trouble = self.reader().clock_trouble(now).ok().flatten(); // a store that does not answer is another part's matter
        let trouble = trouble.map(|trouble| trouble.to_string());
        trouble.or_else(|| self.clerk.clock_trouble())
    }

    /// What is wrong with the store. After a change that failed it is tried with a small write, for reading may still work.
    fn store_trouble(&self) -> Option<String> {
        let mut reader = self.reader();
        let (read, tried) = match self.unwritable.load(SeqCst) {
            false => (reader.size().map(drop), "the store does not answer"),
            true => (reader.probe(), "the store takes no changes"),
        };
        match read {
            Ok(()) => {
                self.unwritable.store(false, SeqCst);
                None
            }
            Err(error) => {
                tracing::error!(reason = %error, "the store");
                Some(tried.into())
            }
        }
    }

    /// The certificate of a line with its receipt: the step's own, or read, for a line of before.
    pub(super) fn issued(
        &self,
        line: &Line,
        receipt: Option<Receipt>,
    ) -> Result<Issued, DeskError> {
        let Event::Issued { certificate, .. } = &line.event else {
            return Err(DeskError::Conflict);
        };
        let receipt = match receipt {
            Some(receipt) => json(serde_json::to_value(receipt))?,
            None => self.read_receipt(line.sequence)?,
        };
        Ok(Issued {
            certificate: certificate.clone(),
            receipt,
        })
    }

    fn read_receipt(&self, line: u64) -> Result<Value, DeskError> {
        match self.reader().receipt_of(line) {
            Ok(receipt) => json(serde_json::to_value(receipt)),
            Err(AuthorityError::NotProvable(_)) => Ok(Value::Null), // the key was lost between certificate and head
            Err(error) => Err(error.into()),
        }
    }
}

fn json(value: serde_json::Result<Value>) -> Result<Value, DeskError> {
    value.map_err(|error| DeskError::Internal(error.to_string()))
}

/// The client hears what went wrong, and no names of this machine's files.
impl From<StoreError> for DeskError {
    fn from(error: StoreError) -> Self {
        tracing::error!(reason = %error, "the store");
        match error {
            StoreError::Busy(_) => {
                Self::Unavailable("the store is in use for too long; try again".into())
            }
            StoreError::Unavailable { .. } => {
                Self::Unavailable("the store is not available; try again later".into())
            }
            error => Self::Internal(error.to_string()),
        }
    }
}

impl From<AuthorityError> for DeskError {
    fn from(error: AuthorityError) -> Self {
        match error {
            AuthorityError::Order(_) | AuthorityError::Request(_) => {
                Self::Refused(error.to_string())
            }
            AuthorityError::Revocation(RevocationRefused::Unknown(_))
            | AuthorityError::NotProvable(NotProvable::NotSigned(_)) => Self::NotFound,
            AuthorityError::Revocation(_) | AuthorityError::NotProvable(_) => {
                Self::Refused(error.to_string())
            }
            AuthorityError::Approval(ApprovalRefused::Unknown(_))
            | AuthorityError::Client(ClientRefused::NoProposal(_)) => Self::NotFound,
            AuthorityError::Right(_) | AuthorityError::Client(_) => {
                Self::Refused(error.to_string())
            }
            AuthorityError::TokenReused | AuthorityError::Approval(ApprovalRefused::Decided(_)) => {
                Self::Conflict
            }
            AuthorityError::Approval(_) => Self::Refused(error.to_string()),
            AuthorityError::ClockBehind { .. }
            | AuthorityError::ClockAhead { .. }
            | AuthorityError::RolledOver(_) => Self::Unavailable(error.to_string()),
            AuthorityError::Entropy(_) => Self::Unavailable(error.to_string()),
            AuthorityError::Store(error) => error.into(),
            AuthorityError::Custody(CustodyError::TokenLost { .. }) => {
                tracing::error!(reason = %error, "the key");
                Self::Unavailable(
                    "the authority's key is away; an operator of the authority has to look".into(),
                )
            }
            _ => Self::Internal(error.to_string()), // these name paths
        }
    }
}

impl From<ClerkError> for DeskError {
    fn from(error: ClerkError) -> Self {
        match error {
            ClerkError::Task(error) => error.into(),
            ClerkError::Store(error) => error.into(),
            ClerkError::Clock | ClerkError::Full | ClerkError::Stopping => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}

impl Desk for LedgerDesk {
    fn root(&self) -> Result<Certificate, DeskError> {
        Ok(self.reader().look_again()?.newest().certificate.clone())
    }

    fn roots(&self) -> Result<Vec<(Root, Value)>, DeskError> {
        let mut reader = self.reader();
        let roots: Vec<Root> = reader.look_again()?.iter().cloned().collect();
        let proved = |root: Root| {
            let receipt = reader.receipt_of(root.line)?;
            Ok((root, json(serde_json::to_value(receipt))?))
        };
        roots.into_iter().map(proved).collect()
    }

    fn status_list(&self) -> Result<StatusList, DeskError> {
        self.reader().status_list()?.ok_or(DeskError::NotFound)
    }

    fn order(&self, key: &IdempotencyKey, order: Order) -> Result<Challenge, DeskError> {
        // Under whichever root is in force now: a request under an earlier one would be refused.
        let made = self.ask(key, Job::Order(order))?;
        Challenge::of(&made.line, made.issuer).ok_or(DeskError::Conflict)
    }

    fn request(
        &self,
        key: &IdempotencyKey,
        request: Request,
        role: Role,
        years: Option<u8>,
    ) -> Result<Outcome, DeskError> {
        let application = Application {
            request,
            role,
            years,
        };
        let application = Box::new(application);
        let lifetime = self.approval_time.as_secs();
        let job = match self.approval.is_needed(role) {
            false => Job::Issue(application),
            true => Job::Ask {
                application,
                lifetime,
            },
        };
        let made = self.ask(key, job)?;
        match made.line.event {
            Event::Requested { .. } => self.outcome(&self.asked(made.line.sequence)?),
            _ => {
                let issued = self.issued(&made.line, made.receipt)?;
                Ok(Outcome::Issued(Box::new(issued)))
            }
        }
    }

    fn pending(&self, client: &str, id: &str) -> Result<Outcome, DeskError> {
        self.outcome_for(client, id)
    }

    fn awaiting(&self, client: &str, role: Role) -> Result<Vec<Waiting>, DeskError> {
        self.waiting_of(client, role)
    }

    fn approvals(&self) -> Result<Vec<Waiting>, DeskError> {
        self.all_waiting()
    }

    fn approvals_count(&self) -> Result<u64, DeskError> {
        self.waiting_count()
    }

    fn approval(&self, id: &str) -> Result<Option<Waiting>, DeskError> {
        self.still_waiting(id)
    }

    fn approve(&self, key: &IdempotencyKey, id: &str) -> Result<Issued, DeskError> {
        self.say_yes(key, id)
    }

    fn refuse(&self, key: &IdempotencyKey, id: &str, reason: &str) -> Result<(), DeskError> {
        self.say_no(key, id, reason)
    }

    fn delivered(&self, key: &IdempotencyKey, holder: Name) -> Result<(), DeskError> {
        self.ask(key, Job::Deliver(holder)).map(drop)
    }

    fn waiting(&self, client: &str, role: Role) -> Result<Vec<Certificate>, DeskError> {
        let holders = self.reader().waiting_of(client, role, MAX_WAITING)?;
        Ok(holders
            .into_iter()
            .map(|holder| holder.certificate)
            .collect())
    }

    fn holder(&self, holder: Name) -> Result<Holder, DeskError> {
        Ok(self.reader().holder(&holder)?)
    }

    fn revoke(&self, key: &IdempotencyKey, holder: Name, reason: &str) -> Result<(), DeskError> {
        let reason = reason.into();
        self.ask(key, Job::Revoke { holder, reason }).map(drop)
    }

    fn publish(&self, key: &IdempotencyKey, scope: Scope) -> Result<StatusList, DeskError> {
        match self.ask(key, Job::Publish(scope))?.line.event {
            Event::List { list, .. } => Ok(list),
            _ => Err(DeskError::Conflict),
        }
    }

    fn change_client(&self, by: &str, change: ClientChange) -> Result<Line, RegisterError> {
        self.ask_for(by, Job::Client(change))
    }

    fn propose_client(&self, by: &str, wish: Wish) -> Result<Line, RegisterError> {
        self.ask_for(by, Job::Propose(wish))
    }

    fn propose(&self, key: &IdempotencyKey, wish: Wish) -> Result<Line, DeskError> {
        Ok(self.ask(key, Job::Propose(wish))?.line)
    }

    fn confirm(&self, key: &IdempotencyKey, proposal: u64) -> Result<(), DeskError> {
        self.ask(key, Job::Confirm(proposal)).map(drop)
    }

    fn dismiss(&self, key: &IdempotencyKey, proposal: u64) -> Result<(), DeskError> {
        self.ask(key, Job::Dismiss(proposal)).map(drop)
    }

    fn holders(&self, page: &Page) -> Result<Vec<HolderRow>, DeskError> {
        let limit = u32::try_from(page.limit).unwrap_or(u32::MAX);
        let holders = self.reader().holders(page.after.as_ref(), limit)?;
        Ok(holders.into_iter().map(row).collect())
    }

    fn head(&self) -> Result<Value, DeskError> {
        json(serde_json::to_value(self.reader().head()?))
    }

    fn consistency(&self, from: u64, to: u64) -> Result<Value, DeskError> {
        json(serde_json::to_value(self.reader().consistency(from, to)?))
    }

    fn receipt(&self, holder: Name) -> Result<Value, DeskError> {
        json(serde_json::to_value(self.reader().receipt(&holder)?))
    }

    fn entries(&self, from: u64, count: u64) -> Result<Value, DeskError> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let lines = self.reader().lines(from.saturating_add(1), count)?;
        json(serde_json::to_value(lines))
    }

    fn health(&self) -> Vec<Part> {
        let clock = self.clock_trouble();
        let store = self.store_trouble();
        let key = self.clerk.key_trouble().map(|reason| {
            tracing::error!(%reason, "the key");
            "the key did not sign when it last had to".into()
        });
        let part = |name, wrong| Part { name, wrong };
        vec![part("clock", clock), part("store", store), part("key", key)]
    }
}

fn row(holder: Holder) -> HolderRow {
    let claims = holder.certificate.claims();
    HolderRow {
        holder: claims.holder,
        role: claims.role,
        issued: holder.issued,
        until: claims.until.to_string(),
        delivered: holder.delivered,
        revoked: holder.revoked,
        replaces: holder.replaces,
        certificate: holder.certificate,
    }
}
