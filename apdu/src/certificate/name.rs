//! Names of holders and authorities: CHR and CAR (§2).

use core::fmt;

/// A name: 8 to 16 of `[A-Z0-9]`: two letters of a country, a mnemonic of 1 to 9, a sequence of 5.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    bytes: [u8; 16],
    length: u8,
}

impl Name {
    /// A name from its text.
    pub fn new(text: &str) -> Option<Self> {
        Self::from_bytes(text.as_bytes())
    }

    /// A name from its bytes.
    pub fn from_bytes(name: &[u8]) -> Option<Self> {
        let country = name.first_chunk::<2>()?.iter().all(u8::is_ascii_uppercase);
        let rest = name
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if !(8..=16).contains(&name.len()) || !country || !rest {
            return None;
        }
        let mut bytes = [0; 16];
        bytes
            .iter_mut()
            .zip(name)
            .for_each(|(to, from)| *to = *from);
        Some(Self {
            bytes,
            length: u8::try_from(name.len()).ok()?,
        })
    }

    /// The name's bytes, 8 to 16.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.split_at(self.length.into()).0
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_two_letters_and_six_to_fourteen_letters_or_digits() {
        for good in ["ZZT00001", "ZZTALLYTERM00001"] {
            assert_eq!(Name::new(good).unwrap().as_str(), good);
        }
        for bad in [
            "ZZT0001",
            "ZZTALLYTERM000001",
            "Z1TALLY00001",
            "zztally00001",
            "ZZ TALLY00001",
            "",
        ] {
            assert!(Name::new(bad).is_none(), "{bad}");
        }
    }
}
