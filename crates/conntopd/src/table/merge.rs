//! What happened to one flow: entries of dumps, answers to GETs, events.
//!
//! Each message comes with the span of time in which the kernel can have made it. An entry whose
//! span does not lie wholly behind the moment when the flow's NEW was received may describe the
//! flow that had the same tuple before: then its values are left alone (the next pass will know),
//! but it keeps the flow from being reaped.

use conntop_proto::flow::{BootMillis, EndReason, State};
use nfnetlink::ct::{CtMessage, FlowRef, Status, Tuple};

use super::ended::End;
use super::key::{Key, plain};
use super::narrow::U48;
use super::segments::NONE;
use super::slot::{BORN, CT_ID, Cold, Hot, LIVE, state_of};
use super::values::assured;
use super::{FlowTable, MAX_STRANGERS};

/// A flow that was known this long before its NEW can have been sent is another flow. Below it the
/// dump was faster than the event.
const DUMP_BEFORE_NEW_MILLIS: u64 = 100;

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
    /// A GET of one flow, in a pass that asks for each known flow. Never begins or ends one.
    Asked,
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
            Origin::Known | Origin::Asked => self.listed(read, key, origin, message),
            Origin::NewEvent => self.began(read, key, message),
            Origin::Get | Origin::UpdateEvent => {
                let live = self.store.find(&key).filter(|&slot| self.store.hot(slot).has(LIVE));
                if let Some(slot) = live.filter(|_| !message.has(Status::DYING)) {
                    let believed = origin == Origin::UpdateEvent || !self.may_be_older(slot, read, message);
                    if believed && self.same_flow(slot, message) {
                        self.confirm(slot, read);
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
        let Some(slot) = self.guess(before, &key).or_else(|| self.store.find(&key)) else {
            if !self.is_buried(&key) {
                let created = self.create(read, key, None, message, 0);
                self.follow(before, created);
                self.stamp_new(created);
            }
            return;
        };
        self.follow(before, Some(slot));
        if !self.store.hot(slot).has(LIVE) {
            if !self.is_tombstone(slot) {
                let created = self.create(read, key, Some(slot), message, 0);
                self.stamp_new(created);
            }
        } else if self.may_be_older(slot, read, message) {
            self.stamp(slot);
        } else if self.same_flow(slot, message) {
            self.stamp(slot);
            self.merge(slot, read, message);
        } else if !self.is_buried(&key) {
            self.end(slot, read.to, EndReason::Replaced, 0);
            let created = self.create(read, key, Some(slot), message, 0);
            self.stamp_new(created);
        }
    }

    fn listed(&mut self, read: ReadSpan, key: Key, origin: Origin, message: &CtMessage<'_>) {
        let before = self.note_read();
        if message.has(Status::DYING) {
            return;
        }
        let Some(slot) = self.guess(before, &key).or_else(|| self.store.find(&key)) else {
            return self.note_unknown(self.is_buried(&key), message);
        };
        self.follow(before, Some(slot));
        if !self.store.hot(slot).has(LIVE) {
            self.note_unknown(self.is_tombstone(slot), message);
        } else if self.may_be_older(slot, read, message) {
            self.stamp(slot);
        } else if self.same_flow(slot, message) {
            self.stamp(slot);
            if origin == Origin::Asked {
                self.merge(slot, read, message);
            } else {
                self.merge_known(slot, read, message);
            }
        }
    }

    /// Counts an entry of a flow that is not known, unless it ended meanwhile or found no room before.
    fn note_unknown(&mut self, ended: bool, message: &CtMessage<'_>) {
        if let Some(running) = self.running.as_mut().filter(|_| !ended && !self.truncated) {
            running.unknown += 1;
            if self.strangers.len() < MAX_STRANGERS {
                let orig = Tuple { zone: None, ..message.orig };
                self.strangers.push(FlowRef { orig, zone: message.orig_zone(), id: None });
            }
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
        let slot = self.store.hot(before).follower;
        (slot != NONE && self.store.hot(slot).has(LIVE) && self.store.is_key(slot, key)).then_some(slot)
    }

    fn follow(&mut self, before: u32, slot: Option<u32>) {
        let Some(slot) = slot else { return };
        if before != NONE && before != slot {
            self.store.hot_mut(before).follower = slot;
        }
        if let Some(running) = &mut self.running {
            running.latest = slot;
        }
    }

    fn began(&mut self, read: ReadSpan, key: Key, message: &CtMessage<'_>) {
        self.tombstones.remove(&key);
        let found = self.store.find(&key);
        if let Some(slot) = found.filter(|&slot| self.store.hot(slot).has(LIVE)) {
            let first_seen = self.store.cold(slot).first_seen.get();
            let known_before = first_seen + DUMP_BEFORE_NEW_MILLIS < read.from.0;
            if !known_before && self.same_flow(slot, message) {
                self.stamp(slot);
                if !self.store.hot(slot).has(BORN) {
                    self.store.hot_mut(slot).flags |= BORN;
                    self.store.cold_mut(slot).created = U48::new(self.change(slot));
                }
                return;
            }
            self.end(slot, read.to, EndReason::Replaced, 0);
        }
        let created = self.create(read, key, found, message, BORN);
        self.stamp_new(created);
    }

    /// Takes in a DESTROY event.
    pub fn destroy(&mut self, read: ReadSpan, message: &CtMessage<'_>) {
        let key = Key::new(&message.orig, message.orig_zone());
        let Some(slot) = self.store.find(&key) else {
            self.bury(key);
            return;
        };
        if !self.store.hot(slot).has(LIVE) {
            if self.running.is_some() {
                self.store.hot_mut(slot).stamp = self.stamp;
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
            self.store.hot_mut(slot).state = state;
        }
        if self.count(slot, message) {
            self.store.cold_mut(slot).sampled = U48::new(read.to.0);
        }
        self.end(slot, read.to, EndReason::Destroyed, message.stop.map_or(0, |ns| ns / 1000));
    }

    /// Whether an entry may describe the flow that had this tuple before.
    pub(super) fn may_be_older(&self, slot: u32, read: ReadSpan, message: &CtMessage<'_>) -> bool {
        let hot = self.store.hot(slot);
        let stamped = hot.start != 0 && message.start.is_some_and(|ns| ns / 1000 == hot.start);
        hot.has(BORN) && read.from.0 <= self.store.cold(slot).first_seen.get() && !stamped
    }

    /// Whether everything that both sides know of the identity is equal.
    pub(super) fn same_flow(&self, slot: u32, message: &CtMessage<'_>) -> bool {
        let hot = self.store.hot(slot);
        if hot.has(CT_ID) && message.id.is_some_and(|id| id != hot.ct_id) {
            return false;
        }
        if hot.start != 0 && message.start.is_some_and(|ns| ns / 1000 != hot.start) {
            return false;
        }
        self.store.is_reply(slot, &Key::new(&message.reply, message.reply_zone()))
    }

    /// Begins a flow, in the index in place of what was `found` there.
    pub(super) fn create(
        &mut self,
        read: ReadSpan,
        key: Key,
        found: Option<u32>,
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
        let (orig, reply) = self.store.pack(key, Key::new(&message.reply, message.reply_zone()));
        let hot = Hot {
            orig,
            reply,
            raw: [0; 4],
            start: 0,
            expires: U48::default(),
            state: State::Unknown,
            flags: LIVE | born,
            ct_id: 0,
            status: 0,
            mark: 0,
            stamp: 0,
            follower: NONE,
            rare: NONE,
        };
        let seen = U48::new(read.to.0);
        let none = U48::default();
        let id = U48::new(self.next_id);
        let cold =
            Cold { id, created: none, state_seq: none, traffic_seq: none, first_seen: seen, sampled: seen };
        self.next_id += 1;
        let (slot, grown) = self.store.place(key, found, hot, cold);
        if grown {
            self.list.grow();
        }
        self.live += 1;
        if let Some(master) = &message.master {
            self.store.rare(slot).master = Some(plain(master));
        }
        self.fill(slot, read, message);
        let seq = U48::new(self.change(slot));
        let cold = self.store.cold_mut(slot);
        (cold.created, cold.state_seq, cold.traffic_seq) = (seq, seq, seq);
        Some(slot)
    }

    /// Ends a live flow. Its record stays for the cursors and as a tombstone.
    pub(super) fn end(&mut self, slot: u32, at: BootMillis, reason: EndReason, stop: u64) {
        let (running, stamp) = (self.running.is_some(), self.stamp);
        let hot = self.store.hot_mut(slot);
        let was = std::mem::replace(&mut hot.stamp, if running { stamp } else { 0 });
        self.assured -= assured(hot.status);
        if let Some(running) = self.running.as_mut().filter(|_| was == stamp) {
            running.stamped = running.stamped.saturating_sub(1);
        }
        self.live -= 1;
        let seq = self.change(slot);
        self.store.end(End { slot, reason, seq, at, stop });
        while self.store.ends.len() > self.limits.ended {
            self.forget_oldest();
        }
    }

    fn stamp_new(&mut self, created: Option<u32>) {
        created.into_iter().for_each(|slot| self.stamp(slot));
    }

    /// Notes that the running pass need not look for this flow, or that the latest one did not miss it.
    pub(super) fn stamp(&mut self, slot: u32) {
        let stamp = self.stamp;
        let was = std::mem::replace(&mut self.store.hot_mut(slot).stamp, stamp);
        if let Some(running) = self.running.as_mut().filter(|_| was != stamp) {
            running.stamped += 1;
        }
    }
}
