//! What both ends compute alike in reconnect (§8) and set-up (§9): transcript and key schedule (§6).

mod pairing_key;
mod set_up;
mod transcript;

pub use pairing_key::{Hint, PairingKey, SlotTag, TagKey};
pub use set_up::{AuthenticatedSecret, ProvisionalSecret};
pub use transcript::{Transcript, TranscriptHash};
