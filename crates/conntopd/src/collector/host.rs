//! What the request thread reads beside flows, in its own network namespace: sysctls, addresses,
//! networks, statistics. Names of interfaces pass the sanitizer here.

use std::net::{Ipv4Addr, UdpSocket};

use conntop_proto::message::{Host, HostAddress, Interface, KernelFacts, TableStats};
use conntop_proto::text;
use nfnetlink::RequestSocket;
use nfnetlink::ct::Family;
use nfnetlink::facts::Facts;
use nfnetlink::netns;
use nfnetlink::route::RouteSocket;

use super::clock::now;

/// What the kernel gives now.
#[must_use]
pub fn facts() -> KernelFacts {
    let facts = Facts::read();
    KernelFacts {
        acct: facts.acct,
        timestamp: facts.timestamp,
        events: facts.events.map(u32::from),
        max: facts.max,
        buckets: facts.buckets,
        listening: false,
        event_buffer: None,
        netns: netns::identity().ok().map(|(_, inode)| inode),
        tracking: tracking(&facts),
    }
}

/// Whether something in the namespace makes the kernel track connections. The kernel does not say,
/// so an empty table is tried: a datagram from loopback to itself is tracked or not.
fn tracking(facts: &Facts) -> Option<bool> {
    if facts.count? > 0 {
        return Some(true);
    }
    let probe = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    probe.send_to(&[], probe.local_addr().ok()?).ok()?;
    Some(Facts::read().count? > 0)
}

/// The kernel's counts. What it will not say stays `None`.
#[must_use]
pub fn stats(socket: &mut RequestSocket) -> TableStats {
    let mut stats = TableStats { at: now(), ..TableStats::default() };
    match socket.stats() {
        Ok(table) => {
            stats.count = Some(u64::from(table.entries));
            stats.max = table.max.map(u64::from);
        }
        Err(error) => tracing::debug!("{error}"),
    }
    if stats.max.is_none() {
        stats.max = Facts::read().max;
    }
    match socket.stats_cpu() {
        Ok(cpus) => {
            let sum = |count: fn(&nfnetlink::ct::CpuStats) -> u32| {
                Some(cpus.iter().map(|cpu| u64::from(count(cpu))).sum())
            };
            stats.drop = sum(|cpu| cpu.drop);
            stats.insert_failed = sum(|cpu| cpu.insert_failed);
            stats.early_drop = sum(|cpu| cpu.early_drop);
        }
        Err(error) => tracing::debug!("{error}"),
    }
    stats
}

/// Own addresses, networks on the link, interfaces.
///
/// # Errors
/// rtnetlink refuses.
pub fn host() -> nfnetlink::Result<Host> {
    let mut socket = RouteSocket::open()?;
    let interfaces = socket
        .links()?
        .into_iter()
        .map(|link| Interface { index: link.index, name: text::sanitize_bytes(&link.name) })
        .collect();
    let addresses = socket
        .addresses()?
        .into_iter()
        .map(|own| HostAddress { address: own.addr, prefix: own.prefix, interface: own.link })
        .collect();
    let mut networks = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        let routes = socket.routes(family)?;
        let local = routes.iter().filter(|route| route.is_on_link());
        networks.extend(local.map(|route| format!("{}/{}", route.dst, route.prefix)));
    }
    networks.sort_unstable();
    networks.dedup();
    Ok(Host { addresses, networks, interfaces })
}
