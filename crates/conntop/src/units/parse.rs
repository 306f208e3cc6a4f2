//! Quantities as people type them, and the exact text that is read back as the same quantity.

/// What is wrong with a quantity. The text says what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// It does not begin with digits.
    #[error("a number")]
    Number,
    /// A rate has no unit.
    #[error("a rate with its unit: 1Mbit, 500kbit, 2MB")]
    NoRateUnit,
    /// Not a unit of rates.
    #[error("a unit of rates: bit, kbit, Mbit, Gbit, B, kB, MB, KiB, MiB")]
    RateUnit,
    /// Not a unit of amounts of bytes.
    #[error("a unit of bytes: B, kB, MB, GB, KiB, MiB, GiB")]
    ByteUnit,
    /// Not a suffix of counts.
    #[error("a number, perhaps with k, M or G")]
    CountUnit,
    /// Not a unit of time.
    #[error("a duration: 500ms, 90s, 5m, 1h30m, 2d")]
    TimeUnit,
    /// Larger than anything that is counted.
    #[error("a smaller number")]
    Large,
}

/// A decimal number: its digits without the point, and how many of them stand behind it.
struct Decimal {
    digits: u128,
    behind: u32,
}

impl Decimal {
    /// The number at the beginning of the text, and what follows it.
    fn split(text: &str) -> Result<(Self, &str), UnitError> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, rest) = text.split_at_checked(end).ok_or(UnitError::Number)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let fine = !whole.is_empty() && !fraction.contains('.') && !number.ends_with('.');
        if !fine {
            return Err(UnitError::Number);
        }
        if whole.len() > 20 || fraction.len() > 9 {
            return Err(UnitError::Large);
        }
        let digits = format!("{whole}{fraction}").parse().map_err(|_| UnitError::Number)?;
        let behind = u32::try_from(fraction.len()).map_err(|_| UnitError::Large)?;
        Ok((Self { digits, behind }, rest))
    }

    fn times(&self, factor: u64) -> Result<u64, UnitError> {
        let scaled = self.digits.checked_mul(u128::from(factor)).ok_or(UnitError::Large)?;
        u64::try_from(scaled / 10_u128.pow(self.behind)).map_err(|_| UnitError::Large)
    }
}

const K: u64 = 1000;
const KI: u64 = 1024;

/// Decimal and binary factors by the letter of the prefix.
const FACTORS: &[(char, u64, u64)] = &[
    ('k', K, KI),
    ('M', K * K, KI * KI),
    ('G', K * K * K, KI * KI * KI),
    ('T', K * K * K * K, KI * KI * KI * KI),
];

/// The factor that a unit begins with, and what follows it.
fn prefix(unit: &str) -> (u64, &str) {
    let mut letters = unit.chars();
    let first = letters.next();
    let known = FACTORS.iter().find(|(c, ..)| first.is_some_and(|f| f.eq_ignore_ascii_case(c)));
    let Some(&(_, decimal, binary)) = known else { return (1, unit) };
    let rest = letters.as_str();
    match rest.strip_prefix('i') {
        Some(rest) => (binary, rest),
        None => (decimal, rest),
    }
}

/// A rate such as `1.5Mbit`, `2MB`, `800kbit/s`; in bits per second. The unit is necessary.
///
/// # Errors
/// Says what was expected.
pub fn bits_per_second(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = Decimal::split(text)?;
    let unit = unit.strip_suffix("/s").unwrap_or(unit);
    if unit.is_empty() {
        return Err(UnitError::NoRateUnit);
    }
    let (factor, base) = prefix(unit);
    let bits = match base {
        "bit" | "bits" | "bps" | "b" => 1,
        "B" | "byte" | "bytes" | "Bps" => 8,
        "" => return Err(UnitError::NoRateUnit),
        _ => return Err(UnitError::RateUnit),
    };
    number.times(factor.saturating_mul(bits))
}

/// An amount such as `1500`, `10MiB`, `1.5GB`; in bytes.
///
/// # Errors
/// Says what was expected.
pub fn bytes(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = Decimal::split(text)?;
    match prefix(unit) {
        (factor, "" | "B" | "byte" | "bytes") => number.times(factor),
        _ => Err(UnitError::ByteUnit),
    }
}

/// A count such as `1500`, `10k`, `1.5M`.
///
/// # Errors
/// Says what was expected.
pub fn count(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = Decimal::split(text)?;
    match prefix(unit) {
        (factor, "") if !unit.ends_with('i') => number.times(factor),
        _ => Err(UnitError::CountUnit),
    }
}

/// Units of time in milliseconds, longest first.
const TIMES: &[(&str, u64)] =
    &[("w", 7 * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A duration such as `90s`, `5m`, `1h30m`, or a number of seconds; in milliseconds.
///
/// # Errors
/// Says what was expected.
pub fn millis(text: &str) -> Result<u64, UnitError> {
    let (mut sum, mut rest) = (0_u64, text);
    loop {
        let (number, behind) = Decimal::split(rest).map_err(|error| match error {
            UnitError::Number if rest.len() < text.len() => UnitError::TimeUnit,
            other => other,
        })?;
        let end = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, next) = behind.split_at_checked(end).ok_or(UnitError::TimeUnit)?;
        let unit = if unit.is_empty() && rest.len() == text.len() && next.is_empty() { "s" } else { unit };
        let factor = TIMES.iter().find(|(name, _)| *name == unit).ok_or(UnitError::TimeUnit)?;
        sum = sum.checked_add(number.times(factor.1)?).ok_or(UnitError::Large)?;
        rest = next;
        if rest.is_empty() {
            return Ok(sum);
        }
    }
}

/// The largest of the units that divides the value.
fn in_units(value: u64, units: &[(&str, u64)], plain: &str) -> String {
    let fits = |factor: u64| value >= factor && value.is_multiple_of(factor);
    match units.iter().find(|(_, factor)| fits(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", value / factor),
        None => format!("{value}{plain}"),
    }
}

/// Bits per second as [`bits_per_second`] reads them.
#[must_use]
pub fn exact_bits_per_second(value: u64) -> String {
    in_units(value, &[("Gbit", K * K * K), ("Mbit", K * K), ("kbit", K)], "bit")
}

/// Bytes as [`fn@bytes`] reads them.
#[must_use]
pub fn exact_bytes(value: u64) -> String {
    let units =
        [("GiB", KI * KI * KI), ("GB", K * K * K), ("MiB", KI * KI), ("MB", K * K), ("KiB", KI), ("kB", K)];
    in_units(value, &units, "")
}

/// A count as [`count`] reads it.
#[must_use]
pub fn exact_count(value: u64) -> String {
    in_units(value, &[("M", K * K)], "")
}

/// Milliseconds as [`millis`] reads them.
#[must_use]
pub fn exact_millis(value: u64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    in_units(value, &units, "ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_quantities() {
        type Read = fn(&str) -> Result<u64, UnitError>;
        let check = |read: Read, text: &str, wanted: Result<u64, UnitError>| {
            assert_eq!(read(text), wanted, "{text:?}");
        };
        for (text, wanted) in [
            ("1Mbit", Ok(1_000_000)),
            ("1.5mbit", Ok(1_500_000)),
            ("1Mb/s", Ok(1_000_000)),
            ("2MB", Ok(16_000_000)),
            ("2MiB/s", Ok(16_777_216)),
            ("100B", Ok(800)),
            ("0bit", Ok(0)),
            ("1", Err(UnitError::NoRateUnit)),
            ("1M", Err(UnitError::NoRateUnit)),
            ("1Mfoo", Err(UnitError::RateUnit)),
            ("1mbyt", Err(UnitError::RateUnit)),
            ("Mbit", Err(UnitError::Number)),
            ("-1Mbit", Err(UnitError::Number)),
            ("1.Mbit", Err(UnitError::Number)),
            ("1.2.3Mbit", Err(UnitError::Number)),
            ("99999999999999999999Gbit", Err(UnitError::Large)),
        ] {
            check(bits_per_second, text, wanted);
        }
        for (text, wanted) in [
            ("1500", Ok(1500)),
            ("10MiB", Ok(10 << 20)),
            ("10k", Ok(10_000)),
            ("0.5GB", Ok(500_000_000)),
            ("1Mbit", Err(UnitError::ByteUnit)),
            ("1mb", Err(UnitError::ByteUnit)),
            ("", Err(UnitError::Number)),
        ] {
            check(bytes, text, wanted);
        }
        for (text, wanted) in [
            ("12", Ok(12)),
            ("1.5M", Ok(1_500_000)),
            ("1Ki", Err(UnitError::CountUnit)),
            ("1B", Err(UnitError::CountUnit)),
        ] {
            check(count, text, wanted);
        }
        for (text, wanted) in [
            ("90", Ok(90_000)),
            ("90s", Ok(90_000)),
            ("1h30m", Ok(5_400_000)),
            ("500ms", Ok(500)),
            ("1.5d", Ok(129_600_000)),
            ("2w", Ok(1_209_600_000)),
            ("1h30", Err(UnitError::TimeUnit)),
            ("5x", Err(UnitError::TimeUnit)),
            ("5m!", Err(UnitError::TimeUnit)),
            ("m", Err(UnitError::Number)),
        ] {
            check(millis, text, wanted);
        }
    }
}
