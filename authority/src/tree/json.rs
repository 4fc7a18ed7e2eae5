//! Reading the JSON forms (RFC 8259): one shape, bounded before it is parsed and while it is parsed.
//!
//! Refused: unknown, missing or repeated members, lists in the place of objects, numbers that are no integer of 0 to 2^64 - 1,
//! hexadecimal digits in capitals, anything behind the end. White space between tokens is of no account.

use super::hash::Hash;
use crate::ledger::text::{from_hex, to_hex};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serializer};
use std::fmt;
use std::marker::PhantomData;

/// The text is not what it should be; whoever wrote or carried it is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotJson {
    /// Longer than any such text can be.
    #[error("{found} bytes of JSON, at most {limit} are read")]
    TooLong {
        /// Bytes given.
        found: usize,
        /// Most that is read.
        limit: usize,
    },
    /// Not of this form.
    #[error("not of the form in docs/ledger.md: {0}")]
    Shape(String),
}

/// Reads exactly one object of at most `limit` bytes.
pub(super) fn read<T: DeserializeOwned>(json: &[u8], limit: usize) -> Result<T, NotJson> {
    let found = json.len();
    if found > limit {
        return Err(NotJson::TooLong { found, limit });
    }
    let mut source = serde_json::Deserializer::from_slice(json);
    let value = object(&mut source).and_then(|value| source.end().map(|()| value));
    value.map_err(|error| NotJson::Shape(error.to_string()))
}

/// An object, and no list. Why: what serde derives reads a list of a struct's fields as well.
pub(super) fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    source: D,
) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(members))
        }
    }

    source.deserialize_map(Object(PhantomData))
}

/// A list of at most `MOST` hashes; what lies behind them is not read.
pub(super) fn hashes<'de, const MOST: usize, D: Deserializer<'de>>(
    source: D,
) -> Result<Vec<Hash>, D::Error> {
    struct Hashes<const MOST: usize>;

    impl<'de, const MOST: usize> Visitor<'de> for Hashes<MOST> {
        type Value = Vec<Hash>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MOST} hashes")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Hash>, A::Error> {
            let mut hashes = Vec::new();
            while let Some(hash) = list.next_element()? {
                if hashes.len() == MOST {
                    return Err(A::Error::invalid_length(MOST + 1, &self));
                }
                hashes.push(hash);
            }
            Ok(hashes)
        }
    }

    source.deserialize_seq(Hashes::<MOST>)
}

/// A text of at most `MOST` bytes in UTF-8.
pub(super) fn text<'de, const MOST: usize, D: Deserializer<'de>>(
    source: D,
) -> Result<String, D::Error> {
    let text = String::deserialize(source)?;
    if text.len() > MOST {
        let found = text.len();
        return Err(D::Error::custom(format!(
            "a text of {found} bytes, at most {MOST} are taken"
        )));
    }
    Ok(text)
}

/// A signature, r || s, as 128 hexadecimal digits.
pub(super) mod signature {
    use super::*;

    pub fn serialize<S: Serializer>(signature: &[u8; 64], sink: S) -> Result<S::Ok, S::Error> {
        sink.serialize_str(&to_hex(signature))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<[u8; 64], D::Error> {
        let bytes = from_hex(&String::deserialize(source)?);
        let signature = bytes.and_then(|bytes| bytes.try_into().ok());
        signature.ok_or_else(|| {
            D::Error::custom("a signature is written as 128 hexadecimal digits in small letters")
        })
    }
}

/// A name (`docs/protocol.md` §2) as text.
pub(super) mod name {
    use super::*;
    use apdu::certificate::Name;

    pub fn serialize<S: Serializer>(name: &Name, sink: S) -> Result<S::Ok, S::Error> {
        sink.serialize_str(name.as_str())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<Name, D::Error> {
        let name = Name::new(&String::deserialize(source)?);
        name.ok_or_else(|| D::Error::custom("not the name of an authority"))
    }
}
