//! One pass over the mirrors that puts each flow into its groups, in as many parts as its owner likes.

use conntop_proto::flow::BootMillis;
use hashbrown::HashTable;

use super::part::{GroupId, Kept, Pair, Part};
use super::tally::{Moment, Share, Tally};
use super::{Basis, Grouping, MOST_GROUPS};
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
    /// The node that is asked, its next slot, and how many of its ended flows have been asked.
    node: usize,
    next: (usize, usize),
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
            next: (0, 0),
        }
    }

    /// Asks that many flows at most; true when all have been asked.
    pub(super) fn advance(&mut self, sources: &[Source<'_>], flows: usize) -> bool {
        if let (Some(source), Some(now)) = (sources.get(self.node), self.now.get(self.node)) {
            if !self.node(Source { now: *now, ..*source }, flows) {
                return false;
            }
            self.node += 1;
            self.next = (0, 0);
        }
        self.node >= sources.len()
    }

    fn node(&mut self, source: Source<'_>, flows: usize) -> bool {
        let mirror = source.mirror;
        let moment = Moment { now: source.now.boot, since: BootMillis(0) };
        let (slot, past) = self.next;
        let to = slot.saturating_add(flows).min(mirror.slots());
        for (_, view) in source.live_in(slot..to) {
            self.flow(&view, moment);
        }
        self.next.0 = to;
        if to < mirror.slots() {
            return false;
        }
        let mut asked = 0;
        for view in source.ended().rev().skip(past).take(flows) {
            self.flow(&view, moment);
            asked += 1;
        }
        self.next.1 += asked;
        asked < flows
    }

    fn flow(&mut self, view: &FlowView<'_>, moment: Moment) {
        let query = &self.basis.query;
        if (query.hide_internal && view.dir == Dir::Internal) || (query.hide_own && view.is_own()) {
            return;
        }
        let live = view.ended.is_none();
        match query.filter.as_ref().map_or(Tri::True, |filter| filter.matches(view)) {
            Tri::True => {}
            Tri::Unknown => {
                self.totals.unknown += u64::from(live);
                return;
            }
            Tri::False => return,
        }
        let share = Share::of(view, moment);
        self.fresh |= share.is_fresh();
        self.total.add(&share);
        if live {
            self.totals.add(view);
        }
        let Grouping { first, second } = query.grouping;
        let (one, other) = first.values(view);
        let (cells, mut groups) = (&mut self.cells, 0);
        for a in [Some(one), other].into_iter().flatten() {
            let Some(second) = second else {
                cells.add(&[a, Part::Absent], view.node, &share);
                groups += 1;
                continue;
            };
            let (one, other) = second.values(view);
            for b in [Some(one), other].into_iter().flatten() {
                cells.add(&[a, b], view.node, &share);
                groups += 1;
            }
        }
        self.overlap |= groups > 1;
    }
}
