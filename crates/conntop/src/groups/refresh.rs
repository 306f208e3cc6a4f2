//! One pass over the mirrors that puts each flow into its groups, in as many parts as its owner likes.

use hashbrown::HashTable;

use super::part::{GroupId, Kept, Pair, Part};
use super::tally::{Fresh, Share, Tally};
use super::{Basis, GroupKey, Grouping, MOST_GROUPS};
use crate::filter::Tri;
use crate::flow::{FlowView, NodeId, Now, Source};
use crate::orient::Dir;
use crate::view::Totals;

/// Flows with something in common.
#[derive(Debug)]
pub struct Group {
    /// What names it.
    pub id: GroupId,
    parts: [Kept; 2],
    /// The node of the first flow that was found in it.
    pub node: NodeId,
    /// What its flows sum up to.
    pub tally: Tally,
}

impl Group {
    /// Its values, one for each key of the grouping.
    #[must_use]
    pub fn parts(&self) -> &[Kept; 2] {
        &self.parts
    }

    pub(super) fn name(&self) -> Pair<'_> {
        self.parts.each_ref().map(Kept::seen)
    }

    /// Whether its first value is one.
    pub(super) fn is_value(&self) -> bool {
        self.parts.first().is_some_and(Part::is_value)
    }

    /// Whether all its flows have ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.tally.flows == 0
    }
}

/// Groups by what names them.
#[derive(Debug, Default)]
pub(super) struct Cells {
    pub(super) groups: Vec<Group>,
    index: HashTable<u32>,
}

impl Cells {
    pub(super) fn find(&self, id: GroupId) -> Option<u32> {
        let is = |at: &u32| self.groups.get(*at as usize).is_some_and(|group| group.id == id);
        self.index.find(id.0, is).copied()
    }

    pub(super) fn add(&mut self, parts: &Pair<'_>, node: NodeId, share: &Share) {
        let id = GroupId::of(parts);
        let groups = &mut self.groups;
        let is =
            |at: &u32| groups.get(*at as usize).is_some_and(|group| group.id == id && group.name() == *parts);
        if let Some(at) = self.index.find(id.0, is).copied() {
            if let Some(group) = groups.get_mut(at as usize) {
                group.tally.add(share);
            }
            return;
        }
        let other = [Part::Other, Part::Absent];
        if groups.len() >= MOST_GROUPS && *parts != other {
            return self.add(&other, node, share);
        }
        let Ok(at) = u32::try_from(groups.len()) else { return };
        let mut tally = Tally::default();
        tally.add(share);
        groups.push(Group { id, parts: parts.each_ref().map(Part::keep), node, tally });
        let hash = |at: &u32| groups.get(*at as usize).map_or(0, |group| group.id.0);
        self.index.insert_unique(id.0, at, hash);
    }
}

/// What a view is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Of one flow.
    One,
    /// Of flows that have ended, and differ in what only one of them had.
    Several,
}

/// A pass that has come so far.
#[derive(Debug)]
pub(super) struct Refresh {
    pub(super) basis: Basis,
    /// The moment by the clocks of each node.
    now: Vec<Now>,
    /// Whether rows keep their places.
    pub(super) keeps: bool,
    pub(super) cells: Cells,
    pub(super) total: Tally,
    pub(super) totals: Totals,
    pub(super) fresh: bool,
    /// Whether any flow was in two groups.
    pub(super) overlap: bool,
    /// Whether something of the past is not known flow by flow.
    pub(super) forgotten: bool,
    /// The node that is asked, its next slot, and how many of its ended flows and of its past have been
    /// asked.
    node: usize,
    next: (usize, usize, usize),
}

impl Refresh {
    pub(super) fn new(basis: Basis, now: Vec<Now>, keeps: bool) -> Self {
        Self {
            basis,
            now,
            keeps,
            cells: Cells::default(),
            total: Tally::default(),
            totals: Totals::default(),
            fresh: false,
            overlap: false,
            node: 0,
            forgotten: false,
            next: (0, 0, 0),
        }
    }

    /// Asks that many flows at most; true when all have been asked.
    pub(super) fn advance(&mut self, sources: &[Source<'_>], flows: usize) -> bool {
        if let (Some(source), Some(now)) = (sources.get(self.node), self.now.get(self.node)) {
            if !self.node(Source { now: *now, ..*source }, flows) {
                return false;
            }
            self.node += 1;
            self.next = (0, 0, 0);
        }
        self.node >= sources.len()
    }

    fn node(&mut self, source: Source<'_>, flows: usize) -> bool {
        let mirror = source.mirror;
        let fresh = Fresh::of(mirror, source.now.boot);
        let (slot, ended, past) = self.next;
        let to = slot.saturating_add(flows).min(mirror.slots());
        for (_, view) in source.live_in(slot..to) {
            if self.asks(&view) {
                let share = Share::live(&view, mirror, fresh);
                self.totals.add(&view);
                self.add(&view, &share, Which::One);
            }
        }
        self.next.0 = to;
        if to < mirror.slots() {
            return false;
        }
        self.forgotten |= mirror.forgotten().flows > 0;
        let mut asked = 0;
        for view in source.ended().rev().skip(ended).take(flows) {
            asked += 1;
            if let Some(share) = Share::ended(&view, fresh)
                && self.asks(&view)
            {
                self.add(&view, &share, Which::One);
            }
        }
        self.next.1 += asked;
        if asked == flows {
            return false;
        }
        let mut asked = 0;
        for (entry, view) in source.past().skip(past).take(flows) {
            asked += 1;
            // What is not known of them is no flow of the table.
            let unknown = self.totals.unknown;
            if self.asks(&view) {
                self.add(&view, &Share::past(entry, &view), Which::Several);
            }
            self.totals.unknown = unknown;
        }
        self.next.2 += asked;
        asked < flows
    }

    fn asks(&mut self, view: &FlowView<'_>) -> bool {
        let query = &self.basis.query;
        if (query.hide_internal && view.dir == Dir::Internal) || (query.hide_own && view.is_own()) {
            return false;
        }
        match query.filter.as_ref().map_or(Tri::True, |filter| filter.matches(view)) {
            Tri::True => true,
            Tri::Unknown => {
                self.totals.unknown += u64::from(view.ended.is_none());
                false
            }
            Tri::False => false,
        }
    }

    fn add(&mut self, view: &FlowView<'_>, share: &Share, which: Which) {
        self.fresh |= share.is_fresh();
        self.total.add(share);
        let values = |key: &GroupKey| match which {
            Which::Several if !key.is_common() => (Part::Unknown, None),
            _ => key.values(view),
        };
        let Grouping { first, second } = self.basis.query.grouping;
        let (one, other) = values(first);
        let (cells, mut groups) = (&mut self.cells, 0);
        for a in [Some(one), other].into_iter().flatten() {
            let Some(second) = second else {
                cells.add(&[a, Part::Absent], view.node, share);
                groups += 1;
                continue;
            };
            let (one, other) = values(second);
            for b in [Some(one), other].into_iter().flatten() {
                cells.add(&[a, b], view.node, share);
                groups += 1;
            }
        }
        self.overlap |= groups > 1;
    }
}
