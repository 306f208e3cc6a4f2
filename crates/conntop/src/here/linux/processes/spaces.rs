//! The network namespaces of this machine: their sockets and addresses.
//!
//! A namespace is entered once, to open the sockets by which it is asked from then on; these are closed as
//! soon as no process is in it, for they keep it alive. Which of several is asked when there are many is a
//! question of time: the one that is watched each turn, of the others those whose turn was longest ago.

use std::fs::File;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use conntop_proto::tuple::Proto;
use hashbrown::{HashMap, HashSet};
use nfnetlink::ct::Family;
use nfnetlink::diag::{Counts, DiagSocket, Query, SocketInfo, SocketState, States, Transport};
use nfnetlink::netns::{Netns, NetnsError, identity};
use nfnetlink::route::RouteSocket;

use super::ledger::Socket;
use super::procfs::NetId;
use super::scan::Scanner;
use crate::enrich::processes::{Key, Space};

/// Namespaces besides the one that is watched. Each needs two descriptors, and 1,024 are usual.
const OTHERS: usize = 200;
/// How long the addresses of a namespace are believed.
const ADDRESSES: Duration = Duration::from_secs(2);

/// States of connections and listening sockets that a process can have.
const OWNED: States = States::of(&[
    SocketState::ESTABLISHED,
    SocketState::SYN_SENT,
    SocketState::FIN_WAIT1,
    SocketState::FIN_WAIT2,
    SocketState::CLOSE_WAIT,
    SocketState::LAST_ACK,
    SocketState::CLOSING,
    SocketState::LISTEN,
]);

/// Why no process can be found.
#[derive(Debug, thiserror::Error)]
pub enum SpacesError {
    /// The namespace that is watched cannot be entered.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// Its sockets cannot be listed.
    #[error(transparent)]
    Netlink(#[from] nfnetlink::Error),
    /// There is no /proc.
    #[error("reading which network namespace this is: {0}; is /proc mounted?")]
    Proc(#[from] std::io::Error),
}

/// All of them.
#[derive(Debug)]
pub(super) struct Spaces {
    base: Open,
    others: Vec<Open>,
    last: Space,
    refused: HashSet<NetId>,
    changed: bool,
}

/// How entering one went.
enum Entered {
    This(Open),
    Refused,
    /// It may come again.
    Gone,
}

/// One that was entered.
#[derive(Debug)]
struct Open {
    space: Space,
    net: NetId,
    diag: DiagSocket,
    route: RouteSocket,
    addresses: Vec<IpAddr>,
    asked: Option<Instant>,
    turn: u64,
}

impl Spaces {
    /// With the one that is watched; `None` for the one of the calling thread. The thread stays in it.
    pub(super) fn watching(netns: Option<&Netns>) -> Result<Self, SpacesError> {
        netns.map_or(Ok(()), Netns::enter)?;
        let base = Open::here(Space::BASE)?;
        Ok(Self { base, others: Vec::new(), last: Space::BASE, refused: HashSet::new(), changed: true })
    }

    /// Enters those that are new and leaves those that no process is in. Returns what is no more.
    pub(super) fn follow(&mut self, nets: &HashMap<NetId, u32>) -> Vec<Space> {
        let mut left = Vec::new();
        self.others.retain(|other| {
            let there = nets.contains_key(&other.net);
            if !there {
                left.push(other.space);
            }
            there
        });
        self.changed |= !left.is_empty();
        self.refused.retain(|net| nets.contains_key(net));
        let known = |net: &NetId| {
            *net == self.base.net || self.others.iter().any(|o| o.net == *net) || self.refused.contains(net)
        };
        let new: Vec<(NetId, u32)> =
            nets.iter().filter(|(net, _)| !known(net)).map(|(n, pid)| (*n, *pid)).collect();
        if new.is_empty() {
            return left;
        }
        let Ok(home) = File::open("/proc/thread-self/ns/net") else { return left };
        for (net, pid) in new {
            match self.enter(net, pid) {
                Entered::This(other) => self.others.push(other),
                Entered::Refused => _ = self.refused.insert(net),
                Entered::Gone => {}
            }
        }
        // Everything that is needed of this thread's own namespace is open, so being elsewhere is no harm.
        let _still_elsewhere =
            Netns::Path(PathBuf::from(format!("/proc/self/fd/{}", home.as_raw_fd()))).enter();
        left
    }

    /// Whether there are some that cannot be looked into.
    pub(super) fn hidden(&self) -> bool {
        !self.refused.is_empty()
    }

    fn enter(&mut self, net: NetId, pid: u32) -> Entered {
        if self.others.len() >= OTHERS {
            return Entered::Refused;
        }
        match Netns::Pid(pid).enter() {
            Ok(()) => {}
            Err(NetnsError::Open { source, .. }) if source.kind() == ErrorKind::NotFound => {
                return Entered::Gone;
            }
            Err(_) => return Entered::Refused,
        }
        match Open::here(self.last.next()) {
            // The process has moved, or another one has its number.
            Ok(other) if other.net != net => Entered::Gone,
            Ok(other) => {
                self.last = other.space;
                Entered::This(other)
            }
            Err(_) => Entered::Refused,
        }
    }

    /// Lists the sockets of the one that is watched, and of others until `enough` says that it is.
    pub(super) fn read(&mut self, scanner: &mut Scanner, turn: u64, now: Instant, enough: impl Fn() -> bool) {
        self.changed |= self.base.read(scanner, turn, now);
        self.others.sort_by_key(|other| other.turn);
        for other in &mut self.others {
            // Each turn at least one, so that all have theirs.
            self.changed |= other.read(scanner, turn, now);
            if enough() {
                break;
            }
        }
    }

    /// All addresses, if they are others than the last time.
    pub(super) fn addresses(&mut self) -> Option<Vec<(IpAddr, Space)>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let all = std::iter::once(&self.base).chain(&self.others);
        Some(all.flat_map(|open| open.addresses.iter().map(|address| (*address, open.space))).collect())
    }
}

impl Open {
    /// The one of this thread.
    fn here(space: Space) -> Result<Self, SpacesError> {
        Ok(Self {
            space,
            net: identity()?,
            diag: DiagSocket::open()?,
            route: RouteSocket::open()?,
            addresses: Vec::new(),
            asked: None,
            turn: 0,
        })
    }

    /// Whether its addresses are others than before.
    fn read(&mut self, scanner: &mut Scanner, turn: u64, now: Instant) -> bool {
        self.turn = turn;
        let mut whole = true;
        for transport in [Transport::Tcp, Transport::Udp] {
            for family in [Family::Ipv4, Family::Ipv6] {
                let states = if transport == Transport::Tcp { OWNED } else { States::ALL };
                let query = Query { family, transport, states, counts: Counts::Without };
                let space = self.space;
                let result = self.diag.dump(&query, |info| {
                    if let Some(socket) = socket(space, transport, info) {
                        scanner.see(socket);
                    }
                    ControlFlow::Continue(())
                });
                // A kernel without IPv6 or without this kind has none of it.
                whole &= result.is_ok_and(|dumped| !dumped.interrupted) || family == Family::Ipv6;
            }
        }
        if whole {
            scanner.read(self.space);
        }
        if self.asked.is_some_and(|asked| now.duration_since(asked) < ADDRESSES) {
            return false;
        }
        self.asked = Some(now);
        let Ok(addresses) = self.route.addresses() else { return false };
        let mut addresses: Vec<IpAddr> = addresses.iter().map(|address| address.addr).collect();
        addresses.retain(|address| !address.is_loopback());
        addresses.sort_unstable();
        let changed = addresses != self.addresses;
        self.addresses = addresses;
        changed
    }
}

/// A socket that a process may have.
fn socket(space: Space, transport: Transport, info: &SocketInfo) -> Option<Socket> {
    let proto = Proto(transport.number());
    let key = if info.is_connected() {
        Key::connected(space, proto, info.local, info.remote)
    } else {
        Key::bound(space, proto, info.local)
    };
    (info.inode != 0).then_some(Socket { key, inode: info.inode, uid: info.uid })
}
