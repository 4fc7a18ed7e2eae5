//! Someone at a terminal who pairs, and knows the PIN.
#![allow(clippy::unwrap_used, reason = "the PIN is a PIN")]

use apdu::message::pin::{Digits, Reference};
use terminal_lib::application::{Application, Notice, PinAnswer, PinRequest, SetUpReason};

/// Says yes to set-ups, and remembers for which cards the PIN was asked.
#[derive(Default)]
pub struct Owner {
    pub asked_about: Vec<String>,
}

impl Application for Owner {
    fn may_set_up(&mut self, _: SetUpReason) -> bool {
        true
    }

    fn pin(&mut self, request: &PinRequest) -> PinAnswer {
        self.asked_about.push(request.card.to_string());
        PinAnswer::Digits(Digits::new(Reference::Pin, b"271828").unwrap())
    }

    fn notice(&mut self, _: &Notice) {}
}
