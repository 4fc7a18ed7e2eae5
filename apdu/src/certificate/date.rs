//! Calendar days of the years 2000 to 2099 (§2).

use core::fmt;

/// A day. Compares as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u8, // 0 to 99
    month: u8,
    day: u8,
}

/// Unix time of 2000-01-01.
const EPOCH: u64 = 946_684_800;

impl Date {
    /// A real day: `year` 2000 to 2099.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let year = u8::try_from(year.checked_sub(2000)?).ok()?;
        let real =
            year < 100 && (1..=12).contains(&month) && (1..=month_days(year, month)).contains(&day);
        real.then_some(Self { year, month, day })
    }

    /// From packed BCD `YY MM DD` (date3).
    pub fn from_bcd(bytes: [u8; 3]) -> Option<Self> {
        let [year, month, day] = bytes.map(|byte| {
            let (tens, ones) = (byte >> 4, byte & 0x0F);
            (tens < 10 && ones < 10).then_some(tens * 10 + ones)
        });
        Self::new(2000 + u16::from(year?), month?, day?)
    }

    /// As packed BCD `YY MM DD` (date3).
    pub fn to_bcd(self) -> [u8; 3] {
        [self.year, self.month, self.day].map(|number| ((number / 10) << 4) | (number % 10))
    }

    /// From six bytes `YYMMDD`, one digit a byte (the form of certificates).
    pub fn from_digits(bytes: [u8; 6]) -> Option<Self> {
        let [y1, y2, m1, m2, d1, d2] = bytes;
        bytes.iter().all(|digit| *digit < 10).then_some(())?;
        Self::new(2000 + u16::from(y1 * 10 + y2), m1 * 10 + m2, d1 * 10 + d2)
    }

    /// As six bytes `YYMMDD`, one digit a byte.
    pub fn to_digits(self) -> [u8; 6] {
        let [y, m, d] = [self.year, self.month, self.day].map(|number| [number / 10, number % 10]);
        [y[0], y[1], m[0], m[1], d[0], d[1]]
    }

    /// The day that contains a Unix time (UTC); `None` outside 2000 to 2099.
    pub fn from_unix_seconds(seconds: u64) -> Option<Self> {
        Self::from_days(u32::try_from(seconds.checked_sub(EPOCH)? / 86_400).ok()?)
    }

    /// Days since 2000-01-01.
    pub fn days(self) -> u32 {
        let years: u32 = (0..self.year).map(year_days).sum();
        let months: u32 = (1..self.month)
            .map(|month| u32::from(month_days(self.year, month)))
            .sum();
        years + months + u32::from(self.day) - 1
    }

    /// The day that many days later; the last representable day when there is none.
    #[must_use]
    pub fn plus_days(self, days: u32) -> Self {
        Self::from_days(self.days().saturating_add(days)).unwrap_or(Self {
            year: 99,
            month: 12,
            day: 31,
        })
    }

    /// From text `YYYY-MM-DD`.
    pub fn from_iso(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let shaped =
            year.len() == 4 && month.len() == 2 && day.len() == 2 && parts.next().is_none();
        let digits = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-');
        (shaped && digits).then_some(())?;
        Self::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
    }

    fn from_days(mut days: u32) -> Option<Self> {
        let mut year = 0;
        while days >= year_days(year) {
            days -= year_days(year);
            year += 1;
            (year < 100).then_some(())?;
        }
        let mut month = 1;
        while days >= u32::from(month_days(year, month)) {
            days -= u32::from(month_days(year, month));
            month += 1;
        }
        Some(Self {
            year,
            month,
            day: u8::try_from(days).ok()? + 1,
        })
    }
}

fn is_leap(year: u8) -> bool {
    year.is_multiple_of(4) // 2000 to 2099: no exception falls into it
}

fn year_days(year: u8) -> u32 {
    if is_leap(year) { 366 } else { 365 }
}

fn month_days(year: u8, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "20{:02}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_the_century_has_one_number_and_reads_back_in_every_form() {
        let mut previous = None;
        for number in 0..36_525 {
            let date = Date::from_days(number).unwrap();
            assert_eq!(date.days(), number);
            assert_eq!(Date::from_bcd(date.to_bcd()), Some(date));
            assert_eq!(Date::from_digits(date.to_digits()), Some(date));
            assert!(previous < Some(date));
            previous = Some(date);
        }
        assert_eq!(Date::from_days(36_525), None);
        assert_eq!(
            Date::from_unix_seconds(1_795_219_200),
            Date::new(2026, 11, 21)
        );
        assert_eq!(Date::from_unix_seconds(0), None);
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for (year, month, day) in [
            (2026, 2, 29),
            (2026, 13, 1),
            (2026, 0, 1),
            (2026, 4, 31),
            (2100, 1, 1),
            (1999, 12, 31),
        ] {
            assert_eq!(Date::new(year, month, day), None);
        }
        assert!(Date::new(2028, 2, 29).is_some());
        assert_eq!(Date::from_bcd([0x26, 0x1A, 0x01]), None);
        assert_eq!(Date::from_digits([2, 6, 1, 1, 2, 10]), None);
        assert_eq!(Date::from_iso("2026-11-21"), Date::new(2026, 11, 21));
        assert_eq!(Date::from_iso("2026-11-2"), None);
        assert_eq!(Date::from_iso("+026-11-02"), None);
    }
}
