//! What a [`VpcdClient`](crate::vpcd::VpcdClient) reports while it runs.

use host::output::note;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::fault::Fault;

/// What the client tells its hook. Lengths and status words only, never a body.
#[derive(Debug)]
pub enum Event<'a> {
    /// The card is in the slot.
    Inserted,
    /// The driver cannot be reached; the client tries again after the pause.
    Unreachable {
        /// Why.
        error: &'a io::Error,
        /// How long it waits now.
        pause: Duration,
    },
    /// The driver closed the connection, or it broke.
    Lost,
    /// A control byte that no driver sends: an application transmitted a single byte. Answered with 6700.
    UnknownControl(u8),
    /// A message without a byte, ignored.
    EmptyMessage,
    /// The card gave an answer that cannot be sent; the reader got 6F00.
    UnsendableAnswer {
        /// The answer's length in bytes.
        length: usize,
    },
    /// A command was carried out.
    Exchange {
        /// Bytes of the command.
        command: usize,
        /// Bytes of the answer.
        answer: usize,
        /// The answer's last two bytes.
        status_word: u16,
        /// Time spent in the card.
        took: Duration,
    },
    /// A planned fault happened.
    Fault(Fault),
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inserted => write!(f, "card inserted"),
            Self::Unreachable { error, pause } => {
                write!(
                    f,
                    "vpcd cannot be reached ({error}), next try in {} ms",
                    pause.as_millis()
                )
            }
            Self::Lost => write!(f, "connection lost, card removed"),
            Self::UnknownControl(byte) => write!(
                f,
                "single byte {byte:02X} is no command, answered with 6700"
            ),
            Self::EmptyMessage => write!(f, "message without a byte ignored"),
            Self::UnsendableAnswer { length } => {
                write!(
                    f,
                    "answer of {length} bytes cannot be sent, answered with 6F00"
                )
            }
            Self::Exchange {
                command,
                answer,
                status_word,
                took,
            } => {
                let took = took.as_micros();
                write!(
                    f,
                    "command of {command} bytes, answer of {answer} bytes, {status_word:04X}, {took} µs"
                )
            }
            Self::Fault(fault) => write!(f, "planned fault: {fault:?}"),
        }
    }
}

/// The hook of a client that was given none: says what is wrong, and is silent about everything else.
pub(crate) fn complain(event: &Event<'_>) {
    if matches!(
        event,
        Event::UnknownControl(_) | Event::EmptyMessage | Event::UnsendableAnswer { .. }
    ) {
        note(format_args!("card-sim: {event}"));
    }
}
