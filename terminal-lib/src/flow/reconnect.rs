//! Reconnect (§8; seed Fig. 6): the card's tags, C1, the card's proof. No elliptic curve.

use super::select::Selected;
use crate::exchange::{Expects, Outgoing};
use apdu::certificate::HolderHash;
use apdu::channel::TerminalEnd;
use apdu::codec::response::Response;
use apdu::codec::status::StatusWord;
use apdu::codec::tlv::TlvError;
use apdu::crypto::{Entropy, EntropyError};
use apdu::handshake::{PairingKey, SlotTag, TagKey, Transcript};
use apdu::identifier::header;
use apdu::message::reconnect::{Challenge, ChallengeAnswer};

/// Which of a card's keys proved itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matched {
    /// K_g.
    Current,
    /// K_{g+1}: the last session's first answer was lost on its way.
    Next,
    /// K_0 of a set-up whose commit was not answered; the number counts from the oldest.
    Pending(usize),
}

/// The keys under which one known card may answer, in the order they are tried: cur, next(cur), pend.
pub struct Candidate {
    /// The card.
    pub card: HolderHash,
    keys: Vec<(Matched, PairingKey)>,
}

impl Candidate {
    /// The keys of a stored pairing.
    pub fn new<'a>(
        card: HolderHash,
        current: Option<&PairingKey>,
        pending: impl Iterator<Item = &'a PairingKey>,
    ) -> Self {
        let mut keys = Vec::new();
        if let Some(current) = current {
            keys.push((Matched::Current, current.dangerous_copy()));
            keys.push((Matched::Next, current.next()));
        }
        for (number, key) in pending.enumerate() {
            keys.push((Matched::Pending(number), key.dangerous_copy()));
        }
        Self { card, keys }
    }
}

/// Why a reconnect has no outcome. Nothing stored changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReconnectFault {
    /// A status word instead of an answer. It is not authentic: the card said it, or the line.
    #[error("the card did not answer the challenge: {0}")]
    Refused(StatusWord),
    /// 9000, and not the data of §8.1.
    #[error("the card's answer to the challenge is malformed: {0}")]
    Malformed(#[from] TlvError),
}

/// A card that has proved one of our keys. Nothing was sent under the new session keys yet.
pub struct Recognised {
    /// The card.
    pub card: HolderHash,
    /// Which key it proved.
    pub matched: Matched,
    /// That key.
    pub key: PairingKey,
    /// Secure messaging under SMF, before its first command.
    pub channel: TerminalEnd,
}

/// What a well-formed answer to C1 means. It is final: there is no second try (§16).
#[must_use]
pub enum ReconnectOutcome {
    /// The card proved itself.
    Recognised(Box<Recognised>),
    /// A tag of this card matched, and the proof did not: no key of it fits, or something in between.
    DidNotAuthenticate(HolderHash),
    /// No tag matched; the answer was thrown away.
    Unknown,
}

/// A reconnect between C1 and its answer.
pub struct Reconnect {
    /// Transcript after C1.
    transcript: Transcript,
    candidate: Option<Candidate>,
}

impl Reconnect {
    /// Matches the card's tags against `candidates` in their order, and makes C1.
    ///
    /// C1 is sent also when nothing matched: from outside the two cases look the same. Draws the hint, 4 bytes (only when
    /// nothing matched), then n_T, 16 bytes.
    pub fn begin(
        selected: Selected,
        candidates: Vec<Candidate>,
        entropy: &mut dyn Entropy,
    ) -> Result<(Self, Outgoing), EntropyError> {
        let Selected {
            fci,
            mut transcript,
        } = selected;
        // Why all, also behind a match: how long the search takes must not tell whether the card is known.
        let mut found = None;
        for candidate in candidates {
            let matched = match_tags(&candidate, &fci.prand, &fci.tags);
            found = found.or(matched.map(|tag_key| (candidate, tag_key)));
        }
        let (hint, terminal_nonce, candidate) = match found {
            Some((candidate, tag_key)) => {
                let nonce = entropy.nonce()?;
                (tag_key.hint(&fci.prand, &nonce), nonce, Some(candidate))
            }
            None => {
                let hint = entropy.nonce()?;
                (hint, entropy.nonce()?, None)
            }
        };
        let data = Challenge {
            hint,
            terminal_nonce,
        }
        .encode();
        transcript.command(header::RECONNECT, &data);
        let command = Outgoing {
            header: header::RECONNECT,
            data,
            expects: Expects::Short,
        };
        Ok((
            Self {
                transcript,
                candidate,
            },
            command,
        ))
    }

    /// Checks the card's proof against the keys of the card whose tag matched.
    pub fn answer(self, response: &Response) -> Result<ReconnectOutcome, ReconnectFault> {
        if response.status != StatusWord::OK {
            return Err(ReconnectFault::Refused(response.status));
        }
        let answer = ChallengeAnswer::decode(&response.data)?;
        let th_f = self.transcript.reconnect_hash(&answer.card_nonce);
        let Some(Candidate { card, keys }) = self.candidate else {
            return Ok(ReconnectOutcome::Unknown);
        };
        let proven = keys
            .into_iter()
            .find(|(_, key)| key.proves(&th_f, &answer.proof));
        Ok(match proven {
            None => ReconnectOutcome::DidNotAuthenticate(card),
            Some((matched, key)) => ReconnectOutcome::Recognised(Box::new(Recognised {
                card,
                matched,
                channel: TerminalEnd::new(key.session_keys(&th_f)),
                key,
            })),
        })
    }
}

/// The tag key of the first of a card's keys whose tag is among `tags`. All keys are tried.
fn match_tags(candidate: &Candidate, prand: &[u8; 8], tags: &[SlotTag]) -> Option<TagKey> {
    let mut found = None;
    for (_, key) in &candidate.keys {
        let tag_key = key.tag_key();
        let is_there = tags.contains(&tag_key.tag(prand));
        found = found.or(is_there.then_some(tag_key));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use apdu::crypto::Secret;
    use apdu::identifier::{SUITES, VERSION};
    use apdu::message::select::{Capabilities, Fci};

    /// Gives 00, 01, 02 .. and counts what was drawn.
    struct Counting(u8);

    impl Entropy for Counting {
        fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            for byte in bytes {
                *byte = self.0;
                self.0 += 1;
            }
            Ok(())
        }
    }

    fn key(byte: u8) -> PairingKey {
        PairingKey::new(Secret::copy_of(&[byte; 32]))
    }

    /// A card with this key in its last slot, selected.
    fn selected(key: &PairingKey) -> Selected {
        let prand = [7; 8];
        let mut tags = [[0xEE; 4]; 16];
        tags[15] = key.tag_key().tag(&prand);
        let fci = Fci {
            version: VERSION,
            suites: SUITES,
            capabilities: Capabilities(0x83),
            max_command: 0xFFFF,
            max_response: 0xFFFF,
            prand,
            tags,
        };
        Selected::from_answer(&Response::ok(fci.encode())).unwrap()
    }

    fn candidate(card: u8, current: Option<u8>, pending: &[u8]) -> Candidate {
        let current = current.map(key);
        let pending: Vec<_> = pending.iter().copied().map(key).collect();
        Candidate::new(HolderHash([card; 12]), current.as_ref(), pending.iter())
    }

    /// The outcome when the card proves `key` over what it was sent.
    fn outcome(key: &PairingKey, candidates: Vec<Candidate>) -> ReconnectOutcome {
        let selected = selected(key);
        let mut transcript = selected.transcript.clone();
        let (reconnect, command) =
            Reconnect::begin(selected, candidates, &mut Counting(0)).unwrap();
        transcript.command(command.header, &command.data);
        let card_nonce = [9; 16];
        let proof = key.card_proof(&transcript.reconnect_hash(&card_nonce));
        let answer = ChallengeAnswer { card_nonce, proof };
        reconnect.answer(&Response::ok(answer.encode())).unwrap()
    }

    #[test]
    fn every_key_a_card_may_be_at_is_recognised_as_what_it_is() {
        for (proven, expected) in [
            (key(1), Matched::Current),
            (key(1).next(), Matched::Next),
            (key(2), Matched::Pending(0)),
            (key(4), Matched::Pending(2)),
        ] {
            let candidates = vec![candidate(8, None, &[9]), candidate(7, Some(1), &[2, 3, 4])];
            let ReconnectOutcome::Recognised(recognised) = outcome(&proven, candidates) else {
                panic!("{expected:?} is not recognised");
            };
            assert_eq!((recognised.card.0[0], recognised.matched), (7, expected));
            assert_eq!(recognised.key.expose(), proven.expose());
        }
    }

    #[test]
    fn keys_that_are_further_away_are_not_recognised() {
        for proven in [key(5), key(1).next().next(), key(2).next()] {
            let candidates = vec![candidate(7, Some(1), &[2, 3, 4])];
            assert!(matches!(
                outcome(&proven, candidates),
                ReconnectOutcome::Unknown
            ));
        }
    }

    #[test]
    fn of_two_cards_with_one_key_the_first_in_the_stores_order_counts() {
        let candidates = vec![candidate(1, None, &[6]), candidate(2, Some(6), &[])];
        let ReconnectOutcome::Recognised(recognised) = outcome(&key(6), candidates) else {
            panic!("it is not recognised");
        };
        assert_eq!(recognised.card.0[0], 1);
    }

    #[test]
    fn the_hint_is_random_when_nothing_matches_and_keyed_when_something_does() {
        for (candidates, drawn) in [(vec![], 4 + 16), (vec![candidate(1, Some(1), &[])], 16)] {
            let mut entropy = Counting(0);
            let (_, command) =
                Reconnect::begin(selected(&key(1)), candidates, &mut entropy).unwrap();
            let challenge = Challenge::decode(&command.data).unwrap();
            assert_eq!(entropy.0, drawn);
            assert_eq!(challenge.terminal_nonce[0], drawn - 16);
            let keyed = key(1).tag_key().hint(&[7; 8], &challenge.terminal_nonce);
            assert_eq!(challenge.hint == keyed, drawn == 16);
        }
    }

    #[test]
    fn an_answer_of_another_form_is_a_fault_also_when_nothing_matched() {
        for candidates in [vec![], vec![candidate(1, Some(1), &[])]] {
            let begin = |candidates| {
                let begun = Reconnect::begin(selected(&key(1)), candidates, &mut Counting(0));
                begun.unwrap().0
            };
            let malformed = begin(candidates).answer(&Response::ok(vec![0x7C, 0]));
            assert!(matches!(malformed, Err(ReconnectFault::Malformed(_))));
            let word = Response::bare(StatusWord::CONDITIONS_NOT_SATISFIED);
            let refused = begin(vec![]).answer(&word);
            assert!(matches!(refused, Err(ReconnectFault::Refused(_))));
        }
    }
}
