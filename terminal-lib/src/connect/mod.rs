//! From an inserted card to a session (§16; seed Fig. 5, S501 to S506): who is asked when, and what is written down when.
//!
//! The handshakes themselves are pure machines in [`flow`](crate::flow); here they meet the reader, the store, the clock
//! and the application.

mod set_up;

use crate::application::{Application, Notice, Policy, SetUpReason};
use crate::exchange::{Exchange, ExchangeError};
use crate::flow::{
    Candidate, Matched, Recognised, Reconnect, ReconnectFault, ReconnectOutcome, SelectFault,
    Selected, select,
};
use crate::identity::Trusted;
use crate::session::{Session, SessionError};
use crate::store::{StoreError, record::PairingRecord};
use crate::terminal::Terminal;
use crate::transport::{Transport, TransportError};
use crate::trust::ClockError;
use apdu::certificate::{Date, HolderHash, Name, Refusal};
use apdu::crypto::EntropyError;
pub use set_up::SetUpFailure;

/// After so many sessions a pairing is due for renewal.
const RENEWAL_USES: u32 = 4_096;
/// After so many days a pairing is due for renewal.
const RENEWAL_DAYS: u32 = 365;

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The way to the card.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The card is none of ours, or cannot be used.
    #[error(transparent)]
    Card(#[from] SelectFault),
    /// The card did not answer the challenge.
    #[error(transparent)]
    Reconnect(#[from] ReconnectFault),
    /// The policy or the application said no.
    #[error("not paired, and no pairing wanted: {0}")]
    NotPaired(SetUpReason),
    /// Set-up failed. The message says which side lacks what.
    #[error(transparent)]
    SetUp(#[from] SetUpFailure),
    /// Authentication failed again right after a set-up that succeeded.
    #[error(
        "card and terminal have just paired and still do not know each other: \
         try again; if it stays so, the reader changes what passes through it, or the card is defective"
    )]
    SecondFailure,
    /// The card was cut off by its authority. The pairing is forgotten.
    #[error("card {card} must not be used any more: {refusal}; its pairing was removed")]
    Revoked {
        /// The card.
        card: Name,
        /// Why.
        refusal: Refusal,
    },
    /// The first command of the session failed. The pairing is intact.
    #[error("the session could not be opened: {0}")]
    Session(#[from] SessionError),
    /// The store failed, or a record in it is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The clock is wrong.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl ConnectError {
    /// Whether what a card said in a set-up ended it: the way to the card, the store and the clock are in order.
    fn is_the_cards(&self) -> bool {
        matches!(
            self,
            Self::SetUp(_) | Self::Card(_) | Self::Exchange(ExchangeError::Misbehaved(_))
        )
    }
}

impl From<TransportError> for ConnectError {
    fn from(error: TransportError) -> Self {
        Self::Exchange(error.into())
    }
}

pub(crate) fn connect<'s>(
    terminal: &'s mut Terminal,
    transport: &'s mut dyn Transport,
    application: &mut dyn Application,
    policy: &Policy,
) -> Result<Session<'s>, ConnectError> {
    let today = terminal.clock.today()?;
    // The store is read once the card is ours: another program may just be finishing with it.
    let exchange = Exchange::begin(transport)?;
    let trusted = Trusted::read(terminal.store.as_ref(), &terminal.identity)?;
    let mut visit = Visit {
        terminal,
        exchange,
        application,
        policy,
        trusted,
        today,
    };
    let recognised = visit.recognise()?;
    visit.open(*recognised)
}

/// One card in the reader, and everything that has a say.
struct Visit<'s, 'a> {
    terminal: &'s mut Terminal,
    exchange: Exchange<'s>,
    application: &'a mut dyn Application,
    policy: &'a Policy,
    trusted: Trusted,
    today: Date,
}

/// What authentication found.
enum Found {
    Recognised(Box<Recognised>),
    NotRecognised {
        reason: SetUpReason,
        /// The only card a set-up may be with.
        card: Option<HolderHash>,
    },
}

impl<'s> Visit<'s, '_> {
    /// Fig. 5: S502, and if it fails S504 and S502 again.
    fn recognise(&mut self) -> Result<Box<Recognised>, ConnectError> {
        let (reason, card) = match self.authenticate()? {
            Found::Recognised(recognised) if !self.is_renewal_due(&recognised)? => {
                return Ok(recognised);
            }
            Found::Recognised(recognised) => (SetUpReason::RenewalDue, Some(recognised.card)),
            Found::NotRecognised { reason, card } => (reason, card),
        };
        let is_renewal = reason == SetUpReason::RenewalDue;
        if self.may_set_up(reason)? {
            match self.set_up(reason, card) {
                // The old pairing is untouched, and still good.
                Err(failure) if is_renewal && failure.is_the_cards() => {
                    self.application.notice(&Notice::RenewalFailed {
                        reason: failure.to_string(),
                    });
                }
                result => result?,
            }
        } else if !is_renewal {
            return Err(ConnectError::NotPaired(reason));
        }
        match self.authenticate()? {
            Found::Recognised(recognised) => Ok(recognised),
            Found::NotRecognised { .. } => Err(ConnectError::SecondFailure),
        }
    }

    /// SELECT and C1. There is no second try after a well-formed answer, whatever it says; one new SELECT after a fault of
    /// the transport or a plain error word.
    fn authenticate(&mut self) -> Result<Found, ConnectError> {
        let outcome = match self.try_authenticate() {
            Err(ConnectError::Exchange(ExchangeError::Transport(
                TransportError::CardReset | TransportError::Reader(_),
            ))) => {
                self.exchange.reconnect()?;
                self.try_authenticate()?
            }
            Err(
                ConnectError::Card(SelectFault::Refused(_))
                | ConnectError::Reconnect(ReconnectFault::Refused(_)),
            ) => self.try_authenticate()?,
            other => other?,
        };
        match outcome {
            ReconnectOutcome::Recognised(recognised) => {
                let record = self.record_of(&recognised.card)?;
                self.refuse_revoked(&record)?;
                Ok(Found::Recognised(recognised))
            }
            ReconnectOutcome::DidNotAuthenticate(card) => Ok(Found::NotRecognised {
                reason: SetUpReason::KnownCardDidNotAuthenticate,
                card: Some(card),
            }),
            ReconnectOutcome::Unknown => Ok(Found::NotRecognised {
                reason: SetUpReason::NeverMet,
                card: None,
            }),
        }
    }

    fn try_authenticate(&mut self) -> Result<ReconnectOutcome, ConnectError> {
        let selected = self.select()?;
        let records =
            PairingRecord::read_all(self.terminal.store.as_ref(), &self.terminal.identity)?;
        let candidates = records
            .iter()
            .map(|record| {
                let current = record.current().map(|(key, _)| key);
                Candidate::new(record.holder_hash(), current, record.pending())
            })
            .collect();
        let (reconnect, command) =
            Reconnect::begin(selected, candidates, self.terminal.entropy.as_mut())?;
        let response = self.exchange.send(&command)?;
        Ok(reconnect.answer(&response)?)
    }

    fn select(&mut self) -> Result<Selected, ConnectError> {
        let answer = self.exchange.send(&select())?;
        let selected = Selected::from_answer(&answer)?;
        selected.require_suite(self.trusted.minimum_suite())?;
        self.exchange.learn_limits(selected.fci());
        Ok(selected)
    }

    /// Whether a set-up may begin. Other programs may use the card while the application thinks.
    fn may_set_up(&mut self, reason: SetUpReason) -> Result<bool, ConnectError> {
        match self.policy {
            Policy::Never => Ok(false),
            Policy::Only(_) | Policy::Auto => Ok(true),
            Policy::Ask => {
                self.exchange.release();
                let agreed = self.application.may_set_up(reason);
                match self.exchange.hold() {
                    // Nothing was under way: whatever comes next begins with SELECT.
                    Err(TransportError::CardReset) => self.exchange.reconnect()?,
                    held => held?,
                }
                Ok(agreed)
            }
        }
    }

    fn is_renewal_due(&self, recognised: &Recognised) -> Result<bool, ConnectError> {
        let wanted = match self.policy {
            Policy::Never => false,
            Policy::Only(card) => *card == recognised.card,
            Policy::Ask | Policy::Auto => true,
        };
        let record = self.record_of(&recognised.card)?;
        let age = self.today.days().saturating_sub(record.set_up().days());
        let due = record.uses() >= RENEWAL_USES || age >= RENEWAL_DAYS;
        // A pending key that has just proved itself is a renewal that was interrupted.
        Ok(wanted && due && !matches!(recognised.matched, Matched::Pending(_)))
    }

    /// S503: the durable step before anything is sent, the first command, the durable step after its answer (§8.4).
    fn open(self, recognised: Recognised) -> Result<Session<'s>, ConnectError> {
        let Recognised {
            card,
            matched,
            channel,
            ..
        } = recognised;
        let mut record = self.record_of(&card)?;
        let put_needed = match matched {
            Matched::Current if record.pending().len() == 0 => false,
            Matched::Current => {
                record.clear_pending();
                true
            }
            Matched::Next => {
                record.advance();
                true
            }
            Matched::Pending(number) => {
                record.promote_pending(number);
                true
            }
        };
        let Self {
            terminal,
            exchange,
            application,
            trusted,
            today,
            ..
        } = self;
        if put_needed {
            terminal.store.commit(&[record.put(&terminal.identity)])?;
        }
        let (mut session, first) = Session::begin(terminal, exchange, channel, &record)?;
        record.advance();
        record.count_use(today);
        session.store_record(&record)?;
        session.learn_status(&first)?;
        session.exchange_status_lists(&trusted, today, application)?;
        Ok(session)
    }

    /// A pairing whose card was cut off since is forgotten (§13).
    fn refuse_revoked(&mut self, record: &PairingRecord) -> Result<(), ConnectError> {
        let Err(refusal) = self.trusted.judge_paired(record) else {
            return Ok(());
        };
        self.terminal.forget(&record.holder_hash())?;
        Err(ConnectError::Revoked {
            card: record.card(),
            refusal,
        })
    }

    /// The record of a card that was just matched by it.
    fn record_of(&self, card: &HolderHash) -> Result<PairingRecord, ConnectError> {
        PairingRecord::read(self.terminal.store.as_ref(), &self.terminal.identity, card)?
            .ok_or(ConnectError::NotPaired(SetUpReason::NeverMet)) // another program has just forgotten it
    }
}
