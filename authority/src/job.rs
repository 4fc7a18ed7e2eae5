//! What the authority can be asked to do: each job makes exactly one line of the ledger, and is done once.

use crate::approval;
use crate::book::Book;
use crate::client_change;
use crate::clock::Waits;
use crate::custody::Signer;
use crate::error::AuthorityError;
use crate::issue::{self, Application};
use crate::ledger::{ClientChange, Event, Line, Wish};
use crate::moment::Moment;
use crate::order::{self, Order, OrderRefused};
use crate::roster::ClientRefused;
use crate::status::{self, RevocationRefused, Scope};
use crate::store::{Needs, Token};
use apdu::certificate::{Name, Role};
use apdu::crypto::{Entropy, sha256};

/// One thing to do.
#[derive(Debug, Clone)]
pub enum Job {
    /// Plan a certificate and give out the nonce for its request.
    Order(Order),
    /// Check a request and sign a certificate.
    Issue(Box<Application>),
    /// Check a request, and note that it waits for an operator.
    Ask {
        /// The request.
        application: Box<Application>,
        /// For how many seconds it may wait.
        lifetime: u64,
    },
    /// Approve a request that waits, by its line's number: its certificate is signed.
    Approve(u64),
    /// Refuse a request that waits.
    Refuse {
        /// Its line's number.
        request: u64,
        /// Why, in one line.
        reason: String,
    },
    /// Note that a holder has stored its certificate.
    Deliver(Name),
    /// Revoke a holder, for ever.
    Revoke {
        /// Whom.
        holder: Name,
        /// Why, in one line.
        reason: String,
    },
    /// Sign the next status list.
    Publish(Scope),
    /// Change the clients of the service.
    Client(ClientChange),
    /// Note what a second operator has to confirm.
    Propose(Wish),
    /// Confirm, as a second operator, what was proposed in this line: it is done.
    Confirm(u64),
    /// Dismiss what was proposed in this line.
    Dismiss(u64),
}

/// A job, and on whose behalf.
#[derive(Debug, Clone)]
pub struct Task {
    /// What to do.
    pub job: Job,
    /// The client of the service who asks; `None` for a command on this machine.
    pub by: Option<String>,
    /// Names the request, so that asking twice does it once.
    pub token: Option<Token>,
}

impl From<Job> for Task {
    fn from(job: Job) -> Self {
        Self {
            job,
            by: None,
            token: None,
        }
    }
}

impl Job {
    /// SHA-256 of what is asked: the same for the same job, in every version of this program.
    pub fn digest(&self) -> [u8; 32] {
        let name = |name: &order::NameOrder| match name {
            order::NameOrder::Exactly(name) => format!("exactly {name}"),
            order::NameOrder::NextOf(prefix) => format!("next {prefix}"),
            order::NameOrder::InPlaceOf(name) => format!("in-place-of {name}"),
            order::NameOrder::InPlaceOfUnknown(prefix) => format!("in-place-of-unknown {prefix}"),
        };
        match self {
            Self::Order(order) => {
                let text = format!("order {} {}", word(order.role), name(&order.name));
                sha256(&[text.as_bytes()])
            }
            // The same wish of a station, whether an operator has to agree or not.
            Self::Issue(application) | Self::Ask { application, .. } => {
                let years = application.years.map_or(0, u16::from);
                let text = format!("issue {} {years} ", word(application.role));
                sha256(&[text.as_bytes(), application.request.encoded()])
            }
            Self::Approve(request) => sha256(&[format!("approve {request}").as_bytes()]),
            Self::Refuse { request, reason } => {
                sha256(&[format!("refuse {request} {reason}").as_bytes()])
            }
            Self::Deliver(holder) => sha256(&[format!("deliver {holder}").as_bytes()]),
            Self::Revoke { holder, reason } => {
                sha256(&[format!("revoke {holder} {reason}").as_bytes()])
            }
            Self::Publish(Scope::Revoked) => sha256(&[b"publish"]),
            Self::Publish(Scope::Everything) => sha256(&[b"cut off all"]),
            Self::Client(change) => sha256(&[b"client ", &json(change)]),
            Self::Propose(wish) => sha256(&[b"propose ", &json(wish)]),
            Self::Confirm(proposal) => sha256(&[format!("confirm {proposal}").as_bytes()]),
            Self::Dismiss(proposal) => sha256(&[format!("dismiss {proposal}").as_bytes()]),
        }
    }

    /// Whether it waits for a clock that can be believed.
    pub(crate) fn waits(&self) -> Waits {
        match self {
            Self::Client(ClientChange::Revoked { .. } | ClientChange::Withdrawn { .. })
            | Self::Confirm(_)
            | Self::Dismiss(_)
            | Self::Propose(_) => Waits::Never,
            Self::Order(_)
            | Self::Issue(_)
            | Self::Ask { .. }
            | Self::Approve(_)
            | Self::Client(_) => Waits::ForTheClock,
            Self::Refuse { .. } | Self::Deliver(_) | Self::Revoke { .. } | Self::Publish(_) => {
                Waits::Never
            }
        }
    }

    pub(crate) fn needs(&self, needs: &mut Needs) {
        match self {
            Self::Order(order) => order.needs(needs),
            Self::Issue(application) | Self::Ask { application, .. } => application.needs(needs),
            Self::Approve(request) | Self::Refuse { request, .. } => {
                needs.requests.insert(*request);
            }
            Self::Deliver(holder) | Self::Revoke { holder, .. } => {
                needs.names.insert(*holder);
            }
            Self::Publish(_) => {}
            Self::Client(_) | Self::Propose(_) | Self::Confirm(_) | Self::Dismiss(_) => {
                needs.roll = true;
            }
        }
    }
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default() // texts and numbers: cannot fail
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Authority => "authority",
        Role::Card => "card",
        Role::Terminal => "terminal",
    }
}

impl Task {
    pub(crate) fn needs(&self, needs: &mut Needs) {
        self.job.needs(needs);
        needs.tokens.extend(self.token.clone());
        needs.clients.extend(self.by.clone());
    }

    /// Does it in the book, or finds that it was done. On an error the book is as it was.
    pub(crate) fn run(
        &self,
        book: &mut Book,
        key: Option<&mut dyn Signer>,
        entropy: &mut dyn Entropy,
        now: Moment,
    ) -> Result<Line, AuthorityError> {
        let digest = self.job.digest();
        if let Some(done) = self.token.as_ref().and_then(|token| book.done.get(token)) {
            return match done.digest == digest {
                true => Ok(done.line.clone()),
                false => Err(AuthorityError::TokenReused),
            };
        }
        let by = self.by.clone();
        let enrols = matches!(self.job, Job::Client(ClientChange::Enrolled { .. }));
        if let Some(by) = by.as_ref().filter(|_| book.roster.proven && !enrols)
            && book.roster.active(by).is_none()
        {
            return Err(ClientRefused::NotEnrolled(by.clone()).into());
        }
        let seconds = now.unix_seconds();
        let line = match (&self.job, key) {
            (Job::Order(order), _) => order::challenge(book, order, entropy.nonce()?, by, now)?.1,
            (Job::Issue(application), Some(key)) => {
                issue::certificate(book, key, application, by, now)?.1
            }
            (Job::Publish(scope), Some(key)) => {
                status::publish(book, key, *scope, None, by, now)?.1
            }
            (Job::Approve(request), Some(key)) => approval::approve(book, key, *request, by, now)?,
            (Job::Issue(_) | Job::Approve(_) | Job::Publish(_), None) => {
                return Err(AuthorityError::KeyNeeded);
            }
            (
                Job::Ask {
                    application,
                    lifetime,
                },
                _,
            ) => approval::ask(book, application, *lifetime, by, now)?,
            (Job::Refuse { request, reason }, _) => {
                approval::refuse(book, *request, reason, by, now)?
            }
            (Job::Client(change), _) => client_change::change(book, change, by, seconds)?,
            (Job::Propose(wish), _) => client_change::propose(book, wish, by, seconds)?,
            (Job::Confirm(proposal), key) => {
                match (
                    client_change::proposed(book, *proposal, by.as_deref(), seconds)?,
                    key,
                ) {
                    (Wish::Client(change), _) => {
                        client_change::confirm(book, *proposal, change, by, seconds)?
                    }
                    (Wish::CutOff, Some(key)) => {
                        let scope = Scope::Everything;
                        status::publish(book, key, scope, Some(*proposal), by, now)?.1
                    }
                    (Wish::CutOff, None) => return Err(AuthorityError::KeyNeeded),
                }
            }
            (Job::Dismiss(proposal), _) => client_change::dismiss(book, *proposal, by, seconds)?,
            (Job::Deliver(holder), _) => deliver(book, holder, by, now)?,
            (Job::Revoke { holder, reason }, _) => status::revoke(book, holder, reason, by, now)?,
        };
        if let Some(token) = &self.token {
            book.remember(token.clone(), digest, line.clone());
        }
        Ok(line)
    }
}

/// Notes that a holder has stored its certificate.
pub(crate) fn deliver(
    book: &mut Book,
    holder: &Name,
    by: Option<String>,
    now: Moment,
) -> Result<Line, AuthorityError> {
    let known = book.holders.get(holder).map(|(holder, _)| holder);
    let known = known.ok_or(RevocationRefused::Unknown(*holder))?;
    if !known.owner.admits(by.as_deref()) {
        return Err(OrderRefused::OtherClient(*holder).into());
    }
    let event = Event::Delivered { holder: *holder };
    Ok(book.record(now.unix_seconds(), by, event)?)
}
