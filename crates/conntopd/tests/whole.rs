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

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use client::{Client, HELLO, ZSTD_HELLO};
use conntop_proto::flow::FlowId;
use conntop_proto::message::{Coverage, Host, ServerMessage};
use conntopd::args::{Listen, Need};
use conntopd::collector::{CollectorHandle, Feeder, clock};
use conntopd::server::{Server, listen};
use conntopd::table::{FlowTable, Origin, Outcome, ReadSpan};
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
    let server = Server::new(collector, listen::tcp(&[loopback]).unwrap(), None, 8);
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
