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

use conntop_proto::flow::BootMillis;
use conntop_proto::message::Coverage;
use conntopd::table::{FlowTable, Limits, Origin, Outcome, ReadSpan};
use mirror::{Mirror, view};
use nfnetlink::ct::{Counters, CtMessage, L4, ProtoState, Status, Tuple};
use proptest::prelude::*;

/// Tuples that flows come and go with.
const KEYS: u16 = 12;

#[derive(Clone, Debug)]
enum Step {
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
    Wait {
        millis: u16,
    },
    /// The event thread drains its socket.
    Drain,
    /// The socket's buffer overflows.
    Overflow,
    BeginDump,
    /// The kernel puts so many entries into a part of the dump; `twice` repeats one.
    ReadPart {
        entries: u8,
        twice: bool,
    },
    /// The table takes the oldest part.
    TakePart,
    EndDump {
        interrupted: bool,
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

fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS;
    prop_oneof![
        6 => (key.clone(), prop::bool::weighted(0.9)).prop_map(|(key, events)| Step::Create { key, events }),
        6 => key.clone().prop_map(|key| Step::Destroy { key }),
        6 => (key.clone(), 1..500u16).prop_map(|(key, bytes)| Step::Traffic { key, bytes }),
        1 => key.clone().prop_map(|key| Step::Zero { key }),
        2 => (key, 1..9u8).prop_map(|(key, state)| Step::State { key, state }),
        4 => (0..300u16).prop_map(|millis| Step::Wait { millis }),
        6 => Just(Step::Drain),
        1 => Just(Step::Overflow),
        3 => Just(Step::BeginDump),
        6 => (1..6u8, any::<bool>()).prop_map(|(entries, twice)| Step::ReadPart { entries, twice }),
        6 => Just(Step::TakePart),
        3 => prop::bool::weighted(0.1).prop_map(|interrupted| Step::EndDump { interrupted }),
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
    events: bool,
}

enum Event {
    New(Entry),
    Destroy(Entry),
}

#[derive(Default)]
struct Dump {
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
    dump: Option<Dump>,
    table: FlowTable,
    clients: Vec<Mirror>,
    /// Keys that ended without an event since the running pass began.
    silent: BTreeSet<u16>,
    /// Nothing was lost, and every flow sends events.
    exact: bool,
}

fn message(entry: &Entry, counters: bool) -> CtMessage<'static> {
    let orig = Tuple {
        src: [10, 0, 0, 1].into(),
        dst: [10, 0, 0, 2].into(),
        proto: 6,
        l4: L4::Ports { src: entry.key, dst: 80 },
        zone: None,
    };
    let counted = Some(Counters { packets: entry.bytes / 10, bytes: entry.bytes });
    CtMessage {
        orig,
        reply: orig.inverse(),
        status: Some(Status::CONFIRMED),
        timeout: Some(100),
        id: Some(entry.id),
        counters_orig: counted.filter(|_| counters),
        counters_reply: counted.filter(|_| counters),
        state: Some(ProtoState::Tcp(entry.state)),
        ..CtMessage::default()
    }
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
            dump: None,
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
                    let entry = Entry { key, id, bytes: 10, counted: 10, state: 1, events };
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
            Step::Wait { millis } => self.now += u64::from(millis),
            Step::Drain => self.drain(),
            Step::Overflow => {
                if !self.queue.is_empty() {
                    let half = self.queue.len() / 2;
                    self.queue.truncate(half);
                    self.overflowed = true;
                }
            }
            Step::BeginDump => {
                if self.dump.is_none() {
                    self.table.begin_pass(BootMillis(self.now), Coverage::Whole);
                    self.silent.clear();
                    let todo = (0..KEYS).rev().collect();
                    self.dump = Some(Dump { todo, parts: VecDeque::new(), last: self.now });
                }
            }
            Step::ReadPart { entries, twice } => self.read_part(entries, twice),
            Step::TakePart => self.take_part(),
            Step::EndDump { interrupted } => {
                if self.now.is_multiple_of(2) {
                    self.drain();
                }
                self.end_dump(interrupted);
            }
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
        let Some(dump) = &mut self.dump else { return };
        let mut part = Vec::new();
        while part.len() < usize::from(entries) {
            let Some(key) = dump.todo.pop_front() else { break };
            part.extend(self.kernel.get(&key).cloned());
        }
        if twice && let Some(first) = part.first().cloned() {
            part.push(self.kernel[&first.key].clone());
        }
        let span = ReadSpan { from: BootMillis(dump.last), to: BootMillis(self.now) };
        dump.last = self.now;
        dump.parts.push_back((span, part));
    }

    fn take_part(&mut self) {
        let part = self.dump.as_mut().and_then(|dump| dump.parts.pop_front());
        if let Some((span, part)) = part {
            for entry in part {
                self.table.observe(span, Origin::Dump, &message(&entry, true));
            }
        }
    }

    fn end_dump(&mut self, interrupted: bool) {
        if self.dump.is_none() {
            return;
        }
        while self.dump.as_ref().is_some_and(|dump| !dump.todo.is_empty()) {
            self.now += 1;
            self.read_part(4, false);
        }
        while self.dump.as_ref().is_some_and(|dump| !dump.parts.is_empty()) {
            self.take_part();
        }
        self.dump = None;
        let outcome = if interrupted { Outcome::Interrupted } else { Outcome::Complete };
        let drained = self.queue.is_empty() && !self.overflowed;
        let report = self.table.end_pass(BootMillis(self.now), outcome);
        if drained && !report.dirty {
            self.check_ghosts();
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
        self.end_dump(false);
        self.now += 1_000;
        self.drain();
        self.now += 1_000;
        self.step(&Step::BeginDump);
        self.end_dump(false);
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
        }
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
fn lossless(step: Step) -> Step {
    match step {
        Step::Overflow => Step::Drain,
        Step::Create { key, .. } => Step::Create { key, events: true },
        other => other,
    }
}

fn run(limits: Limits, exact: bool, steps: &[Step]) {
    let mut world = World::new(limits);
    world.exact = exact;
    world.step(&Step::Join);
    for step in steps {
        world.step(step);
    }
    world.settle();
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
