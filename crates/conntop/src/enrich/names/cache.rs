//! Which hosts are to be asked for, and what came of it: state without I/O, time is an argument.
//!
//! Only hosts that somebody looks at are asked for, a few at once. A name is asked for again when its
//! time to live is over and somebody still looks; until then, and while nobody answers, the old one
//! stays and grows old. That a host has no name is remembered as well, and for how long nobody answered.
//! What changes goes out by [`Cache::take_changes`], so whoever applies all changes holds as many hosts
//! as this.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Hosts that are remembered: several screens full of any size, and about a megabyte.
pub const MOST_HOSTS: usize = 8_192;
/// Hosts that somebody looks at; more are on no screen.
pub const MOST_WANTED: usize = 1_024;
/// Questions that may be open at once: a large screen is full of names after a few round trips, and a
/// small router's resolver is not overrun.
pub const MOST_IN_FLIGHT: usize = 32;
/// The same while nobody answers: enough to notice that somebody does again.
const IN_FLIGHT_WHILE_SILENT: usize = 2;
/// Questions without any answer, one after the other, after which nobody is taken to answer.
const SILENT_AFTER: u32 = 4;
/// How long a name is believed at least and at most, whatever its record says: nobody is asked each
/// second, and a name that was given away is noticed on the same day.
const NAMED_TIME: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(24 * 3600));
/// The same of a host without a name.
const NAMELESS_TIME: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
/// When a question that failed is asked again first; twice as long after each further failure.
const RETRY_FIRST: Duration = Duration::from_secs(30);
/// Longest pause before a question is asked again.
const RETRY_LAST: Duration = Duration::from_secs(15 * 60);

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A name, harmless, and how long it may be believed.
    Named(Box<str>, Duration),
    /// There is none, and how long that may be believed, if that was said.
    Nameless(Option<Duration>),
    /// A server could not tell.
    Failed,
    /// Nobody answered.
    Silent,
}

/// What is known of a host now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its name, since that moment.
    Named(Box<str>, Instant),
    /// It has been asked for, and there is no name.
    Nameless,
    /// It is not remembered any more.
    Forgotten,
}

#[derive(Debug, Default)]
struct Entry {
    /// A question is open.
    asked: bool,
    /// It is not to be asked for before that.
    until: Option<Instant>,
    /// Failures one after the other.
    failures: u32,
    /// Whether a name is known.
    named: bool,
    /// When it was last looked at, in calls of [`Cache::want`].
    looked_at: u64,
}

/// Hosts that were or are to be asked for.
#[derive(Debug, Default)]
pub struct Cache {
    hosts: HashMap<IpAddr, Entry, FixedState>,
    wanted: Vec<IpAddr>,
    in_flight: usize,
    looks: u64,
    silences: u32,
    changes: Vec<(IpAddr, Change)>,
}

impl Cache {
    /// These hosts, and no others, are looked at now.
    pub fn want(&mut self, hosts: impl IntoIterator<Item = IpAddr>) {
        self.looks += 1;
        self.wanted.clear();
        self.wanted.extend(hosts.into_iter().filter(|host| is_askable(*host)).take(MOST_WANTED));
        for host in &self.wanted {
            self.hosts.entry(*host).or_default().looked_at = self.looks;
        }
        self.forget();
    }

    /// A host to be asked for now, if there is one and not too many questions are open.
    pub fn ask(&mut self, now: Instant) -> Option<IpAddr> {
        if self.is_busy() {
            return None;
        }
        let is_due = |entry: &Entry| !entry.asked && entry.until.is_none_or(|until| until <= now);
        let host = self.wanted.iter().copied().find(|host| self.hosts.get(host).is_some_and(is_due))?;
        self.hosts.get_mut(&host)?.asked = true;
        self.in_flight += 1;
        Some(host)
    }

    /// Takes in what came of a question.
    pub fn answered(&mut self, host: IpAddr, outcome: Outcome, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.silences = if outcome == Outcome::Silent { self.silences.saturating_add(1) } else { 0 };
        let Some(entry) = self.hosts.get_mut(&host) else { return };
        entry.asked = false;
        let bounded = |time: Duration, (least, most): (Duration, Duration)| time.clamp(least, most);
        let (time, change) = match outcome {
            Outcome::Named(name, time) => {
                entry.failures = 0;
                entry.named = true;
                (bounded(time, NAMED_TIME), Some(Change::Named(name, now)))
            }
            Outcome::Nameless(time) => {
                entry.failures = 0;
                entry.named = false;
                (bounded(time.unwrap_or(NAMELESS_TIME.0), NAMELESS_TIME), Some(Change::Nameless))
            }
            Outcome::Failed | Outcome::Silent => {
                let time = RETRY_FIRST.saturating_mul(1 << entry.failures.min(16)).min(RETRY_LAST);
                entry.failures = entry.failures.saturating_add(1);
                (time, (!entry.named).then_some(Change::Nameless))
            }
        };
        entry.until = Some(now + time);
        self.changes.extend(change.map(|change| (host, change)));
    }

    /// When a host is to be asked for again that is looked at; `None` while too many questions are open.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        if self.is_busy() {
            return None;
        }
        let entries = self.wanted.iter().filter_map(|host| self.hosts.get(host));
        entries.filter(|entry| !entry.asked).filter_map(|entry| entry.until).min()
    }

    /// What has changed since the last call.
    pub fn take_changes(&mut self) -> Vec<(IpAddr, Change)> {
        std::mem::take(&mut self.changes)
    }

    /// Whether nobody answers any more.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.silences >= SILENT_AFTER
    }

    /// Other servers are asked from now on: what failed is asked again at once.
    pub fn begin_anew(&mut self) {
        self.silences = 0;
        for entry in self.hosts.values_mut().filter(|entry| entry.failures > 0) {
            entry.failures = 0;
            entry.until = None;
        }
    }

    fn is_busy(&self) -> bool {
        let most = if self.is_silent() { IN_FLIGHT_WHILE_SILENT } else { MOST_IN_FLIGHT };
        self.in_flight >= most
    }

    /// Makes room when there are too many: those that nobody has looked at for longest are forgotten.
    fn forget(&mut self) {
        if self.hosts.len() <= MOST_HOSTS {
            return;
        }
        let idle = |(host, entry): (&IpAddr, &Entry)| {
            (!entry.asked && entry.looked_at < self.looks).then_some((entry.looked_at, *host))
        };
        let mut idle: Vec<(u64, IpAddr)> = self.hosts.iter().filter_map(idle).collect();
        idle.sort_unstable();
        // More than needed, so that not each new host has to look for one that makes room.
        for (_, host) in idle.into_iter().take(MOST_HOSTS / 4) {
            self.hosts.remove(&host);
            self.changes.push((host, Change::Forgotten));
        }
    }
}

/// Whether anybody could know a name of that address: not of those that mean each machine or link
/// something else.
#[must_use]
pub fn is_askable(address: IpAddr) -> bool {
    let aside = match address {
        IpAddr::V4(a) => a.is_broadcast() || a.is_link_local() || a.octets().first() == Some(&0),
        IpAddr::V6(a) => a.is_unicast_link_local() || a.to_ipv4_mapped().is_some(),
    };
    !(aside || address.is_loopback() || address.is_multicast() || address.is_unspecified())
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
