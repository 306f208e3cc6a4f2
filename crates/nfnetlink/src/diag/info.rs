//! One socket as sock_diag tells of it. Nothing is allocated, and nothing is borrowed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{INET, INET6, MESSAGE_LEN, SOCK_DIAG_BY_FAMILY, Transport};
use crate::ct::Family;
use crate::wire::{Attrs, Frames, Header, ParseError, Problem};

const INET_DIAG_INFO: u16 = 2;
const INET_DIAG_SKV6ONLY: u16 = 11;
const INET_DIAG_CGROUP_ID: u16 = 21;

/// State of a socket by the kernel's `TCP_*` numbers; UDP knows two of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketState(pub u8);

impl SocketState {
    /// Connected.
    pub const ESTABLISHED: Self = Self(1);
    /// SYN sent.
    pub const SYN_SENT: Self = Self(2);
    /// SYN received and answered.
    pub const SYN_RECV: Self = Self(3);
    /// FIN sent.
    pub const FIN_WAIT1: Self = Self(4);
    /// FIN sent and confirmed.
    pub const FIN_WAIT2: Self = Self(5);
    /// Over; waits for stragglers, and belongs to no process.
    pub const TIME_WAIT: Self = Self(6);
    /// Not connected (TCP: nor listening).
    pub const CLOSE: Self = Self(7);
    /// The other side has sent its FIN.
    pub const CLOSE_WAIT: Self = Self(8);
    /// Both have sent a FIN; ours is not confirmed.
    pub const LAST_ACK: Self = Self(9);
    /// Waits for connections.
    pub const LISTEN: Self = Self(10);
    /// Both have sent a FIN at once.
    pub const CLOSING: Self = Self(11);
    /// A request for a connection, not a socket yet.
    pub const NEW_SYN_RECV: Self = Self(12);
}

/// A set of states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct States(pub u32);

impl States {
    /// All, also those that this crate does not know.
    pub const ALL: Self = Self(u32::MAX);
    /// Listening sockets of TCP.
    pub const LISTENING: Self = Self::of(&[SocketState::LISTEN]);
    /// Everything between the first SYN and the end of TIME-WAIT.
    pub const CONNECTIONS: Self = Self::of(&[
        SocketState::ESTABLISHED,
        SocketState::SYN_SENT,
        SocketState::SYN_RECV,
        SocketState::FIN_WAIT1,
        SocketState::FIN_WAIT2,
        SocketState::TIME_WAIT,
        SocketState::CLOSE_WAIT,
        SocketState::LAST_ACK,
        SocketState::CLOSING,
        SocketState::NEW_SYN_RECV,
    ]);

    /// These.
    #[must_use]
    pub const fn of(states: &[SocketState]) -> Self {
        let mut bits = 0;
        let mut rest = states;
        while let [state, others @ ..] = rest {
            bits |= match 1_u32.checked_shl(state.0 as u32) {
                Some(bit) => bit,
                None => 0,
            };
            rest = others;
        }
        Self(bits)
    }

    /// Both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the state is one of these.
    #[must_use]
    pub fn has(self, state: SocketState) -> bool {
        self.0 & Self::of(&[state]).0 != 0
    }
}

/// One socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketInfo {
    /// Of the socket. One of IPv6 may talk IPv4; its addresses then are those of IPv4.
    pub family: Family,
    /// State.
    pub state: SocketState,
    /// Own end.
    pub local: SocketAddr,
    /// Other end; unspecified with port 0 when there is none.
    pub remote: SocketAddr,
    /// Index of the interface that it is bound to, 0 when to none.
    pub interface: u32,
    /// The kernel's number of the socket; of all since the machine was started no other has it.
    pub cookie: u64,
    /// User who made it, as seen in the asking one's user namespace; 0 where nobody holds it.
    pub uid: u32,
    /// Number of the socket, as `/proc/PID/fd` shows it; 0 when no process holds it.
    pub inode: u32,
    /// Bytes that the process has not read (listening: connections that wait to be accepted).
    pub receive_queue: u32,
    /// Bytes that the other side has not confirmed (listening: most that may wait).
    pub send_queue: u32,
    /// Whether a socket of IPv6 refuses IPv4; null where the kernel does not say.
    pub v6_only: Option<bool>,
    /// Inode of the directory of the control group (version 2) in which it was made.
    pub cgroup: Option<u64>,
    /// What TCP counts, where it was asked for and the socket is more than TIME-WAIT.
    pub tcp: Option<TcpInfo>,
}

/// What TCP counts for a socket (`struct tcp_info`). Each number is absent where the kernel is older
/// than it. Bytes are those of the stream, without headers and repetitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// Bytes that the other side has confirmed; a SYN that was sent counts as one.
    pub bytes_acked: Option<u64>,
    /// Bytes that have come in order; a FIN counts as one.
    pub bytes_received: Option<u64>,
    /// Segments sent, repetitions and empty ones included. Wraps at 2^32.
    pub segs_out: Option<u32>,
    /// Segments that have come. Wraps at 2^32.
    pub segs_in: Option<u32>,
    /// Bytes sent, repetitions included.
    pub bytes_sent: Option<u64>,
    /// Bytes sent again.
    pub bytes_retrans: Option<u64>,
    /// Smoothed round-trip time, microseconds.
    pub rtt_us: Option<u32>,
    /// Segments sent again since the beginning.
    pub retrans: Option<u32>,
    /// Congestion window, segments.
    pub cwnd: Option<u32>,
    /// Milliseconds since data was sent last.
    pub last_sent_ms: Option<u32>,
    /// Milliseconds since data came last.
    pub last_received_ms: Option<u32>,
}

impl TcpInfo {
    /// The structure has grown with each kernel; it may end anywhere.
    fn parse(data: &[u8]) -> Self {
        let u32_at = |at| Some(u32::from_ne_bytes(*data.get(at..)?.first_chunk()?));
        let u64_at = |at| Some(u64::from_ne_bytes(*data.get(at..)?.first_chunk()?));
        Self {
            last_sent_ms: u32_at(44),
            last_received_ms: u32_at(52),
            rtt_us: u32_at(68),
            cwnd: u32_at(80),
            retrans: u32_at(100),
            bytes_acked: u64_at(120),
            bytes_received: u64_at(128),
            segs_out: u32_at(136),
            segs_in: u32_at(140),
            bytes_sent: u64_at(200),
            bytes_retrans: u64_at(208),
        }
    }
}

impl SocketInfo {
    /// From what follows the netlink header.
    pub(super) fn parse(payload: &[u8]) -> Result<Self, ParseError> {
        let fault = |problem: Problem, attribute| problem.at("sock_diag", attribute);
        let Some((fixed, attributes)) = payload.split_first_chunk::<MESSAGE_LEN>() else {
            return Err(fault(Problem::Truncated, "inet_diag_msg"));
        };
        let word = |at: usize| {
            let bytes = fixed.get(at..).and_then(|rest| rest.first_chunk()).copied();
            u32::from_ne_bytes(bytes.unwrap_or_default())
        };
        let [family, state, _timer, _retrans, s0, s1, d0, d1, ..] = *fixed;
        let family = match family {
            INET => Family::Ipv4,
            INET6 => Family::Ipv6,
            family => return Err(fault(Problem::Family(family), "idiag_family")),
        };
        let address = |at: usize| -> IpAddr {
            let rest = fixed.get(at..).unwrap_or_default();
            match family {
                Family::Ipv6 => {
                    let bytes: [u8; 16] = rest.first_chunk().copied().unwrap_or_default();
                    Ipv6Addr::from(bytes).to_canonical()
                }
                _ => {
                    let bytes: [u8; 4] = rest.first_chunk().copied().unwrap_or_default();
                    Ipv4Addr::from(bytes).into()
                }
            }
        };
        let mut socket = SocketInfo {
            family,
            state: SocketState(state),
            local: SocketAddr::new(address(8), u16::from_be_bytes([s0, s1])),
            remote: SocketAddr::new(address(24), u16::from_be_bytes([d0, d1])),
            interface: word(40),
            cookie: u64::from(word(44)) | u64::from(word(48)) << 32,
            receive_queue: word(56),
            send_queue: word(60),
            uid: word(64),
            inode: word(68),
            v6_only: None,
            cgroup: None,
            tcp: None,
        };
        for attribute in Attrs::new(attributes) {
            let attribute = attribute.map_err(|problem| fault(problem, "an attribute"))?;
            match attribute.kind {
                INET_DIAG_INFO => socket.tcp = Some(TcpInfo::parse(attribute.data)),
                INET_DIAG_SKV6ONLY => {
                    let flag = attribute.u8().map_err(|problem| fault(problem, "INET_DIAG_SKV6ONLY"))?;
                    socket.v6_only = Some(flag != 0);
                }
                INET_DIAG_CGROUP_ID => {
                    let id = attribute.array().map_err(|problem| fault(problem, "INET_DIAG_CGROUP_ID"))?;
                    socket.cgroup = Some(u64::from_ne_bytes(id));
                }
                _ => {}
            }
        }
        Ok(socket)
    }

    /// Whether there is another end.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.remote.port() != 0
    }
}

/// The sockets in a buffer, each with the header of its message; other messages are passed over.
///
/// A message that cannot be parsed is an `Err`, and the ones after it follow all the same; only
/// where a length in a netlink header is broken the rest of the buffer is lost.
pub fn sockets(buffer: &[u8]) -> impl Iterator<Item = Result<(Header, SocketInfo), ParseError>> + '_ {
    Frames::new(buffer).filter_map(|frame| match frame {
        Ok((header, payload)) if header.kind == SOCK_DIAG_BY_FAMILY => {
            Some(SocketInfo::parse(payload).map(|socket| (header, socket)))
        }
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    })
}

/// What is asked for in a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Of the sockets; those of IPv6 may talk IPv4. [`Family::Any`] gives both where the kernel
    /// can, so ask for each.
    pub family: Family,
    /// TCP or UDP.
    pub transport: Transport,
    /// In which states.
    pub states: States,
    /// Whether [`SocketInfo::tcp`] is wanted, which costs the kernel something.
    pub counts: Counts,
}

/// How much of a socket is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counts {
    /// Ends, state and owner.
    #[default]
    Without,
    /// [`TcpInfo`] besides.
    Tcp,
}

impl Query {
    /// `struct inet_diag_req_v2`.
    pub(super) fn request(&self) -> [u8; 56] {
        let wanted = match self.counts {
            Counts::Without => 0,
            Counts::Tcp => 1 << (INET_DIAG_INFO - 1),
        };
        let [s0, s1, s2, s3] = self.states.0.to_ne_bytes();
        let mut bytes = [0; 56];
        let head = [self.family.number(), self.transport.number(), wanted, 0, s0, s1, s2, s3];
        bytes.iter_mut().zip(head).for_each(|(to, from)| *to = from);
        bytes
    }
}
