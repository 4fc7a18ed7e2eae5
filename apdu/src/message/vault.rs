//! The vault's commands: named data objects (§14.2).

use crate::codec::tlv::{Reader, Tag, TlvError, TlvFault, Writer};
use crate::crypto::SecretBytes;
use crate::identifier::VAULT_OBJECT_BYTES;
use alloc::string::String;
use alloc::vec::Vec;

const ENTRY: Tag = Tag(0xE0);
const NAME: Tag = Tag(0x80);
const POLICY: Tag = Tag(0x81);
const CONTENT: Tag = Tag(0x82);
const SIZE: Tag = Tag(0x83);

/// The name of an object: 1 to 32 printable ASCII bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName(String);

impl ObjectName {
    /// A name from its text.
    pub fn new(text: &str) -> Option<Self> {
        let printable = text.bytes().all(|byte| (0x20..=0x7E).contains(&byte));
        ((1..=32).contains(&text.len()) && printable).then(|| Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// When the PIN is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// To read the object, and to see any name at all.
    pub pin_to_read: bool,
    /// To write or delete it.
    pub pin_to_write: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            pin_to_read: true,
            pin_to_write: true,
        }
    }
}

impl Policy {
    /// Bit 0: PIN to read; bit 1: PIN to write.
    pub fn to_byte(self) -> u8 {
        u8::from(self.pin_to_read) | u8::from(self.pin_to_write) << 1
    }

    /// Reads the byte; reserved bits are zero.
    pub fn from_byte(byte: u8) -> Option<Self> {
        (byte < 4).then_some(Self {
            pin_to_read: byte & 1 != 0,
            pin_to_write: byte & 2 != 0,
        })
    }
}

/// One line of the vault's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The object's name.
    pub name: ObjectName,
    /// When the PIN is needed.
    pub policy: Policy,
    /// Bytes of content.
    pub size: u32,
}

impl Entry {
    /// `n x E0 {80 name, 81 policy, 83 size}`.
    pub fn encode_all(entries: &[Self]) -> Vec<u8> {
        let mut list = Writer::new();
        for entry in entries {
            let object = Writer::new()
                .put(NAME, entry.name.0.as_bytes())
                .put(POLICY, &[entry.policy.to_byte()])
                .put(SIZE, &entry.size.to_be_bytes());
            list = list.nest(ENTRY, object);
        }
        list.into_bytes()
    }

    /// Reads the list.
    pub fn decode_all(bytes: &[u8]) -> Result<Vec<Self>, TlvError> {
        let mut reader = Reader::new(bytes);
        let mut entries = Vec::new();
        while !reader.is_at_end() {
            let mut object = reader.enter(ENTRY)?;
            let name = read_name(&mut object)?;
            let policy = read_policy(&mut object)?;
            let size = u32::from_be_bytes(object.fixed(SIZE)?);
            object.finish()?;
            entries.push(Self { name, policy, size });
        }
        Ok(entries)
    }
}

/// READ and DELETE: `80 name`.
pub fn encode_name(name: &ObjectName) -> Vec<u8> {
    Writer::new().put(NAME, name.0.as_bytes()).into_bytes()
}

/// Reads the data field of READ or DELETE.
pub fn decode_name(bytes: &[u8]) -> Result<ObjectName, TlvError> {
    let mut reader = Reader::new(bytes);
    let name = read_name(&mut reader)?;
    reader.finish()?;
    Ok(name)
}

/// WRITE: a whole object.
pub struct Write {
    /// The object's name.
    pub name: ObjectName,
    /// When the PIN will be needed.
    pub policy: Policy,
    /// 0 to 32,768 bytes.
    pub content: SecretBytes,
}

impl Write {
    /// `80 name, 81 policy, 82 content`.
    pub fn encode(&self) -> SecretBytes {
        let mut bytes = Vec::with_capacity(self.content.len() + 48);
        crate::codec::tlv::put_object(&mut bytes, NAME, self.name.0.as_bytes());
        crate::codec::tlv::put_object(&mut bytes, POLICY, &[self.policy.to_byte()]);
        crate::codec::tlv::put_object(&mut bytes, CONTENT, &self.content);
        SecretBytes::new(bytes)
    }

    /// Reads the data field.
    pub fn decode(bytes: &[u8]) -> Result<Self, TlvError> {
        let mut reader = Reader::new(bytes);
        let name = read_name(&mut reader)?;
        let policy = read_policy(&mut reader)?;
        let too_long = reader.error(TlvFault::Value(CONTENT));
        let content = reader.expect(CONTENT)?;
        reader.finish()?;
        if content.len() > VAULT_OBJECT_BYTES {
            return Err(too_long);
        }
        Ok(Self {
            name,
            policy,
            content: SecretBytes::new(content.to_vec()),
        })
    }
}

fn read_name(reader: &mut Reader<'_>) -> Result<ObjectName, TlvError> {
    let wrong = reader.error(TlvFault::Value(NAME));
    core::str::from_utf8(reader.expect(NAME)?)
        .ok()
        .and_then(ObjectName::new)
        .ok_or(wrong)
}

fn read_policy(reader: &mut Reader<'_>) -> Result<Policy, TlvError> {
    let wrong = reader.error(TlvFault::Value(POLICY));
    let [byte] = reader.fixed(POLICY)?;
    Policy::from_byte(byte).ok_or(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_policies_outside_their_range_are_refused() {
        assert!(ObjectName::new("").is_none());
        assert!(ObjectName::new(&"x".repeat(33)).is_none());
        assert!(ObjectName::new("esc\u{1b}[0m").is_none());
        assert!(ObjectName::new(&"x".repeat(32)).is_some());
        assert_eq!(Policy::from_byte(4), None);
        for byte in 0..4 {
            assert_eq!(Policy::from_byte(byte).unwrap().to_byte(), byte);
        }
    }

    #[test]
    fn a_write_reads_back_up_to_the_limit_of_an_object() {
        let write = |length| Write {
            name: ObjectName::new("note").unwrap(),
            policy: Policy::default(),
            content: SecretBytes::new(alloc::vec![1; length]),
        };
        for length in [0, 1, VAULT_OBJECT_BYTES] {
            let read = Write::decode(&write(length).encode()).unwrap();
            assert_eq!(read.content.len(), length);
        }
        assert!(Write::decode(&write(VAULT_OBJECT_BYTES + 1).encode()).is_err());
    }
}
