//! A session: secured commands only (§10, §11). It cannot send anything in clear.
//!
//! Any failure of the channel, and any answer that does not come, wipes the keys before it is reported, and every later
//! call fails at once. A command that was not answered may have been executed or not: it is never repeated by itself.

use crate::application::{Application, Notice};
use crate::connect::ConnectError;
use crate::exchange::{Exchange, ExchangeError, Expects, Outgoing};
use crate::identity::{self, Trusted};
use crate::store::{Change, Key, StoreError, record::PairingRecord};
use crate::terminal::Terminal;
use crate::trust::ListAge;
use apdu::certificate::{Certificate, Date, HolderHash, Name, StatusList};
use apdu::channel::{ExpectedLength, TerminalEnd};
use apdu::codec::command::Header;
use apdu::codec::status::StatusWord;
use apdu::crypto::SecretBytes;
use apdu::identifier::{Aid, CLA_SERVICE, MAX_LOGICAL_DATA, header};
use apdu::message::pairings::{Pairing, PairingChange, SlotNumber, encode_delete};
use apdu::message::pin::{Digits, Replacement};
use apdu::message::services;
use apdu::message::status::CardStatus;

/// What secure messaging adds to a data field at most: padding, the objects 87 and 97, the MAC.
const OVERHEAD: usize = 16 + 5 + 4 + 18;

/// Why a command has no result.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The card refused, under its MAC. The session goes on.
    #[error("the card refused {command}: {status}")]
    Refused {
        /// What was asked.
        command: &'static str,
        /// The card's word.
        status: StatusWord,
    },
    /// The answer is not authentic. Whether the command was executed is not known.
    #[error(
        "the answer to {command} is not authentic; the session is over: connect again, and see what was done"
    )]
    ChannelBroken {
        /// What was asked.
        command: &'static str,
    },
    /// No answer. Whether the command was executed is not known.
    #[error(
        "no answer to {command} ({error}); the session is over: connect again, and see what was done"
    )]
    Unanswered {
        /// What was asked.
        command: &'static str,
        /// What happened.
        error: ExchangeError,
    },
    /// An earlier command ended the session. Nothing was sent.
    #[error("the session is over; connect again")]
    Over,
    /// The answer is authentic, and not what it should be: the card is defective, or of another make.
    #[error("the card's answer to {command} is malformed")]
    Malformed {
        /// What was asked.
        command: &'static str,
    },
    /// The data is longer than a command can carry. Nothing was sent.
    #[error("{length} bytes are more than one command can carry")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// The header is not of a service command. Nothing was sent.
    #[error("a service command has class 8C")]
    NotAServiceCommand,
    /// The terminal's store failed; the card's side is done.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The card's word about a PIN or PUK.
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

/// An authentic answer: plain data and the protected status word.
pub struct Answer {
    /// The plain data; wiped when it dies.
    pub data: SecretBytes,
    /// The card's word. Whatever it is, the session goes on.
    pub status: StatusWord,
}

/// An open session with a card that has proved itself.
pub struct Session<'s> {
    terminal: &'s mut Terminal,
    exchange: Exchange<'s>,
    channel: TerminalEnd,
    card: Name,
    holder: HolderHash,
    as_terminal: HolderHash,
    status: Option<CardStatus>,
    service: Option<Aid>,
}

impl<'s> Session<'s> {
    /// Sends the first command, GET DATA status. Its answer is authentic, so the card has moved its key on.
    pub(crate) fn begin(
        terminal: &'s mut Terminal,
        mut exchange: Exchange<'s>,
        channel: TerminalEnd,
        record: &PairingRecord,
    ) -> Result<(Self, Answer), SessionError> {
        exchange.reset_at_end();
        let mut session = Self {
            terminal,
            exchange,
            channel,
            card: record.card(),
            holder: record.holder_hash(),
            as_terminal: record.as_terminal(),
            status: None,
            service: None,
        };
        let first = session.ask("status", header::STATUS, &[], Expects::Short)?;
        Ok((session, first))
    }

    pub(crate) fn store_record(&mut self, record: &PairingRecord) -> Result<(), StoreError> {
        let put = record.put(&self.terminal.identity);
        self.terminal.store.commit(&[put])
    }

    pub(crate) fn learn_status(&mut self, first: &Answer) -> Result<(), SessionError> {
        let command = "status";
        if first.status != StatusWord::OK {
            let status = first.status;
            return Err(SessionError::Refused { command, status });
        }
        let status =
            CardStatus::decode(&first.data).map_err(|_| SessionError::Malformed { command })?;
        self.status = Some(status);
        Ok(())
    }

    /// After the first answer: whoever has the newer status list hands it on (§13).
    pub(crate) fn exchange_status_lists(
        &mut self,
        trusted: &Trusted,
        today: Date,
        application: &mut dyn Application,
    ) -> Result<(), ConnectError> {
        let on_card = self.status.map_or(0, |status| status.list_sequence);
        let own = trusted.list().map_or(0, |list| list.claims().sequence);
        match (trusted.list(), own.cmp(&on_card)) {
            (_, core::cmp::Ordering::Equal) | (None, core::cmp::Ordering::Greater) => Ok(()),
            (Some(list), core::cmp::Ordering::Greater) => {
                let notice = match self.put_status_list(list) {
                    Ok(()) => Notice::StatusListSent { sequence: own },
                    Err(error @ SessionError::Refused { .. }) => Notice::StatusListNotTaken {
                        reason: error.to_string(),
                    },
                    Err(error) => return Err(error.into()),
                };
                application.notice(&notice);
                Ok(())
            }
            (_, core::cmp::Ordering::Less) => self.take_status_list(today, application),
        }
    }

    fn take_status_list(
        &mut self,
        today: Date,
        application: &mut dyn Application,
    ) -> Result<(), ConnectError> {
        let list = match self.status_list() {
            Ok(Some(list)) => list,
            Ok(None) => return Ok(()),
            Err(error @ (SessionError::Refused { .. } | SessionError::Malformed { .. })) => {
                application.notice(&Notice::StatusListNotTaken {
                    reason: error.to_string(),
                });
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let (store, name) = (self.terminal.store.as_mut(), &self.terminal.identity);
        match identity::take_status_list(store, name, &list, today) {
            Ok(ListAge::Newer) => application.notice(&Notice::StatusListTaken {
                sequence: list.claims().sequence,
            }),
            Ok(ListAge::Same | ListAge::Older) => {}
            Err(identity::IdentityError::Store(error)) => return Err(error.into()),
            Err(error) => application.notice(&Notice::StatusListNotTaken {
                reason: error.to_string(),
            }),
        }
        self.refuse_revoked()
    }

    /// The list that has just come may name this very card.
    fn refuse_revoked(&mut self) -> Result<(), ConnectError> {
        let (store, name) = (self.terminal.store.as_ref(), &self.terminal.identity);
        let Some(record) = PairingRecord::read(store, name, &self.holder)? else {
            return Ok(());
        };
        let Err(refusal) = Trusted::read(store, name)?.judge_paired(&record) else {
            return Ok(());
        };
        self.forget_pairing()?;
        self.channel.close();
        let card = self.card;
        Err(ConnectError::Revoked { card, refusal })
    }

    /// The card's proven name.
    pub fn card(&self) -> Name {
        self.card
    }

    /// The card's holder hash.
    pub fn holder_hash(&self) -> HolderHash {
        self.holder
    }

    /// Whether commands can still be sent.
    pub fn is_open(&self) -> bool {
        self.channel.is_open()
    }

    /// The status the card gave when the session began.
    pub fn first_status(&self) -> Option<&CardStatus> {
        self.status.as_ref()
    }

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

    /// Ends the session: the keys are wiped and the card is reset. Dropping it does the same.
    pub fn close(mut self) {
        self.channel.close();
    }

    fn forget_pairing(&mut self) -> Result<(), StoreError> {
        let key = Key::pairing(&self.terminal.identity, &self.holder);
        self.terminal.store.commit(&[Change::Erase(key)])
    }

    /// A command without data whose answer has some.
    fn query(
        &mut self,
        command: &'static str,
        header: Header,
        expects: Expects,
    ) -> Result<SecretBytes, SessionError> {
        match self.ask(command, header, &[], expects)? {
            Answer {
                data,
                status: StatusWord::OK,
            } => Ok(data),
            Answer { status, .. } => Err(SessionError::Refused { command, status }),
        }
    }

    /// A command whose answer is a word.
    fn tell(
        &mut self,
        command: &'static str,
        header: Header,
        data: &[u8],
    ) -> Result<(), SessionError> {
        match self.ask(command, header, data, Expects::Nothing)?.status {
            StatusWord::OK => Ok(()),
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

    /// Protects, sends, opens. The only way out of this terminal and back.
    fn ask(
        &mut self,
        command: &'static str,
        header: Header,
        data: &[u8],
        expects: Expects,
    ) -> Result<Answer, SessionError> {
        if !self.channel.is_open() {
            return Err(SessionError::Over);
        }
        if data.len() > MAX_LOGICAL_DATA - OVERHEAD {
            let length = data.len();
            return Err(SessionError::TooLong { length });
        }
        let (expected, outer) = match expects {
            Expects::Nothing => (None, Expects::Short), // a protected answer always has objects
            Expects::Short => (Some(ExpectedLength::Short), Expects::Short),
            Expects::Long => (Some(ExpectedLength::ANY), Expects::Long),
        };
        let sealed = self
            .channel
            .seal(header, data, expected)
            .map_err(|_| SessionError::Over)?; // 65,535 commands: the keys have done their work
        let outgoing = Outgoing {
            header: sealed.header,
            data: sealed.data,
            expects: outer,
        };
        match self.exchange.send(&outgoing) {
            Err(error) => {
                self.channel.close();
                Err(SessionError::Unanswered { command, error })
            }
            Ok(response) => match self.channel.open(&response.data, response.status) {
                Ok((data, status)) => Ok(Answer { data, status }),
                Err(_) => Err(SessionError::ChannelBroken { command }),
            },
        }
    }
}
