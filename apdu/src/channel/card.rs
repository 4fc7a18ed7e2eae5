//! The card's end: opens commands, protects responses.

use super::ChannelBroken;
use super::keys::{Counter, SessionKeys};
use super::objects::{CommandObjects, ExpectedLength};
use crate::codec::command::Header;
use crate::codec::status::StatusWord;
use crate::crypto::SecretBytes;
use crate::identifier::MAX_COMMANDS;
use alloc::vec::Vec;

/// A command that was verified and decrypted.
pub struct Opened {
    /// The plain data field; wiped when it dies, for it may hold a PIN.
    pub data: SecretBytes,
    /// The plain Le, when answer data is wanted.
    pub expected: Option<ExpectedLength>,
}

/// The card's end of a channel. Each command is answered once.
pub struct CardEnd(State);

enum State {
    Ready { keys: SessionKeys, counter: Counter },
    Answering { keys: SessionKeys, counter: Counter },
    Broken,
}

impl CardEnd {
    /// A channel whose first message is a command.
    pub fn new(keys: SessionKeys) -> Self {
        Self(State::Ready {
            keys,
            counter: Counter::START,
        })
    }

    /// A channel whose first message is an answer: SM2 (§9.1).
    pub fn answering(keys: SessionKeys) -> Self {
        Self(State::Answering {
            keys,
            counter: Counter::START,
        })
    }

    /// Opens one logical command.
    ///
    /// # Errors
    /// Every fault breaks the channel, and so does the 65,536th command.
    pub fn open(&mut self, header: Header, data: &[u8]) -> Result<Opened, ChannelBroken> {
        let State::Ready { keys, counter } = self.take() else {
            return Err(ChannelBroken);
        };
        let counter = counter.next(2 * MAX_COMMANDS - 1).ok_or(ChannelBroken)?;
        let objects = CommandObjects::parse(data).ok_or(ChannelBroken)?;
        let plain = keys
            .open_command(counter, header, &objects)
            .ok_or(ChannelBroken)?;
        self.0 = State::Answering { keys, counter };
        Ok(Opened {
            data: plain,
            expected: objects.expected,
        })
    }

    /// Protects the answer. Data beside a word that does not allow it is left out (§10.1).
    ///
    /// # Errors
    /// When no command was opened.
    pub fn seal(&mut self, data: &[u8], status: StatusWord) -> Result<Vec<u8>, ChannelBroken> {
        let State::Answering { keys, counter } = self.take() else {
            return Err(ChannelBroken);
        };
        let counter = counter.next(2 * MAX_COMMANDS).ok_or(ChannelBroken)?;
        let data = if status.allows_data() { data } else { &[] };
        let sealed = keys.seal_response(counter, data, status);
        self.0 = State::Ready { keys, counter };
        Ok(sealed)
    }

    /// A second copy of the channel, for exploring what would follow; see [`Secret::dangerous_copy`](crate::crypto::Secret::dangerous_copy).
    #[must_use]
    pub fn dangerous_copy(&self) -> Self {
        Self(match &self.0 {
            State::Ready { keys, counter } => State::Ready {
                keys: keys.dangerous_copy(),
                counter: *counter,
            },
            State::Answering { keys, counter } => State::Answering {
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
        if let State::Ready { counter, .. } | State::Answering { counter, .. } = &mut self.0 {
            *counter = Counter::at(value);
        }
    }
}
