//! What happened to one flow: entries of dumps, answers to GETs, events.
//!
//! Each message comes with the span of time in which the kernel can have made it. An entry whose
//! span does not lie wholly behind the moment when the flow's NEW was received may describe the
//! flow that had the same tuple before: then its values are left alone (the next pass will know),
//! but it keeps the flow from being reaped.

use std::hash::BuildHasher;

use conntop_proto::flow::{BootMillis, EndReason, FlowId, State};
use conntop_proto::text;
use hashbrown::hash_table::Entry;
use nfnetlink::ct::{CtMessage, Status};

use super::FlowTable;
use super::key::{Key, plain};
use super::list::NONE;
use super::slot::{
    BORN, COUNTERS, CT_ID, Cold, ENDED, Ended, Hot, LABELLED, LIVE, REPLY, Rare, Slot, TIMEOUT, state_of,
};

/// A flow that was known this long before its NEW can have been sent is another flow. Below it the
/// dump was faster than the event.
const DUMP_BEFORE_NEW_MILLIS: u64 = 100;

/// The status bits that /proc tells.
const TOLD_BITS: Status = Status(Status::SEEN_REPLY.0 | Status::ASSURED.0 | Status::OFFLOAD.0);

/// Which columns changed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct News {
    state: bool,
    traffic: bool,
    meta: bool,
    identity: bool,
}

/// The time in which the kernel made a message: of an entry the time of the call that returned it,
/// of an event from when its socket was last seen empty to when it was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadSpan {
    /// Not before.
    pub from: BootMillis,
    /// Not after.
    pub to: BootMillis,
}

/// Where a message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A dump of the whole table.
    Dump,
    /// A GET of one flow.
    Get,
    /// An event: the flow began.
    NewEvent,
    /// An event: something changed. Carries no counters.
    UpdateEvent,
    /// A line of /proc, which has no ids: counters and state of a flow that is known. Never begins or
    /// ends one.
    Known,
}

impl FlowTable {
    /// Takes in an entry or an event other than DESTROY.
    pub fn observe(&mut self, read: ReadSpan, origin: Origin, message: &CtMessage<'_>) {
        let key = Key::new(&message.orig, message.orig_zone());
        match origin {
            Origin::Dump => self.dumped(read, key, message),
            Origin::Known => self.listed(read, key, message),
            Origin::NewEvent => self.began(read, key, message),
            Origin::Get | Origin::UpdateEvent => {
                let live = self.find(&key).filter(|&slot| self.slot(slot).hot.has(LIVE));
                if let Some(slot) = live.filter(|_| !message.has(Status::DYING)) {
                    let believed = origin == Origin::UpdateEvent || !self.may_be_older(slot, read, message);
                    if believed && self.same_flow(slot, message) {
                        self.stamp(slot);
                        self.merge(slot, read, message);
                    }
                }
            }
        }
    }

    fn dumped(&mut self, read: ReadSpan, key: Key, message: &CtMessage<'_>) {
        let before = self.note_read();
        if message.has(Status::DYING) {
            return;
        }
        let Some(slot) = self.guess(before, &key).or_else(|| self.find(&key)) else {
            if !self.is_buried(&key) {
                let created = self.create(read, key, message, 0);
                self.follow(before, created);
            }
            return;
        };
        self.follow(before, Some(slot));
        if !self.slot(slot).hot.has(LIVE) {
            if !self.is_tombstone(slot) {
                self.create(read, key, message, 0);
            }
        } else if self.may_be_older(slot, read, message) {
            self.stamp(slot);
        } else if self.same_flow(slot, message) {
            self.stamp(slot);
            self.merge(slot, read, message);
        } else if !self.is_buried(&key) {
            self.end(slot, read.to, EndReason::Replaced, None);
            self.create(read, key, message, 0);
        }
    }

    fn listed(&mut self, read: ReadSpan, key: Key, message: &CtMessage<'_>) {
        let before = self.note_read();
        let Some(slot) = self.guess(before, &key).or_else(|| self.find(&key)) else {
            let buried = self.is_buried(&key);
            if let Some(running) = self.running.as_mut().filter(|_| !buried) {
                running.unknown += 1;
            }
            return;
        };
        self.follow(before, Some(slot));
        if !self.slot(slot).hot.has(LIVE) {
            let ended = self.is_tombstone(slot);
            if let Some(running) = self.running.as_mut().filter(|_| !ended) {
                running.unknown += 1;
            }
        } else if self.may_be_older(slot, read, message) {
            self.stamp(slot);
        } else if self.same_flow(slot, message) {
            self.stamp(slot);
            self.merge_known(slot, read, message);
        }
    }

    /// Counts an entry; returns the slot of the one before it.
    fn note_read(&mut self) -> u32 {
        let Some(running) = &self.running else { return NONE };
        self.pass.read += 1;
        running.latest
    }

    /// The slot that followed in the last dump, if it is the one.
    fn guess(&self, before: u32, key: &Key) -> Option<u32> {
        if before == NONE {
            return None;
        }
        let slot = self.slot(before).hot.follower;
        (slot != NONE && self.slot(slot).hot.has(LIVE) && self.slot(slot).hot.key == *key).then_some(slot)
    }

    fn follow(&mut self, before: u32, slot: Option<u32>) {
        let Some(slot) = slot else { return };
        if before != NONE && before != slot {
            self.hot(before).follower = slot;
        }
        if let Some(running) = &mut self.running {
            running.latest = slot;
        }
    }

    fn began(&mut self, read: ReadSpan, key: Key, message: &CtMessage<'_>) {
        self.tombstones.remove(&key);
        if let Some(slot) = self.find(&key).filter(|&slot| self.slot(slot).hot.has(LIVE)) {
            let first_seen = self.slot(slot).cold.first_seen;
            let known_before = first_seen.0 + DUMP_BEFORE_NEW_MILLIS < read.from.0;
            if !known_before && self.same_flow(slot, message) {
                self.stamp(slot);
                if !self.slot(slot).hot.has(BORN) {
                    self.hot(slot).flags |= BORN;
                    let seq = self.change(slot);
                    self.cold(slot).created = seq;
                }
                return;
            }
            self.end(slot, read.to, EndReason::Replaced, None);
        }
        self.create(read, key, message, BORN);
    }

    /// Takes in a DESTROY event.
    pub fn destroy(&mut self, read: ReadSpan, message: &CtMessage<'_>) {
        let key = Key::new(&message.orig, message.orig_zone());
        let Some(slot) = self.find(&key) else {
            self.bury(key);
            return;
        };
        if !self.slot(slot).hot.has(LIVE) {
            if self.running.is_some() {
                let stamp = self.stamp;
                self.hot(slot).stamp = stamp;
            }
            return;
        }
        // The end of another flow with this tuple: of an earlier one, or of a later one that the
        // table has not seen yet and that the running pass may still bring.
        if !self.same_flow(slot, message) {
            self.bury(key);
            return;
        }
        if let Some(state) = message.state.and_then(|_| state_of(message)) {
            self.hot(slot).state = state;
        }
        if self.count(slot, message) {
            self.cold(slot).sampled = read.to;
        }
        self.end(slot, read.to, EndReason::Destroyed, message.stop.map(|ns| ns / 1000));
    }

    /// Whether an entry may describe the flow that had this tuple before.
    pub(super) fn may_be_older(&self, slot: u32, read: ReadSpan, message: &CtMessage<'_>) -> bool {
        let slot = self.slot(slot);
        let stamped = slot.hot.start != 0 && message.start.is_some_and(|ns| ns / 1000 == slot.hot.start);
        slot.hot.has(BORN) && read.from <= slot.cold.first_seen && !stamped
    }

    /// Whether everything that both sides know of the identity is equal.
    pub(super) fn same_flow(&self, slot: u32, message: &CtMessage<'_>) -> bool {
        let slot = self.slot(slot);
        let hot = slot.hot;
        if hot.has(CT_ID) && message.id.is_some_and(|id| id != hot.ct_id) {
            return false;
        }
        if hot.start != 0 && message.start.is_some_and(|ns| ns / 1000 != hot.start) {
            return false;
        }
        Key::new(&message.reply, message.reply_zone()) == slot.reply()
    }

    pub(super) fn create(
        &mut self,
        read: ReadSpan,
        key: Key,
        message: &CtMessage<'_>,
        born: u8,
    ) -> Option<u32> {
        if self.live >= self.limits.flows {
            self.truncated = true;
            if let Some(running) = &mut self.running {
                running.refused += 1;
            }
            return None;
        }
        let reply = Key::new(&message.reply, message.reply_zone());
        let reply = (reply != key.inverse()).then(|| Box::new(reply));
        let hot = Hot {
            key,
            raw: [0; 4],
            expires: 0,
            start: 0,
            ct_id: 0,
            status: 0,
            mark: 0,
            stamp: 0,
            follower: NONE,
            state: State::Unknown,
            flags: LIVE | born | if reply.is_some() { REPLY } else { 0 },
        };
        let id = FlowId(self.next_id);
        self.next_id += 1;
        let rare =
            message.master.map(|master| Box::new(Rare { master: Some(plain(&master)), ..Rare::default() }));
        let cold = Cold {
            id,
            created: 0,
            state_seq: 0,
            traffic_seq: 0,
            first_seen: read.to,
            sampled: read.to,
            reply,
            rare,
        };
        let slot = self.place(hot, cold);
        self.live += 1;
        self.stamp(slot);
        self.merge(slot, read, message);
        let seq = self.change(slot);
        let cold = self.cold(slot);
        (cold.created, cold.state_seq, cold.traffic_seq) = (seq, seq, seq);
        Some(slot)
    }

    /// Puts a flow into an empty slot and into the index, where it takes the place of an ended one.
    fn place(&mut self, hot: Hot, cold: Cold) -> u32 {
        let key = hot.key;
        let slot = if let Some(slot) = self.free.pop() {
            *self.hot(slot) = hot;
            *self.cold(slot) = cold;
            slot
        } else {
            let slot = u32::try_from(self.hot.len()).unwrap_or(NONE);
            self.hot.push(hot);
            self.cold.push(cold);
            self.list.grow();
            slot
        };
        let hash = self.hasher.hash_one(key);
        let (all, hasher) = (&self.hot, &self.hasher);
        #[expect(clippy::indexing_slicing, reason = "numbers of slots come from this table")]
        let key_of = |slot: &u32| all[*slot as usize].key;
        match self.index.entry(hash, |slot| key_of(slot) == key, |slot| hasher.hash_one(key_of(slot))) {
            Entry::Occupied(mut entry) => *entry.get_mut() = slot,
            Entry::Vacant(entry) => {
                entry.insert(slot);
            }
        }
        slot
    }

    /// Ends a live flow. Its record stays for the cursors and as a tombstone.
    pub(super) fn end(&mut self, slot: u32, at: BootMillis, reason: EndReason, stop: Option<u64>) {
        let (running, stamp) = (self.running.is_some(), self.stamp);
        let hot = self.hot(slot);
        hot.flags = hot.flags & !LIVE | ENDED;
        let was = std::mem::replace(&mut hot.stamp, if running { stamp } else { 0 });
        if let Some(running) = self.running.as_mut().filter(|_| was == stamp) {
            running.stamped = running.stamped.saturating_sub(1);
        }
        self.live -= 1;
        let seq = self.change(slot);
        self.cold(slot).rare().ended = Some(Ended { seq, at, reason, stop });
        self.ended.push_back(slot);
        while self.ended.len() > self.limits.ended {
            self.forget_oldest();
        }
    }

    /// Takes the values of a message that describes this very flow.
    /// Returns whether the counters moved.
    pub(super) fn merge(&mut self, slot: u32, read: ReadSpan, message: &CtMessage<'_>) -> bool {
        if self.is_outdated(slot, read, message) {
            return false;
        }
        let (traffic, moved) = self.merge_traffic(slot, read, message);
        let news = News {
            state: self.merge_state(slot, message, message.status.map(|status| status.0)),
            traffic,
            meta: self.merge_meta(slot, message),
            identity: self.merge_identity(slot, message),
        };
        self.note(slot, read, news);
        moved
    }

    /// Takes the values of a message that tells only a part of the status and nothing of labels,
    /// helper and identity.
    fn merge_known(&mut self, slot: u32, read: ReadSpan, message: &CtMessage<'_>) {
        if self.is_outdated(slot, read, message) {
            return;
        }
        let known = self.slot(slot).hot.status;
        let status = message.status.map(|told| known & !TOLD_BITS.0 | told.0 & TOLD_BITS.0);
        let (traffic, _) = self.merge_traffic(slot, read, message);
        let news = News {
            state: self.merge_state(slot, message, status),
            traffic,
            meta: message.mark.is_some_and(|mark| self.merge_mark(slot, mark)),
            identity: false,
        };
        self.note(slot, read, news);
    }

    /// Whether a message was read before what is known: by a GET, while a pass that read the flow
    /// earlier is still being applied. Its counters are then the lower ones, and nobody zeroed them.
    fn is_outdated(&self, slot: u32, read: ReadSpan, message: &CtMessage<'_>) -> bool {
        let Slot { hot, cold } = self.slot(slot);
        let (Some(orig), reply) = (message.counters_orig, message.counters_reply.unwrap_or_default()) else {
            return false;
        };
        let [p0, b0, p1, b1] = hot.raw;
        let fell = orig.packets < p0 || orig.bytes < b0 || reply.packets < p1 || reply.bytes < b1;
        fell && hot.has(COUNTERS) && read.from <= cold.sampled
    }

    /// Numbers what changed.
    fn note(&mut self, slot: u32, read: ReadSpan, news: News) {
        if news == News::default() {
            return;
        }
        let seq = self.change(slot);
        let cold = self.cold(slot);
        if news.state {
            cold.state_seq = seq;
        }
        if news.traffic {
            cold.traffic_seq = seq;
            cold.sampled = read.to;
        }
        if news.meta {
            cold.rare().meta_seq = seq;
        }
        if news.identity {
            // Goes out whole again: the identity has no columns of changes.
            cold.created = seq;
        }
    }

    fn merge_state(&mut self, slot: u32, message: &CtMessage<'_>, status: Option<u32>) -> bool {
        let hot = self.hot(slot);
        let state = state_of(message).unwrap_or(hot.state);
        let status = status.unwrap_or(hot.status);
        let changed = state != hot.state || status != hot.status;
        (hot.state, hot.status) = (state, status);
        changed
    }

    /// Whether anything changed, and whether the counters did.
    fn merge_traffic(&mut self, slot: u32, read: ReadSpan, message: &CtMessage<'_>) -> (bool, bool) {
        let counted = self.count(slot, message);
        let hot = self.hot(slot);
        let changed = match message.timeout {
            Some(left) => {
                // The kernel cuts the seconds off: the end lies in [low, high].
                let low = read.from.0 + u64::from(left) * 1000;
                let high = read.to.0 + (u64::from(left) + 1) * 1000;
                let fits = hot.has(TIMEOUT) && hot.expires <= high && low <= hot.expires + 1000;
                if counted || !fits {
                    hot.expires = low;
                    hot.flags |= TIMEOUT;
                }
                counted || !fits
            }
            None if message.has(Status::OFFLOAD) && hot.has(TIMEOUT) => {
                hot.flags &= !TIMEOUT;
                true
            }
            None => counted,
        };
        (changed, counted)
    }

    /// Takes the counters. One that fell was zeroed by somebody: what it had is kept aside.
    fn count(&mut self, slot: u32, message: &CtMessage<'_>) -> bool {
        let (Some(orig), reply) = (message.counters_orig, message.counters_reply.unwrap_or_default()) else {
            return false;
        };
        let raw = [orig.packets, orig.bytes, reply.packets, reply.bytes];
        let hot = self.hot(slot);
        let known = hot.has(COUNTERS);
        let old = std::mem::replace(&mut hot.raw, raw);
        hot.flags |= COUNTERS;
        if !known || old == raw {
            return !known;
        }
        let [p0, b0, p1, b1] = old;
        let fell = [orig.packets < p0 || orig.bytes < b0, reply.packets < p1 || reply.bytes < b1];
        if fell == [false, false] {
            return true;
        }
        let rare = self.cold(slot).rare();
        let [fell_orig, fell_reply] = fell;
        let kept = [fell_orig, fell_orig, fell_reply, fell_reply];
        for ((base, old), kept) in rare.base.iter_mut().zip(old).zip(kept) {
            if kept {
                *base = base.saturating_add(old);
            }
        }
        rare.resets = rare.resets.saturating_add(1);
        true
    }

    fn merge_mark(&mut self, slot: u32, mark: u32) -> bool {
        std::mem::replace(&mut self.hot(slot).mark, mark) != mark
    }

    fn merge_meta(&mut self, slot: u32, message: &CtMessage<'_>) -> bool {
        // Events leave a mark of 0 out.
        let marked = self.merge_mark(slot, message.mark.unwrap_or(0));
        let hot = self.hot(slot);
        if message.labels.is_none() && message.helper.is_none() && !hot.has(LABELLED) {
            return marked;
        }
        let labels = message.labels.map(label_bits).filter(|&bits| bits != 0);
        let helper = message.helper.map(text::sanitize_bytes).filter(|name| !name.is_empty());
        let rare = self.cold(slot).rare();
        let same = rare.labels == labels && rare.helper.as_deref() == helper.as_deref();
        if !same {
            rare.labels = labels;
            rare.helper = helper.map(String::into_boxed_str);
            self.hot(slot).flags |= LABELLED;
        }
        marked || !same
    }

    fn merge_identity(&mut self, slot: u32, message: &CtMessage<'_>) -> bool {
        let hot = self.hot(slot);
        let mut learned = false;
        if let Some(id) = message.id.filter(|_| !hot.has(CT_ID)) {
            hot.ct_id = id;
            hot.flags |= CT_ID;
            learned = true;
        }
        if let Some(ns) = message.start.filter(|&ns| hot.start == 0 && ns >= 1000) {
            hot.start = ns / 1000;
            learned = true;
        }
        learned
    }

    /// Notes that the running pass need not look for this flow, or that the latest one did not miss it.
    pub(super) fn stamp(&mut self, slot: u32) {
        let stamp = self.stamp;
        let was = std::mem::replace(&mut self.hot(slot).stamp, stamp);
        if let Some(running) = self.running.as_mut().filter(|_| was != stamp) {
            running.stamped += 1;
        }
    }
}

/// Label bits as a number: bit n of the kernel's bitmap is bit n. The kernel's words are in the
/// machine's order, each of 4 or 8 bytes; on little-endian machines both read the same.
fn label_bits(bytes: &[u8]) -> u128 {
    let mut all = [0; 16];
    for (to, from) in all.iter_mut().zip(bytes) {
        *to = *from;
    }
    u128::from_ne_bytes(all)
}
