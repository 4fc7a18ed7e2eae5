//! Reconnect (§8; seed Fig. 6): the card's tags, C1, the card's proof. No elliptic curve.

use super::select::Selected;
use crate::exchange::{Expects, Outgoing};
use apdu::certificate::HolderHash;
use apdu::channel::TerminalEnd;
use apdu::codec::response::Response;
use apdu::codec::status::StatusWord;
use apdu::codec::tlv::TlvError;
use apdu::crypto::{Entropy, EntropyError};
use apdu::handshake::{PairingKey, SlotTag, Transcript};
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
        let found = candidates
            .into_iter()
            .find_map(|candidate| match_tags(candidate, &fci.prand, &fci.tags));
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

fn match_tags(
    candidate: Candidate,
    prand: &[u8; 8],
    tags: &[SlotTag],
) -> Option<(Candidate, apdu::handshake::TagKey)> {
    let tag_key = candidate
        .keys
        .iter()
        .map(|(_, key)| key.tag_key())
        .find(|tag_key| tags.contains(&tag_key.tag(prand)))?;
    Some((candidate, tag_key))
}
