//! Values of a database, and the records made of them.

use crate::approval::{Asked, Verdict};
use crate::book::{Given, Holder, Owner};
use crate::ledger::Replaced;
use crate::roots::Root;
use apdu::certificate::{Certificate, Name, Request, Role};

/// One value. Numbers are 64 bits wide in every column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Null,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl From<u64> for Value {
    /// Numbers of lines, seconds and the like stay far below 2^63.
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u8> for Value {
    fn from(number: u8) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for Value {
    fn from(is: bool) -> Self {
        Self::Number(is.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<&Name> for Value {
    fn from(name: &Name) -> Self {
        Self::Text(name.as_str().into())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<Role> for Value {
    /// As on the wire (`docs/protocol.md` §7.1).
    fn from(role: Role) -> Self {
        Self::Number(match role {
            Role::Authority => 0,
            Role::Card => 1,
            Role::Terminal => 2,
        })
    }
}

pub(super) fn owner(owner: &Owner) -> Value {
    match owner {
        Owner::Unbound => Value::Null,
        Owner::Machine => "".into(), // no client's name
        Owner::Client(name) => name.as_str().into(),
    }
}

const UNKNOWN: &str = "unknown"; // in small letters: no name

pub(super) fn replaced(replaced: Option<Replaced>) -> Value {
    match replaced {
        None => Value::Null,
        Some(Replaced::Unknown) => UNKNOWN.into(),
        Some(Replaced::Holder(name)) => (&name).into(),
    }
}

/// A row of a result: values are taken from its front.
#[derive(Debug, Clone)]
pub(super) struct Row(std::vec::IntoIter<Value>);

impl Row {
    pub(super) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    pub(super) fn number<T: TryFrom<i64>>(&mut self) -> Option<T> {
        match self.0.next()? {
            Value::Number(number) => T::try_from(number).ok(),
            _ => None,
        }
    }

    pub(super) fn text(&mut self) -> Option<String> {
        match self.0.next()? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn bytes(&mut self) -> Option<Vec<u8>> {
        match self.0.next()? {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes()?.try_into().ok()
    }

    pub(super) fn name(&mut self) -> Option<Name> {
        Name::new(&self.text()?)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.number::<u8>()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn role(&mut self) -> Option<Role> {
        match self.number::<u8>()? {
            0 => Some(Role::Authority),
            1 => Some(Role::Card),
            2 => Some(Role::Terminal),
            _ => None,
        }
    }

    pub(super) fn maybe_number<T: TryFrom<i64>>(&mut self) -> Option<Option<T>> {
        match self.0.next()? {
            Value::Null => Some(None),
            Value::Number(number) => T::try_from(number).ok().map(Some),
            _ => None,
        }
    }

    pub(super) fn maybe_text(&mut self) -> Option<Option<String>> {
        match self.0.next()? {
            Value::Null => Some(None),
            Value::Text(text) => Some(Some(text)),
            _ => None,
        }
    }

    fn replaced(&mut self) -> Option<Option<Replaced>> {
        Some(match self.maybe_text()? {
            None => None,
            Some(text) if text == UNKNOWN => Some(Replaced::Unknown),
            Some(text) => Some(Replaced::Holder(Name::new(&text)?)),
        })
    }

    fn owner(&mut self) -> Option<Owner> {
        Some(match self.maybe_text()? {
            None => Owner::Unbound,
            Some(name) if name.is_empty() => Owner::Machine,
            Some(name) => Owner::Client(name),
        })
    }

    /// All its values.
    pub(super) fn values(&mut self) -> Vec<Value> {
        self.0.by_ref().collect()
    }

    /// From [`ROOT`].
    pub(super) fn root(&mut self) -> Option<Root> {
        let line = self.number()?;
        let certificate = Certificate::decode(&self.bytes()?).ok()?;
        let link = self.bytes()?;
        let link = match link.is_empty() {
            true => None,
            false => Some(Certificate::decode(&link).ok()?),
        };
        Some(Root {
            certificate,
            link,
            line,
        })
    }

    /// From [`HOLDER`]: the holder, and the number of the line that made it.
    pub(super) fn holder(&mut self) -> Option<(Holder, u64)> {
        let line = self.number()?;
        let holder = Holder {
            issued: self.number()?,
            certificate: Certificate::decode(&self.bytes()?).ok()?,
            replaces: self.replaced()?,
            delivered: self.flag()?,
            revoked: self.maybe_text()?,
            owner: self.owner()?,
        };
        Some((holder, line))
    }

    /// From [`ASKED`].
    pub(super) fn asked(&mut self) -> Option<Asked> {
        Some(Asked {
            line: self.number()?,
            time: self.number()?,
            by: self.text()?,
            replaces: self.replaced()?,
            years: self.maybe_number()?,
            until: self.number()?,
            request: Request::decode(&self.bytes()?).ok()?,
            verdict: match (self.maybe_number()?, self.maybe_text()?) {
                (None, None) => None,
                (Some(line), None) => Some(Verdict::Approved(line)),
                (None, Some(reason)) => Some(Verdict::Refused(reason)),
                (Some(_), Some(_)) => return None,
            },
        })
    }

    /// From [`CHALLENGE`].
    pub(super) fn challenge(&mut self) -> Option<([u8; 16], Given)> {
        let nonce = self.array()?;
        let given = Given {
            time: self.number()?,
            role: self.role()?,
            holder: self.name()?,
            replaces: self.replaced()?,
            used: self.flag()?,
            owner: self.owner()?,
        };
        Some((nonce, given))
    }
}

/// Columns of a root, in the order in which [`Row::root`] takes them.
pub(super) const ROOT: &str = "line, certificate, link";
/// Columns of a holder, in the order in which [`Row::holder`] takes them.
pub(super) const HOLDER: &str = "line, issued, certificate, replaces, delivered, revoked, client";
/// Columns of a request, in the order in which [`Row::asked`] takes them.
pub(super) const ASKED: &str =
    "line, time, client, replaces, years, until, request, issued, refused";
/// Columns of a challenge, in the order in which [`Row::challenge`] takes them.
pub(super) const CHALLENGE: &str = "nonce, time, role, holder, replaces, used, client";
