//! Writes the recording that the screen tests and the README's picture replay: half a minute at a
//! router of an office. Everything is computed, so two runs give the same bytes:
//! `cargo run -p conntop --example fixture > crates/conntop/tests/fixtures/office.ndjson`

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use conntop_proto::codec::encode_line;
use conntop_proto::delta::{DeltaHeader, DeltaRows, EndedRow};
use conntop_proto::flow::{
    BootMillis, Counters, EndReason, FlowId, FlowRow, IdentityRow, MetaRow, State, StateRow, Status,
    TrafficRow,
};
use conntop_proto::message::{
    Clock, Coverage, Host, HostAddress, Interface, InterfaceState, Interfaces, KernelFacts, LinkCounters,
    LinkState, Listener, Listeners, Origin, Pass, Reset, ResetReason, ServerHello, ServerMessage, Sight,
    Synced, TableStats,
};
use conntop_proto::tuple::{L4, Proto, Tuple};

/// 2026-11-21 12:04:00 UTC.
const WALL_MS: u64 = 1_795_262_640_000;
const BOOT_MS: u64 = 86_400_000 * 12;
const TICKS: u64 = 24;
const WAN: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

/// A flow that lives in the recording.
struct Live {
    row: FlowRow,
    /// Bytes per second of both directions.
    pace: (u64, u64),
    /// Tick at which it ends.
    ends: Option<u64>,
}

/// What a flow is; each line of the table below.
struct Kind {
    proto: Proto,
    port: u16,
    state: State,
    pace: (u64, u64),
    timeout: u64,
}

const IDLE: &Kind = &Kind { proto: Proto::UDP, port: 53, state: State::Replied, pace: (0, 0), timeout: 28 };

const KINDS: &[Kind] = &[
    Kind {
        proto: Proto::TCP,
        port: 443,
        state: State::Established,
        pace: (9_000, 410_000),
        timeout: 431_990,
    },
    Kind { proto: Proto::UDP, port: 443, state: State::Assured, pace: (41_000, 1_260_000), timeout: 118 },
    Kind { proto: Proto::TCP, port: 443, state: State::Established, pace: (120, 900), timeout: 431_200 },
    Kind { proto: Proto::UDP, port: 53, state: State::Replied, pace: (0, 0), timeout: 28 },
    Kind { proto: Proto::TCP, port: 22, state: State::Established, pace: (2_100, 5_300), timeout: 431_998 },
    Kind { proto: Proto::TCP, port: 993, state: State::Established, pace: (0, 0), timeout: 430_000 },
    Kind { proto: Proto::TCP, port: 80, state: State::TimeWait, pace: (0, 0), timeout: 71 },
    Kind { proto: Proto::UDP, port: 123, state: State::Unreplied, pace: (0, 0), timeout: 19 },
    Kind { proto: Proto::TCP, port: 5222, state: State::Established, pace: (30, 40), timeout: 431_900 },
    Kind { proto: Proto::TCP, port: 443, state: State::SynSent, pace: (0, 0), timeout: 110 },
    Kind { proto: Proto::TCP, port: 443, state: State::CloseWait, pace: (0, 0), timeout: 55 },
    Kind { proto: Proto::UDP, port: 51820, state: State::Assured, pace: (640_000, 88_000), timeout: 119 },
];

const SERVERS: &[[u8; 4]] = &[
    [142, 250, 185, 78],
    [151, 101, 1, 69],
    [104, 16, 132, 229],
    [93, 184, 216, 34],
    [52, 95, 110, 1],
    [185, 199, 108, 153],
    [17, 253, 144, 10],
    [9, 9, 9, 9],
];

fn main() -> io::Result<()> {
    let mut out = Vec::new();
    let mut flows: Vec<Live> = (0..64).map(|n| flow(n, 0)).collect();
    let mut next = 64;
    emit(&mut out, &ServerMessage::Hello(Box::new(hello())))?;
    emit(&mut out, &ServerMessage::Host(host()))?;
    emit(&mut out, &ServerMessage::Reset(Reset { epoch: 7, reason: ResetReason::Start }))?;
    emit(&mut out, &ServerMessage::Listeners(listeners()))?;
    emit(&mut out, &ServerMessage::Interfaces(links(0)))?;
    emit(&mut out, &table(0, flows.len()))?;
    let rows = flows.iter().map(|live| live.row.clone()).collect();
    delta(&mut out, 0, DeltaRows { new: rows, ..DeltaRows::default() })?;
    emit(&mut out, &ServerMessage::Synced(Synced { cursor: 1 }))?;
    for tick in 1..=TICKS {
        let mut rows = DeltaRows::default();
        flows.retain_mut(|live| {
            if live.ends == Some(tick) {
                rows.ended.push(end(live, tick));
                return false;
            }
            if live.pace != (0, 0) {
                advance(live, tick);
                rows.traffic.push((live.row.identity.id, live.row.traffic));
            }
            true
        });
        for _ in 0..3 {
            let fresh = flow(next, tick);
            rows.new.push(fresh.row.clone());
            flows.push(fresh);
            next += 1;
        }
        delta(&mut out, tick, rows)?;
        emit(&mut out, &ServerMessage::Interfaces(links(tick)))?;
        emit(&mut out, &table(tick, flows.len()))?;
    }
    io::stdout().lock().write_all(&out)
}

fn emit(out: &mut Vec<u8>, message: &ServerMessage) -> io::Result<()> {
    encode_line(message, out).map_err(io::Error::other)
}

fn delta(out: &mut Vec<u8>, tick: u64, rows: DeltaRows) -> io::Result<()> {
    let started = BootMillis(at(tick).0 - 4);
    let pass = Pass {
        number: tick + 1,
        coverage: Coverage::Whole,
        started,
        finished: Some(BootMillis(started.0 + 2)),
        read: 64,
        dirty: false,
    };
    let header = DeltaHeader { cursor: tick + 1, in_step: true, at: at(tick), pass };
    emit(out, &ServerMessage::Delta(Box::new(rows.into_delta(header))))
}

fn at(tick: u64) -> BootMillis {
    BootMillis(BOOT_MS + tick * 1000)
}

/// A number that looks random and is the same every time.
fn mix(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn small(seed: u64, below: u64) -> u8 {
    u8::try_from(mix(seed) % below).unwrap_or(0)
}

fn port(seed: u64) -> u16 {
    u16::try_from(32_768 + mix(seed) % 28_000).unwrap_or(40_000)
}

fn pick<T>(from: &[T], seed: u64) -> Option<&T> {
    let len = u64::try_from(from.len()).ok()?;
    from.get(usize::try_from(mix(seed) % len).ok()?)
}

fn flow(number: u64, tick: u64) -> Live {
    let forwarded = number % 11 == 5 && number % 7 != 3;
    let kind = if forwarded { KINDS.first() } else { pick(KINDS, number) }.unwrap_or(IDLE);
    let (orig, reply, nat) = tuples(number, kind);
    let share = 1 + mix(number ^ 0x77) % 97;
    let pace = (kind.pace.0 * share / 40, kind.pace.1 * share / 40);
    let answered = !matches!(kind.state, State::Unreplied | State::SynSent);
    let mut status = Status::CONFIRMED.0 | nat;
    if answered {
        status |= Status::SEEN_REPLY.0;
    }
    if matches!(kind.state, State::Established | State::Assured | State::TimeWait | State::CloseWait) {
        status |= Status::ASSURED.0;
    }
    let lived = if tick == 0 { mix(number ^ 5) % 7_200_000 } else { 300 };
    let bytes = |per_second: u64| 240 + per_second * (lived / 1000).min(600) + mix(number) % 9_000;
    let count = |bytes: u64| Counters { packets: bytes / 700 + 1, bytes };
    let row = FlowRow {
        identity: IdentityRow {
            id: FlowId(number + 1),
            zone: 0,
            orig,
            reply,
            reply_zone: 0,
            ct_id: u32::try_from(mix(number) % 4_000_000_000).ok(),
            start: Some((WALL_MS + tick * 1000 - lived) * 1000),
            first_seen: BootMillis(at(tick).0 - if tick == 0 { 40 } else { 300 }),
            born: tick > 0,
            master: None,
        },
        state: StateRow { state: kind.state, status: Status(status) },
        traffic: TrafficRow {
            orig: Some(count(bytes(pace.0))),
            reply: Some(if answered { count(bytes(pace.1)) } else { Counters::default() }),
            resets: 0,
            expires: Some(BootMillis(at(tick).0 + kind.timeout * 1000)),
            sampled: BootMillis(at(tick).0 - 3),
        },
        meta: MetaRow { mark: if number.is_multiple_of(9) { 0x10 } else { 0 }, ..MetaRow::default() },
    };
    let brief = matches!(kind.state, State::Replied | State::TimeWait | State::Unreplied);
    let ends = brief.then(|| tick + 2 + mix(number ^ 3) % TICKS);
    Live { row, pace, ends }
}

/// Mostly masqueraded clients; some IPv6 of the router itself, some port forwards from outside, one tunnel.
fn tuples(number: u64, kind: &Kind) -> (Tuple, Tuple, u32) {
    let client = Ipv4Addr::new(192, 168, 1, 10 + small(number ^ 1, 23));
    let server = pick(SERVERS, number ^ 2).copied().unwrap_or([9, 9, 9, 9]);
    let source = port(number);
    if number % 7 == 3 {
        let near = Ipv6Addr::new(0x2001, 0xdb8, 0x40, 1, 0, 0, 0, 1);
        let far = Ipv6Addr::new(0x2a00, 0x1450, 0x4001, 0x82a, 0, 0, 0, 0x200e);
        let orig = tuple(near.into(), far.into(), kind.proto, (source, kind.port));
        return (orig, orig.inverse(), 0);
    }
    if number % 11 == 5 {
        let inside = Ipv4Addr::new(192, 168, 1, 5);
        let from = Ipv4Addr::new(198, 51, 100, small(number, 250));
        let orig = tuple(from.into(), WAN.into(), Proto::TCP, (source, 8443));
        let real = tuple(inside.into(), from.into(), Proto::TCP, (443, source));
        return (orig, real, Status::DST_NAT.0);
    }
    let orig = tuple(client.into(), server.into(), kind.proto, (source, kind.port));
    let back = tuple(server.into(), WAN.into(), kind.proto, (kind.port, source));
    (orig, back, Status::SRC_NAT.0)
}

fn tuple(src: IpAddr, dst: IpAddr, proto: Proto, ports: (u16, u16)) -> Tuple {
    Tuple { src, dst, proto, l4: L4::Ports { src: ports.0, dst: ports.1 } }
}

fn advance(live: &mut Live, tick: u64) {
    let wave = 25 + mix(tick) % 90 + mix(tick ^ live.row.identity.id.0 << 8) % 30;
    for (counters, pace) in
        [(&mut live.row.traffic.orig, live.pace.0), (&mut live.row.traffic.reply, live.pace.1)]
    {
        if let Some(counters) = counters {
            let bytes = pace * wave / 100;
            counters.bytes += bytes;
            counters.packets += bytes / 900 + 1;
        }
    }
    live.row.traffic.sampled = BootMillis(at(tick).0 - 3);
    let left = live.row.traffic.expires.map_or(0, |expires| expires.since(at(tick - 1)));
    live.row.traffic.expires = Some(BootMillis(at(tick).0 + left));
}

fn end(live: &Live, tick: u64) -> EndedRow {
    let traffic = TrafficRow { expires: None, ..live.row.traffic };
    EndedRow {
        id: live.row.identity.id,
        at: BootMillis(at(tick).0 - 100),
        reason: EndReason::Destroyed,
        stop: Some((WALL_MS + tick * 1000 - 100) * 1000),
        traffic,
        short: None,
    }
}

fn hello() -> ServerHello {
    ServerHello {
        protocol: 1,
        server: "conntopd 0.1.0".into(),
        name: "router1".into(),
        epoch: 7,
        platform: "Linux 6.18.0 x86_64".into(),
        features: Sight::ALL.map(|sight| sight.feature().to_owned()).to_vec(),
        codecs: Vec::new(),
        interval_ms: 1000,
        kernel: KernelFacts {
            acct: Some(true),
            timestamp: Some(true),
            events: Some(2),
            max: Some(262_144),
            buckets: Some(262_144),
            listening: true,
            event_buffer: Some(16 << 20),
            netns: Some(4_026_531_840),
            tracking: Some(true),
            origin: Origin::Conntrack,
        },
        clock: Clock { boot: at(0), wall_ms: WALL_MS },
        sandbox: None,
    }
}

fn host() -> Host {
    Host {
        addresses: vec![
            HostAddress { address: Ipv4Addr::new(192, 168, 1, 1).into(), prefix: 24, interface: 2 },
            HostAddress { address: WAN.into(), prefix: 24, interface: 3 },
            HostAddress {
                address: Ipv6Addr::new(0x2001, 0xdb8, 0x40, 1, 0, 0, 0, 1).into(),
                prefix: 64,
                interface: 2,
            },
        ],
        networks: vec!["192.168.1.0/24".into(), "2001:db8:40:1::/64".into()],
        interfaces: vec![
            Interface { index: 2, name: "lan0".into() },
            Interface { index: 3, name: "wan0".into() },
        ],
        ..Host::default()
    }
}

/// What passes the office's interfaces, as their drivers count.
fn links(tick: u64) -> Interfaces {
    let counters = |bytes: u64, drops: u64| LinkCounters {
        bytes: 40_000_000_000 + bytes,
        packets: 52_000_000 + bytes / 910,
        errors: 0,
        drops,
    };
    let (down, up) = (0..tick).fold((0, 0), |(down, up), at| {
        let wave = 25 + mix(at) % 90;
        (down + 7_400_000 * wave / 100, up + 4_800_000 * wave / 100)
    });
    let link = |index, name: &str, state, received, sent| InterfaceState {
        index,
        name: name.into(),
        kind: None,
        state,
        mtu: 1500,
        received,
        sent,
    };
    let tunnel = InterfaceState {
        kind: Some("wireguard".into()),
        mtu: 1420,
        ..link(5, "wg0", LinkState::Unknown, counters(tick * 9_000, 0), counters(tick * 61_000, 3))
    };
    let idle = LinkCounters::default();
    let list = vec![
        InterfaceState {
            mtu: 65536,
            ..link(1, "lo", LinkState::Unknown, counters(tick * 800, 0), counters(tick * 800, 0))
        },
        link(2, "lan0", LinkState::Up, counters(up, 0), counters(down, 0)),
        link(3, "wan0", LinkState::Up, counters(down + down / 50, 12 + tick / 4), counters(up + up / 50, 0)),
        link(4, "lan1", LinkState::Down, idle, idle),
        tunnel,
    ];
    Interfaces { at: at(tick), list, left_out: 0 }
}

fn listeners() -> Listeners {
    let any4 = IpAddr::from(Ipv4Addr::UNSPECIFIED);
    let any6 = IpAddr::from(Ipv6Addr::UNSPECIFIED);
    let lan = IpAddr::from(Ipv4Addr::new(192, 168, 1, 1));
    let own = IpAddr::from(Ipv4Addr::LOCALHOST);
    let sockets = [
        (6, any4, 22, 0, 128),
        (6, any6, 22, 0, 128),
        (6, lan, 53, 65_534, 32),
        (6, own, 55_555, 998, 1024),
        (17, lan, 53, 65_534, 0),
        (17, any4, 67, 65_534, 0),
        (17, any4, 123, 101, 0),
        (17, any4, 51_820, 0, 0),
    ];
    let listener = |(proto, address, port, uid, backlog)| Listener {
        proto,
        address,
        port,
        v6_only: proto == 6 && address == any6,
        interface: (port == 67).then_some(2),
        uid,
        inode: (port != 51_820).then_some(10_000 + u32::from(port)),
        waiting: 0,
        backlog: (proto == 6).then_some(backlog),
    };
    Listeners { at: at(0), list: sockets.map(listener).to_vec(), left_out: 0 }
}

fn table(tick: u64, flows: usize) -> ServerMessage {
    let flows = u64::try_from(flows).unwrap_or(0);
    ServerMessage::Table(TableStats {
        at: at(tick),
        count: Some(flows),
        max: Some(262_144),
        flows,
        truncated: false,
        drop: Some(0),
        insert_failed: Some(tick / 6),
        early_drop: Some(0),
        tracking: None,
    })
}
