//! What all flows together have carried since the mirror began, ended flows and their last bytes
//! included. It only grows, so the rate of any window is a difference.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::rate::Rates;

/// From whose side the two directions of a flow are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Orientation {
    /// Down and up, seen from the local end
    #[default]
    Local,
    /// Reply and original, seen from who opened the connection
    Initiator,
}

/// How a flow counts in the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Class {
    /// Opened by the local end: the original direction goes up.
    Out,
    /// Opened by the remote end: the original direction goes down.
    In,
    /// Both ends are local.
    Internal,
    /// Neither end is local, or that is not known.
    #[default]
    Transit,
}

/// Bytes by direction and class, and flows. Down and up count [`Class::In`] and [`Class::Out`] only; by
/// [`Orientation::Initiator`] they are the reply and the original direction of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Bytes towards the local ends.
    pub down: u64,
    /// Bytes from the local ends.
    pub up: u64,
    /// Bytes between local ends, as (original, reply).
    pub internal: Rates,
    /// Bytes that pass by, as (original, reply).
    pub transit: Rates,
    /// Flows that were seen to begin.
    pub begun: u64,
    /// Flows that ended.
    pub ended: u64,
}

impl Ledger {
    pub(super) fn add(&mut self, class: Class, orientation: Orientation, orig: u64, reply: u64) {
        let (o, r) = match class {
            Class::Out => (&mut self.up, &mut self.down),
            Class::In if orientation == Orientation::Initiator => (&mut self.up, &mut self.down),
            Class::In => (&mut self.down, &mut self.up),
            Class::Internal => (&mut self.internal.orig, &mut self.internal.reply),
            Class::Transit => (&mut self.transit.orig, &mut self.transit.reply),
        };
        *o = o.saturating_add(orig);
        *r = r.saturating_add(reply);
    }

    /// Every number through `f` together with the one of `other`.
    pub(super) fn zip(&self, other: &Self, f: impl Fn(u64, u64) -> u64) -> Self {
        let rates = |a: Rates, b: Rates| Rates { orig: f(a.orig, b.orig), reply: f(a.reply, b.reply) };
        Self {
            down: f(self.down, other.down),
            up: f(self.up, other.up),
            internal: rates(self.internal, other.internal),
            transit: rates(self.transit, other.transit),
            begun: f(self.begun, other.begun),
            ended: f(self.ended, other.ended),
        }
    }

    pub(super) fn since(&self, earlier: &Self) -> Self {
        self.zip(earlier, u64::saturating_sub)
    }
}
