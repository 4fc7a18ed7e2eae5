//! Set-up from the card's proof to the commit (§9, messages 6 and 7): the PIN, and the pairing key.

use super::set_up::SetUpFault;
use super::step::{authentic, open, seal};
use crate::exchange::{Expects, Outgoing};
use apdu::certificate::ProvenCertificate;
use apdu::channel::TerminalEnd;
use apdu::codec::response::Response;
use apdu::codec::status::StatusWord;
use apdu::handshake::{AuthenticatedSecret, PairingKey};
use apdu::identifier::{PIN_TRIES, PUK_TRIES, header};
use apdu::message::pin::{Digits, Replacement};
use apdu::message::status::CardStatus;

/// A card that has proved its certificate. It waits for the PIN.
pub struct ProvenCard {
    pub(super) secret: AuthenticatedSecret,
    pub(super) channel: TerminalEnd,
    pub(super) card: ProvenCertificate,
    pub(super) status: CardStatus,
}

/// The PIN is under way.
pub struct PinSent(ProvenCard);

/// PUK and new PIN are under way.
pub struct UnblockSent(ProvenCard);

/// The card's answer to a PIN, or to a PUK.
#[must_use]
pub enum PinOutcome<Right> {
    /// It was right.
    Right(Right),
    /// It was wrong; the status has the tries left (§11.5).
    Wrong(Box<ProvenCard>),
    /// 6983: no try is left, or the last one is kept for a paired terminal and the PUK.
    Blocked(Box<ProvenCard>),
}

impl ProvenCard {
    /// The card's proven certificate.
    pub fn certificate(&self) -> &ProvenCertificate {
        &self.card
    }

    /// The card's status, tries included.
    pub fn status(&self) -> &CardStatus {
        &self.status
    }

    /// Message 6.
    pub fn verify_pin(mut self, digits: &Digits) -> Result<(PinSent, Outgoing), SetUpFault> {
        let command = seal(
            "the PIN",
            &mut self.channel,
            header::VERIFY,
            digits.expose(),
            Expects::Nothing,
        )?;
        Ok((PinSent(self), command))
    }

    /// UNBLOCK: PUK and new PIN, for a card whose PIN is used up.
    pub fn unblock(mut self, codes: &Replacement) -> Result<(UnblockSent, Outgoing), SetUpFault> {
        let command = seal(
            "the PUK",
            &mut self.channel,
            header::UNBLOCK,
            &codes.encode(),
            Expects::Nothing,
        )?;
        Ok((UnblockSent(self), command))
    }
}

impl PinSent {
    /// Takes the card's answer to the PIN.
    pub fn answer(self, response: &Response) -> Result<PinOutcome<Consented>, SetUpFault> {
        let Self(mut card) = self;
        match judge_code("the PIN", &mut card.channel, response)? {
            Code::Right => {
                let ProvenCard {
                    secret,
                    channel,
                    card,
                    ..
                } = card;
                let key = secret.into_pairing_key();
                Ok(PinOutcome::Right(Consented { key, channel, card }))
            }
            Code::Wrong(tries) => {
                card.status.pin_tries = tries;
                Ok(PinOutcome::Wrong(Box::new(card)))
            }
            Code::Blocked => Ok(PinOutcome::Blocked(Box::new(card))),
        }
    }
}

impl UnblockSent {
    /// Takes the card's answer to the PUK. When it was right, the new PIN is set and waits to be sent.
    pub fn answer(self, response: &Response) -> Result<PinOutcome<Box<ProvenCard>>, SetUpFault> {
        let Self(mut card) = self;
        match judge_code("the PUK", &mut card.channel, response)? {
            Code::Right => {
                card.status.pin_tries = PIN_TRIES;
                card.status.puk_tries = PUK_TRIES;
                Ok(PinOutcome::Right(Box::new(card)))
            }
            Code::Wrong(tries) => {
                card.status.puk_tries = tries;
                Ok(PinOutcome::Wrong(Box::new(card)))
            }
            Code::Blocked => Ok(PinOutcome::Blocked(Box::new(card))),
        }
    }
}

/// The card has the user's consent. K_0 exists, and nobody has written it down.
pub struct Consented {
    key: PairingKey,
    channel: TerminalEnd,
    card: ProvenCertificate,
}

/// The commit is under way: the card writes K_0 down, or has lost power.
pub struct CardCommitted {
    key: PairingKey,
    channel: TerminalEnd,
}

impl Consented {
    /// K_0. It must be durable as a pending key before [`commit`](Self::commit) is sent (§9.3).
    pub fn pairing_key(&self) -> &PairingKey {
        &self.key
    }

    /// The card's proven certificate.
    pub fn certificate(&self) -> &ProvenCertificate {
        &self.card
    }

    /// Message 7.
    pub fn commit(mut self) -> Result<(CardCommitted, Outgoing), SetUpFault> {
        let header = header::COMMIT;
        let command = seal(
            "the commit",
            &mut self.channel,
            header,
            &[],
            Expects::Nothing,
        )?;
        let Self { key, channel, .. } = self;
        Ok((CardCommitted { key, channel }, command))
    }
}

impl CardCommitted {
    /// Takes the card's answer to the commit: K_0, which the card has written down.
    pub fn answer(mut self, response: &Response) -> Result<PairingKey, SetUpFault> {
        open("the commit", &mut self.channel, response)?;
        Ok(self.key)
    }
}

/// The card's word about a PIN or PUK, under its MAC.
enum Code {
    Right,
    Wrong(u8),
    Blocked,
}

fn judge_code(
    step: &'static str,
    channel: &mut TerminalEnd,
    response: &Response,
) -> Result<Code, SetUpFault> {
    let (_, status) = authentic(step, channel, response)?;
    match (status, status.as_tries()) {
        (StatusWord::OK, _) => Ok(Code::Right),
        (_, Some(tries)) => Ok(Code::Wrong(tries)),
        (StatusWord::BLOCKED, _) => Ok(Code::Blocked),
        (status, _) => Err(SetUpFault::CardRefused { step, status }),
    }
}
