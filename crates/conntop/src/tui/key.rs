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

    /// Whether it is one of the function keys.
    #[must_use]
    pub const fn is_function(self) -> bool {
        matches!(self.code, KeyCode::F(_))
    }

    /// The key with that name, as [`Key`]'s `Display` writes it: `q`, `Ctrl-C`, `F10`, `PgDn`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        for (prefix, modifier) in MODIFIERS {
            // A shorter rest is the character `-`.
            let rest = name.get(prefix.len()..).filter(|rest| !rest.is_empty());
            let Some(rest) = rest.filter(|_| starts(name, prefix)) else { continue };
            let key = Self::parse(rest)?;
            let code = match key.code {
                KeyCode::Char(ch) if *modifier == KeyModifiers::CONTROL => {
                    KeyCode::Char(ch.to_ascii_lowercase())
                }
                code => code,
            };
            return Some(Self { code, modifiers: key.modifiers | *modifier });
        }
        if let Some((_, code)) = NAMES.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            return Some(Self::plain(*code));
        }
        let mut chars = name.chars();
        match (chars.next()?, chars.as_str()) {
            (ch, "") if !ch.is_control() && !ch.is_whitespace() => Some(Self::ch(ch)),
            ('F' | 'f', number) => number.parse().ok().filter(|n| (1..=LAST_F).contains(n)).map(Self::f),
            _ => None,
        }
    }
}

fn starts(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Terminals know no more function keys.
const LAST_F: u8 = 24;

const MODIFIERS: &[(&str, KeyModifiers)] = &[("Ctrl-", KeyModifiers::CONTROL), ("Alt-", KeyModifiers::ALT)];

const NAMES: &[(&str, KeyCode)] = &[
    ("Space", KeyCode::Char(' ')),
    // In lists of settings it separates.
    ("Comma", KeyCode::Char(',')),
    ("Enter", KeyCode::Enter),
    ("Esc", KeyCode::Esc),
    ("Tab", KeyCode::Tab),
    ("Shift-Tab", KeyCode::BackTab),
    ("Backspace", KeyCode::Backspace),
    ("Ins", KeyCode::Insert),
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
        for (prefix, _) in MODIFIERS.iter().filter(|(_, modifier)| self.modifiers.contains(*modifier)) {
            f.write_str(prefix)?;
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
