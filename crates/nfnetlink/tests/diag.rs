//! Owners of real sockets on loopback, by both ways.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panics")]

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use nfnetlink::diag::{DiagSocket, Owner, TcpTables};

/// What `/proc/self/fd` says of a socket.
fn expected(stream: &TcpStream) -> Owner {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", stream.as_raw_fd())).unwrap();
    let inode = link.to_str().unwrap().trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
    Owner { uid: rustix::process::geteuid().as_raw(), inode }
}

fn check(listen: &str, connect: impl Fn(SocketAddr) -> SocketAddr) {
    let Ok(listener) = TcpListener::bind(listen) else {
        eprintln!("skipped: no {listen} here");
        return;
    };
    let address = listener.local_addr().unwrap();
    let client = TcpStream::connect(connect(address)).unwrap();
    let (server, peer) = listener.accept().unwrap();
    let own = server.local_addr().unwrap();
    let mut tables = TcpTables::open().unwrap();
    assert_eq!(tables.tcp_owner(peer, own).unwrap(), Some(expected(&client)), "{listen} by /proc");
    assert_eq!(tables.tcp_owner(own, peer).unwrap(), Some(expected(&server)), "{listen} by /proc");
    let Ok(mut diag) = DiagSocket::open() else {
        eprintln!("skipped: no sock_diag here");
        return;
    };
    if diag.tcp_owner(address, address).unwrap().is_none() {
        eprintln!("skipped: no inet_diag here");
        return;
    }
    assert_eq!(diag.tcp_owner(peer, own).unwrap(), Some(expected(&client)), "{listen} by sock_diag");
    assert_eq!(diag.tcp_owner(own, peer).unwrap(), Some(expected(&server)), "{listen} by sock_diag");
    drop(client);
    // Closed, it may still be known to the kernel, but nobody holds it.
    assert_eq!(diag.tcp_owner(peer, own).unwrap(), None, "{listen} closed");
    assert_eq!(tables.tcp_owner(peer, own).unwrap(), None, "{listen} closed");
}

#[test]
fn owners_of_connections() {
    check("127.0.0.1:0", |address| address);
    check("[::1]:0", |address| address);
    // A socket of IPv6 that talks IPv4.
    check("[::]:0", |address| SocketAddr::new([127, 0, 0, 1].into(), address.port()));
}
