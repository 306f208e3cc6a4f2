//! Passes that the budget does not hold back: the first one after waking as a rule, and those after a loss,
//! which come ever less often while they do not help, and at once when the storm is over.

use std::time::Duration;

use tokio::time::Instant;

/// Least time between two repairs, doubled while they fail.
const LEAST: Duration = Duration::from_secs(1);
/// Most time between two repairs.
const MOST: Duration = Duration::from_secs(10);
/// A storm that lost nothing for so long is taken to be over; doubled while it was not.
const CALM: Duration = Duration::from_millis(250);

/// When the table has to be read anew, whatever it costs.
#[derive(Debug)]
pub(super) struct Repair {
    wanted: Option<Instant>,
    /// When the latest one began.
    begun: Option<Instant>,
    backoff: Duration,
    /// When the latest loss was heard of.
    lost: Option<Instant>,
    calm: Duration,
    last: Last,
}

/// The latest whole pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Clean,
    Dirty,
    /// A repair that began because there was calm.
    Hasty,
}

impl Repair {
    pub(super) fn new() -> Self {
        Self { wanted: None, begun: None, backoff: LEAST, lost: None, calm: CALM, last: Last::Clean }
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
        self.lost = Some(now);
    }

    /// When the next one is due.
    pub(super) fn at(&self) -> Option<Instant> {
        let wanted = self.wanted?;
        Some(self.calm_at().map_or(wanted, |calm| wanted.min(calm)))
    }

    /// When there will have been calm, after a repair that came too early.
    fn calm_at(&self) -> Option<Instant> {
        let lost = self.lost.filter(|lost| self.begun.is_none_or(|begun| *lost >= begun))?;
        (self.last != Last::Clean).then(|| lost + self.calm)
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.at().is_some_and(|at| now >= at)
    }

    /// Whether one is due now; if so it is taken as begun.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let due = self.is_due(now);
        if due {
            if self.wanted.is_some_and(|at| now < at) {
                self.last = Last::Hasty;
            }
            (self.wanted, self.begun) = (None, Some(now));
        }
        due
    }

    /// A pass over the whole table is done; a dirty one has to be repeated.
    pub(super) fn done(&mut self, now: Instant, dirty: bool) {
        if dirty {
            self.wanted = Some(now + self.backoff);
            self.backoff = (self.backoff * 2).min(MOST);
            if self.last == Last::Hasty {
                self.calm = (self.calm * 2).min(MOST);
            }
            self.last = Last::Dirty;
        } else {
            (self.backoff, self.calm, self.last) = (LEAST, CALM, Last::Clean);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A storm that loses something so often, for so long; passes take 100 ms. Gives the times at which
    /// repairs began, in ms.
    fn repairs(every: u32, storm: u32, end: u32) -> Vec<u32> {
        let zero = Instant::now();
        let mut repair = Repair::new();
        let mut began = Vec::new();
        let mut lost_in_pass = false;
        for ms in 0..end {
            let now = zero + ms * MS;
            if ms < storm && ms % every == 0 {
                repair.lost(now);
                lost_in_pass = true;
            }
            match began.last() {
                Some(at) if ms < at + 100 => {}
                Some(at) if ms == at + 100 => repair.done(now, lost_in_pass),
                _ if repair.take(now) => {
                    began.push(ms);
                    lost_in_pass = false;
                }
                _ => {}
            }
        }
        began
    }

    #[test]
    fn repairs_are_rare_in_a_storm_and_come_at_once_when_it_is_over() {
        for (every, storm, wanted) in [
            // Waits of 1, 2, 4, 8, 10 seconds after each end; then a quarter of a second after the last loss.
            (10, 30_000, &[0, 1100, 3200, 7300, 15_400, 25_500, 30_240][..]),
            (10, 5000, &[0, 1100, 3200, 5240]),
            // One loss is mended at once, and those that passes are not hurt by at most each second.
            (10, 1, &[0]),
            (400, 3000, &[0, 1000, 2000, 3000]),
        ] {
            assert_eq!(repairs(every, storm, 45_000), wanted, "{storm} ms of a loss each {every} ms");
        }
    }

    /// A loss each 300 ms looks like calm for a moment.
    #[test]
    fn false_calm_is_not_trusted_again() {
        let began = repairs(300, 60_000, 60_000);
        assert!(began.len() < 70, "{began:?}");
    }
}
