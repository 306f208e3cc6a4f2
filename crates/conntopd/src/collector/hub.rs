//! The thread `ct-table`: owns the table, commands the reading threads, serves subscribers.
//!
//! Order of application. What was read waits until every event that the kernel sent before it has
//! been applied, and a pass ends only when the events before its end are in: so the end of a flow
//! comes with its exact totals, and a tuple that was used again is told apart. Both waits are
//! bounded ([`PATIENCE`]); the table is right without them, only less exact.

mod focus;
mod listen;
mod numbers;
mod passes;
mod rounds;
mod sights;
#[cfg(test)]
mod tests;
mod upkeep;

use std::sync::mpsc::{Sender, SyncSender};
use std::time::Duration;

use conntop_proto::message::ServerHello;
use conntop_proto::text;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use self::focus::Focus;
use self::listen::Ears;
use self::passes::Passes;
use self::rounds::Rounds;
use self::sights::Sighting;
use self::upkeep::Upkeep;
use super::Acts;
use super::budget::CpuBudget;
use super::clock;
use super::handle::Call;
use super::orders::Orders;
use super::picker::Picker;
use super::pool::Return;
use super::report::{Ask, Found, Listen, Report, Sysctls};
use super::serve::Desk;
use crate::table::{FlowTable, Limits};

/// How long entries wait for the events before them while events come faster than they are read.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the table outlives its last subscriber.
const LINGER: Duration = Duration::from_secs(60);
/// How long a tick waits for what began with it, so that it delivers fresh values.
const TICK_WAITS: Duration = Duration::from_millis(250);
/// Reports handled before subscribers get their turn.
const TURN: usize = 64;

/// The hub's end of its channels.
pub(super) struct Wires {
    pub(super) reports: mpsc::Receiver<Report>,
    pub(super) calls: mpsc::UnboundedReceiver<Call>,
    pub(super) events: Option<Sender<Listen>>,
    /// `None` when the table is fed by hand: then there are no passes, and a tick follows each edit.
    pub(super) requests: Option<Sender<Ask>>,
    /// Where empty buffers go: of entries, and of events.
    pub(super) buffers: Return,
    pub(super) batches: Return,
    pub(super) hello: watch::Sender<ServerHello>,
}

/// What the hub was configured with.
pub(super) struct Setup {
    pub(super) interval: Duration,
    pub(super) budget: CpuBudget,
    pub(super) limits: Limits,
    pub(super) epoch: u64,
    pub(super) acts: Acts,
}

pub(super) struct Hub {
    wires: Wires,
    table: FlowTable,
    desk: Desk,
    picker: Picker,
    passes: Passes,
    rounds: Rounds,
    focus: Focus,
    sighting: Sighting,
    upkeep: Upkeep,
    awake: bool,
    asleep_since: Instant,
    ears: Ears,
    /// Events are wanted and possible.
    listens: bool,
    /// Bytes that the kernel granted.
    buffer: Option<u64>,
    /// Hellos that wait for facts.
    curious: Vec<SyncSender<()>>,
    /// When the latest facts came.
    facts: Instant,
    numbers_at: Instant,
    host_at: Instant,
    tick_at: Instant,
    /// A tick that waits for what began with it.
    ticked: Option<Instant>,
    interval: Duration,
    sysctls: Sysctls,
    orders: Orders,
}

impl Hub {
    pub(super) fn new(wires: Wires, setup: Setup, found: Found) -> Self {
        let now = Instant::now();
        Self {
            listens: wires.events.is_some(),
            buffer: found.granted,
            wires,
            table: FlowTable::new(setup.epoch, setup.limits),
            desk: Desk::new(setup.interval, found.host),
            picker: Picker::new(found.offers, setup.budget, setup.interval, now),
            passes: Passes::default(),
            rounds: Rounds::default(),
            focus: Focus::default(),
            sighting: Sighting::new(now),
            upkeep: Upkeep::default(),
            awake: false,
            asleep_since: now,
            ears: Ears::Deaf,
            curious: Vec::new(),
            facts: now,
            numbers_at: now,
            host_at: now,
            tick_at: now,
            ticked: None,
            interval: setup.interval,
            sysctls: found.sysctls,
            orders: Orders::new(setup.acts, now),
        }
    }

    /// Until the last handle and subscriber are gone.
    pub(super) async fn run(mut self) {
        loop {
            let deadline = self.deadline(Instant::now());
            let alarm = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                call = self.wires.calls.recv() => match call {
                    Some(call) => self.call(call),
                    None => return,
                },
                report = self.wires.reports.recv() => match report {
                    Some(report) => self.report(report),
                    None => {
                        tracing::error!("the reading threads ended");
                        return;
                    }
                },
                () = alarm => {}
            }
            for _ in 0..TURN {
                match self.wires.reports.try_recv() {
                    Ok(report) => self.report(report),
                    Err(_) => break,
                }
            }
            self.advance(Instant::now());
            let upkeep = self.upkeep.take(clock::thread_cpu());
            self.picker.spent(upkeep);
        }
    }

    /// When there is something to do even if nothing is heard; `None` while asleep with an empty table.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        if !self.awake {
            return (self.table.head() > 0).then(|| self.asleep_since + LINGER);
        }
        if self.desk.is_busy(&self.table) {
            return Some(now);
        }
        let served = self.desk.next_due();
        if self.is_fed_by_hand() {
            return served;
        }
        let tick = self.ticked.map(|ticked| ticked + TICK_WAITS);
        let pass = self.pass_deadline(now);
        [Some(self.tick_at), served, tick, pass].into_iter().flatten().min()
    }

    fn call(&mut self, call: Call) {
        match call {
            Call::Edit(edit) => {
                edit(&mut self.table);
                self.desk.pass_done();
                self.desk.tick();
            }
            Call::Inspect(look) => look(&self.table),
            Call::Facts(tell) => self.tell_facts(tell),
            Call::Terminate(order) => {
                if let Some((target, act)) = self.orders.take(order, &self.table, Instant::now()) {
                    self.ask(Ask::Terminate { target: Box::new(target), act });
                }
            }
            Call::Configure(name, budget) => {
                self.picker.budget(budget);
                if let Some(name) = name {
                    let name = text::sanitize(&name).into_owned();
                    self.wires.hello.send_modify(|hello| hello.name = name);
                }
            }
            Call::Closed(id) => {
                self.focus.forget(id);
                self.desk.call(Call::Closed(id), &mut self.table);
            }
            Call::Changed(id) => {
                self.desk.call(Call::Changed(id), &mut self.table);
                if let Some(ids) = self.desk.focus(id) {
                    self.focus.wish(id, &ids);
                }
            }
            call => self.desk.call(call, &mut self.table),
        }
    }

    fn report(&mut self, report: Report) {
        match report {
            Report::Listening(buffer) => self.listening(buffer),
            Report::NotListening(error) => self.not_listening(&error),
            Report::Events(batch) => self.events(batch),
            Report::Entries(entries) => self.passes.hold(entries, Instant::now()),
            Report::Slice(slice) => self.slice_read(slice, Instant::now()),
            Report::Flows(flows) => self.round_read(flows),
            Report::Numbers(numbers) => self.numbers(&numbers),
            Report::Terminated(done) => self.orders.done(done),
            Report::Host(host) => self.desk.host(host, Instant::now()),
            Report::Sights(sights) => self.sighted(*sights, Instant::now()),
        }
    }

    fn advance(&mut self, now: Instant) {
        self.wake_or_sleep(now);
        self.apply_held(now);
        self.end_pass(now);
        self.end_round();
        if !self.awake {
            return;
        }
        if self.is_fed_by_hand() {
            self.desk.serve(&mut self.table, now);
            return;
        }
        let tick = now >= self.tick_at;
        if tick {
            while self.tick_at <= now {
                self.tick_at += self.interval;
            }
            self.ticked.get_or_insert(now);
            self.upkeep.allow(self.picker.most_upkeep());
            self.table.expire(clock::now());
        }
        self.go_on(now);
        self.begin_pass(tick, now);
        self.begin_round(tick, now);
        self.read_more(now);
        self.look_around(tick, now);
        self.ask_for_events();
        if let Some(ticked) = self.ticked
            && (!self.tick_has_to_wait() || now >= ticked + TICK_WAITS)
        {
            self.ticked = None;
            self.desk.tick();
        }
        self.desk.serve(&mut self.table, now);
    }

    fn tick_has_to_wait(&self) -> bool {
        self.passes.is_short() || self.rounds.is_running() || self.sighting.is_awaited()
    }

    fn wake_or_sleep(&mut self, now: Instant) {
        match (self.awake, self.desk.is_empty()) {
            (true, true) => {
                self.awake = false;
                self.asleep_since = now;
                self.table.rest();
                self.leave_pass();
                self.rounds.void();
                self.hear(Ears::Deaf);
                self.tell_events(Listen::Stop);
            }
            (false, false) => {
                self.awake = true;
                (self.tick_at, self.numbers_at, self.host_at) = (now + self.interval, now, now);
                self.picker.wake(now);
                if self.tell_events(Listen::Start) {
                    self.hear(Ears::Opening);
                }
            }
            (false, true) if self.table.head() > 0 && now >= self.asleep_since + LINGER => {
                let epoch = self.table.epoch() + 1;
                self.table.clear(epoch);
                self.ask(Ask::Rest);
                self.wires.hello.send_modify(|hello| hello.epoch = epoch);
            }
            _ => {}
        }
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
}
