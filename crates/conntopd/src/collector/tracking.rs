//! Whether anything makes the kernel track connections, as far as can be seen.
//!
//! The rules of nf_tables show it. What legacy iptables, tc and Open vSwitch do does not show, but each leaves
//! a trace. So where there are entries, no rule and such a trace, something else tracks, unless there were
//! rules before. Where there is no trace, or the rules have gone, the entries that are left only run out.

use std::time::{Duration, Instant};

use nfnetlink::tracking::Others;

use super::clock;

/// Between two looks at the rules while there are entries.
const EVERY: Duration = Duration::from_secs(10);
/// A look may be repeated after so many times what it costs: large rule sets take their time.
const DEAR: u32 = 1000;

/// What was seen of the rules.
#[derive(Debug)]
pub(super) struct Tracking {
    others: Others,
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
    /// Whether something else left a trace.
    others: bool,
}

impl Tracking {
    /// For the calling thread's namespace, before that is confined.
    pub(super) fn open() -> Self {
        Self { others: Others::open(), seen: false, latest: None }
    }

    /// Looks, in the calling thread's namespace, in which there are so many entries.
    pub(super) fn look(&mut self, entries: Option<u64>) -> Option<bool> {
        let occupied = entries.is_some_and(|entries| entries > 0);
        let fresh = |look: &Look| occupied && look.at.elapsed() < EVERY.max(look.cost.saturating_mul(DEAR));
        let look = self.latest.filter(fresh).unwrap_or_else(|| {
            let before = clock::thread_cpu();
            let rules = nfnetlink::nft::tracking_rules().ok();
            let others = !self.others.look().is_empty();
            Look { at: Instant::now(), cost: clock::thread_cpu().saturating_sub(before), rules, others }
        });
        self.latest = Some(look);
        judge(&mut self.seen, occupied, look.rules, look.others)
    }
}

/// By whether there were rules before, there are entries, how many rules there are, and whether something
/// else left a trace.
fn judge(seen: &mut bool, occupied: bool, rules: Option<usize>, others: bool) -> Option<bool> {
    match rules {
        Some(1..) => {
            *seen = true;
            Some(true)
        }
        Some(0) => Some(occupied && others && !*seen),
        None => occupied.then_some(true),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;

    /// What is judged after each look: whether there are entries, and rules.
    #[track_caller]
    fn check(others: bool, looks: &[(bool, Option<usize>)], judged: &[Option<bool>]) {
        let mut seen = false;
        let look = |&(occupied, rules): &(bool, Option<usize>)| judge(&mut seen, occupied, rules, others);
        let found: Vec<_> = looks.iter().map(look).collect();
        assert_eq!(found, judged, "{looks:?}, others {others}");
    }

    #[test]
    fn rules_and_entries() {
        let (yes, no) = (Some(true), Some(false));
        for others in [false, true] {
            check(others, &[(false, Some(0)), (false, Some(2)), (true, Some(2))], &[no, yes, yes]);
            // The rules go, the entries stay for a while, and new rules come.
            let looks = [(true, Some(2)), (true, Some(0)), (false, Some(0)), (true, Some(1))];
            check(others, &looks, &[yes, no, no, yes]);
            check(others, &[(false, None), (true, None)], &[None, yes]);
        }
        // Something that does not show tracks.
        check(true, &[(true, Some(0)), (false, Some(0))], &[yes, no]);
        // The rules went before anybody looked.
        check(false, &[(true, Some(0)), (false, Some(0))], &[no, no]);
    }
}
