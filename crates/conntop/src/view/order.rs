//! Ranks without a full sort: parts of the list are put in order when somebody asks for them.

use std::cmp::Ordering;
use std::ops::Range;

use conntop_proto::flow::FlowId;

use crate::mirror::Slot;
use crate::sort::SortKey;

/// A row before it has a rank.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) key: SortKey,
    pub(super) id: FlowId,
    /// Where the flow lives; `None` when it has ended.
    slot: u32,
}

/// Stands for the slot of a flow that has none any more.
const ENDED: u32 = u32::MAX;

impl Entry {
    pub(super) fn live(key: SortKey, id: FlowId, slot: Slot) -> Self {
        Self { key, id, slot: slot.0 }
    }

    pub(super) fn ended(key: SortKey, id: FlowId) -> Self {
        Self { key, id, slot: ENDED }
    }

    pub(super) fn slot(&self) -> Option<Slot> {
        (self.slot != ENDED).then_some(Slot(self.slot))
    }

    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key).then_with(|| self.id.cmp(&other.id))
    }
}

/// Rows that are sorted around a window in advance, so that scrolling by lines asks for nothing.
const AROUND: usize = 256;

/// Entries of which one range is where it belongs.
#[derive(Debug, Default)]
pub(super) struct Ranking {
    entries: Vec<Entry>,
    sorted: Range<usize>,
}

impl Ranking {
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        Self { entries, sorted: 0..0 }
    }

    /// The emptied list, to be filled again.
    pub(super) fn into_room(mut self) -> Vec<Entry> {
        self.entries.clear();
        self.entries
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// In no order; positions are valid until [`Ranking::window`] moves something.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn rank_of(&self, id: FlowId) -> Option<usize> {
        // Most likely it is on the screen.
        let sorted = self.entries.get(self.sorted.clone()).unwrap_or(&[]);
        if let Some(at) = sorted.iter().position(|entry| entry.id == id) {
            return Some(self.sorted.start + at);
        }
        let wanted = self.entries.iter().find(|entry| entry.id == id)?;
        Some(self.entries.iter().filter(|entry| entry.cmp(wanted).is_lt()).count())
    }

    /// Whether [`Ranking::window`] would move entries.
    pub(super) fn moves_for(&self, top: usize, height: usize) -> bool {
        let (top, end) = self.within(top, height);
        top < self.sorted.start || end > self.sorted.end
    }

    /// Entries by rank, in order.
    pub(super) fn window(&mut self, top: usize, height: usize) -> &[Entry] {
        let (top, end) = self.within(top, height);
        if self.moves_for(top, height) {
            let from = top.saturating_sub(AROUND);
            let to = end.saturating_add(AROUND).min(self.entries.len());
            self.select(from, to);
        }
        self.entries.get(top..end).unwrap_or(&[])
    }

    fn within(&self, top: usize, height: usize) -> (usize, usize) {
        let end = top.saturating_add(height).min(self.entries.len());
        (top.min(end), end)
    }

    /// Puts the entries of the ranks `from..to` in their places: linear for those outside.
    fn select(&mut self, from: usize, to: usize) {
        if from > 0 && from < self.entries.len() {
            self.entries.select_nth_unstable_by(from, Entry::cmp);
        }
        let Some(rest) = self.entries.get_mut(from..) else { return };
        let wanted = to.saturating_sub(from);
        if wanted < rest.len() {
            rest.select_nth_unstable_by(wanted, Entry::cmp);
        }
        if let Some(window) = rest.get_mut(..wanted) {
            window.sort_unstable_by(Entry::cmp);
        }
        self.sorted = from..to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Value;
    use proptest::prelude::*;

    fn ranking(keys: &[u64]) -> (Ranking, Vec<FlowId>) {
        let entries: Vec<Entry> = (0..)
            .zip(keys)
            .map(|(id, key)| Entry::ended(SortKey::of(Value::Number(*key)), FlowId(id)))
            .collect();
        let mut sorted = entries.clone();
        sorted.sort_by(Entry::cmp);
        (Ranking::new(entries), sorted.iter().map(|e| e.id).collect())
    }

    #[test]
    fn a_million_fit_twice() {
        assert!(size_of::<Entry>() <= 32, "{}", size_of::<Entry>());
    }

    proptest! {
        #[test]
        fn windows_are_those_of_a_full_sort(
            keys in proptest::collection::vec(0_u64..50, 0..2000),
            asked in proptest::collection::vec((0_usize..2100, 0_usize..60), 1..6),
        ) {
            let (mut ranking, sorted) = ranking(&keys);
            for (top, height) in asked {
                let got: Vec<FlowId> = ranking.window(top, height).iter().map(|e| e.id).collect();
                let wanted: Vec<FlowId> = sorted.iter().skip(top).take(height).copied().collect();
                prop_assert_eq!(got, wanted);
            }
            for (rank, id) in sorted.iter().enumerate().step_by(97) {
                prop_assert_eq!(ranking.rank_of(*id), Some(rank));
            }
        }
    }
}
