//! How full the kernel's table has been, and what it refused. A collector tells of its table when that has
//! changed, so between two messages it was as the earlier one says.

use std::collections::VecDeque;
use std::time::Duration;

use conntop_proto::flow::BootMillis;
use conntop_proto::message::TableStats;

/// Steps that are kept: twenty minutes of a collector that reads its numbers every two seconds.
const KEPT: usize = 600;
/// Milliseconds between two steps that are kept.
const APART: u64 = 900;
/// Milliseconds over which growth is measured.
const SPAN: u64 = 60_000;
/// Least of these that say something.
const LEAST: u64 = 10_000;
/// Longest time that is foretold: beyond it the pace will be another.
const FORESEEN: Duration = Duration::from_secs(24 * 3600);

/// What the table refused, per second; `None` where the kernel does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Refusals {
    /// Packets dropped by connection tracking.
    pub drop: Option<f64>,
    /// Entries that could not be inserted.
    pub insert_failed: Option<f64>,
    /// Entries dropped early because the table was full.
    pub early_drop: Option<f64>,
}

/// How full the table has been.
#[derive(Debug, Default)]
pub struct Fill {
    steps: VecDeque<TableStats>,
}

impl Fill {
    pub(super) fn push(&mut self, table: &TableStats) {
        if self.steps.back().is_some_and(|last| last.at > table.at) {
            // The clock may be another machine's.
            self.steps.clear();
        }
        let before = self.steps.len().checked_sub(2).and_then(|at| self.steps.get(at));
        if before.is_some_and(|before| table.at.since(before.at) < APART) {
            self.steps.pop_back();
        }
        self.steps.push_back(*table);
        if self.steps.len() > KEPT {
            self.steps.pop_front();
        }
    }

    /// What was refused per second in the time before `now`, or since it is known if that is less.
    #[must_use]
    pub fn refusals(&self, now: BootMillis, window: Duration) -> Refusals {
        let window = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        let Some(newest) = self.steps.back() else { return Refusals::default() };
        let from = BootMillis(now.0.saturating_sub(window));
        let Some(base) = self.at(from).or_else(|| self.steps.front()) else { return Refusals::default() };
        let since = now.since(base.at.max(from));
        if since == 0 {
            return Refusals::default();
        }
        let per_second = |of: fn(&TableStats) -> Option<u64>| {
            let grown = of(newest)?.saturating_sub(of(base)?);
            Some(float(grown) * 1000.0 / float(since))
        };
        Refusals {
            drop: per_second(|table| table.drop),
            insert_failed: per_second(|table| table.insert_failed),
            early_drop: per_second(|table| table.early_drop),
        }
    }

    /// The numbers as they were at a moment.
    fn at(&self, moment: BootMillis) -> Option<&TableStats> {
        self.steps.iter().rev().find(|step| step.at <= moment)
    }

    /// Entries in the table at so many moments, `apart` each, the last of them now; `None` before the
    /// first message.
    #[must_use]
    pub fn history(&self, now: BootMillis, moments: usize, apart: Duration) -> Vec<Option<u64>> {
        let apart = u64::try_from(apart.as_millis()).unwrap_or(u64::MAX);
        let moments = u64::try_from(moments).unwrap_or(0);
        let back = |n: u64| BootMillis(now.0.saturating_sub(apart.saturating_mul(n)));
        (0..moments).rev().map(|n| self.at(back(n)).and_then(|table| table.count)).collect()
    }

    /// Entries that the table gains or loses per second, over the last minute or what is known of it.
    #[must_use]
    pub fn growth(&self, now: BootMillis) -> Option<f64> {
        let from = BootMillis(now.0.saturating_sub(SPAN));
        let base = self.at(from).or_else(|| self.steps.front())?;
        let since = now.since(base.at.max(from));
        if since < LEAST {
            return None;
        }
        let (before, after) = (base.count?, self.steps.back()?.count?);
        Some((float(after) - float(before)) * 1000.0 / float(since))
    }

    /// When the table is full if it goes on growing as now; `None` while it does not, or would for longer
    /// than a day.
    #[must_use]
    pub fn full_in(&self, now: BootMillis, max: u64) -> Option<Duration> {
        let growth = self.growth(now).filter(|growth| *growth > 0.0)?;
        let left = max.saturating_sub(self.steps.back()?.count?);
        let seconds = float(left) / growth;
        Duration::try_from_secs_f64(seconds).ok().filter(|time| *time <= FORESEEN)
    }
}

/// Exact below 2^53; what is shown has three digits.
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps are (seconds, entries, drops).
    fn fill(steps: &[(u64, u64, u64)]) -> Fill {
        let mut fill = Fill::default();
        for (at, count, drop) in steps {
            let at = BootMillis(at * 1000);
            let table = TableStats { at, count: Some(*count), drop: Some(*drop), ..TableStats::default() };
            fill.push(&table);
        }
        fill
    }

    #[test]
    fn refusals_are_of_the_window() {
        let check = |steps: &[_], now: u64, window: u64, expected: Option<f64>| {
            let refusals = fill(steps).refusals(BootMillis(now * 1000), Duration::from_secs(window));
            assert_eq!((refusals.drop, refusals.insert_failed), (expected, None), "{steps:?} at {now}");
        };
        check(&[], 10, 10, None);
        check(&[(10, 5, 7)], 10, 10, None);
        check(&[(10, 5, 7)], 15, 10, Some(0.0));
        check(&[(10, 5, 0), (12, 5, 20)], 12, 10, Some(10.0));
        // Nothing was told since, so nothing was dropped since.
        check(&[(10, 5, 0), (12, 5, 20)], 20, 10, Some(2.0));
        check(&[(10, 5, 0), (12, 5, 20)], 40, 10, Some(0.0));
        check(&[(10, 5, 20), (12, 5, 0)], 12, 10, Some(0.0));
    }

    #[test]
    fn the_past_is_told_in_steps() {
        let check = |steps: &[_], now: u64, expected: &[Option<u64>]| {
            let found = fill(steps).history(BootMillis(now * 1000), 3, Duration::from_secs(10));
            assert_eq!(found, expected, "{steps:?} at {now}");
        };
        check(&[], 100, &[None, None, None]);
        check(&[(85, 1, 0)], 100, &[None, Some(1), Some(1)]);
        check(&[(50, 1, 0), (89, 2, 0), (100, 3, 0)], 100, &[Some(1), Some(2), Some(3)]);
        // Another machine's clock.
        check(&[(500, 1, 0), (90, 2, 0)], 100, &[None, Some(2), Some(2)]);
    }

    #[test]
    fn a_table_that_grows_is_full_some_day() {
        let check = |steps: &[_], now: u64, expected: Option<u64>| {
            let found = fill(steps).full_in(BootMillis(now * 1000), 1000);
            assert_eq!(found.map(|time| time.as_secs()), expected, "{steps:?} at {now}");
        };
        check(&[], 100, None);
        check(&[(100, 500, 0)], 105, None);
        check(&[(100, 500, 0)], 120, None);
        check(&[(100, 400, 0), (120, 500, 0)], 120, Some(100));
        check(&[(100, 500, 0), (120, 400, 0)], 120, None);
        check(&[(100, 400, 0), (120, 1000, 0)], 120, Some(0));
        check(&[(100, 400, 0), (150, 401, 0)], 150, Some(599 * 50));
        check(&[(100, 1, 0), (160, 2, 0)], 160, Some(998 * 60));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let fill = fill(&(0..5000).map(|n| (n, n, 0)).collect::<Vec<_>>());
        assert_eq!(fill.steps.len(), KEPT);
    }
}
