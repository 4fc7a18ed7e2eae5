//! Certificate requests with proof of possession (§7.2). They carry no dates, so none can pass as a certificate.

use super::body::*;
use super::cvc::{CertificateError, Role};
use super::name::Name;
use crate::codec::tlv::{Tag, TlvFault, Writer};
use crate::crypto::{PrivateKey, PublicKey};
use alloc::vec::Vec;

const NONCE: Tag = Tag(0x80);
const ROLE: Tag = Tag(0x81);

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFields {
    /// CAR: which authority is asked.
    pub issuer: Name,
    /// CHR: under which name.
    pub holder: Name,
    /// As what.
    pub role: Role,
    /// The authority's nonce, so that a request answers one question only.
    pub nonce: [u8; 16],
    /// The key to be certified.
    pub key: PublicKey,
}

/// A request that was read; its proof of possession holds, for nothing else can be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    encoded: Vec<u8>,
    fields: RequestFields,
}

impl Request {
    /// Makes a request: signed by the very key it is about.
    pub fn create(
        issuer: Name,
        holder: Name,
        role: Role,
        nonce: [u8; 16],
        key: &PrivateKey,
    ) -> Self {
        let fields = RequestFields {
            issuer,
            holder,
            role,
            nonce,
            key: key.public_key(),
        };
        let body = fields.encode_body();
        let signature = key.sign(&body);
        Self {
            encoded: join_signed(CERTIFICATE, &body, &signature),
            fields,
        }
    }

    /// Reads a request and verifies its proof of possession.
    pub fn decode(bytes: &[u8]) -> Result<Self, CertificateError> {
        let (mut body, signed, signature) = split_signed(bytes, CERTIFICATE, BODY)?;
        body.exactly(PROFILE, &[0])?;
        let issuer = read_name(&mut body, ISSUER)?;
        let (key, parameters) = read_public_key(&mut body, PointCheck::Now)?;
        let holder = read_name(&mut body, HOLDER)?;
        let mut extensions = body.enter(EXTENSIONS)?;
        let no_proof = body.error(TlvFault::Value(SIGNATURE)); // it stands behind the body
        body.finish()?;
        let mut extension = extensions.enter(EXTENSION)?;
        extensions.finish()?;
        extension.exactly(OID, OID_REQUEST)?;
        let nonce = extension.fixed(NONCE)?;
        let wrong = extension.error(TlvFault::Value(ROLE));
        let [role] = extension.fixed(ROLE)?;
        let role = Role::from_byte(role).ok_or(wrong)?;
        extension.finish()?;
        if parameters == Parameters::Present {
            return Err(CertificateError::Parameters);
        }
        key.verify(signed, &signature).map_err(|_| no_proof)?;
        let fields = RequestFields {
            issuer,
            holder,
            role,
            nonce,
            key,
        };
        Ok(Self {
            encoded: bytes.to_vec(),
            fields,
        })
    }

    /// The request exactly as made or received: 196 bytes with names of 16.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// What is asked for.
    pub fn fields(&self) -> &RequestFields {
        &self.fields
    }
}

impl RequestFields {
    fn encode_body(&self) -> Vec<u8> {
        let extension = Writer::new()
            .put(OID, OID_REQUEST)
            .put(NONCE, &self.nonce)
            .put(ROLE, &[self.role.to_byte()]);
        let body = Writer::new()
            .put(PROFILE, &[0])
            .put(ISSUER, self.issuer.as_bytes())
            .nest(PUBLIC_KEY, public_key_object(&self.key, Parameters::Absent))
            .put(HOLDER, self.holder.as_bytes())
            .nest(EXTENSIONS, Writer::new().nest(EXTENSION, extension));
        Writer::new().nest(BODY, body).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Certificate;
    use super::*;

    fn request() -> Request {
        Request::create(
            Name::new("ZZTALLYROOT00001").unwrap(),
            Name::new("ZZTALLYCARD00001").unwrap(),
            Role::Card,
            [9; 16],
            &PrivateKey::from_scalar(&[7; 32]).unwrap(),
        )
    }

    /// ST-60: the request carries the public key and the proof that its holder has the private one.
    #[test]
    fn a_request_has_196_bytes_and_reads_back_with_its_proof() {
        let request = request();
        assert_eq!(request.encoded().len(), 196);
        assert_eq!(Request::decode(request.encoded()), Ok(request));
    }

    #[test]
    fn every_flipped_bit_of_a_request_is_noticed() {
        let bytes = request().encoded().to_vec();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Request::decode(&damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_request_cannot_pass_as_a_certificate() {
        assert!(Certificate::decode(request().encoded()).is_err());
    }
}
