//! The counter (§14.3).

use crate::exchange::Expects;
use crate::session::{Session, SessionError};
use apdu::identifier::{Aid, header};
use apdu::message::counter::Counter as Value;

/// A client of the card's counter. It remembers the value it saw last.
#[derive(Debug, Clone, Default)]
pub struct Counter {
    seen: Option<Value>,
}

impl Counter {
    /// A client that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Value and limit as they were seen last.
    pub fn seen(&self) -> Option<Value> {
        self.seen
    }

    /// Reads value and limit.
    pub fn read(&mut self, session: &mut Session<'_>) -> Result<Value, SessionError> {
        let command = "the counter";
        let data = session.command_of(
            Aid::COUNTER,
            command,
            header::COUNTER_READ,
            &[],
            Expects::Short,
        )?;
        let value = Value::decode(&data).ok_or(SessionError::Malformed { command })?;
        self.seen = Some(value);
        Ok(value)
    }

    /// Adds `amount`, at least 1, and gives the new value. 6A84 when the limit would be passed.
    pub fn add(&mut self, session: &mut Session<'_>, amount: u32) -> Result<u32, SessionError> {
        let command = "counting";
        let data = session.command_of(
            Aid::COUNTER,
            command,
            header::COUNTER_ADD,
            &amount.to_be_bytes(),
            Expects::Short,
        )?;
        let bytes = data
            .as_slice()
            .try_into()
            .map_err(|_| SessionError::Malformed { command })?;
        let value = u32::from_be_bytes(bytes);
        self.seen = self.seen.map(|seen| Value { value, ..seen });
        Ok(value)
    }

    /// Sets the limit, at least the value. The PIN must be verified.
    pub fn set_limit(&mut self, session: &mut Session<'_>, limit: u32) -> Result<(), SessionError> {
        session.command_of(
            Aid::COUNTER,
            "the counter's limit",
            header::COUNTER_LIMIT,
            &limit.to_be_bytes(),
            Expects::Nothing,
        )?;
        self.seen = self.seen.map(|seen| Value { limit, ..seen });
        Ok(())
    }
}
