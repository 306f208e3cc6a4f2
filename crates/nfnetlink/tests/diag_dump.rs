//! Listing sockets: real ones on loopback, and bytes that no kernel sends.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panics, and index what they have made"
)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, RawFd};

use nfnetlink::ct::Family;
use nfnetlink::diag::{Counts, DiagSocket, Query, SocketInfo, SocketState, States, Transport, sockets};
use proptest::collection::vec;
use proptest::prelude::*;

/// What `/proc/self/fd` says of a socket.
fn inode(fd: RawFd) -> u32 {
    let link = std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
    link.to_str().unwrap().trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

fn all(diag: &mut DiagSocket, query: &Query) -> Vec<SocketInfo> {
    let mut found = Vec::new();
    let dumped = diag.dump(query, |socket| {
        found.push(*socket);
        ControlFlow::Continue(())
    });
    let dumped = dumped.unwrap();
    assert_eq!((dumped.sockets, dumped.malformed, dumped.broken_off), (found.len(), 0, false));
    found
}

fn one(found: &[SocketInfo], local: SocketAddr, remote: Option<SocketAddr>) -> SocketInfo {
    let same =
        |socket: &&SocketInfo| socket.local == local && remote.is_none_or(|remote| socket.remote == remote);
    let mut matching = found.iter().filter(same);
    let socket = *matching.next().unwrap_or_else(|| panic!("no {local} {remote:?} in {found:#?}"));
    assert!(matching.next().is_none(), "{local} twice");
    socket
}

fn diag() -> Option<DiagSocket> {
    let mut diag = DiagSocket::open().ok()?;
    let query = Query {
        family: Family::Ipv4,
        transport: Transport::Tcp,
        states: States::LISTENING,
        counts: Counts::Without,
    };
    diag.dump(&query, |_| ControlFlow::Break(())).ok()?;
    Some(diag)
}

/// Whoever listens on `listen` is reached at the address that `reach` makes of its own.
fn check_tcp(listen: &str, family: Family, reach: impl Fn(SocketAddr) -> SocketAddr) {
    let (Some(mut diag), Ok(listener)) = (diag(), TcpListener::bind(listen)) else {
        eprintln!("skipped: no sock_diag, or no {listen} here");
        return;
    };
    let mut client = TcpStream::connect(reach(listener.local_addr().unwrap())).unwrap();
    let (mut server, peer) = listener.accept().unwrap();
    client.write_all(&[7; 1000]).unwrap();
    server.read_exact(&mut [0; 1000]).unwrap();
    server.write_all(&[8; 300]).unwrap();
    client.read_exact(&mut [0; 300]).unwrap();
    let query = Query { family, transport: Transport::Tcp, states: States::ALL, counts: Counts::Tcp };
    let found = all(&mut diag, &query);

    let waiting =
        one(&found, listener.local_addr().unwrap(), Some(unspecified(listener.local_addr().unwrap())));
    assert_eq!((waiting.state, waiting.inode), (SocketState::LISTEN, inode(listener.as_raw_fd())));
    assert!(!waiting.is_connected());
    let accepted = canonical(server.local_addr().unwrap());
    let served = one(&found, accepted, Some(canonical(peer)));
    assert_eq!((served.state, served.inode), (SocketState::ESTABLISHED, inode(server.as_raw_fd())));
    assert_eq!(served.uid, rustix::process::geteuid().as_raw());
    let tcp = served.tcp.unwrap();
    assert_eq!(tcp.bytes_received, Some(1000));
    // The last bytes may not be confirmed yet.
    assert!(tcp.bytes_acked.unwrap() <= 300, "{tcp:?}");
    assert!(tcp.segs_in.unwrap() >= 2 && tcp.segs_out.unwrap() >= 2, "{tcp:?}");

    let again = all(&mut diag, &Query { counts: Counts::Without, ..query });
    let same = one(&again, accepted, Some(canonical(peer)));
    assert_eq!(same.cookie, served.cookie);
    assert!(found.iter().all(|other| other.cookie != served.cookie || other.inode == served.inode));
    let listening = all(&mut diag, &Query { states: States::LISTENING, ..query });
    assert!(listening.iter().all(|socket| socket.state == SocketState::LISTEN), "{listening:#?}");
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn unspecified(like: SocketAddr) -> SocketAddr {
    let any: SocketAddr = if like.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().unwrap();
    any
}

#[test]
fn tcp_sockets_with_their_counts() {
    check_tcp("127.0.0.1:0", Family::Ipv4, |address| address);
    check_tcp("[::1]:0", Family::Ipv6, |address| address);
}

#[test]
fn a_socket_of_ipv6_talks_ipv4() {
    let (Some(mut diag), Ok(listener)) = (diag(), TcpListener::bind("[::]:0")) else {
        eprintln!("skipped: no sock_diag or no IPv6 here");
        return;
    };
    let port = listener.local_addr().unwrap().port();
    let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (server, peer) = listener.accept().unwrap();
    let query = Query {
        family: Family::Ipv6,
        transport: Transport::Tcp,
        states: States::CONNECTIONS,
        counts: Counts::Without,
    };
    let found = all(&mut diag, &query);
    let served = one(&found, SocketAddr::from(([127, 0, 0, 1], port)), Some(canonical(peer)));
    assert_eq!((served.family, served.inode), (Family::Ipv6, inode(server.as_raw_fd())));
    let of_ipv4 = all(&mut diag, &Query { family: Family::Ipv4, ..query });
    assert_eq!(one(&of_ipv4, client.local_addr().unwrap(), None).inode, inode(client.as_raw_fd()));
}

#[test]
fn udp_sockets_connected_and_not() {
    let Some(mut diag) = diag() else {
        eprintln!("skipped: no sock_diag here");
        return;
    };
    let (waiting, connected) =
        (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let address = waiting.local_addr().unwrap();
    connected.connect(address).unwrap();
    let query =
        Query { family: Family::Ipv4, transport: Transport::Udp, states: States::ALL, counts: Counts::Tcp };
    let found = all(&mut diag, &query);
    let one_of = |socket: &UdpSocket| one(&found, socket.local_addr().unwrap(), None);
    let (waits, talks) = (one_of(&waiting), one_of(&connected));
    assert_eq!((waits.state, waits.inode), (SocketState::CLOSE, inode(waiting.as_raw_fd())));
    assert_eq!((talks.state, talks.remote), (SocketState::ESTABLISHED, address));
    assert!(!waits.is_connected() && talks.is_connected());
    assert_eq!((waits.tcp, talks.tcp), (None, None));
}

/// What was broken off is not mixed up with what is asked for next.
#[test]
fn a_dump_may_be_broken_off() {
    let Some(mut diag) = diag() else {
        eprintln!("skipped: no sock_diag here");
        return;
    };
    let listeners: Vec<_> = (0..300).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let query = Query {
        family: Family::Ipv4,
        transport: Transport::Tcp,
        states: States::LISTENING,
        counts: Counts::Without,
    };
    let mut seen = 0;
    let dumped = diag.dump(&query, |_| {
        seen += 1;
        if seen < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert!(dumped.unwrap().broken_off);
    let local = listeners[0].local_addr().unwrap();
    let found = all(&mut diag, &query);
    for listener in &listeners {
        assert_eq!(one(&found, listener.local_addr().unwrap(), None).inode, inode(listener.as_raw_fd()));
    }
    assert_eq!(diag.tcp_owner(local, local).unwrap().unwrap().inode, inode(listeners[0].as_raw_fd()));
}

/// A message as the kernel writes it, with these attributes.
fn message(family: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; 16];
    bytes.extend_from_slice(&[family, 1, 0, 0, 0x1f, 0x90, 0xd9, 0x03]);
    bytes.extend_from_slice(&[127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend_from_slice(&[10, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for word in [3_u32, 0x11, 0x22, 0, 5, 6, 1000, 77] {
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    for (kind, data) in attributes {
        bytes.extend_from_slice(&u16::try_from(data.len() + 4).unwrap().to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    let length = u32::try_from(bytes.len()).unwrap();
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    bytes[4..6].copy_from_slice(&20_u16.to_ne_bytes());
    bytes
}

fn parsed(bytes: &[u8]) -> Result<SocketInfo, String> {
    let mut all = sockets(bytes);
    let first = all.next().unwrap().map(|(_, socket)| socket).map_err(|error| error.to_string());
    assert!(all.next().is_none());
    first
}

#[test]
fn messages_of_any_age() {
    let mut info = [0_u8; 240];
    info[120..128].copy_from_slice(&1234_u64.to_ne_bytes());
    info[128..136].copy_from_slice(&5678_u64.to_ne_bytes());
    info[136..140].copy_from_slice(&9_u32.to_ne_bytes());
    let bytes = message(2, &[(99, b"unknown"), (2, &info), (21, &42_u64.to_ne_bytes()), (11, &[1])]);
    let socket = parsed(&bytes).unwrap();
    assert_eq!(socket.local, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(socket.remote, "10.0.0.9:55555".parse().unwrap());
    assert_eq!((socket.interface, socket.cookie), (3, 0x22_0000_0011));
    assert_eq!((socket.receive_queue, socket.send_queue, socket.uid, socket.inode), (5, 6, 1000, 77));
    assert_eq!((socket.cgroup, socket.v6_only), (Some(42), Some(true)));
    let tcp = socket.tcp.unwrap();
    assert_eq!((tcp.bytes_acked, tcp.bytes_received, tcp.segs_out), (Some(1234), Some(5678), Some(9)));
    // Before 4.2 it ended here.
    let older = parsed(&message(2, &[(2, &info[..136])])).unwrap().tcp.unwrap();
    assert_eq!((older.bytes_received, older.segs_out, older.bytes_sent), (Some(5678), None, None));
    assert_eq!(parsed(&message(2, &[(2, &[])])).unwrap().tcp, Some(Default::default()));
}

#[test]
fn what_is_wrong_is_named() {
    let check = |bytes: &[u8], wanted: &str| assert_eq!(parsed(bytes).unwrap_err(), wanted);
    check(&message(1, &[]), "sock_diag: idiag_family names the unknown family 1");
    check(&message(2, &[(21, &[1, 2])]), "sock_diag: INET_DIAG_CGROUP_ID has 2 bytes instead of 8");
    let mut cut = message(2, &[(99, b"abcd")]);
    let length = cut.len();
    cut[length - 8] = 200;
    check(&cut, "sock_diag: an attribute is cut off");
    check(&message(2, &[])[..50], "netlink: nlmsghdr is cut off");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..600)) {
        prop_assert!(sockets(&bytes).count() <= bytes.len() / 16 + 1);
    }

    /// What stands before a broken message and behind it is read all the same.
    #[test]
    fn neighbours_of_a_broken_message_are_read(
        changes in vec((16_usize..200, any::<u8>()), 0..8),
        cut in 0_usize..200,
    ) {
        let info = [1; 120];
        let good = message(10, &[(2, &info)]);
        let mut bad = message(2, &[(2, &info), (21, &[0; 8])]);
        bad.truncate(16 + cut / 4 * 4);
        let length = bad.len();
        for (at, value) in changes {
            bad[at % (length - 15) + 15] = value;
        }
        bad[..4].copy_from_slice(&u32::try_from(length).unwrap().to_ne_bytes());
        let all: Vec<_> = sockets(&[&good[..], &bad, &good].concat()).collect();
        prop_assert_eq!(all.first().unwrap(), all.last().unwrap());
        prop_assert!(all.len() <= 3 && all.first().unwrap().is_ok());
    }
}
