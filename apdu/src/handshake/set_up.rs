//! The two key stages of set-up (§6.4, §9): provisional (the terminal proves itself), then authenticated (the card has, too).

use super::pairing_key::PairingKey;
use super::transcript::TranscriptHash;
use crate::channel::SessionKeys;
use crate::crypto::{Secret, hkdf_expand, hkdf_extract};

/// PRK1: known to both ends after message 3, if the terminal holds its certified key.
pub struct ProvisionalSecret(Secret<32>);

impl ProvisionalSecret {
    /// `Extract(th_3, ss_e || r_C)`.
    pub fn derive(th_3: &TranscriptHash, ephemeral: &Secret<32>, card_random: &Secret<32>) -> Self {
        Self(hkdf_extract(
            th_3,
            &[ephemeral.expose(), card_random.expose()],
        ))
    }

    /// SM1, the session keys of messages 4 and 5.
    pub fn session_keys(&self) -> SessionKeys {
        SessionKeys::from_bytes(&hkdf_expand(&self.0, &[b"TALLY1 sm1"]))
    }

    /// PRK2 = `Extract(th_5, PRK1 || r_T)`; PRK1 ends here.
    #[must_use]
    pub fn authenticate(
        self,
        th_5: &TranscriptHash,
        terminal_random: &Secret<32>,
    ) -> AuthenticatedSecret {
        AuthenticatedSecret(hkdf_extract(
            th_5,
            &[self.0.expose(), terminal_random.expose()],
        ))
    }

    /// A second copy of the secret; see [`Secret::dangerous_copy`].
    #[must_use]
    pub fn dangerous_copy(&self) -> Self {
        Self(self.0.dangerous_copy())
    }
}

/// PRK2: known to both ends after message 5, if the card holds its certified key, too.
pub struct AuthenticatedSecret(Secret<32>);

impl AuthenticatedSecret {
    /// SM2, the session keys from the answer to message 5 on.
    pub fn session_keys(&self) -> SessionKeys {
        SessionKeys::from_bytes(&hkdf_expand(&self.0, &[b"TALLY1 sm2"]))
    }

    /// K_0, the pairing key, computed at commit; PRK2 ends here.
    #[must_use]
    pub fn into_pairing_key(self) -> PairingKey {
        PairingKey::new(hkdf_expand(&self.0, &[b"TALLY1 pair"]))
    }

    /// A second copy of the secret; see [`Secret::dangerous_copy`].
    #[must_use]
    pub fn dangerous_copy(&self) -> Self {
        Self(self.0.dangerous_copy())
    }
}
