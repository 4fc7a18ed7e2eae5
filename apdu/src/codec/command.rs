//! Command APDUs of ISO/IEC 7816-4: cases 1 to 4, short and extended (§4).

use alloc::vec::Vec;

/// CLA bit that marks a segment with more to follow.
const CHAINED: u8 = 0x10;

/// The four bytes every command begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// Class.
    pub cla: u8,
    /// Instruction.
    pub ins: u8,
    /// First parameter.
    pub p1: u8,
    /// Second parameter.
    pub p2: u8,
}

impl Header {
    /// A header from its four bytes in order.
    pub const fn new(cla: u8, ins: u8, p1: u8, p2: u8) -> Self {
        Self { cla, ins, p1, p2 }
    }

    /// Whether the chaining bit is set.
    pub fn is_chained(self) -> bool {
        self.cla & CHAINED != 0
    }

    /// The header with the chaining bit cleared: the header of the logical message.
    #[must_use]
    pub fn unchained(self) -> Self {
        Self {
            cla: self.cla & !CHAINED,
            ..self
        }
    }

    /// The header with the chaining bit set.
    #[must_use]
    pub fn chained(self) -> Self {
        Self {
            cla: self.cla | CHAINED,
            ..self
        }
    }

    /// The four bytes as sent.
    pub fn to_bytes(self) -> [u8; 4] {
        [self.cla, self.ins, self.p1, self.p2]
    }
}

/// Short or extended length fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Lc 1 to 255, Le 1 to 256.
    Short,
    /// Lc 1 to 65,535, Le 1 to 65,536.
    Extended,
}

impl Form {
    /// The most data bytes one command of this form carries.
    pub const fn max_data(self) -> usize {
        match self {
            Self::Short => 255,
            Self::Extended => 65_535,
        }
    }
}

/// One command APDU, borrowed from the bytes that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// CLA INS P1 P2.
    pub header: Header,
    /// The data field; empty in cases 1 and 2.
    pub data: &'a [u8],
    /// How many answer bytes are expected at most, 1 to 65,536; none in cases 1 and 3.
    pub expected: Option<u32>,
    /// Length form. Case 1 counts as short.
    pub form: Form,
}

/// The bytes are no command APDU, or a command does not fit its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a command APDU of ISO/IEC 7816-4")]
pub struct CommandError;

impl<'a> Command<'a> {
    /// Reads one command; every byte must belong to it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CommandError> {
        let (&[cla, ins, p1, p2], body) = bytes.split_first_chunk().ok_or(CommandError)?;
        let header = Header { cla, ins, p1, p2 };
        let (data, expected, form) = match *body {
            [] => (&[][..], None, Form::Short),
            [le] => (&[][..], Some(short_le(le)), Form::Short),
            [0, high, low] => (&[][..], Some(extended_le([high, low])), Form::Extended),
            [0, high, low, ref rest @ ..] => {
                let length = u16::from_be_bytes([high, low]).into();
                let (data, expected) = split_data(length, rest, |tail| match *tail {
                    [high, low] => Some(extended_le([high, low])),
                    _ => None,
                })?;
                (data, expected, Form::Extended)
            }
            [length, ref rest @ ..] => {
                let (data, expected) = split_data(length.into(), rest, |tail| match *tail {
                    [le] => Some(short_le(le)),
                    _ => None,
                })?;
                (data, expected, Form::Short)
            }
        };
        Ok(Self {
            header,
            data,
            expected,
            form,
        })
    }

    /// The bytes to send; an error when data or expected length exceed the form.
    pub fn encode(&self) -> Result<Vec<u8>, CommandError> {
        let mut bytes = Vec::with_capacity(self.data.len() + 9);
        bytes.extend(self.header.to_bytes());
        match self.form {
            Form::Short => {
                if !self.data.is_empty() {
                    bytes.push(u8::try_from(self.data.len()).map_err(|_| CommandError)?);
                    bytes.extend_from_slice(self.data);
                }
                match self.expected {
                    None => {}
                    Some(256) => bytes.push(0),
                    Some(0) => return Err(CommandError),
                    Some(le) => bytes.push(u8::try_from(le).map_err(|_| CommandError)?),
                }
            }
            Form::Extended => {
                if self.data.is_empty() && self.expected.is_none() {
                    return Err(CommandError); // case 1 has no extended form
                }
                bytes.push(0);
                if !self.data.is_empty() {
                    let length = u16::try_from(self.data.len()).map_err(|_| CommandError)?;
                    bytes.extend(length.to_be_bytes());
                    bytes.extend_from_slice(self.data);
                }
                match self.expected {
                    None => {}
                    Some(65_536) => bytes.extend([0, 0]),
                    Some(0) => return Err(CommandError),
                    Some(le) => {
                        bytes.extend(u16::try_from(le).map_err(|_| CommandError)?.to_be_bytes());
                    }
                }
            }
        }
        Ok(bytes)
    }
}

/// Splits a data field of `length` bytes (not 0) from an optional Le that `le` recognises.
fn split_data(
    length: usize,
    rest: &[u8],
    le: impl FnOnce(&[u8]) -> Option<u32>,
) -> Result<(&[u8], Option<u32>), CommandError> {
    let (data, tail) = rest.split_at_checked(length).ok_or(CommandError)?;
    match (data, tail) {
        ([], _) => Err(CommandError),
        (_, []) => Ok((data, None)),
        _ => Ok((data, Some(le(tail).ok_or(CommandError)?))),
    }
}

fn short_le(le: u8) -> u32 {
    if le == 0 { 256 } else { le.into() }
}

fn extended_le(le: [u8; 2]) -> u32 {
    match u16::from_be_bytes(le) {
        0 => 65_536,
        le => le.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header::new(0x00, 0xB0, 1, 2);

    fn command(data: &[u8], expected: Option<u32>, form: Form) -> Command<'_> {
        Command {
            header: HEADER,
            data,
            expected,
            form,
        }
    }

    /// ST-02: cases 1 to 4, short and extended.
    #[test]
    fn every_case_has_its_encoding_and_reads_back() {
        let long = [9; 300];
        let rows: [(&str, Command<'_>, &[u8]); 8] = [
            ("1", command(&[], None, Form::Short), &[]),
            ("2S", command(&[], Some(256), Form::Short), &[0]),
            ("2S, Le 1", command(&[], Some(1), Form::Short), &[1]),
            ("3S", command(&[7, 8], None, Form::Short), &[2, 7, 8]),
            ("4S", command(&[7], Some(16), Form::Short), &[1, 7, 16]),
            ("2E", command(&[], Some(65_536), Form::Extended), &[0, 0, 0]),
            ("3E", command(&[7], None, Form::Extended), &[0, 0, 1, 7]),
            (
                "4E",
                command(&[7], Some(300), Form::Extended),
                &[0, 0, 1, 7, 1, 0x2C],
            ),
        ];
        for (case, command, body) in rows {
            let bytes = command.encode().unwrap();
            assert_eq!(&bytes[4..], body, "case {case}");
            assert_eq!(Command::parse(&bytes), Ok(command), "case {case}");
        }
        let bytes = command(&long, Some(1), Form::Extended).encode().unwrap();
        assert_eq!(Command::parse(&bytes).unwrap().data, long);
    }

    #[test]
    fn bytes_that_fit_no_case_are_refused() {
        for body in [
            &[0, 1][..],            // extended, cut
            &[0, 0, 0, 0],          // extended Lc 0
            &[0, 0, 1],             // this one is case 2E with Le 1: see below
            &[2, 7],                // short data cut
            &[1, 7, 1, 2],          // two bytes behind short data
            &[0, 0, 1, 7, 1],       // one byte behind extended data
            &[0, 0, 1, 7, 1, 2, 3], // three bytes behind extended data
        ] {
            let bytes = [&HEADER.to_bytes(), body].concat();
            let parsed = Command::parse(&bytes);
            if body == [0, 0, 1] {
                assert_eq!(parsed.unwrap().expected, Some(1));
            } else {
                assert_eq!(parsed, Err(CommandError), "{body:?}");
            }
        }
        assert_eq!(Command::parse(&[0, 0xB0, 0]), Err(CommandError));
    }

    #[test]
    fn what_does_not_fit_its_form_is_not_encoded() {
        assert!(command(&[0; 256], None, Form::Short).encode().is_err());
        assert!(command(&[], Some(257), Form::Short).encode().is_err());
        assert!(command(&[], Some(0), Form::Short).encode().is_err());
        assert!(command(&[], None, Form::Extended).encode().is_err());
        assert!(command(&[], Some(65_537), Form::Extended).encode().is_err());
    }
}
