//! The clock of the authority's machine can be wrong: what is believed of it, and what goes on all the same.
//!
//! The ledger's time never goes back, but for a line `clock`. So one line with a wrong time in the future would bind every later one. What is
//! dated by a person's wish (orders, certificates, approvals) therefore waits for a word when the clock has jumped; what protects
//! (revocations, status lists, refusals) and what was done already (deliveries) never waits: it takes the time of the last line instead.

use crate::authority::Authority;
use crate::book::Book;
use crate::error::AuthorityError;
use crate::ledger::{Event, Line};
use crate::moment::Moment;
use crate::status::{RevocationRefused, is_reason};
use crate::store::{Needs, StoreError};
use planted::planted;

/// Seconds that a clock may be behind the last line: two instances and their machines differ a little.
pub const CLOCK_BEHIND: u64 = 300;
/// Seconds that a service's clock may be ahead of the last time that was believed, unless told otherwise: a day.
pub const CLOCK_AHEAD: u64 = 86_400;

/// Whether something waits for a clock that can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    /// It is refused while the clock is not believed.
    ForTheClock,
    /// It is done in any case, at the time of the last line if need be.
    Never,
}

/// How far a clock is believed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockRule {
    /// Seconds ahead; without, any clock that is not behind is believed.
    most_ahead: Option<u64>,
    /// The last time that was believed, Unix seconds.
    seen: u64,
}

impl ClockRule {
    pub fn any() -> Self {
        Self {
            most_ahead: None,
            seen: 0,
        }
    }

    /// What is wrong with a clock, beside a ledger whose last line has this number and time.
    fn trouble(&self, lines: u64, last: u64, now: u64) -> Option<AuthorityError> {
        let known = last.max(self.seen);
        if now.saturating_add(CLOCK_BEHIND) < last {
            return Some(AuthorityError::ClockBehind {
                seconds: last - now,
                line: lines,
            });
        }
        let most = self.most_ahead?;
        if planted("clock-jump-believed") {
            return None;
        }
        (now > known.saturating_add(most)).then(|| AuthorityError::ClockAhead {
            seconds: now - known,
            line: lines,
        })
    }

    /// The time that a line gets.
    pub fn time(&self, book: &Book, now: Moment, waits: Waits) -> Result<Moment, AuthorityError> {
        let last = Moment::from_unix_seconds(book.last_time).unwrap_or(now);
        match (
            self.trouble(book.lines(), book.last_time, now.unix_seconds()),
            waits,
        ) {
            (None, _) => Ok(now.max(last)),
            (Some(_), Waits::Never) => Ok(last),
            (Some(trouble), Waits::ForTheClock) => Err(trouble),
        }
    }
}

impl Authority {
    /// Believes no clock that is more than so many seconds ahead of the last line, or of the last time that was believed.
    #[must_use]
    pub fn with_clock_limit(mut self, seconds: u64) -> Self {
        self.clock.most_ahead = Some(seconds);
        self
    }

    /// Takes note of the time while nothing is to be done: a service that watches its clock all the time is not surprised after a holiday.
    ///
    /// # Errors
    /// What the store says.
    pub fn watch_clock(&mut self, now: Moment) -> Result<Option<AuthorityError>, StoreError> {
        let trouble = self.clock_trouble(now)?;
        if trouble.is_none() {
            self.clock.seen = self.clock.seen.max(now.unix_seconds());
        }
        Ok(trouble)
    }

    /// What is wrong with the clock, if anything: [`AuthorityError::ClockBehind`] or [`AuthorityError::ClockAhead`].
    ///
    /// # Errors
    /// What the store says.
    pub fn clock_trouble(&mut self, now: Moment) -> Result<Option<AuthorityError>, StoreError> {
        let (lines, last) = self.store.last_line()?;
        Ok(self.clock.trouble(lines, last, now.unix_seconds()))
    }

    /// Number and time (Unix seconds) of the last line.
    ///
    /// # Errors
    /// What the store says.
    pub fn last_line(&mut self) -> Result<(u64, u64), StoreError> {
        self.store.last_line()
    }

    /// An operator's word that the clock is right now: a line `clock`, the only one whose time may be before the last line's. Everything
    /// goes on from this time.
    ///
    /// # Errors
    /// The reason is not one line of 1 to 200 bytes; otherwise what the store says.
    pub fn confirm_clock(
        &mut self,
        reason: &str,
        by: Option<String>,
        now: Moment,
    ) -> Result<Line, AuthorityError> {
        if !is_reason(reason) {
            return Err(RevocationRefused::Reason.into());
        }
        let line = self.step_at(
            &Needs::default(),
            None,
            |_| Ok(now),
            |book, _, now| {
                let event = Event::Clock {
                    reason: reason.into(),
                };
                Ok(book.record(now.unix_seconds(), by, event)?)
            },
        )?;
        self.clock.seen = now.unix_seconds();
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    #[test]
    fn a_clock_is_believed_from_five_minutes_behind_to_a_day_ahead_of_what_was_seen() {
        let rule = |seen| ClockRule {
            most_ahead: Some(DAY),
            seen,
        };
        let last = 1_795_219_200;
        for (seen, now, believed) in [
            (0, last, true),
            (0, last - CLOCK_BEHIND, true),
            (0, last - CLOCK_BEHIND - 1, false),
            (0, 0, false),
            (0, last + DAY, true),
            (0, last + DAY + 1, false),
            (last + 9 * DAY, last + 10 * DAY, true),
            (last + 9 * DAY, last + 10 * DAY + 1, false),
            (0, u64::MAX, false),
        ] {
            let trouble = rule(seen).trouble(7, last, now);
            assert_eq!(trouble.is_none(), believed, "{seen} {now}: {trouble:?}");
        }
        assert!(ClockRule::any().trouble(7, last, u64::MAX).is_none());
        assert!(ClockRule::any().trouble(7, last, 0).is_some());
    }
}
