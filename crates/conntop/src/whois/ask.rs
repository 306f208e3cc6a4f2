//! One question to one server, within a time and a size.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use conntop_proto::limits::MAX_TEXT;
use conntop_proto::text::sanitize;

use super::Server;
use crate::enrich::range::Range;

/// The only port.
const PORT: u16 = 43;
/// More is not read of one answer.
const MOST: u64 = 64 * 1024;
/// Addresses of a server that are tried: one of each family, in which one may be out of order.
const ADDRESSES: usize = 2;
/// Time for one address while there are others.
const PATIENCE: Duration = Duration::from_secs(3);

/// The way to the servers.
pub trait Network {
    /// Addresses of a host, within that time.
    ///
    /// # Errors
    /// When there are none.
    fn addresses(&self, host: &str, within: Duration) -> io::Result<Vec<IpAddr>>;

    /// A connection, within that time.
    ///
    /// # Errors
    /// When there is none.
    fn connect(&self, to: SocketAddr, within: Duration) -> io::Result<TcpStream>;
}

/// The network of this machine.
#[derive(Clone, Copy, Debug)]
pub struct System;

impl Network for System {
    fn addresses(&self, host: &str, within: Duration) -> io::Result<Vec<IpAddr>> {
        let (tell, hear) = mpsc::sync_channel(1);
        let host = host.to_owned();
        // The C library's resolver cannot be told when to give up.
        let resolve = move || {
            let found = (host.as_str(), PORT).to_socket_addrs();
            let _too_late = tell.send(found.map(|found| found.map(|a| a.ip()).collect()));
        };
        std::thread::Builder::new().name("ct-whois-name".to_owned()).spawn(resolve)?;
        hear.recv_timeout(within).unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
    }

    fn connect(&self, to: SocketAddr, within: Duration) -> io::Result<TcpStream> {
        TcpStream::connect_timeout(&to, within)
    }
}

/// Why a server gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Its name has no address.
    #[error("cannot find its address: {0}; is the DNS reachable?")]
    Name(io::Error),
    /// Its name leads into a private network.
    #[error("its name leads to {0}, which is no address of the world: it is not asked")]
    Private(IpAddr),
    /// No connection.
    #[error("cannot connect to {0} port 43: {1}; WHOIS may be blocked here")]
    Connect(IpAddr, io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    /// It took too long.
    #[error("no answer in time (10 seconds for all servers together)")]
    Late,
    /// It said nothing.
    #[error("it said nothing")]
    Empty,
}

/// Asks a server about an address; the answer is harmless text.
pub(super) fn ask<N: Network>(
    network: &N,
    server: Server,
    address: IpAddr,
    deadline: Instant,
) -> Result<String, AskError> {
    let late = |error: &io::Error| matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock);
    let addresses = network
        .addresses(server.host(), left(deadline)?)
        .map_err(|error| if late(&error) { AskError::Late } else { AskError::Name(error) })?;
    let mut last = None;
    let mut stream = None;
    let tried = families(&addresses);
    for (number, &to) in tried.iter().enumerate() {
        if Range::of(to.to_canonical()).is_some() {
            return Err(AskError::Private(to));
        }
        let left = left(deadline)?;
        let within = if number + 1 < tried.len() { left.min(PATIENCE) } else { left };
        match network.connect(SocketAddr::new(to, PORT), within) {
            Ok(connected) => {
                stream = Some(connected);
                break;
            }
            Err(error) => last = Some(AskError::Connect(to, error)),
        }
    }
    let Some(stream) = stream else {
        return Err(last.unwrap_or_else(|| AskError::Name(ErrorKind::NotFound.into())));
    };
    let bytes = converse(&stream, &server.question(address), deadline)?;
    let text = clean(&bytes);
    if text.trim().is_empty() { Err(AskError::Empty) } else { Ok(text) }
}

/// The first address of each family, in the order in which the system wants them.
fn families(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut tried: Vec<IpAddr> = Vec::with_capacity(ADDRESSES);
    for address in addresses {
        if tried.len() < ADDRESSES && tried.iter().all(|other| other.is_ipv4() != address.is_ipv4()) {
            tried.push(*address);
        }
    }
    tried
}

fn converse(mut stream: &TcpStream, question: &str, deadline: Instant) -> Result<Vec<u8>, AskError> {
    let broken = |error: io::Error| match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => AskError::Late,
        _ => AskError::Broken(error),
    };
    stream.set_write_timeout(Some(left(deadline)?)).map_err(broken)?;
    stream.write_all(question.as_bytes()).map_err(broken)?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        stream.set_read_timeout(Some(left(deadline)?)).map_err(broken)?;
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => bytes.extend_from_slice(chunk.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Some close without good manners after the last line.
            Err(error) if error.kind() == ErrorKind::ConnectionReset && !bytes.is_empty() => break,
            Err(error) => return Err(broken(error)),
        }
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) >= MOST {
            bytes.truncate(usize::try_from(MOST).unwrap_or(usize::MAX));
            bytes.extend_from_slice(b"\n... cut at 64 KiB\n");
            break;
        }
    }
    Ok(bytes)
}

fn left(deadline: Instant) -> Result<Duration, AskError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(AskError::Late) } else { Ok(left) }
}

/// Harmless lines of what may be UTF-8 or Latin-1. Tabs are blanks.
fn clean(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = match std::str::from_utf8(line) {
            Ok(line) => line.to_owned(),
            Err(_) => line.iter().copied().map(char::from).collect(),
        };
        let line = line.trim_end_matches(['\r', ' ', '\t']).replace('\t', "    ");
        let mut rest = line.as_str();
        loop {
            let cut = (0..=MAX_TEXT).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(0);
            let (piece, after) = if rest.len() > MAX_TEXT { rest.split_at(cut) } else { (rest, "") };
            let _never_fails = writeln!(text, "{}", sanitize(piece));
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
    }
    let end = text.trim_end_matches('\n').len();
    text.truncate(end);
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_become_harmless_lines() {
        let check = |bytes: &[u8], wanted: &str| assert_eq!(clean(bytes), wanted);
        check(b"a: 1\r\nb:\t2\r\n\r\n", "a: 1\nb:    2\n");
        check("a: Zürich\n".as_bytes(), "a: Zürich\n");
        check(b"a: Z\xfcrich\nb: 1\n", "a: Zürich\nb: 1\n");
        check(b"a: \x1b[2J\n", "a: \\x1b[2J\n");
        check("a: \u{202e}moc\n".as_bytes(), "a: \\u{202e}moc\n");
        check(b"a: \x9b31m\n", "a: \\x9b31m\n");
        check(b"", "\n");
        check("x".repeat(300).as_bytes(), &format!("{}\n{}\n", "x".repeat(255), "x".repeat(45)));
    }
}
