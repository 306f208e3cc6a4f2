//! Table, collector, server and codec together, fed by hand: what clients get is what the table holds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

#[path = "server/client.rs"]
mod client;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use client::{Client, HELLO, ZSTD_HELLO};
use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::{BootMillis, FlowId};
use conntop_proto::message::{Coverage, Host, ServerMessage};
use conntopd::args::{Listen, Need};
use conntopd::collector::{CollectorHandle, Feeder, SubscriberConfig, clock};
use conntopd::frame::Frame;
use conntopd::server::Server;
use conntopd::server::listen::{self, Listeners};
use conntopd::table::{FlowTable, Interest, Limits, Origin, Outcome, ReadSpan};
use nfnetlink::ct::{Counters, CtMessage, L4, Tuple};
use tokio::sync::oneshot;

/// Flows of the first pass: several chunks.
const FLOWS: u32 = 3500;

fn span() -> ReadSpan {
    let now = clock::now();
    ReadSpan { from: now, to: now }
}

fn flow(number: u32, bytes: u64) -> CtMessage<'static> {
    let src = Ipv4Addr::from_bits(0x0a00_0000 | number).into();
    let dst = Ipv4Addr::new(192, 0, 2, 1).into();
    let orig = Tuple { src, dst, proto: 17, l4: L4::Ports { src: 1000, dst: 53 }, zone: None };
    let counters = Some(Counters { packets: 1, bytes });
    CtMessage {
        orig,
        reply: orig.inverse(),
        id: Some(number),
        timeout: Some(30),
        counters_orig: counters,
        counters_reply: counters,
        ..CtMessage::default()
    }
}

fn pass(table: &mut FlowTable, numbers: impl Iterator<Item = u32>, bytes: u64) {
    table.begin_pass(clock::now(), Coverage::Whole);
    for number in numbers {
        table.observe(span(), Origin::Dump, &flow(number, bytes));
    }
    table.end_pass(clock::now(), Outcome::Complete);
}

/// What a client knows: bytes of the original direction by id.
#[derive(Debug, Default, PartialEq)]
struct Known(BTreeMap<FlowId, u64>);

impl Known {
    /// Applies messages up to a delta in step after which `until` holds.
    async fn follow(&mut self, client: &mut Client, until: impl Fn(&Self) -> bool) {
        loop {
            let ServerMessage::Delta(delta) = client.next().await else { continue };
            let rows = delta.rows().unwrap();
            for ended in rows.ended {
                self.0.remove(&ended.id);
            }
            for row in rows.new {
                self.0.insert(row.identity.id, row.traffic.orig.unwrap().bytes);
            }
            for (id, traffic) in rows.traffic {
                let known = self.0.get_mut(&id).expect("changes only of known flows");
                *known = traffic.orig.unwrap().bytes;
            }
            if delta.in_step && until(self) {
                return;
            }
        }
    }

    fn of(table: &FlowTable) -> Self {
        Self(table.flows().map(|row| (row.identity.id, row.traffic.orig.unwrap().bytes)).collect())
    }
}

async fn holds(feeder: &Feeder) -> Known {
    feeder.inspect(Known::of).await.unwrap()
}

#[tokio::test]
async fn clients_of_either_codec_hold_what_the_table_holds() {
    let (collector, feeder) = CollectorHandle::by_hand(Host::default()).unwrap();
    let loopback = Listen { address: (Ipv4Addr::LOCALHOST, 0).into(), need: Need::Required };
    let server = Server::new(collector, Listeners::for_peers(listen::tcp(&[loopback]).unwrap(), None), 8);
    let address = server.addresses()[0];
    let (stop, stopped) = oneshot::channel::<()>();
    let script = async {
        let mut clients = Vec::new();
        for hello in [HELLO, ZSTD_HELLO, HELLO] {
            let mut client = Client::tcp(address, Ipv4Addr::LOCALHOST).await;
            client.next().await;
            client.hello(hello).await;
            clients.push((client, Known::default()));
        }
        feeder.edit(|table| pass(table, 0..FLOWS, 100));
        for (client, known) in &mut clients {
            known.follow(client, |known| known.0.len() == FLOWS as usize).await;
            assert_eq!(*known, holds(&feeder).await);
        }
        // Half of them end, half of the rest move, some are new.
        feeder.edit(|table| {
            for number in 0..FLOWS / 2 {
                table.destroy(span(), &flow(number, 150));
            }
            pass(table, FLOWS / 2..FLOWS + 500, 200);
        });
        let mut late = Client::tcp(address, Ipv4Addr::LOCALHOST).await;
        late.next().await;
        late.hello(ZSTD_HELLO).await;
        clients.push((late, Known::default()));
        let expected = holds(&feeder).await;
        for (client, known) in &mut clients {
            known.follow(client, |known| *known == expected).await;
        }
        drop(stop);
    };
    let stopped = async {
        let _ = stopped.await;
    };
    tokio::join!(server.run(stopped), script);
}

fn part_of_a_pass(table: &mut FlowTable, numbers: std::ops::Range<u32>) {
    for number in numbers {
        table.observe(span(), Origin::Dump, &flow(number, 100));
    }
}

#[tokio::test]
async fn rows_stream_while_the_first_pass_runs() {
    let (collector, feeder) = CollectorHandle::by_hand(Host::default()).unwrap();
    let mut client = collector.subscribe(SubscriberConfig::default()).unwrap();
    let mut known = 0;
    let mut running = 0;
    for (from, to) in [(0, 700), (700, 1500), (1500, 4000)] {
        feeder.edit(move |table| {
            if from == 0 {
                table.begin_pass(clock::now(), Coverage::Whole);
            }
            part_of_a_pass(table, from..to);
        });
        while known < to as usize {
            for message in &client.next().await.unwrap().messages {
                assert!(!matches!(message, ServerMessage::Synced(_)), "the pass has not ended");
                let ServerMessage::Delta(delta) = message else { continue };
                let header = delta.header();
                assert_eq!((header.pass.number, header.pass.finished), (1, None));
                known += delta.new.len();
                running += usize::from(header.pass.read > 0);
            }
        }
    }
    assert!(running >= 3, "{running} deltas while the pass ran");
    feeder.edit(|table| {
        table.end_pass(clock::now(), Outcome::Complete);
    });
    loop {
        let frame = client.next().await.unwrap();
        if frame.messages.iter().any(|message| matches!(message, ServerMessage::Synced(_))) {
            break;
        }
    }
}

/// Where the bytes of a frame are, in either codec: the same place is the same encoding.
fn places(frame: &Frame) -> Vec<usize> {
    vec![
        frame.line().as_ptr().addr(),
        #[cfg(feature = "zstd")]
        frame.zstd().as_ptr().addr(),
    ]
}

#[tokio::test]
async fn clients_in_step_share_one_encoding() {
    const CLIENTS: usize = 9;
    const TICKS: u32 = 20;
    let (collector, feeder) = CollectorHandle::by_hand(Host::default()).unwrap();
    feeder.edit(|table| pass(table, 0..FLOWS, 1));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = collector.subscribe(SubscriberConfig::default()).unwrap();
        let mut synced = false;
        while !synced {
            let frame = client.next().await.unwrap();
            synced = frame.messages.iter().any(|message| matches!(message, ServerMessage::Synced(_)));
        }
        clients.push(client);
    }
    // The first tick finds them at different places; after it they are in step.
    let mut encodings = BTreeSet::new();
    for tick in 0..=TICKS {
        feeder.edit(move |table| pass(table, 0..FLOWS, 2 + u64::from(tick)));
        let mut frames = Vec::new();
        for client in &mut clients {
            let mut of_tick: Vec<Arc<Frame>> = Vec::new();
            while !of_tick.iter().any(|frame| ends_in_step(frame)) {
                of_tick.push(client.next().await.unwrap());
            }
            frames.push(of_tick);
        }
        if tick == 0 {
            continue;
        }
        let first: Vec<_> = frames[0].iter().map(|frame| places(frame)).collect();
        for others in &frames {
            assert_eq!(others.iter().map(|frame| places(frame)).collect::<Vec<_>>(), first, "tick {tick}");
        }
        encodings.extend(frames.into_iter().flatten().map(|frame| Arc::as_ptr(&frame).addr()));
    }
    assert!(encodings.len() <= 5 * TICKS as usize, "{} frames for {CLIENTS} clients", encodings.len());
}

fn ends_in_step(frame: &Frame) -> bool {
    frame.messages.iter().any(|message| matches!(message, ServerMessage::Delta(delta) if delta.in_step))
}

/// Flows that begin and go on changing while a client lags: each is sent whole once, then what changed.
#[test]
fn a_new_flow_goes_out_whole_once_however_long_the_client_lags() {
    let mut table = FlowTable::new(1, Limits::default());
    pass(&mut table, 0..50, 0);
    let (cursor, _) = table.open_cursor(None, Arc::new(Interest::default()));
    let (mut known, mut whole, mut changed) = (Known::default(), BTreeMap::<FlowId, u32>::new(), 0);
    let mut take = |table: &mut FlowTable, max| {
        let mut rows = DeltaRows::default();
        let chunk = table.next_chunk(cursor, max, &mut rows);
        for row in rows.new {
            *whole.entry(row.identity.id).or_default() += 1;
            known.0.insert(row.identity.id, row.traffic.orig.unwrap().bytes);
        }
        for (id, traffic) in rows.traffic {
            changed += 1;
            *known.0.get_mut(&id).expect("a flow that was sent") = traffic.orig.unwrap().bytes;
        }
        chunk.in_step
    };
    for _ in 0..51 {
        assert!(!take(&mut table, 1), "the walk over what was there");
        table.observe(span(), Origin::NewEvent, &flow(50, 0));
    }
    // Read later than the beginnings, not in the same millisecond: then it might be of flows before them.
    let begun = span().to;
    for round in 1..=20 {
        let at = BootMillis(begun.0 + round);
        for number in 50..60 {
            table.observe(ReadSpan { from: at, to: at }, Origin::Dump, &flow(number, round));
        }
        for _ in 0..3 {
            assert!(!take(&mut table, 1), "round {round}");
        }
    }
    assert!(take(&mut table, 1000));
    let held: BTreeMap<_, _> =
        table.flows().map(|row| (row.identity.id, row.traffic.orig.unwrap().bytes)).collect();
    assert_eq!(known.0, held);
    assert_eq!(whole.len(), 60);
    assert_eq!(whole.iter().find(|(_, times)| **times != 1), None, "{changed} changes");
    assert!(changed >= 57, "{changed}");
}
