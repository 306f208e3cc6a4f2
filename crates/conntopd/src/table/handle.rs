//! Single flows for GETs: which ones to ask for, and what the answers mean.
//!
//! A [`Handle`] names one incarnation, so an answer that comes after its flow ended, or for a slot
//! that was used again, changes nothing. Only the answer to a GET may contradict what the table
//! believes of a flow outside of a whole pass.

use conntop_proto::flow::{BootMillis, EndReason, FlowId, Status as Bits};
use conntop_proto::message::Coverage;
use nfnetlink::ct::{CtMessage, FlowRef, Status};

use super::key::Key;
use super::narrow::U48;
use super::slot::{BORN, COUNTERS, CT_ID, LIVE, Slot};
use super::{FlowTable, ReadSpan};

/// Bits of the filter that most slots fail in [`FlowTable::handles`].
const SIEVE: usize = 1 << 14;

/// Names one incarnation of a flow; harmless when that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    slot: u32,
    id: FlowId,
}

impl Handle {
    /// The flow that it names.
    #[must_use]
    pub fn id(self) -> FlowId {
        self.id
    }
}

impl FlowTable {
    /// Flows that the latest pass ought to have found and did not, at most `max`, to be confirmed by
    /// GETs: of a pass over the known flows every other one, of a pass over the assured flows those
    /// last known as assured. None while a pass runs, after one that failed, and after a whole one,
    /// which ends them itself.
    #[must_use]
    pub fn suspects(&self, max: usize) -> Vec<Handle> {
        let bits = match self.pass.coverage {
            _ if !self.suspicious => return Vec::new(),
            Coverage::Whole => return Vec::new(),
            Coverage::Known => Bits(0),
            Coverage::Assured => Bits::ASSURED,
        };
        let missed = |slot: &Slot<'_>| slot.hot.stamp != self.stamp && Bits(slot.hot.status).has(bits);
        self.store
            .live()
            .filter(|(_, slot)| missed(slot))
            .map(|(n, slot)| handle(n, slot))
            .take(max)
            .collect()
    }

    /// Handles of those of these flows that live; `ids` are sorted, and so is the result. One look at
    /// the id of every slot, because nothing else needs an index by id.
    #[must_use]
    pub fn handles(&self, ids: &[FlowId]) -> Vec<Handle> {
        if ids.is_empty() {
            return Vec::new();
        }
        let place = |id: FlowId| usize::try_from(id.0).unwrap_or(0) % SIEVE;
        let mut sieve = [0u64; SIEVE / 64];
        for &id in ids {
            if let Some(word) = sieve.get_mut(place(id) / 64) {
                *word |= 1 << (place(id) % 64);
            }
        }
        let wanted = |id: FlowId| {
            sieve.get(place(id) / 64).is_some_and(|word| word >> (place(id) % 64) & 1 == 1)
                && ids.binary_search(&id).is_ok()
        };
        let found = self.store.ids().filter(|&(_, id)| wanted(id)).map(|(slot, id)| Handle { slot, id });
        let mut found: Vec<_> = found.filter(|&handle| self.named(handle).is_some()).collect();
        found.sort_unstable_by_key(|handle| handle.id);
        found
    }

    /// What to ask the kernel for; `None` when the flow has ended.
    #[must_use]
    pub fn request(&self, handle: Handle) -> Option<FlowRef> {
        self.named(handle).map(|slot| flow_ref(&slot))
    }

    /// What to ask the kernel for each live flow.
    pub fn requests(&self) -> impl Iterator<Item = FlowRef> {
        self.store.live().map(|(_, slot)| flow_ref(&slot))
    }

    /// When the table first saw a flow; `None` when it has ended.
    #[must_use]
    pub fn first_seen(&self, handle: Handle) -> Option<BootMillis> {
        self.named(handle).map(|slot| BootMillis(slot.cold.first_seen.get()))
    }

    /// When a flow was last seen to carry anything; `None` when it has not since the table first saw it,
    /// or has ended. A sample that went out by itself counts as well, as nothing is kept of its reason.
    #[must_use]
    pub fn moved(&self, handle: Handle) -> Option<BootMillis> {
        let slot = self.named(handle)?;
        let (first, last) = (slot.cold.first_seen.get(), slot.cold.sampled.get());
        (slot.hot.has(BORN) || last > first).then_some(BootMillis(last))
    }

    /// Flows that the latest pass over the known ones found and that the table does not know, at most
    /// [`MAX_STRANGERS`](super::MAX_STRANGERS), to be asked for by GETs: a line of /proc tells too little to
    /// begin a flow with.
    #[must_use]
    pub fn strangers(&self) -> &[FlowRef] {
        &self.strangers
    }

    /// Takes in the kernel's entry for a flow that was not known when it was asked for.
    pub fn met(&mut self, read: ReadSpan, message: &CtMessage<'_>) {
        let key = Key::new(&message.orig, message.orig_zone());
        if message.has(Status::DYING) || self.is_buried(&key) {
            return;
        }
        let found = self.store.find(&key);
        // Known meanwhile, or ended since it was asked for.
        let known = found.is_some_and(|slot| {
            let end = self.store.slot(slot).end;
            self.store.hot(slot).has(LIVE) || end.is_some_and(|end| end.at >= read.from)
        });
        if !known && let Some(slot) = self.create(read, key, found, message, 0) {
            self.confirm(slot, read);
        }
    }

    /// Takes in that the kernel has no entry for a flow: it has ended, unless it may have begun after
    /// the answer.
    pub fn absent(&mut self, read: ReadSpan, handle: Handle) {
        let Some(slot) = self.named(handle) else { return };
        if slot.cold.first_seen.get() < read.from.0 {
            self.end(handle.slot, read.to, EndReason::Missing, 0);
        }
    }

    /// Takes in the kernel's entry for a flow. Another incarnation ends this one and begins that.
    /// With `note_sample` the time of the sample goes out even if nothing moved. Returns whether the
    /// counters moved.
    pub fn answered(
        &mut self,
        read: ReadSpan,
        handle: Handle,
        message: &CtMessage<'_>,
        note_sample: bool,
    ) -> bool {
        let key = Key::new(&message.orig, message.orig_zone());
        let ours = self.named(handle).is_some_and(|slot| key.is(slot.hot.orig, slot.wide));
        if !ours || message.has(Status::DYING) {
            return false;
        }
        let slot = handle.slot;
        if self.may_be_older(slot, read, message) {
            self.confirm(slot, read);
            return false;
        }
        if !self.same_flow(slot, message) {
            let replaced = !self.is_buried(&key);
            if replaced {
                self.end(slot, read.to, EndReason::Replaced, 0);
                if let Some(slot) = self.create(read, key, Some(slot), message, 0) {
                    self.confirm(slot, read);
                }
            }
            return replaced;
        }
        self.confirm(slot, read);
        let moved = self.merge(slot, read, message);
        if note_sample && !moved && self.store.hot(slot).has(COUNTERS) {
            self.note_sample(slot, read.to);
        }
        moved
    }

    /// An answer from before the pass tells nothing about what the pass has to find.
    pub(super) fn confirm(&mut self, slot: u32, read: ReadSpan) {
        if read.from >= self.pass.started {
            self.stamp(slot);
        }
    }

    /// The time of a sample that found what was known.
    fn note_sample(&mut self, slot: u32, at: BootMillis) {
        if self.store.cold(slot).sampled.get() < at.0 {
            let seq = U48::new(self.change(slot));
            let cold = self.store.cold_mut(slot);
            (cold.traffic_seq, cold.sampled) = (seq, U48::new(at.0));
        }
    }

    pub(super) fn named(&self, handle: Handle) -> Option<Slot<'_>> {
        self.store.get(handle.slot).filter(|slot| slot.hot.has(LIVE) && slot.id() == handle.id)
    }
}

fn flow_ref(slot: &Slot<'_>) -> FlowRef {
    let id = slot.hot.has(CT_ID).then_some(slot.hot.ct_id);
    FlowRef { orig: slot.hot.orig.kernel_tuple(slot.wide), zone: slot.zone(), id }
}

fn handle(slot: u32, at: Slot<'_>) -> Handle {
    Handle { slot, id: at.id() }
}
