//! The thread that finds out which process has which socket.
//!
//! It keeps to a budget: what a turn has cost is paid for by sleeping until it is no more than the share of
//! a core. With few sockets that is soon, so that short-lived processes are seen; with many it takes a while.
//! The first turn is not held back. Nobody waits for this thread, and it ends when nobody listens any more.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use nfnetlink::netns::Netns;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use rustix::time::{ClockId, clock_gettime};
use tracing::warn;

use super::procfs::Procfs;
use super::scan::Scanner;
use super::spaces::{Spaces, SpacesError};
use super::users::Users;
use crate::enrich::Learned;
use crate::enrich::lookups::Finder;
use crate::enrich::processes::Seen;

/// Time that has to pass for each time that was used: one percent of a core.
const PAY: u32 = 100;
/// Shortest pause. What lives shorter is seen by chance.
const SHORTEST: Duration = Duration::from_millis(100);
/// Shortest pause when nothing was new for long, so that a quiet machine stays quiet.
const QUIET: Duration = Duration::from_millis(500);
/// Turns without anything new after which it is quiet.
const QUIET_TURNS: u32 = 50;
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(30);
/// Longest pause after the first turn, which has much to find.
const AFTER_FIRST: Duration = Duration::from_secs(1);
/// Time of a turn for namespaces that are not watched.
const OTHERS: Duration = Duration::from_millis(15);
/// Sockets that are told at a time: whoever takes them in has to draw meanwhile.
const AT_A_TIME: usize = 8192;

/// Starts looking at the sockets of a namespace (that of the caller when `None`) and, where that is
/// permitted, of all others on this machine.
///
/// # Errors
/// If no thread can be made.
pub fn start(finder: Finder, netns: Option<Netns>) -> io::Result<()> {
    let work = move || {
        keep_capabilities();
        if let Err(error) = work(&finder, netns.as_ref()) {
            warn!("processes are not shown: {error}");
        }
    };
    thread::Builder::new().name("processes".to_owned()).spawn(work).map(drop)
}

/// Gives up what this thread never needs: all but looking at other processes (`SYS_PTRACE`, and
/// `DAC_READ_SEARCH` for their directories) and entering other namespaces (`SYS_ADMIN`).
fn keep_capabilities() {
    let needed = CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_READ_SEARCH | CapabilitySet::SYS_ADMIN;
    let kept = capabilities(None).and_then(|has| {
        let left = has.permitted & needed;
        let none = CapabilitySet::empty();
        set_capabilities(None, CapabilitySets { effective: left, permitted: left, inheritable: none })
    });
    if let Err(error) = kept {
        warn!("the thread that looks for processes keeps all capabilities: {error}");
    }
}

fn work(finder: &Finder, netns: Option<&Netns>) -> Result<(), SpacesError> {
    let mut turns = Turns::new(netns)?;
    let mut pace = Pace::default();
    let mut last = None;
    loop {
        let seen = turns.next(Instant::now());
        let news = last != Some(seen.hidden) || seen != Seen { hidden: seen.hidden, ..Seen::default() };
        last = Some(seen.hidden);
        let pause = pace.pause(turns.cost, news);
        if news {
            for part in seen.parts(AT_A_TIME) {
                if finder.blocking_send(Learned::Processes(part)).is_err() {
                    return Ok(());
                }
            }
        }
        thread::sleep(pause);
        if finder.is_closed() {
            return Ok(());
        }
    }
}

/// The turns of the thread, without its pauses.
#[derive(Debug)]
pub struct Turns {
    spaces: Spaces,
    scanner: Scanner,
    turn: u64,
    /// CPU time of the last one.
    pub cost: Duration,
}

impl Turns {
    /// The calling thread moves into the namespace.
    ///
    /// # Errors
    /// If the namespace cannot be entered or its sockets cannot be listed.
    pub fn new(netns: Option<&Netns>) -> Result<Self, SpacesError> {
        let spaces = Spaces::watching(netns)?;
        let scanner = Scanner::new(Procfs::at("/proc"), Users::of("/etc/passwd"));
        Ok(Self { spaces, scanner, turn: 0, cost: Duration::ZERO })
    }

    /// The next one. Returns what is different from before.
    pub fn next(&mut self, now: Instant) -> Seen {
        let begun = thread_cpu();
        self.turn += 1;
        let turn = self.turn;
        let nets = self.scanner.begin();
        for space in self.spaces.follow(&nets) {
            self.scanner.read(space);
        }
        let enough = || turn > 1 && thread_cpu().saturating_sub(begun) >= OTHERS;
        self.spaces.read(&mut self.scanner, turn, now, enough);
        let mut seen = self.scanner.end(now);
        seen.hidden.spaces |= self.spaces.hidden();
        seen.addresses = self.spaces.addresses();
        self.cost = thread_cpu().saturating_sub(begun);
        seen
    }
}

/// How long to sleep.
#[derive(Debug, Default)]
struct Pace {
    begun: bool,
    quiet: u32,
}

impl Pace {
    fn pause(&mut self, cost: Duration, news: bool) -> Duration {
        self.quiet = if news { 0 } else { self.quiet.saturating_add(1) };
        let shortest = if self.quiet > QUIET_TURNS { QUIET } else { SHORTEST };
        let longest = if self.begun { LONGEST } else { AFTER_FIRST };
        self.begun = true;
        cost.saturating_mul(PAY).clamp(shortest, longest)
    }
}

/// CPU time that the calling thread has used.
fn thread_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_pay_for_what_was_used() {
        let mut pace = Pace::default();
        let mut check = |micros: u64, news: bool, turns: u32, expected: u64| {
            let pauses = (0..turns).map(|_| pace.pause(Duration::from_micros(micros), news));
            assert_eq!(pauses.last(), Some(Duration::from_millis(expected)), "{micros} us, {news}");
        };
        check(80_000, true, 1, 1000); // the first turn
        check(200, true, 1, 100);
        check(12_000, true, 1, 1200);
        check(200, false, QUIET_TURNS, 100);
        check(200, false, 1, 500);
        check(12_000, false, 1, 1200);
        check(200, true, 1, 100);
        check(2_000_000, true, 1, 30_000);
    }
}
