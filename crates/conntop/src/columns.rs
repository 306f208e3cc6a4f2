//! THE table of columns. Cells, sorting, JSON, default sets, the sort menu and the manual all come
//! from it; to add a column is to add one entry of [`COLUMNS`].
//!
//! A column gives a [`Value`]; its kind decides how it is shown, sorted and written as JSON. Cells
//! are texts with a [`Role`], never styles.

mod layout;
mod manual;
mod table;
mod text;
mod value;
mod words;

#[cfg(test)]
mod tests;

use crate::flow::FlowView;
use crate::orient::Orientation;
use crate::units::RateUnit;

pub use self::layout::{Layout, Offers, PickError, Picked, Placed, Preset, parse_list};
pub use self::manual::manual;
pub use self::table::COLUMNS;
pub use self::text::{fit, width};
pub use self::value::{FlowFlags, Offload, Value};
pub use self::words::{STATES, STATUSES, StateWords, end_reason, state_long, state_rank, state_short};

/// How to show values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Look {
    /// Unit of rates.
    pub unit: RateUnit,
    /// Whether only ASCII may be shown.
    pub ascii: bool,
    /// Whether hosts are shown by their names, where these are known.
    pub names: bool,
    /// Whether ports are shown by what they serve, where that has a name that fits.
    pub services: bool,
    /// From whose side directions are told.
    pub orientation: Orientation,
}

/// What a cell's text means; themes give colours to roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Nothing special.
    #[default]
    Text,
    /// Zero, not there, or not known.
    Quiet,
    /// An address that is nowhere in the world.
    Special,
    /// The flow begins.
    Opening,
    /// The flow ends.
    Ending,
    /// Something is wrong with it.
    Warning,
}

/// Text and meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Text without control characters, as wide as the column at most.
    pub text: String,
    /// Meaning.
    pub role: Role,
}

/// Where a cell's text stands in its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// At the left.
    Left,
    /// At the right: numbers.
    Right,
}

/// What a text that is too long loses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Its right end.
    End,
    /// Its middle: addresses.
    Middle,
    /// Its left end: names of hosts.
    Start,
}

/// Direction of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

impl Order {
    /// The other one.
    #[must_use]
    pub fn inverse(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }
}

/// How wide a column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    /// Narrower, it says nothing.
    pub least: u16,
    /// What it wants.
    pub ideal: u16,
    /// Its share of room that is left over, 0 for none.
    pub share: u16,
}

/// A column.
#[derive(Debug)]
pub struct Column {
    /// Name in options, settings and JSON.
    pub key: &'static str,
    /// Other names for it in options.
    pub aliases: &'static [&'static str],
    /// Name in JSON, where it differs because the unit is part of it.
    pub json: Option<&'static str>,
    /// Heading; as wide as the narrowest column that is shown by default.
    pub header: &'static str,
    /// Heading where directions are told from who opened the connection; empty when it is the same.
    pub by_initiator: &'static str,
    /// Width.
    pub width: Width,
    /// Columns with low priority give way first in a narrow terminal.
    pub priority: u8,
    /// Alignment.
    pub align: Align,
    /// What a long text loses.
    pub cut: Cut,
    /// Usual direction of sorting.
    pub order: Order,
    /// The value of a flow.
    pub value: for<'a> fn(&FlowView<'a>) -> Value<'a>,
    /// The filter field that tests it.
    pub field: Option<&'static str>,
    /// What it is, in a line.
    pub help: &'static str,
}

impl Column {
    /// Heading.
    #[must_use]
    pub fn heading(&self, orientation: Orientation) -> &'static str {
        match orientation {
            Orientation::Initiator if !self.by_initiator.is_empty() => self.by_initiator,
            Orientation::Initiator | Orientation::Local => self.header,
        }
    }

    /// The cell of a flow in a column of that width.
    #[must_use]
    pub fn cell(&self, view: &FlowView<'_>, width: u16, look: Look) -> Cell {
        let value = (self.value)(view);
        let (text, cut) = match self.in_words(value, view, width, look) {
            // `n…` says nothing.
            None if value == Value::Unknown && width < 3 => ("?".to_owned(), self.cut),
            Some((name, cut)) => (name.to_owned(), cut),
            None => (value.text(look), self.cut),
        };
        Cell { text: fit(&text, width, cut, look.ascii), role: value.role() }
    }

    /// The name of a host or port, if it is to be shown.
    fn in_words<'a>(
        &self,
        value: Value<'a>,
        view: &FlowView<'a>,
        width: u16,
        look: Look,
    ) -> Option<(&'a str, Cut)> {
        match value {
            Value::Address(address) if look.names => view.name(address).map(|name| (name, Cut::Start)),
            Value::Port(port) if look.services => {
                let name = view.known.service(view.orig().proto, port)?;
                (self::width(name) <= width).then_some((name, Cut::End))
            }
            _ => None,
        }
    }

    /// The raw value of a flow: numbers in base units, what is unknown or not there as null.
    #[must_use]
    pub fn json(&self, view: &FlowView<'_>) -> serde_json::Value {
        (self.value)(view).json()
    }

    /// Name of the raw value in JSON.
    #[must_use]
    pub fn json_key(&self) -> &'static str {
        self.json.unwrap_or(self.key)
    }
}

/// There is no such column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no column `{key}`; {hint}")]
pub struct UnknownColumn {
    /// What was asked for.
    pub key: String,
    hint: String,
}

/// The column of that key or alias.
///
/// # Errors
/// When there is none; the error says what may have been meant.
pub fn find(key: &str) -> Result<&'static Column, UnknownColumn> {
    let named = |c: &&Column| c.key.eq_ignore_ascii_case(key) || c.aliases.contains(&key);
    COLUMNS.iter().find(named).ok_or_else(|| {
        let hint = match nearest(key, COLUMNS.iter().map(|c| c.key)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`conntop --help` lists them".to_owned(),
        };
        UnknownColumn { key: key.to_owned(), hint }
    })
}

/// The word that was probably meant: at most two letters (one in short words) are wrong.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let most = if word.len() <= 4 { 1 } else { 2 };
    let near = known.map(|k| (distance(&word, &k.to_ascii_lowercase()), k));
    near.filter(|(d, k)| *d <= most && *d < k.len()).min_by_key(|(d, _)| *d).map(|(_, k)| k)
}

/// Letters to insert, remove, replace or swap with their neighbour until `a` is `b`.
fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let replaced = at(&row, j) + usize::from(ca != cb);
            let mut best = replaced.min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(cb) && b.get(j - 1) == Some(ca);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(usize::MAX)
}
