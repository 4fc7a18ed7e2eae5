//! Secure messaging of ISO/IEC 7816-4 (§10): encrypt, then MAC; verify, then decrypt.
//!
//! [`TerminalEnd`] and [`CardEnd`] each own the keys and the counter of one session. Any failure drops the keys, and the
//! end answers [`ChannelBroken`] for ever. The two ends see logical messages: segments and GET RESPONSE lie below them.

mod card;
mod keys;
mod objects;
mod terminal;

pub use card::{CardEnd, Opened};
pub use keys::SessionKeys;
pub use objects::ExpectedLength;
pub use terminal::{Sealed, TerminalEnd};

/// The channel is finished: a MAC, a structure, a padding or a counter was wrong, or it was used out of turn.
///
/// One error for every cause (§10.3). The keys are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("secure messaging failed; the session is over and its keys are wiped")]
pub struct ChannelBroken;

#[cfg(test)]
mod tests;
