//! A hub without threads: the test reads what it asks and writes what it is told.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::time::Duration;

use conntop_proto::flow::{BootMillis, FlowId};
use conntop_proto::message::{Coverage, Host};
use nfnetlink::ct::FlowRef;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::super::super::cost::Cost;
use super::super::super::report::{
    Ask, Entries, EventBatch, Flows, Found, Listen, Numbers, Report, Slice, Sysctls,
};
use super::super::super::source::{Form, Means, Offer, Part, Reach};
use super::super::super::{Acts, CollectorHandle, Subscriber, SubscriberConfig, clock, hello};
use super::super::{Hub, Setup, Wires};
use crate::privilege::Report as Confined;
use crate::table::{Limits, Outcome, ReadSpan};

pub(super) const TICK: Duration = Duration::from_secs(1);

/// Numbers of the sources.
pub(super) const DUMP: usize = 0;
pub(super) const ASSURED: usize = 1;
pub(super) const LINES: usize = 3;
pub(super) const ASKING: usize = 4;

const OFFERS: [Offer; 5] = [
    Offer {
        reach: Reach::Pass(Coverage::Whole),
        means: Means::Dump,
        cost: Cost { bucket: 40.0, flow: 2500.0, passed: 0.0 },
    },
    Offer {
        reach: Reach::Pass(Coverage::Assured),
        means: Means::Dump,
        cost: Cost { bucket: 40.0, flow: 2500.0, passed: 200.0 },
    },
    Offer { reach: Reach::Named, means: Means::Get, cost: Cost { bucket: 0.0, flow: 4500.0, passed: 0.0 } },
    Offer {
        reach: Reach::Pass(Coverage::Known),
        means: Means::Lines,
        cost: Cost { bucket: 1.0, flow: 2700.0, passed: 0.0 },
    },
    Offer {
        reach: Reach::Pass(Coverage::Known),
        means: Means::Get,
        cost: Cost { bucket: 0.0, flow: 4500.0, passed: 0.0 },
    },
];

pub(super) struct Bench {
    pub(super) hub: Hub,
    pub(super) now: Instant,
    handle: CollectorHandle,
    asks: Receiver<Ask>,
    listens: Receiver<Listen>,
    /// Empty buffers that came back.
    _buffers: [Receiver<Vec<u8>>; 2],
}

impl Bench {
    /// One that does not ask for all known flows.
    pub(super) fn new(budget: &str) -> Self {
        let mut bench = Self::with_all_offers(budget);
        bench.hub.picker.withdraw(ASKING);
        bench
    }

    pub(super) fn with_all_offers(budget: &str) -> Self {
        let (_, reports) = mpsc::channel(1);
        let (calls, called) = mpsc::unbounded_channel();
        let (requests, asks) = channel();
        let (events, listens) = channel();
        let (buffers, back) = sync_channel(64);
        let (batches, batches_back) = sync_channel(64);
        let epoch = 1;
        let kernel = Sysctls::default().kernel(true, None);
        let (say_hello, hello) = watch::channel(hello(Some("bench".into()), TICK, epoch, kernel));
        let wires = Wires {
            reports,
            calls: called,
            events: Some(events),
            requests: Some(requests),
            buffers,
            batches,
            hello: say_hello,
        };
        let setup = Setup {
            interval: TICK,
            budget: budget.parse().unwrap(),
            limits: Limits::default(),
            epoch,
            acts: Acts::None,
        };
        let sysctls = Sysctls::default();
        let found = Found { sysctls, host: Host::default(), offers: OFFERS.to_vec(), granted: None };
        let hub = Hub::new(wires, setup, found);
        let handle = CollectorHandle { calls, hello, ids: Arc::default(), confined: Confined::default() };
        Self { hub, now: Instant::now(), handle, asks, listens, _buffers: [back, batches_back] }
    }

    pub(super) fn subscribe(&self) -> Subscriber {
        self.handle.subscribe(SubscriberConfig::default()).unwrap()
    }

    /// Lets time pass and the hub do what is to be done; what it asks then.
    pub(super) fn after(&mut self, time: Duration) -> Vec<Ask> {
        self.now += time;
        while let Ok(call) = self.hub.wires.calls.try_recv() {
            self.hub.call(call);
        }
        self.hub.advance(self.now);
        self.asks.try_iter().filter(|ask| !matches!(ask, Ask::Host)).collect()
    }

    pub(super) fn at_once(&mut self) -> Vec<Ask> {
        self.after(Duration::ZERO)
    }

    pub(super) fn listens(&self) -> Vec<Listen> {
        self.listens.try_iter().collect()
    }

    pub(super) fn tell(&mut self, report: Report) {
        self.hub.report(report);
    }

    /// The kernel's table has so many flows and buckets.
    pub(super) fn size(&mut self, flows: u64, buckets: u64) {
        let mut facts = Sysctls::default();
        (facts.facts.count, facts.facts.buckets) = (Some(flows), Some(buckets));
        self.tell(Report::Numbers(Numbers { count: Some(flows), facts, ..Numbers::default() }));
    }

    pub(super) fn entries(&mut self, form: Form, buffer: Vec<u8>) {
        self.entries_at(clock::now(), form, buffer);
    }

    fn entries_at(&mut self, at: BootMillis, form: Form, buffer: Vec<u8>) {
        let part = Part { len: buffer.len(), form, span: ReadSpan { from: at, to: at } };
        self.tell(Report::Entries(Entries { buffer, part }));
    }

    pub(super) fn slice(&mut self, cost: Duration, end: Option<Outcome>) {
        self.tell(Report::Slice(Slice { at: clock::now(), cost, end, flows: Vec::new() }));
    }

    /// The socket is open and everything is heard.
    pub(super) fn heard(&mut self) {
        let mut at = clock::now();
        at.0 += 1_000_000;
        let span = ReadSpan { from: at, to: at };
        let (bytes, idle) = (Vec::new(), Duration::ZERO);
        self.tell(Report::Events(EventBatch { bytes, span, lost: None, drained: Some(at), idle }));
    }

    /// A bench whose first pass found these flows.
    pub(super) fn with_flows(budget: &str, ports: std::ops::Range<u16>) -> (Self, Subscriber) {
        Self::new(budget).filled(ports)
    }

    /// A first pass finds these flows.
    pub(super) fn filled(self, ports: std::ops::Range<u16>) -> (Self, Subscriber) {
        let mut bench = self;
        let subscriber = bench.subscribe();
        bench.at_once();
        bench.tell(Report::Listening(1 << 20));
        bench.at_once();
        bench.heard();
        // So long ago that what is read from now on cannot be of flows before them.
        let ago = BootMillis(clock::now().0.saturating_sub(1000));
        bench.entries_at(ago, Form::Dump, ports.flat_map(|port| entry(0, port, ASSURED_BITS, 1)).collect());
        bench.slice(Duration::from_millis(1), Some(Outcome::Complete));
        bench.at_once();
        (bench, subscriber)
    }

    pub(super) fn flows(&self) -> usize {
        self.hub.table.stats().flows
    }

    /// Ids in the order of the ports.
    pub(super) fn ids(&self) -> Vec<FlowId> {
        let mut rows: Vec<_> = self.hub.table.flows().map(|row| row.identity.id).collect();
        rows.sort();
        rows
    }

    /// Packets of the original direction, in the order of the ids.
    pub(super) fn packets(&self) -> Vec<u64> {
        let mut rows: Vec<_> = self.hub.table.flows().collect();
        rows.sort_by_key(|row| row.identity.id);
        rows.iter().map(|row| row.traffic.orig.map_or(0, |orig| orig.packets)).collect()
    }

    /// Answers a question for flows, each by an entry unless its port is among those that are gone.
    pub(super) fn answer(&mut self, flows: Vec<FlowRef>, gone: &[u16], packets: u64) {
        self.answer_at(clock::now(), flows, gone, packets);
    }

    /// The same, read at that time.
    pub(super) fn answer_at(&mut self, at: BootMillis, flows: Vec<FlowRef>, gone: &[u16], packets: u64) {
        let mut bytes = Vec::new();
        for (seq, flow) in (100..).zip(&flows) {
            let port = port_of(flow);
            if gone.contains(&port) {
                bytes.extend(error(seq, 2));
            } else {
                bytes.extend(entry(seq, port, ASSURED_BITS, packets));
            }
        }
        self.entries_at(at, Form::Answers { first: 100, flow: 0 }, bytes);
        self.tell(Report::Flows(Flows { flows, cost: Duration::from_micros(100) }));
    }
}

/// SEEN_REPLY, ASSURED, CONFIRMED
pub(super) const ASSURED_BITS: u32 = 0b1110;
/// CONFIRMED
pub(super) const FRESH_BITS: u32 = 0b1000;

pub(super) fn port_of(flow: &FlowRef) -> u16 {
    match flow.orig.l4 {
        nfnetlink::ct::L4::Ports { src, .. } => src,
        _ => 0,
    }
}

/// An entry of a dump, or the answer to a GET: 10.0.0.1:`port` to 10.0.0.2:443 by UDP.
pub(super) fn entry(seq: u32, port: u16, status: u32, packets: u64) -> Vec<u8> {
    let (a, b) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let tuple = |kind, src: Ipv4Addr, dst: Ipv4Addr, sport: u16, dport: u16| {
        let ip = [attr(1, &src.octets()), attr(2, &dst.octets())].concat();
        let ports = [attr(2, &sport.to_be_bytes()), attr(3, &dport.to_be_bytes())].concat();
        let proto = [attr(1, &[17]), ports].concat();
        attr(kind, &[attr(1, &ip), attr(2, &proto)].concat())
    };
    let counters =
        |kind| attr(kind, &[1, 2].map(|of| attr(of, &(packets * u64::from(of)).to_be_bytes())).concat());
    let attributes = [
        tuple(1, a, b, port, 443),
        tuple(2, b, a, 443, port),
        attr(3, &status.to_be_bytes()),
        counters(9),
        counters(10),
        attr(12, &u32::from(port).to_be_bytes()),
    ];
    message(1 << 8, 2, seq, &[vec![2, 0, 0, 0], attributes.concat()].concat())
}

/// A line of /proc for the same flow.
pub(super) fn line(port: u16) -> Vec<u8> {
    format!(
        "ipv4     2 udp      17 100 src=10.0.0.1 dst=10.0.0.2 sport={port} dport=443 packets=1 bytes=2 \
         src=10.0.0.2 dst=10.0.0.1 sport=443 dport={port} packets=1 bytes=2 [ASSURED] mark=0 use=2\n"
    )
    .into_bytes()
}

fn error(seq: u32, errno: i32) -> Vec<u8> {
    message(2, 0, seq, &[(-errno).to_ne_bytes().to_vec(), vec![0; 16]].concat())
}

fn message(kind: u16, flags: u16, seq: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 16).unwrap();
    let header =
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &seq.to_ne_bytes(), &[0; 4]];
    [&header.concat(), payload].concat()
}

fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len() + 4).unwrap();
    let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
    [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value, &padding].concat()
}
