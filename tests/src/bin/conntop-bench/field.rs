//! The table that everything is measured on: mixed flows that stand still, and real ones that move.
//!
//! It only grows, so that no removal of a large table disturbs what is measured next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use conntop_tests::churn::{Churn, ChurnOptions};
use conntop_tests::inject::{Injector, Mix, Plan, TableLimit};
use conntop_tests::lab::{LAN_HOST, WAN_HOST};
use conntop_tests::tools::command;
use conntop_tests::traffic::{Answers, Sprayer, source};
use conntop_tests::{Lab, LabOptions, Namespace};

use crate::stop;

/// Flows that change per second, in each "changing" measurement.
pub(crate) const CHANGING: u32 = 1000;
/// Flows that begin per second in it, and as many that end.
const TURNOVER: u32 = 100;
/// They live for a second.
const ALIVE: u32 = 100;
/// Most flows that move: what one masqueraded address can have towards one server is 64,512.
const MOST_MOVERS: u32 = 20_000;
/// Flows made between two looks for an interrupt.
const STEP: u32 = 20_000;
/// Flows of a sprayer that no mover uses, for a single fast one.
const FAST: u32 = 40_000;
/// Bytes in a packet of the fast flow: a full Ethernet frame.
const FULL: u16 = 1472;

/// Lab and table.
pub(crate) struct Field {
    pub(crate) lab: Lab,
    injector: Injector,
    sprayer: Arc<Sprayer>,
    _answers: Answers,
    standing: u32,
    movers: u32,
    // Last, so that the table is gone before its limit is put back.
    _limit: TableLimit,
}

impl Field {
    /// An empty table with room for so many flows.
    pub(crate) fn new(most: u32) -> Result<Self> {
        let lab = Lab::new(LabOptions::default())?;
        let limit = TableLimit::at_least(&lab.router, most.saturating_add(most / 8 + 50_000))?;
        // Nothing may expire while it is measured.
        for name in ["udp_timeout", "udp_timeout_stream"] {
            lab.router.set_sysctl(&format!("netfilter/nf_conntrack_{name}"), "86400")?;
        }
        let via = LAN_HOST.v4.to_string();
        lab.router.output(command("ip").args(["route", "add", "10.64.0.0/10", "via", &via]))?;
        let injector = Injector::new(&lab.router)?;
        let sprayer = Arc::new(Sprayer::new(&lab.lan, &lab.wan, WAN_HOST.v4)?);
        let answers = sprayer.answer()?;
        Ok(Field { lab, injector, sprayer, _answers: answers, standing: 0, movers: 0, _limit: limit })
    }

    /// Where connections are tracked.
    pub(crate) fn router(&self) -> &Namespace {
        &self.lab.router
    }

    /// Makes flows until there are so many.
    pub(crate) fn grow(&mut self, flows: u32) -> Result<()> {
        let movers = (flows / 5).max(CHANGING).min(flows * 9 / 10).min(MOST_MOVERS).max(self.movers);
        let standing = flows.saturating_sub(movers).max(self.standing);
        while self.standing < standing {
            stop::check()?;
            let next = (self.standing + STEP).min(standing);
            self.injector.create(&Plan::new(1), self.standing..next)?;
            self.standing = next;
        }
        // Twice with a pause, so that they are streams and their state does not change any more.
        for _ in 0..3 {
            for from in (0..movers).step_by(200) {
                stop::check()?;
                self.sprayer.spray(from..(from + 200).min(movers), 100)?;
            }
            stop::wait(Duration::from_millis(if movers > self.movers { 1100 } else { 0 }))?;
        }
        self.movers = movers;
        let (wanted, tracked) = (self.flows(), self.router().tracked()?);
        ensure!(tracked >= wanted, "{tracked} flows are tracked, {wanted} were made");
        Ok(())
    }

    /// How many there are without turnover.
    pub(crate) fn flows(&self) -> usize {
        usize::try_from(self.standing + self.movers).unwrap_or(usize::MAX)
    }

    /// Begins to move flows, and to begin and end 100 others a second.
    pub(crate) fn change(&self) -> Result<Change> {
        let options = ChurnOptions { plan: Plan::new(200), alive: ALIVE, rate: TURNOVER };
        let turnover = Churn::start(self.router(), options)?;
        Ok(Change { _turnover: turnover, _mover: self.moving() })
    }

    /// Begins to move 1,000 flows a second with real packets both ways, each in its turn.
    pub(crate) fn moving(&self) -> Mover {
        let (sprayer, movers) = (self.sprayer.clone(), self.movers);
        let mut next = 0;
        Mover::start(move || {
            // A different size each time, as bytes that grow by the same amount compress too well.
            for _ in 0..CHANGING / 100 {
                let size = u16::try_from(40 + next * 37 % 1400).unwrap_or(100);
                let flow = next % movers;
                sprayer.spray(flow..flow + 1, size)?;
                next = next.wrapping_add(1);
            }
            Ok(())
        })
    }

    /// Begins a flow of 100 Mbit/s. Returns its source address as shown.
    pub(crate) fn fast(&self) -> (Mover, String) {
        let sprayer = self.sprayer.clone();
        let packets = 100_000_000 / 8 / 100 / u32::from(FULL);
        let mover = Mover::start(move || (0..packets).try_for_each(|_| sprayer.spray(FAST..FAST + 1, FULL)));
        (mover, source(FAST).0.to_string())
    }

    /// Begins storms of events, together so many new flows a second and as many ends.
    pub(crate) fn storm(&self, rate: u32) -> Result<Vec<Churn>> {
        let storm = |seed| {
            let plan = Plan { seed, mix: Mix::PlainTcp };
            Churn::start(self.router(), ChurnOptions { plan, alive: 1024, rate: rate / 2 })
        };
        [201, 202].into_iter().map(storm).collect()
    }

    /// Makes and removes so many flows as fast as the kernel goes.
    pub(crate) fn burst(&mut self, flows: u32) -> Result<()> {
        let plan = Plan { seed: 203, mix: Mix::PlainTcp };
        for from in (0..flows).step_by(4096) {
            let range = from..(from + 4096).min(flows);
            self.injector.create(&plan, range.clone())?;
            self.injector.delete(&plan, range)?;
        }
        Ok(())
    }
}

/// A changing table; still again when dropped.
pub(crate) struct Change {
    _turnover: Churn,
    _mover: Mover,
}

/// Something that is done a hundred times a second, until dropped.
pub(crate) struct Mover {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Mover {
    fn start(mut each: impl FnMut() -> Result<()> + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let rounds = Arc::new(AtomicU64::new(0));
        let (stopped, counted) = (stop.clone(), rounds.clone());
        let thread = std::thread::spawn(move || {
            let began = Instant::now();
            let mut round = 0u32;
            while !stopped.load(Ordering::Relaxed) {
                each()?;
                round += 1;
                counted.fetch_add(1, Ordering::Relaxed);
                let due = Duration::from_millis(10) * round;
                // The pace of what is generated; nothing waits for it.
                std::thread::sleep(due.saturating_sub(began.elapsed()));
            }
            Ok(())
        });
        Mover { stop, rounds, thread: Some(thread) }
    }

    /// Rounds so far; a hundred a second unless the machine is too slow.
    pub(crate) fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Ends it and says what went wrong in it.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map_or(Ok(()), |thread| thread.join().map_err(|_| anyhow!("a mover panicked"))?)
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
