//! Live flows in slots that stay where they are while the flow lives, and an index by id.

use std::hash::BuildHasher;
use std::ops::Range;

use conntop_proto::flow::FlowId;
use hashbrown::HashTable;

use super::flow::Flow;

/// Place of a flow in the mirror; valid until the flow ends, then used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

#[derive(Default)]
pub(super) struct Slab {
    slots: Vec<Option<Flow>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
}

impl Slab {
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Makes room in the index for so many flows.
    pub(super) fn expect(&mut self, flows: usize) {
        let Self { slots, index, hasher, .. } = self;
        index.reserve(flows.saturating_sub(index.len()), |slot| hash(slots, hasher, *slot));
    }

    pub(super) fn at(&self, slot: Slot) -> Option<&Flow> {
        self.slots.get(slot.0 as usize)?.as_ref()
    }

    pub(super) fn at_mut(&mut self, slot: Slot) -> Option<&mut Flow> {
        self.slots.get_mut(slot.0 as usize)?.as_mut()
    }

    pub(super) fn find(&self, id: FlowId) -> Option<Slot> {
        let found = self.index.find(self.hasher.hash_one(id), |&slot| self.id_at(slot) == Some(id));
        found.copied().map(Slot)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Flow)> {
        self.range(0..self.slots.len())
    }

    pub(super) fn range(&self, slots: Range<usize>) -> impl Iterator<Item = (Slot, &Flow)> {
        let end = slots.end.min(self.slots.len());
        let start = slots.start.min(end);
        let numbers = u32::try_from(start).unwrap_or(u32::MAX)..;
        let part = self.slots.get(start..end).unwrap_or(&[]);
        part.iter().zip(numbers).filter_map(|(flow, slot)| Some((Slot(slot), flow.as_ref()?)))
    }

    pub(super) fn range_mut(&mut self, slots: Range<usize>) -> impl Iterator<Item = &mut Flow> {
        let end = slots.end.min(self.slots.len());
        self.slots.get_mut(slots.start.min(end)..end).unwrap_or(&mut []).iter_mut().flatten()
    }

    /// Stores a flow whose id is not in the index; `None` when there are 2^32 slots already.
    pub(super) fn insert(&mut self, flow: Flow) -> Option<Slot> {
        let id = flow.id();
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                let slot = u32::try_from(self.slots.len()).ok()?;
                self.slots.push(None);
                slot
            }
        };
        *self.slots.get_mut(slot as usize)? = Some(flow);
        self.link(id, slot);
        Some(Slot(slot))
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Flow> {
        let flow = self.slots.get_mut(slot.0 as usize)?.take()?;
        let hash = self.hasher.hash_one(flow.id());
        if let Ok(entry) = self.index.find_entry(hash, |&s| s == slot.0) {
            entry.remove();
        }
        self.free.push(slot.0);
        Some(flow)
    }

    /// Takes a flow out of a slot that [`Slab::succeed`] gives to another at once.
    pub(super) fn take_over(&mut self, slot: Slot) -> Option<Flow> {
        self.slots.get_mut(slot.0 as usize)?.take()
    }

    /// Puts another flow into the slot of one that it succeeds.
    pub(super) fn succeed(&mut self, slot: Slot, flow: Flow) {
        let id = flow.id();
        if let Some(old) = self.slots.get_mut(slot.0 as usize) {
            *old = Some(flow);
            self.link(id, slot.0);
        }
    }

    /// Makes every flow unknown by id; they stay in their slots.
    pub(super) fn forget_ids(&mut self) {
        self.index.clear();
    }

    fn link(&mut self, id: FlowId, slot: u32) {
        let Self { slots, index, hasher, .. } = self;
        index.insert_unique(hasher.hash_one(id), slot, |slot| hash(slots, hasher, *slot));
    }

    fn id_at(&self, slot: u32) -> Option<FlowId> {
        self.at(Slot(slot)).map(Flow::id)
    }
}

fn hash(slots: &[Option<Flow>], hasher: &foldhash::fast::RandomState, slot: u32) -> u64 {
    let flow = slots.get(slot as usize).and_then(Option::as_ref);
    hasher.hash_one(flow.map_or(FlowId(u64::MAX), Flow::id))
}
