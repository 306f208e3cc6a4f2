//! From the mirror to rows: what a flow looks like from here, which flows a filter shows, in which
//! order, and what they sum up to. No styles, no terminal.
//!
//! [`View::refresh`] asks every flow once (filter, sums, sort key) and only when the mirror or the
//! query has changed. Nothing is sorted then: ranks that are asked for are selected in linear time
//! and sorted with their surroundings only, so a screen over a million flows costs no full sort.
//! Every order ends with the flow's id. Ended flows are listed for a while and never counted.

mod order;
mod totals;

#[cfg(test)]
mod tests;

use std::time::Duration;

use conntop_proto::flow::FlowId;
use hashbrown::HashMap;

use self::order::{Entry, Ranking};
pub use self::totals::{Sum, Totals};
use crate::filter::{Filter, Tri};
use crate::flow::{FlowView, Source};
use crate::sort::{Sort, SortKey};

/// How rows move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Motion {
    /// The order is that of the present values.
    #[default]
    Live,
    /// Rows keep their places; new ones are appended, values move.
    Frozen,
    /// Nothing moves, appears or vanishes; for moments in which the person does.
    Held,
}

/// What is to be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Which flows; `None` means all.
    pub filter: Option<Filter>,
    /// Whether flows between local ends are left out.
    pub hide_internal: bool,
    /// Order.
    pub sort: Sort,
    /// How rows move.
    pub motion: Motion,
    /// How long ended flows are listed.
    pub ghost: Duration,
}

impl Query {
    /// Whether it is about the same flows.
    fn chooses_like(&self, other: &Self) -> bool {
        self.filter == other.filter && self.hide_internal == other.hide_internal
    }
}

/// What a row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The flow.
    pub id: FlowId,
    /// Whether it has ended (or is gone altogether while rows are held).
    pub ghost: bool,
}

/// What a refresh depends on.
#[derive(Clone, Debug, PartialEq)]
struct Basis {
    generation: u64,
    query: Query,
}

/// Where the places of rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Places {
    /// From the values of the flows.
    ByValue,
    /// From where they were.
    Kept,
}

/// Rows in their order.
#[derive(Debug, Default)]
pub struct View {
    basis: Option<Basis>,
    ranking: Ranking,
    totals: Totals,
    ghosts: usize,
    /// Keys that stay with their flows while the order is frozen.
    frozen: HashMap<FlowId, SortKey, foldhash::fast::FixedState>,
    appended: u64,
    /// Keys that rows had when they were last on the screen, so that ghosts stay where they were.
    seen: HashMap<FlowId, SortKey, foldhash::fast::FixedState>,
}

impl View {
    /// Brings rows, order and totals up to date. Returns whether anything was recomputed.
    pub fn refresh(&mut self, source: Source<'_>, query: &Query) -> bool {
        let basis = Basis { generation: source.mirror.generation(), query: query.clone() };
        if self.basis.as_ref() == Some(&basis) {
            return false;
        }
        let asked_before = self.basis.as_ref().map(|basis| &basis.query);
        let same_order = asked_before.is_some_and(|before| before.sort == query.sort);
        let same_rows = same_order && asked_before.is_some_and(|before| before.chooses_like(query));
        let was_frozen = asked_before.is_some_and(|before| before.motion == Motion::Frozen);
        if query.motion == Motion::Held && same_rows {
            return false;
        }
        self.basis = Some(basis);
        if !same_rows {
            self.seen.clear();
        }
        let frozen = query.motion == Motion::Frozen;
        if !frozen {
            self.frozen = HashMap::default();
        } else if !was_frozen {
            self.freeze();
        }
        // Another order is taken up once, even by frozen rows.
        let places = if frozen && same_order { Places::Kept } else { Places::ByValue };
        self.collect(source, query, places);
        if frozen && !same_order {
            self.freeze();
        }
        true
    }

    /// Keeps the present places.
    fn freeze(&mut self) {
        self.appended = 0;
        self.frozen.clear();
        self.frozen.extend(self.ranking.entries().map(|entry| (entry.id, entry.key)));
    }

    fn collect(&mut self, source: Source<'_>, query: &Query, places: Places) {
        let mut entries = self.ranking.take();
        let mut totals = Totals::default();
        for view in source.live() {
            if query.hide_internal && view.dir == crate::orient::Dir::Internal {
                continue;
            }
            match query.filter.as_ref().map_or(Tri::True, |filter| filter.matches(&view)) {
                Tri::True => {
                    totals.add(&view);
                    entries.push(self.entry(&view, query.sort, places));
                }
                Tri::Unknown => totals.unknown += 1,
                Tri::False => {}
            }
        }
        self.totals = totals;
        self.ghosts = 0;
        let mut remembered = HashMap::default();
        let ghost = u64::try_from(query.ghost.as_millis()).unwrap_or(u64::MAX);
        for view in source.ended().rev() {
            if source.now.boot.since(view.now.boot) >= ghost {
                break;
            }
            let hidden = query.hide_internal && view.dir == crate::orient::Dir::Internal;
            let shown = query.filter.as_ref().is_none_or(|filter| filter.matches(&view) == Tri::True);
            let id = view.flow.id();
            let place = self.seen.get(&id).copied();
            if hidden || !(shown || place.is_some()) {
                continue;
            }
            let mut entry = self.entry(&view, query.sort, places);
            if let (Some(place), Places::ByValue) = (place, places) {
                entry.key = place;
                remembered.insert(id, place);
            }
            entry.ghost = true;
            entries.push(entry);
            self.ghosts += 1;
        }
        self.seen = remembered;
        self.ranking = Ranking::new(entries);
    }

    fn entry(&mut self, view: &FlowView<'_>, sort: Sort, places: Places) -> Entry {
        let id = view.flow.id();
        let key = match places {
            Places::Kept => *self.frozen.entry(id).or_insert_with(|| {
                self.appended += 1;
                SortKey::appended(self.appended)
            }),
            Places::ByValue => sort.key(view),
        };
        Entry { key, id, ghost: false }
    }

    /// How many rows there are, ended flows included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranking.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of the rows are ended flows.
    #[must_use]
    pub fn ghosts(&self) -> usize {
        self.ghosts
    }

    /// What the rows sum up to; ended flows do not count.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The flow of a row.
    pub fn at(&mut self, rank: usize) -> Option<FlowId> {
        self.ranking.window(rank, 1).first().map(|entry| entry.id)
    }

    /// The row of a flow.
    #[must_use]
    pub fn rank_of(&self, id: FlowId) -> Option<usize> {
        self.ranking.rank_of(id)
    }

    /// Rows from `top` on, at most `height` of them. Rows that were asked for last are those that are
    /// on the screen: when their flows end they stay where they are.
    pub fn rows(&mut self, top: usize, height: usize) -> Vec<Row> {
        let window = self.ranking.window(top, height);
        self.seen.extend(window.iter().map(|entry| (entry.id, entry.key)));
        window.iter().map(|entry| Row { id: entry.id, ghost: entry.ghost }).collect()
    }
}
