//! Closing sockets of this process, on loopback. Nothing is tried where that is not permitted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panics")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use nfnetlink::Error;
use nfnetlink::diag::{Destroyed, DiagSocket, Found, SocketInfo, Transport};

/// The socket, if it may be closed here.
fn find(
    diag: &mut DiagSocket,
    transport: Transport,
    local: SocketAddr,
    remote: SocketAddr,
) -> Option<SocketInfo> {
    match diag.find(transport, local, remote).unwrap() {
        Found::One(socket) => Some(socket),
        Found::None => None,
        Found::Several => panic!("{local} to {remote} several times"),
    }
}

fn close(diag: &mut DiagSocket, transport: Transport, socket: &SocketInfo) -> Option<Destroyed> {
    match diag.destroy(transport, socket) {
        Err(Error::Denied { .. } | Error::Unsupported { .. }) => None,
        done => Some(done.unwrap()),
    }
}

fn check_tcp(listen: &str, reach: impl Fn(SocketAddr) -> SocketAddr) {
    let (Ok(mut diag), Ok(listener)) = (DiagSocket::open(), TcpListener::bind(listen)) else { return };
    let mut client = TcpStream::connect(reach(listener.local_addr().unwrap())).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let (own, peer) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    let nobody = SocketAddr::new(peer.ip(), 1);
    assert_eq!(find(&mut diag, Transport::Tcp, own, nobody), None, "{listen}: a listener is no connection");
    let found = find(&mut diag, Transport::Tcp, own, peer).unwrap();
    // One that has the same ends, and is another.
    let Some(done) = close(&mut diag, Transport::Tcp, &SocketInfo { cookie: found.cookie ^ 1, ..found })
    else {
        return;
    };
    assert_eq!(done, Destroyed::Gone, "{listen}");
    client.write_all(b"still here").unwrap();
    let mut text = [0; 10];
    server.read_exact(&mut text).unwrap();

    assert_eq!(close(&mut diag, Transport::Tcp, &found), Some(Destroyed::Closed), "{listen}");
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionAborted, "{listen}");
    assert_eq!(server.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset, "{listen}");
    assert_eq!(close(&mut diag, Transport::Tcp, &found), Some(Destroyed::Gone), "{listen}");
    assert_eq!(find(&mut diag, Transport::Tcp, own, peer), None, "{listen}");
    TcpStream::connect(reach(listener.local_addr().unwrap())).unwrap();
}

#[test]
fn one_connection_is_closed_and_nothing_else() {
    check_tcp("127.0.0.1:0", |own| own);
    check_tcp("[::1]:0", |own| own);
    // A socket for both families that talks IPv4.
    check_tcp("[::]:0", |own| SocketAddr::new([127, 0, 0, 1].into(), own.port()));
}

#[test]
fn a_udp_socket_is_closed_only_if_it_is_connected() {
    let Ok(mut diag) = DiagSocket::open() else { return };
    let (server, client) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let (own, peer) = (client.local_addr().unwrap(), server.local_addr().unwrap());
    assert_eq!(find(&mut diag, Transport::Udp, own, peer), None);
    client.connect(peer).unwrap();
    assert_eq!(find(&mut diag, Transport::Udp, peer, own), None, "the server talks to everybody");
    let found = find(&mut diag, Transport::Udp, own, peer).unwrap();
    let other = SocketInfo { cookie: found.cookie ^ 1, ..found };
    let Some(done) = close(&mut diag, Transport::Udp, &other) else { return };
    assert_eq!(done, Destroyed::Gone);
    assert_eq!(close(&mut diag, Transport::Udp, &found), Some(Destroyed::Closed));
    assert_eq!(client.recv(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionAborted);
    server.send_to(b"to nobody", own).unwrap();
    assert_eq!(find(&mut diag, Transport::Udp, own, peer), None);
}
