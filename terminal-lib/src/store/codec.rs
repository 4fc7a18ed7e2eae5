//! How records are written: a version byte, BER-TLV objects in a fixed order, and an object that says that this is all.

use super::StoreError;
use apdu::codec::tlv::{Reader, Tag, TlvError, put_object};
use apdu::crypto::SecretBytes;

/// The last object, empty: a record that was cut between two objects must not look like a shorter one.
const END: u32 = 0x8F;
/// The version this program writes, and the only one it reads.
const VERSION: u8 = 1;
/// Room that is reserved at once, so that a growing record leaves no copy of a key behind.
const ROOM: usize = 1 << 14;

/// A record under construction.
pub(crate) fn begin() -> SecretBytes {
    let mut record = Vec::with_capacity(ROOM);
    record.push(VERSION);
    SecretBytes::new(record)
}

/// Appends one object.
pub(crate) fn push(record: &mut SecretBytes, tag: u32, value: &[u8]) {
    if record.capacity() - record.len() < value.len() + 8 {
        let mut larger = SecretBytes::new(Vec::with_capacity(2 * record.capacity() + value.len()));
        larger.extend_from_slice(record);
        *record = larger; // the smaller one is wiped
    }
    put_object(record, Tag(tag), value);
}

/// Says that this is all.
pub(crate) fn end(mut record: SecretBytes) -> SecretBytes {
    push(&mut record, END, &[]);
    record
}

pub(crate) fn malformed(what: &'static str) -> StoreError {
    StoreError::Malformed { what }
}

/// The objects of a record, in order.
pub(crate) struct Fields<'a> {
    what: &'static str,
    reader: Reader<'a>,
}

impl<'a> Fields<'a> {
    pub(crate) fn begin(what: &'static str, record: &'a [u8]) -> Result<Self, StoreError> {
        match record.split_first() {
            Some((&VERSION, objects)) => Ok(Self {
                what,
                reader: Reader::new(objects),
            }),
            _ => Err(malformed(what)),
        }
    }

    pub(crate) fn value(&mut self, tag: u32) -> Result<&'a [u8], StoreError> {
        self.reader.expect(Tag(tag)).map_err(self.error())
    }

    pub(crate) fn optional(&mut self, tag: u32) -> Result<Option<&'a [u8]>, StoreError> {
        self.reader.optional(Tag(tag)).map_err(self.error())
    }

    pub(crate) fn fixed<const N: usize>(&mut self, tag: u32) -> Result<[u8; N], StoreError> {
        self.reader.fixed(Tag(tag)).map_err(self.error())
    }

    pub(crate) fn number(&mut self, tag: u32) -> Result<u32, StoreError> {
        self.fixed(tag).map(u32::from_be_bytes)
    }

    /// All objects of this tag that come next.
    pub(crate) fn all(&mut self, tag: u32) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut values = Vec::new();
        while let Some(value) = self.optional(tag)? {
            values.push(value.to_vec());
        }
        Ok(values)
    }

    /// Nothing but the end may be left.
    pub(crate) fn finish(mut self) -> Result<(), StoreError> {
        let [] = self.fixed(END)?;
        let error = self.error();
        self.reader.finish().map_err(error)
    }

    fn error(&self) -> impl Fn(TlvError) -> StoreError + use<> {
        let what = self.what;
        move |_| malformed(what)
    }
}
