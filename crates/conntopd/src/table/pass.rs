//! Passes over the table, loss, tombstones, and the end of ended records.
//!
//! A whole pass ends what it did not find. One over the known or the assured flows ends nothing by
//! itself: what it missed is suspect (`handle`) until a GET tells. Entries of any pass are
//! kept from reviving what ended meanwhile.

use conntop_proto::flow::{BootMillis, EndReason};
use conntop_proto::message::{Coverage, Pass};

use super::ended::End;
use super::key::Key;
use super::segments::NONE;
use super::slot::{ENDED, LIVE};
use super::{ENDED_MILLIS, FEW_ENDED, FlowTable, older};

/// Room for tombstones that is kept from pass to pass: what a usual pass needs.
const KEPT_TOMBSTONES: usize = 4096;

/// A pass under way.
pub(super) struct Running {
    /// Live flows that it need not look for any more.
    pub(super) stamped: usize,
    /// Entries of flows that are not known, in a pass over the known ones.
    pub(super) unknown: u64,
    /// Flows that found no room.
    pub(super) refused: usize,
    /// The slot of the latest entry.
    pub(super) latest: u32,
    /// More unknown flows ended than can be remembered.
    overflow: bool,
}

/// How a pass ended, as far as its reader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// At its regular end.
    Complete,
    /// At its end, but the kernel says that it may be inconsistent.
    Interrupted,
    /// Before its end.
    Failed,
}

/// What a pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassReport {
    /// Which flows it was to read.
    pub coverage: Coverage,
    /// It may have missed changes; another one is needed.
    pub dirty: bool,
    /// Entries read.
    pub read: u64,
    /// Entries of a pass over the known flows that the table has no flow for: a whole pass is due.
    pub unknown: u64,
    /// Flows ended because the kernel has them no more.
    pub reaped: usize,
}

impl FlowTable {
    /// Begins a pass; call it before the kernel is asked. Returns its number.
    pub fn begin_pass(&mut self, at: BootMillis, coverage: Coverage) -> u64 {
        self.stamp = self.stamp.wrapping_add(1).max(1);
        self.tombstones.clear();
        self.strangers.clear();
        self.suspicious = false;
        self.running = Some(Running { stamped: 0, unknown: 0, refused: 0, latest: NONE, overflow: false });
        self.begun += 1;
        let number = self.pass.number + 1;
        self.before = self.pass;
        self.pass = Pass { number, coverage, started: at, finished: None, read: 0, dirty: false };
        number
    }

    /// Ends a pass. If it read the whole table, the flows that it did not find end. If it failed it
    /// is as if it had not been, but for what was read.
    pub fn end_pass(&mut self, at: BootMillis, outcome: Outcome) -> PassReport {
        let Some(running) = self.running.take() else {
            return PassReport { dirty: true, ..PassReport::default() };
        };
        self.tombstones.clear();
        self.tombstones.shrink_to(KEPT_TOMBSTONES);
        self.pass.finished = Some(at);
        self.pass.dirty |= outcome != Outcome::Complete || running.overflow;
        let Pass { coverage, dirty, read, .. } = self.pass;
        let mut report = PassReport { coverage, dirty, read, unknown: running.unknown, reaped: 0 };
        if outcome == Outcome::Failed {
            // For clients a finished pass says that what did not change stands still.
            self.pass = self.before;
            return report;
        }
        if coverage != Coverage::Whole {
            self.suspicious = running.stamped < self.live;
            return report;
        }
        self.whole = self.begun;
        // Lost events do not keep the dead: what is neither in a whole dump nor touched is gone,
        // and under lasting loss nothing else would ever end. A kernel that always says that its
        // dumps are inconsistent is believed once.
        let again = std::mem::replace(&mut self.interrupted, outcome == Outcome::Interrupted);
        let usable = outcome == Outcome::Complete || outcome == Outcome::Interrupted && again;
        if !usable || running.overflow {
            return report;
        }
        if !report.dirty {
            self.lost.since = None;
        }
        self.truncated = running.refused > 0;
        if running.stamped < self.live {
            for slot in 0..self.store.len() {
                let hot = self.store.hot(slot);
                if hot.has(LIVE) && hot.stamp != self.stamp {
                    self.end(slot, at, EndReason::Missing, 0);
                    report.reaped += 1;
                }
            }
        }
        report
    }

    /// Notes that events were lost; `events` is the kernel's count of all so far, if it counts.
    pub fn lost(&mut self, at: BootMillis, events: Option<u64>) {
        self.lost.overruns += 1;
        self.lost.events = events;
        self.lost.since.get_or_insert(at);
        if self.running.is_some() {
            self.pass.dirty = true;
        }
    }

    /// Forgets ended flows that are old enough, or too many beside the live ones, and that every cursor
    /// has passed.
    pub fn expire(&mut self, at: BootMillis) {
        let passed = self.passed_by_all();
        let few = self.live / 8 + FEW_ENDED;
        while let Some(oldest) = self.store.ends.oldest() {
            let due = older(oldest.at, at, ENDED_MILLIS) || self.store.ends.len() > few;
            if !due || oldest.seq > passed {
                break;
            }
            self.forget_oldest();
        }
    }

    pub(super) fn forget_oldest(&mut self) {
        let tombstone = self.store.ends.oldest().is_some_and(|end| self.is_tombstone(end.slot));
        let Some((End { slot, seq, .. }, key)) = self.store.forget_oldest() else { return };
        self.horizon = self.horizon.max(seq);
        if tombstone {
            self.bury(key);
        }
        self.list.remove(slot);
    }

    /// Whether this ended record says that the running pass read its key too early.
    pub(super) fn is_tombstone(&self, slot: u32) -> bool {
        let hot = self.store.hot(slot);
        self.running.is_some() && hot.has(ENDED) && hot.stamp == self.stamp
    }

    /// Remembers until the end of the pass that a key without a slot ended.
    pub(super) fn bury(&mut self, key: Key) {
        let Some(running) = &mut self.running else { return };
        if self.tombstones.len() < self.limits.tombstones {
            self.tombstones.insert(key);
        } else if !self.tombstones.contains(&key) {
            running.overflow = true;
        }
    }

    pub(super) fn is_buried(&self, key: &Key) -> bool {
        !self.tombstones.is_empty() && self.tombstones.contains(key)
    }
}
