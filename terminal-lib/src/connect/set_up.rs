//! Set-up with its user (§9, §16; S504, S506): certificates, the PIN, the pairing key written down before the commit.

use super::{ConnectError, Visit};
use crate::application::{Notice, PinAnswer, PinRequest, PinState, Policy, SetUpReason};
use crate::exchange::{ExchangeError, Outgoing};
use crate::flow::{Consented, Intent, PinOutcome, ProvenCard, SetUp, SetUpFault, SetUpStep};
use crate::identity::{Active, Own};
use crate::store::{IdentityName, record::PairingRecord};
use crate::transport::TransportError;
use crate::trust::Trust;
use apdu::certificate::{HolderHash, Name, Refusal, Role};
use apdu::codec::response::Response;
use apdu::message::pin::Digits;
use planted::planted;

/// Why a set-up failed, and which side lacks what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetUpFailure {
    /// This terminal has no certificate.
    #[error("this terminal has no certificate under the identity {0}; have it certified first")]
    NotCertified(IdentityName),
    /// This terminal's certificate is no longer good.
    #[error(
        "this terminal's own certificate cannot be used: {0}; have the terminal certified again"
    )]
    OwnCertificate(Refusal),
    /// One of the messages failed.
    #[error(transparent)]
    Fault(#[from] SetUpFault),
    /// The application gave no PIN.
    #[error("the pairing with card {card} was refused at the question for the PIN")]
    PinRefused {
        /// The card's proven name.
        card: Name,
    },
    /// 6983 with a try left.
    #[error(
        "card {card} keeps its last PIN try for terminals it is paired with; \
         enter the PIN on one of those, or use the PUK"
    )]
    LastTryKept {
        /// The card's proven name.
        card: Name,
    },
    /// No PIN try left.
    #[error("the PIN of card {card} is blocked; unblock it with the PUK")]
    PinBlocked {
        /// The card's proven name.
        card: Name,
    },
    /// 6983 to the PUK with a try left.
    #[error(
        "card {card} keeps its last PUK try for terminals it is paired with; use the PUK on one of those"
    )]
    LastPukTryKept {
        /// The card's proven name.
        card: Name,
    },
    /// No PUK try left.
    #[error(
        "the PUK of card {card} is used up; a paired terminal can reset the card, or it must be replaced"
    )]
    PukBlocked {
        /// The card's proven name.
        card: Name,
    },
    /// Other programs do not leave the card alone.
    #[error(
        "the card was disturbed twice while the user was asked; close other programs that use it, then try again"
    )]
    Disturbed,
}

impl From<SetUpFault> for ConnectError {
    fn from(fault: SetUpFault) -> Self {
        Self::SetUp(fault.into())
    }
}

/// What came of asking the user.
enum Consent {
    Given(Box<Consented>),
    /// The card was reset, or lost its session, while the user was asked.
    Disturbed,
}

/// A PIN that survives a disturbance, for the same card only. One that was sent does not: it may have been counted.
type KeptPin = Option<(HolderHash, Digits)>;

/// What is left of the questions before a disturbance.
#[derive(Default)]
struct Asked {
    kept: KeptPin,
    /// Whether a code was sent and its answer was not authentic.
    in_doubt: bool,
}

impl Visit<'_, '_> {
    /// Fig. 7, from SELECT to the card's answer to the commit.
    pub(super) fn set_up(
        &mut self,
        reason: SetUpReason,
        known: Option<HolderHash>,
    ) -> Result<(), ConnectError> {
        let trust = self.trusted.on(self.today)?;
        let own = self.own_identity(&trust)?;
        let paired: Vec<_> =
            PairingRecord::read_all(self.terminal.store.as_ref(), &self.terminal.identity)?
                .iter()
                .map(|record| (record.holder_hash(), record.key_id()))
                .collect();
        let mut intent = Intent {
            key: &own.key,
            certificate: &own.certificate,
            link: None,
            trust: &trust,
            expected: match self.policy {
                Policy::Only(card) => Some(*card),
                _ => known,
            },
            paired: &paired,
        };
        let link = self.trusted.link_to(&own.certificate.claims().issuer)?;
        let mut asked = Asked::default();
        let mut disturbed = false;
        loop {
            let card = match self.prove(&intent) {
                // A card of the old root learns the new one from the link.
                Err(ConnectError::SetUp(SetUpFailure::Fault(SetUpFault::TerminalRefused)))
                    if intent.link.is_none() && link.is_some() =>
                {
                    intent.link = link.as_ref();
                    continue;
                }
                Err(ConnectError::SetUp(SetUpFailure::Fault(fault))) => {
                    self.forget_revoked(&fault)?;
                    return Err(fault.into());
                }
                proven => proven?,
            };
            let paired_before = self.tell_lost(&card, reason, disturbed)?;
            match self.consent(card, &mut asked, reason, paired_before)? {
                Consent::Given(consented) => {
                    return self.commit(*consented, own.certificate.holder_hash());
                }
                Consent::Disturbed if disturbed => return Err(SetUpFailure::Disturbed.into()),
                Consent::Disturbed => {
                    disturbed = true;
                    intent.link = None; // the card may know it by now
                    self.application.notice(&Notice::SetUpStartedAgain);
                }
            }
        }
    }

    /// This terminal's key and certificate, if it is good today.
    fn own_identity(&self, trust: &Trust) -> Result<Active, ConnectError> {
        let identity = &self.terminal.identity;
        let own = Own::read(self.terminal.store.as_ref(), identity)?.unwrap_or_default();
        let Some(active) = own.active else {
            return Err(SetUpFailure::NotCertified(identity.clone()).into());
        };
        trust
            .judge_terminal(active.certificate.clone())
            .map_err(SetUpFailure::OwnCertificate)?;
        Ok(active)
    }

    /// Messages 1 to 5.
    fn prove(&mut self, intent: &Intent<'_>) -> Result<Box<ProvenCard>, ConnectError> {
        let selected = self.select()?;
        let (mut machine, mut command) = SetUp::begin(selected, intent)?;
        loop {
            let response = self.exchange.send(&command)?;
            match machine.answer(&response, intent, self.terminal.entropy.as_mut())? {
                SetUpStep::Send(next, further) => (machine, command) = (*next, further),
                SetUpStep::Proven(card) => return Ok(card),
            }
        }
    }

    /// A card that was refused because it was cut off loses the pairing it may have here (§13). The record decides, not the
    /// certificate: anybody may show an old one of a card that has a new one.
    fn forget_revoked(&mut self, fault: &SetUpFault) -> Result<(), ConnectError> {
        let SetUpFault::CardDistrusted { card, .. } = fault else {
            return Ok(());
        };
        let holder = HolderHash::of(Role::Card, card);
        let (store, identity) = (self.terminal.store.as_ref(), &self.terminal.identity);
        match PairingRecord::read(store, identity, &holder)? {
            Some(record) if self.trusted.judge_paired(&record).is_err() => {
                Ok(self.terminal.forget(&holder)?)
            }
            _ => Ok(()),
        }
    }

    /// Whether a pairing with the proven card is stored. One that the card does not know any more is worth a notice.
    fn tell_lost(
        &mut self,
        card: &ProvenCard,
        reason: SetUpReason,
        told: bool,
    ) -> Result<bool, ConnectError> {
        let holder = card.certificate().holder_hash();
        let (store, identity) = (self.terminal.store.as_ref(), &self.terminal.identity);
        let had_pairing = PairingRecord::read(store, identity, &holder)?
            .is_some_and(|record| record.current().is_some());
        if had_pairing && !told && reason != SetUpReason::RenewalDue {
            let card = *card.certificate().holder();
            self.application.notice(&Notice::PairingLost { card });
        }
        Ok(had_pairing)
    }

    /// Message 6, as often as the card and the application go on.
    fn consent(
        &mut self,
        mut card: Box<ProvenCard>,
        asked: &mut Asked,
        reason: SetUpReason,
        paired_before: bool,
    ) -> Result<Consent, ConnectError> {
        let name = *card.certificate().holder();
        let holder = card.certificate().holder_hash();
        if card.status().puk_tries == 0 {
            return Err(SetUpFailure::PukBlocked { card: name }.into()); // no code is taken any more
        }
        let mut state = pin_state(card.status().pin_tries);
        let mut attempt = 0;
        loop {
            let answer = match asked.kept.take() {
                Some((owner, digits)) if owner == holder => PinAnswer::Digits(digits),
                _ => {
                    attempt += 1;
                    let request = PinRequest {
                        card: name,
                        paired_before,
                        state,
                        puk_tries_left: card.status().puk_tries,
                        reason,
                        attempt,
                        in_doubt: asked.in_doubt,
                    };
                    self.exchange.release();
                    let answer = self.application.pin(&request);
                    match self.exchange.hold() {
                        Err(TransportError::CardReset) => {
                            self.exchange.reconnect()?;
                            asked.kept = keep(holder, answer, state);
                            return Ok(Consent::Disturbed);
                        }
                        held => held?,
                    }
                    answer
                }
            };
            match (answer, state) {
                (PinAnswer::Refuse, PinState::Open { .. }) => {
                    return Err(SetUpFailure::PinRefused { card: name }.into());
                }
                (PinAnswer::Refuse | PinAnswer::Digits(_), PinState::LastTryKept) => {
                    return Err(SetUpFailure::LastTryKept { card: name }.into());
                }
                (PinAnswer::Refuse | PinAnswer::Digits(_), PinState::Blocked) => {
                    return Err(SetUpFailure::PinBlocked { card: name }.into());
                }
                (PinAnswer::Digits(digits), PinState::Open { .. }) => {
                    let (sent, command) = card.verify_pin(&digits)?;
                    let answered = self.send_undisturbed(&command)?;
                    let outcome = answered.map(|response| sent.answer(&response));
                    match outcome {
                        // Anybody on the line can say this in the card's place, and a reset may come after the PIN has arrived: it may
                        // have been counted, and is not sent again.
                        None | Some(Err(SetUpFault::Refused { .. })) => {
                            asked.in_doubt = true;
                            return Ok(Consent::Disturbed);
                        }
                        Some(Err(fault)) => return Err(fault.into()),
                        Some(Ok(PinOutcome::Right(consented))) => {
                            return Ok(Consent::Given(Box::new(consented)));
                        }
                        Some(Ok(PinOutcome::Wrong(again))) => {
                            card = again;
                            state = pin_state(card.status().pin_tries);
                        }
                        Some(Ok(PinOutcome::Blocked(again))) => {
                            card = again;
                            state = match card.status().pin_tries {
                                0 => PinState::Blocked,
                                _ => PinState::LastTryKept,
                            };
                        }
                    }
                }
                (PinAnswer::Unblock(codes), _) => {
                    let (sent, command) = card.unblock(&codes)?;
                    let answered = self.send_undisturbed(&command)?;
                    let outcome = answered.map(|response| sent.answer(&response));
                    match outcome {
                        // Whether the PUK was used is not known: it is asked for again.
                        None | Some(Err(SetUpFault::Refused { .. })) => {
                            asked.in_doubt = true;
                            return Ok(Consent::Disturbed);
                        }
                        Some(Err(fault)) => return Err(fault.into()),
                        Some(Ok(PinOutcome::Right(again))) => {
                            card = again;
                            state = pin_state(card.status().pin_tries);
                            asked.kept = Some((holder, codes.new));
                        }
                        Some(Ok(PinOutcome::Wrong(refused) | PinOutcome::Blocked(refused)))
                            if refused.status().puk_tries == 0 =>
                        {
                            return Err(SetUpFailure::PukBlocked { card: name }.into());
                        }
                        Some(Ok(PinOutcome::Wrong(again))) => card = again,
                        Some(Ok(PinOutcome::Blocked(_))) => {
                            return Err(SetUpFailure::LastPukTryKept { card: name }.into());
                        }
                    }
                }
            }
        }
    }

    /// The card's answer, or `None` when another program reset the card.
    fn send_undisturbed(&mut self, command: &Outgoing) -> Result<Option<Response>, ConnectError> {
        match self.exchange.send(command) {
            Err(ExchangeError::Transport(TransportError::CardReset)) => {
                self.exchange.reconnect()?;
                Ok(None)
            }
            sent => Ok(Some(sent?)),
        }
    }

    /// K_0 is durable as pending, then the card is told, then it is the current key (§9.3). An answer that does not come
    /// leaves it pending: the next reconnect finds out.
    fn commit(&mut self, consented: Consented, own: HolderHash) -> Result<(), ConnectError> {
        let certificate = consented.certificate();
        let card = *certificate.holder();
        let holder = certificate.holder_hash();
        let (store, identity) = (&mut self.terminal.store, &self.terminal.identity);
        let mut record = PairingRecord::read(store.as_ref(), identity, &holder)?
            .unwrap_or_else(|| PairingRecord::new(certificate, own, self.today));
        let key = consented.pairing_key().dangerous_copy();
        record.add_pending(key, certificate, own, self.today);
        if !planted("pending-key-not-stored") {
            store.commit(&[record.put(identity)])?;
        }
        let (committed, command) = consented.commit()?;
        let response = self.exchange.send(&command)?;
        committed.answer(&response)?;
        record.commit_newest_pending();
        store.commit(&[record.put(identity)])?;
        self.application.notice(&Notice::PairingMade { card });
        Ok(())
    }
}

fn pin_state(tries_left: u8) -> PinState {
    match tries_left {
        0 => PinState::Blocked,
        tries_left => PinState::Open { tries_left },
    }
}

/// What the user had answered when the card turned out to be disturbed.
fn keep(holder: HolderHash, answer: PinAnswer, state: PinState) -> KeptPin {
    match (answer, state) {
        (PinAnswer::Digits(digits), PinState::Open { .. }) => Some((holder, digits)),
        _ => None,
    }
}
