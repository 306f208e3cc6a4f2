//! The machine's own sockets, held against what `ss` says of them, and the way from there to connection
//! tracking.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Instant;

use conntop_tests::lab::{LAN_HOST, WAN_HOST};
use conntop_tests::programs::program;
use conntop_tests::stage::PATIENCE;
use conntop_tests::terminal::Terminal;
use conntop_tests::tools::{command, run_within};
use conntop_tests::traffic::{Echo, connect, exchange, tcp};
use conntop_tests::{Lab, Namespace, lab_or_skip};
use serde_json::Value;

use crate::copy::Program;

/// Bytes sent and received, segments sent and received.
type Counts = [u64; 4];
/// Own end and the other.
type Ends = (SocketAddr, SocketAddr);

/// Established connections as `ss -ti` tells them. What it does not tell is 0.
fn by_ss(inside: &Namespace) -> BTreeMap<Ends, Counts> {
    let output = inside.output(command("ss").args(["-tinHO", "state", "established"])).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let row = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let number = |name: &str| {
            let mut values = words.iter().filter_map(|word| word.strip_prefix(name)?.strip_prefix(':'));
            values.next().map_or(0, |value| value.parse().unwrap())
        };
        let ends = (words[2].parse().unwrap(), words[3].parse().unwrap());
        (ends, ["bytes_acked", "bytes_received", "segs_out", "segs_in"].map(number))
    };
    text.lines().map(row).collect()
}

/// The larger of each number of both ends, by who opened it, where both are in the same place.
fn flows(sockets: &BTreeMap<Ends, Counts>, port: u16) -> BTreeMap<Ends, Counts> {
    let mut flows = BTreeMap::<Ends, Counts>::new();
    for (&(own, other), &[acked, received, out, into]) in sockets {
        let (ends, counts) = match own.port() == port {
            true => ((other, own), [received, acked, into, out]),
            // A SYN is no byte.
            false => ((own, other), [acked.saturating_sub(1), received, out, into]),
        };
        let known = flows.entry(ends).or_default();
        known.iter_mut().zip(counts).for_each(|(known, count)| *known = count.max(*known));
    }
    flows
}

/// What it prints as JSON, and what it says besides.
fn list(inside: &Namespace, mut command: Command) -> (Vec<Value>, String) {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = run_within(inside.spawn(&mut command).unwrap(), PATIENCE).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{command:?}: {}: {said}", output.status);
    (serde_json::from_slice(&output.stdout).unwrap(), said)
}

fn by_conntop(printed: &[Value]) -> BTreeMap<Ends, Counts> {
    let row = |flow: &Value| {
        let (orig, reply) = (&flow["orig"], &flow["reply"]);
        let end = |address: &str, port: &str| {
            let ip = orig[address].as_str().unwrap().parse().unwrap();
            SocketAddr::new(ip, u16::try_from(orig[port].as_u64().unwrap()).unwrap())
        };
        let number = |direction: &Value, name: &str| direction[name].as_u64().unwrap();
        let bytes = [number(orig, "bytes"), number(reply, "bytes")];
        let packets = [number(orig, "packets"), number(reply, "packets")];
        assert_eq!((&flow["state"], &flow["timeout_s"]), (&"established".into(), &Value::Null));
        ((end("src", "sport"), end("dst", "dport")), [bytes[0], bytes[1], packets[0], packets[1]])
    };
    printed.iter().map(row).collect()
}

/// What it lists inside is what `ss` lists there, flow by flow and number by number.
fn check(inside: &Namespace, command: impl Fn() -> Command, port: u16, says: &str) {
    let began = Instant::now();
    loop {
        let before = by_ss(inside);
        let (printed, said) = list(inside, command());
        // The last segments may still be on their way.
        if before != by_ss(inside) && began.elapsed() < PATIENCE {
            continue;
        }
        assert!(said.contains("sockets of this machine") && said.contains(says), "{said}");
        assert!(!before.is_empty());
        assert_eq!(by_conntop(&printed), flows(&before, port), "in {}", inside.name());
        return;
    }
}

#[test]
fn sockets_are_what_ss_says() {
    let lab: Lab = lab_or_skip!();
    let conntop = Program::copy();
    let far = Echo::start(&lab.wan, SocketAddr::new(WAN_HOST.v4.into(), 7007)).unwrap();
    let near = Echo::start(&lab.lan, "127.0.0.1:7007".parse().unwrap()).unwrap();
    let six = Echo::start(&lab.lan, SocketAddr::new(LAN_HOST.v6.into(), 7007)).unwrap();
    let streams: Vec<_> = [(&far, 100_000), (&far, 1), (&near, 30_000), (&six, 5_000)]
        .into_iter()
        .map(|(echo, bytes)| {
            let stream = connect(&lab.lan, echo.address()).unwrap();
            exchange(&stream, bytes).unwrap();
            stream
        })
        .collect();
    let arguments = ["list", "-o", "json", "-f", "state EST"];
    // In the lan nothing is tracked.
    let tracks_nothing = "connection tracking is not active";
    check(&lab.lan, || conntop.as_nobody(&arguments), 7007, "root, or who has CAP_NET_ADMIN");
    check(&lab.lan, || conntop.as_root(&arguments), 7007, tracks_nothing);
    check(&lab.wan, || conntop.as_nobody(&arguments), 7007, "root");
    // On the router it is, by masquerading: root sees that, and nobody sees what he may.
    let (printed, said) = list(&lab.router, conntop.as_root(&["list", "-o", "json"]));
    assert!(!printed.is_empty() && !said.contains("sockets"), "{said}");
    let (printed, said) = list(&lab.router, conntop.as_nobody(&["list", "-o", "json"]));
    assert!(printed.is_empty() && said.contains("sockets of this machine"), "{printed:?} {said}");
    let chosen = ["--source", "sockets", "list", "-o", "json"];
    assert!(list(&lab.router, conntop.as_root(&chosen)).1.contains("sockets of this machine"));
    let refused = lab.router.spawn(
        conntop.as_nobody(&["--source", "conntrack", "list"]).stdout(Stdio::null()).stderr(Stdio::null()),
    );
    assert_eq!(run_within(refused.unwrap(), PATIENCE).unwrap().status.code(), Some(77));
    drop(streams);
}

#[test]
fn the_key_that_activates_leads_over_to_the_table() {
    let lab: Lab = lab_or_skip!();
    let echo = Echo::start(&lab.lan, "127.0.0.1:0".parse().unwrap()).unwrap();
    let stream = connect(&lab.lan, echo.address()).unwrap();
    exchange(&stream, 1000).unwrap();
    let mut terminal = Terminal::start(&lab.lan, &mut Command::new(program("conntop").unwrap())).unwrap();
    let port = format!(" {} ", echo.address().port());
    let own = |s: &str| s.contains("sockets of this machine") && s.contains("sockets only, A: all flows");
    terminal.wait("the sockets", PATIENCE, |s| own(s) && s.contains(&port) && s.contains("flows 1")).unwrap();
    terminal.keys(b"A").unwrap();
    terminal.wait("the question", PATIENCE, |s| s.contains("y activate")).unwrap();
    terminal.keys(b"y").unwrap();
    terminal.wait("the answer", PATIENCE, |s| s.contains("activated: nft table inet")).unwrap();
    terminal.keys(b"\x1b").unwrap();
    let table = |s: &str| s.contains("· conntrack") && !s.contains("sockets");
    terminal.wait("the table", PATIENCE, table).unwrap();
    // A packet of the old connection makes it known to the table, and a new one comes with it.
    exchange(&stream, 1000).unwrap();
    tcp(&lab.lan, echo.address(), 5000).unwrap();
    terminal.wait("both", PATIENCE, |s| table(s) && s.contains("flows 2 ")).unwrap();
    terminal.keys(b"q").unwrap();
    let gone = || {
        let tables = lab.lan.output(command("nft").args(["list", "tables"])).unwrap();
        !String::from_utf8(tables.stdout).unwrap().contains("conntop-")
    };
    let began = Instant::now();
    while !gone() {
        assert!(began.elapsed() < PATIENCE, "our table stays");
        std::thread::yield_now();
    }
    // What is left in the table does not pass for a table that somebody fills.
    assert!(lab.lan.tracked().unwrap() > 0);
    let (_, said) = list(&lab.lan, Program::copy().as_root(&["list", "-o", "json"]));
    assert!(said.contains("connection tracking is not active") && said.contains("sockets"), "{said}");
}
