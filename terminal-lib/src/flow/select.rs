//! SELECT and its answer (§5): the beginning of everything.

use crate::exchange::{Expects, Outgoing};
use apdu::codec::response::Response;
use apdu::codec::status::StatusWord;
use apdu::codec::tlv::{Reader, Tag, TlvError};
use apdu::handshake::Transcript;
use apdu::identifier::{Aid, SUITE_P256, SUITES, VERSION, header};
use apdu::message::select::Fci;

/// Why a card that was selected is not gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SelectFault {
    /// 6A82: another kind of card.
    #[error("this card has no Tallystick application; insert another card")]
    NotOurs,
    /// 6285: the card was terminated.
    #[error("the card's life has ended; it must be replaced")]
    Terminated,
    /// Another status word.
    #[error("the card refused to be selected: {0}")]
    Refused(StatusWord),
    /// A later protocol version.
    #[error("the card is newer than this terminal (protocol version {0}); update the terminal")]
    NewerCard(u8),
    /// No suite that both have and this terminal accepts.
    #[error(
        "card and terminal have no acceptable cryptographic suite in common; update the older one"
    )]
    NoCommonSuite,
    /// The answer is not what §5 says.
    #[error("the card's answer to SELECT is malformed: {0}")]
    Malformed(#[from] TlvError),
}

/// A card that was selected: what it can do, and the transcript th_S.
#[derive(Debug, Clone)]
pub struct Selected {
    pub(super) fci: Fci,
    pub(super) transcript: Transcript,
}

/// The SELECT command; always the same.
pub fn select() -> Outgoing {
    Outgoing {
        header: header::SELECT,
        data: Aid::AUTHENTICATION.0.to_vec(),
        expects: Expects::Short,
    }
}

impl Selected {
    /// Reads the card's answer to [`select`].
    pub fn from_answer(answer: &Response) -> Result<Self, SelectFault> {
        match answer.status {
            StatusWord::OK => {}
            StatusWord::NOT_FOUND => return Err(SelectFault::NotOurs),
            StatusWord::FILE_TERMINATED => return Err(SelectFault::Terminated),
            other => return Err(SelectFault::Refused(other)),
        }
        // Looked at alone first: what else a later version says cannot be known here.
        if let Ok(version) = version(&answer.data)
            && version != VERSION
        {
            return Err(SelectFault::NewerCard(version));
        }
        let fci = Fci::decode(&answer.data)?;
        if fci.suites & SUITES == 0 {
            return Err(SelectFault::NoCommonSuite);
        }
        let command = select();
        let mut transcript = Transcript::start();
        transcript.command(command.header, &command.data);
        transcript.response(&answer.data, answer.status);
        Ok(Self { fci, transcript })
    }

    /// Stops unless the suite that both have is at least `minimum`, the terminal's own limit.
    pub fn require_suite(&self, minimum: u8) -> Result<(), SelectFault> {
        if minimum <= SUITE_P256 {
            Ok(())
        } else {
            Err(SelectFault::NoCommonSuite)
        }
    }

    /// What the card can do.
    pub fn fci(&self) -> &Fci {
        &self.fci
    }
}

fn version(answer: &[u8]) -> Result<u8, TlvError> {
    let mut fci = Reader::new(answer).enter(Tag(0x6F))?;
    fci.expect(Tag(0x84))?;
    let [version] = fci.enter(Tag(0xA5))?.fixed(Tag(0x80))?;
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use apdu::message::select::Capabilities;

    fn fci() -> Fci {
        Fci {
            version: VERSION,
            suites: SUITES,
            capabilities: Capabilities(0x83),
            max_command: 0xFFFF,
            max_response: 0xFFFF,
            prand: [0, 1, 2, 3, 4, 5, 6, 7],
            tags: [[0; 4]; 16],
        }
    }

    /// The check value of docs/protocol.md: th_S.
    #[test]
    fn the_transcript_after_select_is_the_published_one() {
        let selected = Selected::from_answer(&Response::ok(fci().encode())).unwrap();
        let hash: String = selected
            .transcript
            .hash()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hash,
            "8c9b049280788f228bb0bffe72b908513e63b8489be70d0b23336bbbb46ce521"
        );
    }

    #[test]
    fn a_newer_card_is_named_as_that_whatever_else_it_says() {
        let newer = Fci {
            version: 2,
            ..fci()
        };
        let mut bytes = newer.encode();
        let fault = Selected::from_answer(&Response::ok(bytes.clone())).unwrap_err();
        assert_eq!(fault, SelectFault::NewerCard(2));
        // Another object at the end of the inner template.
        bytes.extend([0x87, 0]);
        bytes[1] += 2;
        bytes[15] += 2;
        let fault = Selected::from_answer(&Response::ok(bytes)).unwrap_err();
        assert_eq!(fault, SelectFault::NewerCard(2));
    }

    #[test]
    fn a_card_that_is_refused_says_why() {
        let fault = |answer: Response| Selected::from_answer(&answer).unwrap_err();
        let other_suite = Fci { suites: 2, ..fci() };
        let cut = fci().encode().split_off(1);
        for (answer, expected) in [
            (Response::bare(StatusWord::NOT_FOUND), SelectFault::NotOurs),
            (
                Response::bare(StatusWord::FILE_TERMINATED),
                SelectFault::Terminated,
            ),
            (
                Response::bare(StatusWord::UNSPECIFIED),
                SelectFault::Refused(StatusWord::UNSPECIFIED),
            ),
            (
                Response::ok(other_suite.encode()),
                SelectFault::NoCommonSuite,
            ),
        ] {
            assert_eq!(fault(answer), expected);
        }
        assert!(matches!(
            fault(Response::ok(cut)),
            SelectFault::Malformed(_)
        ));
    }
}
