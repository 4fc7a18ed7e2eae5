//! GET DATA status: what a terminal needs to know first in a session (§11.1). 8 bytes.

use crate::certificate::Date;

/// The card's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CardStatus {
    /// Sequence number of the status list on the card; 0 when it has none.
    pub list_sequence: u32,
    /// The card's trusted date, always behind the real one.
    pub trusted_date: Date,
    /// Tries left for the PUK, 0 to 15.
    pub puk_tries: u8,
    /// Tries left for the PIN, 0 to 15.
    pub pin_tries: u8,
}

/// The status object is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the card's status is malformed")]
pub struct StatusError;

impl CardStatus {
    /// The 8 bytes: sequence u32, date3, tries u8 (PUK in the high half).
    pub fn encode(&self) -> [u8; 8] {
        let [s1, s2, s3, s4] = self.list_sequence.to_be_bytes();
        let [year, month, day] = self.trusted_date.to_bcd();
        let tries = self.puk_tries.min(15) << 4 | self.pin_tries.min(15);
        [s1, s2, s3, s4, year, month, day, tries]
    }

    /// Reads the 8 bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, StatusError> {
        let &[s1, s2, s3, s4, year, month, day, tries] = bytes else {
            return Err(StatusError);
        };
        Ok(Self {
            list_sequence: u32::from_be_bytes([s1, s2, s3, s4]),
            trusted_date: Date::from_bcd([year, month, day]).ok_or(StatusError)?,
            puk_tries: tries >> 4,
            pin_tries: tries & 0x0F,
        })
    }
}
