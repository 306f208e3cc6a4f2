//! Cells of groups and of the flows under them.

use std::sync::Arc;

use super::is_sorted;
use super::lines::is_of_groups;
use crate::columns::{self, Cut, Order, Picked, fit};
use crate::flow::FlowKey;
use crate::groups::columns::Shown;
use crate::groups::part::{Kept, Part};
use crate::groups::{Figure, Group, GroupSort, Groups, Tally, words};
use crate::tui::app::boards::Scene;
use crate::tui::app::listing::{Ask, headings};
use crate::tui::screen::{Align, Column, Order as Mark, Row, Span};
use crate::tui::theme::Role;

/// Columns by which flows are set off from their group: a blank, and the gap behind it.
const INDENT: u16 = 2;
/// Columns of a percentage.
const PERCENT: u16 = 4;

/// Makes the cells of one screen.
pub(super) struct Cells<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) placed: &'a [(Shown, u16)],
    pub(super) sort: GroupSort,
}

impl Cells<'_> {
    fn look(&self) -> columns::Look {
        let ask = self.scene.ask;
        let orientation = self.scene.nodes.orientation();
        columns::Look { unit: ask.unit, ascii: false, names: ask.names, services: ask.services, orientation }
    }

    pub(super) fn headings(&self) -> Vec<Column> {
        self.placed.iter().map(|(shown, width)| self.heading(*shown, *width)).collect()
    }

    /// What was seen is more than what is known of it, once something is forgotten.
    pub(super) fn forgets(columns: &mut [Column]) {
        for column in columns.iter_mut().filter(|column| column.key.starts_with("seen")) {
            column.title.insert(0, '>');
        }
    }

    fn heading(&self, shown: Shown, width: u16) -> Column {
        let (key, title, align) = match shown {
            Shown::Key(_, key) => (key.key, key.header, Align::Left),
            Shown::Figure(column) => {
                (column.key, column.heading(self.scene.nodes.orientation()), Align::Right)
            }
            Shown::Share => ("share", "SHARE", Align::Right),
        };
        let sorted = is_sorted(self.sort, shown).then_some(match self.sort.order {
            Order::Ascending => Mark::Ascending,
            Order::Descending => Mark::Descending,
        });
        Column { key, title: title.to_owned(), width, align, sorted }
    }

    /// The line that counts each flow once.
    pub(super) fn total(&self, groups: &Groups) -> Row {
        let word = if groups.overlap() { "total, shares overlap" } else { "total" };
        let name = |at: usize, width| match at {
            0 => Span::new(fit(word, width, Cut::End, false), Role::Label),
            _ => Span::default(),
        };
        let mut row = self.row(groups, groups.total(), &name);
        for cell in &mut row.cells {
            cell.role = Role::Label;
        }
        row
    }

    pub(super) fn group(&self, groups: &Groups, group: &Group, open: bool) -> Row {
        let name = |at: usize, width| {
            let Some(part) = group.parts().get(at) else { return Span::default() };
            let mut span = self.name(group, at, part, width);
            if open {
                span.role = Role::Accent;
            }
            span
        };
        Row { ghost: group.is_over(), ..self.row(groups, &group.tally, &name) }
    }

    fn row(&self, groups: &Groups, tally: &Tally, name: &dyn Fn(usize, u16) -> Span) -> Row {
        let look = self.look();
        let cell = |(shown, width): &(Shown, u16)| match shown {
            Shown::Key(at, _) => name(*at, *width),
            Shown::Figure(column) => {
                let figure = (column.figure)(tally);
                let quiet = matches!(figure, Figure::Unknown) || figure.number() == Some(0);
                Span::new(figure.text(look), if quiet { Role::Dim } else { Role::Text })
            }
            Shown::Share => Span::new(share(groups.share(tally), *width), Role::Label),
        };
        Row { cells: self.placed.iter().map(cell).collect(), ..Row::default() }
    }

    fn name(&self, group: &Group, at: usize, part: &Kept, width: u16) -> Span {
        let named = match part {
            Part::Address(address) if self.scene.ask.names => {
                self.scene.nodes.enricher().name(group.node, *address)
            }
            _ => None,
        };
        if let Some(name) = named {
            return Span::new(fit(name.text, width, Cut::Start, false), Role::Text);
        }
        let cut =
            match self.placed.iter().find(|(shown, _)| matches!(shown, Shown::Key(own, _) if *own == at)) {
                Some((Shown::Key(_, key), _)) => key.cut,
                _ => Cut::End,
            };
        let role = if part.is_value() { Role::Text } else { Role::Dim };
        Span::new(fit(&words(part), width, cut, false), role)
    }

    /// The columns before the rates belong to what tells flows apart.
    fn split(&self) -> usize {
        let rate = |shown: &Shown| match shown {
            Shown::Figure(column) => matches!(column.key, "down" | "up" | "rate"),
            _ => false,
        };
        self.placed.iter().position(|(shown, _)| rate(shown)).unwrap_or(self.placed.len())
    }

    /// Room for what tells flows apart.
    pub(super) fn room_of_flows(&self) -> u16 {
        let before = self.placed.get(..self.split()).unwrap_or(&[]);
        let used = before.iter().fold(0_u16, |sum, (_, width)| sum.saturating_add(width + 1));
        used.saturating_sub(1).saturating_sub(INDENT).max(1)
    }

    /// What tells flows apart: the columns of the screen of flows, those apart that all have in common
    /// or that groups have, too.
    pub(super) fn columns_of_flows(&self, ask: &Ask) -> Vec<Picked> {
        let common = |key: &str| {
            self.placed.iter().any(|(shown, _)| matches!(shown, Shown::Key(_, own) if own.key == key))
        };
        // Of flows of one end, the other end is what matters.
        let other: Option<&[&str]> = match (common("local"), common("remote")) {
            (true, false) => Some(&["dir", "remote", "rport"]),
            (false, true) => Some(&["dir", "local", "rport"]),
            _ => None,
        };
        let all = ask.layout().columns.into_iter().map(|placed| placed.column);
        let mut apart: Vec<&'static columns::Column> =
            all.filter(|column| !is_of_groups(column) && !common(column.key)).collect();
        if let Some(other) = other {
            let ends = ["dir", "src", "sport", "dst", "dport", "local", "lport", "remote", "rport"];
            let at = apart.iter().position(|column| ends.contains(&column.key)).unwrap_or(apart.len());
            apart.retain(|column| !ends.contains(&column.key));
            let at = at.min(apart.len());
            apart.splice(at..at, other.iter().filter_map(|key| columns::find(key).ok()));
        }
        apart.into_iter().map(Picked::from).collect()
    }

    /// The row of a flow, its rates below those of the groups.
    pub(super) fn flow(&self, ask: &Ask, key: FlowKey, row: Row) -> Row {
        let behind = self.placed.get(self.split()..).unwrap_or(&[]);
        let indent = Column { width: INDENT - 1, ..Column::default() };
        let mut own: Vec<Column> =
            [indent].into_iter().chain(headings(ask, self.scene.nodes.orientation())).collect();
        let used = own.iter().fold(0_u16, |sum, column| sum.saturating_add(column.width + 1));
        let wanted = self.room_of_flows() + INDENT + 1;
        if let Some(last) = own.last_mut() {
            // Rates stand where those of the groups do.
            last.width += wanted.saturating_sub(used);
        }
        let mut cells = vec![Span::default()];
        cells.extend(row.cells);
        own.extend(behind.iter().map(|(shown, width)| self.heading(*shown, *width)));
        cells.extend(behind.iter().map(|(shown, width)| self.figure(*shown, *width, key)));
        Row { cells, columns: Some(Arc::from(own)), ..row }
    }

    fn figure(&self, shown: Shown, width: u16, key: FlowKey) -> Span {
        let Shown::Figure(column) = shown else { return Span::default() };
        let Ok(column) = columns::find(column.key) else { return Span::default() };
        let sources = self.scene.nodes.sources(&self.scene.ask.now);
        let view = sources.get(usize::from(key.node().0)).and_then(|source| source.look_at(key.id()));
        let Some(view) = view else { return Span::default() };
        let cell = column.cell(&view, width, self.look());
        let role = if cell.role == columns::Role::Quiet { Role::Dim } else { Role::Text };
        Span::new(cell.text, role)
    }
}

/// A bar and a percentage.
fn share(share: Option<u64>, width: u16) -> String {
    let Some(share) = share else { return String::new() };
    let percent = match share {
        0 | 100.. => format!("{:>4}", format!("{}%", share / 10)),
        _ => format!("{}.{}%", share / 10, share % 10),
    };
    let room = u64::from(width.saturating_sub(PERCENT + 1));
    let filled = (share.min(1000) * room).div_ceil(1000).min(room);
    let filled = usize::try_from(if share == 0 { 0 } else { filled }).unwrap_or(0);
    let free = usize::try_from(room).unwrap_or(0).saturating_sub(filled);
    format!("{}{} {percent}", "█".repeat(filled), " ".repeat(free))
}
