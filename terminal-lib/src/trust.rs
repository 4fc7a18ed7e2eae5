//! Whom this terminal trusts, and when it is (§7.3, §13).

use apdu::certificate::{
    Anchor, Certificate, Date, Expectations, ProvenCertificate, Refusal, Role, StatusList, Validity,
};
use std::time::{SystemTime, UNIX_EPOCH};

/// Roots, the roots that their links lead to, the newest status list, and today.
pub struct Trust {
    anchors: Vec<Anchor>,
    list: Option<StatusList>,
    min_epoch: u32,
    today: Date,
}

/// A verified status list beside the one that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListAge {
    /// It has a higher sequence number than the stored one, or none is stored.
    Newer,
    /// The same number.
    Same,
    /// A lower number.
    Older,
}

impl Trust {
    /// Trusts `authorities`: roots, and link certificates. All of them were verified when they were stored.
    ///
    /// # Errors
    /// When a certificate is not an authority's.
    pub fn restored(
        authorities: &[Certificate],
        list: Option<StatusList>,
        min_epoch: u32,
        today: Date,
    ) -> Result<Self, Refusal> {
        let anchors: Result<Vec<Anchor>, Refusal> =
            authorities.iter().map(Anchor::restored).collect();
        Ok(Self {
            anchors: anchors?,
            list,
            min_epoch,
            today,
        })
    }

    /// Judges a certificate that says it is a card's.
    pub fn judge_card(&self, certificate: Certificate) -> Result<ProvenCertificate, Refusal> {
        self.judge(certificate, Role::Card)
    }

    /// Judges a certificate that is to be this terminal's own.
    pub fn judge_terminal(&self, certificate: Certificate) -> Result<ProvenCertificate, Refusal> {
        self.judge(certificate, Role::Terminal)
    }

    fn judge(&self, certificate: Certificate, role: Role) -> Result<ProvenCertificate, Refusal> {
        let expected = Expectations {
            role,
            validity: Validity::Today(self.today),
            min_epoch: self.min_epoch,
            revoked: self.list.as_ref(),
        };
        ProvenCertificate::verify(certificate, &self.anchors(), &expected)
    }

    /// Verifies a status list, and compares it with the one that is stored.
    pub fn judge_list(&self, list: &StatusList) -> Result<ListAge, Refusal> {
        list.verify(&self.anchors())?;
        let stored = self.list.as_ref().map(|list| list.claims().sequence);
        Ok(match stored {
            Some(stored) if list.claims().sequence == stored => ListAge::Same,
            Some(stored) if list.claims().sequence < stored => ListAge::Older,
            _ => ListAge::Newer,
        })
    }

    /// Verifies a link certificate: its issuer must be trusted.
    pub fn judge_link(&self, link: &Certificate) -> Result<Anchor, Refusal> {
        Anchor::trust_link(link, &self.anchors())
    }

    fn anchors(&self) -> Vec<&Anchor> {
        self.anchors.iter().collect()
    }
}

/// The source of "today".
pub trait Clock {
    /// Today in UTC.
    fn today(&self) -> Result<Date, ClockError>;
}

/// The clock cannot be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this computer's clock is wrong: it shows a day before this program was made, or after 2099; set the clock"
)]
pub struct ClockError;

/// The operating system's clock. A day before this program was written is an error, not a day (§7.3).
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// Unix time of 2026-11-01, before which this program did not exist.
const WRITTEN: u64 = 1_793_491_200;

impl Clock for SystemClock {
    fn today(&self) -> Result<Date, ClockError> {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(|_| ClockError)?;
        day_of(since.as_secs())
    }
}

fn day_of(seconds: u64) -> Result<Date, ClockError> {
    if seconds < WRITTEN {
        return Err(ClockError);
    }
    Date::from_unix_seconds(seconds).ok_or(ClockError)
}

/// A day that stands still, for tests and for judging as of another day.
impl Clock for Date {
    fn today(&self) -> Result<Date, ClockError> {
        Ok(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_this_program_was_written_is_an_error() {
        assert_eq!(day_of(WRITTEN).unwrap(), Date::new(2026, 11, 1).unwrap());
        assert_eq!(day_of(WRITTEN - 1), Err(ClockError));
        assert_eq!(day_of(u64::MAX), Err(ClockError));
    }
}
