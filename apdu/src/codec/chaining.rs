//! Command chaining, both ends: one logical command in several APDUs (§4).

use super::command::{Command, CommandError, Form, Header};
use crate::identifier::MAX_LOGICAL_DATA;
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// Cuts a logical command into APDUs of `form`, each with at most `segment` data bytes (1 to the form's maximum).
///
/// All but the last carry the chaining bit and no Le.
pub fn segments(
    header: Header,
    data: &[u8],
    expected: Option<u32>,
    form: Form,
    segment: usize,
) -> Result<Vec<Vec<u8>>, CommandError> {
    let segment = segment.clamp(1, form.max_data());
    let mut rest = data;
    let mut commands = Vec::new();
    while let Some((part, after)) = rest
        .split_at_checked(segment)
        .filter(|(_, after)| !after.is_empty())
    {
        commands.push(
            Command {
                header: header.chained(),
                data: part,
                expected: None,
                form,
            }
            .encode()?,
        );
        rest = after;
    }
    commands.push(
        Command {
            header: header.unchained(),
            data: rest,
            expected,
            form,
        }
        .encode()?,
    );
    Ok(commands)
}

/// Why a segment does not continue a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The segment belongs to another command.
    #[error("a segment of another command")]
    Broken,
    /// The whole data field would exceed [`MAX_LOGICAL_DATA`].
    #[error("the chained data field is too long")]
    TooLong,
}

/// A logical command that has not arrived completely.
#[derive(Debug, Clone)]
pub struct Chain {
    header: Header,
    data: Zeroizing<Vec<u8>>,
}

impl Chain {
    /// Begins with the first segment.
    pub fn begin(header: Header, data: &[u8]) -> Self {
        Self {
            header: header.unchained(),
            data: Zeroizing::new(data.to_vec()),
        }
    }

    /// Appends a segment, the last one included; the chain is used up by an error.
    pub fn append(mut self, header: Header, data: &[u8]) -> Result<Self, ChainError> {
        if header.unchained() != self.header {
            return Err(ChainError::Broken);
        }
        if self.data.len() + data.len() > MAX_LOGICAL_DATA {
            return Err(ChainError::TooLong);
        }
        // Why: growing a Vec leaves the old bytes behind, so a wiped copy is made instead.
        let mut longer = Zeroizing::new(Vec::with_capacity(self.data.len() + data.len()));
        longer.extend_from_slice(&self.data);
        longer.extend_from_slice(data);
        self.data = longer;
        Ok(self)
    }

    /// The whole data field.
    pub fn into_data(self) -> Zeroizing<Vec<u8>> {
        self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header::new(0x0C, 0xDA, 1, 2);

    #[test]
    fn segments_join_to_the_same_data_field() {
        for length in [0, 1, 254, 255, 256, 510, 511, 1000] {
            let data: Vec<u8> = (0..length)
                .map(|n| u8::try_from(n % 251).unwrap())
                .collect();
            let apdus = segments(HEADER, &data, Some(256), Form::Short, 255).unwrap();
            assert_eq!(
                apdus.len(),
                data.len().div_ceil(255).max(1),
                "{length} bytes"
            );
            let (last, firsts) = apdus.split_last().unwrap();
            let last = Command::parse(last).unwrap();
            assert_eq!((last.header, last.expected), (HEADER, Some(256)));
            let mut chain = Chain::begin(HEADER, &[]);
            for apdu in firsts {
                let part = Command::parse(apdu).unwrap();
                assert!(part.header.is_chained() && part.expected.is_none());
                chain = chain.append(part.header, part.data).unwrap();
            }
            assert_eq!(
                *chain.append(last.header, last.data).unwrap().into_data(),
                data
            );
        }
    }

    #[test]
    fn a_segment_of_another_command_breaks_the_chain() {
        for other in [
            Header {
                ins: 0xDB,
                ..HEADER
            },
            Header { p1: 9, ..HEADER },
            Header { p2: 9, ..HEADER },
            Header {
                cla: 0x8C,
                ..HEADER
            },
        ] {
            let chain = Chain::begin(HEADER.chained(), &[1]);
            assert_eq!(chain.append(other, &[2]).unwrap_err(), ChainError::Broken);
        }
    }

    #[test]
    fn a_chain_cannot_exceed_the_limit_of_a_data_field() {
        let chain = Chain::begin(HEADER, &alloc::vec![0; MAX_LOGICAL_DATA]);
        assert!(chain.clone().append(HEADER, &[]).is_ok());
        assert_eq!(chain.append(HEADER, &[0]).unwrap_err(), ChainError::TooLong);
    }
}
