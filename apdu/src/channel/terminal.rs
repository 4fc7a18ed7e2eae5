//! The terminal's end: protects commands, opens responses.

use super::ChannelBroken;
use super::keys::{Counter, SessionKeys};
use super::objects::{ExpectedLength, ResponseObjects};
use crate::codec::command::Header;
use crate::codec::status::StatusWord;
use crate::crypto::SecretBytes;
use crate::identifier::MAX_COMMANDS;
use alloc::vec::Vec;
use planted::planted;

/// A protected command: a logical command ready for chaining.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The header, unchanged.
    pub header: Header,
    /// The secure messaging objects.
    pub data: Vec<u8>,
}

/// The terminal's end of a channel. One command is under way at a time.
pub struct TerminalEnd(State);

enum State {
    Ready { keys: SessionKeys, counter: Counter },
    Waiting { keys: SessionKeys, counter: Counter },
    Broken,
}

impl TerminalEnd {
    /// A channel whose first message is a command of this end.
    pub fn new(keys: SessionKeys) -> Self {
        Self(State::Ready {
            keys,
            counter: Counter::START,
        })
    }

    /// A channel whose first message is a response: SM2, which begins with the answer to message 5 (§9.1).
    pub fn awaiting(keys: SessionKeys) -> Self {
        Self(State::Waiting {
            keys,
            counter: Counter::START,
        })
    }

    /// Protects one command. `expected` is present when answer data is wanted.
    ///
    /// # Errors
    /// After 65,535 commands, after any failure, or while an answer is due.
    pub fn seal(
        &mut self,
        header: Header,
        data: &[u8],
        expected: Option<ExpectedLength>,
    ) -> Result<Sealed, ChannelBroken> {
        let State::Ready { keys, counter } = self.take() else {
            return Err(ChannelBroken);
        };
        let counter = counter.next(2 * MAX_COMMANDS).ok_or(ChannelBroken)?;
        let data = keys.seal_command(counter, header, data, expected);
        self.0 = State::Waiting { keys, counter };
        Ok(Sealed { header, data })
    }

    /// Opens the answer: verifies, then decrypts, then compares the protected status word with the outer one.
    ///
    /// # Errors
    /// Every fault, and every unprotected answer, breaks the channel.
    pub fn open(
        &mut self,
        data: &[u8],
        outer: StatusWord,
    ) -> Result<(SecretBytes, StatusWord), ChannelBroken> {
        let State::Waiting { keys, counter } = self.take() else {
            return Err(ChannelBroken);
        };
        let counter = counter.next(2 * MAX_COMMANDS).ok_or(ChannelBroken)?;
        let objects = ResponseObjects::parse(data).ok_or(ChannelBroken)?;
        let plain = keys.open_response(counter, &objects).ok_or(ChannelBroken)?;
        if objects.status != outer && !planted("outer-status-unchecked") {
            return Err(ChannelBroken);
        }
        self.0 = State::Ready { keys, counter };
        Ok((plain, outer))
    }

    /// Whether the channel can still protect a command.
    pub fn is_open(&self) -> bool {
        matches!(self.0, State::Ready { .. })
    }

    /// Ends the channel and wipes its keys.
    pub fn close(&mut self) {
        self.0 = State::Broken;
    }

    /// A second copy of the channel, for exploring what would follow; see [`Secret::dangerous_copy`](crate::crypto::Secret::dangerous_copy).
    #[must_use]
    pub fn dangerous_copy(&self) -> Self {
        Self(match &self.0 {
            State::Ready { keys, counter } => State::Ready {
                keys: keys.dangerous_copy(),
                counter: *counter,
            },
            State::Waiting { keys, counter } => State::Waiting {
                keys: keys.dangerous_copy(),
                counter: *counter,
            },
            State::Broken => State::Broken,
        })
    }

    fn take(&mut self) -> State {
        core::mem::replace(&mut self.0, State::Broken)
    }

    #[cfg(test)]
    pub(super) fn set_counter(&mut self, value: u32) {
        if let State::Ready { counter, .. } | State::Waiting { counter, .. } = &mut self.0 {
            *counter = Counter::at(value);
        }
    }
}
