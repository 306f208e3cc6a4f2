//! One pass of a view over the mirror, in as many parts as its owner likes.

use std::time::Duration;

use conntop_proto::flow::BootMillis;
use hashbrown::HashSet;

use super::order::{Placed, Ranking};
use super::{Basis, Keys, Totals};
use crate::filter::Tri;
use crate::flow::{FlowKey, FlowView, NodeId, Now, Source};
use crate::mirror::Slot;
use crate::orient::Dir;
use crate::sort::SortKey;

/// Where the places of rows come from.
#[derive(Debug)]
pub(super) enum Places {
    /// From the values of the flows.
    ByValue,
    /// From where they are on the ranking that is shown, by position.
    Kept(Kept),
}

/// Where rows are.
#[derive(Debug)]
pub(super) struct Kept {
    /// Position of the entry of each slot of each node; an entry of another flow says that it has none.
    positions: Vec<Vec<u32>>,
    /// Keys of flows that have ended.
    ended: Keys,
    appended: u64,
}

impl Places {
    pub(super) fn kept(ranking: &Ranking, sources: &[Source<'_>], appended: u64) -> Self {
        let gone: HashSet<FlowKey> =
            sources.iter().flat_map(|source| source.ended().map(|view| view.key())).collect();
        let mut positions: Vec<Vec<u32>> =
            sources.iter().map(|source| vec![u32::MAX; source.mirror.slots()]).collect();
        let mut ended = Keys::default();
        for (position, entry) in (0_u32..).zip((0..ranking.len()).filter_map(|at| ranking.at(at))) {
            let of_node = positions.get_mut(usize::from(entry.id.node().0));
            if let (Some(slot), Some(of_node)) = (entry.slot, of_node)
                && let Some(place) = of_node.get_mut(slot.0 as usize)
            {
                *place = position;
            }
            if !gone.is_empty() && gone.contains(&entry.id) {
                ended.insert(entry.id, entry.key);
            }
        }
        Self::Kept(Kept { positions, ended, appended })
    }

    pub(super) fn are_kept(&self) -> bool {
        matches!(self, Self::Kept(_))
    }

    /// How many rows stand behind those that had a place.
    pub(super) fn appended(&self) -> u64 {
        match self {
            Self::ByValue => 0,
            Self::Kept(kept) => kept.appended,
        }
    }
}

impl Kept {
    fn live(&mut self, ranking: &Ranking, slot: Slot, id: FlowKey) -> SortKey {
        let of_node = self.positions.get(usize::from(id.node().0));
        let position = of_node.and_then(|slots| slots.get(slot.0 as usize)).copied().unwrap_or(u32::MAX);
        match ranking.at(position as usize).filter(|entry| entry.id == id) {
            Some(entry) => entry.key,
            None => self.append(),
        }
    }

    fn append(&mut self) -> SortKey {
        self.appended += 1;
        SortKey::appended(self.appended)
    }
}

/// A pass that has come so far.
#[derive(Debug)]
pub(super) struct Refresh {
    pub(super) basis: Basis,
    /// The moment by the clocks of each node.
    now: Vec<Now>,
    pub(super) places: Places,
    /// Keys of rows that were on the screen.
    seen: Keys,
    /// Those of them that are shown as ghosts.
    pub(super) remembered: Keys,
    pub(super) ranking: Ranking,
    pub(super) totals: Totals,
    pub(super) ghosts: usize,
    /// When the first of them has been shown for long enough, by the clock of its node.
    pub(super) fades: Vec<(NodeId, BootMillis)>,
    /// The node that is asked, its next slot, and how many of its ended flows have been asked.
    node: usize,
    next: (usize, usize),
}

impl Refresh {
    pub(super) fn new(basis: Basis, now: Vec<Now>, places: Places, seen: Keys, room: Ranking) -> Self {
        Self {
            basis,
            now,
            places,
            seen,
            remembered: Keys::default(),
            ranking: room,
            totals: Totals::default(),
            ghosts: 0,
            fades: Vec::new(),
            node: 0,
            next: (0, 0),
        }
    }

    /// The room for rows, empty again.
    pub(super) fn into_room(self) -> Ranking {
        self.ranking.emptied()
    }

    /// Asks that many flows at most; true when all have been asked.
    pub(super) fn advance(&mut self, sources: &[Source<'_>], shown: &Ranking, flows: usize) -> bool {
        if let (Some(source), Some(now)) = (sources.get(self.node), self.now.get(self.node)) {
            if !self.node(Source { now: *now, ..*source }, shown, flows) {
                return false;
            }
            self.node += 1;
            self.next = (0, 0);
        }
        self.node >= sources.len()
    }

    fn node(&mut self, source: Source<'_>, shown: &Ranking, flows: usize) -> bool {
        let Source { mirror, now, .. } = source;
        let (slot, ended) = self.next;
        let to = slot.saturating_add(flows).min(mirror.slots());
        for (slot, view) in source.live_in(slot..to) {
            self.live(slot, &view, shown);
        }
        self.next.0 = to;
        if to < mirror.slots() {
            return false;
        }
        let ghost = millis(self.basis.query.ghost);
        for view in source.ended().rev().skip(ended).take(flows) {
            if now.boot.since(view.now.boot) >= ghost {
                return true;
            }
            self.ended(&view);
            self.next.1 += 1;
        }
        self.next.1 - ended < flows
    }

    fn asks(&self, view: &FlowView<'_>) -> Tri {
        let query = &self.basis.query;
        query.filter.as_ref().map_or(Tri::True, |filter| filter.matches(view))
    }

    fn hides(&self, view: &FlowView<'_>) -> bool {
        let query = &self.basis.query;
        (query.hide_internal && view.dir == Dir::Internal) || (query.hide_own && view.is_own())
    }

    fn live(&mut self, slot: Slot, view: &FlowView<'_>, shown: &Ranking) {
        if self.hides(view) {
            return;
        }
        match self.asks(view) {
            Tri::True => {
                self.totals.add(view);
                let id = view.key();
                let key = match &mut self.places {
                    Places::Kept(kept) => kept.live(shown, slot, id),
                    Places::ByValue => self.basis.query.sort.key(view),
                };
                self.ranking.push(Placed { key, id, slot: Some(slot) });
            }
            Tri::Unknown => self.totals.unknown += 1,
            Tri::False => {}
        }
    }

    fn ended(&mut self, view: &FlowView<'_>) {
        let id = view.key();
        let seen = self.seen.get(&id).copied();
        if self.hides(view) || !(seen.is_some() || self.asks(view) == Tri::True) {
            return;
        }
        let key = match (&mut self.places, seen) {
            (Places::Kept(kept), _) => match kept.ended.get(&id) {
                Some(key) => *key,
                None => kept.append(),
            },
            (Places::ByValue, Some(seen)) => {
                self.remembered.insert(id, seen);
                seen
            }
            (Places::ByValue, None) => self.basis.query.sort.key(view),
        };
        self.ranking.push(Placed { key, id, slot: None });
        self.ghosts += 1;
        let fades = BootMillis(view.now.boot.0.saturating_add(millis(self.basis.query.ghost)));
        match self.fades.last_mut() {
            Some((node, first)) if *node == view.node => *first = fades.min(*first),
            _ => self.fades.push((view.node, fades)),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
