//! The signed status list: revoked holders, the minimum epoch, a date (§13).

use super::body::{ISSUER, join_signed, read_name, split_signed};
use super::cvc::CertificateError;
use super::date::Date;
use super::holder::HolderHash;
use super::name::Name;
use super::verify::{Anchor, Refusal};
use crate::codec::tlv::{Tag, TlvFault, Writer};
use crate::identifier::MAX_REVOKED;
use alloc::vec::Vec;

const LIST: Tag = Tag(0xE0);
const BODY: Tag = Tag(0xE1);
const SEQUENCE: Tag = Tag(0x80);
const MIN_EPOCH: Tag = Tag(0x81);
const DATE: Tag = Tag(0x82);
const REVOKED: Tag = Tag(0x83);

/// What a status list states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusListFields {
    /// CAR: who signs.
    pub issuer: Name,
    /// One more at each publication, from 1.
    pub sequence: u32,
    /// Certificates of a lower epoch are refused.
    pub min_epoch: u32,
    /// When it was signed.
    pub date: Date,
    /// Revoked holders, rising, at most 64.
    pub revoked: Vec<HolderHash>,
}

/// A status list that was read, not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusList {
    encoded: Vec<u8>,
    signed: Vec<u8>,
    signature: [u8; 64],
    fields: StatusListFields,
}

impl StatusListFields {
    /// The bytes to be signed: the whole object E1.
    pub fn encode_body(&self) -> Vec<u8> {
        let revoked: Vec<u8> = self.revoked.iter().flat_map(|holder| holder.0).collect();
        let body = Writer::new()
            .put(ISSUER, self.issuer.as_bytes())
            .put(SEQUENCE, &self.sequence.to_be_bytes())
            .put(MIN_EPOCH, &self.min_epoch.to_be_bytes())
            .put(DATE, &self.date.to_bcd())
            .put(REVOKED, &revoked);
        Writer::new().nest(BODY, body).into_bytes()
    }
}

impl StatusList {
    /// Joins fields and the signature over [`StatusListFields::encode_body`].
    pub fn assemble(fields: StatusListFields, signature: [u8; 64]) -> Self {
        let signed = fields.encode_body();
        let encoded = join_signed(LIST, &signed, &signature);
        Self {
            encoded,
            signed,
            signature,
            fields,
        }
    }

    /// Reads a whole object E0, strictly: the sequence is not 0, entries rise and do not repeat.
    pub fn decode(bytes: &[u8]) -> Result<Self, CertificateError> {
        let (mut body, signed, signature) = split_signed(bytes, LIST, BODY)?;
        let issuer = read_name(&mut body, ISSUER)?;
        let wrong = body.error(TlvFault::Value(SEQUENCE));
        let sequence = u32::from_be_bytes(body.fixed(SEQUENCE)?);
        if sequence == 0 {
            return Err(wrong.into()); // §13: 0 says "no list" where a sequence is told
        }
        let min_epoch = u32::from_be_bytes(body.fixed(MIN_EPOCH)?);
        let wrong = body.error(TlvFault::Value(DATE));
        let date = Date::from_bcd(body.fixed(DATE)?).ok_or(wrong)?;
        let wrong = body.error(TlvFault::Value(REVOKED));
        let (entries, rest) = body.expect(REVOKED)?.as_chunks();
        body.finish()?;
        let revoked: Vec<HolderHash> = entries.iter().copied().map(HolderHash).collect();
        if !rest.is_empty() || revoked.len() > MAX_REVOKED || !revoked.is_sorted_by(|a, b| a < b) {
            return Err(wrong.into());
        }
        let fields = StatusListFields {
            issuer,
            sequence,
            min_epoch,
            date,
            revoked,
        };
        Ok(Self {
            encoded: bytes.to_vec(),
            signed: signed.to_vec(),
            signature,
            fields,
        })
    }

    /// Whether one of `anchors` signed the list.
    pub fn verify(&self, anchors: &[&Anchor]) -> Result<(), Refusal> {
        let anchor = Anchor::find(anchors, &self.fields.issuer)?;
        anchor
            .key()
            .verify(&self.signed, &self.signature)
            .map_err(|_| Refusal::Signature)
    }

    /// The list exactly as received or made: 882 bytes with 64 entries.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// What the list says.
    pub fn claims(&self) -> &StatusListFields {
        &self.fields
    }

    /// Whether `holder` is revoked.
    #[must_use]
    pub fn revokes(&self, holder: &HolderHash) -> bool {
        self.fields.revoked.binary_search(holder).is_ok()
    }
}
