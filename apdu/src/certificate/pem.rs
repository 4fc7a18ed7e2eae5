//! PEM (RFC 7468) around certificates, requests and lists (§3).

use alloc::string::String;
use alloc::vec::Vec;

/// A certificate.
pub const CERTIFICATE: &str = "CV CERTIFICATE";
/// A request.
pub const REQUEST: &str = "CV CERTIFICATE REQUEST";
/// A status list.
pub const STATUS_LIST: &str = "TALLYSTICK STATUS LIST";

/// The text is no PEM with the expected label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// Not PEM.
    #[error("not PEM: {0}")]
    Malformed(pem_rfc7468::Error),
    /// Another label.
    #[error("expected PEM of a \"{expected}\"")]
    Label {
        /// The label that was expected.
        expected: &'static str,
    },
}

/// `bytes` as PEM.
pub fn encode(label: &'static str, bytes: &[u8]) -> Result<String, PemError> {
    pem_rfc7468::encode_string(label, pem_rfc7468::LineEnding::LF, bytes)
        .map_err(PemError::Malformed)
}

/// The label of PEM; `None` for DER, which is what does not begin with `-----`.
///
/// # Errors
/// [`PemError::Malformed`].
pub fn label(input: &[u8]) -> Result<Option<&str>, PemError> {
    if !input.starts_with(b"-----") {
        return Ok(None);
    }
    let label = pem_rfc7468::decode_label(input).map_err(PemError::Malformed)?;
    Ok(Some(label))
}

/// Reads PEM with this label, or DER: what does not begin with `-----` is taken as it is.
pub fn decode(expected: &'static str, input: &[u8]) -> Result<Vec<u8>, PemError> {
    if !input.starts_with(b"-----") {
        return Ok(input.to_vec());
    }
    let (label, bytes) = pem_rfc7468::decode_vec(input).map_err(PemError::Malformed)?;
    if label == expected {
        Ok(bytes)
    } else {
        Err(PemError::Label { expected })
    }
}
