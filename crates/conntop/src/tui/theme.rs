//! Roles and the colours they get. Nothing but this table knows a colour.
//!
//! Only the sixteen colours of the terminal's own palette on its own background; on a light one those of
//! them that are dark enough. What matters is also said by a word or by bold and reversed.

use clap::ValueEnum;
use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

/// What a text means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Ordinary.
    #[default]
    Text,
    /// Name of a thing, such as the node.
    Title,
    /// Explains a value beside it.
    Label,
    /// Less important: unknown, zero, ended.
    Dim,
    /// Heading of a column.
    Heading,
    /// Heading of the column that is sorted by.
    SortedHeading,
    /// The selected row.
    Selected,
    /// The one accent: what can be done, what is being shown.
    Accent,
    /// Something began.
    New,
    /// Something ends.
    Ending,
    /// Not as it should be.
    Warning,
    /// Broken, or a mistake.
    Error,
    /// A key to press.
    Key,
    /// Name of the screen that is shown.
    Shown,
}

/// A set of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Theme {
    /// The terminal's own colours
    #[default]
    Palette,
    /// Blue and yellow instead of green and red
    #[value(alias = "color-blind")]
    #[serde(alias = "color-blind")]
    ColourBlind,
    /// No colours
    #[value(name = "mono", alias = "monochrome")]
    #[serde(rename = "mono", alias = "monochrome")]
    Monochrome,
}

/// What the terminal draws texts on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Background {
    /// Nobody said; colours are chosen as for a dark one.
    #[default]
    Unknown,
    /// Darker than its texts.
    Dark,
    /// Lighter than its texts.
    Light,
}

impl Theme {
    /// Whether a terminal of that kind, as TERM names it, shows colours.
    #[must_use]
    pub fn has_colours(term: &str) -> bool {
        let plain =
            |kind: &&str| term == *kind || term.strip_prefix(*kind).is_some_and(|rest| rest.starts_with('-'));
        !(["dumb", "vt100", "vt102", "vt220", "vt320", "vt420"].iter().any(plain)
            || term.ends_with("-mono")
            || term.ends_with("-m"))
    }

    /// How a role looks.
    #[must_use]
    pub fn style(self, role: Role, background: Background) -> Style {
        let shape = shape(role);
        match self.colour(role, background) {
            Some(colour) => shape.fg(colour),
            None => shape,
        }
    }

    fn colour(self, role: Role, background: Background) -> Option<Color> {
        // The palette's cyan and yellow are too bright for a light background.
        let light = background == Background::Light;
        match (self, role) {
            (Self::Monochrome, _) => None,
            (_, Role::Accent | Role::SortedHeading | Role::Key | Role::Shown) if light => Some(Color::Blue),
            (_, Role::Accent | Role::SortedHeading | Role::Key | Role::Shown) => Some(Color::Cyan),
            (Self::Palette, Role::New) => Some(Color::Green),
            (Self::Palette, Role::Warning) => Some(Color::Magenta),
            (Self::Palette, Role::Error) => Some(Color::Red),
            (Self::ColourBlind, Role::New) if light => Some(Color::Magenta),
            (Self::ColourBlind, Role::Warning | Role::Error) if light => Some(Color::Red),
            (Self::ColourBlind, Role::New) => Some(Color::LightBlue),
            (Self::ColourBlind, Role::Warning | Role::Error) => Some(Color::Yellow),
            _ => None,
        }
    }
}

fn shape(role: Role) -> Style {
    let style = Style::new();
    match role {
        Role::Title | Role::Warning | Role::Error | Role::Key => style.add_modifier(Modifier::BOLD),
        Role::Heading => style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
        Role::SortedHeading | Role::Shown => style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
        Role::Label | Role::Dim | Role::Ending => style.add_modifier(Modifier::DIM),
        Role::Selected => style.add_modifier(Modifier::REVERSED),
        Role::Text | Role::Accent | Role::New => style,
    }
}
