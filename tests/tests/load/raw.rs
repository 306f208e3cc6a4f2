//! Connections that no client of ours would make, and what the daemon holds of them.

use std::fs;
use std::io::{ErrorKind, Read, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use conntop_proto::message::Bye;
use conntop_tests::stage::PATIENCE;
use conntop_tests::{Daemon, Namespace};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::crowd::Crowd;

/// A hello that asks for plain lines.
pub(crate) const HELLO: &str = r#"{"hello":{"protocol":1,"client":"test 1","name":"test"}}"#;

/// Takes as many descriptors as this process may have: some machines allow 1,024 unless asked.
pub(crate) fn take_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("raising a soft limit");
}

/// Sockets that the daemon has open. Some are open for a moment only, see [`at_rest`].
pub(crate) fn sockets(daemon: &Daemon) -> usize {
    let folder = format!("/proc/{}/fd", daemon.pid());
    let open = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}")).flatten();
    let links = open.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

/// Sockets that it has open while nobody connects: the fewest of several looks.
pub(crate) fn at_rest(crowd: &mut Crowd, daemon: &Daemon) -> usize {
    let looks = (0..8).map(|_| {
        crowd.turn();
        sockets(daemon)
    });
    looks.min().unwrap_or_default()
}

/// An address that the daemon listens on, by its beginning.
pub(crate) fn address(daemon: &Daemon, begin: &str) -> SocketAddr {
    let line = daemon.wait_for_line(&format!("listening on {begin}:"), PATIENCE).unwrap();
    let (_, rest) = line.split_once("listening on ").unwrap();
    let address = rest.split([' ', ',']).next().unwrap();
    address.parse().unwrap_or_else(|error| panic!("{line:?}: {error}"))
}

/// Connects from these addresses, one after the other.
pub(crate) fn from_addresses(
    namespace: &Namespace,
    sources: impl Iterator<Item = IpAddr> + Send,
    to: SocketAddr,
) -> Vec<TcpStream> {
    let connect = |source| {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&socket, &SocketAddr::new(source, 0))?;
        connect(&socket, &to)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        anyhow::Ok(stream)
    };
    namespace.run(|| sources.map(connect).collect()).unwrap()
}

/// A client that has said hello, and need not read.
pub(crate) fn greet(socket: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(socket).unwrap();
    writeln!(stream, "{HELLO}").unwrap();
    stream
}

/// What the daemon says last to a connection that has nothing more to send; nothing where it closed
/// without a word.
pub(crate) fn last_words(mut stream: impl Read) -> Option<Bye> {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap_or_else(|error| panic!("{error} after {text:?}"));
    bye(&text)
}

/// The `bye` at the end of what was read.
pub(crate) fn bye(text: &str) -> Option<Bye> {
    let last: serde_json::Value = serde_json::from_str(text.lines().last()?).ok()?;
    serde_json::from_value(last.get("bye")?.clone()).ok()
}

/// Sends one of these bytes each second, until the daemon closes. Returns how many it took and what it
/// said.
pub(crate) fn trickle(mut stream: TcpStream, bytes: impl Iterator<Item = u8>) -> (usize, String) {
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let (mut sent, mut said) = (0, Vec::new());
    for byte in bytes {
        sent += usize::from(stream.write(&[byte]).is_ok());
        let mut buffer = [0; 4096];
        // The wait for an answer is what makes it slow.
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => said.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // It was closed before our last byte came.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error} after {sent} bytes and {:?}", String::from_utf8_lossy(&said)),
        }
    }
    (sent, String::from_utf8_lossy(&said).into_owned())
}
