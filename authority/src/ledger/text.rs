//! How the values of a line are written: names and roles as words, everything else as lower-case hexadecimal.

use super::event::Replaced;
use apdu::certificate::{Certificate, KeyId, Name, Request, Role, StatusList};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};
use std::fmt::Write as _;

/// `bytes` in lower-case hexadecimal.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

/// Bytes of lower-case hexadecimal; `None` for anything else.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    rest.is_empty().then_some(())?;
    pairs
        .iter()
        .map(|[high, low]| Some(digit(high)? << 4 | digit(low)?))
        .collect()
}

fn read_hex<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<u8>, D::Error> {
    from_hex(&String::deserialize(source)?).ok_or_else(|| D::Error::custom("not hexadecimal"))
}

/// A value as serde sees it: one function each way.
macro_rules! written {
    ($module:ident: $type:ty, write $value:ident $write:expr, read $text:ident $read:expr, or $fault:literal) => {
        pub(super) mod $module {
            use super::*;

            pub fn serialize<S: Serializer>($value: &$type, sink: S) -> Result<S::Ok, S::Error> {
                sink.serialize_str($write)
            }

            pub fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<$type, D::Error> {
                let $text = String::deserialize(source)?;
                $read.ok_or_else(|| D::Error::custom($fault))
            }
        }
    };
}

written!(name: Name, write name name.as_str(), read text Name::new(&text), or "not a name");
written!(role: Role, write role word(*role), read text from_word(&text), or "not a role");
written!(key_id: KeyId, write id &id.to_string(), read text fixed(&text).map(KeyId), or "not a key id");
written!(nonce: [u8; 16], write nonce &to_hex(nonce), read text fixed(&text), or "not a nonce");

fn fixed<const N: usize>(text: &str) -> Option<[u8; N]> {
    from_hex(text)?.try_into().ok()
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Authority => "authority",
        Role::Card => "card",
        Role::Terminal => "terminal",
    }
}

fn from_word(text: &str) -> Option<Role> {
    [Role::Authority, Role::Card, Role::Terminal]
        .into_iter()
        .find(|role| word(*role) == text)
}

pub(super) mod replaced {
    use super::*;

    const UNKNOWN: &str = "unknown"; // in small letters: no name

    pub fn serialize<S: Serializer>(value: &Option<Replaced>, sink: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(Replaced::Holder(name)) => sink.serialize_str(name.as_str()),
            Some(Replaced::Unknown) => sink.serialize_str(UNKNOWN),
            None => sink.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Replaced>, D::Error> {
        let read = |text: String| match text.as_str() {
            UNKNOWN => Ok(Replaced::Unknown),
            text => Name::new(text)
                .map(Replaced::Holder)
                .ok_or_else(|| D::Error::custom("not a name")),
        };
        Option::<String>::deserialize(source)?.map(read).transpose()
    }
}

pub(super) mod certificate {
    use super::*;

    pub fn serialize<S: Serializer>(value: &Certificate, sink: S) -> Result<S::Ok, S::Error> {
        sink.serialize_str(&to_hex(value.encoded()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<Certificate, D::Error> {
        Certificate::decode(&read_hex(source)?).map_err(D::Error::custom)
    }
}

pub(super) mod request {
    use super::*;

    pub fn serialize<S: Serializer>(value: &Request, sink: S) -> Result<S::Ok, S::Error> {
        sink.serialize_str(&to_hex(value.encoded()))
    }

    /// Verifies the proof of possession as well.
    pub fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<Request, D::Error> {
        Request::decode(&read_hex(source)?).map_err(D::Error::custom)
    }
}

pub(super) mod status_list {
    use super::*;

    pub fn serialize<S: Serializer>(value: &StatusList, sink: S) -> Result<S::Ok, S::Error> {
        sink.serialize_str(&to_hex(value.encoded()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<StatusList, D::Error> {
        StatusList::decode(&read_hex(source)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_reads_back_and_has_one_spelling() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(from_hex(&to_hex(&all)), Some(all));
        for bad in ["0", "0G", "AB", " 0", "é"] {
            assert_eq!(from_hex(bad), None, "{bad}");
        }
    }
}
