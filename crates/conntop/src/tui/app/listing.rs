//! Stand-in until the view lands.

use conntop_proto::flow::FlowId;

use super::cursor::Ranks;
use crate::engine::Engine;
use crate::tui::format::RateUnit;
use crate::tui::screen::{Align, Caret, Column, Order, Row, Span};
use crate::tui::theme::Role;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Layout {
    #[default]
    Router,
    Workstation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    pub(crate) column: &'static str,
    pub(crate) order: Order,
}

#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) filter: Option<Filter>,
    pub(crate) sort: Sort,
    pub(crate) layout: Layout,
    pub(crate) hide_local: bool,
    pub(crate) unit: RateUnit,
    pub(crate) width: u16,
}

#[derive(Clone, Debug)]
pub(crate) struct Filter(String);

impl Filter {
    pub(crate) fn parse(text: &str) -> Result<Self, Caret> {
        match text.find('!') {
            Some(from) => Err(Caret { from, to: from + 1, message: "expected a field".into() }),
            None => Ok(Self(text.to_owned())),
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) shown: usize,
    pub(crate) unknown: usize,
    pub(crate) down: Option<u64>,
    pub(crate) up: Option<u64>,
}

#[derive(Default)]
pub(crate) struct Listing {
    order: Vec<FlowId>,
}

pub(crate) struct Sortable {
    pub(crate) key: &'static str,
    pub(crate) heading: &'static str,
    pub(crate) help: &'static str,
}

impl Ranks for Listing {
    fn count(&self) -> usize {
        self.order.len()
    }
    fn rank_of(&self, id: FlowId) -> Option<usize> {
        self.order.iter().position(|x| *x == id)
    }
    fn at(&self, rank: usize) -> Option<FlowId> {
        self.order.get(rank).copied()
    }
}

impl Listing {
    pub(crate) fn default_sort() -> Sort {
        Sort { column: "total", order: Order::Descending }
    }

    pub(crate) fn natural_order(_key: &str) -> Order {
        Order::Descending
    }

    pub(crate) fn direction(&self, _row: &conntop_proto::flow::FlowRow) -> Option<String> {
        None
    }

    pub(crate) fn refresh(&mut self, engine: &Engine, ask: &Ask, hold: bool) {
        let _ = (&ask.filter, ask.hide_local, ask.layout, ask.unit, ask.width);
        if hold {
            return;
        }
        let mut all: Vec<(u64, FlowId)> = engine
            .mirror()
            .flows()
            .filter(|(_, f)| ask.filter.as_ref().is_none_or(|w| f.orig().dst.to_string().contains(&w.0)))
            .map(|(_, f)| (f.orig_counters().map_or(0, |c| c.bytes), f.id()))
            .collect();
        all.sort_unstable();
        if ask.sort.order == Order::Descending {
            all.reverse();
        }
        self.order = all.into_iter().map(|(_, id)| id).collect();
    }

    pub(crate) fn columns(&self, ask: &Ask) -> Vec<Column> {
        [
            ("PROTO", 5, Align::Left),
            ("SOURCE", 24, Align::Left),
            ("DESTINATION", 24, Align::Left),
            ("TOTAL", 8, Align::Right),
        ]
        .into_iter()
        .map(|(title, width, align)| Column {
            key: if title == "TOTAL" { "total" } else { "src" },
            title: title.to_owned(),
            width,
            align,
            sorted: (title == "TOTAL").then_some(ask.sort.order),
        })
        .collect()
    }

    pub(crate) fn rows(&self, engine: &Engine, _ask: &Ask, top: usize, height: usize) -> Vec<(FlowId, Row)> {
        self.order
            .iter()
            .skip(top)
            .take(height)
            .filter_map(|id| {
                let f = engine.mirror().get(*id)?;
                let cells = [
                    f.orig().proto.name().unwrap_or("?").to_owned(),
                    f.orig().src.to_string(),
                    f.orig().dst.to_string(),
                    f.orig_counters().map_or("n/a".into(), |c| c.bytes.to_string()),
                ];
                let cells = cells.into_iter().map(|c| Span::new(c, Role::Text)).collect();
                Some((*id, Row { cells, ghost: false, selected: false }))
            })
            .collect()
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals { shown: self.order.len(), ..Totals::default() }
    }

    pub(crate) fn sortable() -> Vec<Sortable> {
        vec![
            Sortable { key: "total", heading: "TOTAL", help: "bytes of both directions" },
            Sortable { key: "src", heading: "SOURCE", help: "source address" },
        ]
    }
}
