//! Logical commands over a transport (§4): chaining, extended length, GET RESPONSE, a corrected Le.
//!
//! One logical command goes out in as many APDUs as it takes, and one logical response comes back. Nothing here knows
//! what a command means, and nothing repeats a command that may have been executed: only the reader's own refusals
//! (6Cxx, a long command it cannot carry) lead to the same bytes again.

use crate::transport::{Ending, Transport, TransportError};
use apdu::codec::chaining::segments;
use apdu::codec::command::{Command, CommandError, Form, Header};
use apdu::codec::response::Response;
use apdu::codec::status::StatusWord;
use apdu::identifier::{MAX_RESPONSE_DATA, header};
use apdu::message::select::Fci;
use zeroize::Zeroizing;

/// The most data bytes of one logical response, secure messaging included (§4): the most a card is asked for.
pub const MAX_RESPONSE: usize = MAX_RESPONSE_DATA;

/// How much answer data a command asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expects {
    /// None.
    Nothing,
    /// Up to 256 bytes.
    Short,
    /// Of any length.
    Long,
}

/// A logical command: what the transcript, the counters and the MACs see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// CLA INS P1 P2, without the chaining bit.
    pub header: Header,
    /// The whole data field, at most 40,960 bytes and what secure messaging adds.
    pub data: Vec<u8>,
    /// How much is expected back. A protected command always gets objects back.
    pub expects: Expects,
}

/// Why no response came back. The card's own refusals are responses, not errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// The way to the card failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The card or the reader broke the rules of the transport.
    #[error("the card or its reader misbehaved: {0}")]
    Misbehaved(&'static str),
    /// The command does not fit its form: an error of the caller.
    #[error("the command cannot be sent: {0}")]
    Command(#[from] CommandError),
}

/// A card under exclusive use. Dropping it ends that use.
pub struct Exchange<'t> {
    transport: &'t mut dyn Transport,
    limits: Limits,
    held: bool,
    ending: Ending,
}

/// What the card said it takes, in its answer to SELECT.
#[derive(Clone, Copy)]
struct Limits {
    extended_length: bool,
    max_command: usize,
}

impl Limits {
    /// What every card takes.
    const SHORT: Self = Self {
        extended_length: false,
        max_command: 0,
    };
}

impl<'t> Exchange<'t> {
    /// Begins exclusive use of the card behind `transport`, connecting again if another program reset it.
    pub fn begin(transport: &'t mut dyn Transport) -> Result<Self, ExchangeError> {
        let mut exchange = Self {
            transport,
            limits: Limits::SHORT,
            held: false,
            ending: Ending::Leave,
        };
        match exchange.hold() {
            Err(TransportError::CardReset) => {
                exchange.transport.reconnect()?;
                exchange.hold()?;
            }
            begun => begun?,
        }
        Ok(exchange)
    }

    /// Lets other programs use the card while the user is asked.
    pub fn release(&mut self) {
        if self.held {
            self.transport.end(Ending::Leave);
            self.held = false;
        }
    }

    /// Takes the card back. [`TransportError::CardReset`] says that it was disturbed meanwhile.
    pub fn hold(&mut self) -> Result<(), TransportError> {
        if !self.held {
            self.transport.begin()?;
            self.held = true;
        }
        Ok(())
    }

    /// Connects again after [`TransportError::CardReset`], and takes the card back.
    pub fn reconnect(&mut self) -> Result<(), TransportError> {
        self.transport.reconnect()?;
        self.hold()
    }

    /// From now on the card is reset when the exclusive use ends, so that no session stays behind.
    pub fn reset_at_end(&mut self) {
        self.ending = Ending::Reset;
    }

    /// Takes the limits from the card's answer to SELECT.
    pub fn learn_limits(&mut self, fci: &Fci) {
        self.limits = Limits {
            extended_length: fci.capabilities.has_extended_length(),
            max_command: fci.max_command.into(),
        };
    }

    /// Sends one logical command and collects its logical response.
    ///
    /// # Errors
    /// When there is no complete response. A response of any status word is `Ok`.
    pub fn send(&mut self, command: &Outgoing) -> Result<Response, ExchangeError> {
        if let Some(bytes) = self.as_extended(command)? {
            match self.transmit(&bytes) {
                Ok(response) if response != Response::bare(StatusWord::WRONG_LENGTH) => {
                    return self.collect(response);
                }
                // The reader, not the card, cannot carry it: the same command goes out in segments, and does from now on.
                // Had the card taken it after all, its answer to the repetition would be a broken channel, not a second execution.
                Ok(_) | Err(ExchangeError::Transport(TransportError::Reader(_))) => {
                    self.transport.extended_length_failed();
                }
                Err(error) => return Err(error),
            }
        }
        self.send_short(command)
    }

    /// The command in extended form, if it needs it and card and reader can.
    fn as_extended(&self, command: &Outgoing) -> Result<Option<Vec<u8>>, ExchangeError> {
        let needed =
            command.data.len() > Form::Short.max_data() || command.expects == Expects::Long;
        if !needed || !self.limits.extended_length || !self.transport.takes_extended_length() {
            return Ok(None);
        }
        if command.data.len() > Form::Extended.max_data() {
            return Ok(None);
        }
        let expected = match command.expects {
            Expects::Nothing => None,
            Expects::Short | Expects::Long => Some(65_536), // Le = 0000
        };
        let bytes = Command {
            header: command.header,
            data: &command.data,
            expected,
            form: Form::Extended,
        }
        .encode()?;
        Ok((bytes.len() <= self.limits.max_command).then_some(bytes))
    }

    fn send_short(&mut self, command: &Outgoing) -> Result<Response, ExchangeError> {
        let expected = match command.expects {
            Expects::Nothing => None,
            Expects::Short | Expects::Long => Some(256),
        };
        let size = Form::Short.max_data();
        // Wiped: in personalisation a PIN travels in clear (§11.8).
        let apdus = Zeroizing::new(segments(
            command.header,
            &command.data,
            expected,
            Form::Short,
            size,
        )?);
        let Some((last, firsts)) = apdus.split_last() else {
            return Err(ExchangeError::Misbehaved("no segment to send")); // there is always one
        };
        for segment in firsts {
            let answer = self.transmit(segment)?;
            if answer.status != StatusWord::OK {
                return Ok(answer); // the chain was refused: that is the response to the command
            }
            if !answer.data.is_empty() {
                return Err(ExchangeError::Misbehaved(
                    "a segment was answered with data",
                ));
            }
        }
        let response = self.transmit(last)?;
        self.collect(response)
    }

    /// Fetches what waits behind 61xx, up to [`MAX_RESPONSE`] bytes.
    fn collect(&mut self, first: Response) -> Result<Response, ExchangeError> {
        let mut whole = first;
        while let Some(waiting) = whole.status.as_bytes_waiting() {
            let next = self.transmit(
                &Command {
                    header: header::GET_RESPONSE,
                    data: &[],
                    expected: u32::try_from(waiting).ok(),
                    form: Form::Short,
                }
                .encode()?,
            )?;
            if next.data.is_empty() && next.status.as_bytes_waiting().is_some() {
                return Err(ExchangeError::Misbehaved("bytes wait and do not come"));
            }
            if next.status.as_bytes_waiting().is_none() && !next.status.allows_data() {
                return Ok(next); // the fetching was refused: what came before is worth nothing
            }
            whole.data.extend(next.data);
            whole.status = next.status;
            if whole.data.len() > MAX_RESPONSE {
                return Err(ExchangeError::Misbehaved("a response without end"));
            }
        }
        if whole.data.len() > MAX_RESPONSE {
            return Err(ExchangeError::Misbehaved("a response without end"));
        }
        Ok(whole)
    }

    /// One APDU; after 6Cxx the same once more with that Le.
    fn transmit(&mut self, bytes: &[u8]) -> Result<Response, ExchangeError> {
        let response = self.transmit_once(bytes)?;
        let Some(le) = response.status.as_wrong_le() else {
            return Ok(response);
        };
        let command = Command {
            expected: Some(le.into()),
            ..Command::parse(bytes)?
        };
        self.transmit_once(&command.encode()?)
    }

    fn transmit_once(&mut self, bytes: &[u8]) -> Result<Response, ExchangeError> {
        let answer = self.transport.transmit(bytes)?;
        Response::parse(&answer)
            .map_err(|_| ExchangeError::Misbehaved("a response of less than two bytes"))
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        if self.held || self.ending == Ending::Reset {
            self.transport.end(self.ending);
        }
    }
}
