//! The card's holder as a script.

use crate::PIN;
use apdu::message::pin::{Digits, Reference};
use std::collections::VecDeque;
use terminal_lib::application::{Application, Notice, PinAnswer, PinRequest, SetUpReason};

/// Answers the library's questions as planned, and keeps what it was told.
pub struct TestHolder {
    agrees: bool,
    pins: VecDeque<String>,
    /// What the library told, in order.
    pub notices: Vec<Notice>,
}

impl TestHolder {
    /// Agrees to pair and types the right PIN, once.
    pub fn willing() -> Self {
        Self::typing(&[PIN])
    }

    /// Agrees to pair and types these PINs, one at each question, then refuses.
    pub fn typing(pins: &[&str]) -> Self {
        Self {
            agrees: true,
            pins: pins.iter().map(|pin| (*pin).to_owned()).collect(),
            notices: Vec::new(),
        }
    }

    /// Is not there: no question gets a yes. A terminal that is paired with the card needs nobody.
    pub fn absent() -> Self {
        Self {
            agrees: false,
            pins: VecDeque::new(),
            notices: Vec::new(),
        }
    }
}

impl Application for TestHolder {
    fn may_set_up(&mut self, _: SetUpReason) -> bool {
        self.agrees
    }

    fn pin(&mut self, _: &PinRequest) -> PinAnswer {
        let typed = self.pins.pop_front();
        let digits = typed.and_then(|text| Digits::new(Reference::Pin, text.as_bytes()));
        digits.map_or(PinAnswer::Refuse, PinAnswer::Digits)
    }

    fn notice(&mut self, notice: &Notice) {
        self.notices.push(notice.clone());
    }
}
