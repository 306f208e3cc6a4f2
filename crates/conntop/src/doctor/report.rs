//! What the doctor says: one line for each check.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::repair::Fix;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Programs: one line each.
    Plain,
    /// A terminal, with repairs on lines of their own.
    Terminal,
    /// The same with colours.
    Colours,
}

/// Columns of the word and of the name.
const WORD: usize = 6;
const NAME: usize = 12;

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
    /// Its line.
    #[must_use]
    pub fn text(&self, style: Style) -> String {
        let word = format!("{:WORD$}", self.word.text());
        let word = match style {
            Style::Colours => format!("\x1b[{}m{word}\x1b[0m", self.word.colour()),
            Style::Plain | Style::Terminal => word,
        };
        let mut line = format!("{word}{:NAME$}{}", self.name, self.found);
        match style {
            Style::Plain if !self.repair.is_empty() => {
                let _infallible = write!(line, " -> {}", self.repair.join(" | "));
            }
            Style::Plain => {}
            Style::Terminal | Style::Colours => {
                for repair in &self.repair {
                    let _infallible = write!(line, "\n{:1$}-> {repair}", "", WORD + NAME);
                }
            }
        }
        line + "\n"
    }
}
