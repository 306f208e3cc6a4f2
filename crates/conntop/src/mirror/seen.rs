//! What flows carried since conntop began, or since the mark.
//!
//! A flow that began before has a base: what it had carried by then. Nothing is stored for a flow
//! that has not moved since, nor for one that began later; the base of the others lies beside their
//! samples, where those that move have room anyway. Setting the mark touches no flow: each bears the
//! number of the mark that its base is of, and a flow of an earlier mark has not moved since.

use conntop_proto::flow::BootMillis;

use super::flow::Flow;
use super::ledger::Ledger;
use super::past::{Forgotten, PastFlow};
use super::slab::Slot;
use super::{EndedFlow, Mirror};

/// Bytes of each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Original direction.
    pub orig: u64,
    /// Reply direction.
    pub reply: u64,
}

impl Seen {
    /// Adds more to it.
    pub fn add(&mut self, more: Self) {
        self.orig = self.orig.saturating_add(more.orig);
        self.reply = self.reply.saturating_add(more.reply);
    }

    /// Both directions together.
    #[must_use]
    pub fn both(self) -> u64 {
        self.orig.saturating_add(self.reply)
    }

    fn since(self, base: Self) -> Self {
        Self { orig: self.orig.saturating_sub(base.orig), reply: self.reply.saturating_sub(base.reply) }
    }
}

/// Number of a mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MarkNumber(u8);

impl MarkNumber {
    /// Of flows that were there before any mark.
    pub(super) const NEVER: Self = Self(u8::MAX);
}

/// From when on it is counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Since {
    number: MarkNumber,
    /// Flows that were seen to begin from then on have no base; `None` before anything was heard.
    start: Option<BootMillis>,
    /// The same or the mark.
    at: Option<BootMillis>,
    /// What nobody saw begin and was met later than this has begun since: the first pass over
    /// everything did not meet it.
    settled: Option<BootMillis>,
    /// What all flows had carried by then.
    base: Ledger,
    marked: bool,
}

impl Since {
    /// The first message with flows begins it.
    pub(super) fn begin(&mut self, at: BootMillis) {
        self.start.get_or_insert(at);
        self.at.get_or_insert(at);
    }

    /// Every flow has been met that was there before.
    pub(super) fn settle(&mut self, at: BootMillis) {
        self.settled.get_or_insert(at);
    }

    /// Times are by another clock from now on; all that begins is later than what was.
    pub(super) fn new_clock(&mut self) {
        self.start = self.start.map(|_| BootMillis(0));
        self.at = None;
        self.settled = None;
    }

    /// Whether the flow began before our eyes, so that all it carried was seen.
    pub(super) fn includes(&self, flow: &Flow) -> bool {
        flow.born() && self.start.is_some_and(|start| flow.first_seen() >= start)
    }

    #[inline]
    fn began(&self, flow: &Flow) -> bool {
        let from =
            if flow.born() { self.at } else { self.at.max(self.settled.map(|at| BootMillis(at.0 + 1))) };
        let known = flow.born() || self.settled.is_some();
        known && from.is_some_and(|from| flow.first_seen() >= from)
    }

    /// The mark of a flow that comes for the first time.
    pub(super) fn number_for(&self, flow: &Flow) -> MarkNumber {
        if self.includes(flow) { self.number } else { MarkNumber::NEVER }
    }

    /// The flow's counters move: what it had before is its base if it has none of this mark.
    pub(super) fn moves(&self, flow: &mut Flow) {
        if flow.counted != self.number {
            if let Some((orig, reply)) = flow.bytes() {
                flow.set_base(Seen { orig, reply });
                flow.counted = self.number;
            } else if flow.born() {
                flow.set_base(Seen::default());
                flow.counted = self.number;
            }
        }
    }

    /// What the flow carried since.
    #[inline]
    pub(super) fn seen(&self, flow: &Flow) -> Option<Seen> {
        let (orig, reply) = flow.bytes()?;
        if flow.counted != self.number {
            return Some(Seen::default());
        }
        Some(Seen { orig, reply }.since(flow.base()))
    }
}

impl Mirror {
    /// What a live flow carried since conntop began or since the mark; `None` without counters.
    #[must_use]
    #[inline]
    pub fn seen(&self, flow: &Flow) -> Option<Seen> {
        self.since.seen(flow)
    }

    /// The same of a flow that ended; [`Mirror::past`] has it as well, for as long as it is not forgotten.
    #[must_use]
    pub fn seen_of_ended(&self, ended: &EndedFlow) -> Option<Seen> {
        self.since.seen(&ended.flow)
    }

    /// Since when it is counted, by the collector's clock; `None` before anything was heard.
    #[must_use]
    pub fn counted_since(&self) -> Option<BootMillis> {
        self.since.at
    }

    /// When the mark was set, if it was.
    #[must_use]
    pub fn marked(&self) -> Option<BootMillis> {
        self.since.at.filter(|_| self.since.marked)
    }

    /// Whether a flow began since then.
    #[must_use]
    #[inline]
    pub fn began_since(&self, flow: &Flow) -> bool {
        self.since.began(flow)
    }

    /// Sets the mark: `seen` counts from now on, and the past is forgotten.
    pub fn mark(&mut self) {
        let number = self.since.number.0.wrapping_add(1);
        if MarkNumber(number) == MarkNumber::NEVER {
            self.flows.range_mut(0..usize::MAX).for_each(|flow| flow.counted = MarkNumber::NEVER);
            self.ended.iter_mut().for_each(|flow| flow.counted = MarkNumber::NEVER);
            self.since.number = MarkNumber(0);
        } else {
            self.since.number = MarkNumber(number);
        }
        self.since.at = Some(self.position.at);
        self.since.base = self.sums.all;
        self.since.marked = true;
        self.past.clear();
        self.generation += 1;
        self.touch();
    }

    /// Bytes and flows since conntop began or since the mark, ended flows included.
    #[must_use]
    pub fn ledger_since(&self) -> Ledger {
        self.sums.all.since(&self.since.base)
    }

    /// What flows carried since then that have ended, except [`Mirror::forgotten`].
    #[must_use]
    pub fn past(&self) -> &[PastFlow] {
        self.past.entries()
    }

    /// What of the past is not known flow by flow any more; it is part of [`Mirror::ledger_since`].
    #[must_use]
    pub fn forgotten(&self) -> &Forgotten {
        self.past.forgotten()
    }

    /// A flow has ended.
    pub(super) fn becomes_past(&mut self, flow: &Flow) {
        let seen = self.since.seen(flow).unwrap_or_default();
        self.past.add(flow, self.since.began(flow), seen);
    }

    /// A flow of a new epoch takes the place of one of the same tuple: the same, unless its counters
    /// say otherwise.
    pub(super) fn goes_on(&mut self, slot: Slot, flow: &mut Flow) {
        let Some(mut old) = self.flows.take_over(slot) else { return };
        let grown = old.bytes().zip(flow.bytes()).and_then(|((o, r), (orig, reply))| {
            Some(Seen { orig: orig.checked_sub(o)?, reply: reply.checked_sub(r)? })
        });
        match grown {
            Some(grown) => {
                if grown != Seen::default() {
                    self.since.moves(&mut old);
                }
                flow.set_base(old.base());
                flow.counted = old.counted;
                self.sums.add(flow, grown.orig, grown.reply);
            }
            None => {
                old.rest();
                self.becomes_past(&old);
                self.begin(flow);
            }
        }
    }
}
