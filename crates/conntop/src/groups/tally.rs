//! What the flows of a group sum up to.

use conntop_proto::flow::BootMillis;

use crate::flow::FlowView;

/// Milliseconds over which new flows per second are averaged: long enough to read.
pub const SPAN: u64 = 5_000;

/// Sums of some flows. Rates and bytes are of the flows of which they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Flows in the table.
    pub flows: u32,
    /// Flows that began since conntop did, or since the mark; also those that have ended.
    pub begun: u32,
    /// Flows that began within the last [`SPAN`] milliseconds.
    pub fresh: u32,
    /// Flows in the table whose rates are known.
    pub rated: u32,
    /// Flows, ended ones too, of which is known what they carried.
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

/// The moment of a node by its clock, and since when is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: BootMillis,
    pub(super) since: BootMillis,
}

/// What one flow adds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share(Tally);

impl Share {
    /// That of a flow in the table, or of one that has ended.
    pub(super) fn of(view: &FlowView<'_>, moment: Moment) -> Self {
        let first_seen = view.flow.first_seen();
        let began = view.flow.born() && first_seen >= moment.since;
        let mut tally = Tally {
            flows: u32::from(view.ended.is_none()),
            begun: u32::from(began),
            fresh: u32::from(view.flow.born() && moment.now.since(first_seen) < SPAN),
            ..Tally::default()
        };
        if view.ended.is_none()
            && let Some((down, up)) = view.down_up()
        {
            (tally.rated, tally.down, tally.up) = (1, down, up);
        }
        if let Some((down, up)) = seen(view) {
            (tally.counted, tally.seen_down, tally.seen_up) = (1, down, up);
        }
        Self(tally)
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.0.fresh > 0
    }
}

/// Bytes (down, up) that were counted since conntop began or since the mark.
fn seen(_view: &FlowView<'_>) -> Option<(u64, u64)> {
    None
}

impl Tally {
    pub(super) fn add(&mut self, Share(one): &Share) {
        self.flows = self.flows.saturating_add(one.flows);
        self.begun = self.begun.saturating_add(one.begun);
        self.fresh = self.fresh.saturating_add(one.fresh);
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
