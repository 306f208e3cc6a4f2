//! Texts for the terminal's clipboard (OSC 52), which works over ssh and through tmux and screen, as far as
//! those let it. Nothing tells whether the terminal took it.

/// Longest text that is sent: more than any line of a flow; terminals drop what is too long for them.
pub const MOST: usize = 8 << 10;
/// Bytes that GNU screen takes in one piece.
const PIECE: usize = 512;

/// What stands between the program and the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Between {
    /// Nothing.
    #[default]
    Nothing,
    /// tmux, which sets its own buffer or hands on what is wrapped for it, as it is configured.
    Tmux,
    /// GNU screen, which hands on what is wrapped for it.
    Screen,
}

impl Between {
    /// By the environment's `TMUX` and `STY`.
    #[must_use]
    pub fn of(tmux: bool, screen: bool) -> Self {
        match (tmux, screen) {
            (true, _) => Self::Tmux,
            (false, true) => Self::Screen,
            (false, false) => Self::Nothing,
        }
    }
}

/// What is written to the terminal; `None` when the text is too long.
#[must_use]
pub fn sequence(text: &str, between: Between) -> Option<String> {
    if text.len() > MOST {
        return None;
    }
    let plain = format!("\x1b]52;c;{}\x07", base64(text.as_bytes()));
    Some(match between {
        Between::Nothing => plain,
        // Which of the two it listens to is a setting; both say the same.
        Between::Tmux => format!("{plain}\x1bPtmux;{}\x1b\\", plain.replace('\x1b', "\x1b\x1b")),
        Between::Screen => {
            let pieces = plain.as_bytes().chunks(PIECE).map(String::from_utf8_lossy);
            pieces.map(|piece| format!("\x1bP{piece}\x1b\\")).collect()
        }
    })
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| char::from(DIGITS.get(bits as usize & 63).copied().unwrap_or(b'='));
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digits = [bits >> 18, bits >> 12, bits >> 6, bits].map(digit);
        out.extend(digits.iter().take(three.len() + 1));
        out.extend(std::iter::repeat_n('=', 3 - three.len()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_the_rfc() {
        let check = |text: &str, expected: &str| assert_eq!(base64(text.as_bytes()), expected);
        check("", "");
        check("f", "Zg==");
        check("fo", "Zm8=");
        check("foo", "Zm9v");
        check("foob", "Zm9vYg==");
        check("fooba", "Zm9vYmE=");
        check("foobar", "Zm9vYmFy");
        check("→ÿ", "4oaSw78=");
    }

    #[test]
    fn sequences() {
        let check = |text: &str, between, expected: Option<&str>| {
            assert_eq!(sequence(text, between).as_deref(), expected);
        };
        check("foo", Between::Nothing, Some("\x1b]52;c;Zm9v\x07"));
        check("foo", Between::Tmux, Some("\x1b]52;c;Zm9v\x07\x1bPtmux;\x1b\x1b]52;c;Zm9v\x07\x1b\\"));
        check("foo", Between::Screen, Some("\x1bP\x1b]52;c;Zm9v\x07\x1b\\"));
        check(&"x".repeat(MOST + 1), Between::Nothing, None);
        let long = sequence(&"x".repeat(1000), Between::Screen).unwrap();
        assert_eq!(long.matches("\x1bP").count(), 3);
        // Whatever is in it, it ends nothing before its end.
        let hostile = sequence("a\x07b\x1b\\\n", Between::Nothing).unwrap();
        assert_eq!(hostile.matches(['\x07', '\x1b', '\n']).count(), 2);
    }
}
