//! Objects, object identifiers and curve constants of the certificate profile (§7.1), and the outer frame that
//! certificates and requests share.

use super::cvc::CertificateError;
use super::name::Name;
use crate::codec::tlv::{Reader, Tag, TlvFault, Writer};
use crate::crypto::PublicKey;
use alloc::vec::Vec;

pub(super) const CERTIFICATE: Tag = Tag(0x7F21);
pub(super) const BODY: Tag = Tag(0x7F4E);
pub(super) const PROFILE: Tag = Tag(0x5F29);
pub(super) const ISSUER: Tag = Tag(0x42);
pub(super) const PUBLIC_KEY: Tag = Tag(0x7F49);
pub(super) const OID: Tag = Tag(0x06);
pub(super) const POINT: Tag = Tag(0x86);
pub(super) const HOLDER: Tag = Tag(0x5F20);
pub(super) const AUTHORIZATION: Tag = Tag(0x7F4C);
pub(super) const DISCRETIONARY: Tag = Tag(0x53);
pub(super) const FROM: Tag = Tag(0x5F25);
pub(super) const UNTIL: Tag = Tag(0x5F24);
pub(super) const SIGNATURE: Tag = Tag(0x5F37);
pub(super) const EXTENSIONS: Tag = Tag(0x65);
pub(super) const EXTENSION: Tag = Tag(0x73);

/// id-TA-ECDSA-SHA-256, `0.4.0.127.0.7.2.2.2.2.3`.
const ALGORITHM: &[u8] = &[0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x02, 0x03];
/// `2.999.3.1`, the role. The arc 2.999 is for examples; a registered one replaces it before real use.
pub(super) const OID_ROLE: &[u8] = &[0x88, 0x37, 0x03, 0x01];
/// `2.999.3.2`, the request extension.
pub(super) const OID_REQUEST: &[u8] = &[0x88, 0x37, 0x03, 0x02];

/// P-256 in the order of TR-03110: p, a, b, G, n, then the point, then the cofactor. A root carries them because
/// common tools cannot verify without; they must equal these bytes and are not used (§7.2).
const PARAMETERS: [(Tag, &str); 5] = [
    (
        Tag(0x81),
        "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
    ),
    (
        Tag(0x82),
        "ffffffff00000001000000000000000000000000fffffffffffffffffffffffc",
    ),
    (
        Tag(0x83),
        "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
    ),
    (
        Tag(0x84),
        "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
         4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
    ),
    (
        Tag(0x85),
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    ),
];
const COFACTOR: Tag = Tag(0x87);

/// Whether a public key object carries the curve's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameters {
    Present,
    Absent,
}

pub(super) fn public_key_object(key: &PublicKey, parameters: Parameters) -> Writer {
    let mut object = Writer::new().put(OID, ALGORITHM);
    if parameters == Parameters::Present {
        for (tag, hex) in PARAMETERS {
            object = object.put(tag, &from_hex(hex));
        }
    }
    object = object.put(POINT, &key.to_compressed());
    if parameters == Parameters::Present {
        object = object.put(COFACTOR, &[1]);
    }
    object
}

/// Whether a point is checked when it is read, or when it is first used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PointCheck {
    Now,
    AtUse,
}

pub(super) fn read_public_key(
    body: &mut Reader<'_>,
    check: PointCheck,
) -> Result<(PublicKey, Parameters), CertificateError> {
    let mut object = body.enter(PUBLIC_KEY)?;
    object.exactly(OID, ALGORITHM)?;
    let [(prime, _), ..] = PARAMETERS;
    let parameters = match object.clone().optional(prime)? {
        Some(_) => Parameters::Present,
        None => Parameters::Absent,
    };
    if parameters == Parameters::Present {
        for (tag, hex) in PARAMETERS {
            object.exactly(tag, &from_hex(hex))?;
        }
    }
    let wrong = object.error(TlvFault::Value(POINT));
    let read = match check {
        PointCheck::Now => PublicKey::from_compressed,
        PointCheck::AtUse => PublicKey::restored,
    };
    let key = read(object.expect(POINT)?).map_err(|_| wrong)?;
    if parameters == Parameters::Present {
        object.exactly(COFACTOR, &[1])?;
    }
    object.finish()?;
    Ok((key, parameters))
}

pub(super) fn read_name(reader: &mut Reader<'_>, tag: Tag) -> Result<Name, CertificateError> {
    let wrong = reader.error(TlvFault::Value(tag));
    Ok(Name::from_bytes(reader.expect(tag)?).ok_or(wrong)?)
}

/// Splits `outer { body object, 5F37 signature }` and gives a reader for the body, the body's exact bytes, the signature.
pub(super) fn split_signed<'a>(
    bytes: &'a [u8],
    outer: Tag,
    body: Tag,
) -> Result<(Reader<'a>, &'a [u8], [u8; 64]), CertificateError> {
    let mut whole = Reader::new(bytes);
    let mut parts = whole.enter(outer)?;
    whole.finish()?;
    let before = parts.rest();
    let content = parts.enter(body)?;
    let signed = before
        .split_at_checked(before.len() - parts.rest().len())
        .map_or(before, |(signed, _)| signed);
    let signature = parts.fixed(SIGNATURE)?;
    parts.finish()?;
    Ok((content, signed, signature))
}

/// `outer { body object, 5F37 signature }`.
pub(super) fn join_signed(outer: Tag, body: &[u8], signature: &[u8; 64]) -> Vec<u8> {
    let content = Writer::new().raw(body).put(SIGNATURE, signature);
    Writer::new().nest(outer, content).into_bytes()
}

/// Bytes of a hexadecimal constant of this file.
fn from_hex(text: &str) -> Vec<u8> {
    let digits = text.bytes().map(|digit| match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit - b'a' + 10,
    });
    let (high, low) = (digits.clone().step_by(2), digits.skip(1).step_by(2));
    high.zip(low).map(|(high, low)| high << 4 | low).collect()
}
