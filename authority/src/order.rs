//! Orders: the operator decides who is to be certified as what; the requester gets a fresh nonce (§7.2).

use crate::book::{Book, numbered, split};
use crate::error::AuthorityError;
use crate::ledger::{Event, Line, Replaced};
use crate::moment::Moment;
use crate::store::Needs;
use apdu::certificate::{Name, Role};

/// How long a challenge may be answered, in seconds: a day.
pub const CHALLENGE_LIFETIME: u64 = 86_400;

/// Which name the holder is to get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameOrder {
    /// This one.
    Exactly(Name),
    /// The next free serial number under this prefix: two letters and 1 to 9 letters or digits.
    NextOf(String),
    /// The next free serial number under the prefix of an earlier holder, whose place it takes: a re-certification.
    InPlaceOf(Name),
    /// The next free serial number under this prefix, for a card that was certified before, nobody knows as what.
    InPlaceOfUnknown(String),
}

/// Who is to be certified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// As what: a card or a terminal.
    pub role: Role,
    /// Under which name.
    pub name: NameOrder,
}

/// What the requester has to put into its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The authority, CAR.
    pub issuer: Name,
    /// The requester's name, CHR.
    pub holder: Name,
    /// Its role.
    pub role: Role,
    /// The nonce, good for one request within a day.
    pub nonce: [u8; 16],
    /// Last second at which it may be answered, Unix time.
    pub expires: u64,
    /// Whose place is taken.
    pub replaces: Option<Replaced>,
}

/// The order is against policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefused {
    /// ST-63: once per card or terminal.
    #[error(
        "{0} was certified before; certify it again only on purpose, with --recertify: it gets a new name, and the ledger says so"
    )]
    Certified(Name),
    /// A request for the name waits, or waited in vain.
    #[error(
        "{0} was asked for before: that request waits for an operator, or was refused or has died; take another name"
    )]
    Asked(Name),
    /// Nothing to replace.
    #[error("{0} was never certified; --recertify is for a holder that was")]
    NeverCertified(Name),
    /// A card cannot take a terminal's place, nor the other way round.
    #[error("{0} was certified as a {1}")]
    OtherRole(Name, Role),
    /// Only cards and terminals.
    #[error("only cards and terminals are certified")]
    Role,
    /// Not two letters and 1 to 9 letters or digits.
    #[error("a prefix is two capital letters and 1 to 9 capital letters or digits")]
    Prefix,
    /// 99,999 names.
    #[error("the prefix {0} is used up; take another")]
    UsedUp(String),
    /// ST-63: a line that a restoration lost may have given it.
    #[error(
        "{0} may have been given before the ledger was restored from a backup; take the next name of its prefix, or a higher number"
    )]
    MayBeLost(Name),
    /// Its order was another client's.
    #[error("{0} was ordered by another client, and only that one reports its delivery")]
    OtherClient(Name),
    /// It names the authority itself.
    #[error("{0} is the authority's own name")]
    OwnName(Name),
}

/// Plans a certificate: the challenge and its line. The nonce is handed in.
pub(crate) fn challenge(
    book: &mut Book,
    order: &Order,
    nonce: [u8; 16],
    by: Option<String>,
    now: Moment,
) -> Result<(Challenge, Line), AuthorityError> {
    let (holder, replaces) = plan(book, order)?;
    let prefix = split(&holder).map_or("", |(prefix, _)| prefix);
    let time = now.unix_seconds().max(book.last_time);
    (book.roster).refuse_order(
        by.as_deref(),
        order.role,
        &holder,
        book.highest(prefix),
        time,
    )?;
    let event = Event::Challenge {
        nonce,
        role: order.role,
        holder,
        replaces,
        bound: true,
    };
    let line = book.record(now.unix_seconds(), by, event)?;
    let challenge = Challenge {
        issuer: book.roots.newest().name(),
        holder,
        role: order.role,
        nonce,
        expires: line.time.saturating_add(CHALLENGE_LIFETIME),
        replaces,
    };
    Ok((challenge, line))
}

impl Order {
    /// The records that planning looks at.
    pub(crate) fn needs(&self, needs: &mut Needs) {
        match &self.name {
            NameOrder::Exactly(name) | NameOrder::InPlaceOf(name) => {
                needs.names.insert(*name);
                needs
                    .prefixes
                    .extend(split(name).map(|(prefix, _)| prefix.into()));
            }
            NameOrder::NextOf(prefix) | NameOrder::InPlaceOfUnknown(prefix) => {
                needs.prefixes.insert(prefix.clone());
            }
        }
    }
}

impl Challenge {
    /// What a line of the ledger gave out.
    pub fn of(line: &Line, issuer: Name) -> Option<Self> {
        let Event::Challenge {
            nonce,
            role,
            holder,
            replaces,
            ..
        } = line.event
        else {
            return None;
        };
        Some(Self {
            issuer,
            holder,
            role,
            nonce,
            expires: line.time.saturating_add(CHALLENGE_LIFETIME),
            replaces,
        })
    }
}

fn plan(book: &Book, order: &Order) -> Result<(Name, Option<Replaced>), OrderRefused> {
    if order.role == Role::Authority {
        return Err(OrderRefused::Role);
    }
    match &order.name {
        NameOrder::Exactly(name) if book.holders.contains_key(name) => {
            Err(OrderRefused::Certified(*name))
        }
        NameOrder::Exactly(name) if book.asked_names.contains(name) => {
            Err(OrderRefused::Asked(*name))
        }
        NameOrder::Exactly(name) if book.may_be_lost(name) => Err(OrderRefused::MayBeLost(*name)),
        NameOrder::Exactly(name) if book.roots.named(name).is_some() => {
            Err(OrderRefused::OwnName(*name))
        }
        NameOrder::Exactly(name) => Ok((*name, None)),
        NameOrder::NextOf(prefix) => Ok((next_name(book, prefix)?, None)),
        NameOrder::InPlaceOfUnknown(prefix) => {
            Ok((next_name(book, prefix)?, Some(Replaced::Unknown)))
        }
        NameOrder::InPlaceOf(name) => {
            let earlier = book
                .holders
                .get(name)
                .map(|(holder, _)| holder)
                .ok_or(OrderRefused::NeverCertified(*name))?;
            let role = earlier.certificate.claims().role;
            if role != order.role {
                return Err(OrderRefused::OtherRole(*name, role));
            }
            let prefix = split(name).map_or(name.as_str(), |(prefix, _)| prefix);
            Ok((next_name(book, prefix)?, Some(Replaced::Holder(*name))))
        }
    }
}

/// The name after the highest number that was ever planned or given under this prefix.
fn next_name(book: &Book, prefix: &str) -> Result<Name, OrderRefused> {
    numbered(prefix, 1).ok_or(OrderRefused::Prefix)?;
    let next = book.highest(prefix).saturating_add(1);
    numbered(prefix, next).ok_or_else(|| OrderRefused::UsedUp(prefix.into()))
}
