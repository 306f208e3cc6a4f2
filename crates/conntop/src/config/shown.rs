//! Windows and times as people write them.

use std::time::Duration;

use crate::tui::app::WINDOWS;

/// Longest time that ended flows stay in view; how many there are is bounded besides.
const LONGEST_GHOST: Duration = Duration::from_secs(3600);

/// Reads `2s`, `10s`, `40s`; a bare number is seconds.
pub(crate) fn window(text: &str) -> Result<u64, String> {
    let seconds = text.trim().trim_end_matches('s').parse().ok();
    let window = seconds.filter(|seconds| WINDOWS.contains(seconds));
    window.ok_or_else(|| format!("`{text}` is no window: there are 2s, 10s and 40s"))
}

/// Reads a time such as `10s`, `500ms`, `2m`; 0 is none.
pub(crate) fn ghost(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time up to an hour; write 10s, 2m, or 0 for none");
    let text = text.trim();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let seconds = text.bytes().all(|byte| byte.is_ascii_digit());
    let millis = match seconds {
        true => crate::units::millis(&format!("{text}s")),
        false => crate::units::millis(text),
    };
    let time = millis.map(Duration::from_millis).map_err(|_| wrong())?;
    if time > LONGEST_GHOST { Err(wrong()) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, wanted) in
            [("2s", Some(2)), ("10", Some(10)), (" 40s ", Some(40)), ("3s", None), ("", None)]
        {
            assert_eq!(window(text).ok(), wanted, "{text}");
        }
        let cases = [
            ("0", Some(0)),
            ("10", Some(10_000)),
            ("10s", Some(10_000)),
            ("500ms", Some(500)),
            ("2m", Some(120_000)),
            ("60m", Some(3_600_000)),
            ("61m", None),
            ("-1", None),
            ("soon", None),
            ("", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(ghost(text).ok(), wanted.map(Duration::from_millis), "{text}");
        }
    }
}
