//! PIN and PUK (§11.5): how a code must be taken, and what it may change.

use super::super::saved::{code_records, is_value_of};
use super::{Change, Claim, Step};
use apdu::identifier::header;
use apdu::message::pin::{Reference, Replacement};

/// How a PIN or PUK in a command must be taken.
pub(super) enum Code {
    /// No code was tried: none there, malformed, no tries, or kept for others.
    NotTried,
    Wrong(Reference),
    Right(Reference),
}

impl Step<'_> {
    /// How the code in this command must be taken: §11.5, from what was stored before.
    pub(super) fn code(&self) -> Code {
        let Some(claim) = self.executed() else {
            return Code::NotTried;
        };
        let replaced = |old, new| {
            let both = Replacement::decode(&claim.data, old, new);
            both.map(|both| both.old.expose().to_vec())
        };
        let (reference, digits) = match (self.was, claim.header) {
            ("AUTH" | "FWAIT" | "SECURE", header::VERIFY) => {
                let formed = Reference::Pin.accepts(&claim.data);
                (Reference::Pin, formed.then(|| claim.data.clone()))
            }
            ("AUTH" | "FWAIT" | "SECURE", header::UNBLOCK) => {
                (Reference::Puk, replaced(Reference::Puk, Reference::Pin))
            }
            ("FWAIT" | "SECURE", header::CHANGE_PIN) => {
                (Reference::Pin, replaced(Reference::Pin, Reference::Pin))
            }
            ("FWAIT" | "SECURE", header::CHANGE_PUK) => {
                (Reference::Puk, replaced(Reference::Puk, Reference::Puk))
            }
            _ => return Code::NotTried,
        };
        let left = self.before.tries(reference).unwrap_or(0);
        let kept = self.was == "AUTH" && left == 1 && !self.before.usable_slots().is_empty();
        let blocked = self.before.tries(Reference::Puk) == Some(0);
        match digits {
            Some(digits) if left > 0 && !kept && !blocked => {
                match self.before.is_right(reference, &digits) {
                    true => Code::Right(reference),
                    false => Code::Wrong(reference),
                }
            }
            _ => Code::NotTried,
        }
    }

    /// Tries and values of codes after a command with a code.
    pub(super) fn coded(&self, claim: &Claim, change: &Change<'_>) -> Option<&'static str> {
        let (record, new) = (change.record, change.new?);
        match self.code() {
            Code::NotTried => None,
            Code::Wrong(reference) => {
                let (_, tries, _) = code_records(reference);
                let spent = self.before.tries(reference)?.checked_sub(1)?;
                (record == tries && new == [spent]).then_some("a wrong code")
            }
            Code::Right(reference) => {
                let set = match claim.header {
                    header::UNBLOCK => Some(Reference::Pin),
                    header::VERIFY => None,
                    _ => Some(reference),
                };
                let filled = [Some(reference), set]
                    .into_iter()
                    .flatten()
                    .any(|reference| {
                        let (_, tries, full) = code_records(reference);
                        record == tries && new == [full]
                    });
                let replaced = set.is_some_and(|set| {
                    let both = Replacement::decode(&claim.data, reference, set).unwrap();
                    record == code_records(set).0 && is_value_of(new, set, both.new.expose())
                });
                (filled || replaced).then_some("a right code")
            }
        }
    }
}
