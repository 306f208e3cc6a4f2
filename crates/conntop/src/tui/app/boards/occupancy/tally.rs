//! Puts flows together by source and state, in as many parts as its owner likes; then finds the median of
//! the remaining timeouts of each group, in parts as well.

use conntop_proto::flow::BootMillis;
use hashbrown::HashMap;

use super::{By, Key};
use crate::flow::{Now, Source};

/// Flows that have a key in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) key: Key,
    pub(super) flows: u64,
    /// Median of the remaining timeouts, milliseconds.
    pub(super) timeout: Option<u64>,
}

/// One that is put together.
#[derive(Debug)]
struct Making {
    key: Key,
    flows: u64,
    /// Remaining timeouts, milliseconds; days of them fit.
    timeouts: Vec<u32>,
}

/// Where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Idle,
    /// The node and its next slot.
    Counting(usize, usize),
    /// The next group whose median is to be found.
    Halving(usize),
    Done,
}

/// Groups in the making.
#[derive(Debug, Default)]
pub(super) struct Tally {
    stage: Stage,
    by: By,
    now: Vec<Now>,
    places: HashMap<Key, usize>,
    making: Vec<Making>,
    groups: Vec<Group>,
}

impl Tally {
    /// Begins anew, unless the same is under way.
    pub(super) fn begin(&mut self, by: By, now: &[Now]) {
        let under_way = matches!(self.stage, Stage::Counting(..) | Stage::Halving(_));
        if under_way && self.by == by {
            return;
        }
        self.by = by;
        self.now = now.to_vec();
        self.places.clear();
        self.making.clear();
        self.groups.clear();
        self.stage = Stage::Counting(0, 0);
    }

    /// Goes on, by so many flows; true when there is nothing more to do.
    pub(super) fn advance(&mut self, sources: &[Source<'_>], flows: usize) -> bool {
        match self.stage {
            Stage::Idle | Stage::Done => return true,
            Stage::Counting(at, slot) => self.stage = self.count(sources, (at, slot), flows),
            Stage::Halving(from) => self.stage = self.halve(from, flows),
        }
        self.stage == Stage::Done
    }

    fn count(&mut self, sources: &[Source<'_>], (at, slot): (usize, usize), flows: usize) -> Stage {
        let Some(source) = sources.get(at) else { return Stage::Halving(0) };
        let now = self.now.get(at).map_or(BootMillis(0), |now| now.boot);
        let to = slot.saturating_add(flows).min(source.mirror.slots());
        for (_, flow) in source.mirror.flows_in(slot..to) {
            let key = Key::of(source.node, flow.orig().src, flow.state(), self.by);
            let place = *self.places.entry(key).or_insert_with(|| {
                self.making.push(Making { key, flows: 0, timeouts: Vec::new() });
                self.making.len() - 1
            });
            let Some(group) = self.making.get_mut(place) else { continue };
            group.flows += 1;
            if let Some(expires) = flow.expires() {
                group.timeouts.push(u32::try_from(expires.since(now)).unwrap_or(u32::MAX));
            }
        }
        if to < source.mirror.slots() { Stage::Counting(at, to) } else { Stage::Counting(at + 1, 0) }
    }

    fn halve(&mut self, from: usize, flows: usize) -> Stage {
        let mut left = flows;
        for (at, making) in self.making.iter_mut().enumerate().skip(from) {
            let timeout = median(&mut making.timeouts);
            self.groups.push(Group { key: making.key, flows: making.flows, timeout });
            left = left.saturating_sub(making.timeouts.len().max(1));
            if left == 0 {
                return Stage::Halving(at + 1);
            }
        }
        Stage::Done
    }

    /// The groups, once after they are complete.
    pub(super) fn take(&mut self) -> Option<Vec<Group>> {
        if self.stage != Stage::Done {
            return None;
        }
        self.stage = Stage::Idle;
        self.making = Vec::new();
        self.places.clear();
        Some(std::mem::take(&mut self.groups))
    }
}

/// The middle one, of an even number the lower of both.
fn median(values: &mut [u32]) -> Option<u64> {
    let middle = values.len().checked_sub(1)? / 2;
    let (_, median, _) = values.select_nth_unstable(middle);
    Some(u64::from(*median))
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn medians_are_in_the_middle() {
        let check = |values: &mut [u32], expected: Option<u64>| assert_eq!(median(values), expected);
        check(&mut [], None);
        check(&mut [7], Some(7));
        check(&mut [9, 7], Some(7));
        check(&mut [9, 1, 7], Some(7));
        check(&mut [4, 1, 3, 2], Some(2));
    }
}
