//! Sockets of this machine by sock_diag. Who owns one of TCP: one exact question to the kernel, whose
//! cost does not depend on how many sockets there are, or a walk through `/proc/net/tcp` and `tcp6`.
//! And all of a kind ([`DiagSocket::dump`]), with what TCP counts for each. One can be closed
//! ([`DiagSocket::destroy`]).
//!
//! Anybody may ask; to close one takes CAP_NET_ADMIN. The answer is about sockets of the network namespace in which the asking one was
//! opened.

mod destroy;
mod dump;
mod info;

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::{Protocol, netlink};

pub use self::destroy::{Destroyed, Found};
pub use self::dump::Dumped;
pub use self::info::{Counts, Query, SocketInfo, SocketState, States, TcpInfo, sockets};
use crate::error::{Error, Result};
use crate::message::errno;
use crate::socket::{CHUNK, Socket};
use crate::wire::{Frames, Header, NLM_F_REQUEST, NLMSG_ERROR, Problem, Writer};

const SOCK_DIAG: Option<Protocol> = Some(netlink::SOCK_DIAG);

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const INET: u8 = 2;
const INET6: u8 = 10;
/// `INET_DIAG_NOCOOKIE`: any incarnation of the socket.
const NO_COOKIE: [u8; 8] = [0xff; 8];
/// Length of `struct inet_diag_msg`.
const MESSAGE_LEN: usize = 72;

const OPERATION: &str = "asking who owns a socket";

/// Protocols whose sockets can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Transport {
    /// TCP.
    Tcp = 6,
    /// UDP.
    Udp = 17,
}

impl Transport {
    /// The IP protocol's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// The owner of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User who made the socket, as seen in the asking one's user namespace.
    pub uid: u32,
    /// Number of the socket, as `/proc/PID/fd` shows it.
    pub inode: u32,
}

/// A socket for questions.
#[derive(Debug)]
pub struct DiagSocket {
    socket: Socket,
    writer: Writer,
    seq: u32,
    buffer: Vec<u8>,
    /// A dump was begun and not read to its end.
    unfinished: bool,
}

impl DiagSocket {
    /// # Errors
    /// If the kernel has no sock_diag, or a sandbox forbids it.
    pub fn open() -> Result<Self> {
        let (socket, writer) = (connect()?, Writer::default());
        Ok(Self { socket, writer, seq: 0, buffer: vec![0; CHUNK], unfinished: false })
    }

    /// The owner of the TCP socket that is bound to `local` and connected to `remote`, or that
    /// listens on `local` if there is no such connection. `None` if there is none, if no process
    /// holds it any more, or if the kernel lacks inet_diag: ask for a socket that is known to exist
    /// to tell the last from the others.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn tcp_owner(&mut self, local: SocketAddr, remote: SocketAddr) -> Result<Option<Owner>> {
        self.ready()?;
        self.seq = self.seq.wrapping_add(1);
        self.writer.clear();
        let header = Header { kind: SOCK_DIAG_BY_FAMILY, flags: NLM_F_REQUEST, seq: self.seq, port: 0 };
        let open = self.writer.begin(header);
        let exact = Exact { transport: Transport::Tcp, local, remote, interface: 0, cookie: NO_COOKIE };
        self.writer.raw(&exact.request());
        self.writer.end(open);
        self.socket.send(self.writer.as_bytes(), OPERATION)?;
        loop {
            for frame in Frames::new(self.socket.receive(&mut self.buffer, OPERATION)?) {
                let malformed = |source| Error::Malformed { operation: OPERATION, source };
                let (header, payload) = frame.map_err(malformed)?;
                match header.kind {
                    _ if header.seq != self.seq => {}
                    NLMSG_ERROR => {
                        return match errno(payload, "socket").unwrap_or(0) {
                            0 | libc::ENOENT => Ok(None),
                            errno => Err(Error::from_raw(OPERATION, errno)),
                        };
                    }
                    SOCK_DIAG_BY_FAMILY => {
                        let fixed = payload
                            .first_chunk::<MESSAGE_LEN>()
                            .ok_or(malformed(Problem::Truncated.at("sock_diag", "inet_diag_msg")))?;
                        return Ok(owner(fixed));
                    }
                    _ => {}
                }
            }
        }
    }
}

fn connect() -> Result<Socket> {
    Socket::open(SOCK_DIAG, 0, "opening a sock_diag socket")
}

/// A question about one socket.
struct Exact {
    transport: Transport,
    /// The end of the socket that is asked for.
    local: SocketAddr,
    remote: SocketAddr,
    /// That it is bound to; 0 for one that is bound to none.
    interface: u32,
    cookie: [u8; 8],
}

impl Exact {
    /// `struct inet_diag_req_v2`. What it calls source is the socket's own end.
    fn request(&self) -> [u8; 56] {
        let (local, remote) = (canonical(self.local), canonical(self.remote));
        let family = if local.is_ipv4() { INET } else { INET6 };
        let mut bytes = [0; 56];
        let parts: [&[u8]; 8] = [
            &[family, self.transport.number(), 0, 0],
            &u32::MAX.to_ne_bytes(), // in any state
            &local.port().to_be_bytes(),
            &remote.port().to_be_bytes(),
            &padded(local.ip()),
            &padded(remote.ip()),
            &self.interface.to_ne_bytes(),
            &self.cookie,
        ];
        for (to, from) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        bytes
    }
}

fn padded(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// A socket that no process holds has inode 0, and uid 0 whoever made it.
fn owner(fixed: &[u8; MESSAGE_LEN]) -> Option<Owner> {
    let [.., u0, u1, u2, u3, i0, i1, i2, i3] = *fixed;
    let (uid, inode) = (u32::from_ne_bytes([u0, u1, u2, u3]), u32::from_ne_bytes([i0, i1, i2, i3]));
    (inode != 0).then_some(Owner { uid, inode })
}

/// `/proc/net/tcp` and `tcp6`, opened once and read for each question: for kernels without sock_diag.
#[derive(Debug)]
pub struct TcpTables {
    v4: File,
    v6: Option<File>,
}

impl TcpTables {
    /// # Errors
    /// Without `/proc`.
    pub fn open() -> io::Result<Self> {
        let v6 = match File::open("/proc/net/tcp6") {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            opened => Some(opened?),
        };
        Ok(Self { v4: File::open("/proc/net/tcp")?, v6 })
    }

    /// As [`DiagSocket::tcp_owner`], but for connections only.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn tcp_owner(&mut self, local: SocketAddr, remote: SocketAddr) -> io::Result<Option<Owner>> {
        let (local, remote) = (canonical(local), canonical(remote));
        // A socket for both families talks IPv4 from the table of IPv6.
        let tables =
            if local.is_ipv4() { [Some(&self.v4), self.v6.as_ref()] } else { [self.v6.as_ref(), None] };
        for mut table in tables.into_iter().flatten() {
            let mut text = String::new();
            table.rewind()?;
            table.read_to_string(&mut text)?;
            if let Some(owner) = find(&text, local, remote) {
                return Ok(Some(owner).filter(|owner| owner.inode != 0));
            }
        }
        Ok(None)
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Columns: number, local, remote, state, queues, timer, retransmissions, uid, timeout, inode.
fn find(text: &str, local: SocketAddr, remote: SocketAddr) -> Option<Owner> {
    text.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let same = endpoint(fields.next()?)? == local && endpoint(fields.next()?)? == remote;
        let mut rest = fields.skip(4);
        let (uid, inode) = (rest.next()?, rest.nth(1)?);
        same.then(|| Some(Owner { uid: uid.parse().ok()?, inode: inode.parse().ok()? }))?
    })
}

/// `0100007F:D903`: words of the address in the machine's byte order.
fn endpoint(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| -> Option<[u8; 4]> {
        Some(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes())
    };
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = words.as_flattened().try_into().ok()?;
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_tables() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
             0: 0100007F:D903 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 51 1 0 100 0\n   \
             1: 0100007F:9C40 0100007F:D903 01 00000000:00000000 02:00000000 00000000  1000        0 77 2 0 20 4\n   \
             2: 0100007F:9C41 0100007F:D903 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0\n";
        let text6 = "  sl  local_address  remote_address st\n   \
             0: 0000000000000000FFFF00000100007F:9C42 0000000000000000FFFF00000100007F:D903 01 0:0 0:0 0 1001 0 78 1\n   \
             1: 00000000000000000000000001000000:9C43 00000000000000000000000001000000:D903 01 0:0 0:0 0 1002 0 79 1\n";
        let check = |text: &str, from: &str, to: &str, expected: Option<(u32, u32)>| {
            let (Ok(local), Ok(remote)) = (from.parse(), to.parse()) else { panic!("{from} {to}") };
            let found = find(text, local, remote).map(|owner| (owner.uid, owner.inode));
            // The tables are written in the byte order of the machine; these come from a small-endian one.
            if cfg!(target_endian = "little") {
                assert_eq!(found, expected, "{from} to {to}");
            }
        };
        check(text, "127.0.0.1:40000", "127.0.0.1:55555", Some((1000, 77)));
        check(text, "127.0.0.1:40001", "127.0.0.1:55555", Some((0, 0)));
        check(text, "127.0.0.1:40009", "127.0.0.1:55555", None);
        check(text6, "127.0.0.1:40002", "127.0.0.1:55555", Some((1001, 78)));
        check(text6, "[::1]:40003", "[::1]:55555", Some((1002, 79)));
        check("", "127.0.0.1:1", "127.0.0.1:2", None);
    }
}
