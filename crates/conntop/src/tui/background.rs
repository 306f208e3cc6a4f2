//! Whether the terminal is light or dark: what it says of itself when asked (OSC 11), or what some
//! terminals put into the environment.
//!
//! Who does not know the question does not answer it, so a second one goes behind it that every terminal
//! answers (what kind it is), and nobody waits longer than a moment.

use super::theme::Background;

/// The question for the background, and the one that every terminal answers.
pub(crate) const QUESTION: &[u8] = b"\x1b]11;?\x07\x1b[c";

/// What came from the terminal after the question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// What it said.
    pub(crate) background: Background,
    /// Whether all answers are there.
    pub(crate) complete: bool,
    /// Characters that somebody typed meanwhile.
    pub(crate) typed: String,
}

/// Reads what came so far.
pub(crate) fn read(bytes: &[u8]) -> Said {
    let mut answer = Said::default();
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        if let Some(colour) = rest.strip_prefix(b"\x1b]11;") {
            let ends = |at: &usize| {
                let left = colour.get(*at..).unwrap_or_default();
                left.starts_with(b"\x07") || left.starts_with(b"\x1b\\")
            };
            let Some(end) = (0..colour.len()).find(ends) else { break };
            answer.background = colour.get(..end).and_then(shade).unwrap_or_default();
            let close = if colour.get(end) == Some(&0x07) { 1 } else { 2 };
            rest = colour.get(end + close..).unwrap_or_default();
        } else if let Some(kind) = rest.strip_prefix(b"\x1b[?") {
            let Some(end) = kind.iter().position(|byte| !(byte.is_ascii_digit() || *byte == b';')) else {
                break;
            };
            answer.complete |= kind.get(end) == Some(&b'c');
            rest = kind.get(end + 1..).unwrap_or_default();
        } else {
            if (b' '..0x7f).contains(first) {
                answer.typed.push(char::from(*first));
            }
            rest = after;
        }
    }
    answer
}

/// `rgb:ffff/ffff/ffff`, with one to four digits each.
fn shade(colour: &[u8]) -> Option<Background> {
    let colour = std::str::from_utf8(colour).ok()?;
    let colour = colour.strip_prefix("rgb:").or_else(|| colour.strip_prefix("rgba:"))?;
    let mut parts = colour.split('/').map(|part| {
        let most = match part.len() {
            1 => 0xf_u32,
            2 => 0xff,
            3 => 0xfff,
            4 => 0xffff,
            _ => return None,
        };
        Some(f64::from(u32::from_str_radix(part, 16).ok()?) / f64::from(most))
    });
    let mut part = || parts.next().flatten();
    let (red, green, blue) = (part()?, part()?, part()?);
    // As bright as it looks.
    let bright = 0.299 * red + 0.587 * green + 0.114 * blue;
    Some(if bright > 0.5 { Background::Light } else { Background::Dark })
}

/// What COLORFGBG says: the numbers of the palette of text and background, `15;0` or `0;default;15`.
#[must_use]
pub fn of_environment(value: Option<&str>) -> Background {
    match value.and_then(|value| value.rsplit(';').next()?.parse::<u8>().ok()) {
        Some(7 | 9..=15) => Background::Light,
        Some(_) => Background::Dark,
        None => Background::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        use Background::{Dark, Light, Unknown};
        let check = |bytes: &str, background, complete, typed: &str| {
            let wanted = Said { background, complete, typed: typed.to_owned() };
            assert_eq!(read(bytes.as_bytes()), wanted, "{bytes:?}");
        };
        check("", Unknown, false, "");
        check("\x1b]11;rgb:ffff/ffff/ffff\x07\x1b[?62;22c", Light, true, "");
        check("\x1b]11;rgb:0000/0000/0000\x1b\\\x1b[?1;2c", Dark, true, "");
        check("\x1b]11;rgb:fd/f6/e3\x07", Light, false, "");
        check("\x1b]11;rgb:0/2/3\x07\x1b[?6c", Dark, true, "");
        check("\x1b[?62c", Unknown, true, "");
        check("q\x1b]11;rgb:0000/0000/0000\x07j\x1b[?62ck\r", Dark, true, "qjk");
        for broken in ["\x1b]11;rgb:ffff/ff", "\x1b]11;", "\x1b[?", "\x1b[?62;", "\x1b"] {
            check(broken, Unknown, false, "");
        }
        for odd in ["rgb:", "rgb:1", "rgb:1/2", "rgb:x/y/z", "rgb:11111/1/1", "#ffffff", "rgb:é/1/1"] {
            check(&format!("\x1b]11;{odd}\x07\x1b[?6c"), Unknown, true, "");
        }
        // Whatever comes is read to its end.
        for byte in 0..=255_u8 {
            let _answer = read(&[0x1b, byte, byte, 0x1b, b']', b'1', b'1', b';', byte]);
        }
    }

    #[test]
    fn environments() {
        for (value, wanted) in [
            (None, Background::Unknown),
            (Some(""), Background::Unknown),
            (Some("15;0"), Background::Dark),
            (Some("0;15"), Background::Light),
            (Some("0;default;7"), Background::Light),
            (Some("12;8"), Background::Dark),
            (Some("0;default"), Background::Unknown),
        ] {
            assert_eq!(of_environment(value), wanted, "{value:?}");
        }
    }
}
