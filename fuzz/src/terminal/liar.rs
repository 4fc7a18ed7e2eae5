//! A card without keys: every answer comes from the input, some of them in the right form.

use super::starts;
use super::{Seen, Trusting, personalise, policy, terminal, watched};
use crate::tape::Tape;
use apdu::codec::status::StatusWord;
use apdu::crypto::PrivateKey;
use apdu::identifier::{MAX_APDU, SUITES, VERSION};
use apdu::message::key_exchange::CardShare;
use apdu::message::reconnect::ChallengeAnswer;
use apdu::message::select::{Capabilities, Fci};
use terminal_lib::transport::{Ending, Transport, TransportError};

/// The liar as a transport.
struct Liar<'a> {
    tape: Tape<'a>,
    atr: &'a [u8],
    /// What it said last; when the input is over it says that for ever.
    last: Vec<u8>,
}

/// Runs one input.
pub fn run(mut tape: Tape<'_>) -> Seen {
    let (start, flow, policy) = (tape.below(9), tape.byte(), policy(tape.byte()));
    let mut seen = Seen::default();
    starts::with(start, |start| {
        let store = start.terminal.dangerous_copy();
        let mut liar = Liar {
            atr: tape.string(),
            tape,
            last: Vec::new(),
        };
        let mut line = watched(&mut liar, &mut seen.exchanges);
        if flow % 8 == 7 {
            // Personalisation trusts its surroundings (A-perso), so only its form can be looked at.
            let _ = personalise(&mut line);
            return;
        }
        let mut user = Trusting {
            asked: 0,
            proven: || false,
        };
        let mut terminal = terminal(&store);
        let opened = terminal.connect(&mut line, &mut user, &policy);
        match opened {
            Ok(_) => panic!("a session with nobody"),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        assert_eq!(store.commits(), 0, "a liar changed what is stored");
        assert!(store.same_content(&start.terminal));
    });
    seen
}

impl Liar<'_> {
    /// The next answer: raw, in the right form, or a fault of the line.
    fn next(&mut self) -> Result<Vec<u8>, TransportError> {
        let tape = &mut self.tape;
        let answer = match tape.byte() % 10 {
            0 => return Err(TransportError::CardRemoved),
            1 => return Err(TransportError::CardReset),
            2 => return Err(TransportError::Reader("no word".into())),
            3 => tape.string().to_vec(),
            4 => {
                let length = usize::from(tape.number());
                let mut answer = vec![tape.byte(); length];
                answer.extend(tape.take(2));
                answer
            }
            5 => fci(tape),
            6 => {
                let answer = ChallengeAnswer {
                    card_nonce: [tape.byte(); 16],
                    proof: [tape.byte(); 16],
                };
                good(&answer.encode())
            }
            7 => {
                let point = |byte: u8| PrivateKey::from_scalar(&[byte.max(1); 32]);
                let share = CardShare {
                    ephemeral: point(tape.byte() % 8).expect("a key").public_key(),
                    encapsulation: point(tape.byte() % 8).expect("a key").public_key(),
                };
                good(&share.encode())
            }
            8 => good(&[]),
            _ => tape.take(2).to_vec(),
        };
        Ok(answer)
    }
}

/// An answer to SELECT in the right form.
fn fci(tape: &mut Tape<'_>) -> Vec<u8> {
    let odd = tape.byte();
    let mut answer = Fci {
        version: VERSION ^ (odd & 2),
        suites: SUITES ^ u16::from(odd & 4),
        capabilities: Capabilities(tape.byte()),
        max_command: MAX_APDU ^ tape.number(),
        max_response: MAX_APDU ^ tape.number(),
        prand: [odd; 8],
        tags: [[odd; 4]; 16],
    }
    .encode();
    if odd & 1 != 0 {
        let at = usize::from(tape.byte()) % answer.len();
        answer[at] ^= tape.byte();
    }
    good(&answer)
}

fn good(data: &[u8]) -> Vec<u8> {
    [data, &StatusWord::OK.to_bytes()].concat()
}

impl Transport for Liar<'_> {
    fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, TransportError> {
        if !self.tape.is_at_end() {
            self.last = self.next()?;
        }
        Ok(self.last.clone())
    }

    fn atr(&self) -> &[u8] {
        self.atr
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    fn end(&mut self, _: Ending) {}

    fn reconnect(&mut self) -> Result<(), TransportError> {
        match self.tape.is_at_end() {
            true => Err(TransportError::CardRemoved),
            false => Ok(()),
        }
    }
}
