//! Known answers made by `generate.py` from `docs/protocol.md` and `docs/ledger.md` alone, and the way to read them.
//!
//! The shape is Wycheproof's: a file has groups, a group has numbered tests with a comment and a result. Only tests depend
//! on this crate.
#![expect(
    clippy::panic,
    reason = "a vector file that cannot be read is a broken build"
)]

pub mod defaults;
pub mod evidence;
pub mod hostile;

use serde::Deserialize;
use serde_json::{Map, Value};

/// `vectors/tlv.json`: one BER-TLV object each.
pub const TLV: &str = include_str!("../vectors/tlv.json");
/// `vectors/apdu.json`: command APDUs of every case.
pub const APDU: &str = include_str!("../vectors/apdu.json");
/// `vectors/certificate.json`: certificates, requests, status lists.
pub const CERTIFICATE: &str = include_str!("../vectors/certificate.json");
/// `vectors/key_schedule.json`: Kdf, tags and hints, the KEM, the stages of set-up.
pub const KEY_SCHEDULE: &str = include_str!("../vectors/key_schedule.json");
/// `vectors/secure_messaging.json`: one long channel, and commands that must break it.
pub const SECURE_MESSAGING: &str = include_str!("../vectors/secure_messaging.json");
/// `vectors/session.json`: a card's life in bytes, with the randomness of both ends.
pub const SESSION: &str = include_str!("../vectors/session.json");

/// `vectors/tree.json`: the ledger's tree, from `docs/ledger.md`: roots, proofs, heads, receipts.
pub const TREE: &str = include_str!("../vectors/tree.json");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    number_of_tests: usize,
    test_groups: Vec<Map<String, Value>>,
}

/// A JSON object with readers for the fields vectors have.
pub struct Fields(Map<String, Value>);

impl Fields {
    /// A text field.
    pub fn text(&self, name: &str) -> &str {
        self.optional_text(name)
            .unwrap_or_else(|| panic!("no text field {name} in {:?}", self.0.get("comment")))
    }

    /// A text field that may be missing or null.
    pub fn optional_text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A number field that may be missing or null.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_u64()
    }

    /// A field of hexadecimal bytes.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        from_hex(self.text(name))
    }

    /// A field of exactly `N` hexadecimal bytes.
    pub fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        let bytes = self.bytes(name);
        bytes
            .try_into()
            .unwrap_or_else(|_| panic!("{name} is not {N} bytes"))
    }

    /// A list of texts.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        let list = self.0.get(name).and_then(Value::as_array);
        let list = list.unwrap_or_else(|| panic!("no list {name}"));
        let text = |entry| Value::as_str(entry).unwrap_or_else(|| panic!("{entry} is no text"));
        list.iter().map(text).collect()
    }

    /// A list of objects.
    pub fn list(&self, name: &str) -> Vec<Fields> {
        let list = self.0.get(name).and_then(Value::as_array);
        let list = list.unwrap_or_else(|| panic!("no list {name}"));
        list.iter()
            .map(|entry| match entry {
                Value::Object(fields) => Fields(fields.clone()),
                other => panic!("{other} is no object"),
            })
            .collect()
    }

    /// Whether the test is to be accepted.
    pub fn is_valid(&self) -> bool {
        match self.text("result") {
            "valid" => true,
            "invalid" => false,
            other => panic!("result {other}"),
        }
    }

    /// Number and comment, for messages.
    pub fn label(&self) -> String {
        format!(
            "test {} ({})",
            self.number("tcId").unwrap_or(0),
            self.text("comment")
        )
    }
}

/// The tests of the group of this kind, and the group's own fields. The file's count is checked.
pub fn group(file: &str, kind: &str) -> (Fields, Vec<Fields>) {
    let file: File = serde_json::from_str(file).unwrap_or_else(|error| panic!("{error}"));
    let groups: Vec<Fields> = file.test_groups.into_iter().map(Fields).collect();
    let total: usize = groups.iter().map(|group| group.list("tests").len()).sum();
    assert_eq!(total, file.number_of_tests, "the file's own count");
    let found = groups.into_iter().find(|group| group.text("type") == kind);
    let found = found.unwrap_or_else(|| panic!("no group {kind}"));
    let tests = found.list("tests");
    (found, tests)
}

/// Bytes from hexadecimal text.
pub fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| match digit.to_digit(16) {
            Some(value) => u8::try_from(value).unwrap_or(0),
            None => panic!("{digit} is no hexadecimal digit"),
        })
        .collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    assert!(rest.is_empty(), "an odd number of digits");
    pairs.iter().map(|[high, low]| (high << 4) | low).collect()
}

/// Hexadecimal text of bytes.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
