//! Ranks of groups without a full sort: parts of the list are put in order when somebody asks.

use std::cmp::Ordering;
use std::ops::Range;

use hashbrown::HashMap;

use super::columns::{By, GroupSort};
use super::part::GroupId;
use super::refresh::Group;
use crate::columns::Order as Direction;

/// Groups that are sorted around a window in advance, so that scrolling by lines asks for nothing.
const AROUND: usize = 256;

/// Places of groups by their ids.
pub(super) type Places = HashMap<GroupId, u64, foldhash::fast::FixedState>;

/// Groups by rank, of which one range is where it belongs.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Key and index of each group; smaller keys stand first.
    entries: Vec<(u64, u32)>,
    /// Whether equal keys stand by name from the end.
    backwards: bool,
    sorted: Range<usize>,
}

impl Order {
    /// The order of groups by their values; those with places keep these, and others follow.
    pub(super) fn new(groups: &[Group], sort: GroupSort, places: Option<&Places>) -> Self {
        let by_name = matches!(sort.by, By::Name);
        let descending = sort.order == Direction::Descending;
        let key = |group: &Group| -> u64 {
            if let Some(places) = places {
                return places.get(&group.id).copied().unwrap_or(u64::MAX);
            }
            let By::Column(column) = sort.by else {
                return u64::from(!group.is_value());
            };
            match (column.figure)(&group.tally).number() {
                None => u64::MAX,
                Some(number) if descending => u64::MAX - 1 - number.min(u64::MAX - 1),
                Some(number) => number.min(u64::MAX - 1),
            }
        };
        let entries = (0_u32..).zip(groups).map(|(at, group)| (key(group), at)).collect();
        Self { entries, backwards: by_name && descending, sorted: 0..0 }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Where each group stands.
    pub(super) fn places(&self, groups: &[Group]) -> Places {
        let group = |(_, at): &(u64, u32)| groups.get(*at as usize);
        (0_u64..).zip(&self.entries).filter_map(|(rank, entry)| Some((group(entry)?.id, rank))).collect()
    }

    fn compare(&self, groups: &[Group], a: &(u64, u32), b: &(u64, u32)) -> Ordering {
        a.0.cmp(&b.0).then_with(|| {
            let name = |entry: &(u64, u32)| groups.get(entry.1 as usize).map(Group::name);
            let by_name = name(a).cmp(&name(b));
            if self.backwards { by_name.reverse() } else { by_name }
        })
    }

    /// Whether [`Order::window`] would move entries.
    pub(super) fn moves_for(&self, top: usize, height: usize) -> bool {
        let end = top.saturating_add(height).min(self.len());
        top.min(end) < self.sorted.start || end > self.sorted.end
    }

    /// Indices of the groups of these ranks, in order.
    pub(super) fn window(&mut self, groups: &[Group], top: usize, height: usize) -> &[(u64, u32)] {
        let end = top.saturating_add(height).min(self.len());
        let top = top.min(end);
        if self.moves_for(top, height) {
            let (from, to) = (top.saturating_sub(AROUND), end.saturating_add(AROUND).min(self.len()));
            self.select(groups, from, to);
            self.sorted = from..to;
        }
        self.entries.get(top..end).unwrap_or(&[])
    }

    /// Puts the entries of the ranks `from..to` in their places: linear for those outside.
    fn select(&mut self, groups: &[Group], from: usize, to: usize) {
        let mut entries = std::mem::take(&mut self.entries);
        if from > 0 && from < entries.len() {
            entries.select_nth_unstable_by(from, |a, b| self.compare(groups, a, b));
        }
        if let Some(rest) = entries.get_mut(from..) {
            let count = to.saturating_sub(from);
            if count > 0 && count < rest.len() {
                rest.select_nth_unstable_by(count - 1, |a, b| self.compare(groups, a, b));
            }
            if let Some(window) = rest.get_mut(..count) {
                window.sort_unstable_by(|a, b| self.compare(groups, a, b));
            }
        }
        self.entries = entries;
    }

    /// The rank of a group.
    pub(super) fn rank_of(&self, groups: &[Group], index: u32) -> Option<usize> {
        let near = self.entries.get(self.sorted.clone()).unwrap_or(&[]);
        if let Some(at) = near.iter().position(|entry| entry.1 == index) {
            return Some(self.sorted.start + at);
        }
        let wanted = self.entries.iter().find(|entry| entry.1 == index)?;
        Some(self.entries.iter().filter(|entry| self.compare(groups, entry, wanted).is_lt()).count())
    }
}
