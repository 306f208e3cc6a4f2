//! What a socket is found by.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use conntop_proto::tuple::Proto;

/// A network namespace among those of this machine; never used again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Space(u32);

impl Space {
    /// The one whose flows are looked at.
    pub const BASE: Self = Self(0);

    /// The next one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

const ANY4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const ANY6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// The ends of a socket. Addresses of both families are in their canonical form: an IPv4 address that is
/// mapped into IPv6 is IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    space: Space,
    proto: Proto,
    local: (IpAddr, u16),
    remote: Option<(IpAddr, u16)>,
}

impl Key {
    /// Of a connected socket, TCP or UDP.
    #[must_use]
    pub fn connected(space: Space, proto: Proto, local: SocketAddr, remote: SocketAddr) -> Self {
        Self { space, proto, local: pair(local), remote: Some(pair(remote)) }
    }

    /// Of a socket that listens, or of a UDP socket that is not connected.
    #[must_use]
    pub fn bound(space: Space, proto: Proto, local: SocketAddr) -> Self {
        Self { space, proto, local: pair(local), remote: None }
    }

    /// Where it is.
    #[must_use]
    pub fn space(self) -> Space {
        self.space
    }

    /// Whether it has another end.
    #[must_use]
    pub fn is_connected(self) -> bool {
        self.remote.is_some()
    }

    /// The sockets that may have been made from this one: those that listen, on this address or on any.
    pub fn parents(self) -> impl Iterator<Item = Self> {
        let Self { space, proto, local: (address, port), .. } = self;
        let of = move |address| Self { space, proto, local: (address, port), remote: None };
        [address].into_iter().chain(Self::wildcards(address).iter().copied()).map(of)
    }

    /// What a socket may be bound to that takes what is sent to an address. One for IPv6 takes both
    /// unless it is told otherwise, and then one for IPv4 is there as well and comes first.
    #[must_use]
    pub fn wildcards(address: IpAddr) -> &'static [IpAddr] {
        match address {
            IpAddr::V4(_) => &[ANY4, ANY6],
            IpAddr::V6(_) => &[ANY6],
        }
    }
}

fn pair(end: SocketAddr) -> (IpAddr, u16) {
    (end.ip().to_canonical(), end.port())
}
