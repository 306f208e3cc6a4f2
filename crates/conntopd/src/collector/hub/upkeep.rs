//! What the daemon costs besides reading: waking up, looking for events, looking flows up, making frames.
//!
//! It is charged to the budget too, so that all together stays within it, but never more than half of
//! what an interval pays for: what clients and events cost must not keep the table from being read.
//! The work on events themselves is never charged. There is as much of it as there are events, and a
//! debt of it could not be paid.

use std::time::Duration;

/// Counts the CPU time of the table's thread that nobody else has charged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Upkeep {
    /// CPU time of the thread when it was last looked at.
    seen: Duration,
    /// Of what came since then, what is not to be charged here.
    except: Duration,
    /// Of other threads.
    added: Duration,
    /// What may still be charged in this interval.
    left: Duration,
}

impl Upkeep {
    /// An interval begins.
    pub(super) fn allow(&mut self, most: Duration) {
        self.left = most;
    }

    /// So much of the thread's time is charged elsewhere, or not at all.
    pub(super) fn except(&mut self, cost: Duration) {
        self.except += cost;
    }

    /// So much was used by another thread.
    pub(super) fn add(&mut self, cost: Duration) {
        self.added += cost;
    }

    /// What is to be charged now that the thread has used so much.
    pub(super) fn take(&mut self, thread_cpu: Duration) -> Duration {
        let used = thread_cpu.saturating_sub(std::mem::replace(&mut self.seen, thread_cpu));
        let cost = used.saturating_sub(std::mem::take(&mut self.except)) + std::mem::take(&mut self.added);
        let cost = cost.min(self.left);
        self.left -= cost;
        cost
    }
}

#[cfg(test)]
mod tests {
    use super::Upkeep;
    use std::time::Duration;

    /// What is charged of turns that cost (thread, except, added), with 10 ms allowed at first.
    #[track_caller]
    fn check(turns: &[(u64, u64, u64)], charged: &[u64]) {
        let mut upkeep = Upkeep::default();
        upkeep.allow(Duration::from_millis(10));
        let mut clock = Duration::ZERO;
        let turn = |&(thread, except, added): &(u64, u64, u64)| {
            clock += Duration::from_millis(thread);
            upkeep.except(Duration::from_millis(except));
            upkeep.add(Duration::from_millis(added));
            upkeep.take(clock).as_millis()
        };
        let found: Vec<_> = turns.iter().map(turn).collect();
        assert_eq!(found, charged.iter().copied().map(u128::from).collect::<Vec<_>>());
    }

    #[test]
    fn what_nobody_charged_is_charged_up_to_a_bound() {
        check(&[(3, 0, 0), (0, 0, 0), (2, 0, 1)], &[3, 0, 3]);
        check(&[(5, 4, 0), (5, 5, 0)], &[1, 0]);
        check(&[(900, 890, 0), (7, 0, 0), (1, 0, 1)], &[10, 0, 0]);
        // Clocks of threads are read at different moments.
        check(&[(1, 2, 0), (1, 0, 0)], &[0, 1]);
    }
}
