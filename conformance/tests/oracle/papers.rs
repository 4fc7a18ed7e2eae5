//! What an authority with four roots signs for these lives.

use apdu::certificate::{
    Certificate, CertificateFields, Date, HolderHash, Name, Request, Role, StatusList,
    StatusListFields,
};
use apdu::crypto::{PrivateKey, PublicKey};
use conformance::authority::name;

/// The PIN of a new card.
pub const FIRST_PIN: &str = "271828";
/// Its PUK.
pub const FIRST_PUK: &str = "31415926";

/// Which root a terminal's certificate stands under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Under {
    /// The one that cards are born with.
    Root,
    /// The second, by a link from the first.
    Link,
    /// The third, by a link from the second.
    SecondLink,
}

impl Under {
    /// The number of the root that signs.
    pub fn root(self) -> u8 {
        match self {
            Self::Root => 1,
            Self::Link => 2,
            Self::SecondLink => 3,
        }
    }

    /// The roots that a terminal trusts, and its links.
    pub fn trust(self) -> (Vec<Certificate>, Vec<Certificate>) {
        let [second, third, _, _] = links();
        match self {
            Self::Root => (vec![root(1)], vec![]),
            Self::Link => (vec![root(1)], vec![second]),
            Self::SecondLink => (vec![root(1), root(2)], vec![third]),
        }
    }
}

/// The key of a root.
pub fn key(root: u8) -> PrivateKey {
    PrivateKey::from_scalar(&[root; 32]).unwrap()
}

/// The name of a root.
pub fn root_name(root: u8) -> Name {
    name(&format!("ZZTALLYROOT0000{root}"))
}

/// A certificate by this root.
pub fn certify(issuer: u8, holder: Name, role: Role, key_: PublicKey, until: Date) -> Certificate {
    let fields = CertificateFields {
        issuer: root_name(issuer),
        holder,
        role,
        epoch: if role == Role::Card { 9 } else { 1 }, // a list may cut off terminals, and leaves the card
        key: key_,
        from: Date::new(2026, 1, 1).unwrap(),
        until,
    };
    let signature = key(issuer).sign(&fields.encode_body());
    Certificate::assemble(fields, signature)
}

fn late() -> Date {
    Date::new(2060, 1, 1).unwrap()
}

/// A root's own certificate.
pub fn root(number: u8) -> Certificate {
    let public = key(number).public_key();
    certify(number, root_name(number), Role::Authority, public, late())
}

/// Links from the first root to the second, from there to the third and the fourth, and one to the second's name with another key.
pub fn links() -> [Certificate; 4] {
    let link = |from, to, public| certify(from, root_name(to), Role::Authority, public, late());
    [
        link(1, 2, key(2).public_key()),
        link(2, 3, key(3).public_key()),
        link(3, 4, key(4).public_key()),
        link(1, 2, key(9).public_key()),
    ]
}

/// The certificate that answers a request.
pub fn answer(request: &Request, root: u8, until: Date) -> Certificate {
    let asked = request.fields();
    certify(root, asked.holder, asked.role, asked.key.clone(), until)
}

/// A status list of the first root.
pub fn list(sequence: u32, min_epoch: u32, date: Date, terminal: Option<&str>) -> StatusList {
    let revoked = terminal.map(|terminal| HolderHash::of(Role::Terminal, &name(terminal)));
    let fields = StatusListFields {
        issuer: root_name(1),
        sequence,
        min_epoch,
        date,
        revoked: revoked.into_iter().collect(),
    };
    let signature = key(1).sign(&fields.encode_body());
    StatusList::assemble(fields, signature)
}
