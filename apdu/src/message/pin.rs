//! VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER: what their data looks like (§11.5).

use crate::codec::tlv::{Reader, Tag, Writer};
use crate::crypto::SecretBytes;
use crate::identifier::{PIN_DIGITS, PUK_DIGITS};
use planted::planted;

const OLD: Tag = Tag(0x80);
const NEW: Tag = Tag(0x81);

/// Which secret a command names by its P2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// `81`: the PIN.
    Pin,
    /// `82`: the unblocking code.
    Puk,
}

impl Reference {
    /// The P2 byte.
    pub fn number(self) -> u8 {
        match self {
            Self::Pin => 0x81,
            Self::Puk => 0x82,
        }
    }

    /// Whether `digits` could be a value of this reference: ASCII digits, 6 to 12 for the PIN, 8 to 16 for the PUK.
    pub fn accepts(self, digits: &[u8]) -> bool {
        let lengths = match self {
            Self::Pin => PIN_DIGITS,
            Self::Puk => PUK_DIGITS,
        };
        let any_length = planted("short-pin-accepted");
        (lengths.contains(&digits.len()) || any_length) && digits.iter().all(u8::is_ascii_digit)
    }
}

/// Digits that are well formed for their reference. Wiped when they die.
pub struct Digits(SecretBytes);

impl Digits {
    /// Takes `digits` if `reference` accepts them.
    pub fn new(reference: Reference, digits: &[u8]) -> Option<Self> {
        reference
            .accepts(digits)
            .then(|| Self(SecretBytes::new(digits.to_vec())))
    }

    /// The ASCII digits, for comparing or sending under secure messaging.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Two values in one command: the old and the new, or the PUK and the new PIN.
pub struct Replacement {
    /// The value that is compared, and counted when wrong.
    pub old: Digits,
    /// The value that takes effect.
    pub new: Digits,
}

impl Replacement {
    /// `80 old, 81 new`: each with its own length, so that neither can run into the other.
    pub fn encode(&self) -> SecretBytes {
        SecretBytes::new(
            Writer::new()
                .put(OLD, self.old.expose())
                .put(NEW, self.new.expose())
                .into_bytes(),
        )
    }

    /// Reads the data field; `old` is a value of `compared`, `new` one of `replaced`.
    pub fn decode(bytes: &[u8], compared: Reference, replaced: Reference) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let old = Digits::new(compared, reader.expect(OLD).ok()?)?;
        let new = Digits::new(replaced, reader.expect(NEW).ok()?)?;
        reader.finish().ok()?;
        Some(Self { old, new })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T32: only digits in the right number are a PIN.
    #[test]
    fn a_pin_has_6_to_12_digits_and_a_puk_8_to_16() {
        for length in 0..=255 {
            let digits = alloc::vec![b'7'; length];
            assert_eq!(Reference::Pin.accepts(&digits), (6..=12).contains(&length));
            assert_eq!(Reference::Puk.accepts(&digits), (8..=16).contains(&length));
        }
        for wrong in [
            &b"12345a"[..],
            b"12345\0",
            b"123 456",
            "12345\u{661}".as_bytes(),
        ] {
            assert!(!Reference::Pin.accepts(wrong));
        }
    }

    #[test]
    fn old_and_new_carry_their_own_lengths() {
        let digits = |text: &[u8]| Digits::new(Reference::Pin, text).unwrap();
        let both = Replacement {
            old: digits(b"123456"),
            new: digits(b"7654321"),
        };
        let bytes = both.encode();
        let read = Replacement::decode(&bytes, Reference::Pin, Reference::Pin).unwrap();
        assert_eq!(
            (read.old.expose(), read.new.expose()),
            (&b"123456"[..], &b"7654321"[..])
        );
        assert!(Replacement::decode(&bytes, Reference::Puk, Reference::Pin).is_none());
        assert!(Replacement::decode(b"1234567654321", Reference::Pin, Reference::Pin).is_none());
    }
}
