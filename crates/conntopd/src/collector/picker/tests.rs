//! The picker against a simulated machine: what it chooses, that the budget holds at any moment,
//! and that whole passes come.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::time::Duration;

use conntop_proto::message::Coverage;
use proptest::prelude::*;
use tokio::time::Instant;

use super::super::budget::CpuBudget;
use super::super::cost::{Cost, Size};
use super::super::source::{Means, Offer, Reach};
use super::{BURST, Finding, Pace, Picker, Plan};

const DUMP: Cost = Cost { bucket: 40.0, flow: 2500.0, passed: 0.0 };
const ASSURED: Cost = Cost { bucket: 40.0, flow: 2500.0, passed: 200.0 };
const GET: Cost = Cost { bucket: 0.0, flow: 4500.0, passed: 0.0 };
const LINES: Cost = Cost { bucket: 1.0, flow: 2700.0, passed: 0.0 };
const TICK: Duration = Duration::from_secs(1);

fn offers() -> Vec<Offer> {
    vec![
        Offer { reach: Reach::Pass(Coverage::Whole), means: Means::Dump, cost: DUMP },
        Offer { reach: Reach::Pass(Coverage::Assured), means: Means::Dump, cost: ASSURED },
        Offer { reach: Reach::Named, means: Means::Get, cost: GET },
        Offer { reach: Reach::Pass(Coverage::Known), means: Means::Lines, cost: LINES },
    ]
}

/// One pass of the simulation.
#[derive(Clone, Copy, Debug)]
struct Done {
    plan: Plan,
    ended: Duration,
}

/// A machine on which passes cost what they cost, whatever is expected.
struct Machine {
    picker: Picker,
    begun: Instant,
    now: Instant,
    tick_at: Instant,
    size: Size,
    truth: Vec<Cost>,
    /// Unknown flows that the next passes over the known ones see.
    unknown: Vec<u64>,
    /// CPU time beyond the budget, now and at most, but for what is not held back.
    excess: Duration,
    excess_most: Duration,
    excess_at: Instant,
    budget: CpuBudget,
    /// Whole passes are dirty.
    dirty: bool,
    passes: Vec<Done>,
    /// CPU time of all passes.
    spent: Duration,
}

impl Machine {
    fn new(budget: &str, size: Size, offers: Vec<Offer>) -> Self {
        let now = Instant::now();
        let budget = budget.parse().unwrap();
        let truth = offers.iter().map(|offer| offer.cost).collect();
        let mut picker = Picker::new(offers, budget, TICK, now);
        picker.wake(now);
        Self {
            picker,
            begun: now,
            now,
            tick_at: now + TICK,
            size,
            truth,
            unknown: Vec::new(),
            excess: Duration::ZERO,
            excess_most: Duration::ZERO,
            excess_at: now,
            budget,
            dirty: false,
            passes: Vec::new(),
            spent: Duration::ZERO,
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            let at = self.picker.next_at(self.now, self.size);
            self.now = self.now.max(at.unwrap_or(self.tick_at).min(self.tick_at));
            let tick = self.now >= self.tick_at;
            while self.tick_at <= self.now {
                self.tick_at += TICK;
            }
            if let Some(plan) = self.picker.pick(self.now, tick, self.size) {
                self.read(plan);
            } else {
                assert!(tick, "woken at {:?} for nothing", self.now - self.begun);
            }
        }
    }

    fn read(&mut self, plan: Plan) {
        let cost = self.truth[plan.source].of_pass(plan.coverage, self.size);
        let mut left = cost;
        loop {
            let slice = left.min(plan.pace.slice());
            self.spend(slice, plan.pace);
            left -= slice;
            if left.is_zero() {
                break;
            }
            if self.picker.is_outrun(self.now, plan.pace) {
                return;
            }
            if let Some(at) = self.picker.slice_at(plan.pace) {
                self.now = self.now.max(at);
                self.picker.open(self.now);
            }
        }
        let unknown = match plan.coverage {
            Coverage::Known => self.unknown.pop().unwrap_or_default(),
            _ => 0,
        };
        let dirty = self.dirty && plan.coverage == Coverage::Whole;
        let finding = Finding { coverage: plan.coverage, dirty, unknown, suspicious: false };
        self.picker.done(self.now, plan, finding, self.size, cost);
        self.passes.push(Done { plan, ended: self.now - self.begun });
    }

    fn spend(&mut self, cost: Duration, pace: Pace) {
        let paid = self.budget.cpu(self.now - self.excess_at);
        self.excess = self.excess.saturating_sub(paid);
        self.excess_at = self.now;
        if pace != Pace::AtOnce {
            self.excess += cost;
            self.excess_most = self.excess_most.max(self.excess);
        }
        self.now += cost;
        self.spent += cost;
        self.picker.spent(cost);
    }

    fn count(&self, coverage: Coverage) -> usize {
        self.passes.iter().filter(|done| done.plan.coverage == coverage).count()
    }

    /// Longest time without the end of a whole pass.
    fn longest_gap(&self) -> Duration {
        let whole = self.passes.iter().filter(|done| done.plan.coverage == Coverage::Whole);
        let mut ends: Vec<Duration> = whole.map(|done| done.ended).collect();
        ends.push(self.now - self.begun);
        ends.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(Duration::MAX)
    }
}

fn size(flows: u64, assured: u64) -> Size {
    Size { buckets: 262_144, flows, assured }
}

/// What is read in two minutes: passes over the whole table, the known flows, the assured ones.
#[track_caller]
fn check(name: &str, budget: &str, size: Size, offers: Vec<Offer>, expected: [usize; 3]) {
    let mut machine = Machine::new(budget, size, offers);
    machine.run(Duration::from_secs(120));
    assert_eq!(machine.passes[0].plan.pace, Pace::AtOnce, "{name}: the first pass");
    let found = [Coverage::Whole, Coverage::Known, Coverage::Assured].map(|c| machine.count(c));
    assert_eq!(found, expected, "{name}: whole, known, assured");
}

#[test]
fn the_cheapest_way_is_taken() {
    let without = |reach: Reach| offers().into_iter().filter(|o| o.reach != reach).collect::<Vec<_>>();
    let netlink = || without(Reach::Pass(Coverage::Known));
    check("empty", "10", size(0, 0), offers(), [4, 117, 0]);
    check("1k", "10", size(1000, 900), offers(), [4, 117, 0]);
    check("1k by ctnetlink", "10", size(1000, 900), netlink(), [121, 0, 0]);
    check("10k", "10", size(10_000, 9000), offers(), [4, 117, 0]);
    check("10k by ctnetlink", "10", size(10_000, 9000), netlink(), [121, 0, 0]);
    check("100k: a dump is as cheap as /proc", "10", size(100_000, 90_000), offers(), [47, 0, 0]);
    check("1M: within the budget", "10", size(1_000_000, 900_000), offers(), [6, 0, 0]);
    check("1M, all of a core", "100", size(1_000_000, 900_000), offers(), [48, 0, 0]);
    check("100k, 1 %", "1", size(100_000, 90_000), offers(), [6, 0, 0]);
    check("a flood of 1M", "10", size(1_000_000, 10_000), offers(), [2, 0, 40]);
    check("a flood that fits", "10", size(10_000, 100), netlink(), [121, 0, 0]);
    let only_dump = vec![offers()[0]];
    check("30k: no more often than each second", "10", size(30_000, 27_000), netlink(), [121, 0, 0]);
    check("nothing but dumps", "10", size(1000, 900), only_dump, [121, 0, 0]);
}

#[test]
fn known_flows_are_asked_for_while_they_are_few_and_events_tell_of_others() {
    let ask = Offer { reach: Reach::Pass(Coverage::Known), means: Means::Get, cost: GET };
    let check = |name, flows, listens, expected: [usize; 2]| {
        let mut all: Vec<Offer> = offers().into_iter().take(3).collect();
        all.push(ask);
        let mut machine = Machine::new("10", size(flows, flows), all);
        machine.picker.listens(listens);
        machine.run(Duration::from_secs(120));
        let found = [Coverage::Whole, Coverage::Known].map(|c| machine.count(c));
        assert_eq!(found, expected, "{name}: whole, known");
        let asks = machine.passes.iter().filter(|done| done.plan.asks).count();
        assert_eq!(asks, expected[1], "{name}: asking");
    };
    check("empty", 0, true, [4, 117]);
    check("1k", 1000, true, [4, 117]);
    check("1k without events", 1000, false, [121, 0]);
    check("10k: a dump is cheaper", 10_000, true, [121, 0]);
}

/// What unknown flows in passes over the known ones lead to, as the first passes after them.
#[test]
fn unknown_flows_bring_whole_passes() {
    let cases: [(&str, &[u64], &str); 5] = [
        ("none", &[0, 0, 0, 0], "WKKKKKKKKK"),
        ("many", &[50, 0, 0], "WKWKKKKKKK"),
        ("a few have time", &[1, 0, 0], "WKKKKKKKKK"),
        ("a few that stay", &[1, 1, 1, 1, 1, 1], "WKKKKKKWKK"),
        ("many again: not believed for a while", &[50, 50, 50], "WKWKWWWWWW"),
    ];
    for (name, unknown, expected) in cases {
        let mut machine = Machine::new("10", size(1000, 1000), offers());
        machine.unknown = unknown.iter().rev().copied().collect();
        machine.run(Duration::from_secs(10));
        let found = machine.passes.iter().take(10).map(|done| match done.plan.coverage {
            Coverage::Whole => 'W',
            Coverage::Known => 'K',
            Coverage::Assured => 'A',
        });
        assert_eq!(found.collect::<String>(), expected, "{name}");
    }
}

#[test]
fn prices_are_learned() {
    // Twice as dear per bucket, three times per flow, learned on a small and a large table.
    let truth = Cost { bucket: 80.0, flow: 7500.0, passed: 0.0 };
    let mut cost = DUMP;
    for known in 0..60 {
        for flows in [100, 200_000] {
            let size = size(flows, 0);
            cost.learn_pass(Coverage::Whole, size, truth.of_pass(Coverage::Whole, size), known);
        }
    }
    for flows in [0, 1000, 10_000, 1_000_000] {
        let [learned, right] = [cost, truth].map(|c| c.of_pass(Coverage::Whole, size(flows, 0)));
        assert!(learned.abs_diff(right) < right / 20, "{flows}: {learned:?}, in truth {right:?}");
    }
    for _ in 0..2000 {
        cost.relax(DUMP);
    }
    assert!((cost.flow - DUMP.flow).abs() < 1.0, "{cost:?}");
}

#[test]
fn repairs_do_not_wait_but_back_off() {
    let mut machine = Machine::new("1", size(100_000, 90_000), vec![offers()[0]]);
    machine.dirty = true;
    machine.run(Duration::from_secs(60));
    let repairs = machine.passes.iter().filter(|done| done.plan.pace == Pace::AtOnce);
    let ended: Vec<u64> = repairs.map(|done| done.ended.as_secs()).collect();
    // Waits of 1, 2, 4, 8, 10, 10... seconds, and a quarter of a second for each pass.
    assert_eq!(ended, [0, 1, 3, 8, 16, 26, 36, 47, 57]);
}

/// Clients who connect, fail and come back: (flows, first passes that nothing holds back while they do,
/// most of a core in percent).
#[test]
fn whoever_reconnects_in_a_loop_gets_no_more_than_the_budget() {
    let time = Duration::from_secs(600);
    for (flows, at_once, most) in [(1000, 500..=600, 3.0), (100_000, 10..=20, 11.0), (1_000_000, 2..=3, 11.0)]
    {
        let mut machine = Machine::new("10", size(flows, flows), offers());
        while machine.now < machine.begun + time {
            machine.run(Duration::from_millis(200));
            machine.now += Duration::from_millis(50);
            machine.picker.wake(machine.now);
            machine.tick_at = machine.now + TICK;
        }
        let firsts = machine.passes.iter().filter(|done| done.plan.pace == Pace::AtOnce).count();
        assert!(at_once.contains(&firsts), "{flows} flows: {firsts}");
        let percent = machine.spent.as_secs_f64() / (machine.now - machine.begun).as_secs_f64() * 100.0;
        assert!(percent < most, "{flows} flows: {percent} %");
    }
}

/// Whoever comes again after a while is served at once.
#[test]
fn first_passes_are_free_again_after_a_rest() {
    let mut machine = Machine::new("10", size(1_000_000, 900_000), offers());
    let mut paces = Vec::new();
    for rest in [1, 1, 1, 60, 1] {
        let passes = machine.passes.len();
        while machine.passes.len() == passes {
            machine.run(Duration::from_millis(100));
        }
        paces.push(machine.passes[passes].plan.pace == Pace::AtOnce);
        machine.now += Duration::from_secs(rest);
        machine.picker.wake(machine.now);
        machine.tick_at = machine.now + TICK;
    }
    assert_eq!(paces, [true, true, false, false, true]);
}

/// On a machine that is slower than the one that was measured the choice is the same.
#[test]
fn a_slow_machine_is_known_after_one_pass_of_each_kind() {
    let mut machine = Machine::new("100", size(10_000, 9000), offers());
    for cost in &mut machine.truth {
        *cost = Cost { bucket: cost.bucket * 1.8, flow: cost.flow * 1.8, passed: cost.passed * 1.8 };
    }
    machine.run(Duration::from_secs(20));
    assert_eq!(machine.count(Coverage::Whole), 1);
}

#[test]
fn a_disturbed_measurement_makes_no_flood() {
    let netlink: Vec<Offer> = offers().into_iter().take(3).collect();
    let mut machine = Machine::new("10", size(10_000, 4000), netlink);
    machine.run(Duration::from_secs(3));
    machine.truth[0].flow *= 20.0;
    machine.run(Duration::from_secs(2));
    machine.truth = offers().iter().map(|offer| offer.cost).collect();
    machine.run(Duration::from_secs(60));
    assert_eq!(machine.count(Coverage::Assured), 0);
}

fn price() -> impl Strategy<Value = f64> {
    // A machine is up to five times as slow or as fast as the one that was measured.
    (-1.6f64..1.6).prop_map(f64::exp)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// On whatever machine, whatever the table does: the budget is exceeded by one slice at most, and
    /// whole passes come.
    #[test]
    fn the_budget_holds_and_nothing_starves(
        tenths in 5u32..=1000,
        prices in [price(), price(), price()],
        flows in proptest::collection::vec((0u64..1_000_000, 0u64..100), 1..5),
        unknown in proptest::collection::vec(0u64..100, 0..20),
    ) {
        let budget = format!("{}.{}", tenths / 10, tenths % 10);
        let mut machine = Machine::new(&budget, size(1000, 900), offers());
        // Both dumps go the same way.
        let [dump, get, lines] = prices;
        for (cost, factor) in machine.truth.iter_mut().zip([dump, dump, get, lines]) {
            *cost = Cost { bucket: cost.bucket * factor, flow: cost.flow * factor, passed: cost.passed * factor };
        }
        machine.unknown = unknown;
        let mut longest = Duration::ZERO;
        for (flows, percent) in flows {
            machine.size = size(flows, flows * percent / 100);
            let whole = machine.truth[0].of_pass(Coverage::Whole, machine.size);
            longest = longest.max(machine.budget.wall(whole));
            machine.run(Duration::from_secs(200));
        }
        let rounded = Duration::from_micros(1);
        prop_assert!(machine.excess_most <= BURST + rounded, "{:?} too much", machine.excess_most);
        // One pass of another kind may be under way, and the expectation be far off at first.
        let bound = Duration::from_secs(125) + longest * 12;
        prop_assert!(machine.longest_gap() <= bound, "{:?} of {bound:?}", machine.longest_gap());
    }
}
