//! Scenarios of the flow table, told in files: `tests/scenarios/*.txt`, one step a line.
//!
//! A word with `=` is an argument of its step. Flows are named by a word.
//! - `limits flows=N ended=N tombstones=N` first of all; `at N` sets the clock, in milliseconds
//! - `new F [id=N] [reply=N]`, `destroy F [id=N] [bytes=N]`: events, received since the last one
//! - `begin`, `entry F [bytes=N] [id=N] [left=N] [from=N] [to=N] [dying] [offload] [udp]`,
//!   `end [interrupted|failed]`: a pass; `lost`: events were lost; `expire`
//! - `begin known`, `line F [bytes=N]`, and `begin assured` with `entry F assured`: passes over parts
//! - `ask F` takes a handle; `answer F [as an entry] [sample]` and `absent F` are answers to it, both with
//!   `[from=N] [to=N]`
//! - `met F [as an entry]` is the answer to a question for a flow that was not known
//! - `suspects [F...]`, `strangers [F...]`, `unknown N`: must hold of the pass that just ended
//! - `live N`, `flow F [bytes=N|bytes=none] [resets=N] [born] [expires=N] [status=N]
//!   [sampled=N]`, `gone F`, `ids F N`: how many ids the
//!   name had, `ended F REASON [bytes=N|bytes=none]`, `dirty`, `clean`, `truncated`, `whole`: must hold
//! - `quiet`: nothing changed since the last check
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

use std::collections::{BTreeMap, HashMap};

use conntop_proto::flow::{BootMillis, FlowId, FlowRow};
use conntop_proto::message::Coverage;
use conntopd::table::{FlowTable, Handle, Limits, Origin, Outcome, PassReport, ReadSpan};
use mirror::{Mirror, view};
use nfnetlink::ct::{Counters, CtMessage, FlowRef, L4, ProtoState, Status, Tuple};

struct Stage {
    table: FlowTable,
    client: Mirror,
    now: u64,
    heard: u64,
    head: u64,
    report: PassReport,
    names: BTreeMap<String, u16>,
    asked: BTreeMap<u16, Handle>,
    ids: BTreeMap<u16, Vec<FlowId>>,
}

struct Words<'a> {
    plain: Vec<&'a str>,
    args: HashMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    fn new(line: &'a str) -> Self {
        let (args, plain): (Vec<_>, Vec<_>) = line.split_whitespace().partition(|word| word.contains('='));
        Self { plain, args: args.into_iter().filter_map(|word| word.split_once('=')).collect() }
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.args.get(name).map(|text| text.parse().expect("a number"))
    }

    fn has(&self, word: &str) -> bool {
        self.plain.contains(&word)
    }
}

impl Stage {
    fn new(limits: Limits) -> Self {
        let mut table = FlowTable::new(1, limits);
        let client = Mirror::join(&mut table);
        let (names, ids, report) = (BTreeMap::new(), BTreeMap::new(), PassReport::default());
        Self { table, client, now: 1_000, heard: 1_000, head: 0, report, names, asked: BTreeMap::new(), ids }
    }

    fn port(&mut self, name: &str) -> u16 {
        let next = u16::try_from(self.names.len()).unwrap() + 1;
        *self.names.entry(name.to_owned()).or_insert(next)
    }

    fn message(&mut self, words: &Words<'_>) -> CtMessage<'static> {
        let port = self.port(words.plain[1]);
        let udp = words.has("udp");
        let orig = Tuple {
            src: [10, 0, 0, 1].into(),
            dst: [10, 0, 0, 2].into(),
            proto: if udp { 17 } else { 6 },
            l4: L4::Ports { src: port, dst: 80 },
            zone: None,
        };
        let mut reply = orig.inverse();
        if let Some(port) = words.number("reply") {
            reply.l4 = L4::Ports { src: 80, dst: u16::try_from(port).unwrap() };
        }
        let offload = words.has("offload");
        let mut status = Status::CONFIRMED;
        for (word, bit) in
            [("dying", Status::DYING), ("offload", Status::OFFLOAD), ("assured", Status::ASSURED)]
        {
            if words.has(word) {
                status = status | bit;
            }
        }
        let counters = words.number("bytes").map(|bytes| Counters { packets: bytes / 10, bytes });
        CtMessage {
            orig,
            reply,
            status: Some(status),
            timeout: (!offload)
                .then(|| words.number("left").map_or(100, |left| u32::try_from(left).unwrap())),
            id: words.number("id").map(|id| u32::try_from(id).unwrap()).or(Some(7)),
            counters_orig: counters,
            counters_reply: counters.map(|_| Counters::default()),
            state: (!udp && !offload).then_some(ProtoState::Tcp(3)),
            ..CtMessage::default()
        }
    }

    fn step(&mut self, line: &str) {
        let words = Words::new(line);
        let at = BootMillis(self.now);
        let bound = |name| BootMillis(words.number(name).unwrap_or(self.now));
        let read = ReadSpan { from: bound("from"), to: bound("to") };
        let heard = ReadSpan { from: BootMillis(self.heard), to: at };
        match words.plain[0] {
            "at" => self.now = words.plain[1].parse().expect("a time"),
            "new" => {
                let message = self.message(&words);
                self.table.observe(heard, Origin::NewEvent, &message);
                self.heard = self.now;
            }
            "destroy" => {
                let message = self.message(&words);
                self.table.destroy(heard, &message);
                self.heard = self.now;
            }
            "entry" => {
                let message = self.message(&words);
                self.table.observe(read, Origin::Dump, &message);
            }
            "line" => {
                let told = self.message(&words);
                let status = told.status.map(|status| Status(status.0 & !Status::CONFIRMED.0));
                self.table.observe(read, Origin::Known, &CtMessage { id: None, status, ..told });
            }
            "ask" => {
                let port = self.port(words.plain[1]);
                self.read();
                let id = self.live(port).expect("the flow lives").identity.id;
                let handle = self.table.handles(&[id])[0];
                let request = self.table.request(handle).expect("the flow lives");
                assert_eq!(request.orig.l4, L4::Ports { src: port, dst: 80 });
                self.asked.insert(port, handle);
            }
            "answer" => {
                let message = self.message(&words);
                let port = self.port(words.plain[1]);
                let handle = self.asked[&port];
                self.table.answered(read, handle, &message, words.has("sample"));
            }
            "met" => {
                let message = self.message(&words);
                self.table.met(read, &message);
            }
            "absent" => {
                let port = self.port(words.plain[1]);
                let handle = self.asked[&port];
                self.table.absent(read, handle);
            }
            "begin" => {
                let coverage = match words.plain.get(1) {
                    None => Coverage::Whole,
                    Some(&"known") => Coverage::Known,
                    Some(_) => Coverage::Assured,
                };
                self.table.begin_pass(at, coverage);
            }
            "end" => {
                let outcome = match words.plain.get(1) {
                    None => Outcome::Complete,
                    Some(&"interrupted") => Outcome::Interrupted,
                    Some(_) => Outcome::Failed,
                };
                self.report = self.table.end_pass(at, outcome);
            }
            "lost" => self.table.lost(at, None),
            "expire" => self.table.expire(at),
            _ => {
                self.read();
                self.check(&words);
                self.head = self.table.head();
            }
        }
    }

    fn read(&mut self) {
        while !self.client.step(&mut self.table, self.now, 2).in_step {}
        assert_eq!(self.client.view(), view(&self.table), "client against table");
        let ended = self.client.ended.values().filter_map(|ended| ended.short.as_deref());
        for row in self.client.flows.values().chain(ended) {
            let ids = self.ids.entry(row.identity.orig.l4.to_pair().0.unwrap()).or_default();
            if !ids.contains(&row.identity.id) {
                ids.push(row.identity.id);
            }
        }
    }

    fn live(&self, port: u16) -> Option<&FlowRow> {
        self.client.flows.values().find(|row| row.identity.orig.l4.to_pair().0 == Some(port))
    }

    fn check(&mut self, words: &Words<'_>) {
        let port = words.plain.get(1).map_or(0, |name| self.port(name));
        let bytes = |row: Option<conntop_proto::flow::Counters>| {
            if let Some(&wanted) = words.args.get("bytes") {
                let found = row.map_or("none".to_owned(), |c| c.bytes.to_string());
                assert_eq!(found, wanted, "bytes");
            }
        };
        match words.plain[0] {
            "live" => assert_eq!(self.client.flows.len().to_string(), words.plain[1]),
            "flow" => {
                let row = self.live(port).expect("the flow lives");
                bytes(row.traffic.orig);
                if let Some(resets) = words.number("resets") {
                    assert_eq!(u64::from(row.traffic.resets), resets, "resets");
                }
                if let Some(expires) = words.number("expires") {
                    let all = view_exact(&self.table);
                    let exact = all.iter().find(|r| r.identity.id == row.identity.id).unwrap();
                    assert_eq!(exact.traffic.expires, Some(BootMillis(expires)));
                }
                assert!(!words.has("born") || row.identity.born, "born");
                if let Some(status) = words.number("status") {
                    assert_eq!(u64::from(row.state.status.0), status, "status");
                }
                if let Some(sampled) = words.number("sampled") {
                    assert_eq!(row.traffic.sampled, BootMillis(sampled), "sampled");
                }
            }
            "gone" => assert!(self.live(port).is_none(), "the flow is gone"),
            "ids" => assert_eq!(self.ids.get(&port).map_or(0, Vec::len).to_string(), words.plain[2], "ids"),
            "ended" => {
                let ids = self.ids.get(&port).expect("the flow was known");
                let ended =
                    ids.iter().rev().find_map(|id| self.client.ended.get(id)).expect("the flow ended");
                assert_eq!(format!("{:?}", ended.reason).to_lowercase(), words.plain[2], "reason");
                bytes(ended.traffic.orig);
            }
            "suspects" => {
                let mut wanted: Vec<_> = words.plain[1..].iter().map(|name| self.port(name)).collect();
                let found = self.table.suspects(usize::MAX);
                let asked = |handle| source(self.table.request(handle).unwrap());
                let mut found: Vec<_> = found.into_iter().map(asked).collect();
                wanted.sort_unstable();
                found.sort_unstable();
                assert_eq!(found, wanted, "suspects");
            }
            "strangers" => {
                let wanted: Vec<_> = words.plain[1..].iter().map(|name| self.port(name)).collect();
                let found: Vec<_> = self.table.strangers().iter().copied().map(source).collect();
                assert_eq!(found, wanted, "strangers");
            }
            "unknown" => assert_eq!(self.report.unknown.to_string(), words.plain[1], "unknown"),
            "dirty" => assert!(self.report.dirty, "dirty"),
            "clean" => assert!(!self.report.dirty, "clean"),
            "truncated" => assert!(self.table.stats().truncated, "truncated"),
            "whole" => assert!(!self.table.stats().truncated, "whole"),
            "quiet" => assert_eq!(self.table.head(), self.head, "quiet"),
            other => panic!("no step is called {other}"),
        }
    }
}

fn source(asked: FlowRef) -> u16 {
    match asked.orig.l4 {
        L4::Ports { src, .. } => src,
        other => panic!("{other:?}"),
    }
}

fn view_exact(table: &FlowTable) -> Vec<FlowRow> {
    table.flows().collect()
}

fn check(name: &str, text: &str) {
    let lines = || text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let mut limits = Limits::default();
    let first = lines().next().map(|(_, line)| Words::new(line)).filter(|words| words.has("limits"));
    if let Some(words) = &first {
        let limit = |name, default| words.number(name).map_or(default, |n| usize::try_from(n).unwrap());
        limits.flows = limit("flows", limits.flows);
        limits.ended = limit("ended", limits.ended);
        limits.tombstones = limit("tombstones", limits.tombstones);
    }
    let mut stage = Stage::new(limits);
    for (number, line) in lines().skip(usize::from(first.is_some())) {
        let step = std::panic::AssertUnwindSafe(|| stage.step(line));
        if let Err(cause) = std::panic::catch_unwind(step) {
            eprintln!("{name}:{}: {line}\n{:#?}", number + 1, view(&stage.table));
            std::panic::resume_unwind(cause);
        }
    }
}

#[test]
fn scenarios() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        check(&path.display().to_string(), &std::fs::read_to_string(&path).unwrap());
        seen += 1;
    }
    assert!(seen >= 10, "scenarios are where they belong");
}
