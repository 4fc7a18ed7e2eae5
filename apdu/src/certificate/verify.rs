//! Verification (§7.3). Each success is a value with private fields, made here and nowhere else.

use super::cvc::{Certificate, CertificateFields, Role};
use super::date::Date;
use super::holder::HolderHash;
use super::name::Name;
use super::status_list::StatusList;
use crate::crypto::PublicKey;
use planted::planted;

/// Why a certificate or a list is refused. The card says the same word for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another role than expected.
    #[error("the certificate is for another role")]
    Role,
    /// No trusted root has the issuer's name.
    #[error("no trusted root of this name")]
    Issuer,
    /// The signature does not verify.
    #[error("the signature is wrong")]
    Signature,
    /// Expired.
    #[error("the certificate has expired")]
    Expired,
    /// The first day has not come.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// Issued before all certificates of its time were cut off.
    #[error("the certificate is from an epoch that was cut off")]
    Epoch,
    /// The holder is on the status list.
    #[error("the holder is revoked")]
    Revoked,
}

/// An authority's key that is trusted: a root, or one that a root's link leads to. Chains have depth one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    name: Name,
    key: PublicKey,
}

impl Anchor {
    /// Trusts a root because the caller decided to; its own signature must hold.
    pub fn trust_root(certificate: &Certificate) -> Result<Self, Refusal> {
        let claims = certificate.claims();
        if !claims.is_root() {
            return Err(Refusal::Role);
        }
        if !certificate.is_signed_by(&claims.key) {
            return Err(Refusal::Signature);
        }
        Ok(Self::of(claims))
    }

    /// Trusts the new root of a link certificate signed by one of `roots`.
    pub fn trust_link(certificate: &Certificate, roots: &[&Anchor]) -> Result<Self, Refusal> {
        let claims = certificate.claims();
        if claims.role != Role::Authority || claims.is_root() {
            return Err(Refusal::Role);
        }
        let root = Self::find(roots, &claims.issuer)?;
        if !certificate.is_signed_by(&root.key) && !planted("link-unverified") {
            return Err(Refusal::Signature);
        }
        Ok(Self::of(claims))
    }

    /// Takes an anchor back out of this end's own durable storage, where it was put after verification.
    ///
    /// # Errors
    /// When the certificate is not an authority's.
    pub fn restored(certificate: &Certificate) -> Result<Self, Refusal> {
        let claims = certificate.claims();
        if claims.role == Role::Authority {
            Ok(Self::of(claims))
        } else {
            Err(Refusal::Role)
        }
    }

    /// The authority's name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn key(&self) -> &PublicKey {
        &self.key
    }

    pub(super) fn find<'a>(anchors: &[&'a Anchor], name: &Name) -> Result<&'a Anchor, Refusal> {
        anchors
            .iter()
            .copied()
            .find(|anchor| anchor.name == *name)
            .ok_or(Refusal::Issuer)
    }

    fn of(claims: &CertificateFields) -> Self {
        Self {
            name: claims.holder,
            key: claims.key.clone(),
        }
    }
}

/// How the verifier knows the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// A card: its date is always behind, so it cannot judge the first day (§7.3).
    NotExpiredAt(Date),
    /// A terminal with a clock.
    Today(Date),
}

/// What the verifier expects of a leaf certificate.
pub struct Expectations<'a> {
    /// The holder's role.
    pub role: Role,
    /// The verifier's time.
    pub validity: Validity,
    /// Certificates of a lower epoch are refused.
    pub min_epoch: u32,
    /// Revoked holders.
    pub revoked: Option<&'a StatusList>,
}

/// A certificate that was verified: its key may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenCertificate(Certificate);

impl ProvenCertificate {
    /// Checks, in this order: role, issuer, signature, time, epoch, revocation.
    pub fn verify(
        certificate: Certificate,
        anchors: &[&Anchor],
        expected: &Expectations<'_>,
    ) -> Result<Self, Refusal> {
        let claims = certificate.claims();
        let any_role = planted("role-unchecked");
        if (claims.role != expected.role && !any_role) || claims.role == Role::Authority {
            return Err(Refusal::Role);
        }
        let anchor = Anchor::find(anchors, &claims.issuer)?;
        if !certificate.is_signed_by(&anchor.key) {
            return Err(Refusal::Signature);
        }
        let (Validity::NotExpiredAt(date) | Validity::Today(date)) = expected.validity;
        if claims.until < date && !planted("expiry-unchecked") {
            return Err(Refusal::Expired);
        }
        if matches!(expected.validity, Validity::Today(today) if today < claims.from) {
            return Err(Refusal::NotYetValid);
        }
        if claims.epoch < expected.min_epoch {
            return Err(Refusal::Epoch);
        }
        if expected
            .revoked
            .is_some_and(|list| list.revokes(&certificate.holder_hash()))
            && !planted("revocation-unchecked")
        {
            return Err(Refusal::Revoked);
        }
        Ok(Self(certificate))
    }

    /// The certified key.
    pub fn key(&self) -> &PublicKey {
        &self.0.claims().key
    }

    /// The holder's name.
    pub fn holder(&self) -> &Name {
        &self.0.claims().holder
    }

    /// The holder's hash (§7.4).
    pub fn holder_hash(&self) -> HolderHash {
        self.0.holder_hash()
    }

    /// The certificate itself.
    pub fn certificate(&self) -> &Certificate {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::CertificateFields;
    use crate::crypto::PrivateKey;

    fn signed(key: &PrivateKey, holder: &str, role: Role) -> Certificate {
        let fields = CertificateFields {
            issuer: Name::new("ZZTALLYROOT00001").unwrap(),
            holder: Name::new(holder).unwrap(),
            role,
            epoch: 3,
            key: key.public_key(),
            from: Date::new(2026, 1, 1).unwrap(),
            until: Date::new(2028, 12, 31).unwrap(),
        };
        let signature = key.sign(&fields.encode_body());
        Certificate::assemble(fields, signature)
    }

    #[test]
    fn a_certificate_is_good_from_its_first_day_to_its_last_and_from_its_own_epoch_down() {
        let key = PrivateKey::from_scalar(&[7; 32]).unwrap();
        let root = signed(&key, "ZZTALLYROOT00001", Role::Authority);
        let root = Anchor::trust_root(&root).unwrap();
        let card = signed(&key, "ZZTALLYCARD00001", Role::Card);
        let judge = |validity, min_epoch| {
            let expected = Expectations {
                role: Role::Card,
                validity,
                min_epoch,
                revoked: None,
            };
            ProvenCertificate::verify(card.clone(), &[&root], &expected).map(drop)
        };
        let date = |year, month, day| Date::new(year, month, day).unwrap();
        let (before, first) = (date(2025, 12, 31), date(2026, 1, 1));
        let (last, after) = (date(2028, 12, 31), date(2029, 1, 1));
        assert_eq!(judge(Validity::Today(before), 0), Err(Refusal::NotYetValid));
        assert_eq!(judge(Validity::NotExpiredAt(before), 0), Ok(()));
        for day in [first, last] {
            assert_eq!(judge(Validity::Today(day), 0), Ok(()));
            assert_eq!(judge(Validity::NotExpiredAt(day), 0), Ok(()));
        }
        assert_eq!(judge(Validity::Today(after), 0), Err(Refusal::Expired));
        let clockless = Validity::NotExpiredAt(after);
        assert_eq!(judge(clockless, 0), Err(Refusal::Expired));
        assert_eq!(judge(Validity::Today(first), 3), Ok(()));
        assert_eq!(judge(Validity::Today(first), 4), Err(Refusal::Epoch));
    }
}
