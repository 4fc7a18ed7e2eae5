//! Issuing: what a request must fulfil, and the certificate it gets (§7.1, §7.2; Figure 9, S902).

use crate::book::Book;
use crate::custody::Signer;
use crate::error::AuthorityError;
use crate::ledger::{Event, Line, Replaced};
use crate::moment::{Moment, last_day};
use crate::order::CHALLENGE_LIFETIME;
use crate::rights::RightRefused;
use crate::store::Needs;
use apdu::certificate::{Certificate, CertificateFields, Name, Request, RequestFields, Role};

/// Years a card's certificate is good for, unless told otherwise.
pub const CARD_YEARS: u8 = 5;
/// Years a terminal's certificate is good for, unless told otherwise.
pub const TERMINAL_YEARS: u8 = 2;
/// Years a root is good for, unless told otherwise.
pub const ROOT_YEARS: u8 = 15;

/// The default validity in years.
pub fn default_years(role: Role) -> u8 {
    match role {
        Role::Authority => ROOT_YEARS,
        Role::Card => CARD_YEARS,
        Role::Terminal => TERMINAL_YEARS,
    }
}

/// The request is against policy. Nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It names another authority.
    #[error("it is for the authority {0}")]
    Issuer(Name),
    /// It asks for another role than was ordered.
    #[error("it asks to become a {asked}, ordered was a {ordered}")]
    Role {
        /// What the request says.
        asked: Role,
        /// What was ordered.
        ordered: Role,
    },
    /// Its nonce was never given out.
    #[error("its nonce is not one of ours")]
    UnknownNonce,
    /// Its nonce was answered before.
    #[error("its nonce was used before; ask for a new challenge")]
    UsedNonce,
    /// Its nonce was given to somebody else.
    #[error("its nonce was given to another client; order it yourself")]
    OtherClient,
    /// Its nonce is more than a day old.
    #[error("its nonce has expired; ask for a new challenge")]
    ExpiredNonce,
    /// It names another holder than was ordered.
    #[error("it names {asked}, ordered was {ordered}")]
    Holder {
        /// What the request says.
        asked: Name,
        /// What was ordered.
        ordered: Name,
    },
    /// The name was given before; names are never given twice.
    #[error("the name {0} was given before, and no name is given twice")]
    KnownHolder(Name),
    /// The key was certified before.
    #[error("its key was certified before, for {0}")]
    KnownKey(Name),
    /// A request for the name waits, or waited in vain.
    #[error(
        "the name {0} stands in a request that waits for an operator, or that was refused or has died"
    )]
    AskedHolder(Name),
    /// A request with the key waits, or waited in vain.
    #[error(
        "its key stands in a request, for {0}, that waits for an operator, or that was refused or has died"
    )]
    AskedKey(Name),
    /// The root has expired.
    #[error("the authority's root has expired")]
    RootExpired,
}

/// A request for a certificate, as a card or terminal made it, and what the operator ordered.
#[derive(Debug, Clone)]
pub struct Application {
    /// The request. Its proof of possession was verified when it was decoded.
    pub request: Request,
    /// As what its holder is to be certified.
    pub role: Role,
    /// For how many years; the role's default if `None`.
    pub years: Option<u8>,
}

impl Application {
    /// The records that issuing looks at.
    pub(crate) fn needs(&self, needs: &mut Needs) {
        let asked = self.request.fields();
        needs.nonces.insert(asked.nonce);
        needs.names.insert(asked.holder);
        needs.points.insert(asked.key.to_compressed());
    }
}

/// Checks a request against its order and signs a certificate: it, and its line.
pub(crate) fn certificate(
    book: &mut Book,
    key: &mut dyn Signer,
    application: &Application,
    by: Option<String>,
    now: Moment,
) -> Result<(Certificate, Line), AuthorityError> {
    let grant = Grant {
        years: years(book, application, by.as_deref())?,
        replaces: check(book, application, by.as_deref(), now)?,
        approves: None,
    };
    sign(book, key, application.request.fields(), &grant, by, now)
}

/// The years that a client may have for its request.
pub(crate) fn years(
    book: &Book,
    application: &Application,
    by: Option<&str>,
) -> Result<Option<u8>, RightRefused> {
    let default = default_years(application.role);
    match book.roster.rights(by) {
        None => Ok(application.years),
        Some(rights) => rights.years(application.years, default),
    }
}

/// What a request that was found good is granted.
pub(crate) struct Grant {
    /// Years of validity; the role's default if `None`.
    pub years: Option<u8>,
    /// In place of which earlier holder.
    pub replaces: Option<Replaced>,
    /// The request that an operator approves hereby.
    pub approves: Option<u64>,
}

/// Signs a certificate for a request that was checked: it, and its line.
///
/// The certificate begins today, ends after the years asked for but not after the root, and carries the minimum epoch in force.
pub(crate) fn sign(
    book: &mut Book,
    key: &mut dyn Signer,
    asked: &RequestFields,
    grant: &Grant,
    by: Option<String>,
    now: Moment,
) -> Result<(Certificate, Line), AuthorityError> {
    book.require_key(key)?;
    let root = book.roots.newest().certificate.claims();
    let years = grant.years.unwrap_or(default_years(asked.role));
    let fields = CertificateFields {
        issuer: root.holder,
        holder: asked.holder,
        role: asked.role,
        epoch: book.min_epoch(),
        key: asked.key.clone(),
        from: now.day(),
        until: last_day(now.day(), years).min(root.until),
    };
    let signature = key.sign(&fields.encode_body())?;
    let certificate = Certificate::assemble(fields, signature);
    let event = Event::Issued {
        nonce: asked.nonce,
        role: asked.role,
        holder: asked.holder,
        key_id: certificate.key_id(),
        replaces: grant.replaces,
        certificate: certificate.clone(),
        approves: grant.approves,
    };
    let line = book.record(now.unix_seconds(), by, event)?;
    Ok((certificate, line))
}

/// Whether a request answers its order, with a new key for a new name: gives the holder whose place is taken.
pub(crate) fn check(
    book: &Book,
    application: &Application,
    by: Option<&str>,
    now: Moment,
) -> Result<Option<Replaced>, Refused> {
    let (asked, ordered) = (application.request.fields(), application.role);
    let root = book.roots.newest().certificate.claims();
    if root.until < now.day() {
        return Err(Refused::RootExpired);
    }
    if asked.issuer != root.holder {
        return Err(Refused::Issuer(asked.issuer));
    }
    if asked.role != ordered {
        return Err(Refused::Role {
            asked: asked.role,
            ordered,
        });
    }
    let given = book
        .challenges
        .get(&asked.nonce)
        .ok_or(Refused::UnknownNonce)?;
    if !given.owner.admits(by) {
        return Err(Refused::OtherClient);
    }
    if given.used {
        return Err(Refused::UsedNonce);
    }
    if now.unix_seconds() > given.time.saturating_add(CHALLENGE_LIFETIME) {
        return Err(Refused::ExpiredNonce);
    }
    if asked.role != given.role {
        return Err(Refused::Role {
            asked: asked.role,
            ordered: given.role,
        });
    }
    if asked.holder != given.holder {
        return Err(Refused::Holder {
            asked: asked.holder,
            ordered: given.holder,
        });
    }
    if book.is_given(&asked.holder) {
        return Err(Refused::KnownHolder(asked.holder));
    }
    if book.asked_names.contains(&asked.holder) {
        return Err(Refused::AskedHolder(asked.holder));
    }
    let point = asked.key.to_compressed();
    if let Some(holder) = book.points.get(&point) {
        return Err(Refused::KnownKey(*holder));
    }
    if let Some(holder) = book.asked_points.get(&point) {
        return Err(Refused::AskedKey(*holder));
    }
    Ok(given.replaces)
}
