//! The pairing key K_g and all that comes from it (§6.4): the next generation, the tag key, a reconnect's proof and session keys.

use super::transcript::TranscriptHash;
use crate::channel::SessionKeys;
use crate::crypto::{MacKey, Secret, Wanted, equal, kdf};

/// Tag of a slot in the answer to SELECT: a hint for the terminal, fresh each time. It never moves durable state.
pub type SlotTag = [u8; 4];
/// Hint for the card in C1: which slot the terminal means.
pub type Hint = [u8; 4];

/// K_g, the key of one pairing in one generation.
pub struct PairingKey {
    key: Secret<32>,
    expanded: MacKey,
}

impl PairingKey {
    /// A key from its 32 bytes: a stored one, or K_0 of a set-up, or a decoy.
    pub fn new(key: Secret<32>) -> Self {
        let expanded = MacKey::from(&key);
        Self { key, expanded }
    }

    /// The 32 bytes, for durable storage.
    pub fn expose(&self) -> &[u8; 32] {
        self.key.expose()
    }

    /// The last of `others` that is wanted, `first` if none is. Which one shows neither in the time nor in what is read.
    pub fn choose<'a>(first: &Self, others: impl Iterator<Item = (Wanted, &'a Self)>) -> Self {
        let others = others.map(|(wanted, other)| (wanted, &other.key));
        Self::new(Secret::choose(&first.key, others))
    }

    /// K_{g+1}. It cannot be undone: K_g is not computable from it.
    #[must_use]
    pub fn next(&self) -> Self {
        Self::new(kdf(&self.expanded, "next", &[]))
    }

    /// The key of this generation's tags and hints.
    pub fn tag_key(&self) -> TagKey {
        TagKey(MacKey::from(&kdf::<32>(&self.expanded, "tag", &[])))
    }

    /// The card's proof AuthC over a reconnect's transcript: 16 bytes.
    pub fn card_proof(&self, th_f: &TranscriptHash) -> [u8; 16] {
        *kdf(&self.expanded, "authC", th_f).expose()
    }

    /// Whether `proof` is AuthC over this transcript, in constant time.
    #[must_use]
    pub fn proves(&self, th_f: &TranscriptHash, proof: &[u8; 16]) -> bool {
        equal(&self.card_proof(th_f), proof)
    }

    /// SMF, the session keys of a reconnect.
    pub fn session_keys(&self, th_f: &TranscriptHash) -> SessionKeys {
        SessionKeys::from_bytes(&kdf(&self.expanded, "smF", th_f))
    }

    /// A second copy of the key; see [`Secret::dangerous_copy`].
    #[must_use]
    pub fn dangerous_copy(&self) -> Self {
        Self::new(self.key.dangerous_copy())
    }
}

/// K_tag, kept expanded in memory for each slot and each candidate.
pub struct TagKey(MacKey);

impl TagKey {
    /// The slot's tag for this SELECT: `CMAC(K_tag, prand)[0..4]`.
    pub fn tag(&self, prand: &[u8; 8]) -> SlotTag {
        truncate(self.0.mac(&[prand]))
    }

    /// The terminal's hint for this C1: `CMAC(K_tag, prand || n_T)[0..4]`.
    pub fn hint(&self, prand: &[u8; 8], terminal_nonce: &[u8; 16]) -> Hint {
        truncate(self.0.mac(&[prand, terminal_nonce]))
    }

    /// Whether `hint` is this key's, for a choice that nobody may see.
    pub fn means(&self, prand: &[u8; 8], terminal_nonce: &[u8; 16], hint: &Hint) -> Wanted {
        Wanted::if_equal(&self.hint(prand, terminal_nonce), hint)
    }

    /// A second copy of the key; see [`Secret::dangerous_copy`].
    #[must_use]
    pub fn dangerous_copy(&self) -> Self {
        Self(self.0.dangerous_copy())
    }
}

fn truncate(mac: [u8; 16]) -> [u8; 4] {
    let [a, b, c, d, ..] = mac;
    [a, b, c, d]
}
