//! Rates from totals and the times at which they were sampled.
//!
//! All rows share one window, `(from, to]`, whose ends are complete passes over the kernel's table:
//! a flow that a complete pass did not report has not changed, so its value at the end of that pass
//! is known although nothing was sent. Passes that are no possible end of a window are forgotten,
//! and a flow keeps one sample per remaining gap between passes, and none once it is idle.

use std::collections::VecDeque;
use std::time::Duration;

use conntop_proto::flow::BootMillis;
use conntop_proto::message::Pass;

use super::flow::Flow;
use super::ledger::Ledger;

/// Shortest time that the first bytes of a flow are divided by: a flow that was read ten
/// milliseconds after its birth has not shown a rate yet.
const SHORTEST_LIFE: u64 = 1000;

/// Bytes per second of each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Original direction.
    pub orig: u64,
    /// Reply direction.
    pub reply: u64,
}

/// The window that all rates refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Middle of the pass that begins it.
    pub from: BootMillis,
    /// Middle of the pass that ends it.
    pub to: BootMillis,
}

impl Window {
    /// Effective length: what was wished for, or the collector's pass when that takes longer.
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::from_millis(self.to.since(self.from))
    }
}

/// Totals of both directions at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    at: BootMillis,
    orig: u64,
    reply: u64,
}

/// Samples of an active flow, ascending in time. The first may be older than every window; it is
/// the value at its beginning.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    samples: VecDeque<Sample>,
}

/// A complete pass that may begin or end a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boundary {
    number: u64,
    started: BootMillis,
    finished: BootMillis,
    ledger: Ledger,
    at: BootMillis,
}

impl Boundary {
    fn middle(&self) -> BootMillis {
        BootMillis(self.started.0.midpoint(self.finished.0))
    }

    /// When a flow whose latest sample is at `sampled` was read in this pass.
    fn time_of(&self, sampled: BootMillis) -> BootMillis {
        if sampled >= self.started && sampled <= self.finished { sampled } else { self.middle() }
    }
}

/// The passes that windows begin and end with.
#[derive(Clone, Debug)]
pub(super) struct Passes {
    kept: VecDeque<Boundary>,
    window: Option<(Boundary, Boundary)>,
    wished: Duration,
}

/// (age in ms up to which, least distance in ms) of the passes that are kept.
const SPACING: &[(u64, u64)] = &[(4_000, 400), (15_000, 2_000), (60_000, 10_000)];

/// A pass that is this many percent of the wished window away may begin it: passes jitter.
const TOLERANCE: u64 = 85;

/// The longest pass and window in which samples are worth keeping: half an hour.
const FORGET: u64 = 30 * 60 * 1000;

impl Default for Passes {
    fn default() -> Self {
        Self { kept: VecDeque::new(), window: None, wished: Duration::from_secs(2) }
    }
}

impl Passes {
    pub(super) fn set_window(&mut self, wished: Duration) {
        self.wished = wished;
        self.choose();
    }

    pub(super) fn window(&self) -> Option<Window> {
        self.window.as_ref().map(|(from, to)| Window { from: from.middle(), to: to.middle() })
    }

    /// What passed through between the ends of the window, and in how many milliseconds.
    pub(super) fn volume(&self) -> Option<(Ledger, u64)> {
        let (from, to) = self.window.as_ref()?;
        Some((to.ledger.since(&from.ledger), to.at.since(from.at)))
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.window = None;
    }

    /// Notes the pass of a delta after which nothing was pending; true when it is a new boundary.
    pub(super) fn note(&mut self, pass: &Pass, at: BootMillis, ledger: Ledger) -> bool {
        let last = self.kept.back();
        let boundary = match pass.finished {
            Some(finished) => Boundary { number: pass.number, started: pass.started, finished, ledger, at },
            // The next one runs already: the one before was complete when it began.
            None if pass.number > 1 => {
                let started = last.map_or(pass.started, |b| b.finished);
                Boundary { number: pass.number - 1, started, finished: pass.started, ledger, at }
            }
            None => return false,
        };
        if last.is_some_and(|b| b.number >= boundary.number || b.finished > boundary.finished) {
            return false;
        }
        self.kept.push_back(boundary);
        self.thin();
        self.choose();
        true
    }

    /// Oldest time of interest: a flow whose latest sample is older is idle in every window.
    pub(super) fn horizon(&self) -> BootMillis {
        self.kept.front().map_or(BootMillis(0), |b| b.started)
    }

    pub(super) fn rates(&self, flow: &Flow) -> Option<Rates> {
        let (from, to) = self.window.as_ref()?;
        let counters = flow.orig_counters().zip(flow.reply_counters());
        let (orig, reply) = counters?;
        let current = Sample { at: flow.sampled(), orig: orig.bytes, reply: reply.bytes };
        let single = [current];
        let samples = flow.history.as_ref();
        let upto = |end: &Boundary| match samples {
            Some(h) => h.samples.iter().rev().find(|s| s.at <= end.finished).copied(),
            None => single.iter().find(|s| s.at <= end.finished).copied(),
        };
        let last = upto(to)?;
        let end = to.time_of(last.at);
        let (first, begin, least) = match upto(from) {
            Some(first) => (first, from.time_of(first.at), 1),
            None if flow.born() && flow.first_seen() >= from.started => {
                (Sample { at: flow.first_seen(), orig: 0, reply: 0 }, flow.first_seen(), SHORTEST_LIFE)
            }
            None => {
                let first = samples.and_then(|h| h.samples.front()).copied().unwrap_or(current);
                if first.at >= to.started {
                    return None;
                }
                (first, first.at, 1)
            }
        };
        let millis = end.since(begin).max(least);
        Some(Rates {
            orig: per_second(last.orig.saturating_sub(first.orig), millis),
            reply: per_second(last.reply.saturating_sub(first.reply), millis),
        })
    }

    /// Drops passes that stand closer than windows need.
    fn thin(&mut self) {
        let Some(newest) = self.kept.back().map(|b| b.finished) else { return };
        let mut next: Option<BootMillis> = None;
        let mut kept = VecDeque::with_capacity(self.kept.len());
        // Old ones first, so that a pass that was kept once stays until it is too old.
        let mut previous: Option<BootMillis> = None;
        for (i, boundary) in self.kept.iter().enumerate() {
            let age = newest.since(boundary.finished);
            let is_last = i + 2 >= self.kept.len();
            let spacing = SPACING.iter().find(|(upto, _)| age <= *upto).map(|s| s.1);
            let far = previous.is_none_or(|p| boundary.finished.since(p) >= spacing.unwrap_or(u64::MAX));
            let useful = spacing.is_some() || (next.is_none() && age <= FORGET && self.needed(i, newest));
            if is_last || (useful && far) {
                kept.push_back(*boundary);
                previous = Some(boundary.finished);
                next = previous;
            }
        }
        self.kept = kept;
    }

    /// Whether no later pass is old enough to begin the longest window.
    fn needed(&self, index: usize, newest: BootMillis) -> bool {
        let longest = SPACING.last().map_or(0, |s| s.0);
        self.kept.get(index + 1).is_none_or(|b| newest.since(b.finished) < longest)
    }

    fn choose(&mut self) {
        let wished = u64::try_from(self.wished.as_millis()).unwrap_or(u64::MAX);
        let least = wished.saturating_mul(TOLERANCE) / 100;
        self.window = self.kept.back().and_then(|to| {
            let mut earlier = self.kept.iter().rev().skip(1);
            let from = earlier
                .find(|b| to.middle().since(b.middle()) >= least)
                .or_else(|| self.kept.front().filter(|b| b.number < to.number))?;
            Some((*from, *to))
        });
    }
}

impl History {
    /// Begins with what was known before the first change.
    pub(super) fn begin(flow: &Flow) -> Self {
        let mut samples = VecDeque::with_capacity(4);
        if flow.born() && flow.orig_counters().is_none() {
            samples.push_back(Sample { at: flow.first_seen(), orig: 0, reply: 0 });
        }
        let mut history = Self { samples };
        history.push(flow, &Passes::default());
        history
    }

    /// Notes the flow's present counters.
    pub(super) fn push(&mut self, flow: &Flow, passes: &Passes) {
        let Some((orig, reply)) = flow.orig_counters().zip(flow.reply_counters()) else { return };
        let sample = Sample { at: flow.sampled(), orig: orig.bytes, reply: reply.bytes };
        if self.samples.back().is_some_and(|s| s.at >= sample.at) {
            self.samples.pop_back();
        }
        self.samples.push_back(sample);
        self.thin(passes);
    }

    /// Keeps the last sample of each gap between kept passes, and one from before all of them.
    fn thin(&mut self, passes: &Passes) {
        if passes.kept.is_empty() {
            return;
        }
        let gap = |at: BootMillis| passes.kept.partition_point(|b| b.finished < at);
        let mut kept: VecDeque<Sample> = VecDeque::with_capacity(self.samples.len());
        for sample in &self.samples {
            if kept.back().is_some_and(|k| gap(k.at) == gap(sample.at)) {
                kept.pop_back();
            }
            kept.push_back(*sample);
        }
        self.samples = kept;
    }
}

/// `amount` per second, when it took `millis` (at least 1).
pub(super) fn per_second(amount: u64, millis: u64) -> u64 {
    if amount == 0 {
        return 0;
    }
    let rate = u128::from(amount) * 1000 / u128::from(millis.max(1));
    u64::try_from(rate).unwrap_or(u64::MAX)
}
