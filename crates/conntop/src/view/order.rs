//! Ranks without a full sort: parts of the list are put in order when somebody asks for them.
//!
//! A view holds two of these lists, each with all its rows, so an entry is small: most orders need
//! eight bytes for a key, and a list begins with these. The first key that needs more (an IPv6
//! address, a text) widens all.

use std::cmp::Ordering;
use std::ops::Range;

use crate::flow::FlowKey;
use crate::mirror::Slot;
use crate::sort::{NarrowKey, SortKey};

/// A row and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) key: SortKey,
    pub(super) id: FlowKey,
    /// Where the flow lives; `None` when it has ended.
    pub(super) slot: Option<Slot>,
}

/// A row before it has a rank.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed(4))]
struct Entry<K> {
    key: K,
    id: FlowKey,
    slot: u32,
}

/// Stands for the slot of a flow that has none any more.
const ENDED: u32 = u32::MAX;

impl<K: Copy + Ord + Into<SortKey>> Entry<K> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        { self.key }.cmp(&{ other.key }).then_with(|| { self.id }.cmp(&{ other.id }))
    }

    fn placed(&self) -> Placed {
        let slot = self.slot;
        Placed { key: self.key.into(), id: self.id, slot: (slot != ENDED).then_some(Slot(slot)) }
    }
}

/// Rows in no order.
#[derive(Debug)]
enum Entries {
    Narrow(Vec<Entry<NarrowKey>>),
    Wide(Vec<Entry<SortKey>>),
}

macro_rules! of_either {
    ($either:expr, $entries:ident => $result:expr) => {
        match $either {
            Entries::Narrow($entries) => $result,
            Entries::Wide($entries) => $result,
        }
    };
}

/// Rows that are sorted around a window in advance, so that scrolling by lines asks for nothing.
const AROUND: usize = 256;

/// Entries of which one range is where it belongs.
#[derive(Debug)]
pub(super) struct Ranking {
    entries: Entries,
    sorted: Range<usize>,
}

impl Default for Ranking {
    fn default() -> Self {
        Self { entries: Entries::Narrow(Vec::new()), sorted: 0..0 }
    }
}

impl Ranking {
    /// Forgets the rows and keeps the room for as many.
    pub(super) fn emptied(mut self) -> Self {
        self.sorted = 0..0;
        match &mut self.entries {
            Entries::Narrow(entries) => entries.clear(),
            Entries::Wide(_) => self.entries = Entries::Narrow(Vec::new()),
        }
        self
    }

    /// Adds a row. Ranks are asked for when all have been added.
    pub(super) fn push(&mut self, row: Placed) {
        let Placed { key, id, slot } = row;
        let slot = slot.map_or(ENDED, |slot| slot.0);
        match &mut self.entries {
            Entries::Wide(entries) => entries.push(Entry { key, id, slot }),
            Entries::Narrow(entries) => match key.narrow() {
                Some(key) => entries.push(Entry { key, id, slot }),
                None => {
                    self.widen();
                    self.push(row);
                }
            },
        }
    }

    fn widen(&mut self) {
        if let Entries::Narrow(entries) = &self.entries {
            let wide = entries.iter().map(|e| Entry { key: e.key.into(), id: e.id, slot: e.slot });
            self.entries = Entries::Wide(wide.collect());
        }
    }

    pub(super) fn len(&self) -> usize {
        of_either!(&self.entries, entries => entries.len())
    }

    /// The row at a position, which is its own until [`Ranking::window`] moves something.
    #[inline]
    pub(super) fn at(&self, position: usize) -> Option<Placed> {
        of_either!(&self.entries, entries => entries.get(position).map(Entry::placed))
    }

    pub(super) fn rank_of(&self, id: FlowKey) -> Option<usize> {
        of_either!(&self.entries, entries => rank_of(entries, &self.sorted, id))
    }

    /// Whether [`Ranking::window`] would move entries.
    pub(super) fn moves_for(&self, top: usize, height: usize) -> bool {
        let (top, end) = self.within(top, height);
        top < self.sorted.start || end > self.sorted.end
    }

    /// Rows by rank, in order.
    pub(super) fn window(&mut self, top: usize, height: usize) -> Vec<Placed> {
        let moves = self.moves_for(top, height);
        let (top, end) = self.within(top, height);
        if moves {
            let from = top.saturating_sub(AROUND);
            let to = end.saturating_add(AROUND).min(self.len());
            of_either!(&mut self.entries, entries => select(entries, from, to));
            self.sorted = from..to;
        }
        let placed = (top..end).filter_map(|position| self.at(position));
        placed.collect()
    }

    fn within(&self, top: usize, height: usize) -> (usize, usize) {
        let end = top.saturating_add(height).min(self.len());
        (top.min(end), end)
    }
}

fn rank_of<K>(entries: &[Entry<K>], sorted: &Range<usize>, id: FlowKey) -> Option<usize>
where
    K: Copy + Ord + Into<SortKey>,
{
    // Most likely it is on the screen.
    let near = entries.get(sorted.clone()).unwrap_or(&[]);
    if let Some(at) = near.iter().position(|entry| { entry.id } == id) {
        return Some(sorted.start + at);
    }
    let wanted = entries.iter().find(|entry| { entry.id } == id)?;
    Some(entries.iter().filter(|entry| entry.cmp(wanted).is_lt()).count())
}

/// Puts the entries of the ranks `from..to` in their places: linear for those outside.
fn select<K: Copy + Ord + Into<SortKey>>(entries: &mut [Entry<K>], from: usize, to: usize) {
    if from > 0 && from < entries.len() {
        entries.select_nth_unstable_by(from, Entry::cmp);
    }
    let Some(rest) = entries.get_mut(from..) else { return };
    let wanted = to.saturating_sub(from);
    if wanted < rest.len() {
        rest.select_nth_unstable_by(wanted, Entry::cmp);
    }
    if let Some(window) = rest.get_mut(..wanted) {
        window.sort_unstable_by(Entry::cmp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Value;
    use crate::flow::NodeId;
    use conntop_proto::flow::FlowId;
    use proptest::prelude::*;

    #[test]
    fn a_million_fit_twice() {
        assert!(size_of::<Entry<NarrowKey>>() <= 20, "{}", size_of::<Entry<NarrowKey>>());
        assert!(size_of::<Entry<SortKey>>() <= 32, "{}", size_of::<Entry<SortKey>>());
    }

    /// Keys of either kind: small numbers, and addresses of both families.
    fn key(number: u64, wide: bool) -> SortKey {
        let address = |n: u64| match n % 2 {
            0 => std::net::IpAddr::from([10, 0, 0, u8::try_from(n).unwrap()]),
            _ => std::net::Ipv6Addr::from_bits(u128::from(n) << 64 | u128::from(n % 3)).into(),
        };
        SortKey::of(if wide { Value::Address(address(number)) } else { Value::Number(number) })
    }

    proptest! {
        #[test]
        fn windows_are_those_of_a_full_sort(
            numbers in proptest::collection::vec(0_u64..50, 0..2000),
            wide: bool,
            asked in proptest::collection::vec((0_usize..2100, 0_usize..60), 1..6),
        ) {
            let mut ranking = Ranking::default();
            let mut rows: Vec<Placed> = (0..)
                .zip(&numbers)
                .map(|(id, number)| Placed { key: key(*number, wide), id: FlowKey::new(NodeId(3), FlowId(id)), slot: None })
                .collect();
            rows.iter().for_each(|row| ranking.push(*row));
            rows.sort_by_key(|row| (row.key, row.id));
            for (top, height) in asked {
                let wanted: Vec<Placed> = rows.iter().skip(top).take(height).copied().collect();
                prop_assert_eq!(ranking.window(top, height), wanted);
            }
            for (rank, row) in rows.iter().enumerate().step_by(97) {
                prop_assert_eq!(ranking.rank_of(row.id), Some(rank));
            }
        }
    }
}
