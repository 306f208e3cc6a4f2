//! One line per kind of message: what this program writes today, any later one must read, and write
//! again byte by byte. `UPDATE_GOLDEN=1` rewrites the files; a changed one is a changed protocol.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use conntop_proto::codec::{Message, Validate, decode_line, encode_line};
use conntop_proto::delta::{DeltaHeader, DeltaRows, EndedRow};
use conntop_proto::flow::*;
use conntop_proto::message::*;
use conntop_proto::schema;
use conntop_proto::tuple::{L4, Proto, Tuple};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn check<M: Message + std::fmt::Debug + PartialEq>(name: &str, message: &M) {
    let mut line = Vec::new();
    encode_line(message, &mut line).unwrap();
    let path = folder().join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &line).unwrap();
    }
    let golden = std::fs::read(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(String::from_utf8_lossy(&line), String::from_utf8_lossy(&golden), "{name}: encoding changed");
    let decoded: M = decode_line(&golden, Validate::All).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(&decoded, message, "{name}: decoding changed");
}

#[test]
fn messages_of_a_server() {
    let messages = server_messages();
    messages.iter().for_each(|(name, message)| check(&format!("server-{name}.json"), message));
    every_kind("server", &schema::server(), messages.iter().map(|(name, _)| *name));
}

#[test]
fn messages_of_a_client() {
    let messages = client_messages();
    messages.iter().for_each(|(name, message)| check(&format!("client-{name}.json"), message));
    every_kind("client", &schema::client(), messages.iter().map(|(name, _)| *name));
}

#[test]
fn documented_messages_decode() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md");
    let text = std::fs::read_to_string(docs).unwrap();
    let (mut from_server, mut from_client) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines().filter(|l| l.starts_with("{\"")) {
        let as_server = decode_line::<ServerMessage>(line.as_bytes(), Validate::All);
        let as_client = decode_line::<ClientMessage>(line.as_bytes(), Validate::All);
        if let (Err(server), Err(client)) = (&as_server, &as_client) {
            panic!("{line}\n  from a server: {server}\n  from a client: {client}");
        }
        let kind = line.split('"').nth(1).unwrap();
        if as_server.is_ok() {
            from_server.insert(kind);
        }
        if as_client.is_ok() {
            from_client.insert(kind);
        }
        if let Ok(ServerMessage::Delta(delta)) = as_server {
            delta.rows().unwrap_or_else(|e| panic!("{line}\n  {e}"));
        }
    }
    assert_eq!(from_server, kinds(&schema::server()), "messages of a server in docs/protocol.md");
    assert_eq!(from_client, kinds(&schema::client()), "messages of a client in docs/protocol.md");
}

/// The kinds of messages that a schema knows.
fn kinds(schema: &serde_json::Value) -> BTreeSet<&str> {
    let kinds = schema.pointer("/oneOf").and_then(serde_json::Value::as_array).unwrap();
    kinds.iter().filter_map(|k| k.pointer("/required/0")?.as_str()).collect()
}

/// Whether there is a golden message of each kind that the schema knows, and no file without one.
fn every_kind<'a>(side: &str, schema: &serde_json::Value, names: impl Iterator<Item = &'a str> + Clone) {
    let shown: BTreeSet<&str> = names.clone().map(|name| name.split('-').next().unwrap()).collect();
    assert_eq!(kinds(schema), shown, "kinds of messages of a {side}");
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|file| file.unwrap().file_name().into_string().ok())
        .filter(|file| file.starts_with(side))
        .collect();
    let expected: BTreeSet<String> = names.map(|name| format!("{side}-{name}.json")).collect();
    assert_eq!(files, expected, "files in tests/golden");
}

fn server_messages() -> Vec<(&'static str, ServerMessage)> {
    let mac = Hex32([0xab; 32]);
    vec![
        ("challenge", ServerMessage::Challenge(Challenge { protocol: 1, nonce: Hex32([1; 32]) })),
        ("proof", ServerMessage::Proof(ServerProof { mac })),
        ("hello", ServerMessage::Hello(Box::new(hello()))),
        ("host", ServerMessage::Host(host())),
        ("reset", ServerMessage::Reset(Reset { epoch: 1_763_700_000_123, reason: ResetReason::Start })),
        ("delta-snapshot", delta(snapshot(), 5, false)),
        ("delta-changes", delta(changes(), 9, true)),
        ("delta-tick", delta(tick(), 11, true)),
        ("delta-nothing", delta(DeltaRows::default(), 9, true)),
        ("synced", ServerMessage::Synced(Synced { cursor: 5 })),
        (
            "table",
            ServerMessage::Table(TableStats {
                at: AT,
                count: Some(812),
                max: Some(262_144),
                flows: 812,
                truncated: false,
                drop: Some(0),
                insert_failed: Some(3),
                early_drop: None,
                tracking: Some(true),
            }),
        ),
        ("lost", ServerMessage::Lost(Lost { overruns: 2, events: None, since: Some(AT) })),
        (
            "terminated",
            ServerMessage::Terminated(Terminated {
                request: 1,
                id: FlowId(1000),
                outcome: Outcome::Done,
                text: String::new(),
            }),
        ),
        (
            "terminated-text",
            ServerMessage::Terminated(Terminated {
                request: 2,
                id: FlowId(1001),
                outcome: Outcome::NoSocket,
                text: "no socket of this namespace has these ends".into(),
            }),
        ),
        ("interfaces", ServerMessage::Interfaces(Interfaces { at: AT, list: links(), left_out: 0 })),
        ("listeners", ServerMessage::Listeners(Listeners { at: AT, list: listeners(), left_out: 12 })),
        ("ping", ServerMessage::Ping(Ping { nonce: 7 })),
        ("pong", ServerMessage::Pong(Ping { nonce: 7 })),
        (
            "bye",
            ServerMessage::Bye(Bye { reason: ByeReason::Shutdown, text: "conntopd stops (SIGTERM)".into() }),
        ),
    ]
}

fn client_messages() -> Vec<(&'static str, ClientMessage)> {
    let filter = ServerFilter {
        protos: vec![6, 17],
        nets: vec!["192.168.1.0/24".into(), "fd00::/8".into()],
        ports: vec![443],
        zones: vec![0],
    };
    let subscribe = Subscribe {
        interval_ms: Some(2000),
        columns: Some(vec![ColumnGroup::State, ColumnGroup::Traffic]),
        filter: Some(filter),
    };
    let hello = ClientHello {
        protocol: 1,
        client: "conntop 0.1.0".into(),
        name: "laptop".into(),
        codec: Codec::None,
        resume: None,
        subscribe: Subscribe::default(),
    };
    let resume = Some(Resume { epoch: 1_763_700_000_123, cursor: 9 });
    let (nonce, mac) = (Hex32([2; 32]), Hex32([0xcd; 32]));
    vec![
        ("proof", ClientMessage::Proof(ClientProof { protocol: 1, nonce, mac })),
        ("hello", ClientMessage::Hello(Box::new(hello.clone()))),
        ("hello-resume", ClientMessage::Hello(Box::new(ClientHello { codec: Codec::Zstd, resume, ..hello }))),
        ("subscribe", ClientMessage::Subscribe(subscribe)),
        ("focus", ClientMessage::Focus(Focus { id: [1000, 1001, 1004].map(FlowId).into_iter().collect() })),
        ("look", ClientMessage::Look(Look { at: Sight::ALL.to_vec() })),
        ("pause", ClientMessage::Pause(Pause { on: true })),
        ("terminate", terminate(1, Act::Forget)),
        ("terminate-close", terminate(2, Act::Close)),
        ("ping", ClientMessage::Ping(Ping { nonce: 1 })),
        ("pong", ClientMessage::Pong(Ping { nonce: 7 })),
        ("bye", ClientMessage::Bye(Bye { reason: ByeReason::Shutdown, text: "the user quits".into() })),
    ]
}

fn terminate(request: u32, act: Act) -> ClientMessage {
    ClientMessage::Terminate(Terminate { request, epoch: 1_763_700_000_123, id: FlowId(1000), act })
}

const AT: BootMillis = BootMillis(86_400_000);

fn links() -> Vec<InterfaceState> {
    let counters = |bytes, packets, drops| LinkCounters { bytes, packets, errors: 0, drops };
    let wan = InterfaceState {
        index: 2,
        name: "wan0".into(),
        kind: None,
        state: LinkState::Up,
        mtu: 1500,
        received: counters(91_823_112_004, 71_223_901, 17),
        sent: counters(8_120_004_122, 31_002_887, 0),
    };
    let (kind, state) = (Some("bridge".into()), LinkState::Down);
    let lan = InterfaceState { index: 3, name: "lan0".into(), kind, state, mtu: 1500, ..Default::default() };
    vec![wan, lan]
}

fn listeners() -> Vec<Listener> {
    let ssh = Listener {
        proto: 6,
        address: "::".parse().unwrap(),
        port: 22,
        v6_only: false,
        interface: None,
        uid: 0,
        inode: Some(18_233),
        waiting: 0,
        backlog: Some(128),
    };
    let dns = Listener {
        proto: 17,
        address: "192.168.1.1".parse().unwrap(),
        port: 53,
        v6_only: false,
        interface: Some(3),
        uid: 453,
        inode: None,
        waiting: 768,
        backlog: None,
    };
    let web = Listener { port: 443, v6_only: true, ..ssh.clone() };
    vec![ssh, web, dns]
}

fn hello() -> ServerHello {
    ServerHello {
        protocol: 1,
        server: "conntopd 0.1.0".into(),
        name: "router".into(),
        epoch: 1_763_700_000_123,
        platform: "Linux 6.18.0 x86_64".into(),
        features: vec!["focus".into(), "interfaces".into(), "listeners".into()],
        codecs: vec![Codec::Zstd],
        interval_ms: 1000,
        kernel: KernelFacts {
            acct: Some(true),
            timestamp: Some(false),
            events: Some(2),
            max: Some(262_144),
            buckets: Some(262_144),
            listening: true,
            event_buffer: Some(33_554_432),
            netns: Some(4_026_531_840),
            tracking: Some(true),
            origin: conntop_proto::message::Origin::Conntrack,
        },
        clock: Clock { boot: AT, wall_ms: 1_763_786_400_123 },
        sandbox: Some("best: caps, landlock 6, seccomp".into()),
    }
}

fn host() -> Host {
    let address = |a: &str, prefix, interface| HostAddress { address: a.parse().unwrap(), prefix, interface };
    let name = |a: &str, name: &str, from| HostName { address: a.parse().unwrap(), name: name.into(), from };
    let neighbour = |a: &str| Neighbour {
        address: a.parse().unwrap(),
        mac: Mac([0x52, 0x54, 0, 0x12, 0xab, 0xcd]),
        interface: 3,
    };
    Host {
        addresses: vec![
            address("192.168.1.1", 24, 3),
            address("203.0.113.9", 32, 2),
            address("fd00::1", 64, 3),
        ],
        networks: vec!["192.168.1.0/24".into(), "fd00::/64".into()],
        interfaces: vec![
            Interface { index: 2, name: "wan0".into() },
            Interface { index: 3, name: "lan0".into() },
        ],
        names: vec![
            name("192.168.1.20", "laptop", NameOrigin::Dnsmasq),
            name("192.168.1.30", "nas.home.arpa", NameOrigin::Hosts),
            name("fd00::20", "laptop", NameOrigin::Mac),
        ],
        neighbours: vec![neighbour("192.168.1.20"), neighbour("fd00::20")],
        left_out: 0,
    }
}

fn delta(rows: DeltaRows, cursor: u64, in_step: bool) -> ServerMessage {
    let pass = Pass {
        number: 1,
        coverage: Coverage::Whole,
        started: BootMillis(AT.0 - 12),
        finished: Some(AT),
        read: 4,
        dirty: false,
    };
    ServerMessage::Delta(Box::new(rows.into_delta(DeltaHeader { cursor, in_step, at: AT, pass })))
}

fn tuple(src: &str, dst: &str, proto: Proto, l4: L4) -> Tuple {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    Tuple { src: address(src), dst: address(dst), proto, l4 }
}

fn flow(id: u64, orig: Tuple) -> FlowRow {
    FlowRow {
        identity: IdentityRow {
            id: FlowId(id),
            zone: 0,
            orig,
            reply: orig.inverse(),
            reply_zone: 0,
            ct_id: Some(2_863_311_530),
            start: None,
            first_seen: BootMillis(86_395_000),
            born: false,
            master: None,
        },
        state: StateRow { state: State::Unreplied, status: Status(8) },
        traffic: traffic(1, 60, 0, 0, 30),
        meta: MetaRow::default(),
    }
}

fn traffic(op: u64, ob: u64, rp: u64, rb: u64, timeout: u64) -> TrafficRow {
    TrafficRow {
        orig: Some(Counters { packets: op, bytes: ob }),
        reply: Some(Counters { packets: rp, bytes: rb }),
        resets: 0,
        expires: Some(BootMillis(AT.0 + timeout * 1000)),
        sampled: AT,
    }
}

/// NAT, ICMP, IPv6 with everything set, and a protocol without ports.
fn snapshot() -> DeltaRows {
    let control = tuple("192.168.1.20", "198.51.100.7", Proto::TCP, L4::Ports { src: 50_100, dst: 21 });
    let mut nat = flow(1000, control);
    nat.identity.reply = tuple("198.51.100.7", "203.0.113.9", Proto::TCP, L4::Ports { src: 21, dst: 50_100 });
    nat.state = StateRow { state: State::Established, status: Status(0x19e) };
    nat.traffic = traffic(1520, 101_234, 3041, 4_109_321, 431_999);
    nat.meta.helper = Some("ftp".into());
    let icmp = L4::Icmp { id: 77, ty: 8, code: 0 };
    let ping = flow(1001, tuple("192.168.1.20", "192.168.1.1", Proto::ICMP, icmp));
    let mut v6 = flow(1004, tuple("fd00::20", "2001:db8::5", Proto::UDP, L4::Ports { src: 5353, dst: 443 }));
    v6.identity.zone = 7;
    v6.identity.reply_zone = 8;
    v6.identity.start = Some(1_763_786_399_000_001);
    v6.identity.born = true;
    v6.identity.master = Some(control);
    v6.meta = MetaRow { mark: 42, labels: Some(5), helper: None };
    v6.traffic.resets = 1;
    v6.traffic.sampled = BootMillis(AT.0 - 250);
    let mut esp = flow(1005, tuple("192.0.2.1", "192.0.2.2", Proto(50), L4::None));
    esp.traffic = TrafficRow { sampled: AT, ..TrafficRow::default() };
    esp.identity.ct_id = None;
    DeltaRows { new: vec![nat, ping, v6, esp], ..DeltaRows::default() }
}

/// One of each change, and a flow that began and ended in between.
fn changes() -> DeltaRows {
    let dns = L4::Ports { src: 40_000, dst: 53 };
    let mut short = flow(1007, tuple("192.168.1.20", "192.168.1.1", Proto::UDP, dns));
    short.identity.born = true;
    short.traffic = TrafficRow { expires: None, ..traffic(1, 60, 1, 140, 0) };
    let ended = |id, reason, traffic| EndedRow {
        id: FlowId(id),
        at: BootMillis(AT.0 - 300),
        reason,
        stop: None,
        traffic,
        short: None,
    };
    let last = TrafficRow { expires: None, ..traffic(4, 240, 4, 240, 0) };
    DeltaRows {
        ended: vec![
            ended(1001, EndReason::Missing, last),
            EndedRow {
                short: Some(Box::new(short.clone())),
                stop: Some(1_763_786_399_900_000),
                ..ended(1007, EndReason::Destroyed, short.traffic)
            },
        ],
        new: Vec::new(),
        state: vec![(FlowId(1000), StateRow { state: State::FinWait, status: Status(0x19e) })],
        traffic: vec![(FlowId(1000), traffic(1522, 101_338, 3042, 4_109_373, 120))],
        meta: vec![(FlowId(1004), MetaRow { mark: 43, labels: Some(5), helper: None })],
    }
}

/// Counters of many flows: columns in every form.
fn tick() -> DeltaRows {
    let row = |i: u64| {
        let row = traffic(10 + i, 5000 + 61 * i, 7, 9000 + 1301 * i, [119, 431_999, 299][(i % 3) as usize]);
        let lag = i * 17 % 250;
        let sampled = BootMillis(AT.0 - lag);
        (
            FlowId(1000 + i * i),
            TrafficRow { sampled, expires: row.expires.map(|e| BootMillis(e.0 - lag)), ..row },
        )
    };
    DeltaRows { traffic: (0..24).map(row).collect(), ..DeltaRows::default() }
}
