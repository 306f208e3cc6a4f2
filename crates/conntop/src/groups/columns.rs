//! THE table of columns of groups. Cells, orders, JSON, widths and the manual come from it; to add a
//! column is to add one entry of [`COLUMNS`].

use serde_json::json;

use super::key::{self, GroupKey};
use super::tally::Tally;
use super::{Grouping, nearest_of};
use crate::columns::{self, Look, Order};
use crate::orient::Orientation;
use crate::units;

/// What a column says about a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Nobody knows it.
    Unknown,
    /// Flows.
    Count(u64),
    /// Thousandths of flows per second.
    PerSecond(u64),
    /// Bytes per second.
    Rate(u64),
    /// Bytes.
    Bytes(u64),
}

impl Figure {
    /// As a cell shows it.
    #[must_use]
    pub fn text(self, look: Look) -> String {
        match self {
            Self::Unknown => "n/a".to_owned(),
            Self::Count(count) => units::count_short(count),
            Self::PerSecond(0) => "0".to_owned(),
            Self::PerSecond(milli @ ..10_000) => format!("{}.{}", milli / 1000, milli % 1000 / 100),
            Self::PerSecond(milli) => units::count_short(milli / 1000),
            Self::Rate(rate) => units::rate(rate, look.unit),
            Self::Bytes(bytes) => units::bytes_short(bytes),
        }
    }

    /// Raw, in base units.
    #[must_use]
    pub fn json(self) -> serde_json::Value {
        match self {
            Self::Unknown => json!(null),
            Self::Count(n) | Self::Rate(n) | Self::Bytes(n) => json!(n),
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            Self::PerSecond(milli) => json!(milli as f64 / 1000.0),
        }
    }

    /// The number, if it is known.
    #[must_use]
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Unknown => None,
            Self::Count(n) | Self::PerSecond(n) | Self::Rate(n) | Self::Bytes(n) => Some(n),
        }
    }
}

/// A column.
#[derive(Debug)]
pub struct GroupColumn {
    /// Name in options and JSON.
    pub key: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// Name in JSON, where it differs because the unit is part of it.
    pub json: Option<&'static str>,
    /// Heading.
    pub header: &'static str,
    /// Width.
    pub width: u16,
    /// Columns of the lowest priority give way first in a narrow terminal.
    pub priority: u8,
    /// What it says of a group.
    pub figure: fn(&Tally) -> Figure,
    /// What it is, in a line.
    pub help: &'static str,
}

impl GroupColumn {
    /// Heading, as flows have it when directions are told from another side.
    #[must_use]
    pub fn heading(&self, orientation: Orientation) -> &'static str {
        match (orientation, columns::find(self.key)) {
            (Orientation::Initiator, Ok(column)) => column.heading(orientation),
            _ => self.header,
        }
    }

    /// Name of the raw value in JSON.
    #[must_use]
    pub fn json_key(&self) -> &'static str {
        self.json.unwrap_or(self.key)
    }
}

fn rate(tally: &Tally, rate: u64) -> Figure {
    // Without flows there is nothing unknown.
    if tally.rated == 0 && tally.flows > 0 { Figure::Unknown } else { Figure::Rate(rate) }
}

fn seen(tally: &Tally, bytes: u64) -> Figure {
    if tally.counted == 0 { Figure::Unknown } else { Figure::Bytes(bytes) }
}

/// Every column there is, beside those of the keys and the share.
pub static COLUMNS: &[GroupColumn] = &[
    GroupColumn {
        key: "flows",
        aliases: &[],
        json: None,
        header: "FLOWS",
        width: 6,
        priority: 80,
        figure: |t| Figure::Count(t.flows.into()),
        help: "flows in the table",
    },
    GroupColumn {
        key: "begun",
        aliases: &["+flows", "added"],
        json: None,
        header: "+FLOWS",
        width: 6,
        priority: 45,
        figure: |t| Figure::Count(t.begun.into()),
        help: "flows that began since conntop did, or since the mark, ended ones too",
    },
    GroupColumn {
        key: "new",
        aliases: &["new/s"],
        json: Some("new_per_s"),
        header: "NEW/S",
        width: 5,
        priority: 50,
        figure: |t| Figure::PerSecond(t.pace.into()),
        help: "flows that began per second, over the last 5 s at most",
    },
    GroupColumn {
        key: "down",
        aliases: &[],
        json: Some("down_Bps"),
        header: "DOWN",
        width: 6,
        priority: 86,
        figure: |t| rate(t, t.down),
        help: "rate towards the local ends; of internal and transit flows, towards who opened them",
    },
    GroupColumn {
        key: "up",
        aliases: &[],
        json: Some("up_Bps"),
        header: "UP",
        width: 6,
        priority: 85,
        figure: |t| rate(t, t.up),
        help: "rate from the local ends; of internal and transit flows, from who opened them",
    },
    GroupColumn {
        key: "rate",
        aliases: &[],
        json: Some("rate_Bps"),
        header: "RATE",
        width: 6,
        priority: 90,
        figure: |t| rate(t, t.down.saturating_add(t.up)),
        help: "rate of both directions",
    },
    GroupColumn {
        key: "seen_down",
        aliases: &[],
        json: None,
        header: "S-DOWN",
        width: 6,
        priority: 30,
        figure: |t| seen(t, t.seen_down),
        help: "bytes towards the local ends since conntop began, or since the mark, of ended flows too",
    },
    GroupColumn {
        key: "seen_up",
        aliases: &[],
        json: None,
        header: "S-UP",
        width: 6,
        priority: 30,
        figure: |t| seen(t, t.seen_up),
        help: "the same from the local ends",
    },
    GroupColumn {
        key: "seen",
        aliases: &[],
        json: None,
        header: "SEEN",
        width: 6,
        priority: 70,
        figure: |t| seen(t, t.seen_down.saturating_add(t.seen_up)),
        help: "the same of both directions",
    },
];

/// By what groups are ordered.
#[derive(Clone, Copy, Debug)]
pub enum By {
    /// By what names them.
    Name,
    /// By a column.
    Column(&'static GroupColumn),
}

/// Order of groups.
#[derive(Clone, Copy, Debug)]
pub struct GroupSort {
    /// What decides.
    pub by: By,
    /// Direction.
    pub order: Order,
}

impl PartialEq for GroupSort {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key() && self.order == other.order
    }
}

impl Default for GroupSort {
    /// Those that transfer most at the moment first.
    fn default() -> Self {
        let rate = COLUMNS.iter().find(|column| column.key == "rate");
        rate.map_or(Self { by: By::Name, order: Order::Ascending }, Self::by)
    }
}

/// What is wrong with the text of an order of groups.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupSortError {
    /// No such column.
    #[error("groups have no column `{key}`; {hint}")]
    Column {
        /// What was asked for.
        key: String,
        /// What may have been meant.
        hint: String,
    },
    /// Not a direction.
    #[error("`{0}` is no direction; write asc or desc")]
    Order(String),
}

impl GroupSort {
    /// By that column, the largest first.
    #[must_use]
    pub fn by(column: &'static GroupColumn) -> Self {
        Self { by: By::Column(column), order: Order::Descending }
    }

    /// By what names the groups.
    #[must_use]
    pub fn by_name() -> Self {
        Self { by: By::Name, order: Order::Ascending }
    }

    /// Name of the column; `name` stands for the keys.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self.by {
            By::Name => NAME,
            By::Column(column) => column.key,
        }
    }

    /// Reads `COLUMN`, `COLUMN:asc` or `COLUMN:desc`; a key of the grouping is a column.
    ///
    /// # Errors
    /// When there is no such column or direction.
    pub fn parse(text: &str, grouping: &Grouping) -> Result<Self, GroupSortError> {
        let (key, order) = text.split_once(':').map_or((text, None), |(key, order)| (key, Some(order)));
        let column = COLUMNS.iter().find(|c| c.key == key || c.aliases.contains(&key));
        let mut sort = match column {
            Some(column) => Self::by(column),
            None if key == NAME => Self::by_name(),
            None if key::find(key).is_ok_and(|key| grouping.has(key)) => Self::by_name(),
            None => {
                let names = || COLUMNS.iter().map(|c| c.key).chain(grouping.keys().map(|k| k.key));
                return Err(GroupSortError::Column { key: key.to_owned(), hint: nearest_of(key, names) });
            }
        };
        match order {
            None => {}
            Some("asc") => sort.order = Order::Ascending,
            Some("desc") => sort.order = Order::Descending,
            Some(other) => return Err(GroupSortError::Order(other.to_owned())),
        }
        Ok(sort)
    }
}

/// Key of the order by name.
pub const NAME: &str = "name";

/// A column of groups on a screen.
#[derive(Clone, Copy, Debug)]
pub enum Shown {
    /// Values of the first or second key.
    Key(usize, &'static GroupKey),
    /// A figure.
    Figure(&'static GroupColumn),
    /// The share of the whole.
    Share,
}

/// Widths of the share, of which four are the number.
const SHARE: (u16, u16) = (8, 24);
/// Keys that want so many columns may be called by names of hosts.
const NAMED: u16 = 24;
/// Widest name, and widest share.
const LONGEST: u16 = 45;
/// Columns that a name has at least beside a number.
const NARROWEST: u16 = 10;
/// Priority of the share and of the keys.
const SHARE_PRIORITY: u8 = 60;
const KEY_PRIORITY: u8 = 100;

/// Columns that fit a terminal of that width, with their widths: first all down to what each needs,
/// then room for the keys, then for the share.
#[must_use]
pub fn layout(grouping: &Grouping, sort: GroupSort, terminal: u16) -> Vec<(Shown, u16)> {
    let mut wanted: Vec<(Shown, u16, u16, u8)> = Vec::new();
    for (at, key) in grouping.keys().enumerate() {
        let (least, ideal) = key.width;
        wanted.push((Shown::Key(at, key), least, ideal, KEY_PRIORITY));
    }
    // What groups are ordered by is seen before anything else is.
    let priority = |column: &GroupColumn| match column.key == sort.key() {
        true => KEY_PRIORITY - 1,
        false => column.priority,
    };
    for column in COLUMNS {
        wanted.push((Shown::Figure(column), column.width, column.width, priority(column)));
    }
    wanted.push((Shown::Share, SHARE.0, SHARE.1, SHARE_PRIORITY));
    let needed = |wanted: &[(Shown, u16, u16, u8)]| {
        wanted.iter().fold(0_u16, |sum, (_, least, ..)| sum.saturating_add(least + 1)).saturating_sub(1)
    };
    while needed(&wanted) > terminal {
        let Some(weakest) = wanted.iter().map(|(.., priority)| *priority).min() else { break };
        if weakest == KEY_PRIORITY {
            break;
        }
        wanted.retain(|(.., priority)| *priority != weakest);
    }
    let last = COLUMNS.iter().max_by_key(|column| priority(column));
    if let ([(Shown::Key(..), least, ..)], Some(column)) = (wanted.as_mut_slice(), last) {
        // A name without a number says less than half a name.
        let beside = terminal.saturating_sub(column.width + 1);
        if beside >= NARROWEST {
            *least = (*least).min(beside);
            wanted.push((Shown::Figure(column), column.width, column.width, column.priority));
        }
    }
    let mut room = terminal.saturating_sub(needed(&wanted));
    let mut placed: Vec<(Shown, u16)> =
        wanted.iter().map(|(shown, least, ..)| (*shown, (*least).min(terminal))).collect();
    for ((_, width), (_, _, ideal, _)) in placed.iter_mut().zip(&wanted) {
        let more = ideal.saturating_sub(*width).min(room);
        *width += more;
        room -= more;
    }
    // Names of hosts are long; but numbers far from their names are hard to read.
    for (shown, width) in &mut placed {
        let most = match shown {
            Shown::Key(_, key) if key.width.1 >= NAMED => LONGEST,
            Shown::Share => LONGEST,
            Shown::Key(..) | Shown::Figure(_) => continue,
        };
        let more = most.saturating_sub(*width).min(room);
        *width += more;
        room -= more;
    }
    placed
}
