//! Flows of an earlier epoch, of which ids say nothing any more: found by zone and original tuple
//! until the new table is complete. Only their slots are kept here, for there may be a million.

use std::hash::BuildHasher;

use conntop_proto::tuple::Tuple;
use hashbrown::HashTable;

use super::flow::Flow;
use super::slab::{Slab, Slot};

#[derive(Default)]
pub(super) struct Orphans {
    index: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
}

impl Orphans {
    /// All flows are orphans.
    pub(super) fn of(flows: &Slab) -> Self {
        let mut orphans = Self { index: HashTable::with_capacity(flows.len()), ..Self::default() };
        for (slot, flow) in flows.iter() {
            let Self { index, hasher } = &mut orphans;
            let hash = |flow: &Flow| hasher.hash_one(key(flow));
            index.insert_unique(hash(flow), slot.0, |slot| flows.at(Slot(*slot)).map_or(0, hash));
        }
        orphans
    }

    /// The orphan that a flow succeeds; it is none from now on.
    pub(super) fn take(&mut self, flows: &Slab, flow: &Flow) -> Option<Slot> {
        if self.index.is_empty() {
            return None;
        }
        let is = |slot: &u32| flows.at(Slot(*slot)).is_some_and(|old| key(old) == key(flow));
        let found = self.index.find_entry(self.hasher.hash_one(key(flow)), is).ok()?;
        Some(Slot(found.remove().0))
    }
}

fn key(flow: &Flow) -> (u16, Tuple) {
    (flow.zone(), flow.orig())
}
