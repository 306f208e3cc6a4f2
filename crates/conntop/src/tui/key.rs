//! Keys as the bindings table writes them, and their names on the screen.

use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// One key with its modifiers. Shift is part of a character (`G`), not a modifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Key.
    pub code: KeyCode,
    /// Control, alt.
    pub modifiers: KeyModifiers,
}

impl Key {
    /// A character or a named key without modifiers.
    #[must_use]
    pub const fn plain(code: KeyCode) -> Self {
        Self { code, modifiers: KeyModifiers::NONE }
    }

    /// A character.
    #[must_use]
    pub const fn ch(ch: char) -> Self {
        Self::plain(KeyCode::Char(ch))
    }

    /// A function key.
    #[must_use]
    pub const fn f(number: u8) -> Self {
        Self::plain(KeyCode::F(number))
    }

    /// A character with control.
    #[must_use]
    pub const fn ctrl(ch: char) -> Self {
        Self { code: KeyCode::Char(ch), modifiers: KeyModifiers::CONTROL }
    }

    /// The character that the key types, if it types one.
    #[must_use]
    pub fn typed(self) -> Option<char> {
        match self.code {
            KeyCode::Char(ch) if self.modifiers.is_empty() && !ch.is_control() => Some(ch),
            _ => None,
        }
    }

    /// The key with that name, as [`Key`]'s `Display` writes it: `q`, `Ctrl-C`, `F10`, `PgDn`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if let Some((_, key)) = NAMES.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            return Some(Self::plain(*key));
        }
        if let Some(number) = name.strip_prefix('F').and_then(|n| n.parse().ok()) {
            return Some(Self::f(number));
        }
        let (control, rest) = name.strip_prefix("Ctrl-").map_or((false, name), |r| (true, r));
        let mut chars = rest.chars();
        match (chars.next(), chars.next()) {
            (Some(ch), None) if control => Some(Self::ctrl(ch.to_ascii_lowercase())),
            (Some(ch), None) => Some(Self::ch(ch)),
            _ => None,
        }
    }
}

const NAMES: &[(&str, KeyCode)] = &[
    ("Space", KeyCode::Char(' ')),
    ("Enter", KeyCode::Enter),
    ("Esc", KeyCode::Esc),
    ("Tab", KeyCode::Tab),
    ("Shift-Tab", KeyCode::BackTab),
    ("Backspace", KeyCode::Backspace),
    ("Del", KeyCode::Delete),
    ("Up", KeyCode::Up),
    ("Down", KeyCode::Down),
    ("Left", KeyCode::Left),
    ("Right", KeyCode::Right),
    ("PgUp", KeyCode::PageUp),
    ("PgDn", KeyCode::PageDown),
    ("Home", KeyCode::Home),
    ("End", KeyCode::End),
];

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        let kept = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
        let code = match event.code {
            KeyCode::Char(ch) if kept.contains(KeyModifiers::CONTROL) => {
                KeyCode::Char(ch.to_ascii_lowercase())
            }
            code => code,
        };
        Self { code, modifiers: kept }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.modifiers.contains(KeyModifiers::CONTROL) {
            f.write_str("Ctrl-")?;
        }
        if let Some((name, _)) = NAMES.iter().find(|(_, key)| *key == self.code) {
            return f.write_str(name);
        }
        match self.code {
            KeyCode::F(number) => write!(f, "F{number}"),
            KeyCode::Char(ch) if self.modifiers.contains(KeyModifiers::CONTROL) => {
                write!(f, "{}", ch.to_ascii_uppercase())
            }
            KeyCode::Char(ch) => write!(f, "{ch}"),
            other => write!(f, "{other:?}"),
        }
    }
}
