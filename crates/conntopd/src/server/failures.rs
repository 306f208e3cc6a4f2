//! Who has shown wrong tokens, and how long he has to wait: a few mistakes are free, then each
//! further one doubles the pause. Pure; the time is an argument.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Mistakes within [`WINDOW`] that cost nothing.
pub const FREE: u32 = 5;
/// After this long without one, and without a pause, they are forgotten.
pub const WINDOW: Duration = Duration::from_secs(60);
/// First pause.
pub const FIRST: Duration = Duration::from_secs(1);
/// Longest pause: a person who mends his token does not wait for a day.
pub const LONGEST: Duration = Duration::from_secs(600);
/// Sources that are remembered. When there are more, the one that has least to wait is forgotten:
/// guessing 256 bits takes more than forgetfulness, the pauses only spare CPU time and the log.
pub const MAX_SOURCES: usize = 1024;

/// Remembers mistakes by source.
#[derive(Debug, Default)]
pub struct Failures {
    sources: HashMap<IpAddr, Failure>,
}

#[derive(Clone, Copy, Debug)]
struct Failure {
    count: u32,
    last: Instant,
    pause: Duration,
}

impl Failure {
    fn until(&self) -> Instant {
        self.last + self.pause
    }

    fn is_forgotten(&self, now: Instant) -> bool {
        now >= self.until() + WINDOW
    }
}

impl Failures {
    /// How long `source` has to wait yet.
    #[must_use]
    pub fn wait(&self, source: IpAddr, now: Instant) -> Option<Duration> {
        let left = self.sources.get(&source)?.until().saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// `source` showed a wrong token.
    pub fn failed(&mut self, source: IpAddr, now: Instant) {
        let before = self.sources.get(&source).filter(|failure| !failure.is_forgotten(now));
        let count = before.map_or(0, |failure| failure.count).saturating_add(1);
        let pause = match count.checked_sub(FREE) {
            Some(doublings) => FIRST.saturating_mul(1 << doublings.min(16)).min(LONGEST),
            None => Duration::ZERO,
        };
        if !self.sources.contains_key(&source) && self.sources.len() >= MAX_SOURCES {
            self.make_room(now);
        }
        self.sources.insert(source, Failure { count, last: now, pause });
    }

    /// `source` showed the right one.
    pub fn proven(&mut self, source: IpAddr) {
        self.sources.remove(&source);
    }

    fn make_room(&mut self, now: Instant) {
        self.sources.retain(|_, failure| !failure.is_forgotten(now));
        if self.sources.len() < MAX_SOURCES {
            return;
        }
        let least = self.sources.iter().min_by_key(|(_, failure)| failure.until());
        if let Some(source) = least.map(|(source, _)| *source) {
            self.sources.remove(&source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into()
    }

    #[test]
    fn a_few_are_free_and_then_the_pauses_double() {
        let (mut failures, mut now) = (Failures::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..16 {
            failures.failed(source(1), now);
            let pause = failures.wait(source(1), now).unwrap_or_default();
            pauses.push(pause.as_secs());
            assert_eq!(failures.wait(source(2), now), None, "others are not concerned");
            now += pause;
            assert_eq!(failures.wait(source(1), now), None, "a pause has an end");
        }
        assert_eq!(pauses, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        failures.failed(source(1), now + LONGEST + WINDOW);
        assert_eq!(failures.wait(source(1), now + LONGEST + WINDOW), None, "forgotten after a while");
    }

    #[test]
    fn the_right_token_makes_up_for_all() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        (0..9).for_each(|_| failures.failed(source(1), now));
        failures.proven(source(1));
        assert_eq!(failures.wait(source(1), now), None);
    }

    #[test]
    fn memory_is_bounded_and_keeps_the_worst() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        (0..20).for_each(|_| failures.failed(source(0), now));
        (1..5000).for_each(|n| failures.failed(source(n), now));
        assert!(failures.sources.len() <= MAX_SOURCES, "{}", failures.sources.len());
        assert!(failures.wait(source(0), now).is_some());
    }
}
