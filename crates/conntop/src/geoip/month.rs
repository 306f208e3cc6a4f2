//! Months, by which DB-IP names its files.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::units::civil;

/// A month of a year, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    year: u64,
    /// From 0.
    month: u64,
}

impl Month {
    /// The month of a moment.
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let (year, month, _) = civil(seconds / 86_400);
        Self { year, month: month - 1 }
    }

    /// The one before.
    #[must_use]
    pub fn before(self) -> Self {
        match self.month {
            0 => Self { year: self.year.saturating_sub(1), month: 11 },
            month => Self { month: month - 1, ..self },
        }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month + 1)
    }
}

/// It is no month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a month is written as 2026-11")]
pub struct MonthError;

impl FromStr for Month {
    type Err = MonthError;

    fn from_str(text: &str) -> Result<Self, MonthError> {
        let (year, month) = text.split_once('-').ok_or(MonthError)?;
        let (year, month) = (year.parse().map_err(|_| MonthError)?, month.parse().map_err(|_| MonthError)?);
        match month {
            1..=12u64 => Ok(Self { year, month: month - 1 }),
            _ => Err(MonthError),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_are_in_their_months() {
        let check = |seconds: u64, wanted: &str, before: &str| {
            let month = Month::of(UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(month.to_string(), wanted);
            assert_eq!(month.before().to_string(), before);
            assert_eq!(wanted.parse(), Ok(month));
        };
        check(0, "1970-01", "1969-12");
        check(951_782_399, "2000-02", "2000-01");
        check(951_868_799, "2000-02", "2000-01");
        check(951_868_800, "2000-03", "2000-02");
        check(1_709_251_199, "2024-02", "2024-01");
        check(1_709_251_200, "2024-03", "2024-02");
        check(1_767_225_599, "2025-12", "2025-11");
        check(1_767_225_600, "2026-01", "2025-12");
        check(1_795_270_000, "2026-11", "2026-10");
        check(4_107_542_399, "2100-02", "2100-01");
        check(4_107_542_400, "2100-03", "2100-02");
        for wrong in ["", "2026", "2026-0", "2026-13", "-1", "a-b"] {
            assert_eq!(wrong.parse::<Month>(), Err(MonthError));
        }
    }
}
