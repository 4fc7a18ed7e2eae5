//! Response APDUs: data and status word (§4).

use super::status::StatusWord;
use alloc::vec::Vec;

/// One response, physical or logical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The data field; often empty.
    pub data: Vec<u8>,
    /// SW1 SW2.
    pub status: StatusWord,
}

/// A response must have at least its status word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a response of less than two bytes")]
pub struct ResponseError;

impl Response {
    /// A response without data.
    pub fn bare(status: StatusWord) -> Self {
        Self {
            data: Vec::new(),
            status,
        }
    }

    /// Success with data.
    pub fn ok(data: Vec<u8>) -> Self {
        Self {
            data,
            status: StatusWord::OK,
        }
    }

    /// Reads one response.
    pub fn parse(bytes: &[u8]) -> Result<Self, ResponseError> {
        let (data, status) = bytes.split_last_chunk().ok_or(ResponseError)?;
        Ok(Self {
            data: data.to_vec(),
            status: StatusWord(u16::from_be_bytes(*status)),
        })
    }

    /// The bytes to send.
    pub fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.data;
        bytes.extend(self.status.to_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_reads_back_and_needs_two_bytes() {
        let response = Response::ok(alloc::vec![1, 2]);
        assert_eq!(
            Response::parse(&response.clone().into_bytes()),
            Ok(response)
        );
        assert_eq!(Response::parse(&[0x90]), Err(ResponseError));
        assert_eq!(Response::parse(&[]), Err(ResponseError));
    }
}
