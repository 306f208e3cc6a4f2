//! Who opened a connection. The kernel does not say; but who accepted one has a listening socket at that
//! port, nearly always.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use hashbrown::HashSet;
use nfnetlink::diag::{SocketInfo, Transport};

/// Ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The one that opened it.
    Client,
    /// The one that accepted it.
    Server,
}

/// Ports that wait for connections.
#[derive(Debug)]
pub(super) struct Doors {
    /// With the address, or with none where it is any.
    open: HashSet<(Transport, u16, Option<IpAddr>), foldhash::fast::RandomState>,
    ephemeral: RangeInclusive<u16>,
}

impl Default for Doors {
    fn default() -> Self {
        Self::new(EPHEMERAL)
    }
}

/// What the kernel gives to those who open connections, unless told otherwise.
pub(super) const EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

impl Doors {
    pub(super) fn new(ephemeral: RangeInclusive<u16>) -> Self {
        Self { open: HashSet::default(), ephemeral }
    }

    /// Somebody waits here.
    pub(super) fn open(&mut self, transport: Transport, at: SocketAddr) {
        let address = (!at.ip().is_unspecified()).then(|| at.ip());
        self.open.insert((transport, at.port(), address));
    }

    fn is_open(&self, transport: Transport, at: SocketAddr) -> bool {
        [None, Some(at.ip())].into_iter().any(|address| self.open.contains(&(transport, at.port(), address)))
    }

    /// Which end a socket is. When nobody waits at either end (any more), the end with a port that is
    /// given to clients opened it; when that does not tell either, the socket itself.
    pub(super) fn side(&self, transport: Transport, socket: &SocketInfo) -> Side {
        let (here, there) = (socket.local, socket.remote);
        let given = |port| self.ephemeral.contains(&port);
        let outside = here.ip() != there.ip() && !here.ip().is_loopback();
        // Doors are this machine's: at another's address they mean nothing.
        let waits_there = !outside && self.is_open(transport, there);
        match (self.is_open(transport, here), waits_there) {
            (true, false) => Side::Server,
            (false, true) => Side::Client,
            _ if given(there.port()) && !given(here.port()) => Side::Server,
            _ => Side::Client,
        }
    }
}
