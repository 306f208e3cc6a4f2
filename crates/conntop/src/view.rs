//! From the mirror to rows: what a flow looks like from here, which flows a filter shows, in which
//! order, and what they sum up to. No styles, no terminal.
//!
//! A refresh asks every flow once (filter, sums, sort key) and only when that may give something else
//! than the last time: when the query or the mirror's flows have changed, or when a ghost has been shown
//! for long enough; with each message only if filter or order ask for the time. It can be done in parts ([`View::begin`], [`View::advance`]), between which the latest
//! complete rows stay; the mirror must not change meanwhile, or the refresh begins again. Nothing is
//! sorted: ranks that are asked for are selected in linear time and sorted with their surroundings
//! only, so a screen over a million flows costs no full sort. Every order ends with the flow's id.
//! Ended flows are listed for a while and never counted.

mod order;
mod refresh;
mod totals;

#[cfg(test)]
mod tests;

use std::time::Duration;

use conntop_proto::flow::BootMillis;
use hashbrown::HashMap;

use self::order::{Placed, Ranking};
use self::refresh::{Places, Refresh};
pub use self::totals::{Sum, Totals};
use crate::filter::{self, Filter};
use crate::flow::{FlowKey, NodeId, Source};
use crate::mirror::Mirror;
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
    /// Whether conntop's own questions for names are left out.
    pub hide_own: bool,
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
        self.filter == other.filter
            && self.hide_internal == other.hide_internal
            && self.hide_own == other.hide_own
    }

    /// Changes whenever the mirrors may give other rows, another order or other sums.
    fn version(&self, sources: &[Source<'_>]) -> impl Iterator<Item = u64> {
        let filtered = self.filter.as_ref().is_some_and(Filter::asks_the_time);
        let timed = filtered || filter::tells_the_time(self.sort.column);
        let learned = self.filter.as_ref().is_some_and(Filter::asks_what_is_learned)
            || filter::is_learned(self.sort.column)
            || self.hide_own;
        let of = move |mirror: &Mirror| if timed { mirror.generation() } else { mirror.revision() };
        let known = sources.first().filter(|_| learned).map(|source| source.known.revision());
        sources.iter().map(move |source| of(source.mirror)).chain(known)
    }
}

/// What a row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The flow.
    pub id: FlowKey,
    /// Whether it has ended (or is gone altogether while rows are held).
    pub ghost: bool,
}

/// What a refresh depends on.
#[derive(Clone, Debug, PartialEq)]
struct Basis {
    /// State of each node's mirror and of what is learned, as [`Query::version`] has it.
    version: Vec<u64>,
    query: Query,
}

/// Keys by flow.
type Keys = HashMap<FlowKey, SortKey, foldhash::fast::FixedState>;

/// Rows in their order.
#[derive(Debug, Default)]
pub struct View {
    basis: Option<Basis>,
    ranking: Ranking,
    totals: Totals,
    ghosts: usize,
    /// When the first of each node's has been shown for long enough, by its clock.
    fades: Vec<(NodeId, BootMillis)>,
    /// What is to take the place of the rows.
    refresh: Option<Box<Refresh>>,
    /// Room for the next refresh.
    room: Ranking,
    /// How many rows were appended since the order was frozen.
    appended: u64,
    /// Keys that rows had when they were last on the screen, so that ghosts stay where they were.
    seen: Keys,
}

impl View {
    /// Brings rows, order and totals up to date at once. Returns whether anything was recomputed.
    pub fn refresh(&mut self, sources: &[Source<'_>], query: &Query) -> bool {
        let anything = self.begin(sources, query);
        while !self.advance(sources, usize::MAX) {}
        anything
    }

    /// Begins to bring rows, order and totals up to date, unless they are or that has begun already.
    /// Returns whether there is anything for [`View::advance`] to do.
    pub fn begin(&mut self, sources: &[Source<'_>], query: &Query) -> bool {
        let version: Vec<u64> = query.version(sources).collect();
        let is = |basis: &Basis| basis.version == version && basis.query == *query;
        if self.refresh.as_ref().is_some_and(|refresh| is(&refresh.basis)) {
            return true;
        }
        self.abandon();
        let asked_before = self.basis.as_ref().map(|basis| &basis.query);
        let same_order = asked_before.is_some_and(|before| before.sort == query.sort);
        let same_rows = same_order && asked_before.is_some_and(|before| before.chooses_like(query));
        let now = |node: NodeId| sources.get(usize::from(node.0)).map(|source| source.now);
        let faded = self.fades.iter().any(|(node, at)| now(*node).is_some_and(|now| now.boot >= *at));
        if (!faded && self.basis.as_ref().is_some_and(is)) || (query.motion == Motion::Held && same_rows) {
            return false;
        }
        // Another order is taken up once, even by frozen rows.
        let places = if query.motion == Motion::Frozen && same_order {
            Places::kept(&self.ranking, sources, self.appended)
        } else {
            Places::ByValue
        };
        let seen = if same_rows { self.seen.clone() } else { Keys::default() };
        let room = std::mem::take(&mut self.room);
        let basis = Basis { version, query: query.clone() };
        let now = sources.iter().map(|source| source.now).collect();
        self.refresh = Some(Box::new(Refresh::new(basis, now, places, seen, room)));
        true
    }

    /// Goes on with what was begun, by that many flows at most. True when the rows are up to date.
    pub fn advance(&mut self, sources: &[Source<'_>], flows: usize) -> bool {
        let Some(mut refresh) = self.refresh.take() else { return true };
        if !refresh.basis.query.version(sources).eq(refresh.basis.version.iter().copied()) {
            let query = refresh.basis.query.clone();
            self.room = refresh.into_room();
            return !self.begin(sources, &query);
        }
        if !refresh.advance(sources, &self.ranking, flows) {
            self.refresh = Some(refresh);
            return false;
        }
        let Refresh { basis, places, ranking, totals, ghosts, fades, remembered, .. } = *refresh;
        self.basis = Some(basis);
        self.appended = places.appended();
        self.totals = totals;
        self.ghosts = ghosts;
        self.fades = fades;
        self.seen = remembered;
        self.room = std::mem::replace(&mut self.ranking, ranking).emptied();
        true
    }

    /// Whether the rows are those that such a query chooses, be they of this moment or an earlier one.
    #[must_use]
    pub fn answers(&self, filter: Option<&Filter>, hide_internal: bool) -> bool {
        self.basis.as_ref().is_some_and(|Basis { query, .. }| {
            query.filter.as_ref() == filter && query.hide_internal == hide_internal
        })
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
    pub fn at(&mut self, rank: usize) -> Option<FlowKey> {
        self.window(rank, 1).first().map(|entry| entry.id)
    }

    /// The row of a flow.
    #[must_use]
    pub fn rank_of(&self, id: FlowKey) -> Option<usize> {
        self.ranking.rank_of(id)
    }

    /// Rows from `top` on, at most `height` of them. Rows that were asked for last are those that are
    /// on the screen: when their flows end they stay where they are.
    pub fn rows(&mut self, top: usize, height: usize) -> Vec<Row> {
        let window = self.window(top, height);
        self.seen.extend(window.iter().map(|row| (row.id, row.key)));
        window.iter().map(|row| Row { id: row.id, ghost: row.slot.is_none() }).collect()
    }

    fn abandon(&mut self) {
        if let Some(refresh) = self.refresh.take() {
            self.room = refresh.into_room();
        }
    }

    fn window(&mut self, top: usize, height: usize) -> Vec<Placed> {
        // Places are kept by position, so a refresh that keeps them begins again.
        let kept = self.refresh.as_ref().is_some_and(|refresh| refresh.places.are_kept());
        if kept && self.ranking.moves_for(top, height) {
            self.abandon();
        }
        self.ranking.window(top, height)
    }
}
