//! A random kernel against the table: at quiescence, after one clean pass, every client holds what
//! the kernel holds. Events get lost, dumps interleave with changes, entries come twice, clients are
//! slow, come late, come back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    dead_code,
    reason = "a test may fail"
)]

#[path = "table/mirror.rs"]
mod mirror;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use conntop_proto::flow::{BootMillis, FlowRow, Status as Bits};
use conntop_proto::message::Coverage;
use conntopd::table::{FlowTable, Handle, Limits, Origin, Outcome, ReadSpan};
use mirror::{Mirror, view};
use nfnetlink::ct::{Counters, CtMessage, L4, ProtoState, Status, Tuple};
use proptest::prelude::*;

/// Tuples that flows come and go with.
const KEYS: u16 = 12;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    Suspects,
    Any,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Create {
        key: u16,
        events: bool,
    },
    Destroy {
        key: u16,
    },
    Traffic {
        key: u16,
        bytes: u16,
    },
    Zero {
        key: u16,
    },
    State {
        key: u16,
        state: u8,
    },
    Assure {
        key: u16,
    },
    Wait {
        millis: u16,
    },
    /// The event thread drains its socket.
    Drain,
    /// The socket's buffer overflows.
    Overflow,
    BeginPass {
        coverage: Coverage,
    },
    /// The kernel puts so many entries into a part of the answer; `twice` repeats one.
    ReadPart {
        entries: u8,
        twice: bool,
    },
    /// The table takes the oldest part.
    TakePart,
    EndPass {
        interrupted: bool,
    },
    /// Sends GETs for flows that the last pass missed, or for any; the kernel answers at once.
    Ask {
        which: Which,
        max: u8,
    },
    /// The table takes the oldest answer to a GET.
    TakeAnswer {
        note_sample: bool,
    },
    Join,
    Client {
        who: u8,
        max: u8,
    },
    Reconnect {
        who: u8,
    },
    Expire,
    /// Everybody had gone.
    Rest,
}

fn coverage() -> impl Strategy<Value = Coverage> {
    prop_oneof![2 => Just(Coverage::Whole), 1 => Just(Coverage::Known), 1 => Just(Coverage::Assured)]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS;
    prop_oneof![
        6 => (key.clone(), prop::bool::weighted(0.9)).prop_map(|(key, events)| Step::Create { key, events }),
        6 => key.clone().prop_map(|key| Step::Destroy { key }),
        6 => (key.clone(), 1..500u16).prop_map(|(key, bytes)| Step::Traffic { key, bytes }),
        1 => key.clone().prop_map(|key| Step::Zero { key }),
        2 => (key.clone(), 1..9u8).prop_map(|(key, state)| Step::State { key, state }),
        2 => key.prop_map(|key| Step::Assure { key }),
        4 => (0..300u16).prop_map(|millis| Step::Wait { millis }),
        6 => Just(Step::Drain),
        1 => Just(Step::Overflow),
        3 => coverage().prop_map(|coverage| Step::BeginPass { coverage }),
        4 => (prop_oneof![Just(Which::Suspects), Just(Which::Any)], 1..6u8)
            .prop_map(|(which, max)| Step::Ask { which, max }),
        6 => any::<bool>().prop_map(|note_sample| Step::TakeAnswer { note_sample }),
        6 => (1..6u8, any::<bool>()).prop_map(|(entries, twice)| Step::ReadPart { entries, twice }),
        6 => Just(Step::TakePart),
        3 => prop::bool::weighted(0.1).prop_map(|interrupted| Step::EndPass { interrupted }),
        1 => Just(Step::Join),
        6 => (any::<u8>(), 1..8u8).prop_map(|(who, max)| Step::Client { who, max }),
        1 => any::<u8>().prop_map(|who| Step::Reconnect { who }),
        1 => Just(Step::Expire),
        1 => Just(Step::Rest),
    ]
}

#[derive(Clone)]
struct Entry {
    key: u16,
    id: u32,
    bytes: u64,
    /// What was counted since it began, whoever zeroed the counters.
    counted: u64,
    state: u8,
    assured: bool,
    events: bool,
}

enum Event {
    New(Entry),
    Destroy(Entry),
}

struct Pass {
    coverage: Coverage,
    /// Keys still to be read, in the order of the buckets.
    todo: VecDeque<u16>,
    parts: VecDeque<(ReadSpan, Vec<Entry>)>,
    last: u64,
}

struct World {
    now: u64,
    kernel: BTreeMap<u16, Entry>,
    ids: u32,
    queue: Vec<Event>,
    overflowed: bool,
    empty_at: u64,
    pass: Option<Pass>,
    /// Answers to GETs under way.
    answers: VecDeque<(ReadSpan, Handle, Option<Entry>)>,
    table: FlowTable,
    clients: Vec<Mirror>,
    /// Keys that ended without an event since the running pass began.
    silent: BTreeSet<u16>,
    /// Nothing was lost, and every flow sends events.
    exact: bool,
}

fn message(entry: &Entry, counters: bool) -> CtMessage<'static> {
    let v6 = entry.key.is_multiple_of(3);
    let host = |n: u8| if v6 { IpAddr::from([n; 16]) } else { IpAddr::from([10, 0, 0, n]) };
    let orig =
        Tuple { src: host(1), dst: host(2), proto: 6, l4: L4::Ports { src: entry.key, dst: 80 }, zone: None };
    let plain = orig.inverse();
    let reply = if entry.key.is_multiple_of(2) { plain } else { Tuple { dst: host(3), ..plain } };
    let counted = Some(Counters { packets: entry.bytes / 10, bytes: entry.bytes });
    CtMessage {
        orig,
        reply,
        status: Some(if entry.assured { Status::CONFIRMED | Status::ASSURED } else { Status::CONFIRMED }),
        timeout: Some(100),
        id: Some(entry.id),
        counters_orig: counted.filter(|_| counters),
        counters_reply: counted.filter(|_| counters),
        state: Some(ProtoState::Tcp(entry.state)),
        ..CtMessage::default()
    }
}

/// The same as a line of /proc.
fn line(entry: &Entry) -> CtMessage<'static> {
    let whole = message(entry, true);
    let told = if entry.assured { Status::ASSURED } else { Status::default() };
    CtMessage { id: None, status: Some(told), ..whole }
}

impl World {
    fn new(limits: Limits) -> Self {
        let table = FlowTable::new(1, limits);
        Self {
            now: 1_000,
            kernel: BTreeMap::new(),
            ids: 0,
            queue: Vec::new(),
            overflowed: false,
            empty_at: 1_000,
            pass: None,
            answers: VecDeque::new(),
            table,
            clients: Vec::new(),
            silent: BTreeSet::new(),
            exact: false,
        }
    }

    fn step(&mut self, step: &Step) {
        self.now += 1;
        match *step {
            Step::Create { key, events } => {
                if !self.kernel.contains_key(&key) {
                    self.ids += 1;
                    // The kernel's ids come again, mostly.
                    let id = if self.ids.is_multiple_of(5) { self.ids } else { u32::from(key) + 1_000_000 };
                    let entry = Entry { key, id, bytes: 10, counted: 10, state: 1, assured: false, events };
                    if events {
                        self.queue.push(Event::New(entry.clone()));
                    }
                    self.kernel.insert(key, entry);
                }
            }
            Step::Destroy { key } => {
                if let Some(entry) = self.kernel.remove(&key) {
                    if entry.events {
                        self.queue.push(Event::Destroy(entry));
                    } else {
                        self.silent.insert(key);
                    }
                }
            }
            Step::Traffic { key, bytes } => {
                if let Some(entry) = self.kernel.get_mut(&key) {
                    entry.bytes += u64::from(bytes);
                    entry.counted += u64::from(bytes);
                }
            }
            Step::Zero { key } => {
                if let Some(entry) = self.kernel.get_mut(&key) {
                    entry.bytes = 0;
                }
            }
            Step::State { key, state } => {
                if let Some(entry) = self.kernel.get_mut(&key) {
                    entry.state = state;
                }
            }
            Step::Assure { key } => {
                if let Some(entry) = self.kernel.get_mut(&key) {
                    entry.assured = true;
                }
            }
            Step::Wait { millis } => self.now += u64::from(millis),
            Step::Drain => self.drain(),
            Step::Overflow => {
                if !self.queue.is_empty() {
                    let half = self.queue.len() / 2;
                    self.queue.truncate(half);
                    self.overflowed = true;
                }
            }
            Step::BeginPass { coverage } => {
                if self.pass.is_none() {
                    self.table.begin_pass(BootMillis(self.now), coverage);
                    self.silent.clear();
                    let todo = (0..KEYS).rev().collect();
                    self.pass = Some(Pass { coverage, todo, parts: VecDeque::new(), last: self.now });
                }
            }
            Step::ReadPart { entries, twice } => self.read_part(entries, twice),
            Step::TakePart => self.take_part(),
            Step::EndPass { interrupted } => {
                if self.now.is_multiple_of(2) {
                    self.drain();
                }
                self.end_pass(interrupted);
            }
            Step::Ask { which, max } => self.ask(which, max.into()),
            Step::TakeAnswer { note_sample } => self.take_answer(note_sample),
            Step::Join => {
                if self.clients.len() < 5 {
                    self.clients.push(Mirror::join(&mut self.table));
                }
            }
            Step::Client { who, max } => {
                let n = self.clients.len();
                if n > 0 {
                    self.clients[usize::from(who) % n].step(&mut self.table, self.now, usize::from(max));
                }
            }
            Step::Reconnect { who } => {
                let n = self.clients.len();
                if n > 0 {
                    self.clients[usize::from(who) % n].reconnect(&mut self.table);
                }
            }
            Step::Expire => self.table.expire(BootMillis(self.now)),
            Step::Rest => self.table.rest(),
        }
    }

    fn drain(&mut self) {
        // The kernel tells it before the events that are still queued.
        if std::mem::take(&mut self.overflowed) {
            self.table.lost(BootMillis(self.now), None);
        }
        let span = ReadSpan { from: BootMillis(self.empty_at), to: BootMillis(self.now) };
        for event in self.queue.drain(..) {
            match event {
                Event::New(entry) => self.table.observe(span, Origin::NewEvent, &message(&entry, false)),
                Event::Destroy(entry) => self.table.destroy(span, &message(&entry, true)),
            }
        }
        self.empty_at = self.now;
    }

    fn read_part(&mut self, entries: u8, twice: bool) {
        let Some(pass) = &mut self.pass else { return };
        let mut part = Vec::new();
        while part.len() < usize::from(entries) {
            let Some(key) = pass.todo.pop_front() else { break };
            let covered = |entry: &&Entry| pass.coverage != Coverage::Assured || entry.assured;
            part.extend(self.kernel.get(&key).filter(covered).cloned());
        }
        if twice && let Some(first) = part.first().cloned() {
            part.push(self.kernel[&first.key].clone());
        }
        let span = ReadSpan { from: BootMillis(pass.last), to: BootMillis(self.now) };
        pass.last = self.now;
        pass.parts.push_back((span, part));
    }

    fn take_part(&mut self) {
        let Some(pass) = &mut self.pass else { return };
        let Some((span, part)) = pass.parts.pop_front() else { return };
        for entry in part {
            match pass.coverage {
                Coverage::Known => self.table.observe(span, Origin::Known, &line(&entry)),
                _ => self.table.observe(span, Origin::Dump, &message(&entry, true)),
            }
        }
    }

    fn ask(&mut self, which: Which, max: usize) {
        let handles = match which {
            Which::Suspects => self.table.suspects(max),
            Which::Any => {
                let mut ids: Vec<_> = self.table.flows().map(|row| row.identity.id).take(max).collect();
                ids.sort_unstable();
                let handles = self.table.handles(&ids);
                assert!(handles.iter().map(|handle| handle.id()).eq(ids), "a handle for each live flow");
                handles
            }
        };
        let span = ReadSpan { from: BootMillis(self.now), to: BootMillis(self.now) };
        for handle in handles {
            let L4::Ports { src: key, .. } = self.table.request(handle).expect("a live flow").orig.l4 else {
                panic!("flows have ports")
            };
            self.answers.push_back((span, handle, self.kernel.get(&key).cloned()));
        }
    }

    fn take_answer(&mut self, note_sample: bool) {
        match self.answers.pop_front() {
            Some((span, handle, Some(entry))) => {
                self.table.answered(span, handle, &message(&entry, true), note_sample);
            }
            Some((span, handle, None)) => self.table.absent(span, handle),
            None => {}
        }
    }

    fn end_pass(&mut self, interrupted: bool) {
        if self.pass.is_none() {
            return;
        }
        while self.pass.as_ref().is_some_and(|pass| !pass.todo.is_empty()) {
            self.now += 1;
            self.read_part(4, false);
        }
        while self.pass.as_ref().is_some_and(|pass| !pass.parts.is_empty()) {
            self.take_part();
        }
        self.pass = None;
        let outcome = if interrupted { Outcome::Interrupted } else { Outcome::Complete };
        let drained = self.queue.is_empty() && !self.overflowed;
        let report = self.table.end_pass(BootMillis(self.now), outcome);
        assert!(report.coverage == Coverage::Whole || report.reaped == 0, "{report:?}");
        if drained && !report.dirty && report.coverage == Coverage::Whole {
            self.check_ghosts();
        }
    }

    /// A pass over a part, and the answers for what it missed: no covered flow is left that the
    /// kernel does not have, and no other one is gone.
    fn confirm(&mut self, coverage: Coverage) {
        let covered = |row: &FlowRow| coverage == Coverage::Known || row.state.status.has(Bits::ASSURED);
        let keys = |table: &FlowTable, covered: &dyn Fn(&FlowRow) -> bool| -> BTreeSet<u16> {
            table.flows().filter(covered).map(|row| row.identity.orig.l4.to_pair().0.unwrap()).collect()
        };
        self.now += 1_000;
        let before = keys(&self.table, &|_| true);
        let suspected = keys(&self.table, &covered);
        self.step(&Step::BeginPass { coverage });
        self.end_pass(false);
        self.ask(Which::Suspects, usize::MAX);
        while !self.answers.is_empty() {
            self.take_answer(false);
        }
        assert_eq!(self.table.suspects(usize::MAX), [], "all suspects have been asked for");
        let after = keys(&self.table, &|_| true);
        for key in before.union(&after) {
            let lives = self.kernel.contains_key(key);
            assert!(!lives || after.contains(key), "{key} was ended but lives");
            assert!(lives || !suspected.contains(key) || !after.contains(key), "{key} was not found out");
        }
    }

    /// After a clean pass with every event applied only the silently ended may be left over.
    fn check_ghosts(&self) {
        for row in self.table.flows() {
            let key = row.identity.orig.l4.to_pair().0.unwrap();
            let known = self.kernel.contains_key(&key) || self.silent.contains(&key);
            assert!(known, "a ghost after a clean pass: {row:?}");
        }
    }

    /// What one clean pass after the last change has to make right.
    fn settle(&mut self) {
        self.end_pass(false);
        while !self.answers.is_empty() {
            self.take_answer(true);
        }
        self.now += 1_000;
        self.drain();
        self.confirm(if self.now.is_multiple_of(2) { Coverage::Known } else { Coverage::Assured });
        self.now += 1_000;
        self.step(&Step::BeginPass { coverage: Coverage::Whole });
        self.end_pass(false);
        self.check();
    }

    fn check(&mut self) {
        let rows = view(&self.table);
        let held: BTreeMap<u16, u64> = rows
            .iter()
            .map(|row| (row.identity.orig.l4.to_pair().0.unwrap(), row.state.state as u64))
            .collect();
        let truth: BTreeMap<u16, u64> = self.kernel.values().map(|e| (e.key, u64::from(e.state))).collect();
        assert_eq!(held, truth, "table against kernel");
        assert_eq!(rows.len(), self.kernel.len(), "one flow for each entry");
        for row in &rows {
            let entry = &self.kernel[&row.identity.orig.l4.to_pair().0.unwrap()];
            let orig = row.traffic.orig.expect("sampled");
            assert!(orig.bytes >= entry.bytes, "{row:?} counts less than the kernel");
            assert!(!self.exact || orig.bytes <= entry.counted, "{row:?} counts what another flow had");
            if row.traffic.resets == 0 {
                assert_eq!(orig.bytes, entry.bytes, "{row:?}");
            }
            assert_eq!(row.state.status.has(Bits::ASSURED), entry.assured, "{row:?}");
            assert!(row.state.status.has(Bits::CONFIRMED), "{row:?}");
        }
        let assured = self.kernel.values().filter(|entry| entry.assured).count();
        assert_eq!(self.table.stats().assured, assured, "assured flows");
        let mut ids = BTreeSet::new();
        for client in &mut self.clients {
            client.catch_up(&mut self.table, self.now);
            assert_eq!(client.view(), rows, "client against table");
            assert!(client.flows.keys().all(|id| !client.ended.contains_key(id)));
            ids.extend(client.flows.keys().copied());
        }
    }
}

/// The same without loss and without flows that send no events.
pub(crate) fn lossless(step: Step) -> Step {
    match step {
        Step::Overflow => Step::Drain,
        Step::Create { key, .. } => Step::Create { key, events: true },
        other => other,
    }
}

pub(crate) fn run(limits: Limits, exact: bool, steps: &[Step]) {
    let mut world = World::new(limits);
    world.exact = exact;
    world.step(&Step::Join);
    for step in steps {
        world.step(step);
    }
    world.settle();
}

#[test]
fn keys_that_come_again_are_found_while_the_index_grows() {
    // Few ends are kept, so that slots before and behind them are used again.
    let mut world = World::new(Limits { ended: 500, ..Limits::default() });
    for key in 0..5_000 {
        let create = Step::Create { key, events: true };
        for step in [create.clone(), Step::Destroy { key }, create, Step::Drain] {
            world.step(&step);
        }
    }
    assert_eq!(world.table.stats().flows, 5_000);
    for key in 0..5_000 {
        world.step(&Step::Destroy { key });
    }
    world.drain();
    assert_eq!(world.table.stats().flows, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn clients_converge(steps in prop::collection::vec(step(), 0..200)) {
        run(Limits::default(), false, &steps);
    }

    #[test]
    fn no_flow_gets_counters_of_another(steps in prop::collection::vec(step().prop_map(lossless), 0..200)) {
        run(Limits::default(), true, &steps);
    }

    #[test]
    fn clients_converge_with_little_memory(steps in prop::collection::vec(step(), 0..200)) {
        run(Limits { ended: 3, tombstones: 1, ..Limits::default() }, false, &steps);
    }
}
