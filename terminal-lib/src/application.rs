//! What the application decides: whether to pair, the PIN, and what it is told (§16).

use apdu::certificate::{HolderHash, Name, Role};
use apdu::message::pin::{Digits, Replacement};
use core::fmt;

/// Why a set-up is about to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetUpReason {
    /// No pairing fits the card. It may also be a known card whose pairing was lost.
    NeverMet,
    /// The card looked like one that is paired, and could not prove it.
    KnownCardDidNotAuthenticate,
    /// The pairing has served 4,096 sessions or 365 days.
    RenewalDue,
}

impl fmt::Display for SetUpReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeverMet => "this card and this terminal are not paired",
            Self::KnownCardDidNotAuthenticate => "a known card could not prove itself",
            Self::RenewalDue => "the pairing is due for renewal",
        })
    }
}

/// Which set-ups may begin. The PIN is asked for in any case, and no set-up touches a pairing without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// None: only cards that are paired already.
    Never,
    /// Those with this card, without asking; any other card is refused before the PIN.
    Only(HolderHash),
    /// Those that [`Application::may_set_up`] agrees to.
    Ask,
    /// All.
    Auto,
}

impl Policy {
    /// Only the card of this name.
    pub fn only(card: &Name) -> Self {
        Self::Only(HolderHash::of(Role::Card, card))
    }
}

/// What a PIN can do at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinState {
    /// It can be tried.
    Open {
        /// Tries left, 1 to 3.
        tries_left: u8,
    },
    /// One try is left, and the card keeps it for terminals it is paired with and for the PUK.
    LastTryKept,
    /// No try is left; the PUK helps.
    Blocked,
}

/// The question for the PIN. The card has proved that it is who it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinRequest {
    /// The card's proven name: to be shown to the user beside the question.
    pub card: Name,
    /// Whether this terminal holds a pairing with that card already.
    pub paired_before: bool,
    /// What the PIN can do.
    pub state: PinState,
    /// Tries left for the PUK.
    pub puk_tries_left: u8,
    /// Why the set-up happens.
    pub reason: SetUpReason,
    /// 1 for the first question of this set-up.
    pub attempt: u32,
    /// Whether a PIN or PUK was sent before, and something other than the card may have answered: it may have cost a try, and it may have been
    /// right. It is never sent again unasked.
    pub in_doubt: bool,
}

/// The answer to a [`PinRequest`].
pub enum PinAnswer {
    /// The PIN. Useless unless the state is [`PinState::Open`].
    Digits(Digits),
    /// PUK and new PIN.
    Unblock(Replacement),
    /// No pairing.
    Refuse,
}

/// What the user, or a log, should know. None of it needs an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A pairing with this card was stored here, and the card did not know it any more.
    PairingLost {
        /// The card's proven name.
        card: Name,
    },
    /// Something disturbed the card while the user was asked; the set-up begins again, once.
    SetUpStartedAgain,
    /// The pairing is made, on both sides.
    PairingMade {
        /// The card's proven name.
        card: Name,
    },
    /// The pairing was not renewed, and goes on as it was.
    RenewalFailed {
        /// Why, in words.
        reason: String,
    },
    /// This terminal's status list was newer, and the card took it.
    StatusListSent {
        /// The list's sequence number.
        sequence: u32,
    },
    /// The card's status list was newer; this terminal verified and stored it.
    StatusListTaken {
        /// The list's sequence number.
        sequence: u32,
    },
    /// A newer status list was not passed on.
    StatusListNotTaken {
        /// Why, in words.
        reason: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PairingLost { card } => write!(
                f,
                "the pairing with card {card} was lost: the card or this terminal was reset, restored or copied"
            ),
            Self::SetUpStartedAgain => f.write_str("the card was disturbed; set-up begins again"),
            Self::PairingMade { card } => write!(f, "paired with card {card}"),
            Self::RenewalFailed { reason } => write!(f, "the pairing was not renewed: {reason}"),
            Self::StatusListSent { sequence } => {
                write!(f, "the card took status list {sequence}")
            }
            Self::StatusListTaken { sequence } => {
                write!(f, "status list {sequence} came from the card")
            }
            Self::StatusListNotTaken { reason } => {
                write!(f, "a status list was not passed on: {reason}")
            }
        }
    }
}

/// The application's side of a connection. Other programs may use the card while it answers.
pub trait Application {
    /// Whether to pair, before anything is shown to the card. Asked under [`Policy::Ask`] only.
    fn may_set_up(&mut self, reason: SetUpReason) -> bool;

    /// The PIN of a card that has proved its name: this is the user's consent to the pairing.
    fn pin(&mut self, request: &PinRequest) -> PinAnswer;

    /// Something to know.
    fn notice(&mut self, notice: &Notice);
}
