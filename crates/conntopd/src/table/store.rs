//! Where flows are kept: slots in segments, an index by key, and what lies aside of them.
//!
//! Invariants
//! - A slot is live, ended or empty; the first two stand in the index unless a newer flow with the
//!   same key does. Empty slots form a chain through `Hot::rare`.
//! - What lies aside belongs to exactly one slot and is given back with it.
//! - In steady state nothing is allocated: slots, rare things and addresses are used again.

use std::hash::BuildHasher;

use conntop_proto::flow::FlowId;
use foldhash::fast::RandomState;

use super::ended::{End, Ends};
use super::index::Index;
use super::key::{Key, Packed, Wide};
use super::segments::{Arena, NONE, Segments};
use super::slot::{Cold, ENDED, Hot, INDEXED, LIVE, Rare, Slot};

/// All slots.
pub(super) struct Store {
    hot: Segments<Hot>,
    cold: Segments<Cold>,
    pub(super) ends: Ends,
    rare: Arena<Rare>,
    wide: Wide,
    /// Slots by key: the live flow, or else the latest ended one.
    index: Index,
    hasher: RandomState,
    /// The first empty slot.
    free: u32,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            hot: Segments::default(),
            cold: Segments::default(),
            ends: Ends::default(),
            rare: Arena::default(),
            wide: Wide::default(),
            index: Index::default(),
            hasher: RandomState::default(),
            free: NONE,
        }
    }
}

impl Store {
    /// Slots that exist, in whatever state.
    pub(super) fn len(&self) -> u32 {
        self.hot.len()
    }

    #[inline]
    pub(super) fn hot(&self, slot: u32) -> &Hot {
        self.hot.at(slot)
    }

    #[inline]
    pub(super) fn hot_mut(&mut self, slot: u32) -> &mut Hot {
        self.hot.at_mut(slot)
    }

    #[inline]
    pub(super) fn cold(&self, slot: u32) -> &Cold {
        self.cold.at(slot)
    }

    #[inline]
    pub(super) fn cold_mut(&mut self, slot: u32) -> &mut Cold {
        self.cold.at_mut(slot)
    }

    pub(super) fn slot(&self, slot: u32) -> Slot<'_> {
        self.view(self.hot(slot), self.cold(slot))
    }

    /// A slot with a number from elsewhere.
    pub(super) fn get(&self, slot: u32) -> Option<Slot<'_>> {
        Some(self.view(self.hot.get(slot)?, self.cold.get(slot)?))
    }

    /// All live flows with their slots.
    pub(super) fn live(&self) -> impl Iterator<Item = (u32, Slot<'_>)> {
        let slots = (0..).zip(self.hot.iter().zip(self.cold.iter()));
        slots.filter(|(_, (hot, _))| hot.has(LIVE)).map(|(n, (hot, cold))| (n, self.view(hot, cold)))
    }

    /// The ids in all slots, of what lives or lived there.
    pub(super) fn ids(&self) -> impl Iterator<Item = (u32, FlowId)> {
        (0..).zip(self.cold.iter().map(|cold| FlowId(cold.id.get())))
    }

    fn view<'a>(&'a self, hot: &'a Hot, cold: &'a Cold) -> Slot<'a> {
        let rare = (hot.rare != NONE && hot.flags & (LIVE | ENDED) != 0).then(|| self.rare.at(hot.rare));
        let end = if hot.has(ENDED) { self.ends.get(hot.expires.get()) } else { None };
        Slot { hot, cold, rare, end, wide: &self.wide }
    }

    /// The rare things of a slot, from now on there.
    pub(super) fn rare(&mut self, slot: u32) -> &mut Rare {
        let hot = self.hot.at_mut(slot);
        if hot.rare == NONE {
            hot.rare = self.rare.insert(Rare::default());
        }
        self.rare.at_mut(hot.rare)
    }

    #[inline]
    pub(super) fn is_key(&self, slot: u32, key: &Key) -> bool {
        key.is(self.hot(slot).orig, &self.wide)
    }

    #[inline]
    pub(super) fn is_reply(&self, slot: u32, key: &Key) -> bool {
        key.is(self.hot(slot).reply, &self.wide)
    }

    pub(super) fn find(&self, key: &Key) -> Option<u32> {
        self.index.find(self.hasher.hash_one(key), |slot| self.is_key(slot, key))
    }

    /// The two directions of a flow as its slot will keep them.
    pub(super) fn pack(&mut self, key: Key, reply: Key) -> (Packed, Packed) {
        let orig = key.pack(&mut self.wide);
        (orig, reply.pack_reply(orig, &mut self.wide))
    }

    /// Puts a flow into an empty slot and into the index, where it takes the place of what was `found`
    /// there. Returns its slot, and whether that is a new one.
    pub(super) fn place(&mut self, key: Key, found: Option<u32>, hot: Hot, cold: Cold) -> (u32, bool) {
        let reused = self.free != NONE;
        let slot = if reused {
            let slot = self.free;
            self.free = self.hot(slot).rare;
            *self.hot_mut(slot) = hot;
            *self.cold_mut(slot) = cold;
            slot
        } else {
            self.index.grow();
            self.cold.push(cold);
            self.hot.push(hot)
        };
        let hash = self.hasher.hash_one(key);
        let Self { hot, wide, index, hasher, .. } = self;
        if let Some(ended) = found {
            index.remove(hash, ended);
            hot.at_mut(ended).flags &= !INDEXED;
        }
        index.insert(hash, slot, |slot| {
            let hot = hot.at(slot);
            hot.has(INDEXED).then(|| hasher.hash_one(hot.orig.unpack(wide)))
        });
        hot.at_mut(slot).flags |= INDEXED;
        (slot, !reused)
    }

    /// Turns a live slot into the record of an end.
    pub(super) fn end(&mut self, end: End) {
        let slot = end.slot;
        let number = self.ends.push(end);
        let hot = self.hot_mut(slot);
        hot.flags = hot.flags & !LIVE | ENDED;
        hot.expires = super::narrow::U48::new(number);
    }

    /// Empties the slot of the oldest end; returns both, and the key.
    pub(super) fn forget_oldest(&mut self) -> Option<(End, Key)> {
        let end = self.ends.pop_oldest()?;
        let (slot, free) = (end.slot, self.free);
        let hot = self.hot_mut(slot);
        let (orig, reply, rare) = (hot.orig, hot.reply, hot.rare);
        (hot.flags, hot.rare) = (0, free);
        let key = orig.unpack(&self.wide);
        self.free = slot;
        self.index.remove(self.hasher.hash_one(key), slot);
        orig.release(reply, &mut self.wide);
        if rare != NONE {
            self.rare.remove(rare);
        }
        Some((end, key))
    }
}
