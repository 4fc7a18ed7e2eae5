//! The person at this terminal: gives consent and PIN, and is told what happens.

use crate::ask;
use crate::cli::{CardArguments, Pairing};
use crate::failure::{Failure, Kind};
use apdu::message::pin::{Digits, Reference, Replacement};
use host::output::note;
use std::path::PathBuf;
use terminal_lib::application::{
    Application, Notice, PinAnswer, PinRequest, PinState, Policy, SetUpReason,
};
use terminal_lib::session::{CodeOutcome, Session};

/// Whoever runs the command.
pub struct Person {
    pin_file: Option<PathBuf>,
    pairing: Pairing,
    /// The PIN given in this run, so that it is asked for once.
    known: Option<Digits>,
    /// Whether a set-up took place.
    pub paired_now: bool,
    /// Why the PIN could not be asked for.
    failure: Option<Failure>,
}

impl Person {
    pub fn new(arguments: &CardArguments) -> Self {
        Self {
            pin_file: arguments.pin_file.clone(),
            pairing: arguments.pairing,
            known: None,
            paired_now: false,
            failure: None,
        }
    }

    /// The policy that the arguments ask for.
    pub fn policy(arguments: &CardArguments) -> Result<Policy, Failure> {
        Ok(match (&arguments.card, arguments.pairing) {
            (_, Pairing::Never) => Policy::Never,
            (Some(card), _) => {
                let name = apdu::certificate::Name::new(card);
                Policy::only(
                    &name.ok_or_else(|| Failure::usage(format!("{card} is no card's name")))?,
                )
            }
            (None, Pairing::Ask) => Policy::Ask,
            (None, Pairing::Auto) => Policy::Auto,
        })
    }

    /// Why asking failed, if it did: it says more than the refusal that followed.
    pub fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// Verifies the PIN in a session: the one given earlier in this run, or the file's, or asked for while tries are left.
    pub fn verify_pin(&mut self, session: &mut Session<'_>) -> Result<(), Failure> {
        let mut pin = match (self.known.take(), &self.pin_file) {
            (Some(known), _) => known,
            (None, Some(file)) => ask::digits_from_file(Reference::Pin, file)?,
            (None, None) => ask_for_pin(&format!("PIN of card {}", session.card()))?,
        };
        loop {
            match session.verify_pin(&pin).map_err(Failure::failed)? {
                CodeOutcome::Right => return Ok(()),
                CodeOutcome::Blocked => return Err(blocked()),
                CodeOutcome::Wrong { tries_left } if self.pin_file.is_some() || tries_left == 0 => {
                    return Err(wrong(tries_left));
                }
                CodeOutcome::Wrong { tries_left } => {
                    note(format_args!("Wrong PIN; {tries_left} tries left."));
                    pin = ask_for_pin("PIN again")?;
                }
            }
        }
    }

    fn try_pin(&mut self, request: &PinRequest) -> Result<PinAnswer, Failure> {
        let tries = match request.state {
            PinState::Open { tries_left } => tries_left,
            PinState::LastTryKept => {
                note(format_args!(
                    "Card {} keeps its last PIN try for terminals it is paired with.",
                    request.card
                ));
                return self.offer_puk();
            }
            PinState::Blocked => {
                note(format_args!("The PIN of card {} is blocked.", request.card));
                return self.offer_puk();
            }
        };
        if request.in_doubt {
            note("The answer to the PIN did not come from the card: it may have cost a try.");
        }
        if let Some(file) = &self.pin_file {
            if request.in_doubt {
                return Err(Failure::new(
                    Kind::Authentication,
                    "the answer to the PIN did not come from the card; it may have cost a try, and is not sent again unasked",
                ));
            }
            if request.attempt > 1 {
                return Err(wrong(tries)); // the file would say the same again
            }
            return ask::digits_from_file(Reference::Pin, file).map(|digits| self.answer(digits));
        }
        if request.attempt > 1 {
            note("Wrong PIN.");
        }
        let prompt = format!(
            "PIN of card {} to pair it with this terminal ({tries} tries left; empty: no)",
            request.card
        );
        Ok(match ask::digits_by_prompt(Reference::Pin, &prompt)? {
            Some(digits) => self.answer(digits),
            None => PinAnswer::Refuse,
        })
    }

    fn offer_puk(&mut self) -> Result<PinAnswer, Failure> {
        if self.pin_file.is_some() {
            return Err(blocked());
        }
        let Some(puk) = ask::digits_by_prompt(Reference::Puk, "PUK to unblock it (empty: no)")?
        else {
            return Ok(PinAnswer::Refuse);
        };
        let pin = ask::new_digits(Reference::Pin, None, "New PIN")?;
        Ok(PinAnswer::Unblock(Replacement { old: puk, new: pin }))
    }

    fn answer(&mut self, digits: Digits) -> PinAnswer {
        self.known = Digits::new(Reference::Pin, digits.expose());
        PinAnswer::Digits(digits)
    }
}

impl Application for Person {
    fn may_set_up(&mut self, reason: SetUpReason) -> bool {
        self.pairing == Pairing::Auto || ask::yes(&format!("Pair with this card? ({reason})"))
    }

    fn pin(&mut self, request: &PinRequest) -> PinAnswer {
        self.try_pin(request).unwrap_or_else(|failure| {
            self.failure = Some(failure);
            PinAnswer::Refuse
        })
    }

    fn notice(&mut self, notice: &Notice) {
        self.paired_now |= matches!(notice, Notice::PairingMade { .. });
        note(format_args!("{notice}"));
    }
}

fn ask_for_pin(prompt: &str) -> Result<Digits, Failure> {
    let given = ask::digits_by_prompt(Reference::Pin, prompt)?;
    given.ok_or_else(|| Failure::new(Kind::Authentication, "no PIN was given"))
}

/// A wrong PIN that is not asked for again.
pub fn wrong(tries_left: u8) -> Failure {
    Failure::new(
        Kind::Authentication,
        format!("wrong PIN; {tries_left} tries left"),
    )
}

/// No tries left.
pub fn blocked() -> Failure {
    Failure::new(
        Kind::Authentication,
        "the PIN is blocked; `tally pin unblock` sets a new one with the PUK",
    )
}
