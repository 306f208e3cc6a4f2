//! What a router knows of its network reaches the client: names from its files, neighbours, and whether
//! it tracks at all.

use std::path::Path;

use conntop::engine::{Engine, NoticeKind};
use conntop_proto::message::NameOrigin;
use conntop_tests::lab::{LAN_HOST, WAN_HOST};
use conntop_tests::stage::PATIENCE;
use conntop_tests::tools::command;
use conntop_tests::traffic::ping;
use conntop_tests::{LabOptions, Stage, lab_or_skip};

fn called(engine: &Engine, address: impl Into<std::net::IpAddr>) -> Option<(&str, NameOrigin)> {
    let address = address.into();
    let name = engine.host().names.iter().find(|name| name.address == address)?;
    Some((&name.name, name.from))
}

fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

#[test]
fn a_router_names_its_hosts() {
    let lab = lab_or_skip!();
    for (n, address) in (1..).zip(LAN_HOST.both()) {
        ping(&lab.lan, address_of_router(address), n).unwrap();
    }
    let mac = mac_of(&lab);
    let folder = tempfile::tempdir().unwrap();
    let (leases, hosts) = (folder.path().join("dhcp.leases"), folder.path().join("hosts"));
    let lease = |name: &str| format!("1763790000 {mac} {} {name} 01:{mac}\n", LAN_HOST.v4);
    std::fs::write(&leases, lease("laptop")).unwrap();
    std::fs::write(&hosts, format!("127.0.0.1 localhost\n{} server.example # the wan\n", WAN_HOST.v4))
        .unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let arguments = ["--sandbox", "strict", "--leases", &path(&leases), "--hosts", &path(&hosts)];
    let mut stage = Stage::set(lab, &arguments).unwrap();
    let named = |name: &'static str| {
        move |engine: &Engine| called(engine, LAN_HOST.v4) == Some((name, NameOrigin::Dnsmasq))
    };
    stage.client.until("the name of the lease", PATIENCE, named("laptop")).unwrap();
    let engine = stage.client.engine();
    assert_eq!(called(engine, WAN_HOST.v4), Some(("server.example", NameOrigin::Hosts)));
    // The kernel knows by which MAC address the other address is the same device.
    assert_eq!(called(engine, LAN_HOST.v6), Some(("laptop", NameOrigin::Mac)));
    let neighbour = engine.host().neighbours.iter().find(|n| n.address == LAN_HOST.v4).unwrap();
    assert_eq!(neighbour.mac.to_string(), mac);
    assert!(engine.host().names.iter().all(|name| !name.address.is_loopback()), "{:?}", engine.host().names);

    ping(&stage.lab.lan, WAN_HOST.v4.into(), 9).unwrap();
    let listed = [
        "list",
        "--names",
        "--dns",
        "off",
        "--columns",
        "proto,src_name,dst_name",
        "--filter",
        "src_name laptop",
    ];
    let output = stage.daemon.conntop(&listed).unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("laptop") && text.contains("server.example"), "{text} {output:?}");

    // Another file in its place is read through the sandbox, too.
    replace(&leases, &lease("renamed\x1b[31m"));
    stage.client.until("the new name", PATIENCE, named("renamed\\x1b[31m")).unwrap();
}

fn address_of_router(of: std::net::IpAddr) -> std::net::IpAddr {
    use conntop_tests::lab::ROUTER_INSIDE;
    if of.is_ipv4() { ROUTER_INSIDE.v4.into() } else { ROUTER_INSIDE.v6.into() }
}

/// The MAC address of the host in the lan.
fn mac_of(lab: &conntop_tests::Lab) -> String {
    let output = lab.lan.output(command("ip").args(["-o", "link", "show", "eth0"])).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut words = text.split_whitespace().skip_while(|word| *word != "link/ether");
    words.nth(1).unwrap().to_owned()
}

#[test]
fn a_router_may_keep_it_to_itself() {
    let lab = lab_or_skip!();
    ping(&lab.lan, address_of_router(LAN_HOST.v4.into()), 1).unwrap();
    let mut stage = Stage::set(lab, &["--no-names"]).unwrap();
    stage.client.until("addresses", PATIENCE, |engine| !engine.host().addresses.is_empty()).unwrap();
    let host = stage.client.engine().host();
    assert!(host.names.is_empty() && host.neighbours.is_empty(), "{host:?}");
}

#[test]
fn rules_that_go_leave_entries_that_run_out() {
    let lab = lab_or_skip!(LabOptions::default());
    let mut stage = Stage::set(lab, &[]).unwrap();
    ping(&stage.lab.lan, WAN_HOST.v4.into(), 9).unwrap();
    stage.client.until("the flow", PATIENCE, |engine| !engine.mirror().is_empty()).unwrap();
    let off = |engine: &Engine| engine.notices().iter().any(|n| n.kind == NoticeKind::TrackingOff);
    assert!(!off(stage.client.engine()));
    // Longer than the entry of a ping lives.
    stage.injector.create(&conntop_tests::inject::Plan::new(1), 0..10).unwrap();
    stage.client.until("a look at the rules", PATIENCE, |e| e.tracking() == Some(true)).unwrap();
    stage.lab.router.output(command("nft").args(["delete", "table", "inet", "lab"])).unwrap();
    stage.client.until("that it is off", PATIENCE, off).unwrap();
    let engine = stage.client.engine();
    assert!(!engine.mirror().is_empty(), "the entries are left");
    assert!(engine.notices().iter().any(|n| n.text.contains("any more")), "{:?}", engine.notices());
    stage.lab.track().unwrap();
    stage.client.until("that it is on again", PATIENCE, |engine| !off(engine)).unwrap();
}
