//! Numbers of the header.

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
