//! Arbitrary flows and messages.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use conntop_proto::columns::Ids;
use conntop_proto::delta::{DeltaHeader, DeltaRows, EndedRow};
use conntop_proto::flow::*;
use conntop_proto::message::*;
use conntop_proto::tuple::{L4, Proto, Tuple};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// When every generated delta was made.
pub const AT: BootMillis = BootMillis(5_000_000_000);

pub const STATES: &[State] = &[
    State::Unknown,
    State::SynSent,
    State::SynRecv,
    State::Established,
    State::FinWait,
    State::CloseWait,
    State::LastAck,
    State::TimeWait,
    State::Close,
    State::SynSent2,
    State::Closed,
    State::CookieWait,
    State::CookieEchoed,
    State::ShutdownSent,
    State::ShutdownRecd,
    State::ShutdownAckSent,
    State::HeartbeatSent,
    State::Request,
    State::Respond,
    State::Partopen,
    State::Open,
    State::Closereq,
    State::Closing,
    State::Unreplied,
    State::Replied,
    State::Assured,
];

pub fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..100_000_u64, 0..=MAX_SAFE_INTEGER, Just(MAX_SAFE_INTEGER)]
}

fn tuple_of(v6: bool, proto: u8) -> BoxedStrategy<Tuple> {
    let address = move || {
        any::<u128>().prop_map(move |bits| {
            if v6 {
                IpAddr::V6(Ipv6Addr::from_bits(bits))
            } else {
                IpAddr::V4(Ipv4Addr::from_bits((bits & 0xffff_ffff).try_into().unwrap_or(0)))
            }
        })
    };
    let l4: BoxedStrategy<L4> = match proto {
        1 | 58 => any::<(u16, u8, u8)>().prop_map(|(id, ty, code)| L4::Icmp { id, ty, code }).boxed(),
        6 | 17 | 47 => any::<(u16, u16)>().prop_map(|(src, dst)| L4::Ports { src, dst }).boxed(),
        _ => Just(L4::None).boxed(),
    };
    (address(), address(), l4)
        .prop_map(move |(src, dst, l4)| Tuple { src, dst, proto: Proto(proto), l4 })
        .boxed()
}

fn proto() -> impl Strategy<Value = u8> {
    select(&[1_u8, 6, 17, 47, 50, 58, 132, 253][..])
}

pub fn identity() -> impl Strategy<Value = IdentityRow> {
    (any::<bool>(), proto(), any::<bool>(), proto())
        .prop_flat_map(|(v6, proto, master_v6, master_proto)| {
            let zones = (prop_oneof![3 => Just(0), 1 => any::<u16>()], option::weighted(0.1, any::<u16>()));
            let tuples = (tuple_of(v6, proto), option::weighted(0.3, tuple_of(v6, proto)));
            let master = option::weighted(0.1, tuple_of(master_v6, master_proto));
            let seen = (option::of(any::<u32>()), option::of(number()), 0..=AT.0, any::<bool>());
            (zones, tuples, master, seen)
        })
        .prop_map(|((zone, reply_zone), (orig, reply), master, (ct_id, start, first_seen, born))| {
            IdentityRow {
                id: FlowId(0),
                zone,
                orig,
                reply: reply.unwrap_or(orig.inverse()),
                reply_zone: reply_zone.unwrap_or(zone),
                ct_id,
                start,
                first_seen: BootMillis(first_seen),
                born,
                master,
            }
        })
}

pub fn state() -> impl Strategy<Value = StateRow> {
    (select(STATES), any::<u32>()).prop_map(|(state, status)| StateRow { state, status: Status(status) })
}

pub fn traffic() -> impl Strategy<Value = TrafficRow> {
    let counters = || (number(), number()).prop_map(|(packets, bytes)| Counters { packets, bytes });
    let counted = option::weighted(0.8, (counters(), counters()));
    let times = (option::weighted(0.9, any::<u32>()), 0..=AT.0);
    (counted, prop_oneof![5 => Just(0), 1 => any::<u32>()], times).prop_map(
        |(counted, resets, (timeout, lag))| TrafficRow {
            orig: counted.map(|c| c.0),
            reply: counted.map(|c| c.1),
            resets,
            expires: timeout.map(|s| BootMillis(AT.0 - lag + u64::from(s) * 1000)),
            sampled: BootMillis(AT.0 - lag),
        },
    )
}

pub fn meta() -> impl Strategy<Value = MetaRow> {
    let helper = option::weighted(0.2, "[a-z0-9.-]{1,16}");
    (prop_oneof![3 => Just(0), 1 => any::<u32>()], option::weighted(0.2, any::<u128>()), helper).prop_map(
        |(mark, labels, helper)| MetaRow { mark, labels, helper: helper.map(String::into_boxed_str) },
    )
}

pub fn flow() -> impl Strategy<Value = FlowRow> {
    (identity(), state(), traffic(), meta()).prop_map(|(identity, state, traffic, meta)| FlowRow {
        identity,
        state,
        traffic,
        meta,
    })
}

fn ended() -> impl Strategy<Value = EndedRow> {
    let reason = select(&[EndReason::Destroyed, EndReason::Missing, EndReason::Replaced][..]);
    (0..=AT.0, reason, option::of(number()), traffic(), option::of(flow())).prop_map(
        |(at, reason, stop, traffic, short)| EndedRow {
            id: FlowId(0),
            at: BootMillis(at),
            reason,
            stop,
            short: short.map(|f| Box::new(FlowRow { traffic, ..f })),
            traffic,
        },
    )
}

/// Rows as they come out of the wire: sorted by id.
pub fn rows(max: usize) -> impl Strategy<Value = DeltaRows> {
    let id = || 0..=MAX_SAFE_INTEGER;
    (
        btree_map(id(), ended(), 0..max),
        btree_map(id(), flow(), 0..max),
        btree_map(id(), state(), 0..max),
        btree_map(id(), traffic(), 0..max),
        btree_map(id(), meta(), 0..max),
    )
        .prop_map(|(ended, new, state, traffic, meta)| DeltaRows {
            ended: ended.into_iter().map(|(id, row)| with_id(id, row)).collect(),
            new: new
                .into_iter()
                .map(|(id, mut row)| {
                    row.identity.id = FlowId(id);
                    row
                })
                .collect(),
            state: state.into_iter().map(|(id, row)| (FlowId(id), row)).collect(),
            traffic: traffic.into_iter().map(|(id, row)| (FlowId(id), row)).collect(),
            meta: meta.into_iter().map(|(id, row)| (FlowId(id), row)).collect(),
        })
}

fn with_id(id: u64, mut row: EndedRow) -> EndedRow {
    row.id = FlowId(id);
    if let Some(flow) = &mut row.short {
        flow.identity.id = FlowId(id);
    }
    row
}

pub fn header() -> impl Strategy<Value = DeltaHeader> {
    let coverage = prop_oneof![Just(Coverage::Whole), Just(Coverage::Known), Just(Coverage::Assured)];
    let times = (0..=AT.0, option::of(any::<u64>()));
    (number(), any::<bool>(), option::of((1..MAX_SAFE_INTEGER, coverage, times, any::<bool>()))).prop_map(
        |(cursor, in_step, pass)| {
            let pass = pass.map(|(number, coverage, (started, took), dirty)| Pass {
                number,
                coverage,
                started: BootMillis(started),
                finished: took.map(|took| BootMillis(started + took % (AT.0 - started + 1))),
                read: if took.is_none() { number } else { 0 },
                dirty,
            });
            DeltaHeader { cursor, in_step, at: AT, pass: pass.unwrap_or_default() }
        },
    )
}

fn text() -> impl Strategy<Value = String> {
    "[ -~äé漢]{0,40}"
}

fn hex32() -> impl Strategy<Value = Hex32> {
    any::<[u8; 32]>().prop_map(Hex32)
}

pub fn server_message() -> impl Strategy<Value = ServerMessage> {
    let kernel = (option::of(any::<bool>()), option::of(number()), any::<bool>(), option::of(0..3_u32));
    let hello = (number(), text(), text(), vec(text(), 0..3), any::<u32>(), kernel).prop_map(
        |(epoch, name, platform, features, interval_ms, (acct, max, listening, events))| {
            ServerMessage::Hello(Box::new(ServerHello {
                protocol: 1,
                server: "conntopd 0.1.0".into(),
                name,
                epoch,
                platform,
                features,
                codecs: vec![Codec::Zstd],
                interval_ms,
                kernel: KernelFacts {
                    acct,
                    timestamp: acct,
                    events,
                    max,
                    buckets: max,
                    listening,
                    event_buffer: max,
                    netns: max,
                    tracking: acct,
                    origin: if listening { Origin::Conntrack } else { Origin::Sockets },
                },
                clock: Clock { boot: BootMillis(epoch), wall_ms: epoch },
                sandbox: None,
            }))
        },
    );
    let origin = select(&[NameOrigin::Hosts, NameOrigin::Kea, NameOrigin::Mac][..]);
    let named =
        (any::<IpAddr>(), text(), origin).prop_map(|(address, name, from)| HostName { address, name, from });
    let neighbour = (any::<IpAddr>(), any::<[u8; 6]>(), any::<u32>())
        .prop_map(|(address, mac, interface)| Neighbour { address, mac: Mac(mac), interface });
    let known = (vec(named, 0..4), vec(neighbour, 0..4), any::<u32>());
    let place = (vec((any::<IpAddr>(), 0..=128_u8, any::<u32>()), 0..4), vec(text(), 0..4));
    let host = (place, known).prop_map(|((addresses, names), (named, neighbours, left_out))| {
        ServerMessage::Host(Host {
            addresses: addresses
                .into_iter()
                .map(|(address, prefix, interface)| HostAddress { address, prefix, interface })
                .collect(),
            networks: names.clone(),
            interfaces: names.into_iter().map(|name| Interface { index: 7, name }).collect(),
            names: named,
            neighbours,
            left_out,
        })
    });
    let table = (number(), option::of(number()), any::<bool>()).prop_map(|(n, count, truncated)| {
        ServerMessage::Table(TableStats {
            at: BootMillis(n),
            count,
            max: count,
            flows: n,
            truncated,
            drop: count,
            insert_failed: count,
            early_drop: count,
            tracking: count.map(|count| count % 2 == 0),
        })
    });
    let counters = || {
        (number(), number()).prop_map(|(bytes, packets)| LinkCounters {
            bytes,
            packets,
            errors: packets,
            drops: bytes,
        })
    };
    let states =
        select(&[LinkState::Up, LinkState::Dormant, LinkState::Down, LinkState::Off, LinkState::Unknown][..]);
    let link = (any::<u32>(), text(), option::of(text()), states, counters(), counters()).prop_map(
        |(index, name, kind, state, received, sent)| InterfaceState {
            index,
            name,
            kind,
            state,
            mtu: index,
            received,
            sent,
        },
    );
    let interfaces = (number(), vec(link, 0..4), any::<u32>()).prop_map(|(at, list, left_out)| {
        ServerMessage::Interfaces(Interfaces { at: BootMillis(at), list, left_out })
    });
    let listener = (any::<IpAddr>(), any::<(u8, u16, bool, u32)>(), option::of(any::<u32>())).prop_map(
        |(address, (proto, port, v6_only, uid), some)| Listener {
            proto,
            address,
            port,
            v6_only,
            interface: some,
            uid,
            inode: some,
            waiting: uid,
            backlog: some,
        },
    );
    let listeners = (number(), vec(listener, 0..4), any::<u32>()).prop_map(|(at, list, left_out)| {
        ServerMessage::Listeners(Listeners { at: BootMillis(at), list, left_out })
    });
    let reasons = select(
        &[ResetReason::Start, ResetReason::Behind, ResetReason::Subscription, ResetReason::Restart][..],
    );
    prop_oneof![
        hello,
        hex32().prop_map(|nonce| ServerMessage::Challenge(Challenge { protocol: 1, nonce })),
        hex32().prop_map(|mac| ServerMessage::Proof(ServerProof { mac })),
        host,
        table,
        interfaces,
        listeners,
        (header(), rows(4)).prop_map(|(h, r)| ServerMessage::Delta(Box::new(r.into_delta(h)))),
        (number(), reasons).prop_map(|(epoch, reason)| ServerMessage::Reset(Reset { epoch, reason })),
        number().prop_map(|cursor| ServerMessage::Synced(Synced { cursor })),
        (number(), option::of(number())).prop_map(|(overruns, n)| ServerMessage::Lost(Lost {
            overruns,
            events: n,
            since: n.map(BootMillis),
        })),
        any::<u32>().prop_map(|nonce| ServerMessage::Ping(Ping { nonce })),
        any::<u32>().prop_map(|nonce| ServerMessage::Pong(Ping { nonce })),
        (any::<u32>(), number(), outcome(), text()).prop_map(|(request, id, outcome, text)| {
            ServerMessage::Terminated(Terminated { request, id: FlowId(id), outcome, text })
        }),
        (bye_reason(), text()).prop_map(|(reason, text)| ServerMessage::Bye(Bye { reason, text })),
    ]
}

fn bye_reason() -> impl Strategy<Value = ByeReason> {
    use ByeReason::*;
    select(&[Shutdown, Version, Protocol, Limit, Slow, Timeout, Internal, Auth][..])
}

fn outcome() -> impl Strategy<Value = Outcome> {
    use Outcome::*;
    select(&[Done, Gone, Replaced, NoSocket, Denied, Refused, Limit, Unsupported, Failed][..])
}

fn subscribe() -> impl Strategy<Value = Subscribe> {
    let groups = select(&[ColumnGroup::State, ColumnGroup::Traffic, ColumnGroup::Meta][..]);
    let filter =
        (vec(any::<u8>(), 0..3), vec(text(), 0..3), vec(any::<u16>(), 0..3), vec(any::<u16>(), 0..3))
            .prop_map(|(protos, nets, ports, zones)| ServerFilter { protos, nets, ports, zones });
    (option::of(any::<u32>()), option::of(vec(groups, 0..4)), option::of(filter))
        .prop_map(|(interval_ms, columns, filter)| Subscribe { interval_ms, columns, filter })
}

pub fn client_message() -> impl Strategy<Value = ClientMessage> {
    let resume =
        option::of((number(), number())).prop_map(|r| r.map(|(epoch, cursor)| Resume { epoch, cursor }));
    prop_oneof![
        (text(), any::<bool>(), resume, subscribe()).prop_map(|(name, zstd, resume, subscribe)| {
            let codec = if zstd { Codec::Zstd } else { Codec::None };
            let client = "conntop 0.1.0".into();
            ClientMessage::Hello(Box::new(ClientHello {
                protocol: 1,
                client,
                name,
                codec,
                resume,
                subscribe,
            }))
        }),
        (hex32(), hex32()).prop_map(|(nonce, mac)| ClientMessage::Proof(ClientProof {
            protocol: 1,
            nonce,
            mac
        })),
        subscribe().prop_map(ClientMessage::Subscribe),
        vec(number(), 0..9)
            .prop_map(|ids| ClientMessage::Focus(Focus { id: Ids::from_iter(ids.into_iter().map(FlowId)) })),
        vec(select(&Sight::ALL[..]), 0..3).prop_map(|at| ClientMessage::Look(Look { at })),
        any::<bool>().prop_map(|on| ClientMessage::Pause(Pause { on })),
        any::<u32>().prop_map(|nonce| ClientMessage::Ping(Ping { nonce })),
        any::<u32>().prop_map(|nonce| ClientMessage::Pong(Ping { nonce })),
        (any::<u32>(), number(), number(), any::<bool>()).prop_map(|(request, epoch, id, forget)| {
            let act = if forget { Act::Forget } else { Act::Close };
            ClientMessage::Terminate(Terminate { request, epoch, id: FlowId(id), act })
        }),
        (bye_reason(), text()).prop_map(|(reason, text)| ClientMessage::Bye(Bye { reason, text })),
    ]
}
