//! The transcript: a running hash over every logical message since SELECT (§6.2).

use crate::codec::command::Header;
use crate::codec::status::StatusWord;
use crate::crypto::{Sha256, sha256};

/// A value of the transcript at one of its named points: th_S, th_3, th_5, th_F.
pub type TranscriptHash = [u8; 32];

/// The running hash. SELECT starts it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript(TranscriptHash);

impl Default for Transcript {
    fn default() -> Self {
        Self::start()
    }
}

impl Transcript {
    /// `t0`, before the SELECT command.
    pub fn start() -> Self {
        Self(sha256(&[b"TALLY1 transcript"]))
    }

    /// Appends a logical command, as transmitted: after secure messaging, before chaining; no Lc, no Le.
    pub fn command(&mut self, header: Header, data: &[u8]) {
        self.absorb(0, &[&header.unchained().to_bytes(), data]);
    }

    /// Appends a logical response: data, then the status word.
    pub fn response(&mut self, data: &[u8], status: StatusWord) {
        self.absorb(1, &[data, &status.to_bytes()]);
    }

    /// The hash as it stands.
    pub fn hash(&self) -> TranscriptHash {
        self.0
    }

    /// th_F: the hash as it stands, then the card's nonce as the object `81 10 n_C` (§6.2).
    pub fn reconnect_hash(&self, card_nonce: &[u8; 16]) -> TranscriptHash {
        let mut after = self.clone();
        after.absorb(1, &[&[0x81, 0x10], card_nonce]);
        after.0
    }

    fn absorb(&mut self, direction: u8, message: &[&[u8]]) {
        let length: usize = message.iter().map(|part| part.len()).sum();
        let length = u32::try_from(length).unwrap_or(u32::MAX); // logical messages are far shorter
        let mut hash = Sha256::default();
        hash.update(&self.0);
        hash.update(&[direction]);
        hash.update(&length.to_be_bytes());
        for part in message {
            hash.update(part);
        }
        self.0 = hash.finish();
    }
}
