//! Numbers of the header and of the details. Widths seldom change, so that nothing beside them
//! moves.

use crate::units::RateUnit;

const PREFIXES: [&str; 6] = ["", "k", "M", "G", "T", "P"];

/// A rate with three digits, at the right end of its widest form.
#[must_use]
pub fn rate(bytes_per_second: u64, unit: RateUnit) -> String {
    let (value, word, width) = match unit {
        RateUnit::Bits => (bytes_per_second.saturating_mul(8), "bit/s", 11),
        RateUnit::Bytes => (bytes_per_second, "B/s", 9),
    };
    let (mut whole, mut rest, mut prefix) = (value, 0, 0);
    while whole >= 1000 && prefix + 1 < PREFIXES.len() {
        rest = whole % 1000;
        whole /= 1000;
        prefix += 1;
    }
    let number = match (prefix, whole) {
        (0, _) | (_, 100..) => whole.to_string(),
        (_, 10..) => format!("{whole}.{}", rest / 100),
        _ => format!("{whole}.{:02}", rest / 10),
    };
    let prefix = PREFIXES.get(prefix).copied().unwrap_or("");
    format!("{:>width$}", format!("{number} {prefix}{word}"))
}

/// An integer with commas between thousands.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A rate of things: `132/s`, `0.5/s`; of a width that seldom changes.
#[must_use]
pub fn per_second(rate: f64) -> String {
    let text = if rate > 0.0 && rate < 9.95 { format!("{rate:.1}") } else { format!("{rate:.0}") };
    format!("{:<6}", format!("{text}/s"))
}

/// Time of day of a number of seconds since 1970 in its zone.
#[must_use]
pub fn clock(seconds: u64) -> String {
    let (h, m, s) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{h:02}:{m:02}:{s:02}")
}
