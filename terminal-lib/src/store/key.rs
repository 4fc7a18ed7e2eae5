//! Names of records, and of identities.

use apdu::certificate::HolderHash;
use core::fmt;

/// What the user calls one of this terminal's identities: 1 to 32 of `[a-z0-9._-]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityName(String);

impl IdentityName {
    /// A name from its text.
    pub fn new(text: &str) -> Option<Self> {
        let fits =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        ((1..=32).contains(&text.len()) && text.bytes().all(fits)).then(|| Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdentityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The name of a record: 1 to 47 bytes. The colon cannot be part of an identity's name, so no key begins another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// `i:NAME`: private key, certificate, pending request.
    pub fn identity(identity: &IdentityName) -> Self {
        Self([b"i:", identity.0.as_bytes()].concat())
    }

    /// The beginning of all identities' keys.
    pub fn identities() -> Self {
        Self(b"i:".to_vec())
    }

    /// `t:NAME`: roots, links, status list.
    pub fn trust(identity: &IdentityName) -> Self {
        Self([b"t:", identity.0.as_bytes()].concat())
    }

    /// `p:NAME:holder hash`: the pairing with one card.
    pub fn pairing(identity: &IdentityName, card: &HolderHash) -> Self {
        Self([&Self::pairings(identity).0[..], &card.0].concat())
    }

    /// The beginning of the keys of all pairings of an identity.
    pub fn pairings(identity: &IdentityName) -> Self {
        Self([b"p:", identity.0.as_bytes(), b":"].concat())
    }

    /// A key as a store has it.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What follows `prefix`.
    pub(crate) fn after(&self, prefix: &Self) -> Option<&[u8]> {
        self.0.strip_prefix(prefix.0.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_identities_are_short_and_plain() {
        for good in ["desk", "till-3", "a", "x_1.y"] {
            assert!(IdentityName::new(good).is_some(), "{good}");
        }
        for bad in ["", "Desk", "a:b", "a b", "ä", &"x".repeat(33)] {
            assert!(IdentityName::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn no_identity_can_see_the_pairings_of_another() {
        let name = |text| IdentityName::new(text).unwrap();
        let card = HolderHash([7; 12]);
        let (short, long) = (name("desk"), name("desk2"));
        let key = Key::pairing(&long, &card);
        assert_eq!(key.after(&Key::pairings(&long)), Some(&card.0[..]));
        assert_eq!(key.after(&Key::pairings(&short)), None);
    }
}
