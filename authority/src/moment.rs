//! A point in time, handed in by the caller.

use apdu::certificate::Date;

/// Unix time in seconds, and the day it falls on in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    unix_seconds: u64,
    day: Date,
}

impl Moment {
    /// A moment of the years 2000 to 2099; `None` outside, which only a broken clock says.
    pub fn from_unix_seconds(unix_seconds: u64) -> Option<Self> {
        Date::from_unix_seconds(unix_seconds).map(|day| Self { unix_seconds, day })
    }

    /// Seconds since 1970-01-01, UTC.
    pub fn unix_seconds(self) -> u64 {
        self.unix_seconds
    }

    /// The day in UTC.
    pub fn day(self) -> Date {
        self.day
    }
}

/// The last day of a validity of `years` that begins on `from`: the day before the anniversary.
pub(crate) fn last_day(from: Date, years: u8) -> Date {
    let [y1, y2, m1, m2, d1, d2] = from.to_digits();
    let year = 2000 + u16::from(y1 * 10 + y2) + u16::from(years);
    let (month, day) = (m1 * 10 + m2, d1 * 10 + d2);
    let end = Date::new(2099, 12, 31).unwrap_or(from);
    // 29 February has no anniversary in most years: 1 March stands in for it.
    let anniversary = Date::new(year, month, day).or_else(|| Date::new(year, 3, 1));
    anniversary.map_or(end, |anniversary| {
        (from.days()..anniversary.days())
            .next_back()
            .map_or(from, |last| from.plus_days(last - from.days()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        Date::from_iso(text).unwrap()
    }

    #[test]
    fn a_validity_ends_the_day_before_its_anniversary() {
        for (from, years, until) in [
            ("2026-11-21", 5, "2031-11-20"),
            ("2026-01-01", 2, "2027-12-31"),
            ("2028-02-29", 1, "2029-02-28"),
            ("2028-02-29", 4, "2032-02-28"),
            ("2028-03-01", 4, "2032-02-29"),
            ("2026-11-21", 0, "2026-11-21"),
            ("2090-06-01", 15, "2099-12-31"),
            ("2099-12-31", 255, "2099-12-31"),
        ] {
            assert_eq!(last_day(day(from), years), day(until), "{from} + {years}");
        }
    }

    #[test]
    fn a_moment_knows_its_day_and_a_broken_clock_has_none() {
        let moment = Moment::from_unix_seconds(1_795_219_200).unwrap();
        assert_eq!(moment.day(), day("2026-11-21"));
        assert!(Moment::from_unix_seconds(0).is_none());
    }
}
