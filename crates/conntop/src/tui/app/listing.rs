//! The rows of the screen: columns, order and cells, out of the engine by way of the view.

use std::collections::{HashMap, HashSet};

use conntop_proto::flow::{FlowId, FlowRow};

use super::cursor::Ranks;
use crate::columns::{self, COLUMNS, Cell, Column, Layout, Placed, Preset};
use crate::engine::Engine;
use crate::orient::Dir;
use crate::sort::{Order, Sort, SortKey};
use crate::tui::screen::{Align, Caret, Column as Heading, Order as Mark, Row, Span};
use crate::tui::theme::Role;
use crate::units::RateUnit;
use crate::view::{FlowView, Now, Source};

/// How long a flow counts as new, milliseconds: two ticks, so that nobody misses it.
const NEW: u64 = 2_000;

/// What rows are asked for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) filter: Option<Filter>,
    pub(crate) sort: Sort,
    pub(crate) preset: Preset,
    /// Chosen columns; empty means the default ones of the preset.
    pub(crate) columns: Vec<&'static Column>,
    pub(crate) hide_local: bool,
    pub(crate) unit: RateUnit,
    pub(crate) width: u16,
    /// Whether rows stay where they are.
    pub(crate) hold: bool,
    pub(crate) now: Now,
}

impl Ask {
    /// Columns that fit the terminal.
    pub(crate) fn layout(&self) -> Layout {
        if self.columns.is_empty() {
            Layout::preset(self.preset, self.width)
        } else {
            Layout::of(&self.columns, self.width)
        }
    }

    fn source<'a>(&self, engine: &'a Engine) -> Source<'a> {
        Source { mirror: engine.mirror(), nets: engine.local_nets(), now: self.now }
    }
}

/// A filter that could be read.
#[derive(Clone, Debug)]
pub(crate) struct Filter(String);

impl Filter {
    pub(crate) fn parse(text: &str) -> Result<Self, Caret> {
        match text.find('!') {
            Some(from) => Err(Caret { from, to: from + 1, message: "expected a field".into() }),
            None => Ok(Self(text.to_owned())),
        }
    }

    fn matches(&self, view: &FlowView<'_>) -> bool {
        COLUMNS.iter().any(|c| c.cell(view, 60, columns::Look::default()).text.contains(&self.0))
    }
}

/// What the rows sum up to, without ended flows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) shown: usize,
    pub(crate) unknown: usize,
    pub(crate) down: Option<u64>,
    pub(crate) up: Option<u64>,
}

#[derive(Default)]
pub(crate) struct Listing {
    order: Vec<(SortKey, FlowId)>,
    /// What the keys are made by.
    sort: Option<Sort>,
    totals: Totals,
}

impl Ranks for Listing {
    fn count(&self) -> usize {
        self.order.len()
    }

    fn rank_of(&self, id: FlowId) -> Option<usize> {
        self.order.iter().position(|(_, known)| *known == id)
    }

    fn at(&self, rank: usize) -> Option<FlowId> {
        self.order.get(rank).map(|(_, id)| *id)
    }
}

impl Listing {
    /// Orders the flows anew, or only drops and appends when the rows are held.
    pub(crate) fn refresh(&mut self, engine: &Engine, ask: &Ask) {
        let source = ask.source(engine);
        let places = self.places(source, ask.sort);
        self.totals = Totals::default();
        let mut rows: Vec<(SortKey, FlowId)> = Vec::with_capacity(engine.mirror().len());
        for view in source.live().chain(source.ended()) {
            let local = ask.hide_local && view.dir == Dir::Internal;
            if local || ask.filter.as_ref().is_some_and(|filter| !filter.matches(&view)) {
                continue;
            }
            let id = view.flow.id();
            if view.ended.is_none() {
                self.totals.add(&view);
            }
            let place = places.get(&id).copied();
            rows.push((place.unwrap_or_else(|| ask.sort.key(&view)), id));
        }
        rows.sort_unstable();
        self.sort = Some(ask.sort);
        if !ask.hold {
            self.order = rows;
            return;
        }
        let there: HashSet<FlowId> = rows.iter().map(|(_, id)| *id).collect();
        self.order.retain(|(_, id)| there.contains(id));
        let known: HashSet<FlowId> = self.order.iter().map(|(_, id)| *id).collect();
        self.order.extend(rows.into_iter().filter(|(_, id)| !known.contains(id)));
    }

    /// Where flows that have ended stood last: they stay there, though their rates are gone.
    fn places(&self, source: Source<'_>, sort: Sort) -> HashMap<FlowId, SortKey> {
        if self.sort != Some(sort) {
            return HashMap::new();
        }
        let ended: HashSet<FlowId> = source.ended().map(|view| view.flow.id()).collect();
        if ended.is_empty() {
            return HashMap::new();
        }
        self.order.iter().filter(|(_, id)| ended.contains(id)).map(|(key, id)| (*id, *key)).collect()
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    pub(crate) fn rows(&self, engine: &Engine, ask: &Ask, top: usize, height: usize) -> Vec<(FlowId, Row)> {
        let source = ask.source(engine);
        let layout = ask.layout();
        let ids = self.order.iter().skip(top).take(height);
        ids.filter_map(|(_, id)| Some((*id, row(&source.get(*id)?, &layout, ask.unit)))).collect()
    }
}

impl Totals {
    fn add(&mut self, view: &FlowView<'_>) {
        self.shown += 1;
        let Some((down, up)) = view.down_up() else { return };
        let add = |sum: &mut Option<u64>, more: u64| *sum = Some(sum.unwrap_or(0).saturating_add(more));
        add(&mut self.down, down);
        add(&mut self.up, up);
    }
}

/// Columns by which one can sort, in the order of the menu.
pub(crate) fn sortable() -> &'static [Column] {
    COLUMNS
}

/// Headings of the columns that fit.
pub(crate) fn headings(ask: &Ask) -> Vec<Heading> {
    let heading = |placed: Placed| Heading {
        key: placed.column.key,
        title: placed.column.header.to_owned(),
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

fn row(view: &FlowView<'_>, layout: &Layout, unit: RateUnit) -> Row {
    let look = columns::Look { unit, ascii: false };
    let new = view.is_new(NEW);
    let cell = |placed: &Placed| {
        if view.ended.is_some() && placed.column.key == "state" {
            // Said by a word, not by dimness alone; the details have the last state.
            return Span::new("ended", Role::Dim);
        }
        let Cell { text, role } = placed.column.cell(view, placed.width, look);
        let role = match role {
            columns::Role::Text if new => Role::New,
            columns::Role::Text => Role::Text,
            columns::Role::Quiet => Role::Dim,
            columns::Role::Opening => Role::New,
            columns::Role::Ending => Role::Ending,
            columns::Role::Warning => Role::Warning,
        };
        Span::new(text, role)
    };
    let cells = layout.columns.iter().map(cell).collect();
    Row { cells, ghost: view.ended.is_some(), selected: false }
}
