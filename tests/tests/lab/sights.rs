//! Interfaces and listening sockets reach a client that looks at them, through the strictest sandbox, and
//! are those that `ip` and `ss` tell of.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::Command;

use conntop::engine::Engine;
use conntop_proto::message::{InterfaceState, LinkState, Sight};
use conntop_tests::lab::{ROUTER_INSIDE, WAN_HOST};
use conntop_tests::netns::Namespace;
use conntop_tests::stage::PATIENCE;
use conntop_tests::tools::command;
use conntop_tests::traffic::{Echo, tcp};
use conntop_tests::{Stage, lab_or_skip};
use serde_json::Value;

fn text(namespace: &Namespace, command: &mut Command) -> String {
    String::from_utf8(namespace.output(command).unwrap().stdout).unwrap()
}

/// Protocol, address and port of what listens, as `ss` tells.
fn listening(namespace: &Namespace) -> BTreeSet<(u8, String, u16)> {
    let told = text(namespace, command("ss").args(["-H", "-l", "-n", "-t", "-u"]));
    let line = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let (address, port) = words[4].rsplit_once(':').unwrap();
        let proto = if words[0] == "tcp" { 6 } else { 17 };
        // One that takes both families stands as a star.
        let address = address.split('%').next().unwrap().trim_matches(['[', ']']).replace('*', "::");
        (proto, address, port.parse().unwrap())
    };
    told.lines().map(line).collect()
}

fn told(engine: &Engine) -> BTreeSet<(u8, String, u16)> {
    let list = engine.machine().listeners().map_or(&[][..], |told| &told.list);
    list.iter().map(|one| (one.proto, one.address.to_string(), one.port)).collect()
}

#[test]
fn listeners_are_those_of_ss() {
    let lab = lab_or_skip!();
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    let tcp = |to: SocketAddr| lab.router.run(|| Ok(TcpListener::bind(to)?)).unwrap();
    let udp = |to: SocketAddr| lab.router.run(|| Ok(UdpSocket::bind(to)?)).unwrap();
    let web = tcp(at("0.0.0.0:8080"));
    let both = tcp(at("[::]:9090"));
    let own = tcp(SocketAddr::from((ROUTER_INSIDE.v4, 22)));
    let name = udp(at("127.0.0.1:53"));
    let connected = udp(at("127.0.0.1:0"));
    lab.router.run(|| Ok(connected.connect("127.0.0.1:53")?)).unwrap();
    let mut stage = Stage::set(lab, &["--sandbox", "strict"]).unwrap();
    stage.client.until("a hello", PATIENCE, |engine| engine.shows(Sight::Listeners)).unwrap();
    assert!(stage.client.engine().machine().listeners().is_none(), "nobody has asked");
    stage.client.look_around(&[Sight::Listeners]);
    stage.client.until("listeners", PATIENCE, |engine| told(engine).len() >= 4).unwrap();
    assert_eq!(told(stage.client.engine()), listening(&stage.lab.router));
    let machine = stage.client.engine().machine();
    let inside = &machine.listeners().unwrap().list;
    assert!(inside.iter().all(|one| one.inode.is_some() && one.uid == 0), "{inside:?}");
    let dual = inside.iter().find(|one| one.port == 9090).unwrap();
    assert!(!dual.v6_only && dual.backlog.is_some_and(|most| most >= 1), "{dual:?}");
    drop(web);
    stage.client.until("that one is gone", PATIENCE, |engine| told(engine).len() == 3).unwrap();
    drop((both, own, name));
    stage.client.until("that all are gone", PATIENCE, |engine| told(engine).is_empty()).unwrap();
}

/// What `ip` tells of an interface: (bytes, packets, errors, drops) received and sent.
fn counters(told: &Value, name: &str) -> [[u64; 4]; 2] {
    let link = told.as_array().unwrap().iter().find(|link| link["ifname"] == name).unwrap();
    ["rx", "tx"].map(|way| {
        let of = |key: &str| link["stats64"][way][key].as_u64().unwrap_or(0);
        [of("bytes"), of("packets"), of("errors"), of("dropped") + of("over_errors")]
    })
}

fn links(engine: &Engine) -> &[InterfaceState] {
    engine.machine().links().latest().map_or(&[], |told| &told.list)
}

#[test]
fn interfaces_are_those_of_ip() {
    let lab = lab_or_skip!();
    let server = Echo::start(&lab.wan, SocketAddr::from((WAN_HOST.v4, 8080))).unwrap();
    let mut stage = Stage::set(lab, &["--sandbox", "strict"]).unwrap();
    let ip = |router: &Namespace| -> Value {
        serde_json::from_str(&text(router, command("ip").args(["-j", "-s", "link"]))).unwrap()
    };
    stage.client.until("a hello", PATIENCE, |engine| engine.shows(Sight::Interfaces)).unwrap();
    let before = ip(&stage.lab.router);
    stage.client.look_around(&[Sight::Interfaces]);
    stage.client.until("interfaces", PATIENCE, |engine| links(engine).len() >= 3).unwrap();
    let after = ip(&stage.lab.router);
    for one in links(stage.client.engine()) {
        let (least, most) = (counters(&before, &one.name), counters(&after, &one.name));
        let found = [one.received, one.sent].map(|c| [c.bytes, c.packets, c.errors, c.drops]);
        for way in 0..2 {
            for n in 0..4 {
                let (least, found, most) = (least[way][n], found[way][n], most[way][n]);
                assert!(least <= found && found <= most, "{one:?}: {least} <= {found} <= {most}");
            }
        }
        let told =
            before.as_array().unwrap().iter().find(|link| link["ifname"] == one.name.as_str()).unwrap();
        assert_eq!(Some(u64::from(one.mtu)), told["mtu"].as_u64(), "{one:?}");
        assert_eq!(one.state, LinkState::Up, "{one:?}");
    }
    // What passes shows as a rate on both sides of the router.
    let moves = |engine: &Engine| {
        let rates = |one: &InterfaceState| engine.machine().links().rates(one);
        links(engine).iter().filter_map(rates).filter(|rates| rates.sent.bytes > 10_000).count() >= 2
    };
    for _ in 0..20 {
        tcp(&stage.lab.lan, server.address(), 300_000).unwrap();
    }
    stage.client.until("rates", PATIENCE, moves).unwrap();

    stage.client.look_around(&[]);
    let at = stage.client.engine().mirror().position().at.0;
    stage.client.until("a second", PATIENCE, |engine| engine.mirror().position().at.0 > at + 1000).unwrap();
    let last = stage.client.engine().machine().links().latest().unwrap().at;
    let now = stage.client.engine().mirror().position().at.0;
    stage.client.until("another", PATIENCE, |engine| engine.mirror().position().at.0 > now + 1000).unwrap();
    let still = stage.client.engine().machine().links().latest().unwrap().at;
    assert_eq!(last, still, "nothing is read for nobody");
}
