//! Requests that wait for an operator: noted in full before anything is signed, then approved or refused, once.
//!
//! ```text
//! request ──► checks ──► requested line ──► (nothing leaves)
//!                            ├─ approved in time ──► signature ──► issued line, by the operator ──► certificate leaves
//!                            ├─ refused ──► refused line
//!                            └─ too late ──► nothing is written: the line says until when
//! ```
//!
//! From the requested line on nonce, name and key are used up. A request that was refused or died leaves its name and key burnt: a
//! name that an operator has once said no to must not come back under another's hand.

use crate::book::Book;
use crate::custody::Signer;
use crate::error::AuthorityError;
use crate::issue::{self, Application, Refused, default_years};
use crate::ledger::{Event, Line, Replaced};
use crate::moment::Moment;
use crate::status::{MAX_REASON, is_reason};
use apdu::certificate::{Certificate, KeyId, Name, Request};

/// A request that waits, or has waited, for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Number of its line: its id.
    pub line: u64,
    /// When it came, Unix seconds.
    pub time: u64,
    /// The station that asked.
    pub by: String,
    /// In place of which earlier holder.
    pub replaces: Option<Replaced>,
    /// Years of validity that were asked for; the role's default if `None`.
    pub years: Option<u8>,
    /// Last second at which it can be approved, Unix time.
    pub until: u64,
    /// The request itself.
    pub request: Request,
    /// What an operator said.
    pub verdict: Option<Verdict>,
}

/// An operator's word about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes: the certificate is in this line.
    Approved(u64),
    /// No, and why.
    Refused(String),
}

impl Asked {
    /// Whether an operator can still decide about it.
    pub fn waits(&self, unix_seconds: u64) -> bool {
        self.verdict.is_none() && unix_seconds <= self.until
    }

    /// Who is to be certified.
    pub fn holder(&self) -> Name {
        self.request.fields().holder
    }
}

/// The verdict cannot be taken. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalRefused {
    /// No request has this number.
    #[error("no request with the number {0} ever waited")]
    Unknown(u64),
    /// There was a verdict before.
    #[error("an operator has decided about the request {0} before")]
    Decided(u64),
    /// It waited too long.
    #[error("the request {0} waited too long and has died; its holder needs a new order")]
    Expired(u64),
    /// What became of it in the lines that are lost, nobody knows.
    #[error(
        "the request {0} is from before the ledger was restored, and may have been decided in lines that are lost; its holder needs a new order"
    )]
    MayBeLost(u64),
    /// Two people are needed.
    #[error("{0} asked for the certificate itself; an operator has to decide")]
    Own(String),
    /// Both people are named in the ledger.
    #[error(
        "requests wait and verdicts are given over the network, where both sides are known by name"
    )]
    Nameless,
    /// The reason is empty, too long, or more than one line.
    #[error("a reason is one line of 1 to {MAX_REASON} bytes")]
    Reason,
}

/// Checks a request as for a certificate, and notes that it waits, for at most so many seconds.
pub(crate) fn ask(
    book: &mut Book,
    application: &Application,
    lifetime: u64,
    by: Option<String>,
    now: Moment,
) -> Result<Line, AuthorityError> {
    let replaces = issue::check(book, application, by.as_deref(), now)?;
    if by.is_none() {
        return Err(ApprovalRefused::Nameless.into());
    }
    let asked = application.request.fields();
    let time = now.unix_seconds().max(book.last_time);
    let event = Event::Requested {
        nonce: asked.nonce,
        role: asked.role,
        holder: asked.holder,
        key_id: KeyId::of(&asked.key),
        replaces,
        years: issue::years(book, application, by.as_deref())?,
        until: time.saturating_add(lifetime),
        request: application.request.clone(),
    };
    Ok(book.record(time, by, event)?)
}

/// An operator says yes: the certificate is signed now, for the request as it came.
pub(crate) fn approve(
    book: &mut Book,
    key: &mut dyn Signer,
    request: u64,
    by: Option<String>,
    now: Moment,
) -> Result<Line, AuthorityError> {
    let asked = open(book, request, by.as_deref(), now)?;
    let grant = issue::Grant {
        years: asked.years,
        replaces: asked.replaces,
        approves: Some(request),
    };
    let fields = asked.request.fields().clone();
    let root = book.roots.newest().certificate.claims();
    if root.until < now.day() {
        return Err(Refused::RootExpired.into());
    }
    if fields.issuer != root.holder {
        return Err(Refused::Issuer(fields.issuer).into()); // there was a roll-over while it waited
    }
    Ok(issue::sign(book, key, &fields, &grant, by, now)?.1)
}

/// An operator says no.
pub(crate) fn refuse(
    book: &mut Book,
    request: u64,
    reason: &str,
    by: Option<String>,
    now: Moment,
) -> Result<Line, AuthorityError> {
    let holder = open(book, request, by.as_deref(), now)?.holder();
    if !is_reason(reason) {
        return Err(ApprovalRefused::Reason.into());
    }
    let event = Event::Refused {
        request,
        holder,
        reason: reason.into(),
    };
    Ok(book.record(now.unix_seconds(), by, event)?)
}

/// The request, if this operator can decide about it now.
fn open<'b>(
    book: &'b Book,
    request: u64,
    by: Option<&str>,
    now: Moment,
) -> Result<&'b Asked, ApprovalRefused> {
    let asked = book.requests.get(&request);
    let asked = asked.ok_or(ApprovalRefused::Unknown(request))?;
    if asked.verdict.is_some() {
        return Err(ApprovalRefused::Decided(request));
    }
    if request < book.restored.line {
        return Err(ApprovalRefused::MayBeLost(request));
    }
    if !asked.waits(now.unix_seconds().max(book.last_time)) {
        return Err(ApprovalRefused::Expired(request));
    }
    match by {
        None => Err(ApprovalRefused::Nameless),
        Some(by) if by == asked.by => Err(ApprovalRefused::Own(by.into())),
        Some(_) => Ok(asked),
    }
}

/// The rules as the lines alone tell them, for whoever writes or checks them.
impl Book {
    pub(crate) fn enter_request(&mut self, line: &Line) -> Result<(), &'static str> {
        let Event::Requested {
            nonce,
            role,
            holder,
            key_id,
            replaces,
            years,
            until,
            request,
        } = &line.event
        else {
            return Err("the line is no request");
        };
        let fields = request.fields();
        if (&fields.nonce, fields.role, fields.holder) != (nonce, *role, *holder)
            || KeyId::of(&fields.key) != *key_id
            || fields.issuer != self.roots.newest().name()
        {
            return Err("the request is for another holder, role or key");
        }
        let by = line.by.clone().ok_or("nobody asked for it")?;
        let most = self.most_years(Some(&by));
        if most.is_some_and(|most| years.unwrap_or(default_years(*role)) > most) {
            return Err("its client may not ask for so many years");
        }
        let point = fields.key.to_compressed();
        if self.points.contains_key(&point) || self.asked_points.contains_key(&point) {
            return Err("the key was certified or asked for before");
        }
        self.answer(nonce, *role, holder, *replaces, Some(&by))?;
        self.gained.requests.insert(line.sequence);
        self.enlist(Asked {
            line: line.sequence,
            time: line.time,
            by,
            replaces: *replaces,
            years: *years,
            until: *until,
            request: request.clone(),
            verdict: None,
        });
        Ok(())
    }

    pub(crate) fn refuse(
        &mut self,
        request: u64,
        holder: &Name,
        reason: &str,
        line: &Line,
    ) -> Result<(), &'static str> {
        let asked = self.undecided(request, line)?;
        if asked.holder() != *holder {
            return Err("the refused request was for another holder");
        }
        asked.verdict = Some(Verdict::Refused(reason.into()));
        self.gained.requests.insert(request);
        Ok(())
    }

    /// Takes in a request as it is known.
    pub(crate) fn enlist(&mut self, asked: Asked) {
        let fields = asked.request.fields();
        let point = fields.key.to_compressed();
        self.asked_names.insert(fields.holder);
        self.asked_points.insert(point, fields.holder);
        self.requests.insert(asked.line, asked);
    }

    /// A request that can be decided by this line: in time, once, and not by who asked.
    fn undecided(&mut self, request: u64, line: &Line) -> Result<&mut Asked, &'static str> {
        if request < self.restored.line {
            return Err("the request is from before a restoration");
        }
        let asked = self.requests.get_mut(&request);
        let asked = asked.ok_or("no request has this number")?;
        if asked.verdict.is_some() {
            return Err("the request was decided before");
        }
        if !asked.waits(line.time) {
            return Err("the request had died");
        }
        match &line.by {
            Some(by) if *by != asked.by => Ok(asked),
            _ => Err("nobody else than who asked has decided"),
        }
    }

    /// An approved request becomes the certificate that it asked for.
    pub(crate) fn approve(
        &mut self,
        request: u64,
        replaces: Option<Replaced>,
        certificate: &Certificate,
        line: &Line,
    ) -> Result<(), &'static str> {
        let asked = self.undecided(request, line)?;
        let (fields, claims) = (asked.request.fields(), certificate.claims());
        if (fields.role, fields.holder, &fields.key, asked.replaces)
            != (claims.role, claims.holder, &claims.key, replaces)
        {
            return Err("the approved request was for another holder, role or key");
        }
        if !matches!(&line.event, Event::Issued { nonce, .. } if *nonce == fields.nonce) {
            return Err("the approved request answers another challenge");
        }
        asked.verdict = Some(Verdict::Approved(line.sequence));
        self.gained.requests.insert(request);
        Ok(())
    }
}
