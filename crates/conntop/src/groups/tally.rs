//! What the flows of a group sum up to.

use conntop_proto::flow::BootMillis;

use crate::flow::FlowView;
use crate::mirror::{Mirror, PastFlow};

/// Milliseconds over which new flows per second are averaged: long enough to read.
pub const SPAN: u64 = 5_000;

/// Fewer milliseconds would make one flow many per second.
const SHORTEST: u64 = 1_000;

/// Sums of some flows. Rates and bytes are of the flows of which they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Flows in the table.
    pub flows: u32,
    /// Flows that began since conntop did, or since the mark; also those that have ended.
    pub begun: u32,
    /// Flows that began per second, in thousandths.
    pub pace: u32,
    /// Flows in the table whose rates are known.
    pub rated: u32,
    /// Flows (of those that ended, kinds of flows) of which is known what they carried.
    pub counted: u32,
    /// Bytes per second towards the local ends (internal and transit: towards who opened).
    pub down: u64,
    /// Bytes per second from the local ends.
    pub up: u64,
    /// Bytes towards the local ends since conntop began or since the mark, of ended flows too.
    pub seen_down: u64,
    /// The same from the local ends.
    pub seen_up: u64,
}

/// Since when new flows of a node are counted, and what each is worth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fresh {
    since: BootMillis,
    /// Thousandths of flows per second.
    each: u32,
}

impl Fresh {
    /// Of the last [`SPAN`] milliseconds, or of as many as have been seen.
    pub(super) fn of(mirror: &Mirror, now: BootMillis) -> Self {
        let begin = mirror.counted_since().unwrap_or(now);
        let since = begin.max(BootMillis(now.0.saturating_sub(SPAN)));
        let each = 1_000_000 / now.since(since).clamp(SHORTEST, SPAN);
        Self { since, each: u32::try_from(each).unwrap_or(u32::MAX) }
    }

    fn worth(self, view: &FlowView<'_>) -> u32 {
        if view.flow.born() && view.flow.first_seen() >= self.since { self.each } else { 0 }
    }
}

/// What something adds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share(Tally);

impl Share {
    /// That of a flow in the table.
    #[inline]
    pub(super) fn live(view: &FlowView<'_>, mirror: &Mirror, fresh: Fresh) -> Self {
        let mut tally = Tally {
            flows: 1,
            begun: u32::from(mirror.began_since(view.flow)),
            pace: fresh.worth(view),
            ..Tally::default()
        };
        if let Some((down, up)) = view.down_up() {
            (tally.rated, tally.down, tally.up) = (1, down, up);
        }
        tally.count(view);
        Self(tally)
    }

    /// That of a flow that ended a short while ago, as far as it is not past like others; `None` if that
    /// is nothing.
    pub(super) fn ended(view: &FlowView<'_>, fresh: Fresh) -> Option<Self> {
        let pace = fresh.worth(view);
        (pace > 0).then(|| Self(Tally { pace, ..Tally::default() }))
    }

    /// That of flows that ended since conntop began, or since the mark.
    pub(super) fn past(past: &PastFlow, view: &FlowView<'_>) -> Self {
        let begun = u32::try_from(past.begun).unwrap_or(u32::MAX);
        let mut tally = Tally { begun, ..Tally::default() };
        tally.count(view);
        Self(tally)
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.0.pace > 0
    }
}

impl Tally {
    #[inline]
    fn count(&mut self, view: &FlowView<'_>) {
        if let Some((down, up)) = view.seen() {
            (self.counted, self.seen_down, self.seen_up) = (1, down, up);
        }
    }

    pub(super) fn add(&mut self, Share(one): &Share) {
        self.flows = self.flows.saturating_add(one.flows);
        self.begun = self.begun.saturating_add(one.begun);
        self.pace = self.pace.saturating_add(one.pace);
        self.rated = self.rated.saturating_add(one.rated);
        self.counted = self.counted.saturating_add(one.counted);
        self.down = self.down.saturating_add(one.down);
        self.up = self.up.saturating_add(one.up);
        self.seen_down = self.seen_down.saturating_add(one.seen_down);
        self.seen_up = self.seen_up.saturating_add(one.seen_up);
    }

    /// Bytes per second of both directions, where any rate is known.
    #[must_use]
    pub fn rate(&self) -> Option<u64> {
        (self.rated > 0).then(|| self.down.saturating_add(self.up))
    }
}
