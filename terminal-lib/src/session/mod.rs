//! A session: secured commands only (§10, §11). It cannot send anything in clear.
//!
//! Any failure of the channel, and any answer that does not come, wipes the keys before it is reported, and every later
//! call fails at once. A command that was not answered may have been executed or not: it is never repeated by itself.

mod commands;
mod status_lists;

use crate::exchange::{Exchange, ExchangeError, Expects, Outgoing};
use crate::store::{Change, Key, StoreError, record::PairingRecord};
use crate::terminal::{Terminal, USED_STACK};
use apdu::certificate::{HolderHash, Name};
use apdu::channel::{ExpectedLength, TerminalEnd};
use apdu::codec::command::Header;
use apdu::codec::status::StatusWord;
use apdu::crypto::{SecretBytes, wipe_stack};
use apdu::identifier::{Aid, MAX_LOGICAL_DATA, header};
use apdu::message::status::CardStatus;
pub use commands::{CodeOutcome, PinVerified};
use planted::planted;

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
    /// The card's storage failed at this command (6581, §17). Whether the change was made is not known, and the card answers nothing
    /// else until it is inserted again.
    #[error(
        "the card's storage failed at {command}; whether that was done is not known, and the session is over: insert the card again, connect, and see"
    )]
    InDoubt {
        /// What was asked.
        command: &'static str,
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

/// An authentic answer: plain data and the protected status word.
pub struct Answer {
    /// The plain data; wiped when it dies.
    pub data: SecretBytes,
    /// The card's word. Whatever it is, the session goes on; 6581 is an error instead.
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

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.channel.close();
        wipe_stack::<USED_STACK>();
    }
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
        let first = session.ask_whatever("status", header::STATUS, &[], Expects::Short)?;
        Ok((session, first))
    }

    pub(crate) fn store_record(&mut self, record: &PairingRecord) -> Result<(), StoreError> {
        let put = record.put(&self.terminal.identity);
        self.terminal.store.commit(&[put])
    }

    pub(crate) fn learn_status(&mut self, first: &Answer) -> Result<(), SessionError> {
        let command = "status";
        match first.status {
            StatusWord::OK => {}
            StatusWord::MEMORY_FAILURE => return Err(self.in_doubt(command)),
            status => return Err(SessionError::Refused { command, status }),
        }
        let status =
            CardStatus::decode(&first.data).map_err(|_| SessionError::Malformed { command })?;
        self.status = Some(status);
        Ok(())
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

    /// Ends the session: the keys are wiped and the card is reset. Dropping it does the same.
    pub fn close(self) {}

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

    /// One command and its authentic answer. After 6581 nobody knows what the card has stored: the session is over.
    fn ask(
        &mut self,
        command: &'static str,
        header: Header,
        data: &[u8],
        expects: Expects,
    ) -> Result<Answer, SessionError> {
        let answer = self.ask_whatever(command, header, data, expects)?;
        match answer.status {
            StatusWord::MEMORY_FAILURE => Err(self.in_doubt(command)),
            _ => Ok(answer),
        }
    }

    fn in_doubt(&mut self, command: &'static str) -> SessionError {
        self.channel.close();
        SessionError::InDoubt { command }
    }

    /// Protects, sends, opens. The only way out of this terminal and back.
    fn ask_whatever(
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
                Err(_) if planted("plain-answer-accepted") => Ok(Answer {
                    data: SecretBytes::new(response.data),
                    status: response.status,
                }),
                Err(_) => Err(SessionError::ChannelBroken { command }),
            },
        }
    }
}
