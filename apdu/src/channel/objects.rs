//! The secure messaging data objects 87, 97, 99 and 8E (§10.1), encoders beside decoders.

use crate::codec::status::StatusWord;
use crate::codec::tlv::{Reader, Tag, put_object};
use crate::crypto::BLOCK;
use alloc::vec::Vec;

const CRYPTOGRAM: Tag = Tag(0x87);
const EXPECTED: Tag = Tag(0x97);
const STATUS: Tag = Tag(0x99);
const MAC: Tag = Tag(0x8E);
/// Padding indicator: padded by ISO/IEC 7816-4.
const PADDED: u8 = 0x01;
/// Bytes of `8E 10 mac` at the end of a data field.
const MAC_OBJECT: usize = 2 + BLOCK;

/// The plain Le inside object 97.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedLength {
    /// `97 01 00`: an answer of up to 256 bytes.
    Short,
    /// `97 02 nnnn`: up to this many bytes, 1 to 65,533.
    Long(u16),
    /// `97 01 nn`: up to this many bytes, 1 to 255.
    Byte(u8),
}

impl ExpectedLength {
    /// For answers of unknown length: as many as one response can carry.
    pub const ANY: Self = Self::Long(65_533);
}

pub(super) fn put_cryptogram(field: &mut Vec<u8>, cipher: &[u8]) {
    put_object(field, CRYPTOGRAM, &[&[PADDED], cipher].concat());
}

pub(super) fn put_expected(field: &mut Vec<u8>, expected: ExpectedLength) {
    match expected {
        ExpectedLength::Short => put_object(field, EXPECTED, &[0]),
        ExpectedLength::Byte(length) => put_object(field, EXPECTED, &[length]),
        ExpectedLength::Long(length) => put_object(field, EXPECTED, &length.to_be_bytes()),
    }
}

pub(super) fn put_status(field: &mut Vec<u8>, status: StatusWord) {
    put_object(field, STATUS, &status.to_bytes());
}

pub(super) fn put_mac(field: &mut Vec<u8>, mac: &[u8; BLOCK]) {
    put_object(field, MAC, mac);
}

/// The objects of a protected command, structurally sound, not yet authentic.
pub(super) struct CommandObjects<'a> {
    pub(super) authenticated: &'a [u8],
    pub(super) cryptogram: Option<&'a [u8]>,
    pub(super) expected: Option<ExpectedLength>,
    pub(super) mac: [u8; BLOCK],
}

impl<'a> CommandObjects<'a> {
    /// `[87] [97] 8E`, nothing else, in this order; `None` for every fault.
    pub(super) fn parse(field: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(field);
        let cryptogram = take_cryptogram(&mut reader)?;
        let expected = match reader.optional(EXPECTED).ok()? {
            None => None,
            Some([0]) => Some(ExpectedLength::Short),
            Some(&[length]) => Some(ExpectedLength::Byte(length)),
            Some(&[high, low]) => Some(long_length(u16::from_be_bytes([high, low]))?),
            Some(_) => return None,
        };
        let (authenticated, mac) = take_mac(reader, field)?;
        Some(Self {
            authenticated,
            cryptogram,
            expected,
            mac,
        })
    }
}

/// The objects of a protected response, structurally sound, not yet authentic.
pub(super) struct ResponseObjects<'a> {
    pub(super) authenticated: &'a [u8],
    pub(super) cryptogram: Option<&'a [u8]>,
    pub(super) status: StatusWord,
    pub(super) mac: [u8; BLOCK],
}

impl<'a> ResponseObjects<'a> {
    /// `[87] 99 8E`, nothing else, in this order; `None` for every fault.
    pub(super) fn parse(field: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(field);
        let cryptogram = take_cryptogram(&mut reader)?;
        let status = StatusWord(u16::from_be_bytes(reader.fixed(STATUS).ok()?));
        if cryptogram.is_some() && !status.allows_data() {
            return None;
        }
        let (authenticated, mac) = take_mac(reader, field)?;
        Some(Self {
            authenticated,
            cryptogram,
            status,
            mac,
        })
    }
}

fn take_cryptogram<'a>(reader: &mut Reader<'a>) -> Option<Option<&'a [u8]>> {
    match reader.optional(CRYPTOGRAM).ok()? {
        None => Some(None),
        Some([PADDED, cipher @ ..]) if !cipher.is_empty() && cipher.len() % BLOCK == 0 => {
            Some(Some(cipher))
        }
        Some(_) => None,
    }
}

fn take_mac<'a>(mut reader: Reader<'a>, field: &'a [u8]) -> Option<(&'a [u8], [u8; BLOCK])> {
    let mac = reader.fixed(MAC).ok()?;
    reader.finish().ok()?;
    let (authenticated, _) = field.split_at_checked(field.len().checked_sub(MAC_OBJECT)?)?;
    Some((authenticated, mac))
}

fn long_length(length: u16) -> Option<ExpectedLength> {
    (1..=65_533)
        .contains(&length)
        .then_some(ExpectedLength::Long(length))
}
