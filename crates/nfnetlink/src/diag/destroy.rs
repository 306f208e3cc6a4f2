//! Closing one socket (`SOCK_DESTROY`), as if its process had aborted it. It is found by both its ends
//! and closed by its cookie, which no other socket ever has: so what took its place is never hit.
//!
//! Listening and unconnected sockets are never found: they carry the traffic of others too.

use std::net::SocketAddr;
use std::ops::ControlFlow;

use super::info::{Counts, Query, SocketInfo, SocketState, States};
use super::{DiagSocket, Exact, NO_COOKIE, SOCK_DIAG_BY_FAMILY, Transport};
use crate::ct::Family;
use crate::error::{Error, Result};
use crate::message::errno;
use crate::wire::{Frames, Header, NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR};

const SOCK_DESTROY: u16 = 21;

const FIND: &str = "looking for a flow's socket";
const DESTROY: &str = "closing a socket";

/// What came of closing a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destroyed {
    /// It is closed.
    Closed,
    /// It was gone already.
    Gone,
}

/// Which sockets have both ends of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one at a time, and on the stack")]
pub enum Found {
    /// None.
    None,
    /// This one.
    One(SocketInfo),
    /// More than one (bound to interfaces): which of them is meant cannot be told.
    Several,
}

impl DiagSocket {
    /// The socket of a process that is connected from `local` to `remote`.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn find(&mut self, transport: Transport, local: SocketAddr, remote: SocketAddr) -> Result<Found> {
        if transport == Transport::Tcp
            && let Some(socket) =
                self.ask(&Exact { transport, local, remote, interface: 0, cookie: NO_COOKIE })?
            && is_it(&socket, local, remote)
        {
            return Ok(Found::One(socket));
        }
        // UDP has no such question; and a socket that is bound to an interface is not found by it.
        let mut found = Found::None;
        let states = States::CONNECTIONS;
        for family in [Family::Ipv4, Family::Ipv6] {
            let query = Query { family, transport, states, counts: Counts::Without };
            let dumped = self.dump(&query, |socket| {
                found = match found {
                    _ if !is_it(socket, local, remote) => return ControlFlow::Continue(()),
                    Found::One(other) if other.cookie != socket.cookie => Found::Several,
                    Found::Several => Found::Several,
                    Found::None | Found::One(_) => Found::One(*socket),
                };
                ControlFlow::Continue(())
            });
            match dumped {
                // The kernel has no such sockets.
                Err(error) if error.errno() == Some(libc::ENOENT) => {}
                dumped => drop(dumped?),
            }
        }
        Ok(found)
    }

    /// Closes the socket that was found. Both the other end and its process are told (ECONNABORTED).
    ///
    /// # Errors
    /// Not permitted (CAP_NET_ADMIN), or a kernel without `CONFIG_INET_DIAG_DESTROY`.
    pub fn destroy(&mut self, transport: Transport, socket: &SocketInfo) -> Result<Destroyed> {
        let SocketInfo { local, remote, interface, cookie, .. } = *socket;
        let exact = Exact { transport, local, remote, interface, cookie: cookie.to_ne_bytes() };
        self.send_exact(SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK, &exact, DESTROY)?;
        loop {
            for frame in Frames::new(self.socket.receive(&mut self.buffer, DESTROY)?) {
                let malformed = |source| Error::Malformed { operation: DESTROY, source };
                let (header, payload) = frame.map_err(malformed)?;
                if header.seq == self.seq && header.kind == NLMSG_ERROR {
                    return match errno(payload, "acknowledgement").map_err(malformed)? {
                        0 => Ok(Destroyed::Closed),
                        libc::ENOENT | libc::ESTALE => Ok(Destroyed::Gone),
                        errno => Err(Error::from_raw(DESTROY, errno)),
                    };
                }
            }
        }
    }

    /// The socket that the kernel finds for both ends, a listening one where there is no other.
    fn ask(&mut self, exact: &Exact) -> Result<Option<SocketInfo>> {
        self.send_exact(SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, exact, FIND)?;
        loop {
            for frame in Frames::new(self.socket.receive(&mut self.buffer, FIND)?) {
                let malformed = |source| Error::Malformed { operation: FIND, source };
                let (header, payload) = frame.map_err(malformed)?;
                match header.kind {
                    _ if header.seq != self.seq => {}
                    NLMSG_ERROR => {
                        return match errno(payload, "socket").unwrap_or(0) {
                            0 | libc::ENOENT => Ok(None),
                            errno => Err(Error::from_raw(FIND, errno)),
                        };
                    }
                    SOCK_DIAG_BY_FAMILY => {
                        return SocketInfo::parse(payload).map(Some).map_err(malformed);
                    }
                    _ => {}
                }
            }
        }
    }

    fn send_exact(&mut self, kind: u16, flags: u16, exact: &Exact, operation: &'static str) -> Result<()> {
        self.ready()?;
        self.seq = self.seq.wrapping_add(1);
        self.writer.clear();
        let open = self.writer.begin(Header { kind, flags, seq: self.seq, port: 0 });
        self.writer.raw(&exact.request());
        self.writer.end(open);
        self.socket.send(self.writer.as_bytes(), operation)
    }
}

/// Whether it is connected just so, and still somebody's.
fn is_it(socket: &SocketInfo, local: SocketAddr, remote: SocketAddr) -> bool {
    let over = [SocketState::TIME_WAIT, SocketState::LISTEN, SocketState::CLOSE, SocketState::NEW_SYN_RECV];
    socket.is_connected()
        && !over.contains(&socket.state)
        && socket.local == super::canonical(local)
        && socket.remote == super::canonical(remote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_flow_s_own_socket_is_taken() {
        let check = |state: SocketState, local: &str, remote: &str, expected: bool| {
            let [own, peer, local, remote] =
                ["10.0.0.1:5000", "192.0.2.1:443", local, remote].map(|a| a.parse::<SocketAddr>().unwrap());
            let socket = SocketInfo {
                family: Family::Ipv4,
                state,
                local,
                remote,
                interface: 0,
                cookie: 1,
                uid: 0,
                inode: 1,
                receive_queue: 0,
                send_queue: 0,
                v6_only: None,
                cgroup: None,
                tcp: None,
            };
            assert_eq!(is_it(&socket, own, peer), expected, "{socket:?}");
        };
        check(SocketState::ESTABLISHED, "10.0.0.1:5000", "192.0.2.1:443", true);
        check(SocketState::CLOSE_WAIT, "10.0.0.1:5000", "192.0.2.1:443", true);
        check(SocketState::SYN_SENT, "10.0.0.1:5000", "192.0.2.1:443", true);
        check(SocketState::TIME_WAIT, "10.0.0.1:5000", "192.0.2.1:443", false);
        check(SocketState::LISTEN, "10.0.0.1:5000", "0.0.0.0:0", false);
        check(SocketState::CLOSE, "10.0.0.1:5000", "0.0.0.0:0", false);
        check(SocketState::NEW_SYN_RECV, "10.0.0.1:5000", "192.0.2.1:443", false);
        check(SocketState::ESTABLISHED, "192.0.2.1:443", "10.0.0.1:5000", false);
        check(SocketState::ESTABLISHED, "10.0.0.1:5001", "192.0.2.1:443", false);
        check(SocketState::ESTABLISHED, "10.0.0.1:5000", "192.0.2.2:443", false);
    }
}
