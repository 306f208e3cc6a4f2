//! Lines of the screen: groups, and under the open one its flows.

use super::cells::Cells;
use crate::columns::Column;
use crate::filter::{Expr, Filter};
use crate::flow::FlowKey;
use crate::groups::{self, GroupId, Grouping};
use crate::tui::app::boards::Scene;
use crate::tui::app::cursor::Ranks;
use crate::tui::app::listing::{Ask, Listing};
use crate::tui::screen::Row;

/// What a line is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Group(GroupId),
    Flow(FlowKey),
}

/// The group that is open.
pub(super) struct Unfolded {
    pub(super) id: GroupId,
    /// What its flows satisfy.
    only: Expr,
    pub(super) listing: Listing,
}

impl Unfolded {
    pub(super) fn new(id: GroupId, only: Expr) -> Self {
        Self { id, only, listing: Listing::default() }
    }

    /// What is asked of the list of flows.
    fn ask(&self, ask: &Ask) -> Ask {
        let and = ask.filter.iter().map(|filter| filter.expr().clone()).chain([self.only.clone()]);
        Ask { filter: Some(Filter::from(Expr::all(and.collect()))), ..ask.clone() }
    }

    pub(super) fn begin(&mut self, scene: &Scene<'_>, _grouping: &Grouping) {
        self.listing.begin(scene.nodes, &self.ask(scene.ask));
    }

    /// Rows of the flows in a window of lines.
    pub(super) fn rows(&mut self, scene: &Scene<'_>, cells: &Cells<'_>, window: &[Line]) -> Vec<Row> {
        let flow = |line: &Line| match line {
            Line::Flow(key) => Some(*key),
            Line::Group(_) => None,
        };
        let flows = window.iter().filter_map(flow).count();
        let Some(first) = window.iter().find_map(flow) else { return Vec::new() };
        let Some(top) = self.listing.rank_of(first) else { return Vec::new() };
        let mut ask = self.ask(scene.ask);
        ask.columns = cells.columns_of_flows(scene.ask);
        ask.width = cells.room_of_flows();
        let rows = self.listing.rows(scene.nodes, &ask, top, flows);
        rows.into_iter().map(|(key, row)| cells.flow(&ask, key, row)).collect()
    }
}

/// Columns of flows that groups have as well.
pub(super) fn is_of_groups(column: &Column) -> bool {
    column.key.starts_with("bytes") || groups::columns::COLUMNS.iter().any(|own| own.key == column.key)
}

/// All lines.
pub(super) struct Lines<'a> {
    groups: &'a mut groups::Groups,
    /// Rank of the open group, and its flows.
    open: Option<(usize, &'a mut Listing)>,
}

impl<'a> Lines<'a> {
    pub(super) fn of(groups: &'a mut groups::Groups, unfolded: Option<&'a mut Unfolded>) -> Self {
        let open = unfolded.and_then(|open| Some((groups.rank_of(open.id)?, &mut open.listing)));
        Self { groups, open }
    }

    /// Lines from `top` on, at most `height` of them.
    pub(super) fn window(&mut self, top: usize, height: usize) -> Vec<Line> {
        let end = top.saturating_add(height).min(self.count());
        // Whole windows are put in order at once.
        let _sorted = self.groups.rows(top, height).count();
        (top..end).filter_map(|rank| self.at(rank)).collect()
    }
}

impl Ranks<Line> for Lines<'_> {
    fn count(&self) -> usize {
        self.groups.len() + self.open.as_ref().map_or(0, |(_, flows)| flows.count())
    }

    fn rank_of(&self, line: Line) -> Option<usize> {
        match line {
            Line::Group(id) => {
                let rank = self.groups.rank_of(id)?;
                let under = self.open.as_ref().filter(|(open, _)| rank > *open);
                Some(rank + under.map_or(0, |(_, flows)| flows.count()))
            }
            Line::Flow(key) => {
                let (open, flows) = self.open.as_ref()?;
                Some(open + 1 + flows.rank_of(key)?)
            }
        }
    }

    fn at(&mut self, rank: usize) -> Option<Line> {
        let rank = match &mut self.open {
            Some((open, flows)) if rank > *open => {
                if let Some(key) = flows.at(rank - *open - 1) {
                    return Some(Line::Flow(key));
                }
                rank - flows.count()
            }
            _ => rank,
        };
        self.groups.at(rank).map(Line::Group)
    }
}
