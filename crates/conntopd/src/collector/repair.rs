//! Passes that the budget does not hold back: the first one after waking as a rule, and those after a loss,
//! which come ever less often while they do not help.

use std::time::Duration;

use tokio::time::Instant;

/// Least time between two repairs, doubled while they fail.
const LEAST: Duration = Duration::from_secs(1);
/// Most time between two repairs.
const MOST: Duration = Duration::from_secs(10);

/// When the table has to be read anew, whatever it costs.
#[derive(Debug)]
pub(super) struct Repair {
    wanted: Option<Instant>,
    /// When the latest one began.
    begun: Option<Instant>,
    backoff: Duration,
}

impl Repair {
    pub(super) fn new() -> Self {
        Self { wanted: None, begun: None, backoff: LEAST }
    }

    /// Somebody subscribed: the first pass comes then, or is an ordinary one. It repairs what was lost
    /// before as well.
    pub(super) fn wake(&mut self, at: Option<Instant>) {
        self.wanted = at;
    }

    /// Something was lost.
    pub(super) fn lost(&mut self, now: Instant) {
        let at = self.begun.map_or(now, |last| now.max(last + self.backoff));
        self.wanted.get_or_insert(at);
    }

    /// When the next one is due.
    pub(super) fn at(&self) -> Option<Instant> {
        self.wanted
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.wanted.is_some_and(|at| now >= at)
    }

    /// Whether one is due now; if so it is taken as begun.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let due = self.is_due(now);
        if due {
            (self.wanted, self.begun) = (None, Some(now));
        }
        due
    }

    /// A pass over the whole table is done; a dirty one has to be repeated.
    pub(super) fn done(&mut self, now: Instant, dirty: bool) {
        if dirty {
            self.wanted = Some(now + self.backoff);
            self.backoff = (self.backoff * 2).min(MOST);
        } else {
            self.backoff = LEAST;
        }
    }
}
