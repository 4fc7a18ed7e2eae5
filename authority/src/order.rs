//! Orders: the operator decides who is to be certified as what; the requester gets a fresh nonce (§7.2).

use crate::authority::Authority;
use crate::book::Book;
use crate::error::AuthorityError;
use crate::ledger::{Event, Replaced};
use crate::moment::Moment;
use apdu::certificate::{Name, Role};
use apdu::crypto::Entropy;

/// How long a challenge may be answered, in seconds: a day.
pub const CHALLENGE_LIFETIME: u64 = 86_400;
/// Length of the serial number at the end of a name.
const SERIAL: usize = 5;

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
    /// It names the authority itself.
    #[error("{0} is the authority's own name")]
    OwnName(Name),
}

impl Authority {
    /// Plans a certificate and draws the nonce for its request. The challenge is in the ledger when this returns.
    ///
    /// # Errors
    /// [`OrderRefused`] when policy is against it; otherwise ledger, clock or randomness.
    pub fn order(
        &mut self,
        order: &Order,
        entropy: &mut dyn Entropy,
        now: Moment,
    ) -> Result<Challenge, AuthorityError> {
        let (holder, replaces) = plan(&self.book, order)?;
        let nonce = entropy.nonce::<16>()?;
        let event = Event::Challenge {
            nonce,
            role: order.role,
            holder,
            replaces,
        };
        let written = self.record(now, event)?;
        Ok(Challenge {
            issuer: self.book.root.claims().holder,
            holder,
            role: order.role,
            nonce,
            expires: written.time.saturating_add(CHALLENGE_LIFETIME),
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
        NameOrder::Exactly(name) if book.root.claims().holder == *name => {
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
    let name = |number: u32| Name::new(&format!("{prefix}{number:0SERIAL$}"));
    if !(3..=11).contains(&prefix.len()) || name(1).is_none() {
        return Err(OrderRefused::Prefix);
    }
    let highest = book
        .names()
        .filter_map(split)
        .filter(|(other, _)| *other == prefix)
        .filter_map(|(_, serial)| serial.parse::<u32>().ok())
        .max();
    let next = highest.unwrap_or(0) + 1; // five digits: no overflow
    match name(next) {
        Some(name) if next < 100_000 => Ok(name),
        _ => Err(OrderRefused::UsedUp(prefix.into())),
    }
}

/// Prefix and serial number of a name.
fn split(name: &Name) -> Option<(&str, &str)> {
    let text = name.as_str();
    text.split_at_checked(text.len().checked_sub(SERIAL)?)
}
