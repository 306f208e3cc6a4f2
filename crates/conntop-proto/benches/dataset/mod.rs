//! What is measured: a router with 100,000 flows, of which 1,000 change each second.
//!
//! - Ids: 1 to 100,000; those that change are drawn from all with the same chance.
//! - Protocols: 65 % TCP established, 5 % TCP with data unacknowledged, 20 % UDP both ways, 10 % UDP
//!   without an answer. A packet sets the timeout to its protocol's value, and the kernel cuts off
//!   the fraction of a second that has passed since, so 431,999, 299, 119 and 29 are what is read.
//! - Packets: every order of magnitude is as likely, from 1 to 10^3 in [`Sizes::Usual`], to 10^5 in
//!   [`Sizes::Large`]; bytes: 40 to 1,440 for each packet, uniformly, in each direction on its own.
//! - Addresses: 10.20.0.0/16 to anywhere; half of the flows leave by source NAT to one address.
//! - Rows are read up to `spread` before the delta is made, uniformly.
#![allow(dead_code, unreachable_pub, reason = "each user takes its part")]

use std::net::{IpAddr, Ipv4Addr};

use conntop_proto::codec::encode_line;
use conntop_proto::delta::{DeltaHeader, DeltaRows};
use conntop_proto::flow::{
    BootMillis, Counters, FlowId, FlowRow, IdentityRow, MetaRow, State, StateRow, Status, TrafficRow,
};
use conntop_proto::limits::MAX_CHUNK_FLOWS;
use conntop_proto::message::{Coverage, Delta, Pass, ServerMessage};
use conntop_proto::tuple::{L4, Proto, Tuple};

/// When the deltas are made: ten days after the boot.
pub const AT: BootMillis = BootMillis(864_000_123);
/// Flows in the table.
pub const FLOWS: u64 = 100_000;
/// Flows that change in a second.
pub const CHANGES: usize = 1000;

/// How large counters are.
#[derive(Clone, Copy, Debug)]
pub enum Sizes {
    /// 1 to 10^3 packets.
    Usual,
    /// 1 to 10^5 packets.
    Large,
}

/// xorshift: the same figures in every run.
pub struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Random {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    /// Every order of magnitude from 1 to 10^digits is as likely.
    fn magnitude(&mut self, digits: u64) -> u64 {
        let digits = u32::try_from(self.below(digits)).unwrap_or(0);
        let lowest = 10_u64.pow(digits);
        lowest + self.below(9 * lowest)
    }
}

/// The kind of a flow: protocol, what its timeout reads, state and status.
fn kind(random: &mut Random) -> (Proto, u64, State, u32) {
    match random.below(20) {
        0..13 => (Proto::TCP, 431_999, State::Established, 0x18e),
        13 => (Proto::TCP, 299, State::Established, 0x18e),
        14..18 => (Proto::UDP, 119, State::Assured, 0x18e),
        _ => (Proto::UDP, 29, State::Unreplied, 0x188),
    }
}

fn traffic_of(random: &mut Random, timeout: u64, sizes: Sizes, spread: u64) -> TrafficRow {
    let digits = match sizes {
        Sizes::Usual => 3,
        Sizes::Large => 5,
    };
    let mut counters = || {
        let packets = random.magnitude(digits);
        Counters { packets, bytes: packets * (40 + random.below(1400)) }
    };
    let (orig, reply) = (Some(counters()), Some(counters()));
    let sampled = BootMillis(AT.0 - random.below(spread + 1));
    TrafficRow { orig, reply, resets: 0, expires: Some(BootMillis(sampled.0 + timeout * 1000)), sampled }
}

/// One second's changed counters.
pub fn changes(sizes: Sizes, spread: u64) -> DeltaRows {
    let mut random = Random::default();
    let mut ids = std::collections::BTreeSet::new();
    while ids.len() < CHANGES {
        ids.insert(1 + random.below(FLOWS));
    }
    let row = |id| {
        let (_, timeout, ..) = kind(&mut random);
        (FlowId(id), traffic_of(&mut random, timeout, sizes, spread))
    };
    DeltaRows { traffic: ids.into_iter().map(row).collect(), ..DeltaRows::default() }
}

/// Whole flows, as a client gets them that connects.
pub fn flows(count: u64, sizes: Sizes, spread: u64) -> Vec<FlowRow> {
    let mut random = Random::default();
    (1..=count).map(|id| flow(id, &mut random, sizes, spread)).collect()
}

fn flow(id: u64, random: &mut Random, sizes: Sizes, spread: u64) -> FlowRow {
    const DPORTS: [u16; 6] = [443, 443, 443, 80, 53, 22];
    let [.., c, d] = random.below(0xffff).to_be_bytes();
    let src = IpAddr::V4(Ipv4Addr::new(10, 20, c, d));
    let [.., a, b, c, d] = random.below(0xdfff_ffff).to_be_bytes();
    let dst = IpAddr::V4(Ipv4Addr::new(a.max(1), b, c, d));
    let (proto, timeout, state, status) = kind(random);
    let sport = 32_768 + u16::try_from(random.below(28_000)).unwrap_or(0);
    let dport = usize::try_from(random.below(6)).ok().and_then(|i| DPORTS.get(i)).copied().unwrap_or(443);
    let orig = Tuple { src, dst, proto, l4: L4::Ports { src: sport, dst: dport } };
    let mut reply = orig.inverse();
    let nat = id.is_multiple_of(2);
    if nat {
        reply.dst = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
    }
    let traffic = traffic_of(random, timeout, sizes, spread);
    FlowRow {
        identity: IdentityRow {
            id: FlowId(id),
            zone: 0,
            orig,
            reply,
            reply_zone: 0,
            ct_id: u32::try_from(random.below(u32::MAX.into())).ok(),
            start: None,
            first_seen: BootMillis(traffic.sampled.0 - random.below(600_000)),
            born: false,
            master: None,
        },
        state: StateRow { state, status: Status(status | if nat { 0x10 } else { 0 }) },
        traffic,
        meta: MetaRow::default(),
    }
}

/// A header as in the tenth day, with a pass that is just done.
pub fn header(took: u64) -> DeltaHeader {
    DeltaHeader {
        cursor: 123_456_789,
        in_step: true,
        at: AT,
        pass: Pass {
            number: 86_400,
            coverage: Coverage::Whole,
            started: BootMillis(AT.0 - took - 3),
            finished: Some(BootMillis(AT.0 - 3)),
            read: FLOWS,
            dirty: false,
        },
    }
}

/// The deltas of rows, in chunks as a session makes them.
pub fn deltas(rows: &DeltaRows, header: DeltaHeader) -> Vec<ServerMessage> {
    let chunk = |rows: DeltaRows| rows.into_deltas(header);
    let delta = |delta: Delta| ServerMessage::Delta(Box::new(delta));
    if rows.new.is_empty() {
        return chunk(rows.clone()).into_iter().map(delta).collect();
    }
    let parts = rows.new.chunks(MAX_CHUNK_FLOWS);
    let parts = parts.map(|new| DeltaRows { new: new.to_vec(), ..DeltaRows::default() });
    parts.flat_map(chunk).map(delta).collect()
}

/// Lines of messages.
pub fn lines(messages: &[ServerMessage]) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        if let Err(error) = encode_line(message, &mut out) {
            eprintln!("{error}");
        }
    }
    out
}
