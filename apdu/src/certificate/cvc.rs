//! Certificates: fields, encoding, strict decoding (§7.1, §7.2).

use super::body::*;
use super::date::Date;
use super::holder::{HolderHash, KeyId};
use super::name::Name;
use crate::codec::tlv::{TlvError, TlvFault, Writer};
use crate::crypto::PublicKey;
use crate::identifier::MAX_LEAF;
use alloc::vec::Vec;
use core::fmt;

/// What a certificate's holder may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `C0`: an authority, as a root or by a link.
    Authority,
    /// `01`.
    Card,
    /// `02`.
    Terminal,
}

impl Role {
    /// The role byte.
    pub fn to_byte(self) -> u8 {
        match self {
            Self::Authority => 0xC0,
            Self::Card => 0x01,
            Self::Terminal => 0x02,
        }
    }

    /// Reads the role byte; nothing but the three.
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Self::Authority, Self::Card, Self::Terminal]
            .into_iter()
            .find(|role| role.to_byte() == byte)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authority => "authority",
            Self::Card => "card",
            Self::Terminal => "terminal",
        })
    }
}

/// The bytes are no certificate of this profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Malformed.
    #[error("malformed certificate: {0}")]
    Malformed(#[from] TlvError),
    /// The last day is before the first.
    #[error("malformed certificate: it ends before it begins")]
    Dates,
    /// Curve parameters stand where they must not, or are missing in a root.
    #[error("malformed certificate: curve parameters belong into a root and nowhere else")]
    Parameters,
    /// A leaf longer than 223 bytes.
    #[error("malformed certificate: longer than a leaf may be")]
    TooLong,
}

/// What an authority states in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFields {
    /// CAR: who signs.
    pub issuer: Name,
    /// CHR: who holds the key.
    pub holder: Name,
    /// What the holder may be.
    pub role: Role,
    /// The authority's minimum epoch when it signed.
    pub epoch: u32,
    /// The certified key.
    pub key: PublicKey,
    /// First day, included.
    pub from: Date,
    /// Last day, included.
    pub until: Date,
}

impl CertificateFields {
    /// Whether this is a root: an authority that names itself as its issuer.
    pub fn is_root(&self) -> bool {
        self.role == Role::Authority && self.issuer == self.holder
    }

    /// The bytes to be signed: the whole object 7F4E.
    pub fn encode_body(&self) -> Vec<u8> {
        let parameters = if self.is_root() {
            Parameters::Present
        } else {
            Parameters::Absent
        };
        let [e1, e2, e3, e4] = self.epoch.to_be_bytes();
        let authorization = Writer::new()
            .put(OID, OID_ROLE)
            .put(DISCRETIONARY, &[self.role.to_byte(), e1, e2, e3, e4]);
        let body = Writer::new()
            .put(PROFILE, &[0])
            .put(ISSUER, self.issuer.as_bytes())
            .nest(PUBLIC_KEY, public_key_object(&self.key, parameters))
            .put(HOLDER, self.holder.as_bytes())
            .nest(AUTHORIZATION, authorization)
            .put(FROM, &self.from.to_digits())
            .put(UNTIL, &self.until.to_digits());
        Writer::new().nest(BODY, body).into_bytes()
    }
}

/// A certificate that was read, not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    encoded: Vec<u8>,
    signed: Vec<u8>,
    signature: [u8; 64],
    fields: CertificateFields,
}

impl Certificate {
    /// Joins fields and the signature over [`CertificateFields::encode_body`].
    pub fn assemble(fields: CertificateFields, signature: [u8; 64]) -> Self {
        let signed = fields.encode_body();
        let encoded = join_signed(CERTIFICATE, &signed, &signature);
        Self {
            encoded,
            signed,
            signature,
            fields,
        }
    }

    /// Reads a whole object 7F21, strictly.
    pub fn decode(bytes: &[u8]) -> Result<Self, CertificateError> {
        Self::read(bytes, PointCheck::Now)
    }

    /// Takes a certificate back out of this end's own durable storage, where it was put after it had been decoded: as
    /// strict, but the point is looked at only when it is used ([`PublicKey::restored`]).
    pub fn restored(bytes: &[u8]) -> Result<Self, CertificateError> {
        Self::read(bytes, PointCheck::AtUse)
    }

    fn read(bytes: &[u8], check: PointCheck) -> Result<Self, CertificateError> {
        let (mut body, signed, signature) = split_signed(bytes, CERTIFICATE, BODY)?;
        body.exactly(PROFILE, &[0])?;
        let issuer = read_name(&mut body, ISSUER)?;
        let (key, parameters) = read_public_key(&mut body, check)?;
        let holder = read_name(&mut body, HOLDER)?;
        let mut authorization = body.enter(AUTHORIZATION)?;
        authorization.exactly(OID, OID_ROLE)?;
        let wrong = authorization.error(TlvFault::Value(DISCRETIONARY));
        let [role, epoch @ ..]: [u8; 5] = authorization.fixed(DISCRETIONARY)?;
        authorization.finish()?;
        let role = Role::from_byte(role).ok_or(wrong)?;
        let wrong = body.error(TlvFault::Value(FROM));
        let from = Date::from_digits(body.fixed(FROM)?).ok_or(wrong)?;
        let wrong = body.error(TlvFault::Value(UNTIL));
        let until = Date::from_digits(body.fixed(UNTIL)?).ok_or(wrong)?;
        body.finish()?;
        let epoch = u32::from_be_bytes(epoch);
        let fields = CertificateFields {
            issuer,
            holder,
            role,
            epoch,
            key,
            from,
            until,
        };
        if until < from {
            return Err(CertificateError::Dates);
        }
        if fields.is_root() != (parameters == Parameters::Present) {
            return Err(CertificateError::Parameters);
        }
        if role != Role::Authority && bytes.len() > MAX_LEAF {
            return Err(CertificateError::TooLong);
        }
        Ok(Self {
            encoded: bytes.to_vec(),
            signed: signed.to_vec(),
            signature,
            fields,
        })
    }

    /// The certificate exactly as it was received or made.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// What the certificate says. Not a proof of anything.
    pub fn claims(&self) -> &CertificateFields {
        &self.fields
    }

    /// The holder's hash (§7.4).
    pub fn holder_hash(&self) -> HolderHash {
        HolderHash::of(self.fields.role, &self.fields.holder)
    }

    /// The certified key's id (§7.4).
    pub fn key_id(&self) -> KeyId {
        KeyId::of(&self.fields.key)
    }

    pub(super) fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.verify(&self.signed, &self.signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::PrivateKey;

    fn fields(role: Role, issuer: &str) -> (CertificateFields, PrivateKey) {
        let key = PrivateKey::from_scalar(&[7; 32]).unwrap();
        let fields = CertificateFields {
            issuer: Name::new(issuer).unwrap(),
            holder: Name::new("ZZTALLYCARD00001").unwrap(),
            role,
            epoch: 3,
            key: key.public_key(),
            from: Date::new(2026, 1, 1).unwrap(),
            until: Date::new(2028, 12, 31).unwrap(),
        };
        (fields, key)
    }

    #[test]
    fn a_leaf_with_long_names_has_199_bytes_and_a_root_409() {
        for (role, issuer, length) in [
            (Role::Card, "ZZTALLYROOT00001", 199),
            (Role::Authority, "ZZTALLYROOT00001", 199),
            (Role::Authority, "ZZTALLYCARD00001", 409),
        ] {
            let (fields, key) = fields(role, issuer);
            let signature = key.sign(&fields.encode_body());
            let certificate = Certificate::assemble(fields, signature);
            assert_eq!(certificate.encoded().len(), length);
            assert_eq!(Certificate::decode(certificate.encoded()), Ok(certificate));
        }
    }

    #[test]
    fn a_certificate_cut_or_extended_anywhere_is_malformed() {
        let (fields, key) = fields(Role::Card, "ZZTALLYROOT00001");
        let signature = key.sign(&fields.encode_body());
        let bytes = Certificate::assemble(fields, signature).encoded().to_vec();
        for length in 0..bytes.len() {
            assert!(Certificate::decode(&bytes[..length]).is_err());
        }
        assert!(Certificate::decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn dates_in_the_wrong_order_are_refused() {
        let (mut fields, key) = fields(Role::Card, "ZZTALLYROOT00001");
        core::mem::swap(&mut fields.from, &mut fields.until);
        let signature = key.sign(&fields.encode_body());
        let bytes = Certificate::assemble(fields, signature).encoded().to_vec();
        assert_eq!(Certificate::decode(&bytes), Err(CertificateError::Dates));
    }
}
