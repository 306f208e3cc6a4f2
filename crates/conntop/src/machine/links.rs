//! Interfaces, and the rates at which their counters grow over the window that all rates share.

use std::collections::VecDeque;
use std::time::Duration;

use conntop_proto::flow::BootMillis;
use conntop_proto::message::{InterfaceState, Interfaces, LinkCounters};

/// Readings that are kept: the longest window at one a second, and the one before it.
const KEPT: usize = 42;
/// Milliseconds between two readings that are kept; a later one that comes earlier takes the place of the
/// last.
const APART: u64 = 900;
/// The window before anybody wishes one.
const WINDOW: Duration = Duration::from_secs(2);

/// One direction of an interface, per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Throughput {
    /// Bytes of the link layer.
    pub bytes: u64,
    /// Packets.
    pub packets: f64,
    /// Errors.
    pub errors: f64,
    /// Drops.
    pub drops: f64,
}

/// Both directions of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinkRates {
    /// What comes.
    pub received: Throughput,
    /// What is sent.
    pub sent: Throughput,
}

/// The counters of one reading, by index.
#[derive(Debug)]
struct Reading {
    at: BootMillis,
    counters: Vec<(u32, LinkCounters, LinkCounters)>,
}

/// Interfaces with their counters.
#[derive(Debug)]
pub struct Links {
    latest: Option<Interfaces>,
    readings: VecDeque<Reading>,
    window: Duration,
}

impl Default for Links {
    fn default() -> Self {
        Self { latest: None, readings: VecDeque::new(), window: WINDOW }
    }
}

impl Links {
    pub(super) fn push(&mut self, interfaces: &Interfaces) {
        if self.readings.back().is_some_and(|last| last.at >= interfaces.at) {
            // The clock may be another machine's.
            self.readings.clear();
        }
        let before = self.readings.len().checked_sub(2).and_then(|at| self.readings.get(at));
        if before.is_some_and(|before| interfaces.at.since(before.at) < APART) {
            self.readings.pop_back();
        }
        let counters = interfaces.list.iter().map(|one| (one.index, one.received, one.sent)).collect();
        self.readings.push_back(Reading { at: interfaces.at, counters });
        while self.readings.len() > KEPT {
            self.readings.pop_front();
        }
        self.latest = Some(interfaces.clone());
    }

    /// Nobody looks any more: what comes next is compared only with what comes after it.
    pub(super) fn rest(&mut self) {
        self.readings.clear();
    }

    pub(super) fn begin_again(&mut self) {
        *self = Self { window: self.window, ..Self::default() };
    }

    pub(super) fn set_window(&mut self, length: Duration) {
        self.window = length;
    }

    /// The latest reading; `None` before the first.
    #[must_use]
    pub fn latest(&self) -> Option<&Interfaces> {
        self.latest.as_ref()
    }

    /// How fast an interface's counters grow; `None` before there are two readings, and after a counter
    /// has fallen.
    #[must_use]
    pub fn rates(&self, of: &InterfaceState) -> Option<LinkRates> {
        let (base, millis) = self.base(of.index)?;
        let since = |now: &LinkCounters, then: &LinkCounters| {
            let per_second = |now: u64, then: u64| float(now.saturating_sub(then)) * 1000.0 / float(millis);
            Throughput {
                bytes: scaled(now.bytes.saturating_sub(then.bytes), millis),
                packets: per_second(now.packets, then.packets),
                errors: per_second(now.errors, then.errors),
                drops: per_second(now.drops, then.drops),
            }
        };
        Some(LinkRates { received: since(&of.received, &base.0), sent: since(&of.sent, &base.1) })
    }

    /// Counters of the window's beginning, and how many milliseconds ago that was.
    fn base(&self, index: u32) -> Option<((LinkCounters, LinkCounters), u64)> {
        let newest = self.readings.back()?;
        let window = u64::try_from(self.window.as_millis()).unwrap_or(u64::MAX);
        let (_, mut received, mut sent) = newest.of(index)?;
        let mut base = None;
        for reading in self.readings.iter().rev().skip(1) {
            let Some((_, before_received, before_sent)) = reading.of(index) else { break };
            if fell(&before_received, &received) || fell(&before_sent, &sent) {
                break;
            }
            (received, sent) = (before_received, before_sent);
            base = Some(((received, sent), newest.at.since(reading.at)));
            // Half a second of patience: readings come a little early or late.
            if newest.at.since(reading.at).saturating_add(500) >= window {
                break;
            }
        }
        base.filter(|(_, millis)| *millis > 0)
    }
}

impl Reading {
    fn of(&self, index: u32) -> Option<(u32, LinkCounters, LinkCounters)> {
        // Ascending, as the protocol has it; a server that does otherwise gets no rates.
        let at = self.counters.binary_search_by_key(&index, |(index, ..)| *index).ok()?;
        self.counters.get(at).copied()
    }
}

/// Whether somebody else's interface has the index now, or a counter began anew.
fn fell(before: &LinkCounters, after: &LinkCounters) -> bool {
    after.bytes < before.bytes
        || after.packets < before.packets
        || after.errors < before.errors
        || after.drops < before.drops
}

fn scaled(grown: u64, millis: u64) -> u64 {
    let rate = u128::from(grown) * 1000 / u128::from(millis.max(1));
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// Exact below 2^53; what is shown has three digits.
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at: u64, bytes: u64) -> Interfaces {
        let received = LinkCounters { bytes, packets: bytes / 100, errors: 0, drops: bytes / 1000 };
        let one = InterfaceState { index: 3, received, ..InterfaceState::default() };
        Interfaces { at: BootMillis(at), list: vec![one], left_out: 0 }
    }

    /// Bytes per second that come, after readings (milliseconds, bytes) with a window of so many seconds.
    #[track_caller]
    fn check(window: u64, readings: &[(u64, u64)], expected: Option<u64>) {
        let mut links = Links::default();
        links.set_window(Duration::from_secs(window));
        readings.iter().for_each(|(at, bytes)| links.push(&reading(*at, *bytes)));
        let rates = links.latest().and_then(|latest| links.rates(latest.list.first().unwrap()));
        assert_eq!(rates.map(|rates| rates.received.bytes), expected, "{readings:?} over {window} s");
        assert!(links.readings.len() <= KEPT);
    }

    #[test]
    fn rates_are_of_the_window() {
        check(2, &[], None);
        check(2, &[(1000, 5)], None);
        check(2, &[(1000, 0), (2000, 1000)], Some(1000));
        check(2, &[(1000, 0), (2000, 9000), (3000, 10_000), (4000, 11_000)], Some(1000));
        check(2, &[(1000, 0), (2000, 9000), (3010, 10_000), (4000, 11_000)], Some(1000));
        check(10, &[(1000, 0), (2000, 9000), (3000, 10_000), (5000, 12_000)], Some(3000));
        // A counter that fell began anew, and so did one that came out of the past.
        check(10, &[(1000, 5000), (2000, 9000), (3000, 100), (4000, 300)], Some(200));
        check(10, &[(1000, 5000), (2000, 9000), (3000, 100)], None);
        check(10, &[(9000, 5000), (2000, 9000)], None);
        let often: Vec<_> = (0..1000).map(|n| (n * 100, n * 100)).collect();
        check(10, &often, Some(1000));
        check(40, &often, Some(1000));
    }

    #[test]
    fn what_nobody_looked_at_is_not_compared() {
        let mut links = Links::default();
        links.push(&reading(1000, 0));
        links.rest();
        links.push(&reading(2000, 1000));
        let one = links.latest().and_then(|latest| latest.list.first()).cloned().unwrap();
        assert_eq!((one.received.bytes, links.rates(&one)), (1000, None));
    }
}
