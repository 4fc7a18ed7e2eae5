//! Certificates that wait for an operator: the setting that says whose, and the desk's part in it.

use super::desk::{DeskError, IdempotencyKey, Issued, Outcome, Waiting};
use super::ledger_desk::{LedgerDesk, MAX_WAITING};
use crate::clerk::ClerkError;
use crate::job::Job;
use crate::ledger::Line;
use crate::{ApprovalRefused, Asked, AuthorityError, Verdict, default_years};
use apdu::certificate::{KeyId, Role};
use std::str::FromStr;

/// Most requests that are told to wait for an operator.
const MAX_APPROVALS: u32 = 1_000;

/// Whose certificates an operator has to approve before they are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Approval {
    /// Nobody's.
    #[default]
    None,
    /// Those of cards.
    Cards,
    /// Those of terminals.
    Terminals,
    /// All.
    All,
}

impl Approval {
    /// Whether a certificate of this role has to wait.
    pub fn is_needed(self, role: Role) -> bool {
        match self {
            Self::None => false,
            Self::Cards => role == Role::Card,
            Self::Terminals => role == Role::Terminal,
            Self::All => true,
        }
    }
}

/// The setting's words.
impl FromStr for Approval {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "none" => Ok(Self::None),
            "cards" => Ok(Self::Cards),
            "terminals" => Ok(Self::Terminals),
            "all" => Ok(Self::All),
            _ => Err(()),
        }
    }
}

impl LedgerDesk {
    pub(super) fn asked(&self, line: u64) -> Result<Asked, DeskError> {
        self.reader().request(line)?.ok_or(DeskError::NotFound)
    }

    /// What became of a request.
    pub(super) fn outcome(&self, asked: &Asked) -> Result<Outcome, DeskError> {
        let restored = self.reader().restored()?;
        Ok(match &asked.verdict {
            Some(Verdict::Approved(line)) => Outcome::Issued(Box::new(self.issued_in(*line)?)),
            Some(Verdict::Refused(reason)) => {
                Outcome::Refused(format!("an operator refused it: {reason}"))
            }
            None if asked.line < restored => Outcome::Refused(
                "it is from before the authority was restored, and nobody can decide about it; order again".into(),
            ),
            None if asked.waits(self.now()?.unix_seconds()) => {
                Outcome::AwaitingApproval(asked.line.to_string())
            }
            None => Outcome::Refused("no operator has decided about it in time".into()),
        })
    }

    fn issued_in(&self, line: u64) -> Result<Issued, DeskError> {
        let text = self.reader().lines(line, 1)?.pop().unwrap_or_default();
        let line = Line::read(&text).map_err(|fault| DeskError::Internal(fault.to_string()))?;
        self.issued(&line, None)
    }

    pub(super) fn outcome_for(&self, client: &str, id: &str) -> Result<Outcome, DeskError> {
        let asked = self.asked(number(id)?)?;
        match asked.by == client {
            true => self.outcome(&asked),
            false => Err(DeskError::NotFound),
        }
    }

    pub(super) fn waiting_of(&self, client: &str, role: Role) -> Result<Vec<Waiting>, DeskError> {
        let now = self.now()?;
        let of = Some((client, role));
        let found = self.reader().awaiting(of, now, MAX_WAITING)?;
        Ok(found.into_iter().map(waiting).collect())
    }

    pub(super) fn all_waiting(&self) -> Result<Vec<Waiting>, DeskError> {
        let now = self.now()?;
        let found = self.reader().awaiting(None, now, MAX_APPROVALS)?;
        Ok(found.into_iter().map(waiting).collect())
    }

    pub(super) fn waiting_count(&self) -> Result<u64, DeskError> {
        let now = self.now()?;
        Ok(self.reader().awaiting_count(now)?)
    }

    pub(super) fn still_waiting(&self, id: &str) -> Result<Option<Waiting>, DeskError> {
        let now = self.now()?.unix_seconds();
        let asked = self.asked(number(id)?)?;
        Ok(Some(asked).filter(|asked| asked.waits(now)).map(waiting))
    }

    pub(super) fn say_yes(&self, key: &IdempotencyKey, id: &str) -> Result<Issued, DeskError> {
        let request = number(id)?;
        match self.try_ask(key, Job::Approve(request)) {
            Ok(made) => self.issued(&made.line, made.receipt),
            Err(ClerkError::Task(AuthorityError::Approval(ApprovalRefused::Decided(_)))) => {
                match self.asked(request)?.verdict {
                    Some(Verdict::Approved(line)) => self.issued_in(line), // the same word again
                    _ => Err(DeskError::Conflict),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn say_no(
        &self,
        key: &IdempotencyKey,
        id: &str,
        reason: &str,
    ) -> Result<(), DeskError> {
        let request = number(id)?;
        let job = Job::Refuse {
            request,
            reason: reason.into(),
        };
        match self.try_ask(key, job) {
            Ok(_) => Ok(()),
            Err(ClerkError::Task(AuthorityError::Approval(ApprovalRefused::Decided(_)))) => {
                match self.asked(request)?.verdict {
                    Some(Verdict::Refused(words)) if words == reason => Ok(()),
                    _ => Err(DeskError::Conflict),
                }
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A request's number from its id: one number, one spelling.
fn number(id: &str) -> Result<u64, DeskError> {
    let number = id.parse().ok();
    number
        .filter(|number: &u64| number.to_string() == id)
        .ok_or(DeskError::NotFound)
}

fn waiting(asked: Asked) -> Waiting {
    let fields = asked.request.fields();
    Waiting {
        id: asked.line.to_string(),
        holder: fields.holder,
        role: fields.role,
        key_id: KeyId::of(&fields.key),
        since: asked.time,
        until: asked.until,
        replaces: asked.replaces,
        years: asked.years.unwrap_or(default_years(fields.role)),
        client: asked.by,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_asks_for_the_roles_that_it_names_and_other_words_are_none() {
        for (word, card, terminal) in [
            ("none", false, false),
            ("cards", true, false),
            ("terminals", false, true),
            ("all", true, true),
        ] {
            let approval: Approval = word.parse().unwrap();
            let needed = [Role::Card, Role::Terminal].map(|role| approval.is_needed(role));
            assert_eq!(needed, [card, terminal], "{word}");
        }
        for word in ["", "None", "card", "cards,terminals", "true"] {
            assert!(word.parse::<Approval>().is_err(), "{word}");
        }
        assert_eq!(Approval::default(), Approval::None);
    }
}
