//! Groups of flows. One of them may be open: its flows stand under it, in the order of the screen of
//! flows, with as many of its columns as fit where groups have their names.

mod cells;
mod lines;

use std::net::IpAddr;

use self::cells::Cells;
use self::lines::{Line, Lines, Unfolded};
use super::{Board, Chosen, Reorder, Scene, Visible};
use crate::filter::{Expr, Filter};
use crate::flow::{FlowKey, Source};
use crate::groups::columns::{Shown, layout};
use crate::groups::part::Part;
use crate::groups::{self, By, GroupSort, Grouping, words};
use crate::nodes::Nodes;
use crate::tui::action::Motion;
use crate::tui::app::cursor::Cursor;
use crate::tui::screen::Table;
use crate::view::Totals;

/// Lines from which on the total stands above the groups.
const TOTAL_FROM: usize = 3;

/// Groups of flows.
#[derive(Default)]
pub(crate) struct Groups {
    model: groups::Groups,
    grouping: Grouping,
    sort: GroupSort,
    unfolded: Option<Unfolded>,
    cursor: Cursor<Line>,
    /// What stands on the screen, by its columns.
    shown: Vec<Shown>,
    visible: Visible,
}

impl Groups {
    pub(crate) fn new(grouping: Grouping, sort: GroupSort) -> Self {
        Self { grouping, sort, ..Self::default() }
    }

    pub(crate) fn grouping(&self) -> Grouping {
        self.grouping
    }

    pub(crate) fn sort(&self) -> GroupSort {
        self.sort
    }

    /// Groups by other keys.
    pub(crate) fn regroup(&mut self, grouping: Grouping) {
        if grouping != self.grouping {
            self.grouping = grouping;
            self.unfolded = None;
            self.cursor.release();
        }
    }

    pub(crate) fn sort_by(&mut self, sort: GroupSort) {
        self.sort = sort;
    }

    pub(crate) fn answers(&self, filter: Option<&Filter>, hide_local: bool) -> bool {
        self.model.answers(filter, hide_local)
    }

    pub(crate) fn totals(&self) -> &Totals {
        self.model.totals()
    }

    /// The flow that is selected, if it is one.
    pub(crate) fn selected_flow(&self) -> Option<FlowKey> {
        match self.cursor.selected {
            Some(Line::Flow(key)) => Some(key),
            _ => None,
        }
    }

    /// What the selected group has, in words, and what finds it; `None` when no group is selected.
    pub(crate) fn selected_group(&mut self, nodes: &Nodes) -> Option<Vec<(String, Expr)>> {
        self.select_any();
        let Some(Line::Group(id)) = self.cursor.selected else { return None };
        let (group, grouping) = (self.model.get(id)?, self.model.grouping()?);
        let line = |(key, part): (&'static groups::GroupKey, &groups::part::Kept)| {
            let named = match part {
                Part::Address(address) => nodes.enricher().name(group.node, *address),
                _ => None,
            };
            let name = named.map(|name| format!(" ({})", name.text)).unwrap_or_default();
            Some((format!("{:<9} {}{name}", key.key, words(part)), key.only(part)?))
        };
        let mut found: Vec<_> = grouping.keys().zip(group.parts()).filter_map(line).collect();
        if grouping.second.is_some()
            && let Some(both) = grouping.only(group)
        {
            found.insert(0, ("both".to_owned(), both));
        }
        Some(found)
    }

    /// Opens the selected group, unless it is.
    pub(crate) fn open(&mut self) {
        self.select_any();
        let Some(Line::Group(id)) = self.cursor.selected else { return };
        if self.unfolded.as_ref().is_some_and(|unfolded| unfolded.id == id) {
            return;
        }
        let only = self.model.get(id).and_then(|group| self.model.grouping()?.only(group));
        self.unfolded = only.map(|only| Unfolded::new(id, only));
    }

    /// Selects the flow above or below the selected one, if there is one.
    pub(crate) fn flow_beside(&mut self, motion: Motion, height: usize) -> Option<FlowKey> {
        let before = self.cursor;
        self.step(motion, height);
        let flow = self.selected_flow();
        if flow.is_none() {
            self.cursor = before;
        }
        flow
    }

    /// Keys that ask for a row take the first, unless one is selected.
    fn select_any(&mut self) {
        if self.cursor.selected.is_none() {
            let mut lines = Lines::of(&mut self.model, self.unfolded.as_mut());
            self.cursor.select(&mut lines, usize::MAX, self.cursor.top);
        }
    }

    fn room(height: usize) -> usize {
        if height >= TOTAL_FROM { height - 1 } else { height }
    }
}

impl Board for Groups {
    fn begin(&mut self, scene: &Scene<'_>) {
        let ask = scene.ask;
        let query = groups::Query {
            filter: ask.filter.clone(),
            hide_internal: ask.hide_local,
            hide_own: ask.hide_own,
            grouping: self.grouping,
            sort: self.sort,
            motion: ask.motion,
        };
        self.model.begin(&scene.nodes.sources(&ask.now), &query);
        if let Some(unfolded) = &mut self.unfolded {
            unfolded.begin(scene, &self.grouping);
        }
    }

    fn advance(&mut self, sources: &[Source<'_>], flows: usize) -> bool {
        if !self.model.advance(sources, flows) {
            return false;
        }
        self.unfolded.as_mut().is_none_or(|unfolded| unfolded.listing.advance(sources, flows))
    }

    fn table(&mut self, scene: &Scene<'_>) -> Table {
        let placed = layout(&self.grouping, self.sort, scene.ask.width);
        self.shown = placed.iter().map(|(shown, _)| *shown).collect();
        let room = Self::room(scene.height);
        let mut lines = Lines::of(&mut self.model, self.unfolded.as_mut());
        self.cursor.follow(&mut lines, room);
        let window = lines.window(self.cursor.top, room);
        let cells = Cells { scene, placed: &placed, sort: self.sort };
        let mut rows = Vec::with_capacity(scene.height);
        self.visible = Visible::default();
        if !self.model.is_empty() && room < scene.height {
            rows.push(cells.total(&self.model));
        }
        let flows = self.unfolded.as_mut().map(|unfolded| unfolded.rows(scene, &cells, &window));
        let mut flows = flows.unwrap_or_default().into_iter();
        for line in window {
            let mut row = match line {
                Line::Group(id) => {
                    let Some(group) = self.model.get(id) else { continue };
                    self.visible.hosts.extend(addresses(group).map(|address| (group.node, address)));
                    let open = self.unfolded.as_ref().is_some_and(|unfolded| unfolded.id == id);
                    cells.group(&self.model, group, open)
                }
                Line::Flow(key) => {
                    self.visible.flows.push(key);
                    flows.next().unwrap_or_default()
                }
            };
            row.selected = self.cursor.selected == Some(line);
            rows.push(row);
        }
        let mut columns = cells.headings();
        if self.model.has_forgotten() {
            Cells::forgets(&mut columns);
        }
        Table { notes: Vec::new(), columns, rows, empty: Vec::new() }
    }

    fn visible(&self) -> Visible {
        self.visible.clone()
    }

    fn step(&mut self, motion: Motion, height: usize) -> bool {
        if motion == Motion::Top && self.cursor.rank() == Some(0) {
            self.cursor.release();
            return false;
        }
        let mut lines = Lines::of(&mut self.model, self.unfolded.as_mut());
        self.cursor.step(&mut lines, Self::room(height), motion);
        true
    }

    fn choose(&mut self) -> Chosen {
        self.select_any();
        match self.cursor.selected {
            Some(Line::Flow(key)) => return Chosen::Flow(key),
            Some(Line::Group(id)) if self.unfolded.as_ref().is_some_and(|open| open.id == id) => {
                self.unfolded = None;
            }
            _ => self.open(),
        }
        Chosen::Here
    }

    fn close(&mut self) -> bool {
        let Some(unfolded) = self.unfolded.take() else { return false };
        if matches!(self.cursor.selected, Some(Line::Flow(_))) {
            self.cursor.selected = Some(Line::Group(unfolded.id));
        }
        true
    }

    fn reorder(&mut self, how: Reorder) {
        match how {
            Reorder::Invert => self.sort.order = self.sort.order.inverse(),
            Reorder::Beside(step) => {
                let here = self.shown.iter().position(|shown| is_sorted(self.sort, *shown)).unwrap_or(0);
                let to = here.saturating_add_signed(step);
                // Both keys are one order.
                let beside = if to == 1 && step == 1 && self.grouping.second.is_some() { 2 } else { to };
                self.sort = match self.shown.get(beside) {
                    Some(Shown::Key(..)) if !matches!(self.sort.by, By::Name) => GroupSort::by_name(),
                    Some(Shown::Figure(column)) if beside != here => GroupSort::by(column),
                    _ => return,
                };
            }
        }
    }
}

fn addresses(group: &groups::Group) -> impl Iterator<Item = IpAddr> {
    group.parts().iter().filter_map(|part| match part {
        Part::Address(address) => Some(*address),
        _ => None,
    })
}

/// Whether groups stand by that column.
fn is_sorted(sort: GroupSort, shown: Shown) -> bool {
    match (sort.by, shown) {
        (By::Name, Shown::Key(0, _)) => true,
        (By::Column(column), Shown::Figure(own)) => column.key == own.key,
        _ => false,
    }
}
