//! SELECT of the authentication application, and its answer (§5): suites, limits, and the tags of the 16 slots.

use crate::codec::command::{Command, Form};
use crate::codec::tlv::{Reader, Tag, TlvError, TlvFault, Writer};
use crate::handshake::SlotTag;
use crate::identifier::{self, Aid, SLOTS, header};

const FCI: Tag = Tag(0x6F);
const NAME: Tag = Tag(0x84);
const PROPRIETARY: Tag = Tag(0xA5);
const VERSION: Tag = Tag(0x80);
const SUITES: Tag = Tag(0x81);
const CAPABILITIES: Tag = Tag(0x82);
const LENGTH_INFORMATION: Tag = Tag(0x7F66);
const INTEGER: Tag = Tag(0x02);
const PRAND: Tag = Tag(0x85);
const TAGS: Tag = Tag(0x86);

/// The SELECT command; its encoding never changes.
pub const COMMAND: Command<'static> = Command {
    header: header::SELECT,
    data: &Aid::AUTHENTICATION.0,
    expected: Some(256),
    form: Form::Short,
};

/// What a card can do, one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities(pub u8);

impl Capabilities {
    /// Certified and active.
    pub const OPERATIONAL: u8 = 0x80;
    /// Command chaining; always set.
    pub const CHAINING: u8 = 0x02;
    /// Extended length fields.
    pub const EXTENDED_LENGTH: u8 = 0x01;

    /// Whether chaining is there and no bit is set that means nothing (§5).
    fn are_of_this_version(self) -> bool {
        let known = Self::OPERATIONAL | Self::CHAINING | Self::EXTENDED_LENGTH;
        self.0 & Self::CHAINING != 0 && self.0 & !known == 0
    }

    /// Whether the card is certified and active.
    pub fn is_operational(self) -> bool {
        self.0 & Self::OPERATIONAL != 0
    }

    /// Whether the card takes extended length fields.
    pub fn has_extended_length(self) -> bool {
        self.0 & Self::EXTENDED_LENGTH != 0
    }
}

/// The answer to SELECT: 113 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fci {
    /// Protocol version; a terminal goes on only with the one it knows.
    pub version: u8,
    /// Bit 0: suite 01.
    pub suites: u16,
    /// What the card can do.
    pub capabilities: Capabilities,
    /// Longest command APDU, bytes.
    pub max_command: u16,
    /// Longest response APDU, bytes.
    pub max_response: u16,
    /// The card's random for this SELECT.
    pub prand: [u8; 8],
    /// Tag of each slot, in slot order.
    pub tags: [SlotTag; SLOTS],
}

impl Fci {
    /// The answer's data field.
    pub fn encode(&self) -> alloc::vec::Vec<u8> {
        let limits = Writer::new()
            .put(INTEGER, &self.max_command.to_be_bytes())
            .put(INTEGER, &self.max_response.to_be_bytes());
        let proprietary = Writer::new()
            .put(VERSION, &[self.version])
            .put(SUITES, &self.suites.to_be_bytes())
            .put(CAPABILITIES, &[self.capabilities.0])
            .nest(LENGTH_INFORMATION, limits)
            .put(PRAND, &self.prand)
            .put(TAGS, self.tags.as_flattened());
        let fci = Writer::new()
            .put(NAME, &Aid::AUTHENTICATION.0)
            .nest(PROPRIETARY, proprietary);
        Writer::new().nest(FCI, fci).into_bytes()
    }

    /// Reads the answer's data field.
    pub fn decode(bytes: &[u8]) -> Result<Self, TlvError> {
        let mut outer = Reader::new(bytes);
        let mut fci = outer.enter(FCI)?;
        outer.finish()?;
        fci.exactly(NAME, &Aid::AUTHENTICATION.0)?;
        let mut inner = fci.enter(PROPRIETARY)?;
        fci.finish()?;
        let [version] = inner.fixed(VERSION)?;
        let suites = u16::from_be_bytes(inner.fixed(SUITES)?);
        let wrong = inner.error(TlvFault::Value(CAPABILITIES));
        let [capabilities] = inner.fixed(CAPABILITIES)?;
        // Why only of this version: what a later one says here is its own business, and the terminal stops at the version.
        if version == identifier::VERSION && !Capabilities(capabilities).are_of_this_version() {
            return Err(wrong);
        }
        let mut limits = inner.enter(LENGTH_INFORMATION)?;
        let max_command = u16::from_be_bytes(limits.fixed(INTEGER)?);
        let max_response = u16::from_be_bytes(limits.fixed(INTEGER)?);
        limits.finish()?;
        let prand = inner.fixed(PRAND)?;
        let wrong_tags = inner.error(TlvFault::Value(TAGS));
        let (tags, rest) = inner.expect(TAGS)?.as_chunks();
        let tags = tags.try_into().map_err(|_| wrong_tags)?;
        if !rest.is_empty() {
            return Err(wrong_tags);
        }
        inner.finish()?;
        Ok(Self {
            version,
            suites,
            capabilities: Capabilities(capabilities),
            max_command,
            max_response,
            prand,
            tags,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_select_is_113_bytes_and_reads_back() {
        let fci = Fci {
            version: 1,
            suites: 1,
            capabilities: Capabilities(0x83),
            max_command: 0xFFFF,
            max_response: 0xFFFF,
            prand: [7; 8],
            tags: core::array::from_fn(|n| [u8::try_from(n).unwrap(); 4]),
        };
        let bytes = fci.encode();
        assert_eq!(bytes.len(), 113);
        assert_eq!(Fci::decode(&bytes), Ok(fci));
        for cut in 0..bytes.len() {
            assert!(Fci::decode(&bytes[..cut]).is_err());
        }
        assert!(Fci::decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn capabilities_that_mean_nothing_are_malformed_in_this_version_and_not_looked_at_in_another() {
        for capabilities in 0..=255 {
            for version in [1, 2] {
                let fci = Fci {
                    version,
                    suites: 1,
                    capabilities: Capabilities(capabilities),
                    max_command: 0xFFFF,
                    max_response: 0xFFFF,
                    prand: [7; 8],
                    tags: [[0; 4]; SLOTS],
                };
                let known = [0x02, 0x03, 0x82, 0x83].contains(&capabilities);
                let read = Fci::decode(&fci.encode());
                assert_eq!(read.is_ok(), known || version != 1, "{capabilities:02X}");
            }
        }
    }
}
