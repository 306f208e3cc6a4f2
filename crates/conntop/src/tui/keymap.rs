//! Which key does what for this person: the table of [`super::bindings`], as the scheme and the
//! person's own settings change it. Dispatch, the footer and the help ask this and nothing else.
//!
//! Each row of the table has a name. It is that of its action; a later row of the same action, which
//! has its keys elsewhere, has the place before it (`menu-accept`). A setting replaces all keys of one
//! row. Whatever is set, a key has one meaning in one place, characters stay characters while something
//! is typed, and one gets out of everywhere.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use serde::Deserialize;

use super::action::{Action, Edit};
use super::bindings::{BINDINGS, Binding, Context};
use super::key::Key;
use crate::columns::nearest;

/// What keys are before a person's own settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Those of the manual
    #[default]
    Default,
    /// Function keys as in the conntop of 2020
    Classic,
}

impl Scheme {
    /// Keys of a row, unless a setting says otherwise.
    fn keys(self, name: &str, binding: &Binding) -> Vec<Key> {
        match self {
            Self::Default => binding.keys.to_vec(),
            Self::Classic => {
                let theirs = CLASSIC.iter().filter(|(of, _)| *of == name).map(|(_, key)| *key);
                // Quitting has always been F10.
                let stays = |key: &Key| key.is_function() && binding.action == Action::Quit;
                let letters = binding.keys.iter().copied().filter(|key| !key.is_function());
                theirs.chain(binding.keys.iter().copied().filter(stays)).chain(letters).collect()
            }
        }
    }
}

/// The function keys of the old conntop; its other keys are the same as ours.
const CLASSIC: &[(&str, Key)] = &[
    ("help", Key::f(1)),
    ("help-close", Key::f(1)),
    ("columns", Key::f(2)),
    ("sort-menu", Key::f(3)),
    ("cursor", Key::f(4)),
    ("names", Key::f(5)),
    ("services", Key::f(6)),
    ("previous-pane", Key::f(7)),
    ("next-pane", Key::f(8)),
    ("pause", Key::f(9)),
];

/// A person's own keys for one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebinding {
    /// Name of the row.
    pub name: String,
    /// All its keys; none leaves it without.
    pub keys: Vec<Key>,
}

/// Why keys cannot be as somebody wants them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeymapError {
    /// There is no row of that name.
    #[error("keys: there is nothing called `{name}`{}", meant(near.as_deref()))]
    Unknown {
        /// What was written.
        name: String,
        /// A name that is like it.
        near: Option<String>,
    },
    /// There is no such key.
    #[error("keys: `{key}` of `{name}` is no key; write q, Ctrl-C, F10, PgDn or Space")]
    NoKey {
        /// Name of the row.
        name: String,
        /// What was written.
        key: String,
    },
    /// Nothing stands before or behind the `=`.
    #[error("keys: `{0}` sets nothing; write quit=X, or quit=X F10 for two keys")]
    Shape(String),
    /// A key would do two things in one place.
    #[error("keys: `{key}` would mean both `{first}` and `{second}` ({}); give one of them another key", context.title())]
    Conflict {
        /// The key.
        key: Key,
        /// Where.
        context: Context,
        /// One meaning.
        first: String,
        /// The other.
        second: String,
    },
    /// A character would not be typed any more.
    #[error("keys: `{key}` cannot be `{name}`: it is a character that is typed there")]
    Typed {
        /// The key.
        key: Key,
        /// Name of the row.
        name: String,
    },
    /// There is a place that no key leads out of.
    #[error("keys: no key is left for `{name}` ({})", context.title())]
    NoWayOut {
        /// Name of the row.
        name: String,
        /// Where.
        context: Context,
    },
}

fn meant(near: Option<&str>) -> String {
    near.map_or_else(
        || "; conntop's manual lists the names".to_owned(),
        |near| format!("; did you mean `{near}`?"),
    )
}

impl Rebinding {
    /// Keys for a row, by their names.
    ///
    /// # Errors
    /// No row or no key is called so.
    pub fn new<'a>(name: &str, keys: impl IntoIterator<Item = &'a str>) -> Result<Self, KeymapError> {
        let names = names();
        if !names.iter().any(|known| known == name) {
            let near = nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
            return Err(KeymapError::Unknown { name: name.to_owned(), near });
        }
        let key = |key: &str| {
            Key::parse(key).ok_or_else(|| KeymapError::NoKey { name: name.to_owned(), key: key.to_owned() })
        };
        let keys = keys.into_iter().map(key).collect::<Result<_, _>>()?;
        Ok(Self { name: name.to_owned(), keys })
    }
}

impl FromStr for Rebinding {
    type Err = KeymapError;

    /// Reads `quit=X F10`; `quit=` leaves it without a key.
    fn from_str(text: &str) -> Result<Self, KeymapError> {
        let wrong = || KeymapError::Shape(text.to_owned());
        let (name, keys) = text.split_once('=').ok_or_else(wrong)?;
        if name.trim().is_empty() {
            return Err(wrong());
        }
        Self::new(name.trim(), keys.split_whitespace())
    }
}

/// A row of the table with the keys it has here.
#[derive(Clone, Debug)]
struct Row {
    name: String,
    keys: Vec<Key>,
    binding: &'static Binding,
}

impl Row {
    fn is_in(&self, context: Context) -> bool {
        self.binding.contexts.contains(&context)
    }
}

/// Which key does what.
#[derive(Clone, Debug)]
pub struct Keymap {
    rows: Vec<Row>,
}

impl Default for Keymap {
    fn default() -> Self {
        Self { rows: rows(Scheme::Default) }
    }
}

/// One key in the footer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Name of the key.
    pub key: String,
    /// What it does, in a word.
    pub word: &'static str,
    /// What it does.
    pub action: Action,
}

/// One line of the help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HelpLine {
    /// Heading of a context.
    Title(&'static str),
    /// Names of keys and what they do.
    Keys(String, &'static str),
}

impl Keymap {
    /// The keys of a scheme with a person's own; of two settings for the same row the first counts.
    ///
    /// # Errors
    /// A key would have two meanings in one place, a character could not be typed any more, or there is
    /// a place that no key leads out of.
    pub fn new(scheme: Scheme, own: &[Rebinding]) -> Result<Self, KeymapError> {
        let mut map = Self { rows: rows(scheme) };
        for row in &mut map.rows {
            if let Some(wanted) = own.iter().find(|wanted| wanted.name == row.name) {
                row.keys.clone_from(&wanted.keys);
            }
        }
        map.check()?;
        Ok(map)
    }

    fn check(&self) -> Result<(), KeymapError> {
        for context in Context::ALL.iter().copied() {
            let mut meanings: Vec<(Key, &Row)> = Vec::new();
            for row in self.rows.iter().filter(|row| row.is_in(context)) {
                for key in row.keys.iter().copied() {
                    if context == Context::Prompt && key.typed().is_some() {
                        return Err(KeymapError::Typed { key, name: row.name.clone() });
                    }
                    if let Some((_, first)) = meanings.iter().find(|(other, _)| *other == key) {
                        let (first, second) = (first.name.clone(), row.name.clone());
                        return Err(KeymapError::Conflict { key, context, first, second });
                    }
                    meanings.push((key, row));
                }
            }
            let out = match context {
                Context::Flows | Context::Groups | Context::Tables => Action::Quit,
                _ => Action::Close,
            };
            if !meanings.iter().any(|(_, row)| row.binding.action == out) {
                let name = self.rows.iter().find(|row| row.binding.action == out && row.is_in(context));
                let name = name.map_or_else(String::new, |row| row.name.clone());
                return Err(KeymapError::NoWayOut { name, context });
            }
        }
        Ok(())
    }

    /// What a key means there; characters that mean nothing else are typed into a prompt.
    #[must_use]
    pub fn dispatch(&self, context: Context, key: Key) -> Option<Action> {
        self.rows
            .iter()
            .find(|row| row.is_in(context) && row.keys.contains(&key))
            .map(|row| row.binding.action.clone())
            .or_else(|| match context {
                Context::Prompt => key.typed().map(|ch| Action::Edit(Edit::Insert(ch))),
                _ => None,
            })
    }

    /// The name of the first key that does this there, for texts that name it.
    #[must_use]
    pub fn key_for(&self, context: Context, action: &Action) -> Option<String> {
        let row = |row: &&Row| row.is_in(context) && row.binding.action == *action && !row.keys.is_empty();
        self.rows.iter().find(row).and_then(|row| row.keys.first()).map(ToString::to_string)
    }

    /// Keys and words for the footer, in the order of their importance; what leads out is the last.
    #[must_use]
    pub fn footer(&self, context: Context) -> Vec<Hint> {
        let mut hints: Vec<Hint> = Vec::new();
        for row in self.rows.iter().filter(|row| row.is_in(context) && !row.binding.footer.is_empty()) {
            let word = row.binding.footer;
            let Some(key) = row.keys.first() else { continue };
            if !hints.iter().any(|hint| hint.word == word) {
                hints.push(Hint { key: key.to_string(), word, action: row.binding.action.clone() });
            }
        }
        hints.sort_by_key(|hint| matches!(hint.action, Action::Quit | Action::Close));
        hints
    }

    /// The help: each row once, under the first place that has it.
    #[must_use]
    pub fn help(&self) -> Vec<HelpLine> {
        let mut groups: BTreeMap<Context, Vec<HelpLine>> = BTreeMap::new();
        for row in &self.rows {
            let Some(first) = row.binding.contexts.first() else { continue };
            let line = HelpLine::Keys(joined(&row.keys), row.binding.help);
            groups.entry(*first).or_default().extend((!row.keys.is_empty()).then_some(line));
        }
        let groups = groups.into_iter().filter(|(_, lines)| !lines.is_empty());
        groups
            .flat_map(|(context, lines)| std::iter::once(HelpLine::Title(context.title())).chain(lines))
            .collect()
    }
}

fn joined(keys: &[Key]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn rows(scheme: Scheme) -> Vec<Row> {
    let row = |(name, binding): (String, &'static Binding)| Row {
        keys: scheme.keys(&name, binding),
        name,
        binding,
    };
    names().into_iter().zip(BINDINGS).map(row).collect()
}

/// The names of all rows, in their order.
fn names() -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(BINDINGS.len());
    for binding in BINDINGS {
        let action = slug(&binding.action);
        let place = binding.contexts.first().map_or_else(String::new, |context| slug(context));
        let name = if names.contains(&action) { format!("{place}-{action}") } else { action };
        names.push(name);
    }
    names
}

/// The words of a variant: `Move(PageUp)` is `move-page-up`.
fn slug(variant: &dyn fmt::Debug) -> String {
    let mut out = String::new();
    for ch in format!("{variant:?}").chars() {
        let begins =
            ch.is_ascii_uppercase() || (ch.is_ascii_digit() && !out.ends_with(|c: char| c.is_ascii_digit()));
        if begins && !out.is_empty() {
            out.push('-');
        }
        match ch {
            '-' => out.push_str("-minus"),
            _ if ch.is_ascii_alphanumeric() => out.push(ch.to_ascii_lowercase()),
            _ => {}
        }
    }
    out
}

/// `docs/manual/keys.md`.
#[must_use]
pub fn manual() -> String {
    let cell = |text: String| text.replace('|', "\\|");
    let keys = |row: &Row| {
        let keys: Vec<String> = row.keys.iter().map(|key| format!("`{key}`")).collect();
        cell(if keys.is_empty() { "none".to_owned() } else { keys.join(" ") })
    };
    let mut page = INTRODUCTION.to_owned();
    let map = Keymap::default();
    for context in Context::ALL {
        let of_context = |row: &&Row| row.binding.contexts.first() == Some(context);
        let mut rows = map.rows.iter().filter(of_context).peekable();
        if rows.peek().is_none() {
            continue;
        }
        page.push_str(&format!(
            "\n## {}\n\n| keys | name | what they do |\n|---|---|---|\n",
            context.title()
        ));
        for row in rows {
            page.push_str(&format!(
                "| {} | `{}` | {} |\n",
                keys(row),
                row.name,
                cell(row.binding.help.to_owned())
            ));
        }
    }
    page.push_str(CLASSIC_INTRODUCTION);
    for (name, key) in CLASSIC {
        let row = map.rows.iter().find(|row| row.name == *name);
        let help = row.map_or_else(String::new, |row| cell(row.binding.help.to_owned()));
        page.push_str(&format!("| `{key}` | `{name}` | {help} |\n"));
    }
    page
}

const INTRODUCTION: &str = "\
# Keys

<!-- Generated from the table of keys; a test fails when it drifts. -->

`?` shows the keys as they are in force, and `/` searches them there. Each function key has a letter beside it. \
What a row is listed under is the first place that has it; keys such as those for moving mean the same in \
all lists and texts.

Any row can have other keys, by its name, in the configuration file, as an option or in the environment:

    [keys]
    quit = [\"X\", \"F10\"]
    pause = \"P\"
    uplink = []  # no key

    --bind 'quit=X F10,pause=P,uplink='
    CONNTOP_BIND='quit=X F10,pause=P,uplink='

A setting replaces all keys of its row. Keys are written as the tables below write them: `q`, `G`, `Ctrl-C`, \
`Alt-x`, `F10`, `PgDn`, `Space`, `Comma`. conntop does not start, and says which they are, if two rows of one place \
have the same key, if a character could not be typed any more, or if no key would lead out of a place.
";

const CLASSIC_INTRODUCTION: &str = "
## Classic keys

With `--keys classic` (`CONNTOP_KEYS=classic`, `scheme = \"classic\"` in `[keys]`) the function keys are those of the \
old conntop; letters stay as they are, and so do `Enter`, `Esc`, `Space`, `F10` and `Ctrl-C`, which were the same.

| key | name | what it does |
|---|---|---|
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_names_of_their_own() {
        let names = names();
        for (index, name) in names.iter().enumerate() {
            assert!(!names[..index].contains(name), "{name} is there twice: {names:?}");
            assert!(
                name.chars().all(|ch| ch.is_ascii_lowercase() || ch.is_ascii_digit() || ch == '-'),
                "{name}"
            );
        }
        for (name, _) in CLASSIC {
            assert!(names.iter().any(|known| known == name), "{name}");
        }
    }

    #[test]
    fn manual_is_as_committed() {
        crate::flow::testing::check_page("keys.md", &manual());
    }
}
