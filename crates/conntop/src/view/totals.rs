//! What the shown flows sum up to.

use crate::flow::FlowView;
use crate::orient::Dir;

/// Sums of some flows. Rates and bytes are of the flows of which they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Flows.
    pub flows: u64,
    /// Flows without known counters.
    pub unaccounted: u64,
    /// Bytes per second towards the local ends (internal and transit: towards who opened).
    pub down: u64,
    /// Bytes per second from the local ends.
    pub up: u64,
    /// Whether the rate of any of them is known.
    pub has_rates: bool,
    /// Bytes of both directions since each flow began.
    pub bytes: u64,
}

impl Sum {
    fn add(&mut self, view: &FlowView<'_>) {
        self.flows += 1;
        if let Some((down, up)) = view.down_up() {
            self.down = self.down.saturating_add(down);
            self.up = self.up.saturating_add(up);
            self.has_rates = true;
        }
        match view.bytes_down_up() {
            Some((down, up)) => self.bytes = self.bytes.saturating_add(down.saturating_add(up)),
            None => self.unaccounted += 1,
        }
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            flows: self.flows + other.flows,
            unaccounted: self.unaccounted + other.unaccounted,
            down: self.down.saturating_add(other.down),
            up: self.up.saturating_add(other.up),
            has_rates: self.has_rates || other.has_rates,
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

/// Sums by direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// In and out: what passes between local ends and the world.
    pub outside: Sum,
    /// Between local ends.
    pub internal: Sum,
    /// Between others.
    pub transit: Sum,
    /// Flows of which nobody knows whether the filter holds; they are in no sum.
    pub unknown: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, view: &FlowView<'_>) {
        let sum = match view.dir {
            Dir::In | Dir::Out => &mut self.outside,
            Dir::Internal => &mut self.internal,
            Dir::Transit => &mut self.transit,
        };
        sum.add(view);
    }

    /// All directions together.
    #[must_use]
    pub fn all(&self) -> Sum {
        self.outside.plus(&self.internal).plus(&self.transit)
    }
}
