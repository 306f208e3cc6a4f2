//! Flows as JSON: raw values under the keys of the columns, unknown ones null, and both tuples with
//! all that the kernel tells about them.

use std::net::IpAddr;

use conntop_proto::flow::{BootMillis, Counters, EndReason, State};
use conntop_proto::tuple::{L4, Tuple};
use serde::Serialize;

use crate::engine::Engine;
use crate::mirror::{EndedFlow, Flow, Rates};
use crate::orient::Dir;

/// One flow.
#[derive(Debug, Serialize)]
pub struct FlowJson<'a> {
    /// Our id, unique in the collector's epoch.
    flow: u64,
    /// The kernel's id, not unique.
    id: Option<u32>,
    /// Name of the protocol, or its number.
    proto: Proto,
    /// State by its protocol name.
    state: State,
    /// `in`, `out`, `internal`, `transit`.
    dir: &'static str,
    src: IpAddr,
    sport: Option<u16>,
    dst: IpAddr,
    dport: Option<u16>,
    /// Bytes per second towards the local end; null when unknown or not asked for.
    #[serde(rename = "down_Bps")]
    down_bps: Option<u64>,
    /// Bytes per second from the local end.
    #[serde(rename = "up_Bps")]
    up_bps: Option<u64>,
    /// Bytes of both directions since the flow began.
    bytes: Option<u64>,
    /// Packets of both directions since the flow began.
    packets: Option<u64>,
    /// Seconds since the flow began; null when it was there before the collector looked and the
    /// kernel gave no time.
    age: Option<u64>,
    /// Whole seconds until the entry expires.
    timeout: Option<u64>,
    /// Microseconds since 1970.
    start: Option<u64>,
    /// Bits as the kernel gives them.
    status: u32,
    mark: u32,
    zone: u16,
    reply_zone: u16,
    /// 128 bits in hexadecimal.
    labels: Option<String>,
    helper: Option<&'a str>,
    /// How often the kernel's counters fell.
    resets: u32,
    orig: Direction,
    reply: Direction,
    /// Original tuple of the flow that this one belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    master: Option<Direction>,
    #[serde(flatten)]
    end: Option<EndJson>,
}

/// How a flow ended.
#[derive(Debug, Serialize)]
struct EndJson {
    end: EndReason,
    /// Microseconds since 1970.
    stop: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Proto {
    Name(&'static str),
    Number(u8),
}

/// One direction.
#[derive(Debug, Serialize)]
struct Direction {
    src: IpAddr,
    dst: IpAddr,
    /// Number of the protocol.
    protonum: u8,
    #[serde(flatten)]
    l4: L4Json,
    packets: Option<u64>,
    bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum L4Json {
    None {},
    Ports { sport: u16, dport: u16 },
    Icmp { icmp_id: u16, icmp_type: u8, icmp_code: u8 },
}

impl Direction {
    fn new(tuple: &Tuple, counters: Option<Counters>) -> Self {
        let l4 = match tuple.l4 {
            L4::None => L4Json::None {},
            L4::Ports { src, dst } => L4Json::Ports { sport: src, dport: dst },
            L4::Icmp { id, ty, code } => L4Json::Icmp { icmp_id: id, icmp_type: ty, icmp_code: code },
        };
        Self {
            src: tuple.src,
            dst: tuple.dst,
            protonum: tuple.proto.0,
            l4,
            packets: counters.map(|c| c.packets),
            bytes: counters.map(|c| c.bytes),
        }
    }
}

impl<'a> FlowJson<'a> {
    /// A live flow at `now`; `rates` when they were asked for and are known.
    #[must_use]
    pub fn live(engine: &Engine, flow: &'a Flow, rates: Option<Rates>, now: BootMillis) -> Self {
        Self::new(engine, flow, rates, now, None)
    }

    /// An ended flow; its age is its duration.
    #[must_use]
    pub fn ended(engine: &Engine, ended: &'a EndedFlow) -> Self {
        let end = EndJson { end: ended.reason, stop: ended.stop };
        Self::new(engine, &ended.flow, None, ended.at, Some(end))
    }

    fn new(
        engine: &Engine,
        flow: &'a Flow,
        rates: Option<Rates>,
        at: BootMillis,
        end: Option<EndJson>,
    ) -> Self {
        let (orig, reply) = (flow.orig(), flow.reply());
        let (oc, rc) = (flow.orig_counters(), flow.reply_counters());
        let ports = match orig.l4 {
            L4::Ports { src, dst } => (Some(src), Some(dst)),
            L4::None | L4::Icmp { .. } => (None, None),
        };
        let dir = Dir::from(flow.class());
        let down_up = rates.map(|r| dir.down_up(r.orig, r.reply));
        let sum = |f: fn(Counters) -> u64| Some(oc.map(f)?.saturating_add(rc.map(f)?));
        Self {
            flow: flow.id().0,
            id: flow.ct_id(),
            proto: orig.proto.name().map_or(Proto::Number(orig.proto.0), Proto::Name),
            state: flow.state(),
            dir: dir.word(),
            src: orig.src,
            sport: ports.0,
            dst: orig.dst,
            dport: ports.1,
            down_bps: down_up.map(|r| r.0),
            up_bps: down_up.map(|r| r.1),
            bytes: sum(|c| c.bytes),
            packets: sum(|c| c.packets),
            age: age(engine, flow, at),
            timeout: flow.expires().map(|e| (e.since(at) + 500) / 1000),
            start: flow.start(),
            status: flow.status().0,
            mark: flow.mark(),
            zone: flow.zone(),
            reply_zone: flow.reply_zone(),
            labels: flow.labels().map(|bits| format!("{bits:#x}")),
            helper: flow.helper(),
            resets: flow.resets(),
            orig: Direction::new(orig, oc),
            reply: Direction::new(reply, rc),
            master: flow.master().map(|tuple| Direction::new(tuple, None)),
            end,
        }
    }
}

/// Seconds since the flow began, if that is known.
fn age(engine: &Engine, flow: &Flow, at: BootMillis) -> Option<u64> {
    let by_stamp = || Some(engine.wall_micros(at)?.checked_sub(flow.start()?)? / 1_000_000);
    if flow.born() { Some(at.since(flow.first_seen()) / 1000) } else { by_stamp() }
}
