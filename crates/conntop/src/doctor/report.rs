//! What the doctor says: one line for each check.

use std::fmt::Write as _;

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use crate::here::Fix;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// As it should be.
    Ok,
    /// Something is missing that conntop can do without.
    Warn,
    /// Something is missing without which much is.
    Fail,
}

impl Word {
    /// The word.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    /// As terminals colour it.
    fn colour(self) -> &'static str {
        match self {
            Self::Ok => "32",
            Self::Warn => "1;35",
            Self::Fail => "1;31",
        }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// How it is.
    pub word: Word,
    /// What was found.
    pub found: String,
    /// What mends it: commands, any of them does.
    pub repair: Vec<String>,
    /// What `--fix` can do about it.
    pub fix: Option<Fix>,
}

/// The checks of one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Where.
    pub place: String,
    /// In the order of the table.
    pub checks: Vec<Check>,
}

/// For whom it is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether words have colours.
    pub colours: bool,
    /// Columns of the terminal, if it is one.
    pub width: Option<u16>,
}

/// Columns of the word and of the name.
const WORD: usize = 6;
const NAME: usize = 12;
/// Columns below which lines are not broken.
const LEAST: usize = 16;

impl Report {
    /// Whether a check failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.checks.iter().any(|check| check.word == Word::Fail)
    }

    /// The lines.
    #[must_use]
    pub fn text(&self, style: Style) -> String {
        let mut text = format!("{}\n", self.place);
        self.checks.iter().for_each(|check| text += &check.text(style));
        text
    }

    /// One object a check.
    pub fn json(&self) -> impl Iterator<Item = Value> {
        self.checks.iter().map(|check| {
            json!({
                "where": self.place,
                "check": check.name,
                "word": check.word.text(),
                "found": check.found,
                "repair": check.repair,
                "fixable": check.fix.is_some(),
            })
        })
    }
}

impl Check {
    /// Its line, and below it one for each repair, which is left whole: it is there to be copied.
    #[must_use]
    pub fn text(&self, style: Style) -> String {
        let word = format!("{:WORD$}", self.word.text());
        let mut text = match style.colours {
            true => format!("\x1b[{}m{word}\x1b[0m", self.word.colour()),
            false => word,
        };
        let _infallible = write!(text, "{:NAME$}", self.name);
        let room = style.width.map_or(usize::MAX, |width| usize::from(width).saturating_sub(WORD + NAME));
        for (n, line) in broken(&self.found, room).iter().enumerate() {
            let indent = if n == 0 { 0 } else { WORD + NAME };
            let _infallible = writeln!(text, "{:indent$}{line}", "");
        }
        for repair in &self.repair {
            let _infallible = writeln!(text, "{:WORD$}mend: {repair}", "");
        }
        text
    }
}

/// The text in lines of so many columns; it stays whole where that leaves no room for words.
fn broken(text: &str, room: usize) -> Vec<String> {
    if room < LEAST {
        return vec![text.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
