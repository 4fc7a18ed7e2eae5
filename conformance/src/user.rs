//! A user at a terminal, as a script.

use apdu::message::pin::{Digits, Reference, Replacement};
use std::collections::VecDeque;
use terminal_lib::application::{Application, Notice, PinAnswer, PinRequest, SetUpReason};

/// The PIN of every card.
pub const PIN: &[u8] = b"271828";
/// A PIN of no card.
pub const WRONG_PIN: &[u8] = b"999999";

/// These digits as the answer to the question for the PIN.
pub fn pin(digits: &[u8]) -> PinAnswer {
    PinAnswer::Digits(Digits::new(Reference::Pin, digits).unwrap())
}

/// PUK and new PIN.
pub fn codes(puk: &[u8], new_pin: &[u8]) -> Replacement {
    Replacement {
        old: Digits::new(Reference::Puk, puk).unwrap(),
        new: Digits::new(Reference::Pin, new_pin).unwrap(),
    }
}

/// A user who answers as planned, refuses when the plan is used up, and remembers what was asked.
#[derive(Default)]
pub struct User {
    /// The answer to every question whether to pair.
    pub agrees: bool,
    /// The answers to the questions for the PIN, in order.
    pub answers: VecDeque<PinAnswer>,
    /// Questions whether to pair.
    pub asked_to_pair: Vec<SetUpReason>,
    /// Questions for the PIN.
    pub asked_for_pin: Vec<PinRequest>,
    /// What the user was told.
    pub notices: Vec<Notice>,
}

impl User {
    /// A user who agrees to pair and answers so to the questions for the PIN.
    pub fn with(answers: impl IntoIterator<Item = PinAnswer>) -> Self {
        Self {
            agrees: true,
            answers: answers.into_iter().collect(),
            ..Self::default()
        }
    }

    /// A user who agrees to pair and knows the PIN, also when asked again.
    pub fn willing() -> Self {
        Self::with((0..4).map(|_| pin(PIN)))
    }

    /// A user who agrees to pair and enters a wrong PIN once.
    pub fn mistaken() -> Self {
        Self::with([pin(WRONG_PIN)])
    }

    /// A user who is not there: no question gets an answer.
    pub fn absent() -> Self {
        Self::default()
    }

    /// Whether nothing was asked.
    pub fn was_left_alone(&self) -> bool {
        self.asked_to_pair.is_empty() && self.asked_for_pin.is_empty()
    }

    /// How many pairings were made.
    pub fn pairings_made(&self) -> usize {
        let made = |notice: &&Notice| matches!(notice, Notice::PairingMade { .. });
        self.notices.iter().filter(made).count()
    }

    /// Whether the user was told that a pairing was lost.
    pub fn was_told_of_a_loss(&self) -> bool {
        let lost = |notice: &Notice| matches!(notice, Notice::PairingLost { .. });
        self.notices.iter().any(lost)
    }
}

impl Application for User {
    fn may_set_up(&mut self, reason: SetUpReason) -> bool {
        self.asked_to_pair.push(reason);
        self.agrees
    }

    fn pin(&mut self, request: &PinRequest) -> PinAnswer {
        self.asked_for_pin.push(request.clone());
        self.answers.pop_front().unwrap_or(PinAnswer::Refuse)
    }

    fn notice(&mut self, notice: &Notice) {
        self.notices.push(notice.clone());
    }
}
