//! Members of the service's answers. What is missing or strange is the service's fault, and is said so.

use crate::failure::Failure;
use apdu::certificate::{Certificate, Name, StatusList};
use base64ct::{Base64, Encoding as _};
use serde_json::Value;

/// Reading members.
pub trait Text {
    /// A member that is text.
    fn text(&self, key: &str) -> Result<&str, Failure>;
    /// A member that is a whole number.
    fn number(&self, key: &str) -> Result<u64, Failure>;
    /// A member that is a name.
    fn name(&self, key: &str) -> Result<Name, Failure>;
}

/// What is said about an answer that cannot be read.
pub fn strange(key: &str) -> Failure {
    Failure::failed(format!(
        "the authority's answer is not understood: {key}; it and this program are of different versions"
    ))
}

impl Text for Value {
    fn text(&self, key: &str) -> Result<&str, Failure> {
        self.get(key)
            .and_then(Self::as_str)
            .ok_or_else(|| strange(key))
    }

    fn number(&self, key: &str) -> Result<u64, Failure> {
        self.get(key)
            .and_then(Self::as_u64)
            .ok_or_else(|| strange(key))
    }

    fn name(&self, key: &str) -> Result<Name, Failure> {
        Name::new(self.text(key)?).ok_or_else(|| strange(key))
    }
}

/// A member that is base64.
pub fn binary(answer: &Value, key: &str) -> Result<Vec<u8>, Failure> {
    Base64::decode_vec(answer.text(key)?).map_err(|_| strange(key))
}

/// A member that is a certificate.
pub fn certificate(answer: &Value, key: &str) -> Result<Certificate, Failure> {
    Certificate::decode(&binary(answer, key)?).map_err(|_| strange(key))
}

/// A member that is a status list.
pub fn status_list(answer: &Value, key: &str) -> Result<StatusList, Failure> {
    StatusList::decode(&binary(answer, key)?).map_err(|_| strange(key))
}

/// A member that is a list.
pub fn list<'v>(answer: &'v Value, key: &str) -> Result<&'v [Value], Failure> {
    let list = answer.get(key).and_then(Value::as_array);
    list.map(Vec::as_slice).ok_or_else(|| strange(key))
}

/// A list of certificates.
pub fn certificates(answer: &Value, key: &str) -> Result<Vec<Certificate>, Failure> {
    let one = |value: &Value| {
        let bytes = Base64::decode_vec(value.as_str()?).ok()?;
        Certificate::decode(&bytes).ok()
    };
    let read: Option<Vec<_>> = list(answer, key)?.iter().map(one).collect();
    read.ok_or_else(|| strange(key))
}
