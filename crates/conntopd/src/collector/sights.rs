//! What clients look at besides flows: the interfaces of the collector's namespace with their counters,
//! and the sockets in it that wait for connections. Read only while somebody looks; anybody may ask the
//! kernel for either.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use conntop_proto::flow::MAX_SAFE_INTEGER;
use conntop_proto::limits::MAX_SERVER_LINE;
use conntop_proto::message::{InterfaceState, Interfaces, LinkCounters, LinkState, Listener, Listeners};
use conntop_proto::text;
use nfnetlink::ct::Family;
use nfnetlink::diag::{Counts, DiagSocket, Query, SocketInfo, SocketState, States, Transport};
use nfnetlink::route::{Link, OperState, RouteSocket};

use super::clock;
use super::handle::Look;
use super::host::{FRAME, keep};

/// What a reading found; what was not asked for, or could not be read, is absent.
#[derive(Debug)]
pub(super) struct Sights {
    pub(super) interfaces: Option<Interfaces>,
    pub(super) listeners: Option<Listeners>,
    /// CPU time of the reading thread.
    pub(super) cost: Duration,
}

impl Sights {
    /// Reads it in the calling thread's namespace.
    pub(super) fn read(look: Look) -> Self {
        let before = clock::thread_cpu();
        let interfaces = look.interfaces.then(read_interfaces).and_then(|read| told("interfaces", read));
        let listeners = look.listeners.then(read_listeners).and_then(|read| told("listeners", read));
        Self { interfaces, listeners, cost: clock::thread_cpu().saturating_sub(before) }
    }
}

fn told<T>(what: &str, read: nfnetlink::Result<T>) -> Option<T> {
    read.inspect_err(|error| tracing::debug!(%error, "no {what}")).ok()
}

/// The interfaces of the calling thread's namespace.
///
/// # Errors
/// When the kernel refuses.
pub fn read_interfaces() -> nfnetlink::Result<Interfaces> {
    let at = clock::now();
    let mut list: Vec<_> = RouteSocket::open()?.links()?.into_iter().map(interface).collect();
    list.sort_by_key(|one| one.index);
    let before = list.len();
    keep(&mut list, MAX_SERVER_LINE - FRAME);
    Ok(Interfaces { at, left_out: left_out(before, list.len()), list })
}

fn left_out(before: usize, after: usize) -> u32 {
    u32::try_from(before - after).unwrap_or(u32::MAX)
}

fn interface(link: Link) -> InterfaceState {
    let state = match link.oper {
        _ if !link.is_up() => LinkState::Off,
        OperState::Up => LinkState::Up,
        OperState::Dormant => LinkState::Dormant,
        // Loopback and tunnels do not say; that they run does.
        OperState::Unknown if link.is_running() => LinkState::Up,
        OperState::Unknown => LinkState::Unknown,
        OperState::Down => LinkState::Down,
    };
    let stats = link.stats.unwrap_or_default();
    // A driver may say anything; the wire has integers that every client can hold.
    let counters = |bytes: u64, packets: u64, errors: u64, drops: u64| LinkCounters {
        bytes: bytes.min(MAX_SAFE_INTEGER),
        packets: packets.min(MAX_SAFE_INTEGER),
        errors: errors.min(MAX_SAFE_INTEGER),
        drops: drops.min(MAX_SAFE_INTEGER),
    };
    // What the card had no room for is lost as well, as /proc/net/dev counts it.
    let missed = stats.rx_dropped.saturating_add(stats.rx_missed);
    InterfaceState {
        index: link.index,
        name: text::sanitize_bytes(&link.name),
        kind: (!link.kind.is_empty()).then(|| text::sanitize_bytes(&link.kind)),
        state,
        mtu: link.mtu,
        received: counters(stats.rx_bytes, stats.rx_packets, stats.rx_errors, missed),
        sent: counters(stats.tx_bytes, stats.tx_packets, stats.tx_errors, stats.tx_dropped),
    }
}

/// Kinds of sockets that wait: of UDP those that are not connected.
const QUERIES: [Query; 4] = [
    query(Family::Ipv4, Transport::Tcp),
    query(Family::Ipv6, Transport::Tcp),
    query(Family::Ipv4, Transport::Udp),
    query(Family::Ipv6, Transport::Udp),
];

const fn query(family: Family, transport: Transport) -> Query {
    let states = match transport {
        Transport::Tcp => States::LISTENING,
        Transport::Udp => States::of(&[SocketState::CLOSE]),
    };
    Query { family, transport, states, counts: Counts::Without }
}

/// The sockets of the calling thread's namespace that wait for connections.
///
/// # Errors
/// When the kernel refuses, or can list no kind of sockets.
pub fn read_listeners() -> nfnetlink::Result<Listeners> {
    let at = clock::now();
    let mut diag = DiagSocket::open()?;
    // In the order of the wire; a dump may show a socket twice, a cookie is of one.
    let mut found: BTreeMap<(u8, u16, IpAddr, u64), Listener> = BTreeMap::new();
    let mut refused = Vec::new();
    for query in &QUERIES {
        let proto = query.transport.number();
        let read = diag.dump(query, |socket| {
            if socket.local.port() != 0 && !socket.is_connected() {
                let key = (proto, socket.local.port(), socket.local.ip(), socket.cookie);
                found.insert(key, listener(query.transport, socket));
            }
            ControlFlow::Continue(())
        });
        refused.extend(read.err());
    }
    if refused.len() == QUERIES.len()
        && let Some(error) = refused.pop()
    {
        return Err(error);
    }
    let mut list: Vec<_> = found.into_values().collect();
    let before = list.len();
    keep(&mut list, MAX_SERVER_LINE - FRAME);
    Ok(Listeners { at, left_out: left_out(before, list.len()), list })
}

fn listener(transport: Transport, socket: &SocketInfo) -> Listener {
    Listener {
        proto: transport.number(),
        address: socket.local.ip(),
        port: socket.local.port(),
        v6_only: socket.local.is_ipv6() && socket.v6_only == Some(true),
        interface: (socket.interface != 0).then_some(socket.interface),
        uid: socket.uid,
        inode: (socket.inode != 0).then_some(socket.inode),
        waiting: socket.receive_queue,
        backlog: match transport {
            Transport::Tcp => Some(socket.send_queue),
            Transport::Udp => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conntop_proto::codec::{Validate, decode_line, encode_line};
    use conntop_proto::message::ServerMessage;
    use std::net::{TcpListener, UdpSocket};

    #[track_caller]
    fn fits(message: &ServerMessage) {
        let mut line = Vec::new();
        encode_line(message, &mut line).unwrap();
        assert_eq!(&decode_line::<ServerMessage>(&line, Validate::All).unwrap(), message);
    }

    #[test]
    fn this_machine_has_a_loopback() {
        let interfaces = read_interfaces().unwrap();
        let loopback = interfaces.list.iter().find(|one| one.name == "lo").unwrap();
        assert_eq!((loopback.kind.as_deref(), loopback.mtu > 1000), (None, true), "{loopback:?}");
        fits(&ServerMessage::Interfaces(interfaces));
    }

    #[test]
    fn sockets_that_wait_are_found() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("[::1]:0").unwrap();
        let connected = UdpSocket::bind("127.0.0.1:0").unwrap();
        connected.connect("127.0.0.1:9").unwrap();
        let listeners = read_listeners().unwrap();
        let has = |proto: u8, at: std::net::SocketAddr| {
            let is = |one: &&Listener| (one.proto, one.address, one.port) == (proto, at.ip(), at.port());
            listeners.list.iter().find(is).cloned()
        };
        let found = has(6, tcp.local_addr().unwrap()).unwrap();
        assert!(found.inode.is_some() && found.backlog.is_some_and(|most| most > 0), "{found:?}");
        let found = has(17, udp.local_addr().unwrap()).unwrap();
        assert!(found.inode.is_some() && found.backlog.is_none(), "{found:?}");
        assert_eq!(has(17, connected.local_addr().unwrap()), None);
        fits(&ServerMessage::Listeners(listeners));
    }

    #[test]
    fn a_line_holds_very_many() {
        let name = "x".repeat(15);
        let many = |n: u32| InterfaceState { index: n, name: name.clone(), ..InterfaceState::default() };
        let mut list: Vec<_> = (0..5000).map(many).collect();
        keep(&mut list, MAX_SERVER_LINE - FRAME);
        assert!(list.len() > 500, "{}", list.len());
        fits(&ServerMessage::Interfaces(Interfaces { list, left_out: u32::MAX, ..Interfaces::default() }));
    }
}
