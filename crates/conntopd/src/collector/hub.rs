//! The thread `ct-table`: owns the table, commands the reading threads, serves subscribers.
//!
//! Order of application. Entries of a dump wait until every event that the kernel sent before them
//! has been applied (`drained`), and a pass ends only when the events before its end are in: so the
//! end of a flow comes with its exact totals, and a tuple that was used again is told apart. Both
//! waits are bounded ([`PATIENCE`]); the table is right without them, only less exact.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use conntop_proto::flow::BootMillis;
use conntop_proto::message::{Coverage, KernelFacts, ServerHello, TableStats};
use nfnetlink::Item;
use nfnetlink::ct::CtEvent;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::clock;
use super::handle::Call;
use super::pacer::Pacer;
use super::report::{Ask, DumpDone, Entries, EventBatch, Found, Listen, Numbers, Report, Sysctls};
use super::serve::Desk;
use crate::table::{FlowTable, Limits, Origin, Outcome, ReadSpan};

/// How long entries wait for the events before them while events come faster than they are read.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the table outlives its last subscriber.
const LINGER: Duration = Duration::from_secs(60);
/// Between two readings of the kernel's numbers.
const NUMBERS_EVERY: Duration = Duration::from_secs(2);
/// Between two readings of the machine's addresses.
const HOST_EVERY: Duration = Duration::from_secs(10);
/// How long a tick waits for the pass that began with it, so that it delivers fresh values.
const TICK_WAITS: Duration = Duration::from_millis(250);
/// How many flows fewer the kernel may count than the table holds before it is read out of turn,
/// besides a sixteenth.
const MISSED: usize = 100;
/// Reports handled before subscribers get their turn.
const TURN: usize = 64;

/// The hub's end of its channels, and what it was configured with.
pub(super) struct Wires {
    pub(super) reports: mpsc::Receiver<Report>,
    pub(super) calls: mpsc::UnboundedReceiver<Call>,
    pub(super) events: Option<Sender<Listen>>,
    /// `None` when the table is fed by hand: then there are no passes, and a tick follows each edit.
    pub(super) requests: Option<Sender<Ask>>,
    pub(super) pool: Sender<Vec<u8>>,
    pub(super) hurry: Arc<AtomicBool>,
    pub(super) hello: watch::Sender<ServerHello>,
}

/// State of the event socket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ears {
    /// Not wanted, or not possible.
    Deaf,
    Opening,
    Open {
        buffer: u64,
        drained: BootMillis,
    },
}

/// A pass as the hub sees it.
enum Reading {
    Idle,
    Running,
    /// The dump is read; its last entries, or events before its end, are still to come.
    Ending {
        done: DumpDone,
        since: Instant,
    },
}

pub(super) struct Hub {
    wires: Wires,
    table: FlowTable,
    desk: Desk,
    pacer: Pacer,
    awake: bool,
    asleep_since: Instant,
    ears: Ears,
    /// Events are wanted and possible.
    listens: bool,
    /// Bytes that the kernel granted.
    buffer: Option<u64>,
    reading: Reading,
    /// The last subscriber left during the pass.
    abandoned: bool,
    held: VecDeque<(Entries, Instant)>,
    /// Time spent on the entries of the pass.
    applied: Duration,
    numbers_at: Instant,
    host_at: Instant,
    tick_at: Instant,
    /// A tick that waits for its pass.
    ticked: Option<Instant>,
    interval: Duration,
    sysctls: Sysctls,
}

impl Hub {
    pub(super) fn new(wires: Wires, interval: Duration, limits: Limits, epoch: u64, found: Found) -> Self {
        let now = Instant::now();
        Self {
            listens: wires.events.is_some(),
            buffer: found.granted,
            wires,
            table: FlowTable::new(epoch, limits),
            desk: Desk::new(interval, found.host),
            pacer: Pacer::new(now),
            awake: false,
            asleep_since: now,
            ears: Ears::Deaf,
            reading: Reading::Idle,
            abandoned: false,
            held: VecDeque::new(),
            applied: Duration::ZERO,
            numbers_at: now,
            host_at: now,
            tick_at: now,
            ticked: None,
            interval,
            sysctls: found.sysctls,
        }
    }

    /// Until the last handle and subscriber are gone.
    pub(super) async fn run(mut self) {
        loop {
            let deadline = self.deadline();
            tokio::select! {
                call = self.wires.calls.recv() => match call {
                    Some(Call::Edit(edit)) => {
                        edit(&mut self.table);
                        self.desk.pass_done();
                        self.desk.tick();
                    }
                    Some(Call::Inspect(look)) => look(&self.table),
                    Some(call) => self.desk.call(call, &mut self.table),
                    None => return,
                },
                report = self.wires.reports.recv() => match report {
                    Some(report) => self.report(report),
                    None => {
                        tracing::error!("the reading threads ended");
                        return;
                    }
                },
                () = tokio::time::sleep_until(deadline) => {}
            }
            for _ in 0..TURN {
                match self.wires.reports.try_recv() {
                    Ok(report) => self.report(report),
                    Err(_) => break,
                }
            }
            self.advance(Instant::now());
        }
    }

    fn deadline(&self) -> Instant {
        if !self.awake {
            return self.asleep_since + LINGER;
        }
        let now = Instant::now();
        if self.desk.is_busy(&self.table) {
            return now;
        }
        if self.is_fed_by_hand() {
            return self.desk.next_due().unwrap_or(now + LINGER);
        }
        let mut at = self.tick_at.min(self.desk.next_due().unwrap_or(self.tick_at));
        if let Some(ticked) = self.ticked {
            at = at.min(ticked + TICK_WAITS);
        }
        if matches!(self.reading, Reading::Idle) {
            at = at.min(self.pacer.repair_at().unwrap_or(at));
        }
        if !self.held.is_empty() || matches!(self.reading, Reading::Ending { .. }) {
            at = at.min(now + Duration::from_millis(10));
        }
        at
    }

    fn report(&mut self, report: Report) {
        match report {
            Report::Listening(buffer) if self.awake => {
                if matches!(self.ears, Ears::Open { .. }) {
                    self.lost(None);
                }
                self.ears = Ears::Open { buffer, drained: BootMillis(0) };
                self.tell_kernel();
            }
            Report::Listening(_) => {}
            Report::NotListening(error) => {
                tracing::warn!(%error, "no events: flows that begin and end between two passes are missed");
                if matches!(self.ears, Ears::Open { .. }) {
                    self.lost(None);
                }
                self.ears = Ears::Deaf;
                self.listens = false;
                self.tell_kernel();
            }
            Report::Events(batch) => self.events(&batch),
            Report::Entries(entries) => self.held.push_back((entries, Instant::now())),
            Report::DumpDone(done) => self.reading = Reading::Ending { done, since: Instant::now() },
            Report::Numbers(numbers) => self.numbers(&numbers),
            Report::Host(host) => self.desk.host(host),
        }
    }

    fn events(&mut self, batch: &EventBatch) {
        if let Some(dropped) = batch.lost {
            tracing::debug!(?dropped, "events were lost");
            self.lost(dropped);
        }
        for message in nfnetlink::messages(&batch.bytes) {
            match message.map(|message| message.item) {
                Ok(Item::Event(CtEvent::New, ct)) => self.table.observe(batch.span, Origin::NewEvent, &ct),
                Ok(Item::Event(CtEvent::Update, ct)) => {
                    self.table.observe(batch.span, Origin::UpdateEvent, &ct)
                }
                Ok(Item::Event(CtEvent::Destroy, ct)) => self.table.destroy(batch.span, &ct),
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "an event is left out"),
            }
        }
        if let (Some(at), Ears::Open { drained, .. }) = (batch.drained, &mut self.ears) {
            *drained = at;
        }
    }

    fn lost(&mut self, dropped: Option<u64>) {
        self.table.lost(clock::now(), dropped);
        self.pacer.lost(Instant::now());
    }

    /// Whether every event up to `at` has been applied.
    fn heard(&self, at: BootMillis) -> bool {
        match self.ears {
            Ears::Open { drained, .. } => drained > at,
            _ => true,
        }
    }

    fn advance(&mut self, now: Instant) {
        self.wake_or_sleep(now);
        while let Some((entries, since)) = self.held.pop_front() {
            if !self.ears_ready(entries.span, since, now) {
                self.held.push_front((entries, since));
                break;
            }
            self.apply(entries);
        }
        self.end_pass(now);
        if !self.awake {
            return;
        }
        if self.is_fed_by_hand() {
            self.desk.serve(&mut self.table, now);
            return;
        }
        if now >= self.tick_at {
            while self.tick_at <= now {
                self.tick_at += self.interval;
            }
            self.ticked.get_or_insert(now);
            self.table.expire(clock::now());
        }
        self.begin_pass(now);
        self.read_more(now);
        if let Some(ticked) = self.ticked
            && (matches!(self.reading, Reading::Idle) || now >= ticked + TICK_WAITS)
        {
            self.ticked = None;
            self.desk.tick();
        }
        self.desk.serve(&mut self.table, now);
    }

    fn wake_or_sleep(&mut self, now: Instant) {
        match (self.awake, self.desk.is_empty()) {
            (true, true) => {
                self.awake = false;
                self.asleep_since = now;
                self.table.rest();
                self.abandoned = !matches!(self.reading, Reading::Idle);
                self.ears = Ears::Deaf;
                self.listen(Listen::Stop);
                self.wires.hurry.store(false, Ordering::Relaxed);
            }
            (false, false) => {
                self.awake = true;
                (self.tick_at, self.numbers_at, self.host_at) = (now + self.interval, now, now);
                self.pacer.wake(now);
                if self.listen(Listen::Start) {
                    self.ears = Ears::Opening;
                }
            }
            (false, true) if self.table.head() > 0 && now >= self.asleep_since + LINGER => {
                let epoch = self.table.epoch() + 1;
                self.table.clear(epoch);
                self.wires.hello.send_modify(|hello| hello.epoch = epoch);
            }
            (false, true) if now >= self.asleep_since + LINGER => self.asleep_since = now,
            _ => {}
        }
    }

    /// Whether there is a thread to listen.
    fn listen(&self, what: Listen) -> bool {
        self.wires.events.as_ref().is_some_and(|events| events.send(what).is_ok())
    }

    fn ears_ready(&self, span: ReadSpan, since: Instant, now: Instant) -> bool {
        self.abandoned || self.heard(span.to) || now >= since + PATIENCE
    }

    fn apply(&mut self, entries: Entries) {
        let begun = Instant::now();
        if !self.abandoned {
            let bytes = entries.buffer.get(..entries.len).unwrap_or_default();
            for message in nfnetlink::messages(bytes) {
                match message.map(|message| message.item) {
                    Ok(Item::Entry(ct)) => self.table.observe(entries.span, Origin::Dump, &ct),
                    Ok(_) => {}
                    Err(error) => tracing::debug!(%error, "an entry is left out"),
                }
            }
        }
        let _ = self.wires.pool.send(entries.buffer);
        self.applied += begun.elapsed();
    }

    fn begin_pass(&mut self, now: Instant) {
        if !matches!(self.reading, Reading::Idle) || self.ears == Ears::Opening {
            return;
        }
        if !self.pacer.is_due(now, self.ticked.is_some()) {
            return;
        }
        // The table has to know before the kernel is asked: ends from here on leave tombstones.
        self.table.begin_pass(clock::now(), Coverage::Whole);
        self.applied = Duration::ZERO;
        self.reading = Reading::Running;
        self.wires.hurry.store(true, Ordering::Relaxed);
        self.ask(Ask::Pass);
    }

    fn end_pass(&mut self, now: Instant) {
        let Reading::Ending { done, since } = self.reading else { return };
        let ready = self.abandoned || self.heard(done.at) || now >= since + PATIENCE;
        if !self.held.is_empty() || !ready {
            return;
        }
        let outcome = if self.abandoned { Outcome::Failed } else { done.outcome };
        let report = self.table.end_pass(clock::now(), outcome);
        self.reading = Reading::Idle;
        self.abandoned = false;
        self.wires.hurry.store(false, Ordering::Relaxed);
        self.pacer.done(now, done.cost + self.applied, report.dirty);
        self.desk.pass_done();
        tracing::debug!(?report, cost = ?done.cost, applied = ?self.applied, "pass");
    }

    fn is_fed_by_hand(&self) -> bool {
        self.wires.requests.is_none()
    }

    /// If the thread is gone, the end of its reports tells.
    fn ask(&self, ask: Ask) {
        if let Some(requests) = &self.wires.requests {
            let _ = requests.send(ask);
        }
    }

    /// Numbers and addresses, between passes.
    fn read_more(&mut self, now: Instant) {
        if !matches!(self.reading, Reading::Idle) && self.table.pass().number > 1 {
            return;
        }
        if now >= self.numbers_at {
            self.numbers_at = now + NUMBERS_EVERY;
            self.ask(Ask::Numbers);
        }
        if now >= self.host_at {
            self.host_at = now + HOST_EVERY;
            self.ask(Ask::Host);
        }
    }

    fn numbers(&mut self, numbers: &Numbers) {
        self.sysctls = numbers.facts;
        self.tell_kernel();
        let stats = self.table.stats();
        // Flows that send no events left in numbers: somebody flushed the table.
        let gone = numbers.count.and_then(|count| usize::try_from(count).ok()?.checked_add(MISSED));
        if gone.is_some_and(|count| count < stats.flows - stats.flows / 16) {
            self.pacer.lost(Instant::now());
        }
        self.desk.table(TableStats {
            at: clock::now(),
            count: numbers.count,
            max: numbers.max,
            flows: u64::try_from(stats.flows).unwrap_or(u64::MAX),
            truncated: stats.truncated,
            drop: numbers.drop,
            insert_failed: numbers.insert_failed,
            early_drop: numbers.early_drop,
        });
    }

    fn tell_kernel(&mut self) {
        if let Ears::Open { buffer, .. } = self.ears {
            self.buffer = Some(buffer);
        }
        let kernel: KernelFacts = self.sysctls.kernel(self.listens, self.buffer);
        self.wires.hello.send_if_modified(|hello| {
            let changed = hello.kernel != kernel;
            hello.kernel = kernel;
            changed
        });
    }
}
