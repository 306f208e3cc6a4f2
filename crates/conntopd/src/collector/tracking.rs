//! Whether anything makes the kernel track connections, as far as can be seen.
//!
//! The rules of nf_tables show it; legacy iptables, tc and Open vSwitch do not show. So where there are
//! entries and never was a rule, something else tracks. Where the rules have gone, the entries that are
//! left only run out.

use std::time::{Duration, Instant};

use super::clock;

/// Between two looks at the rules while there are entries.
const EVERY: Duration = Duration::from_secs(10);
/// A look may be repeated after so many times what it costs: large rule sets take their time.
const DEAR: u32 = 1000;

/// What was seen of the rules.
#[derive(Debug, Default)]
pub(super) struct Tracking {
    /// There were some once.
    seen: bool,
    latest: Option<Look>,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    cost: Duration,
    /// Rules that track; `None` where they cannot be read.
    rules: Option<usize>,
}

impl Tracking {
    /// Looks, in the calling thread's namespace, in which there are so many entries.
    pub(super) fn look(&mut self, entries: Option<u64>) -> Option<bool> {
        let occupied = entries.is_some_and(|entries| entries > 0);
        let fresh = |look: &Look| occupied && look.at.elapsed() < EVERY.max(look.cost.saturating_mul(DEAR));
        let look = self.latest.filter(fresh).unwrap_or_else(|| {
            let before = clock::thread_cpu();
            let rules = nfnetlink::nft::tracking_rules().ok();
            Look { at: Instant::now(), cost: clock::thread_cpu().saturating_sub(before), rules }
        });
        self.latest = Some(look);
        self.judge(occupied, look.rules)
    }

    fn judge(&mut self, occupied: bool, rules: Option<usize>) -> Option<bool> {
        match rules {
            Some(1..) => {
                self.seen = true;
                Some(true)
            }
            Some(0) => Some(occupied && !self.seen),
            None => occupied.then_some(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tracking;

    /// What is judged after each look: whether there are entries, and rules.
    #[track_caller]
    fn check(looks: &[(bool, Option<usize>)], judged: &[Option<bool>]) {
        let mut tracking = Tracking::default();
        let found: Vec<_> = looks.iter().map(|&(occupied, rules)| tracking.judge(occupied, rules)).collect();
        assert_eq!(found, judged, "{looks:?}");
    }

    #[test]
    fn rules_and_entries() {
        let (yes, no) = (Some(true), Some(false));
        check(&[(false, Some(0)), (false, Some(2)), (true, Some(2))], &[no, yes, yes]);
        // The rules go, the entries stay for a while, and new rules come.
        check(&[(true, Some(2)), (true, Some(0)), (false, Some(0)), (true, Some(1))], &[yes, no, no, yes]);
        // Something that does not show tracks.
        check(&[(true, Some(0)), (false, Some(0))], &[yes, no]);
        check(&[(false, None), (true, None)], &[None, yes]);
    }
}
