//! Quantities as text: rates, bytes and counts in six columns, durations in five, and the way back
//! for what people type. Shown numbers are cut off, never rounded up: `999kB` is less than 1 MB.

mod parse;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub use self::parse::{UnitError, bits_per_second, bytes, count, millis};
pub use self::parse::{exact_bits_per_second, exact_bytes, exact_count, exact_millis};

/// Unit in which rates are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateUnit {
    /// Bits per second.
    #[default]
    Bits,
    /// Bytes per second.
    Bytes,
}

/// How long something has lasted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elapsed {
    /// Milliseconds.
    Exact(u64),
    /// Milliseconds of it that were observed; it began before.
    AtLeast(u64),
}

impl Elapsed {
    /// The milliseconds that are certain.
    #[must_use]
    pub fn certain(self) -> u64 {
        match self {
            Self::Exact(millis) | Self::AtLeast(millis) => millis,
        }
    }
}

const PREFIXES: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];

/// Three digits and a prefix: `999`, `1.23k`, `12.3M`.
fn three_digits(value: u64) -> String {
    let (mut whole, mut rest, mut step) = (value, 0, 0);
    while whole >= 1000 {
        rest = whole % 1000;
        whole /= 1000;
        step += 1;
    }
    let prefix = PREFIXES.get(step).copied().unwrap_or("");
    match (step, whole) {
        (0, _) | (_, 100..) => format!("{whole}{prefix}"),
        (_, 10..) => format!("{whole}.{}{prefix}", rest / 100),
        _ => format!("{whole}.{:02}{prefix}", rest / 10),
    }
}

/// A rate in at most six columns: `84.2Mb`, `10.5MB`, `0b`.
#[must_use]
pub fn rate(bytes_per_second: u64, unit: RateUnit) -> String {
    match unit {
        RateUnit::Bits => three_digits(bytes_per_second.saturating_mul(8)) + "b",
        RateUnit::Bytes => bytes_short(bytes_per_second),
    }
}

/// An amount in at most six columns: `512B`, `1.50kB`.
#[must_use]
pub fn bytes_short(amount: u64) -> String {
    three_digits(amount) + "B"
}

/// A count in at most six columns, exact up to 999,999.
#[must_use]
pub fn count_short(amount: u64) -> String {
    if amount < 1_000_000 { amount.to_string() } else { three_digits(amount) }
}

/// (letter, milliseconds, letter of the next smaller unit) of the units of durations.
const UNITS: &[(&str, u64, u64, &str)] =
    &[("d", 86_400_000, 3_600_000, "h"), ("h", 3_600_000, 60_000, "m"), ("m", 60_000, 1_000, "s")];

/// A duration in at most five columns: `42s`, `1m30s`, `12m`, `3d04h`, `>12m`.
#[must_use]
pub fn elapsed_short(elapsed: Elapsed) -> String {
    match elapsed {
        Elapsed::Exact(millis) => duration_short(millis),
        Elapsed::AtLeast(millis) => format!(">{}", one_unit(millis)),
    }
}

/// A duration in at most five columns.
#[must_use]
pub fn duration_short(millis: u64) -> String {
    for &(letter, unit, smaller, small_letter) in UNITS {
        if millis >= unit && millis < unit * 10 {
            return format!("{}{letter}{:02}{small_letter}", millis / unit, millis % unit / smaller);
        }
    }
    one_unit(millis)
}

fn one_unit(millis: u64) -> String {
    let unit = UNITS.iter().find(|(_, unit, ..)| millis >= *unit);
    let (letter, unit) = unit.map_or(("s", 1000), |&(letter, unit, ..)| (letter, unit));
    match millis / unit {
        years @ 1000.. => format!("{}y", years / 365),
        amount => format!("{amount}{letter}"),
    }
}

/// The day of a number of seconds since 1970, by UTC: `2026-11-21`.
#[must_use]
pub fn date(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / 86_400);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Year, month and day of a number of days since 1970-01-01.
#[must_use]
pub fn civil(days: u64) -> (u64, u64, u64) {
    // Eras of 400 years from 0000-03-01 have the same days, and leap days stand at the end of years.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (400 * era + year + carry, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days_follow_the_calendar() {
        let check = |seconds: u64, day: &str| assert_eq!(date(seconds), day);
        check(0, "1970-01-01");
        check(86_399, "1970-01-01");
        check(951_782_400, "2000-02-29");
        check(951_868_800, "2000-03-01");
        check(1_798_675_200, "2026-12-31");
        check(1_798_761_600, "2027-01-01");
        check(4_107_542_400, "2100-03-01");
        assert!(date(u64::MAX).ends_with(|c: char| c.is_ascii_digit()));
    }

    #[test]
    fn numbers_are_short_and_cut_off() {
        let check = |value: u64, bits: &str, bytes: &str, count: &str| {
            assert_eq!(rate(value, RateUnit::Bits), bits);
            assert_eq!(rate(value, RateUnit::Bytes), bytes);
            assert_eq!(bytes_short(value), bytes);
            assert_eq!(count_short(value), count);
        };
        check(0, "0b", "0B", "0");
        check(124, "992b", "124B", "124");
        check(125, "1.00kb", "125B", "125");
        check(999, "7.99kb", "999B", "999");
        check(1_000, "8.00kb", "1.00kB", "1000");
        check(999_999, "7.99Mb", "999kB", "999999");
        check(12_345_678, "98.7Mb", "12.3MB", "12.3M");
        check(u64::MAX, "18.4Eb", "18.4EB", "18.4E");
    }

    #[test]
    fn durations_are_short() {
        let check = |seconds: u64, exact: &str, at_least: &str| {
            assert_eq!(elapsed_short(Elapsed::Exact(seconds * 1000)), exact);
            assert_eq!(elapsed_short(Elapsed::AtLeast(seconds * 1000)), at_least);
        };
        check(0, "0s", ">0s");
        check(59, "59s", ">59s");
        check(90, "1m30s", ">1m");
        check(754, "12m", ">12m");
        check(3_661, "1h01m", ">1h");
        check(86_399, "23h", ">23h");
        check(86_400 * 3 + 4 * 3600, "3d04h", ">3d");
        check(86_400 * 999, "999d", ">999d");
        check(86_400 * 3650, "10y", ">10y");
    }

    proptest! {
        #[test]
        fn widths_hold(value: u64) {
            prop_assert!(rate(value, RateUnit::Bits).len() <= 6);
            prop_assert!(bytes_short(value).len() <= 6);
            prop_assert!(count_short(value).len() <= 6);
            let millis = value % (86_400_000 * 365 * 500);
            prop_assert!(duration_short(millis).len() <= 5);
            prop_assert!(elapsed_short(Elapsed::AtLeast(millis)).len() <= 5);
        }

        #[test]
        fn exact_texts_are_read_back(value in 0..=conntop_proto::flow::MAX_SAFE_INTEGER) {
            prop_assert_eq!(bits_per_second(&exact_bits_per_second(value)), Ok(value));
            prop_assert_eq!(bytes(&exact_bytes(value)), Ok(value));
            prop_assert_eq!(count(&exact_count(value)), Ok(value));
            prop_assert_eq!(millis(&exact_millis(value)), Ok(value));
        }
    }
}
