//! When to pass over the table: as often as wanted, but never for more than a share of a core,
//! except to begin with and to repair what was lost.

use std::time::Duration;

use tokio::time::Instant;

/// A pause is this many times the CPU time of the pass before it: 10 % of a core.
const REST: u32 = 9;
/// Least time between two repairs, doubled while they fail.
const REPAIR: Duration = Duration::from_secs(1);
/// Most time between two repairs.
const REPAIR_MOST: Duration = Duration::from_secs(10);

pub(super) struct Pacer {
    /// The budget allows a pass from here on.
    allowed: Instant,
    /// Something has to be read anew, not before this.
    repair: Option<Instant>,
    /// When the latest unpaced pass was wanted.
    repaired: Option<Instant>,
    backoff: Duration,
}

impl Pacer {
    pub(super) fn new(now: Instant) -> Self {
        Self { allowed: now, repair: None, repaired: None, backoff: REPAIR }
    }

    /// Somebody subscribed: the first pass comes at once.
    pub(super) fn wake(&mut self, now: Instant) {
        self.allowed = now;
        self.repair = Some(now);
    }

    /// Events were lost.
    pub(super) fn lost(&mut self, now: Instant) {
        let at = self.repaired.map_or(now, |last| now.max(last + self.backoff));
        self.repair.get_or_insert(at);
    }

    pub(super) fn repair_at(&self) -> Option<Instant> {
        self.repair
    }

    /// Whether a pass is to begin now. If so it is taken as begun.
    pub(super) fn is_due(&mut self, now: Instant, tick: bool) -> bool {
        if self.repair.is_some_and(|at| now >= at) {
            self.repair = None;
            self.repaired = Some(now);
            return true;
        }
        tick && now >= self.allowed
    }

    pub(super) fn done(&mut self, now: Instant, cost: Duration, dirty: bool) {
        self.allowed = now + cost * REST;
        if dirty {
            self.repair = Some(now + self.backoff);
            self.backoff = (self.backoff * 2).min(REPAIR_MOST);
        } else {
            self.backoff = REPAIR;
        }
    }
}
