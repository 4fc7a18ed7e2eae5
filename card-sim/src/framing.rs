//! The framing between a virtual card and `vpcd`, the virtual reader driver of the vsmartcard project.
//!
//! ```text
//! ┌────────────────────┬──────────────┐
//! │ length, big-endian │ that many    │     both directions
//! │ 2 bytes            │ bytes        │
//! └────────────────────┴──────────────┘
//! ```
//!
//! A message of one byte is a control message, a longer one is a command APDU. Only the request for the ATR and a
//! command are answered. This file knows bytes only: no socket, no card.

use thiserror::Error;

/// Bytes of the length in front of every message.
pub const LENGTH_BYTES: usize = 2;
/// The shortest answer there is: a status word.
pub const SHORTEST_ANSWER: usize = 2;
/// The longest answer that the 2-byte length can announce: 65,533 bytes of data and a status word.
pub const LONGEST_ANSWER: usize = 0xFFFF;

/// One message from the reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// `00`: the card loses power. No answer.
    PowerOff,
    /// `01`: the card gets power. No answer.
    PowerOn,
    /// `02`: the card is reset. No answer.
    Reset,
    /// `04`: the reader wants the ATR as the answer.
    AtrWanted,
    /// Another single byte. No driver sends one; an application that transmits a single byte does.
    Unknown(u8),
    /// A message without a byte. No driver sends one.
    Empty,
    /// A command APDU of 2 to 65,535 bytes.
    Command(Vec<u8>),
}

/// Turns a stream of bytes, in pieces of any size, into messages.
#[derive(Debug, Default)]
pub struct Decoder {
    received: Vec<u8>,
    taken: usize,
}

impl Decoder {
    /// Adds what was read; it may hold a part of a message, or several.
    pub fn push(&mut self, bytes: &[u8]) {
        // Drop the messages that were handed out already, so that the buffer never holds more than was not yet taken.
        self.received.drain(..self.taken);
        self.taken = 0;
        self.received.extend_from_slice(bytes);
    }

    /// The next whole message, or `None` until more bytes arrive.
    pub fn next_message(&mut self) -> Option<Message> {
        let rest = self.received.get(self.taken..)?;
        let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let body = rest.get(..length)?;
        let message = match body {
            [] => Message::Empty,
            [0x00] => Message::PowerOff,
            [0x01] => Message::PowerOn,
            [0x02] => Message::Reset,
            [0x04] => Message::AtrWanted,
            [other] => Message::Unknown(*other),
            command => Message::Command(command.to_vec()),
        };
        self.taken += LENGTH_BYTES + length;
        Some(message)
    }
}

/// An answer that cannot be sent to the reader: an empty one makes it wait for ever, a longer one wraps its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an answer of {length} bytes cannot be sent: 2 to 65,535 are possible")]
pub struct UnsendableAnswer {
    /// The answer's length in bytes.
    pub length: usize,
}

/// Length and answer in one piece, for one write. Two writes would stall 40 ms each.
///
/// # Errors
/// [`UnsendableAnswer`] unless the answer has 2 to 65,535 bytes.
pub fn encode(answer: &[u8]) -> Result<Vec<u8>, UnsendableAnswer> {
    let refused = UnsendableAnswer {
        length: answer.len(),
    };
    let length = u16::try_from(answer.len()).map_err(|_| refused)?;
    if answer.len() < SHORTEST_ANSWER {
        return Err(refused);
    }
    let mut frame = Vec::with_capacity(LENGTH_BYTES + answer.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(answer);
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(decoder: &mut Decoder) -> Vec<Message> {
        std::iter::from_fn(|| decoder.next_message()).collect()
    }

    #[test]
    fn every_single_byte_is_a_control_message_and_only_four_are_known() {
        for byte in 0..=255_u8 {
            let mut decoder = Decoder::default();
            decoder.push(&[0, 1, byte]);
            let expected = match byte {
                0 => Message::PowerOff,
                1 => Message::PowerOn,
                2 => Message::Reset,
                4 => Message::AtrWanted,
                other => Message::Unknown(other),
            };
            assert_eq!(all(&mut decoder), [expected], "byte {byte:02X}");
        }
    }

    #[test]
    fn two_bytes_are_a_command_even_when_the_first_looks_like_a_control_byte() {
        let mut decoder = Decoder::default();
        decoder.push(&[0, 2, 4, 0]);
        assert_eq!(all(&mut decoder), [Message::Command(vec![4, 0])]);
    }

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_messages() {
        let stream = [0, 1, 1, 0, 1, 4, 0, 5, 0, 0xA4, 4, 0, 0, 0, 0, 0, 1, 0];
        let expected = [
            Message::PowerOn,
            Message::AtrWanted,
            Message::Command(vec![0, 0xA4, 4, 0, 0]),
            Message::Empty,
            Message::PowerOff,
        ];
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let mut decoder = Decoder::default();
                let mut seen = Vec::new();
                for piece in [&stream[..first], &stream[first..second], &stream[second..]] {
                    decoder.push(piece);
                    seen.append(&mut all(&mut decoder));
                }
                assert_eq!(seen, expected, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn a_message_one_byte_short_is_not_given_out() {
        let mut decoder = Decoder::default();
        decoder.push(&[0xFF, 0xFF]);
        decoder.push(&vec![7; 0xFFFE]);
        assert_eq!(decoder.next_message(), None);
        decoder.push(&[7]);
        assert_eq!(
            decoder.next_message(),
            Some(Message::Command(vec![7; 0xFFFF]))
        );
        assert_eq!(decoder.next_message(), None);
    }

    #[test]
    fn what_was_given_out_is_not_kept() {
        let mut decoder = Decoder::default();
        for _ in 0..1_000 {
            decoder.push(&[0, 1, 4]);
            assert_eq!(decoder.next_message(), Some(Message::AtrWanted));
        }
        assert!(
            decoder.received.len() <= 3,
            "kept {} bytes",
            decoder.received.len()
        );
    }

    #[test]
    fn an_answer_is_sent_as_length_and_body_in_one_piece() {
        assert_eq!(encode(&[0x90, 0x00]), Ok(vec![0, 2, 0x90, 0x00]));
        let longest = encode(&vec![1; LONGEST_ANSWER]).unwrap();
        assert_eq!(
            (longest.len(), &longest[..2]),
            (LONGEST_ANSWER + 2, &[0xFF, 0xFF][..])
        );
    }

    #[test]
    fn an_answer_of_no_one_or_too_many_bytes_is_refused() {
        for length in [0, 1, LONGEST_ANSWER + 1, 2 * LONGEST_ANSWER] {
            assert_eq!(encode(&vec![0; length]), Err(UnsendableAnswer { length }));
        }
    }
}
