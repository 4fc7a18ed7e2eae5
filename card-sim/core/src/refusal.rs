//! Reasons to status words (§17): the one place where the card decides what a refusal looks like from outside.

use crate::store::StoreError;
use apdu::codec::status::StatusWord;
use apdu::codec::tlv::TlvError;
use apdu::crypto::EntropyError;

/// Why the card refuses. Reasons that would help an attacker share a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Structure,
    LogicalChannel,
    SecureMessagingForm,
    Class,
    ChainBroken,
    ChainNotAllowed,
    /// A plain command where only secured ones are taken, or other bytes wait.
    PlainInSession,
    PinNeeded,
    Blocked,
    WrongDigits {
        tries_left: u8,
    },
    NotNow,
    Channel,
    Certificate,
    Data,
    NotFound,
    Full,
    Parameters,
    Instruction,
    Storage,
    Terminated,
    Entropy,
}

impl Refusal {
    pub(crate) fn status(self) -> StatusWord {
        match self {
            Self::Structure => StatusWord::WRONG_LENGTH,
            Self::LogicalChannel => StatusWord::CHANNEL_UNSUPPORTED,
            Self::SecureMessagingForm => StatusWord::SECURE_MESSAGING_UNSUPPORTED,
            Self::Class => StatusWord::CLASS_UNSUPPORTED,
            Self::ChainBroken => StatusWord::LAST_SEGMENT_EXPECTED,
            Self::ChainNotAllowed => StatusWord::CHAINING_UNSUPPORTED,
            Self::PlainInSession | Self::PinNeeded => StatusWord::SECURITY_NOT_SATISFIED,
            Self::Blocked => StatusWord::BLOCKED,
            Self::WrongDigits { tries_left } => StatusWord::tries_left(tries_left),
            Self::NotNow => StatusWord::CONDITIONS_NOT_SATISFIED,
            Self::Channel => StatusWord::SECURE_MESSAGING_INCORRECT,
            Self::Certificate => StatusWord::CERTIFICATE_REFUSED,
            Self::Data => StatusWord::WRONG_DATA,
            Self::NotFound => StatusWord::NOT_FOUND,
            Self::Full => StatusWord::NO_SPACE,
            Self::Parameters => StatusWord::WRONG_P1_P2,
            Self::Instruction => StatusWord::INSTRUCTION_UNSUPPORTED,
            Self::Storage => StatusWord::MEMORY_FAILURE,
            Self::Terminated => StatusWord::FILE_TERMINATED,
            Self::Entropy => StatusWord::UNSPECIFIED,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(_: StoreError) -> Self {
        Self::Storage
    }
}

impl From<TlvError> for Refusal {
    fn from(_: TlvError) -> Self {
        Self::Data
    }
}

impl From<EntropyError> for Refusal {
    fn from(_: EntropyError) -> Self {
        Self::Entropy
    }
}
