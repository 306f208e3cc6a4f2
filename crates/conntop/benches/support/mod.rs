//! A router's table of any size, as its messages: nine of ten flows leave by a masqueraded uplink,
//! one of ten is between the networks of the house.
#![allow(dead_code, reason = "not every benchmark needs everything")]
#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    reason = "a benchmark"
)]

use std::net::{IpAddr, Ipv4Addr};

use conntop::engine::Engine;
use conntop::flow::{Now, Source};
use conntop_proto::delta::{DeltaHeader, DeltaRows};
use conntop_proto::flow::{
    BootMillis, Counters, FlowId, FlowRow, IdentityRow, MetaRow, State, StateRow, Status, TrafficRow,
};
use conntop_proto::message::{Host, HostAddress, Pass, Reset, ResetReason, ServerMessage, Synced};
use conntop_proto::tuple::{L4, Proto, Tuple};

/// Sizes of tables that are measured.
pub(crate) const SIZES: [u64; 3] = [1_000, 100_000, 1_000_000];
/// Rows of one delta: what a collector sends at most.
const CHUNK: u64 = 1_000;
/// The router's outer address.
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));

fn address(number: u64) -> IpAddr {
    let bits = u32::try_from(number % (1 << 32)).unwrap_or_default();
    IpAddr::V4(Ipv4Addr::from_bits(bits))
}

fn port(number: u64) -> u16 {
    u16::try_from(1024 + number % 60_000).unwrap_or_default()
}

/// Flow number `id`, found in the table.
pub(crate) fn flow(id: u64) -> FlowRow {
    let mixed = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let inside = address(0xc0a8_0000 + mixed % 4096);
    let internal = id.is_multiple_of(10);
    let far = if internal { address(0x0a00_0000 + id % 65_536) } else { address(0x5000_0000 + mixed) };
    let dport = [443, 443, 80, 53, 22][usize::try_from(id % 5).unwrap_or_default()];
    let (proto, state) =
        if dport == 53 { (Proto::UDP, State::Assured) } else { (Proto::TCP, State::Established) };
    let orig = Tuple { src: inside, dst: far, proto, l4: L4::Ports { src: port(id), dst: dport } };
    let mut reply = orig.inverse();
    let mut status = Status(14);
    if !internal {
        reply.dst = OUTSIDE;
        status.0 |= Status::SRC_NAT.0;
    }
    FlowRow {
        identity: IdentityRow {
            id: FlowId(id),
            zone: 0,
            orig,
            reply,
            reply_zone: 0,
            ct_id: u32::try_from(id).ok(),
            start: None,
            first_seen: BootMillis(1_000),
            born: false,
            master: None,
        },
        state: StateRow { state, status },
        traffic: traffic(1_000, id * 7919 % 1_000_003),
        meta: MetaRow::default(),
    }
}

/// Counters read at that time.
pub(crate) fn traffic(at: u64, bytes: u64) -> TrafficRow {
    TrafficRow {
        orig: Some(Counters { packets: bytes / 100, bytes }),
        reply: Some(Counters { packets: bytes / 50, bytes: bytes * 3 }),
        resets: 0,
        expires: Some(BootMillis(at + 100_000)),
        sampled: BootMillis(at),
    }
}

/// A delta after the pass of that number, one a second.
pub(crate) fn delta(number: u64, in_step: bool, rows: DeltaRows) -> ServerMessage {
    let started = BootMillis(number * 1_000);
    let at = BootMillis(started.0 + 200);
    let pass = Pass { number, started, finished: Some(BootMillis(started.0 + 100)), ..Pass::default() };
    ServerMessage::Delta(Box::new(rows.into_delta(DeltaHeader { cursor: number, in_step, at, pass })))
}

/// The messages of a first transfer of `flows` flows.
pub(crate) fn snapshot(flows: u64) -> Vec<ServerMessage> {
    let own = |address| HostAddress { address, prefix: 24, interface: 1 };
    let addresses = vec![own(OUTSIDE), own(address(0xc0a8_0001))];
    let mut messages = vec![
        ServerMessage::Host(Host { addresses, ..Host::default() }),
        ServerMessage::Reset(Reset { epoch: 1, reason: ResetReason::Start }),
    ];
    for from in (0..flows).step_by(CHUNK as usize) {
        let new = (from..flows.min(from + CHUNK)).map(flow).collect();
        let rows = DeltaRows { new, ..DeltaRows::default() };
        messages.push(delta(1, from + CHUNK >= flows, rows));
    }
    messages.push(ServerMessage::Synced(Synced { cursor: 1 }));
    messages
}

/// The messages of pass `number`, in which `moved` flows, spread over `flows`, have moved.
pub(crate) fn updates(number: u64, flows: u64, moved: u64) -> Vec<ServerMessage> {
    let step = (flows / moved.max(1)).max(1);
    let ids: Vec<u64> = (0..flows).step_by(step as usize).take(moved as usize).collect();
    let chunks = ids.chunks(CHUNK as usize);
    let last = chunks.len().saturating_sub(1);
    let rows = |ids: &[u64]| DeltaRows {
        traffic: ids
            .iter()
            .map(|id| {
                let bytes = id * 7919 % 1_000_003 + number * (id % 50_000);
                (FlowId(*id), traffic(number * 1_000 + 50, bytes))
            })
            .collect(),
        ..DeltaRows::default()
    };
    chunks.enumerate().map(|(at, ids)| delta(number, at == last, rows(ids))).collect()
}

/// Applies messages as the source would hand them on.
pub(crate) fn apply(engine: &mut Engine, messages: &[ServerMessage]) {
    let now = std::time::Instant::now();
    for message in messages {
        engine.apply_message(message, now).expect("a sound message");
    }
}

/// A table of that size of which one flow in ten has moved in each of five passes.
pub(crate) fn world(flows: u64) -> Engine {
    let mut engine = Engine::default();
    apply(&mut engine, &snapshot(flows));
    for number in 2..7 {
        apply(&mut engine, &updates(number, flows, flows / 10));
    }
    engine
}

/// What rows are made from.
pub(crate) fn source(engine: &Engine) -> Source<'_> {
    let boot = engine.mirror().position().at;
    Source::only(engine.mirror(), Now { boot, wall: None })
}
