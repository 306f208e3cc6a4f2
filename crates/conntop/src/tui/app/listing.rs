//! The rows of the screen: columns, order and cells, out of the engine by way of the view.

use std::time::Duration;

use conntop_proto::flow::{EndReason, FlowRow};

use super::cursor::Ranks;
use crate::columns::{self, COLUMNS, Cell, Column, Layout, Offers, Order, Picked, Placed, Preset};
use crate::engine::Engine;
use crate::filter::Filter;
use crate::flow::{FlowKey, FlowView, Now, Source};
use crate::nodes::{Health, Nodes};
use crate::orient::{Dir, Orientation};
use crate::sort::Sort;
use crate::tui::screen::{Align, Column as Heading, Order as Mark, Row, Span};
use crate::tui::theme::Role;
use crate::units::RateUnit;
use crate::view::{Motion, Query, Totals, View};

/// How long a flow counts as new, milliseconds: two ticks, so that nobody misses it.
const NEW: u64 = 2_000;

/// What rows are asked for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) filter: Option<Filter>,
    pub(crate) sort: Sort,
    pub(crate) preset: Preset,
    /// Chosen columns; empty means the default ones of the preset.
    pub(crate) columns: Vec<Picked>,
    pub(crate) hide_local: bool,
    pub(crate) hide_own: bool,
    /// How long ended flows stay in view.
    pub(crate) ghost: Duration,
    pub(crate) unit: RateUnit,
    pub(crate) width: u16,
    /// How rows move.
    pub(crate) motion: Motion,
    /// The moment by the clocks of each node.
    pub(crate) now: Vec<Now>,
    /// What can be known of them.
    pub(crate) offers: Offers,
    /// Whether hosts and ports are shown by their names.
    pub(crate) names: bool,
    pub(crate) services: bool,
}

impl Ask {
    /// Columns that fit the terminal.
    pub(crate) fn layout(&self) -> Layout {
        if self.columns.is_empty() {
            Layout::preset(self.preset, self.offers, self.width)
        } else {
            Layout::of(&self.columns, self.width)
        }
    }
}

/// The rows in their order.
#[derive(Default)]
pub(crate) struct Listing(View);

impl Ranks for Listing {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn rank_of(&self, id: FlowKey) -> Option<usize> {
        self.0.rank_of(id)
    }

    fn at(&mut self, rank: usize) -> Option<FlowKey> {
        self.0.at(rank)
    }
}

impl Listing {
    /// Begins to bring order and totals up to date.
    pub(crate) fn begin(&mut self, nodes: &Nodes, ask: &Ask) {
        let query = Query {
            filter: ask.filter.clone(),
            hide_internal: ask.hide_local,
            hide_own: ask.hide_own,
            sort: ask.sort,
            motion: ask.motion,
            ghost: ask.ghost,
        };
        self.0.begin(&nodes.sources(&ask.now), &query);
    }

    /// Goes on with that; true when they are up to date.
    pub(crate) fn advance(&mut self, sources: &[Source<'_>], flows: usize) -> bool {
        self.0.advance(sources, flows)
    }

    /// Whether the rows are those of this filter, or those of the one before it still.
    pub(crate) fn answers(&self, filter: Option<&Filter>, hide_local: bool) -> bool {
        self.0.answers(filter, hide_local)
    }

    pub(crate) fn totals(&self) -> &Totals {
        self.0.totals()
    }

    /// Flows and rows from `top` on.
    pub(crate) fn rows(
        &mut self,
        nodes: &Nodes,
        ask: &Ask,
        top: usize,
        height: usize,
    ) -> Vec<(FlowKey, Row)> {
        let sources = nodes.sources(&ask.now);
        let look_at = |key: FlowKey| sources.get(usize::from(key.node().0))?.look_at(key.id());
        let old = |key: FlowKey| {
            nodes.several() && nodes.get(key.node()).is_some_and(|node| node.health() != Health::Live)
        };
        let layout = ask.layout();
        let look = columns::Look {
            unit: ask.unit,
            ascii: false,
            names: ask.names,
            services: ask.services,
            orientation: nodes.orientation(),
        };
        let rows = self.0.rows(top, height).into_iter();
        rows.map(|place| {
            let mut row = match look_at(place.id) {
                Some(view) => row(&view, &layout, look),
                None => Row { ghost: true, ..Row::default() },
            };
            if old(place.id) {
                outdate(&mut row, &layout);
            }
            (place.id, row)
        })
        .collect()
    }
}

/// Columns by which one can sort, in the order of the menu.
pub(crate) fn sortable() -> &'static [Column] {
    COLUMNS
}

/// Headings of the columns that fit.
pub(crate) fn headings(ask: &Ask, orientation: Orientation) -> Vec<Heading> {
    let heading = |placed: Placed| Heading {
        key: placed.column.key,
        title: placed.column.heading(orientation).to_owned(),
        width: placed.width,
        align: match placed.column.align {
            columns::Align::Left => Align::Left,
            columns::Align::Right => Align::Right,
        },
        sorted: (placed.column.key == ask.sort.column.key).then_some(match ask.sort.order {
            Order::Ascending => Mark::Ascending,
            Order::Descending => Mark::Descending,
        }),
    };
    ask.layout().columns.into_iter().map(heading).collect()
}

/// Where a flow goes, in words.
pub(crate) fn direction(engine: &Engine, row: &FlowRow) -> String {
    let dir = engine.local_nets().orient(&row.identity.orig, &row.identity.reply);
    match dir {
        Dir::In => "in: the remote end opened it",
        Dir::Out => "out: the local end opened it",
        Dir::Internal => "internal: both ends are local",
        Dir::Transit => "transit: neither end is local",
    }
    .to_owned()
}

/// Marks the row of a node of which nothing is heard: what it says is old.
fn outdate(row: &mut Row, layout: &Layout) {
    for (cell, placed) in row.cells.iter_mut().zip(&layout.columns) {
        cell.role = Role::Dim;
        if placed.column.key == "node" {
            // Said by a sign, not by dimness alone.
            cell.text = columns::fit(&format!("!{}", cell.text), placed.width, columns::Cut::Middle, false);
            cell.role = Role::Error;
        }
    }
}

/// How a flow ended, in place of its state.
fn ended_word(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Destroyed => "ended",
        EndReason::Missing => "gone",
        EndReason::Replaced => "again",
    }
}

fn row(view: &FlowView<'_>, layout: &Layout, look: columns::Look) -> Row {
    let new = view.is_new(NEW);
    let cell = |placed: &Placed| {
        if let Some(ended) = view.ended
            && placed.column.key == "state"
        {
            // Said by a word, not by dimness alone; the details have the last state.
            return Span::new(ended_word(ended.reason), Role::Dim);
        }
        let Cell { text, role } = placed.column.cell(view, placed.width, look);
        let role = match role {
            columns::Role::Text if new => Role::New,
            columns::Role::Text => Role::Text,
            columns::Role::Quiet => Role::Dim,
            columns::Role::Special => Role::Accent,
            columns::Role::Opening => Role::New,
            columns::Role::Ending => Role::Ending,
            columns::Role::Warning => Role::Warning,
        };
        Span::new(text, role)
    };
    let cells = layout.columns.iter().map(cell).collect();
    Row { cells, ghost: view.ended.is_some(), ..Row::default() }
}
