//! Which columns are shown, and how wide. Widths depend on the terminal's width and the choice of
//! columns only, so nothing shifts while flows come and go.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::{Column, Width, find};

/// Blank columns between two columns.
const GAP: u16 = 1;

/// Whose flows are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Source and destination, NAT.
    #[default]
    Router,
    /// Local and remote end.
    Workstation,
}

/// What can be known of flows beside what the kernel says. Columns of what nobody can know take no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// Countries and who runs networks.
    pub places: bool,
    /// Processes.
    pub processes: bool,
    /// Whether there are several nodes, so that each row says whose it is.
    pub nodes: bool,
}

impl Offers {
    fn has(self, column: &str) -> bool {
        match column {
            "cc" | "org" => self.places,
            "process" | "pid" | "user" | "unit" => self.processes,
            _ => true,
        }
    }
}

/// A column of a default set with its width there.
type Set = &'static [(&'static str, u16)];

/// Default sets by the width of the terminal from which they hold.
const ROUTER: &[(u16, Set)] = &[
    (
        200,
        &[
            ("proto", 4),
            ("state", 5),
            ("flags", 2),
            ("src", 39),
            ("sport", 5),
            ("dst", 39),
            ("dport", 5),
            ("service", 8),
            ("nat", 21),
            ("cc", 2),
            ("org", 19),
            ("down", 6),
            ("up", 6),
            ("bytes", 6),
            ("packets", 6),
            ("age", 5),
            ("timeout", 6),
        ],
    ),
    (
        120,
        &[
            ("proto", 4),
            ("state", 5),
            ("flags", 2),
            ("src", 20),
            ("sport", 5),
            ("dst", 24),
            ("dport", 5),
            ("nat", 21),
            ("down", 6),
            ("up", 6),
            ("bytes", 6),
            ("age", 5),
        ],
    ),
    (
        0,
        &[
            ("proto", 4),
            ("state", 5),
            ("flags", 2),
            ("src", 15),
            ("dst", 23),
            ("dport", 5),
            ("down", 6),
            ("up", 6),
            ("bytes", 6),
        ],
    ),
];

const WORKSTATION: &[(u16, Set)] = &[
    (
        200,
        &[
            ("process", 18),
            ("pid", 7),
            ("user", 10),
            ("unit", 22),
            ("proto", 4),
            ("state", 5),
            ("dir", 1),
            ("local", 21),
            ("remote", 39),
            ("rport", 5),
            ("service", 8),
            ("cc", 2),
            ("org", 19),
            ("down", 6),
            ("up", 6),
            ("bytes", 6),
            ("age", 5),
        ],
    ),
    (
        120,
        &[
            ("process", 16),
            ("pid", 7),
            ("proto", 4),
            ("state", 5),
            ("dir", 1),
            ("remote", 29),
            ("rport", 5),
            ("cc", 2),
            ("org", 16),
            ("down", 6),
            ("up", 6),
            ("bytes", 6),
            ("age", 5),
        ],
    ),
    (
        0,
        &[
            ("process", 14),
            ("proto", 4),
            ("state", 5),
            ("dir", 1),
            ("remote", 25),
            ("rport", 5),
            ("down", 6),
            ("up", 6),
            ("bytes", 6),
        ],
    ),
];

/// A column with the width that it has on the screen.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    /// Column.
    pub column: &'static Column,
    /// Width.
    pub width: u16,
}

/// Widest column that can be asked for: more than any terminal shows of one.
const WIDEST: u16 = 500;

/// A column that somebody chose, `KEY` or `KEY:WIDTH`.
#[derive(Clone, Copy, Debug)]
pub struct Picked {
    /// Column.
    pub column: &'static Column,
    /// Its width; `None` when that is to suit the terminal.
    pub width: Option<u16>,
}

impl Picked {
    /// The same with another width, within what makes sense.
    #[must_use]
    pub fn wide(self, width: u16) -> Self {
        Self { width: Some(width.clamp(1, WIDEST)), ..self }
    }

    fn rule(&self) -> Width {
        match self.width {
            None => self.column.width,
            Some(ideal) => Width { least: ideal.min(self.column.width.least), ideal, share: 0 },
        }
    }
}

impl From<&'static Column> for Picked {
    fn from(column: &'static Column) -> Self {
        Self { column, width: None }
    }
}

impl PartialEq for Picked {
    fn eq(&self, other: &Self) -> bool {
        self.column.key == other.column.key && self.width == other.width
    }
}

impl fmt::Display for Picked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.width {
            None => f.write_str(self.column.key),
            Some(width) => write!(f, "{}:{width}", self.column.key),
        }
    }
}

/// What is wrong with a chosen column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PickError {
    /// No such column.
    #[error(transparent)]
    Column(#[from] super::UnknownColumn),
    /// Not a width.
    #[error("`{0}` is no width; write a number from 1 to {WIDEST}, as in src:30")]
    Width(String),
}

impl FromStr for Picked {
    type Err = PickError;

    fn from_str(text: &str) -> Result<Self, PickError> {
        let (key, width) = match text.trim().split_once(':') {
            Some((key, width)) => (key, Some(width)),
            None => (text.trim(), None),
        };
        let column = find(key)?;
        let Some(width) = width else { return Ok(column.into()) };
        match width.parse() {
            Ok(width @ 1..=WIDEST) => Ok(Self { column, width: Some(width) }),
            _ => Err(PickError::Width(width.to_owned())),
        }
    }
}

/// Columns from left to right.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// Columns; their widths and the gaps between them are the terminal's width at most.
    pub columns: Vec<Placed>,
}

impl Layout {
    /// The default columns in a terminal of that width.
    #[must_use]
    pub fn preset(preset: Preset, offers: Offers, terminal: u16) -> Self {
        let node = find("node").ok().filter(|_| offers.nodes);
        let node = node.map(|column| (column, Width { share: 0, ..column.width }));
        let mut wanted = Self::wanted(preset, terminal);
        wanted.retain(|(column, _)| offers.has(column.key));
        Self::arrange(node.into_iter().chain(wanted).collect(), terminal)
    }

    fn wanted(preset: Preset, terminal: u16) -> Vec<(&'static Column, Width)> {
        let sets = match preset {
            Preset::Router => ROUTER,
            Preset::Workstation => WORKSTATION,
        };
        let set = sets.iter().find(|(from, _)| terminal >= *from).map_or(&[][..], |(_, set)| *set);
        let wanted = set.iter().filter_map(|&(key, ideal)| {
            let column = find(key).ok()?;
            Some((column, Width { ideal, least: column.width.least.min(ideal), ..column.width }))
        });
        wanted.collect()
    }

    /// Chosen columns in a terminal of that width.
    #[must_use]
    pub fn of(columns: &[Picked], terminal: u16) -> Self {
        Self::arrange(columns.iter().map(|picked| (picked.column, picked.rule())).collect(), terminal)
    }

    /// Drops columns of low priority until the rest fits, then gives room: first up to the ideal
    /// widths in the order of priority, then the rest by shares.
    fn arrange(mut wanted: Vec<(&'static Column, Width)>, terminal: u16) -> Self {
        let needed = |wanted: &[(&Column, Width)]| {
            let sum = wanted.iter().fold(0_u16, |sum, (_, w)| sum.saturating_add(w.least + GAP));
            sum.saturating_sub(GAP)
        };
        while wanted.len() > 1 && needed(&wanted) > terminal {
            let places = wanted.iter().enumerate().rev();
            let Some((weakest, _)) = places.min_by_key(|(_, (c, _))| c.priority) else { break };
            wanted.remove(weakest);
        }
        let mut room = terminal.saturating_sub(needed(&wanted));
        let mut widths: Vec<u16> = wanted.iter().map(|(_, w)| w.least.min(terminal)).collect();

        let mut by_priority: Vec<usize> = (0..wanted.len()).collect();
        by_priority.sort_by_key(|&at| wanted.get(at).map(|(c, _)| std::cmp::Reverse(c.priority)));
        for at in by_priority {
            if let (Some(width), Some((_, rule))) = (widths.get_mut(at), wanted.get(at)) {
                let more = rule.ideal.saturating_sub(*width).min(room);
                *width += more;
                room -= more;
            }
        }

        let mut shares: u16 = wanted.iter().map(|(_, rule)| rule.share).sum();
        for (width, (_, rule)) in widths.iter_mut().zip(&wanted) {
            if rule.share > 0 {
                let more = room * rule.share / shares;
                *width += more;
                room -= more;
                shares -= rule.share;
            }
        }
        let columns = wanted.iter().zip(widths).map(|((column, _), width)| Placed { column, width });
        Self { columns: columns.collect() }
    }
}

/// Columns named in a list with commas.
///
/// # Errors
/// When one of them does not exist, or is to have no possible width.
pub fn parse_list(text: &str) -> Result<Vec<Picked>, PickError> {
    let keys = text.split(',').map(str::trim).filter(|key| !key.is_empty());
    keys.map(str::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::super::COLUMNS;
    use super::*;

    fn shown(layout: &Layout) -> String {
        let columns: Vec<String> =
            layout.columns.iter().map(|p| format!("{}{}", p.column.key, p.width)).collect();
        columns.join(" ")
    }

    const ALL: Offers = Offers { places: true, processes: true, nodes: false };
    const NONE: Offers = Offers { places: false, processes: false, nodes: false };

    fn check_preset(preset: Preset, offers: Offers, terminal: u16, wanted: &str) {
        assert_eq!(shown(&Layout::preset(preset, offers, terminal)), wanted, "{preset:?} {terminal}");
    }

    #[test]
    fn default_sets() {
        let check = |preset, terminal, wanted: &str| check_preset(preset, ALL, terminal, wanted);
        check(Preset::Router, 80, "proto4 state5 flags2 src15 dst23 dport5 down6 up6 bytes6");
        check(
            Preset::Router,
            120,
            "proto4 state5 flags2 src20 sport5 dst24 dport5 nat21 down6 up6 bytes6 age5",
        );
        check(
            Preset::Router,
            200,
            "proto4 state5 flags2 src39 sport5 dst39 dport5 service8 nat21 cc2 org19 down6 up6 bytes6 packets6 age5 timeout6",
        );
        check(Preset::Workstation, 80, "process14 proto4 state5 dir1 remote25 rport5 down6 up6 bytes6");
        check(
            Preset::Workstation,
            120,
            "process16 pid7 proto4 state5 dir1 remote29 rport5 cc2 org16 down6 up6 bytes6 age5",
        );
        check(
            Preset::Workstation,
            200,
            "process18 pid7 user10 unit22 proto4 state5 dir1 local21 remote39 rport5 service8 cc2 org19 down6 up6 bytes6 age5",
        );
        check(Preset::Router, 100, "proto4 state5 flags2 src25 dst33 dport5 down6 up6 bytes6");
        check(Preset::Router, 60, "proto4 state5 src15 dst13 dport5 down6 up6");
        check(Preset::Router, 40, "dst20 dport5 down6 up6");
        check(Preset::Router, 20, "dst13 down6");
        check(Preset::Router, 5, "dst5");
    }

    #[test]
    fn what_nobody_can_know_takes_no_room() {
        let check = |preset, terminal, wanted: &str| check_preset(preset, NONE, terminal, wanted);
        check(Preset::Workstation, 80, "proto4 state5 dir1 remote40 rport5 down6 up6 bytes6");
        check(Preset::Workstation, 40, "proto4 dir1 remote13 rport5 down6 up6");
    }

    #[test]
    fn default_sets_of_several_nodes() {
        let nodes = Offers { nodes: true, ..NONE };
        let check = |preset, terminal, wanted: &str| check_preset(preset, nodes, terminal, wanted);
        check(Preset::Router, 80, "node9 proto4 state5 flags2 src15 dst13 dport5 down6 up6 bytes6");
        check(
            Preset::Router,
            120,
            "node9 proto4 state5 flags2 src16 sport5 dst24 dport5 nat15 down6 up6 bytes6 age5",
        );
        check(Preset::Workstation, 80, "node13 proto4 state5 dir1 remote26 rport5 down6 up6 bytes6");
        check(Preset::Router, 40, "dst20 dport5 down6 up6");
    }

    #[test]
    fn every_width_is_used_and_none_exceeded() {
        for (preset, offers) in
            [Preset::Router, Preset::Workstation].into_iter().flat_map(|p| [(p, ALL), (p, NONE)])
        {
            for terminal in 1..300 {
                let layout = Layout::preset(preset, offers, terminal);
                let gaps = u16::try_from(layout.columns.len()).unwrap() - 1;
                let used: u16 = layout.columns.iter().map(|p| p.width).sum::<u16>() + gaps;
                assert_eq!(used, terminal, "{preset:?} {}", shown(&layout));
            }
        }
    }

    #[test]
    fn chosen_columns_share_the_room() {
        let check = |list: &str, terminal, wanted: &str| {
            assert_eq!(shown(&Layout::of(&parse_list(list).unwrap(), terminal)), wanted, "{list}");
        };
        check("src, dst,total", 60, "src26 dst26 bytes6");
        check("id,zone", 60, "id8 zone5");
        check("flags,mark,src", 22, "flags2 src19");
        check("src:4,dst,total:9", 60, "src4 dst45 bytes9");
        check("src:40,dst:40", 50, "src15 dst34");
        for text in ["src:30,dst", "down"] {
            let list: Vec<String> = parse_list(text).unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(list.join(","), text);
        }
        for text in ["src:0", "src:", "src:x", "src:501", "src:-1"] {
            assert!(parse_list(text).unwrap_err().to_string().contains("is no width"), "{text}");
        }
        assert_eq!(parse_list("src,dts").unwrap_err().to_string(), "no column `dts`; did you mean `dst`?");
    }

    #[test]
    fn the_table_is_sound() {
        for (at, column) in COLUMNS.iter().enumerate() {
            let names = COLUMNS.iter().flat_map(|c| c.aliases.iter().chain([&c.key]));
            for name in column.aliases.iter().chain([&column.key]) {
                assert_eq!(names.clone().filter(|n| *n == name).count(), 1, "{name}");
            }
            assert!(!column.key.is_empty() && !column.help.is_empty(), "column {at}");
            assert!(super::super::width(column.header) <= column.width.ideal, "{}", column.key);
            assert!(column.width.least <= column.width.ideal, "{}", column.key);
        }
    }
}
