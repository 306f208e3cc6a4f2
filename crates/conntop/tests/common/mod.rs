//! Short words for making flows and deltas.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};

use conntop::mirror::Mirror;
use conntop::source::SourceEvent;
use conntop_proto::delta::{DeltaHeader, DeltaRows, EndedRow};
use conntop_proto::flow::{
    BootMillis, Counters, EndReason, FlowId, FlowRow, IdentityRow, MetaRow, State, StateRow, Status,
    TrafficRow,
};
use conntop_proto::message::{
    Clock, Coverage, KernelFacts, Pass, Reset, ResetReason, ServerHello, ServerMessage, Synced,
};
use conntop_proto::tuple::{L4, Proto, Tuple};

pub fn addr(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))
}

pub fn tuple(sport: u16) -> Tuple {
    Tuple { src: addr(1), dst: addr(2), proto: Proto::TCP, l4: L4::Ports { src: sport, dst: 443 } }
}

/// A TCP flow whose source port is its id, found in the table, not sampled.
pub fn flow(id: u64) -> FlowRow {
    let orig = tuple(u16::try_from(id % 60_000).unwrap());
    FlowRow {
        identity: IdentityRow {
            id: FlowId(id),
            zone: 0,
            orig,
            reply: orig.inverse(),
            reply_zone: 0,
            ct_id: None,
            start: None,
            first_seen: BootMillis(1_000),
            born: false,
            master: None,
        },
        state: StateRow { state: State::Established, status: Status(14) },
        traffic: TrafficRow::default(),
        meta: MetaRow::default(),
    }
}

/// Counters read at `at`: bytes of both directions.
pub fn traffic(at: u64, orig: u64, reply: u64) -> TrafficRow {
    TrafficRow {
        orig: Some(Counters { packets: 1, bytes: orig }),
        reply: Some(Counters { packets: 1, bytes: reply }),
        sampled: BootMillis(at),
        ..TrafficRow::default()
    }
}

pub fn ended(id: u64, at: u64, traffic: TrafficRow) -> EndedRow {
    EndedRow {
        id: FlowId(id),
        at: BootMillis(at),
        reason: EndReason::Destroyed,
        stop: None,
        traffic,
        short: None,
    }
}

/// Pass `number`, one second each, read within 100 ms.
pub fn pass(number: u64) -> Pass {
    let started = BootMillis(number * 1000);
    Pass {
        number,
        coverage: Coverage::Whole,
        started,
        finished: Some(BootMillis(started.0 + 100)),
        read: 0,
        dirty: false,
    }
}

/// A collector that gives so much.
pub fn hello(kernel: KernelFacts) -> SourceEvent {
    SourceEvent::Connected(Box::new(ServerHello {
        protocol: 1,
        server: "conntopd".to_owned(),
        name: "router".to_owned(),
        epoch: 1,
        platform: "Linux".to_owned(),
        features: Vec::new(),
        codecs: Vec::new(),
        interval_ms: 1000,
        kernel,
        clock: Clock::default(),
        sandbox: None,
    }))
}

pub fn reset(epoch: u64, reason: ResetReason) -> ServerMessage {
    ServerMessage::Reset(Reset { epoch, reason })
}

pub fn synced() -> ServerMessage {
    ServerMessage::Synced(Synced { cursor: 0 })
}

/// The delta after pass `number`, with nothing pending.
pub fn delta(number: u64, rows: DeltaRows) -> ServerMessage {
    let at = BootMillis(number * 1000 + 200);
    ServerMessage::Delta(Box::new(rows.into_delta(DeltaHeader {
        cursor: number,
        in_step: true,
        at,
        pass: pass(number),
    })))
}

pub fn apply(mirror: &mut Mirror, messages: &[ServerMessage]) {
    for message in messages {
        mirror.apply(message).unwrap();
    }
}

/// Everything a mirror holds, by id.
pub fn rows(mirror: &Mirror) -> Vec<FlowRow> {
    let mut rows: Vec<FlowRow> = mirror.flows().map(|(_, flow)| flow.row()).collect();
    rows.sort_by_key(|row| row.identity.id);
    rows
}

pub fn ids(mirror: &Mirror) -> Vec<u64> {
    rows(mirror).iter().map(|row| row.identity.id.0).collect()
}

/// A delta at `at` while, or after, that pass.
pub fn delta_of(cursor: u64, at: u64, pass: Pass, rows: DeltaRows) -> ServerMessage {
    let header = DeltaHeader { cursor, in_step: true, at: BootMillis(at), pass };
    ServerMessage::Delta(Box::new(rows.into_delta(header)))
}
