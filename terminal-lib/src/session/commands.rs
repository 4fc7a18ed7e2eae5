//! The typed commands of a session (§11): what a card can be asked, and what may come back.

use super::{Answer, Session, SessionError};
use crate::exchange::Expects;
use apdu::certificate::{Certificate, StatusList};
use apdu::codec::command::Header;
use apdu::codec::status::StatusWord;
use apdu::crypto::SecretBytes;
use apdu::identifier::{Aid, CLA_SERVICE, header};
use apdu::message::pairings::{Pairing, PairingChange, SlotNumber, encode_delete};
use apdu::message::pin::{Digits, Replacement};
use apdu::message::services;
use apdu::message::status::CardStatus;

/// The card's word about a PIN or PUK. `?` passes on what went wrong with the session, not a wrong code: look at the outcome.
#[must_use = "a wrong code is no error: look whether it was right"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeOutcome {
    /// It was right.
    Right,
    /// It was wrong.
    Wrong {
        /// Tries left.
        tries_left: u8,
    },
    /// No tries left.
    Blocked,
}

/// Whether the PIN was verified in this session.
#[must_use = "the PIN may not be verified"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinVerified {
    /// It was.
    Yes,
    /// It was not.
    No {
        /// Tries left.
        tries_left: u8,
    },
    /// It was not, and no tries are left.
    Blocked,
}

impl Session<'_> {
    /// The card's status as it is now (§11.1).
    pub fn status(&mut self) -> Result<CardStatus, SessionError> {
        let command = "status";
        let data = self.query(command, header::STATUS, Expects::Short)?;
        CardStatus::decode(&data).map_err(|_| SessionError::Malformed { command })
    }

    /// The services on the card (§11.4).
    pub fn services(&mut self) -> Result<Vec<Aid>, SessionError> {
        let command = "the list of services";
        let data = self.query(command, header::LIST_SERVICES, Expects::Short)?;
        services::decode(&data).map_err(|_| SessionError::Malformed { command })
    }

    /// The card's own certificate, as it says. The session proves the pairing, not this certificate.
    pub fn card_certificate(&mut self) -> Result<Certificate, SessionError> {
        let command = "the card's certificate";
        let data = self.query(command, header::CARD_CERTIFICATE, Expects::Short)?;
        Certificate::decode(&data).map_err(|_| SessionError::Malformed { command })
    }

    /// Verifies the PIN for this session (§11.5).
    pub fn verify_pin(&mut self, pin: &Digits) -> Result<CodeOutcome, SessionError> {
        self.try_code("the PIN", header::VERIFY, pin.expose())
    }

    /// Whether the PIN was verified in this session. Spends no try.
    pub fn is_pin_verified(&mut self) -> Result<PinVerified, SessionError> {
        let outcome = self.try_code("the question for the PIN", header::VERIFY, &[])?;
        Ok(match outcome {
            CodeOutcome::Right => PinVerified::Yes,
            CodeOutcome::Wrong { tries_left } => PinVerified::No { tries_left },
            CodeOutcome::Blocked => PinVerified::Blocked,
        })
    }

    /// Old PIN, new PIN.
    pub fn change_pin(&mut self, pins: &Replacement) -> Result<CodeOutcome, SessionError> {
        self.try_code("the change of the PIN", header::CHANGE_PIN, &pins.encode())
    }

    /// Old PUK, new PUK.
    pub fn change_puk(&mut self, puks: &Replacement) -> Result<CodeOutcome, SessionError> {
        self.try_code("the change of the PUK", header::CHANGE_PUK, &puks.encode())
    }

    /// PUK, new PIN. A right PUK fills both counters.
    pub fn unblock_pin(&mut self, codes: &Replacement) -> Result<CodeOutcome, SessionError> {
        self.try_code("the PUK", header::UNBLOCK, &codes.encode())
    }

    /// The card's pairings; the PIN must be verified (§11.3).
    pub fn pairings(&mut self) -> Result<Vec<Pairing>, SessionError> {
        let command = "the list of pairings";
        let data = self.query(command, header::LIST_PAIRINGS, Expects::Long)?;
        Pairing::decode_all(&data).map_err(|_| SessionError::Malformed { command })
    }

    /// A new label and new flags for a pairing; the PIN must be verified.
    pub fn change_pairing(&mut self, change: &PairingChange) -> Result<(), SessionError> {
        let data = change.encode();
        self.tell("the change of a pairing", header::CHANGE_PAIRING, &data)
    }

    /// Deletes a pairing on the card. The PIN must be verified for another one than this terminal's own; after that one,
    /// the card ends the session. See [`unpair`](Self::unpair) for the own one.
    pub fn delete_pairing(&mut self, slot: SlotNumber) -> Result<(), SessionError> {
        let data = encode_delete(slot);
        self.tell("the deletion of a pairing", header::DELETE_PAIRING, &data)
    }

    /// Ends this terminal's pairing with the card, on both sides. It needs no PIN.
    pub fn unpair(mut self) -> Result<(), SessionError> {
        let deleted = match self.is_pin_verified()? {
            PinVerified::Yes => {
                let own = self.as_terminal;
                let pairings = self.pairings()?;
                match pairings.iter().find(|pairing| pairing.holder == own) {
                    Some(pairing) => self.delete_pairing(pairing.slot),
                    None => Ok(()),
                }
            }
            // Without the PIN the card deletes this terminal's own pairing and no other, and does not say where it is.
            PinVerified::No { .. } | PinVerified::Blocked => self.delete_own_unseen(),
        };
        deleted?;
        self.forget_pairing()?;
        self.channel.close();
        Ok(())
    }

    fn delete_own_unseen(&mut self) -> Result<(), SessionError> {
        let mut outcome = Ok(());
        for slot in SlotNumber::all() {
            outcome = self.delete_pairing(slot);
            match outcome {
                Err(SessionError::Refused {
                    status: StatusWord::SECURITY_NOT_SATISFIED | StatusWord::NOT_FOUND,
                    ..
                }) => {}
                _ => break,
            }
        }
        outcome
    }

    /// The status list on the card, if it has one. It is not verified yet.
    pub fn status_list(&mut self) -> Result<Option<StatusList>, SessionError> {
        let command = "the status list";
        let answer = self.ask(command, header::GET_STATUS_LIST, &[], Expects::Long)?;
        match answer.status {
            StatusWord::OK => StatusList::decode(&answer.data)
                .map(Some)
                .map_err(|_| SessionError::Malformed { command }),
            StatusWord::NOT_FOUND => Ok(None),
            status => Err(SessionError::Refused { command, status }),
        }
    }

    /// Hands the card a status list; it verifies it.
    pub fn put_status_list(&mut self, list: &StatusList) -> Result<(), SessionError> {
        self.tell("a status list", header::PUT_STATUS_LIST, list.encoded())
    }

    /// Hands the card a link certificate; it verifies it.
    pub fn put_link(&mut self, link: &Certificate) -> Result<(), SessionError> {
        self.tell("a link certificate", header::PUT_LINK, link.encoded())
    }

    /// Resets the card to blank and forgets the pairing. The PIN must be verified, unless the card is blocked (§11.6).
    pub fn factory_reset(mut self) -> Result<(), SessionError> {
        self.tell("the factory reset", header::FACTORY_RESET, &[])?;
        self.channel.close();
        self.forget_pairing()?;
        Ok(())
    }

    /// Selects a service of the card; service commands go to the one selected last (§14.1).
    pub fn select_service(&mut self, service: Aid) -> Result<(), SessionError> {
        self.service = None;
        self.tell("the service", header::SELECT_SERVICE, &service.0)?;
        self.service = Some(service);
        Ok(())
    }

    /// One command of the selected service: class 8C, data and answer in plain on this side of the channel.
    pub fn service_command(
        &mut self,
        header: Header,
        data: &[u8],
        expects: Expects,
    ) -> Result<Answer, SessionError> {
        if header.cla != CLA_SERVICE {
            return Err(SessionError::NotAServiceCommand);
        }
        self.ask("a service command", header, data, expects)
    }

    /// One command of `service`, which is selected first unless it is already.
    pub(crate) fn command_of(
        &mut self,
        service: Aid,
        command: &'static str,
        header: Header,
        data: &[u8],
        expects: Expects,
    ) -> Result<SecretBytes, SessionError> {
        if self.service != Some(service) {
            self.select_service(service)?;
        }
        let Answer { data, status } = self.ask(command, header, data, expects)?;
        match status {
            StatusWord::OK => Ok(data),
            status => Err(SessionError::Refused { command, status }),
        }
    }

    fn try_code(
        &mut self,
        command: &'static str,
        header: Header,
        data: &[u8],
    ) -> Result<CodeOutcome, SessionError> {
        let status = self.ask(command, header, data, Expects::Nothing)?.status;
        match (status, status.as_tries()) {
            (StatusWord::OK, _) => Ok(CodeOutcome::Right),
            (_, Some(tries_left)) => Ok(CodeOutcome::Wrong { tries_left }),
            (StatusWord::BLOCKED, _) => Ok(CodeOutcome::Blocked),
            (status, _) => Err(SessionError::Refused { command, status }),
        }
    }
}
