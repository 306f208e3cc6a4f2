//! The lab itself: what it builds works, and what it makes is in the kernel's table.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Instant;

use conntop_tests::churn::{Churn, ChurnOptions};
use conntop_tests::inject::{Injector, Mix, Plan, TableLimit};
use conntop_tests::lab::{DNAT_PORT, DNAT_TO_PORT, LAN_HOST, ROUTER_OUTSIDE, WAN_HOST};
use conntop_tests::oracle::{self, L4};
use conntop_tests::traffic::{Echo, Sprayer, connect, exchange, ping, source, tcp, udp};
use conntop_tests::{Lab, LabOptions, Namespace, lab_or_skip};

#[test]
fn real_traffic_crosses_the_nat() {
    let lab = lab_or_skip!();
    for (n, to) in WAN_HOST.both().into_iter().enumerate() {
        let echo = Echo::start(&lab.wan, SocketAddr::new(to, 0)).unwrap();
        tcp(&lab.lan, echo.address(), 100_000).unwrap();
        udp(&lab.lan, echo.address(), 1000).unwrap();
        ping(&lab.lan, to, 7).unwrap();
        let table = oracle::read(&lab.router).unwrap();
        for proto in [6, 17, if to.is_ipv4() { 1 } else { 58 }] {
            let flow = table.values().find(|r| r.proto == proto && r.orig.dst == to);
            let flow = flow.unwrap_or_else(|| panic!("protocol {proto} to {to} in {table:#?}"));
            assert_eq!(flow.orig.src, LAN_HOST.both()[n], "{flow:?}");
            assert_eq!(flow.reply.dst, ROUTER_OUTSIDE.both()[n], "{flow:?}");
            assert!(flow.orig.packets > Some(0) && flow.reply.packets > Some(0), "{flow:?}");
            assert!(flow.start.is_some(), "{flow:?}");
        }
    }
}

#[test]
fn the_dnat_leads_inwards() {
    let lab = lab_or_skip!();
    for (inside, outside) in LAN_HOST.both().into_iter().zip(ROUTER_OUTSIDE.both()) {
        let _echo = Echo::start(&lab.lan, SocketAddr::new(inside, DNAT_TO_PORT)).unwrap();
        let stream = connect(&lab.wan, SocketAddr::new(outside, DNAT_PORT)).unwrap();
        exchange(&stream, 5000).unwrap();
        let table = oracle::read(&lab.router).unwrap();
        let flow = table.values().find(|r| r.orig.dst == outside).unwrap();
        assert_eq!(flow.reply.src, inside, "{flow:?}");
        assert_eq!(flow.state.as_deref(), Some("ESTABLISHED"), "{flow:?}");
    }
}

#[test]
fn the_sprayer_moves_counters() {
    let lab = lab_or_skip!();
    let sprayer = Sprayer::new(&lab.lan, &lab.wan, WAN_HOST.v4).unwrap();
    for round in 1..=3 {
        sprayer.spray(0..500, 100).unwrap();
        let table = oracle::read(&lab.router).unwrap();
        assert_eq!(table.len(), 500);
        for n in 0..500 {
            let (src, port) = source(n);
            let to = sprayer.target();
            let l4 = L4::Ports(port, to.port());
            let key = oracle::Key { zone: 0, proto: 17, src: src.into(), dst: to.ip(), l4 };
            let flow = table.get(&key).unwrap_or_else(|| panic!("{key:?}"));
            assert_eq!((flow.orig.packets, flow.orig.bytes), (Some(round), Some(round * 128)), "{flow:?}");
        }
    }
}

#[test]
fn injected_flows_are_in_the_table() {
    let lab = lab_or_skip!();
    let plan = Plan::new(1);
    let began = Instant::now();
    let tally = Injector::new(&lab.router).unwrap().create(&plan, 0..10_000).unwrap();
    eprintln!("10,000 mixed flows in {:?}", began.elapsed());
    assert_eq!((tally.done, tally.moot), (10_000, 0));
    let table = oracle::read(&lab.router).unwrap();
    assert_eq!(table.len(), 10_000);
    for (what, has) in [
        ("TCP", (|r: &oracle::Record| r.proto == 6) as fn(&_) -> bool),
        ("UDP", |r| r.proto == 17),
        ("ICMP", |r| r.proto == 1),
        ("ICMPv6", |r| r.proto == 58),
        ("SCTP", |r| r.proto == 132),
        ("GRE", |r| r.proto == 47),
        ("an unknown protocol", |r| r.proto == 99),
        ("source NAT", |r| r.reply.dst != r.orig.src),
        ("destination NAT", |r| r.reply.src != r.orig.dst),
        ("zones", |r| r.zone.is_some()),
        ("marks", |r| r.mark > Some(0)),
        ("IPv6 NAT", |r| r.orig.src.is_ipv6() && r.reply.dst != r.orig.src),
        ("times", |r| r.start.is_some()),
        ("SYN_SENT", |r| r.state.as_deref() == Some("SYN_SENT")),
        ("TIME_WAIT", |r| r.state.as_deref() == Some("TIME_WAIT")),
    ] {
        let count = table.values().filter(|r| has(r)).count();
        assert!(count >= 20, "only {count} of {what}");
    }
    let deleted = Injector::new(&lab.router).unwrap().delete(&plan, 0..10_000).unwrap();
    assert_eq!((deleted.done, lab.router.tracked().unwrap()), (10_000, 0));
}

#[test]
fn a_storm_takes_its_flows_with_it() {
    let lab = lab_or_skip!();
    let options = ChurnOptions { plan: Plan::new(2), alive: 1000, rate: 0 };
    let churn = Churn::start(&lab.router, options).unwrap();
    let began = Instant::now();
    while lab.router.tracked().unwrap() < 900 && began.elapsed().as_secs() < 20 {
        std::thread::yield_now();
    }
    let churned = churn.finish().unwrap();
    assert!(churned.created > 900, "{churned:?}");
    assert_eq!((churned.created, lab.router.tracked().unwrap()), (churned.deleted, 0));
}

#[test]
fn everything_is_torn_down_at_a_panic() {
    let lab = lab_or_skip!();
    let paths = [lab.lan.path(), lab.router.path(), lab.wan.path()];
    assert!(paths.iter().all(|path| path.exists()));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _lab = lab;
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert!(!paths.iter().any(|path| path.exists()), "{paths:?}");
}

#[test]
fn options_reach_the_kernel() {
    let options = LabOptions { accounting: false, timestamps: false, tracking: false, events: 0 };
    let lab: Lab = lab_or_skip!(options);
    let echo = Echo::start(&lab.wan, SocketAddr::new(WAN_HOST.v4.into(), 0)).unwrap();
    // Without tracking nothing is translated either, and the wan knows no way back to the lan
    // but the router, which is its default route.
    udp(&lab.lan, echo.address(), 10).unwrap();
    assert_eq!(lab.router.tracked().unwrap(), 0);
    lab.track().unwrap();
    udp(&lab.lan, echo.address(), 10).unwrap();
    let table = oracle::read(&lab.router).unwrap();
    let flow = table.values().next().unwrap();
    assert_eq!((table.len(), flow.orig.packets, flow.start), (1, None, None), "{flow:?}");
}

#[test]
fn a_namespace_is_another_network() {
    let lab = lab_or_skip!();
    let link =
        |ns: &Namespace| std::fs::read_link("/proc/thread-self/ns/net").map(|l| (l, ns.name().to_owned()));
    let outside = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    let (inside, name) = lab.router.run(|| Ok(link(&lab.router)?)).unwrap();
    assert_ne!(inside, outside, "{name}");
    assert_eq!(std::fs::read_link("/proc/thread-self/ns/net").unwrap(), outside);
}

/// A million flows need a raised limit, 500 MB of the kernel and some seconds: `--ignored`.
#[test]
#[ignore = "takes 1 GB of kernel memory and raises nf_conntrack_max of the machine for a moment"]
fn a_million_flows_take_seconds() {
    let lab = lab_or_skip!();
    let before = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_max").unwrap();
    let limit = TableLimit::at_least(&lab.router, 1_100_000).unwrap();
    for (mix, count) in [(Mix::Everything, 100_000), (Mix::PlainTcp, 1_000_000)] {
        let plan = Plan { seed: 3, mix };
        let began = Instant::now();
        let mut injector = Injector::new(&lab.router).unwrap();
        assert_eq!(injector.create(&plan, 0..count).unwrap().moot, 0);
        let made = began.elapsed();
        assert_eq!(lab.router.tracked().unwrap(), count as usize);
        assert_eq!(injector.delete(&plan, 0..count).unwrap().moot, 0);
        eprintln!("{mix:?}: {count} flows made in {made:?}, gone after {:?}", began.elapsed());
    }
    drop(limit);
    assert_eq!(std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_max").unwrap(), before);
}

/// Two holders at once would be found in any order, so this is one test.
#[test]
fn the_command_holds_a_lab_for_others() {
    let lab = lab_or_skip!();
    drop(lab);
    let program = env!("CARGO_BIN_EXE_conntop-lab");
    let mut up =
        Command::new(program).arg("up").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(up.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    let name = said.split_whitespace().find(|word| word.ends_with("-lan")).unwrap().to_owned();
    let router = Namespace::attach(&name.replace("-lan", "-router")).unwrap();
    drop(up.stdin.take());
    assert!(up.wait().unwrap().success());
    assert!(!router.path().exists(), "{name} is still there");
}
