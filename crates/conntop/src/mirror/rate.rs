//! Rates from totals and the times at which they were sampled.
//!
//! All rows share one window, `(from, to]`, whose ends are complete passes over the kernel's table:
//! a flow that a complete pass did not report has not changed, so its value at the end of that pass
//! is known although nothing was sent. Passes that are no possible end of a window are forgotten,
//! and a flow keeps one sample per remaining gap between passes, and none once it is idle.
//!
//! A pass over assured flows vouches only for those. While such passes come, the other flows keep the
//! window between the latest passes that covered everything, so none of them falls to 0 because
//! nobody asked about it; sums put both kinds together.

use std::collections::VecDeque;
use std::time::Duration;

use conntop_proto::flow::{BootMillis, Status};
use conntop_proto::message::{Coverage, Pass};

use super::flow::Flow;
use super::ledger::{Ledger, Orientation};
use super::seen::Seen;

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
    /// Effective length: about what was wished for; the collector's pass when that takes longer; less
    /// while no more has been seen.
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::from_millis(self.to.since(self.from))
    }

    /// Whether it is shorter than what was wished for, by more than passes jitter: not so much has been
    /// seen yet.
    #[must_use]
    pub fn falls_short_of(&self, wished: Duration) -> bool {
        self.to.since(self.from) < least(wished)
    }
}

/// Milliseconds of the shortest window that is taken for one of the wished length.
fn least(wished: Duration) -> u64 {
    u64::try_from(wished.as_millis()).unwrap_or(u64::MAX).saturating_mul(TOLERANCE) / 100
}

/// Totals of both directions at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) at: BootMillis,
    pub(super) orig: u64,
    pub(super) reply: u64,
}

impl Sample {
    /// The flow's present counters, if it has any.
    pub(super) fn of(flow: &Flow) -> Option<Self> {
        let (orig, reply) = flow.bytes()?;
        Some(Self { at: flow.sampled(), orig, reply })
    }

    /// What came since `first`, divided by the time or by `least` milliseconds if that is longer.
    pub(super) fn rates_since(&self, first: &Self, least: u64) -> Rates {
        let millis = self.at.since(first.at).max(least);
        Rates {
            orig: per_second(self.orig.saturating_sub(first.orig), millis),
            reply: per_second(self.reply.saturating_sub(first.reply), millis),
        }
    }
}

/// Samples of an active flow, ascending in time. The first may be older than every window; it is
/// the value at its beginning.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    samples: Vec<Sample>,
    /// What the flow had carried when counting began.
    base: Seen,
}

/// A complete pass that may begin or end a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boundary {
    number: u64,
    coverage: Coverage,
    started: BootMillis,
    finished: BootMillis,
    sums: Sums,
    at: BootMillis,
}

/// What all flows have carried up to a moment, and what of it flows that were not assured.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) all: Ledger,
    pub(super) loose: Ledger,
    pub(super) orientation: Orientation,
}

impl Sums {
    pub(super) fn add(&mut self, flow: &Flow, orig: u64, reply: u64) {
        self.all.add(flow.class(), self.orientation, orig, reply);
        if !flow.status().has(Status::ASSURED) {
            self.loose.add(flow.class(), self.orientation, orig, reply);
        }
    }
}

impl Boundary {
    fn middle(&self) -> BootMillis {
        BootMillis(self.started.0.midpoint(self.finished.0))
    }

    /// When a flow whose latest sample is at `sampled` was read in this pass.
    fn time_of(&self, sampled: BootMillis) -> BootMillis {
        if sampled >= self.started && sampled <= self.finished { sampled } else { self.middle() }
    }

    /// Whether it would have found that the flow's counters have moved.
    fn covers(&self, flow: &Flow) -> bool {
        self.is_full() || flow.status().has(Status::ASSURED)
    }

    /// Whether it covers every flow.
    fn is_full(&self) -> bool {
        self.coverage != Coverage::Assured
    }
}

/// The passes that windows begin and end with.
#[derive(Clone, Debug)]
pub(super) struct Passes {
    kept: VecDeque<Boundary>,
    window: Option<(Boundary, Boundary)>,
    /// The same between passes that cover everything.
    full: Option<(Boundary, Boundary)>,
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
        Self { kept: VecDeque::new(), window: None, full: None, wished: Duration::from_secs(2) }
    }
}

impl Passes {
    pub(super) fn set_window(&mut self, wished: Duration) {
        self.wished = wished;
        self.choose();
    }

    pub(super) fn wished(&self) -> Duration {
        self.wished
    }

    pub(super) fn window(&self) -> Option<Window> {
        self.window.as_ref().map(|(from, to)| Window { from: from.middle(), to: to.middle() })
    }

    /// Shortest window that is as long as was wished for.
    pub(super) fn least(&self) -> u64 {
        least(self.wished)
    }

    /// Whether every known rate is 0, and stays so until a counter moves: none has since `moved`, and
    /// each window begins after that.
    pub(super) fn are_still(&self, moved: BootMillis) -> bool {
        [&self.window, &self.full].iter().all(|w| w.as_ref().is_some_and(|(from, _)| from.finished >= moved))
    }

    /// What all flows carry per second in the window.
    pub(super) fn volume(&self) -> Option<Ledger> {
        let (from, to) = self.window.as_ref()?;
        let tight = |sums: &Sums| sums.all.since(&sums.loose);
        let rate = |bytes, from: &Boundary, to: &Boundary| per_second(bytes, to.at.since(from.at));
        let tight = tight(&to.sums)
            .zip(&tight(&from.sums), |to_sum, from_sum| rate(to_sum.saturating_sub(from_sum), from, to));
        let Some((from, to)) = self.full.as_ref() else { return Some(tight) };
        let loose = to.sums.loose.since(&from.sums.loose);
        Some(tight.zip(&loose, |tight, loose| tight.saturating_add(rate(loose, from, to))))
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.window = None;
        self.full = None;
    }

    /// Since when every value has been read again: the beginning of the latest pass that covered all.
    pub(super) fn covered_since(&self) -> Option<BootMillis> {
        self.kept.iter().rev().find(|b| b.is_full()).map(|b| b.started)
    }

    /// Notes the pass of a delta after which nothing was pending; true when it is a new boundary.
    pub(super) fn note(&mut self, pass: &Pass, at: BootMillis, sums: Sums) -> bool {
        let last = self.kept.back();
        let boundary = match pass.finished {
            Some(finished) => Boundary {
                number: pass.number,
                coverage: pass.coverage,
                started: pass.started,
                finished,
                sums,
                at,
            },
            // The next one runs already: the one before was complete when it began. What it covered
            // was not said; where only assured flows are read, that is all that is certain.
            None if pass.number > 1 => {
                let started = last.map_or(pass.started, |b| b.finished);
                let assured = pass.coverage == Coverage::Assured || last.is_some_and(|b| !b.is_full());
                let coverage = if assured { Coverage::Assured } else { Coverage::Whole };
                Boundary { number: pass.number - 1, coverage, started, finished: pass.started, sums, at }
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

    /// The ends of the window of a flow: those of all, if both passes cover it.
    fn ends(&self, flow: &Flow) -> Option<&(Boundary, Boundary)> {
        let common = self.window.as_ref().filter(|(from, to)| from.covers(flow) && to.covers(flow));
        common.or(self.full.as_ref())
    }

    /// The end of a flow's window if it is as long as was wished for, nearly; passes may take longer.
    pub(super) fn end_in_time(&self, flow: &Flow) -> Option<BootMillis> {
        let (from, to) = self.ends(flow)?;
        (to.middle().since(from.middle()) <= self.least().saturating_mul(2)).then_some(to.finished)
    }

    /// The time at which the latest pass read a flow and found it as it is, if it covers it.
    pub(super) fn vouched(&self, flow: &Flow) -> Option<BootMillis> {
        let latest = self.kept.iter().rev().find(|b| b.covers(flow))?;
        (flow.sampled() <= latest.finished).then(|| latest.time_of(flow.sampled()))
    }

    pub(super) fn rates(&self, flow: &Flow) -> Option<Rates> {
        let (from, to) = self.ends(flow)?;
        let current = Sample::of(flow)?;
        if flow.samples().is_empty() && current.at <= from.finished {
            // Most flows of a large table.
            return Some(Rates::default());
        }
        let single = [current];
        let samples = match flow.samples() {
            [] => &single[..],
            samples => samples,
        };
        let upto = |end: &Boundary| samples.iter().rev().find(|s| s.at <= end.finished).copied();
        let last = upto(to)?;
        let last = Sample { at: to.time_of(last.at), ..last };
        Some(match upto(from) {
            Some(first) => last.rates_since(&Sample { at: from.time_of(first.at), ..first }, 1),
            // By the whole window, in a part of which it was not there: so the rates of flows sum up to
            // that of all, and one that was seen for a moment has not shown a rate of its own.
            None if flow.born() && flow.first_seen() >= from.started => {
                let birth = Sample { at: flow.first_seen(), orig: 0, reply: 0 };
                last.rates_since(&birth, to.middle().since(from.middle()))
            }
            None => {
                let first = samples.first().filter(|first| first.at < to.started)?;
                last.rates_since(first, 1)
            }
        })
    }

    /// Drops passes that stand closer than windows need.
    fn thin(&mut self) {
        let Some(newest) = self.kept.back().map(|b| b.finished) else { return };
        let mut next: Option<BootMillis> = None;
        let mut kept = VecDeque::with_capacity(self.kept.len());
        // Old ones first, so that a pass that was kept once stays until it is too old.
        let mut previous: Option<BootMillis> = None;
        let full = |(i, boundary): (usize, &Boundary)| boundary.is_full().then_some(i);
        let last_full = self.kept.iter().enumerate().filter_map(full).rev().take(2).last().unwrap_or(0);
        for (i, boundary) in self.kept.iter().enumerate() {
            let age = newest.since(boundary.finished);
            let is_last = i + 2 >= self.kept.len() || (boundary.is_full() && i >= last_full);
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
        self.window = self.between(|_| true);
        self.full = self.between(Boundary::is_full);
    }

    fn between(&self, wanted: impl Fn(&Boundary) -> bool) -> Option<(Boundary, Boundary)> {
        let least = self.least();
        let mut latest = self.kept.iter().rev().filter(|b| wanted(b));
        let to = latest.next()?;
        let mut oldest = None;
        for from in latest {
            oldest = Some((*from, *to));
            if to.middle().since(from.middle()) >= least {
                break;
            }
        }
        oldest
    }
}

impl History {
    /// Without samples.
    pub(super) fn of_base(base: Seen) -> Self {
        Self { samples: Vec::new(), base }
    }

    /// What is left when the flow becomes idle.
    pub(super) fn without_samples(&self) -> Option<Self> {
        (self.base != Seen::default()).then(|| Self::of_base(self.base))
    }

    pub(super) fn base(&self) -> Seen {
        self.base
    }

    pub(super) fn set_base(&mut self, base: Seen) {
        self.base = base;
    }

    /// Begins with what was known before the first change.
    pub(super) fn begin(flow: &Flow) -> Self {
        let mut samples = Vec::with_capacity(2);
        if flow.born() && flow.orig_counters().is_none() {
            samples.push(Sample { at: flow.first_seen(), orig: 0, reply: 0 });
        }
        samples.extend(Sample::of(flow));
        Self { samples, base: flow.base() }
    }

    pub(super) fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Notes the flow's present counters.
    pub(super) fn push(&mut self, flow: &Flow, passes: &Passes) {
        let Some(sample) = Sample::of(flow) else { return };
        if self.samples.last().is_some_and(|s| s.at >= sample.at) {
            self.samples.pop();
        }
        if self.samples.len() == self.samples.capacity() {
            // Not twice as much: there are very many of these.
            self.samples.reserve_exact(2);
        }
        self.samples.push(sample);
        self.thin(passes);
    }

    /// Keeps the last sample of each gap between kept passes, and one from before all of them.
    fn thin(&mut self, passes: &Passes) {
        if passes.kept.is_empty() {
            return;
        }
        let gap = |at: BootMillis| passes.kept.partition_point(|b| b.finished < at);
        self.samples.dedup_by(|later, kept| {
            let same = gap(later.at) == gap(kept.at);
            if same {
                *kept = *later;
            }
            same
        });
    }
}

/// `amount` per second, when it took `millis` (at least 1).
pub(super) fn per_second(amount: u64, millis: u64) -> u64 {
    if amount == 0 {
        return 0;
    }
    let millis = millis.max(1);
    match amount.checked_mul(1000) {
        Some(thousandfold) => thousandfold / millis,
        None => u64::try_from(u128::from(amount) * 1000 / u128::from(millis)).unwrap_or(u64::MAX),
    }
}
