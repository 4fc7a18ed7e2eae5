//! The desk: what the service asks of the authority behind it. One method, one operation; each may block.
//!
//! A method that changes something has done so durably when it returns. Methods that take an [`IdempotencyKey`] are exactly once:
//! the same key with the same content gives the first outcome again, also after a restart; with other content [`DeskError::Conflict`].

use super::clients::RegisterError;
use crate::ledger::{ClientChange, Line, Replaced, Wish};
use crate::{Challenge, Holder, Order, Root, Scope};
use apdu::certificate::{Certificate, KeyId, Name, Request, Role, StatusList};
use serde_json::Value;

/// The authority as the service sees it.
pub trait Desk: Send + Sync + 'static {
    /// The newest root certificate.
    fn root(&self) -> Result<Certificate, DeskError>;
    /// All roots, oldest first, each with the inclusion receipt of its line; [`DeskError::NotFound`] while no head covers the newest.
    fn roots(&self) -> Result<Vec<(Root, Value)>, DeskError>;
    /// The newest status list; [`DeskError::NotFound`] before the first.
    fn status_list(&self) -> Result<StatusList, DeskError>;
    /// Plans a certificate; exactly once.
    fn order(&self, key: &IdempotencyKey, order: Order) -> Result<Challenge, DeskError>;
    /// Answers a request, whose proof of possession is verified already; exactly once. `years`: the role's default if `None`.
    /// One that has to wait, asked for again, is told what became of it; a refusal is [`DeskError::Refused`] then.
    fn request(
        &self,
        key: &IdempotencyKey,
        request: Request,
        role: Role,
        years: Option<u8>,
    ) -> Result<Outcome, DeskError>;
    /// What became of a request of this client that had to wait. `id` is what [`Outcome::AwaitingApproval`] said;
    /// [`DeskError::NotFound`] for a request of somebody else.
    fn pending(&self, client: &str, id: &str) -> Result<Outcome, DeskError>;
    /// Requests of a client for this role that wait for an operator, oldest first, at most 256.
    fn awaiting(&self, client: &str, role: Role) -> Result<Vec<Waiting>, DeskError>;
    /// Requests that wait for an operator, oldest first, at most 1,000.
    fn approvals(&self) -> Result<Vec<Waiting>, DeskError>;
    /// How many requests wait for an operator.
    fn approvals_count(&self) -> Result<u64, DeskError>;
    /// A request, while it waits; `None` when it was decided or has died, [`DeskError::NotFound`] when there was none.
    fn approval(&self, id: &str) -> Result<Option<Waiting>, DeskError>;
    /// An operator says yes: the certificate is issued; exactly once. [`DeskError::Conflict`] after a refusal.
    fn approve(&self, key: &IdempotencyKey, id: &str) -> Result<Issued, DeskError>;
    /// An operator says no, and why; exactly once. [`DeskError::Conflict`] after an approval, or a refusal in other words.
    fn refuse(&self, key: &IdempotencyKey, id: &str, reason: &str) -> Result<(), DeskError>;
    /// Notes that the holder has stored its certificate; exactly once.
    fn delivered(&self, key: &IdempotencyKey, holder: Name) -> Result<(), DeskError>;
    /// Certificates of a role that this client ordered and that were never seen stored, newest first, at most 256.
    fn waiting(&self, client: &str, role: Role) -> Result<Vec<Certificate>, DeskError>;
    /// One holder; [`DeskError::NotFound`] when the name was never certified.
    fn holder(&self, holder: Name) -> Result<Holder, DeskError>;
    /// Revokes a holder, for ever; exactly once.
    fn revoke(&self, key: &IdempotencyKey, holder: Name, reason: &str) -> Result<(), DeskError>;
    /// Signs the next status list; exactly once.
    fn publish(&self, key: &IdempotencyKey, scope: Scope) -> Result<StatusList, DeskError>;
    /// Changes the clients on behalf of one.
    ///
    /// # Errors
    /// As of the register: [`RegisterError`].
    fn change_client(&self, by: &str, change: ClientChange) -> Result<Line, RegisterError>;
    /// Notes a change of the clients that a second operator has to confirm.
    ///
    /// # Errors
    /// As of the register: [`RegisterError`].
    fn propose_client(&self, by: &str, wish: Wish) -> Result<Line, RegisterError>;
    /// Notes what a second operator has to confirm; exactly once.
    fn propose(&self, key: &IdempotencyKey, wish: Wish) -> Result<Line, DeskError>;
    /// Confirms, as a second operator, what was proposed; exactly once.
    fn confirm(&self, key: &IdempotencyKey, proposal: u64) -> Result<(), DeskError>;
    /// Dismisses what was proposed; exactly once.
    fn dismiss(&self, key: &IdempotencyKey, proposal: u64) -> Result<(), DeskError>;
    /// Holders in the order of their names.
    fn holders(&self, page: &Page) -> Result<Vec<HolderRow>, DeskError>;
    /// The newest signed tree head.
    fn head(&self) -> Result<Value, DeskError>;
    /// The proof that the log of `to` entries begins with the log of `from` entries.
    fn consistency(&self, from: u64, to: u64) -> Result<Value, DeskError>;
    /// The inclusion receipt of a holder's certificate.
    fn receipt(&self, holder: Name) -> Result<Value, DeskError>;
    /// At most `count` entries of the log, from entry `from`, which counts from 0.
    fn entries(&self, from: u64, count: u64) -> Result<Value, DeskError>;
    /// The parts and how they are. Never fails: what cannot be asked is not well.
    fn health(&self) -> Vec<Part>;
}

/// What the desk did not do, by whose fault. The words reach the client: they hold no secret and no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    /// There is no such thing.
    #[error("there is no such thing")]
    NotFound,
    /// Against policy; the words say what and what to do.
    #[error("{0}")]
    Refused(String),
    /// It was done before, or differently.
    #[error("it was done before, or differently")]
    Conflict,
    /// A part is gone for now: database, token, disk. Ask again later.
    #[error("{0}")]
    Unavailable(String),
    /// A fault of the authority itself; the words are for its log only.
    #[error("{0}")]
    Internal(String),
}

/// Names one operation of one client: its name, and 1 to 64 visible ASCII characters of its own choice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    client: String,
    key: String,
}

impl IdempotencyKey {
    /// A client's key; `None` unless it is 1 to 64 visible ASCII characters.
    pub fn new(client: &str, key: &str) -> Option<Self> {
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        ((1..=64).contains(&key.len()) && visible).then(|| Self {
            client: client.into(),
            key: key.into(),
        })
    }

    /// The client whose key it is: two clients may choose the same key.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// A certificate, and the proof that the log has it.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: Certificate,
    /// The inclusion receipt; null from a desk that keeps no tree.
    pub receipt: Value,
}

/// What became of a request.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The certificate.
    Issued(Box<Issued>),
    /// An operator has to say yes first; ask again with this id, which is 1 to 64 letters, digits, `-` or `_`.
    AwaitingApproval(String),
    /// There will be none; why.
    Refused(String),
}

/// A request that waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its id.
    pub id: String,
    /// Who asked.
    pub client: String,
    /// Who is to be certified.
    pub holder: Name,
    /// As what.
    pub role: Role,
    /// Since when, Unix seconds.
    pub since: u64,
    /// Last second at which it can be approved, Unix time.
    pub until: u64,
    /// Id of the key that is to be certified.
    pub key_id: KeyId,
    /// Whose place is taken: an explicit re-certification.
    pub replaces: Option<Replaced>,
    /// For how many years the certificate is to be valid.
    pub years: u8,
}

/// A piece of the list of holders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Names after this one; from the first if `None`.
    pub after: Option<Name>,
    /// At most so many, 1 to 1,000.
    pub limit: usize,
}

/// A holder, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolderRow {
    /// Its name.
    pub holder: Name,
    /// What it is.
    pub role: Role,
    /// When its certificate was signed, Unix seconds.
    pub issued: u64,
    /// Its certificate's last day, ISO 8601.
    pub until: String,
    /// Whether it was seen to have stored its certificate.
    pub delivered: bool,
    /// Why it was revoked.
    pub revoked: Option<String>,
    /// In whose place it was certified.
    pub replaces: Option<Replaced>,
    /// Its certificate.
    pub certificate: Certificate,
}

/// A part of the authority, and how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// One word of small letters: `store`, `key`, `log`.
    pub name: &'static str,
    /// What is wrong; `None` when it is well. No secret, no path.
    pub wrong: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::IdempotencyKey;

    #[test]
    fn an_idempotency_key_is_1_to_64_visible_characters() {
        let longest = "x".repeat(64);
        for good in ["a", "7c9e6679-7425", "!~", &longest] {
            let key = IdempotencyKey::new("LINE1", good).unwrap();
            assert_eq!((key.client(), key.key()), ("LINE1", good));
        }
        let longer = "x".repeat(65);
        for bad in ["", " ", "a b", "a\n", "é", "\u{7f}", &longer] {
            assert!(IdempotencyKey::new("LINE1", bad).is_none(), "{bad:?}");
        }
        assert_ne!(IdempotencyKey::new("A", "1"), IdempotencyKey::new("B", "1"));
    }
}
