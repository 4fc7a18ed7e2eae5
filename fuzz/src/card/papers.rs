//! Signed papers for a card: made once, by the authority of the tests.

use apdu::certificate::{
    Certificate, CertificateFields, Date, HolderHash, Role, StatusList, StatusListFields,
};
use apdu::crypto::{PrivateKey, PublicKey};
use conformance::authority::{ROOT, name};

/// The second root's name.
const SECOND: &str = "ZZTALLYROOT00002";

/// A terminal's key and certificate.
pub struct Holder {
    /// Its key.
    pub key: PrivateKey,
    /// Its certificate.
    pub certificate: Certificate,
}

/// All papers.
pub struct Papers {
    /// Two that pair; one under the second root; one that is out of date once the date has moved; one unknown to the card.
    pub holders: Vec<Holder>,
    /// To the second root; to a third from the second; one that nobody signed.
    pub links: Vec<Certificate>,
    /// Rising; the third revokes, the fourth cuts epochs off, the last is signed by nobody.
    pub lists: Vec<StatusList>,
    /// The root.
    pub root: Certificate,
}

fn key(byte: u8) -> PrivateKey {
    PrivateKey::from_scalar(&[byte; 32]).unwrap()
}

fn day(year: u16, month: u8) -> Date {
    Date::new(year, month, 1).unwrap()
}

fn signed(signer: u8, fields: CertificateFields) -> Certificate {
    let signature = key(signer).sign(&fields.encode_body());
    Certificate::assemble(fields, signature)
}

fn fields(issuer: &str, holder: &str, role: Role, key: PublicKey) -> CertificateFields {
    CertificateFields {
        issuer: name(issuer),
        holder: name(holder),
        role,
        epoch: 1,
        key,
        from: day(2026, 1),
        until: day(2060, 1),
    }
}

/// The certificate of a card's key, under the names it asked for.
pub fn card_certificate(public: PublicKey, holder: &str) -> Certificate {
    signed(1, fields(ROOT, holder, Role::Card, public))
}

fn list(sequence: u32, min_epoch: u32, date: Date, revoked: &[&str], signer: u8) -> StatusList {
    let revoked = revoked
        .iter()
        .map(|holder| HolderHash::of(Role::Terminal, &name(holder)));
    let fields = StatusListFields {
        issuer: name(ROOT),
        sequence,
        min_epoch,
        date,
        revoked: revoked.collect(),
    };
    let signature = key(signer).sign(&fields.encode_body());
    StatusList::assemble(fields, signature)
}

impl Papers {
    /// Makes and signs them.
    #[expect(
        clippy::new_without_default,
        reason = "there is nothing default about signed papers"
    )]
    pub fn new() -> Self {
        let terminal = |issuer, number: u8| {
            let holder = format!("ZZTALLYTERM{number:05}");
            fields(
                issuer,
                &holder,
                Role::Terminal,
                key(0x20 + number).public_key(),
            )
        };
        let late = CertificateFields {
            from: day(2026, 6),
            until: day(2026, 9),
            ..terminal(ROOT, 4)
        };
        let holders = [
            signed(1, terminal(ROOT, 1)),
            signed(1, terminal(ROOT, 2)),
            signed(2, terminal(SECOND, 3)),
            signed(1, late),
            signed(9, terminal(ROOT, 5)),
        ];
        let holders = holders
            .into_iter()
            .zip(1..)
            .map(|(certificate, number)| Holder {
                key: key(0x20 + number),
                certificate,
            });
        let link = |signer, issuer, holder, to: u8| {
            signed(
                signer,
                fields(issuer, holder, Role::Authority, key(to).public_key()),
            )
        };
        Self {
            holders: holders.collect(),
            links: vec![
                link(1, ROOT, SECOND, 2),
                link(2, SECOND, "ZZTALLYROOT00003", 3),
                link(9, ROOT, SECOND, 9),
            ],
            lists: vec![
                list(1, 0, day(2026, 2), &[], 1),
                list(2, 1, day(2026, 10), &[], 1),
                list(3, 1, day(2026, 11), &["ZZTALLYTERM00002"], 1),
                list(4, 2, day(2030, 1), &[], 1),
                list(9, 2, day(2030, 1), &["ZZTALLYTERM00001"], 9),
            ],
            root: conformance::authority::root(),
        }
    }
}
