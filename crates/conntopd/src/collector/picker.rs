//! Which way to read next, and when. Pure: time and the state of the table are arguments.
//!
//! In this order:
//! 1. The first pass after waking and repairs: a whole pass, at once and without rests. First passes have
//!    a budget of their own ([`AHEAD`]), so that clients who come and go do not get them as often as they
//!    like: beyond it the first pass is like every other one.
//! 2. Nothing while what was read is not paid for ([`Account`]).
//! 3. A whole pass when one is due: it alone finds flows that nobody told of, and the end of those.
//!    Every [`WHOLE_EVERY`] ticks when nothing is amiss; at the next tick when the last pass over the known
//!    flows saw others; rarer while few flows are assured (a flood), but within bounds.
//! 4. Otherwise what keeps the counters fresh for the least: the assured flows in a flood, else the
//!    known ones if that is cheaper than a whole pass, else a whole pass.
//!
//! A pass that costs more than [`BURST`] is read in slices with rests between them, so that the
//! share of a core stays near the budget at any time; it begins as soon as it is paid for (but not
//! twice within an interval), the
//! others at ticks.

use std::time::Duration;

use conntop_proto::message::Coverage;
use tokio::time::Instant;

use super::budget::{Account, CpuBudget};
use super::cost::{Cost, Size};
use super::repair::Repair;
use super::source::{Means, Offer, Reach};

/// CPU time that may be used in one go: nobody on a router notices it.
pub(super) const BURST: Duration = Duration::from_millis(50);
/// CPU time of a slice of a longer pass.
pub(super) const SLICE: Duration = Duration::from_millis(8);
/// How much of the time that pays for first passes may be spent ahead: at 10 % three seconds of a core,
/// which is one connection after the other at 100,000 flows a dozen times, at a million two.
const AHEAD: Duration = Duration::from_secs(30);
/// Intervals between whole passes while other ones keep the counters fresh.
const WHOLE_EVERY: u32 = 30;
/// But no more time than this, however long the interval is.
const WHOLE_AT_LEAST_EVERY: Duration = Duration::from_secs(30);
/// In a flood whole passes get this part of the budget.
const WHOLE_SHARE: u32 = 3;
/// And are this far apart at most, if the budget allows it at all.
const WHOLE_MOST: Duration = Duration::from_secs(120);
/// The known flows are read alone if that costs less than this part of a whole pass.
const CHEAPER: f64 = 0.9;
/// The assured flows are read alone if that costs less than this part of a whole pass.
const FLOOD: f64 = 0.4;
/// Unknown flows that are not worth a whole pass at once: flows that began just now.
const FEW_UNKNOWN: u64 = 4;
/// But they are after this time.
const FEW_UNKNOWN_AFTER: Duration = Duration::from_secs(5);
/// How long only whole passes are believed after reading the known flows alone missed some twice.
const DISTRUST: Duration = Duration::from_secs(10);

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Number of the source.
    pub(super) source: usize,
    pub(super) coverage: Coverage,
    pub(super) pace: Pace,
    /// The source has to be told the flows.
    pub(super) asks: bool,
}

/// How fast to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Without rests.
    AtOnce,
    /// With rests after slices of this CPU time.
    Slices(Duration),
}

impl Pace {
    /// CPU time after which the reader asks what to do.
    pub(super) fn slice(self) -> Duration {
        match self {
            Self::AtOnce => BURST,
            Self::Slices(slice) => slice,
        }
    }
}

/// What a pass found, as far as it matters for the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finding {
    pub(super) coverage: Coverage,
    /// It may have missed changes.
    pub(super) dirty: bool,
    /// Entries of flows that the table does not know, and that only a whole pass can tell.
    pub(super) unknown: u64,
    /// More flows are missing than can be asked for one by one.
    pub(super) suspicious: bool,
}

/// A source.
#[derive(Debug)]
struct Choice {
    /// With the prices as learned so far.
    offer: Offer,
    /// Those it began with.
    start: Cost,
    /// How often it was measured.
    measured: u32,
}

/// Chooses among sources.
#[derive(Debug)]
pub(super) struct Picker {
    offers: Vec<Choice>,
    account: Account,
    /// What first passes cost.
    firsts: Account,
    repair: Repair,
    /// No more often than this.
    interval: Duration,
    /// A long pass may begin from here on.
    again: Instant,
    /// When the last whole pass was done.
    whole: Option<Instant>,
    /// The table lacks flows, or has some too many.
    amiss: bool,
    /// The last pass was a whole one, because something was amiss.
    mended: bool,
    /// Passes over the known flows are not believed until then.
    distrust: Option<Instant>,
    /// Events tell of new flows.
    listens: bool,
}

impl Picker {
    pub(super) fn new(offers: Vec<Offer>, budget: CpuBudget, interval: Duration, now: Instant) -> Self {
        Self {
            offers: offers
                .into_iter()
                .map(|offer| Choice { offer, start: offer.cost, measured: 0 })
                .collect(),
            account: Account::new(budget, now),
            firsts: Account::new(budget, now),
            repair: Repair::new(),
            interval,
            again: now,
            whole: None,
            amiss: false,
            mended: false,
            distrust: None,
            listens: false,
        }
    }

    /// Another budget from now on.
    pub(super) fn budget(&mut self, budget: CpuBudget) {
        self.account.rebudget(budget);
        self.firsts.rebudget(budget);
    }

    /// Whether new flows are told of by events. Without, nobody asks for known flows alone, as that
    /// brings no others to light.
    pub(super) fn listens(&mut self, listens: bool) {
        self.listens = listens;
    }

    /// Somebody subscribed after a sleep.
    pub(super) fn wake(&mut self, now: Instant) {
        self.firsts.open(now);
        let free = self.firsts.ready_at() <= now + AHEAD;
        self.repair.wake(free.then_some(now));
        (self.whole, self.amiss, self.distrust) = (None, false, None);
    }

    /// Something was lost.
    pub(super) fn lost(&mut self, now: Instant) {
        self.repair.lost(now);
    }

    /// When there may be something to do, other than at a tick.
    pub(super) fn next_at(&self, now: Instant, size: Size) -> Option<Instant> {
        let paid = self.account.ready_at().max(self.again).max(now);
        let long = self.choose(paid, size).is_some_and(|(_, _, cost)| cost > BURST);
        let paid = long.then_some(paid);
        self.repair.at().into_iter().chain(paid).min()
    }

    /// The pass that is to begin now; it is taken as begun.
    pub(super) fn pick(&mut self, now: Instant, tick: bool, size: Size) -> Option<Plan> {
        if self.repair.take(now) {
            let (source, _) = self.cheapest(Coverage::Whole, size)?;
            self.account.open(now);
            self.again = now + self.interval;
            return Some(self.plan(source, Coverage::Whole, Pace::AtOnce));
        }
        if now < self.account.ready_at() {
            return None;
        }
        let (source, coverage, cost) = self.choose(now, size)?;
        let slice = if cost > BURST { SLICE } else { BURST };
        if !tick && (slice == BURST || now < self.again) {
            return None;
        }
        self.account.open(now);
        self.again = now + self.interval;
        Some(self.plan(source, coverage, Pace::Slices(slice)))
    }

    fn plan(&self, source: usize, coverage: Coverage, pace: Pace) -> Plan {
        let asks = self.offers.get(source).is_some_and(|choice| choice.offer.means == Means::Get);
        Plan { source, coverage, pace, asks }
    }

    fn choose(&self, now: Instant, size: Size) -> Option<(usize, Coverage, Duration)> {
        let (source, cost) = self.cheapest(Coverage::Whole, size)?;
        let whole = (source, Coverage::Whole, cost);
        let below = |coverage, part| {
            let (source, part_cost) = self.cheapest(coverage, size)?;
            (part_cost < cost.mul_f64(part)).then_some((source, coverage, part_cost))
        };
        let trusted = self.distrust.is_none_or(|until| now >= until);
        let known = below(Coverage::Known, CHEAPER).filter(|_| trusted);
        let flood = cost > BURST && size.assured < size.flows / 4;
        let assured = below(Coverage::Assured, FLOOD).filter(|_| flood);
        let Some(part) = assured.or(known) else { return Some(whole) };
        let every = match part.1 {
            Coverage::Assured => (self.account.budget().wall(cost) * WHOLE_SHARE).min(WHOLE_MOST),
            _ => Duration::ZERO,
        };
        let usual = (self.interval * WHOLE_EVERY).min(WHOLE_AT_LEAST_EVERY);
        let due = self.whole.is_none_or(|last| now >= last + every.max(usual));
        let amiss = self.amiss && part.1 == Coverage::Known;
        Some(if due || amiss { whole } else { part })
    }

    fn cheapest(&self, coverage: Coverage, size: Size) -> Option<(usize, Duration)> {
        let offers = self.offers.iter().enumerate();
        let usable = |offer: &Offer| self.listens || offer.means != Means::Get;
        let fits = |offer: &Offer| offer.reach == Reach::Pass(coverage) && usable(offer);
        let fitting = offers.filter(|(_, choice)| fits(&choice.offer));
        let costs = fitting.map(|(number, choice)| (number, choice.offer.cost.of_pass(coverage, size)));
        costs.min_by_key(|(_, cost)| *cost)
    }

    /// When the next slice of a pass may be read, or the pass is to be left for a repair; `None` for
    /// at once.
    pub(super) fn slice_at(&self, pace: Pace) -> Option<Instant> {
        match pace {
            Pace::AtOnce => None,
            Pace::Slices(_) => self.repair.at().into_iter().chain([self.account.ready_at()]).min(),
        }
    }

    /// Whether a pass is to be left because a repair is due, which reads the same and faster.
    pub(super) fn is_outrun(&self, now: Instant, pace: Pace) -> bool {
        pace != Pace::AtOnce && self.repair.is_due(now)
    }

    /// Whether a pass over a part of the table has cost twice as much as a whole one: /proc of some kernels
    /// takes the square of the number of flows.
    pub(super) fn is_too_dear(&self, plan: Plan, cost: Duration, size: Size) -> bool {
        let whole = self.cheapest(Coverage::Whole, size).map_or(Duration::MAX, |(_, whole)| whole);
        plan.coverage != Coverage::Whole && cost > whole.saturating_mul(2)
    }

    /// A pass was left because it was too dear: to its end it would have cost more.
    pub(super) fn broken_off(&mut self, plan: Plan, cost: Duration, size: Size) {
        self.learn(plan, size, cost * 2);
    }

    fn learn(&mut self, plan: Plan, size: Size, cost: Duration) {
        let Some(choice) = self.offers.get_mut(plan.source) else { return };
        choice.offer.cost.learn_pass(plan.coverage, size, cost, choice.measured);
        choice.measured = choice.measured.saturating_add(1);
        let (learned, measured) = (choice.offer, choice.measured);
        for (number, choice) in self.offers.iter_mut().enumerate() {
            if number != plan.source && choice.offer.means == learned.means {
                let cost = &mut choice.offer.cost;
                (cost.bucket, cost.flow) = (learned.cost.bucket, learned.cost.flow);
                choice.measured = measured;
            } else if number != plan.source {
                choice.offer.cost.relax(choice.start);
            }
        }
    }

    /// A slice is going to be read, or flows are asked for.
    pub(super) fn open(&mut self, now: Instant) {
        self.account.open(now);
    }

    /// Something was read, or applied to the table.
    pub(super) fn spent(&mut self, cost: Duration) {
        self.account.charge(cost);
        if self.whole.is_none() {
            self.firsts.charge(cost);
        }
    }

    /// CPU time that an interval pays for besides reading.
    pub(super) fn most_upkeep(&self) -> Duration {
        self.account.budget().cpu(self.interval) / 2
    }

    /// A pass is done.
    pub(super) fn done(&mut self, now: Instant, plan: Plan, finding: Finding, size: Size, cost: Duration) {
        self.learn(plan, size, cost);
        match finding.coverage {
            Coverage::Whole => {
                if self.whole.is_none() && plan.pace == Pace::AtOnce {
                    // The first pass is no debt here: rates need a second one soon.
                    self.account.forgive(now);
                }
                self.whole = Some(now);
                self.mended = std::mem::take(&mut self.amiss);
                self.repair.done(now, finding.dirty);
            }
            Coverage::Known | Coverage::Assured => {
                let mended = std::mem::take(&mut self.mended);
                let many = finding.unknown > FEW_UNKNOWN || finding.suspicious;
                let late = self.whole.is_none_or(|last| now >= last + FEW_UNKNOWN_AFTER);
                self.amiss |= many || finding.unknown > 0 && late;
                if many && mended {
                    self.distrust = Some(now + DISTRUST);
                }
            }
        }
    }

    /// A source does not do what it should.
    pub(super) fn withdraw(&mut self, source: usize) {
        if let Some(choice) = self.offers.get_mut(source) {
            choice.offer.reach = Reach::Nothing;
        }
    }

    /// The source that flows are asked for one by one, and how many it may be asked for per tick:
    /// half of the budget is for what somebody looks at.
    pub(super) fn named(&self, interval: Duration) -> Option<(usize, usize)> {
        let named = self.offers.iter().enumerate().filter(|(_, choice)| choice.offer.reach == Reach::Named);
        let (number, choice) = named.min_by_key(|(_, choice)| choice.offer.cost.of_flows(1000))?;
        let half = self.account.budget().cpu(interval) / 2;
        Some((number, choice.offer.cost.flows_for(half)))
    }

    /// Most missing flows of a pass that are asked for one by one rather than by a whole pass.
    pub(super) fn worth_asking(&self, size: Size) -> usize {
        let whole = self.cheapest(Coverage::Whole, size).map_or(Duration::MAX, |(_, cost)| cost);
        let named = self.offers.iter().find(|choice| choice.offer.reach == Reach::Named);
        named.map_or(0, |choice| choice.offer.cost.flows_for(whole / 2))
    }

    /// Flows were asked for.
    pub(super) fn asked(&mut self, source: usize, flows: usize, cost: Duration) {
        if let Some(choice) = self.offers.get_mut(source) {
            choice.offer.cost.learn_flows(flows, cost, choice.measured);
            choice.measured = choice.measured.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests;
