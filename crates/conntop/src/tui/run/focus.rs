//! Tells the source which flows are on the screen: when they change, and not much more often than a
//! person can look at them.

use std::time::{Duration, Instant};

use conntop_proto::columns::Ids;
use conntop_proto::flow::FlowId;

/// Shortest time between two messages: scrolling passes by rows that nobody reads.
const INTERVAL: Duration = Duration::from_millis(250);

/// What was told and what is to be.
#[derive(Debug, Default)]
pub(super) struct Focus {
    wanted: Ids,
    told: Ids,
    earliest: Option<Instant>,
}

impl Focus {
    /// These flows are on the screen now.
    pub(super) fn want(&mut self, flows: &[FlowId]) {
        let same = flows.len() == self.wanted.len() && flows.iter().all(|id| self.wanted.contains(*id));
        if !same {
            self.wanted = flows.iter().copied().collect();
        }
    }

    /// What is to be told now, if anything.
    pub(super) fn take(&mut self, now: Instant) -> Option<Ids> {
        if self.due(now).is_none_or(|due| now < due) {
            return None;
        }
        self.earliest = Some(now + INTERVAL);
        self.told.clone_from(&self.wanted);
        Some(self.told.clone())
    }

    /// When the next is to be told; `None` while nothing has changed.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        (self.wanted != self.told).then(|| self.earliest.unwrap_or(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_and_not_too_often() {
        let mut focus = Focus::default();
        let begin = Instant::now();
        let mut check = |at: u64, flows: &[u64], wanted: Option<&[u64]>| {
            let ids = |flows: &[u64]| flows.iter().copied().map(FlowId).collect::<Vec<_>>();
            let now = begin + Duration::from_millis(at);
            focus.want(&ids(flows));
            let told = focus.take(now);
            assert_eq!(told, wanted.map(|flows| Ids::new(ids(flows))), "at {at}");
            focus.due(now).map(|due| due.saturating_duration_since(now))
        };
        assert_eq!(check(0, &[], None), None);
        assert_eq!(check(0, &[3, 1, 2], Some(&[1, 2, 3])), None);
        assert_eq!(check(10, &[2, 3, 1], None), None, "another order is no news");
        assert_eq!(check(20, &[2, 3, 4], None), Some(Duration::from_millis(230)));
        assert_eq!(check(30, &[3, 2, 1], None), None, "back where it was");
        assert_eq!(check(240, &[5], None), Some(Duration::from_millis(10)));
        assert_eq!(check(250, &[5], Some(&[5])), None);
        assert_eq!(check(900, &[], Some(&[])), None);
    }
}
