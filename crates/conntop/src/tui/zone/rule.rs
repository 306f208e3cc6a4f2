//! The rule of a POSIX TZ string: `CET-1CEST,M3.5.0,M10.5.0/3`. Days by month, week and weekday
//! only; the other two forms have not been used for decades.

/// Standard time, and when summer time is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    standard: i64,
    summer: Option<(i64, Change, Change)>,
}

/// A day of every year, and seconds after its midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    month: i64,
    week: i64,
    weekday: i64,
    seconds: i64,
}

const DAY: i64 = 86_400;

impl Rule {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        let zones = skip_name(parts.next()?)?;
        let (west, rest) = offset(zones)?;
        let standard = -west;
        if rest.is_empty() {
            return Some(Self { standard, summer: None });
        }
        let rest = skip_name(rest)?;
        let summer = if rest.is_empty() { standard + 3600 } else { -offset(rest)?.0 };
        let (begin, end) = (Change::parse(parts.next()?)?, Change::parse(parts.next()?)?);
        Some(Self { standard, summer: Some((summer, begin, end)) })
    }

    pub(super) fn offset(&self, at: i64) -> i64 {
        let Some((summer, begin, end)) = &self.summer else { return self.standard };
        let year = year_of(at + self.standard);
        let begin = begin.in_year(year) - self.standard;
        let end = end.in_year(year) - summer;
        let is_summer = if begin < end { (begin..end).contains(&at) } else { !(end..begin).contains(&at) };
        if is_summer { *summer } else { self.standard }
    }
}

impl Change {
    fn parse(text: &str) -> Option<Self> {
        let (day, time) = text.split_once('/').unwrap_or((text, "2"));
        let mut numbers = day.strip_prefix('M')?.split('.').map(|n| n.parse::<i64>().ok());
        let (month, week, weekday) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let valid = (1..=12).contains(&month) && (1..=5).contains(&week) && (0..7).contains(&weekday);
        valid.then_some(Self { month, week, weekday, seconds: offset(time)?.0 })
    }

    /// The moment in that year, seconds since 1970 by the wall clock before the change.
    fn in_year(self, year: i64) -> i64 {
        let first = days(year, self.month);
        let next = if self.month == 12 { days(year + 1, 1) } else { days(year, self.month + 1) };
        // 1970-01-01 was a Thursday, weekday 4.
        let weekday = (first + 4).rem_euclid(7);
        let mut day = first + (self.weekday - weekday).rem_euclid(7) + (self.week - 1) * 7;
        while day >= next {
            day -= 7;
        }
        day * DAY + self.seconds
    }
}

/// Days from 1970-01-01 to the first of a month, by years that begin in March.
fn days(year: i64, month: i64) -> i64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * month + 2) / 5 - 719_468
}

fn year_of(seconds: i64) -> i64 {
    let day = seconds.div_euclid(DAY);
    let mut year = 1970 + day.div_euclid(366);
    while days(year + 1, 1) <= day {
        year += 1;
    }
    year
}

/// What follows the abbreviation, which may stand in angle brackets.
fn skip_name(text: &str) -> Option<&str> {
    match text.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>').map(|(_, rest)| rest),
        None => {
            let rest = text.trim_start_matches(|ch: char| ch.is_ascii_alphabetic());
            (text.len() - rest.len() >= 3).then_some(rest)
        }
    }
}

/// `[+-]h[:mm[:ss]]` in seconds, and what follows.
fn offset(text: &str) -> Option<(i64, &str)> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|ch: char| !(ch.is_ascii_digit() || ch == ':')).unwrap_or(digits.len());
    let (time, rest) = digits.split_at_checked(end)?;
    let mut seconds = 0;
    for (part, unit) in time.split(':').zip([3600, 60, 1]) {
        let number: i64 = part.parse().ok().filter(|n| *n <= 167)?;
        seconds += number * unit;
    }
    Some((sign * seconds, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_give_the_offsets_of_their_places() {
        let check = |rule: &str, at: i64, hours: f64| {
            let found = Rule::parse(rule).map(|rule| rule.offset(at) as f64 / 3600.0);
            assert_eq!(found, Some(hours), "{rule} at {at}");
        };
        let (berlin, sydney) = ("CET-1CEST,M3.5.0,M10.5.0/3", "AEST-10AEDT,M10.1.0,M4.1.0/3");
        for (rule, at, hours) in [
            ("UTC0", 1_795_262_640, 0.0),
            ("<+0530>-5:30", 1_795_262_640, 5.5),
            (berlin, 1_795_262_640, 1.0),
            (berlin, 1_784_116_800, 2.0),
            // 2026-03-29 01:00 UTC and the second before; 2026-10-25 likewise.
            (berlin, 1_774_745_999, 1.0),
            (berlin, 1_774_746_000, 2.0),
            (berlin, 1_792_889_999, 2.0),
            (berlin, 1_792_890_000, 1.0),
            (sydney, 1_795_262_640, 11.0),
            (sydney, 1_784_116_800, 10.0),
            ("EST5EDT,M3.2.0,M11.1.0", 1_784_116_800, -4.0),
        ] {
            check(rule, at, hours);
        }
        for wrong in ["", "X", "CET", "CET-1CEST", "CET-1CEST,J60,J300", "CET-1CEST,M13.5.0,M10.5.0"] {
            assert_eq!(Rule::parse(wrong), None, "{wrong}");
        }
    }
}
