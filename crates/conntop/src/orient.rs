//! Which end of a flow is ours: the source of in and out, local and remote, down and up.
//!
//! Three levels are asked in turn, and the first at which an end is local decides: configured
//! networks, the collector's own addresses, private ranges. On the first two an end is local by its
//! address in *either* tuple, so that a masqueraded flow belongs to the machine that masquerades.
//! When both ends are local but one only by a translated address (a forwarded port whose source is
//! masqueraded too), that end is judged again by its real address on all levels.

mod net;

use std::net::IpAddr;

use conntop_proto::message::Host;
use conntop_proto::tuple::{L4, Tuple};
use hashbrown::HashSet;

pub use self::net::{Net, NetError};
use crate::mirror::Class;
pub use crate::mirror::Orientation;

/// Who opened a flow, seen from the local end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dir {
    /// The remote end.
    In,
    /// The local end.
    Out,
    /// Both ends are local.
    Internal,
    /// Neither end is local.
    Transit,
}

impl Dir {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::In, Self::Out, Self::Internal, Self::Transit];

    /// Its word in filters and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Internal => "internal",
            Self::Transit => "transit",
        }
    }
}

impl From<Dir> for Class {
    fn from(dir: Dir) -> Self {
        match dir {
            Dir::In => Self::In,
            Dir::Out => Self::Out,
            Dir::Internal => Self::Internal,
            Dir::Transit => Self::Transit,
        }
    }
}

impl From<Class> for Dir {
    fn from(class: Class) -> Self {
        match class {
            Class::In => Self::In,
            Class::Out => Self::Out,
            Class::Internal => Self::Internal,
            Class::Transit => Self::Transit,
        }
    }
}

/// One end of a flow: an address and, where the protocol has them, a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct End {
    /// Address.
    pub address: IpAddr,
    /// Port; `None` for protocols without.
    pub port: Option<u16>,
}

/// Sender of a tuple.
#[must_use]
pub fn source(tuple: &Tuple) -> End {
    let port = match tuple.l4 {
        L4::Ports { src, .. } => Some(src),
        L4::None | L4::Icmp { .. } => None,
    };
    End { address: tuple.src, port }
}

/// Receiver of a tuple.
#[must_use]
pub fn destination(tuple: &Tuple) -> End {
    let port = match tuple.l4 {
        L4::Ports { dst, .. } => Some(dst),
        L4::None | L4::Icmp { .. } => None,
    };
    End { address: tuple.dst, port }
}

impl Dir {
    /// The local end: of a flow that somebody opened to us, the machine that really serves it
    /// (behind a forwarded port); of internal and transit flows, who opened it.
    #[must_use]
    pub fn local(self, orig: &Tuple, reply: &Tuple) -> End {
        match self {
            Self::In => source(reply),
            Self::Out | Self::Internal | Self::Transit => source(orig),
        }
    }

    /// The other end, as the one who opened the flow addressed it.
    #[must_use]
    pub fn remote(self, orig: &Tuple) -> End {
        match self {
            Self::In => source(orig),
            Self::Out | Self::Internal | Self::Transit => destination(orig),
        }
    }

    /// What flows (down, up), given the (original, reply) direction. Down is towards the local end;
    /// internal and transit flows are seen from who opened them.
    #[must_use]
    #[inline]
    pub fn down_up<T>(self, orig: T, reply: T) -> (T, T) {
        match self {
            Self::In => (orig, reply),
            Self::Out | Self::Internal | Self::Transit => (reply, orig),
        }
    }
}

impl Orientation {
    /// What flows (down, up), given the (original, reply) direction of a flow that goes that way.
    #[must_use]
    #[inline]
    pub fn down_up<T>(self, dir: Dir, orig: T, reply: T) -> (T, T) {
        match self {
            Self::Local => dir.down_up(orig, reply),
            Self::Initiator => (reply, orig),
        }
    }
}

/// What is local.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalNets {
    configured: Vec<Net>,
    own: HashSet<IpAddr, foldhash::fast::FixedState>,
}

impl LocalNets {
    /// With the networks that the user configured, before the collector has told its addresses.
    #[must_use]
    pub fn new(configured: Vec<Net>) -> Self {
        Self { configured, ..Self::default() }
    }

    /// With the collector's addresses and no configured networks.
    #[must_use]
    pub fn from_host(host: &Host) -> Self {
        let mut nets = Self::default();
        nets.set_host(host);
        nets
    }

    /// Other networks that the user configured.
    pub fn configure(&mut self, configured: Vec<Net>) {
        self.configured = configured;
    }

    /// Takes over the collector's addresses. True when that changed anything.
    pub fn set_host(&mut self, host: &Host) -> bool {
        let own = host.addresses.iter().map(|a| a.address).collect();
        let changed = self.own != own;
        self.own = own;
        changed
    }

    /// The direction of a flow, from its two tuples.
    #[must_use]
    pub fn orient(&self, orig: &Tuple, reply: &Tuple) -> Dir {
        let levels: [&dyn Fn(IpAddr) -> bool; 2] = [&|a| self.is_configured(a), &|a| self.is_own(a)];
        for is_local in levels {
            let opener = (is_local(orig.src), is_local(reply.dst));
            let server = (is_local(reply.src), is_local(orig.dst));
            match (opener.0 || opener.1, server.0 || server.1) {
                (false, false) => {}
                (true, false) => return Dir::Out,
                (false, true) => return Dir::In,
                (true, true) => {
                    let opener = opener.0 || self.is_local(orig.src);
                    let server = server.0 || self.is_local(reply.src);
                    return dir(opener, server);
                }
            }
        }
        dir(is_private(orig.src), is_private(reply.src))
    }

    fn is_configured(&self, address: IpAddr) -> bool {
        self.configured.iter().any(|net| net.contains(address))
    }

    fn is_own(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.own.contains(&address)
    }

    fn is_local(&self, address: IpAddr) -> bool {
        self.is_configured(address) || self.is_own(address) || is_private(address)
    }
}

fn dir(opener: bool, server: bool) -> Dir {
    match (opener, server) {
        (true, true) => Dir::Internal,
        (true, false) => Dir::Out,
        (false, true) => Dir::In,
        (false, false) => Dir::Transit,
    }
}

/// RFC 1918, unique local and link-local addresses.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_private() || a.is_link_local(),
        IpAddr::V6(a) => a.is_unique_local() || a.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conntop_proto::message::HostAddress;
    use conntop_proto::tuple::Proto;

    fn tuple(src: &str, dst: &str) -> Tuple {
        Tuple {
            src: src.parse().unwrap(),
            dst: dst.parse().unwrap(),
            proto: Proto::TCP,
            l4: L4::Ports { src: 1000, dst: 80 },
        }
    }

    /// A router: 192.168.1.1 inside, 203.0.113.1 outside; 198.51.100.0/24 is configured as local.
    #[test]
    fn first_level_that_matches_decides() {
        let host = Host {
            addresses: ["192.168.1.1", "203.0.113.1", "2001:db8::1"]
                .map(|a| HostAddress { address: a.parse().unwrap(), prefix: 24, interface: 1 })
                .to_vec(),
            ..Host::default()
        };
        let mut nets = LocalNets::new(vec!["198.51.100.0/24".parse().unwrap()]);
        assert!(nets.set_host(&host));
        assert!(!nets.set_host(&host));
        let check = |what: &str, orig: (&str, &str), reply: (&str, &str), wanted: Dir| {
            let (orig, reply) = (tuple(orig.0, orig.1), tuple(reply.0, reply.1));
            assert_eq!(nets.orient(&orig, &reply), wanted, "{what}");
        };
        let plain = |a, b| ((a, b), (b, a));
        for (what, (orig, reply), wanted) in [
            ("router opens", plain("203.0.113.1", "8.8.8.8"), Dir::Out),
            ("router is called", plain("8.8.8.8", "203.0.113.1"), Dir::In),
            ("router to itself", plain("203.0.113.1", "192.168.1.1"), Dir::Internal),
            ("loopback", plain("127.0.0.1", "127.0.0.53"), Dir::Internal),
            ("loopback v6", plain("::1", "::1"), Dir::Internal),
            ("LAN asks the router", plain("192.168.1.5", "192.168.1.1"), Dir::In),
            ("configured opens", plain("198.51.100.4", "8.8.8.8"), Dir::Out),
            ("configured before own", plain("198.51.100.4", "203.0.113.1"), Dir::Out),
            ("LAN to LAN", plain("192.168.1.5", "10.0.0.5"), Dir::Internal),
            ("LAN out without NAT", plain("192.168.1.5", "8.8.8.8"), Dir::Out),
            ("to a private address", plain("8.8.8.8", "10.0.0.5"), Dir::In),
            ("ULA", plain("fd00::5", "2001:db8:1::1"), Dir::Out),
            ("transit", plain("8.8.8.8", "9.9.9.9"), Dir::Transit),
            ("masquerade", (("192.168.1.5", "8.8.8.8"), ("8.8.8.8", "203.0.113.1")), Dir::Out),
            ("masquerade of a public source", (("9.9.9.9", "8.8.8.8"), ("8.8.8.8", "203.0.113.1")), Dir::Out),
            ("forwarded port", (("8.8.8.8", "203.0.113.1"), ("192.168.1.10", "8.8.8.8")), Dir::In),
            (
                "forwarded port, masqueraded",
                (("8.8.8.8", "203.0.113.1"), ("192.168.1.10", "192.168.1.1")),
                Dir::In,
            ),
            ("hairpin", (("192.168.1.5", "203.0.113.1"), ("192.168.1.10", "192.168.1.1")), Dir::Internal),
            (
                "DNS of the router sent on",
                (("192.168.1.5", "192.168.1.1"), ("8.8.8.8", "203.0.113.1")),
                Dir::Out,
            ),
            ("relayed through us", (("8.8.8.8", "203.0.113.1"), ("9.9.9.9", "203.0.113.1")), Dir::Transit),
        ] {
            check(what, orig, reply, wanted);
        }
    }

    #[test]
    fn ends_and_directions() {
        let forwarded = (tuple("8.8.8.8", "203.0.113.1"), tuple("192.168.1.10", "8.8.8.8"));
        let check = |dir: Dir, local: &str, remote: &str, down_up: (char, char)| {
            let (orig, reply) = &forwarded;
            assert_eq!(dir.local(orig, reply).address.to_string(), local, "{dir:?}");
            assert_eq!(dir.remote(orig).address.to_string(), remote, "{dir:?}");
            assert_eq!(dir.down_up('o', 'r'), down_up, "{dir:?}");
        };
        check(Dir::In, "192.168.1.10", "8.8.8.8", ('o', 'r'));
        check(Dir::Out, "8.8.8.8", "203.0.113.1", ('r', 'o'));
        check(Dir::Internal, "8.8.8.8", "203.0.113.1", ('r', 'o'));
        check(Dir::Transit, "8.8.8.8", "203.0.113.1", ('r', 'o'));
    }
}
