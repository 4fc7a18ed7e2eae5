//! What the private key on a token must be and must not be, and the templates that make it so (`docs/ceremony.md`).

use crate::custody::token::{KeyFault, TokenError};
use apdu::crypto::PublicKey;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectHandle};
use cryptoki::session::Session;

/// P-256 as `CKA_EC_PARAMS`: OBJECT IDENTIFIER 1.2.840.10045.3.1.7 (RFC 5480).
pub(super) const P256: [u8; 10] = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
/// Tag and length of the OCTET STRING around an uncompressed point of 65 bytes.
const OCTETS: [u8; 2] = [0x04, 0x41];

/// Asked for in this order; the first fault is told.
const ASKED: [AttributeType; 10] = [
    AttributeType::KeyType,
    AttributeType::Sensitive,
    AttributeType::Extractable,
    AttributeType::AlwaysSensitive,
    AttributeType::NeverExtractable,
    AttributeType::Sign,
    AttributeType::Decrypt,
    AttributeType::Unwrap,
    AttributeType::Derive,
    AttributeType::EcParams,
];

/// Refuses a private key that could have a copy, that is of another kind, or that may do more than sign.
pub(super) fn check(session: &Session, key: ObjectHandle) -> Result<(), TokenError> {
    let told = session.get_attributes(key, &ASKED)?;
    for attribute in &told {
        if let Some(fault) = fault_of(attribute) {
            return Err(fault.into());
        }
    }
    let asked = |wanted: &AttributeType| {
        let mut told = told.iter();
        told.any(|attribute| attribute.attribute_type() == *wanted)
    };
    if !ASKED.iter().all(asked) {
        return Err(KeyFault::Silent.into());
    }
    // Not every token knows this one; what it does not know it does not want.
    let wish = [AttributeType::AlwaysAuthenticate];
    match session.get_attributes(key, &wish)?.first() {
        Some(Attribute::AlwaysAuthenticate(true)) => Err(KeyFault::AlwaysAuthenticates.into()),
        _ => Ok(()),
    }
}

fn fault_of(attribute: &Attribute) -> Option<KeyFault> {
    match attribute {
        Attribute::KeyType(kind) if *kind != KeyType::EC => Some(KeyFault::NotEc),
        Attribute::Sensitive(false) => Some(KeyFault::NotSensitive),
        Attribute::Extractable(true) => Some(KeyFault::Extractable),
        Attribute::AlwaysSensitive(false) => Some(KeyFault::NotAlwaysSensitive),
        Attribute::NeverExtractable(false) => Some(KeyFault::WasExtractable),
        Attribute::Sign(false) => Some(KeyFault::CannotSign),
        Attribute::Decrypt(true) => Some(KeyFault::Decrypts),
        Attribute::Unwrap(true) => Some(KeyFault::Unwraps),
        Attribute::Derive(true) => Some(KeyFault::Derives),
        Attribute::EcParams(curve) if *curve != P256 => Some(KeyFault::NotP256),
        _ => None,
    }
}

/// The public key's template: a P-256 key that anyone may read.
pub(super) fn public_template(label: &str, id: &[u8]) -> Vec<Attribute> {
    vec![
        Attribute::Token(true),
        Attribute::Private(false),
        Attribute::KeyType(KeyType::EC),
        Attribute::EcParams(P256.to_vec()),
        Attribute::Verify(true),
        Attribute::Label(label.into()),
        Attribute::Id(id.into()),
    ]
}

/// The private key's template: stays on the token, signs, and does nothing else.
pub(super) fn private_template(label: &str, id: &[u8]) -> Vec<Attribute> {
    vec![
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::KeyType(KeyType::EC),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        Attribute::Decrypt(false),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
        Attribute::Label(label.into()),
        Attribute::Id(id.into()),
    ]
}

/// `CKA_EC_POINT`: an OCTET STRING around the uncompressed point (PKCS#11 v2.40, §2.3.3 of the mechanisms).
pub(super) fn point(encoded: &[u8]) -> Result<PublicKey, TokenError> {
    let point = encoded.strip_prefix(&OCTETS).ok_or(TokenError::Point)?;
    PublicKey::from_uncompressed(point).map_err(|_| TokenError::Point)
}

#[cfg(test)]
mod tests {
    use super::*;
    use apdu::crypto::PrivateKey;

    #[test]
    fn a_point_is_read_from_its_octet_string_and_from_nothing_else() {
        let public = PrivateKey::from_scalar(&[7; 32]).unwrap().public_key();
        let bare = public.to_uncompressed();
        let whole = [&OCTETS[..], &bare].concat();
        assert_eq!(point(&whole), Ok(public));
        let mut off_the_curve = whole.clone();
        off_the_curve[66] ^= 1;
        let compressed = [&[0x04, 0x21], &public_compressed()[..]].concat();
        let longer = [&whole[..], &[0]].concat();
        for wrong in [
            &bare[..],
            &whole[..66],
            &longer,
            &off_the_curve,
            &compressed,
            &[],
        ] {
            assert_eq!(point(wrong), Err(TokenError::Point), "{wrong:02x?}");
        }
    }

    fn public_compressed() -> [u8; 33] {
        let key = PrivateKey::from_scalar(&[7; 32]).unwrap();
        key.public_key().to_compressed()
    }

    #[test]
    fn each_wrong_attribute_has_a_fault_of_its_own_and_the_right_ones_have_none() {
        let wrong = [
            Attribute::KeyType(KeyType::RSA),
            Attribute::Sensitive(false),
            Attribute::Extractable(true),
            Attribute::AlwaysSensitive(false),
            Attribute::NeverExtractable(false),
            Attribute::Sign(false),
            Attribute::Decrypt(true),
            Attribute::Unwrap(true),
            Attribute::Derive(true),
            Attribute::EcParams(vec![0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22]),
        ];
        let faults: Vec<_> = wrong.iter().filter_map(fault_of).collect();
        let mut messages: Vec<_> = faults.iter().map(ToString::to_string).collect();
        messages.sort();
        messages.dedup();
        assert_eq!(messages.len(), ASKED.len());
        let template = private_template("label", &[1]);
        assert!(template.iter().all(|right| fault_of(right).is_none()));
    }
}
