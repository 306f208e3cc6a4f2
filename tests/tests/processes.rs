//! Processes at the ends of flows, on the real kernel: in the namespace that is watched, in others behind
//! its NAT, and as an ordinary user.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use conntop_tests::inject::{Injector, Plan};
use conntop_tests::lab::{DNAT_PORT, DNAT_TO_PORT, LAN_HOST, ROUTER_INSIDE, ROUTER_OUTSIDE, WAN_HOST};
use conntop_tests::programs::program;
use conntop_tests::stage::PATIENCE;
use conntop_tests::tools::run_within;
use conntop_tests::traffic::{Echo, connect, exchange};
use conntop_tests::{Lab, Namespace, lab_or_skip};
use serde_json::Value;

/// Somebody who is not root.
const USER: u32 = 65_534;

/// A shell that holds a connection.
struct Shell(Child);

impl Shell {
    /// Connects over `tcp` or `udp`, and sends a line so that the kernel tracks it.
    fn connect(inside: &Namespace, uid: u32, proto: &str, to: SocketAddr) -> Self {
        let script = format!(
            "exec 3<>/dev/{proto}/{}/{} && echo hello >&3 && echo ready && read -r end",
            to.ip(),
            to.port()
        );
        let mut bash = Command::new("bash");
        bash.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).uid(uid).gid(uid);
        let mut child = inside.spawn(&mut bash).unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "{script}");
        Self(child)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The flows that `conntop list` shows in a namespace.
fn list(inside: &Namespace, program: &mut Command) -> Vec<Value> {
    program.args(["list", "--format", "json"]);
    program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = run_within(inside.spawn(program).unwrap(), PATIENCE).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The one flow with this destination that has this source address, or the source port as well.
#[track_caller]
fn flow(flows: &[Value], proto: &str, src: (IpAddr, Option<u16>), dst: SocketAddr) -> Value {
    let is = |flow: &&Value| {
        flow["proto"] == proto
            && flow["src"] == src.0.to_string()
            && src.1.is_none_or(|port| flow["sport"] == port)
            && flow["dst"] == dst.ip().to_string()
            && flow["dport"] == dst.port()
    };
    let found: Vec<&Value> = flows.iter().filter(is).collect();
    assert_eq!(found.len(), 1, "{proto} {src:?} to {dst}: {flows:#?}");
    found[0].clone()
}

#[track_caller]
fn check(flow: &Value, pid: u32, user: &str) {
    assert_eq!((&flow["pid"], &flow["user"]), (&Value::from(pid), &Value::from(user)), "{flow:#}");
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    let name = flow["process"].as_str().unwrap();
    assert!(name.starts_with(comm.trim_end()), "{name}, not {comm}");
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap().replace('\0', " ");
    let shown = flow["command"].as_str().unwrap();
    assert!(command.starts_with(shown) && !shown.is_empty(), "{shown:?}, not {command:?}");
}

fn any(port: u16) -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, port).into()
}

#[test]
fn processes_are_found_on_both_sides_of_the_nat() {
    let lab: Lab = lab_or_skip!();
    let me = std::process::id();
    // It may have to be built, and flows of UDP don't wait for that.
    let path = program("conntop").unwrap();
    for timeout in ["netfilter/nf_conntrack_udp_timeout", "netfilter/nf_conntrack_udp_timeout_stream"] {
        lab.router.set_sysctl(timeout, "600").unwrap();
    }
    let lan = IpAddr::from(LAN_HOST.v4);
    let (far, inside) = (SocketAddr::from((WAN_HOST.v4, 0)), ROUTER_INSIDE.v4);
    let wan_server = Echo::start(&lab.wan, far).unwrap();
    let wan = wan_server.address();
    let router_server = Echo::start(&lab.router, "[::]:0".parse().unwrap()).unwrap();
    let to_router = SocketAddr::from((inside, router_server.address().port()));

    // As in a container: behind the NAT of this machine, in a namespace of its own.
    let masqueraded = Shell::connect(&lab.lan, 0, "tcp", wan);
    let datagrams = Shell::connect(&lab.lan, 0, "udp", wan);
    let to_us = Shell::connect(&lab.lan, USER, "udp", to_router);
    // A published port.
    let published = Echo::start(&lab.lan, any(DNAT_TO_PORT)).unwrap();
    let outside = SocketAddr::from((ROUTER_OUTSIDE.v4, DNAT_PORT));
    let guest = connect(&lab.wan, outside).unwrap();
    exchange(&guest, 100).unwrap();
    // The router itself: connected, not connected, and served to another machine.
    let own = connect(&lab.router, wan).unwrap();
    exchange(&own, 100).unwrap();
    let loose = lab.router.run(|| Ok(UdpSocket::bind(any(0))?)).unwrap();
    loose.send_to(b"hello", wan).unwrap();
    let served = connect(&lab.wan, SocketAddr::from((ROUTER_OUTSIDE.v4, to_router.port()))).unwrap();
    exchange(&served, 100).unwrap();
    // Flows of others.
    Injector::new(&lab.router).unwrap().create(&Plan::new(1), 0..20).unwrap();

    let conntop = || Command::new(&path);
    let flows = list(&lab.router, &mut conntop());
    check(&flow(&flows, "tcp", (lan, None), wan), masqueraded.pid(), "root");
    check(&flow(&flows, "udp", (lan, None), wan), datagrams.pid(), "root");
    check(&flow(&flows, "udp", (lan, None), to_router), to_us.pid(), "nobody");
    let port = |address: SocketAddr| (address.ip(), Some(address.port()));
    let own = own.local_addr().unwrap();
    check(&flow(&flows, "tcp", port(own), wan), me, "root");
    let loose = loose.local_addr().unwrap().port();
    check(&flow(&flows, "udp", (ROUTER_OUTSIDE.v4.into(), Some(loose)), wan), me, "root");
    check(&flow(&flows, "tcp", port(guest.local_addr().unwrap()), outside), me, "root");
    let served_at = SocketAddr::from((ROUTER_OUTSIDE.v4, to_router.port()));
    check(&flow(&flows, "tcp", port(served.local_addr().unwrap()), served_at), me, "root");
    let others = flows.iter().filter(|flow| flow["pid"].is_null()).count();
    assert_eq!(others, 20, "{flows:#?}");

    // The same from elsewhere, and not at all.
    let flows = list(&lab.wan, conntop().args(["--netns", lab.router.name()]));
    check(&flow(&flows, "tcp", (lan, None), wan), masqueraded.pid(), "root");
    let flows = list(&lab.router, conntop().arg("--no-processes"));
    assert!(flows.iter().all(|flow| flow["pid"].is_null()), "{flows:#?}");
    drop(published);
}

#[test]
fn an_ordinary_user_sees_his_own_processes_and_whose_the_others_are() {
    let lab: Lab = lab_or_skip!();
    let wan_server = Echo::start(&lab.wan, SocketAddr::from((WAN_HOST.v4, 0))).unwrap();
    let wan = wan_server.address();
    let ours = Shell::connect(&lab.router, USER, "tcp", wan);
    let roots = connect(&lab.router, wan).unwrap();
    exchange(&roots, 100).unwrap();
    let hidden = Shell::connect(&lab.lan, 0, "tcp", wan);

    let mut conntop = Command::new("setpriv");
    let user = USER.to_string();
    conntop.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
    conntop.args(["--inh-caps", "+net_admin", "--ambient-caps", "+net_admin"]);
    conntop.arg(program("conntop").unwrap()).env_clear().env("HOME", "/nonexistent");
    let flows = list(&lab.router, &mut conntop);
    let router = IpAddr::from(ROUTER_OUTSIDE.v4);
    let root = flow(&flows, "tcp", (router, Some(roots.local_addr().unwrap().port())), wan);
    assert_eq!((&root["user"], &root["pid"], &root["process"]), (&"root".into(), &Value::Null, &Value::Null));
    let mine: Vec<&Value> = flows.iter().filter(|flow| flow["pid"] == ours.pid()).collect();
    assert_eq!(mine.len(), 1, "{flows:#?}");
    check(mine[0], ours.pid(), "nobody");
    let container = flow(&flows, "tcp", (LAN_HOST.v4.into(), None), wan);
    assert!(container["pid"].is_null() && container["user"].is_null(), "{container:#}");
    drop(hidden);
}
