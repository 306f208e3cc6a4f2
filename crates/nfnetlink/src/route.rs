//! Links, own addresses, routes and neighbours of the calling thread's network namespace, by rtnetlink.
//!
//! Needs no privilege. One dump each; what a message lacks makes it skipped, not an error.

use std::net::IpAddr;

use rustix::net::Protocol;

use crate::ct::Family;
use crate::error::Result;
use crate::socket::Socket;
use crate::wire::{Attr, Attrs, Header, NLM_F_DUMP, NLM_F_REQUEST, Problem, Writer};

/// `NETLINK_ROUTE` is protocol 0, which rustix writes as none.
const ROUTE: Option<Protocol> = None;

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;

const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_STATS64: u16 = 23;
const IFLA_INFO_KIND: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_TABLE: u16 = 15;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;

/// States of neighbours whose MAC address is none, or not known to be theirs: incomplete, failed, and
/// those that are not asked for.
const NUD_UNKNOWN: u16 = 0x01 | 0x20 | 0x40;

/// Longest interface name with its NUL (`IFNAMSIZ`), or an alternative name cut off.
const NAME_MAX: usize = 128;

/// Lengths of the fixed parts: `ifinfomsg`, `ifaddrmsg`, `rtmsg`, `ndmsg`.
const IFINFO_LEN: usize = 16;
const IFADDR_LEN: usize = 8;
const RTMSG_LEN: usize = 12;
const NDMSG_LEN: usize = 12;

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number, by which addresses and routes refer to it.
    pub index: u32,
    /// Its name. Text from outside: sanitize it.
    pub name: Vec<u8>,
    /// `IFF_*`
    pub flags: u32,
    /// Whether it can carry something.
    pub oper: OperState,
    /// Longest packet, bytes; 0 where the kernel does not say.
    pub mtu: u32,
    /// What kind of virtual interface it is, such as `bridge`; empty for others. Text from outside.
    pub kind: Vec<u8>,
    /// What has passed it, where the kernel counts.
    pub stats: Option<LinkStats>,
}

/// What RFC 2863 calls the operational state of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OperState {
    /// The driver does not say.
    #[default]
    Unknown,
    /// It cannot carry anything: no carrier, a lower interface is down, it is being tested, absent.
    Down,
    /// It waits for something, such as authentication.
    Dormant,
    /// It can.
    Up,
}

impl OperState {
    /// `IF_OPER_*`
    fn of(number: u8) -> Self {
        match number {
            1..=4 => Self::Down,
            5 => Self::Dormant,
            6 => Self::Up,
            _ => Self::Unknown,
        }
    }
}

/// What has passed an interface since it was made, as its driver counts (`struct rtnl_link_stats64`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes received, with the headers of the link layer.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Broken packets received.
    pub rx_errors: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Packets received for which there was no room or no use.
    pub rx_dropped: u64,
    /// Packets that were not sent for want of room.
    pub tx_dropped: u64,
    /// Packets that the card had no room for.
    pub rx_missed: u64,
}

impl LinkStats {
    /// The structure has grown with kernels; what is missing is 0.
    fn parse(data: &[u8]) -> Self {
        let mut words = data.as_chunks::<8>().0.iter().map(|bytes| u64::from_ne_bytes(*bytes));
        let mut next = || words.next().unwrap_or(0);
        let mut stats = Self {
            rx_packets: next(),
            tx_packets: next(),
            rx_bytes: next(),
            tx_bytes: next(),
            rx_errors: next(),
            tx_errors: next(),
            rx_dropped: next(),
            tx_dropped: next(),
            rx_missed: 0,
        };
        // Behind multicast, collisions and five kinds of errors.
        stats.rx_missed = words.nth(7).unwrap_or(0);
        stats
    }
}

impl Link {
    /// `IFF_UP`
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.flags & 1 != 0
    }

    /// `IFF_RUNNING`
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.flags & 0x40 != 0
    }

    /// `IFF_LOOPBACK`
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.flags & 8 != 0
    }
}

/// An address of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address itself.
    pub addr: IpAddr,
    /// Bits of its network.
    pub prefix: u8,
    /// Interface.
    pub link: u32,
}

/// A route of any table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Network; the unspecified address with prefix 0 for the default route.
    pub dst: IpAddr,
    /// Bits of the network.
    pub prefix: u8,
    /// Next hop. Without one the network is on the link: a local network.
    pub gateway: Option<IpAddr>,
    /// Interface; absent for multipath and unreachable routes.
    pub link: Option<u32>,
    /// Routing table; 254 is main, 255 local.
    pub table: u32,
    /// `RTN_*`; 1 is unicast, 2 local.
    pub kind: u8,
}

impl Route {
    /// A unicast network that is reached without a router.
    #[must_use]
    pub fn is_on_link(&self) -> bool {
        self.kind == 1 && self.gateway.is_none() && self.link.is_some() && self.prefix > 0
    }
}

/// A host on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its address.
    pub addr: IpAddr,
    /// Its hardware address; those of another length than Ethernet's are left out.
    pub mac: [u8; 6],
    /// Interface behind which it is.
    pub link: u32,
}

/// A socket for the dumps of this module.
#[derive(Debug)]
pub struct RouteSocket {
    socket: Socket,
    writer: Writer,
    seq: u32,
}

impl RouteSocket {
    /// # Errors
    /// If the kernel has no rtnetlink, or a sandbox forbids it.
    pub fn open() -> Result<Self> {
        let socket = Socket::open(ROUTE, 0, "opening a route socket")?;
        Ok(RouteSocket { socket, writer: Writer::default(), seq: 0 })
    }

    /// All interfaces.
    ///
    /// # Errors
    /// If the kernel refuses or breaks off the dump.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        let mut all = Vec::new();
        self.dump::<IFINFO_LEN>(
            "listing interfaces",
            RTM_GETLINK,
            RTM_NEWLINK,
            Family::Any,
            |fixed, attrs| {
                let [_, _, _, _, i0, i1, i2, i3, f0, f1, f2, f3, ..] = *fixed;
                let mut link = Link {
                    index: u32::from_ne_bytes([i0, i1, i2, i3]),
                    flags: u32::from_ne_bytes([f0, f1, f2, f3]),
                    name: Vec::new(),
                    oper: OperState::default(),
                    mtu: 0,
                    kind: Vec::new(),
                    stats: None,
                };
                for attr in attrs {
                    let attr = attr?;
                    match attr.kind {
                        IFLA_IFNAME => link.name = attr.name(NAME_MAX)?.to_vec(),
                        IFLA_MTU => link.mtu = u32::from_ne_bytes(attr.array()?),
                        IFLA_OPERSTATE => link.oper = OperState::of(attr.u8()?),
                        IFLA_STATS64 => link.stats = Some(LinkStats::parse(attr.data)),
                        IFLA_LINKINFO => {
                            for part in attr.nested() {
                                let part = part?;
                                if part.kind == IFLA_INFO_KIND {
                                    link.kind = part.name(NAME_MAX)?.to_vec();
                                }
                            }
                        }
                        _ => {}
                    }
                }
                all.push(link);
                Ok(())
            },
        )?;
        Ok(all)
    }

    /// All own addresses.
    ///
    /// # Errors
    /// If the kernel refuses or breaks off the dump.
    pub fn addresses(&mut self) -> Result<Vec<Address>> {
        let mut all = Vec::new();
        self.dump::<IFADDR_LEN>(
            "listing addresses",
            RTM_GETADDR,
            RTM_NEWADDR,
            Family::Any,
            |fixed, attrs| {
                let [_family, prefix, _, _, i0, i1, i2, i3] = *fixed;
                let (mut address, mut local) = (None, None);
                for attr in attrs {
                    let attr = attr?;
                    match attr.kind {
                        IFA_ADDRESS => address = ip(attr),
                        IFA_LOCAL => local = ip(attr),
                        _ => {}
                    }
                }
                // On a point-to-point link IFA_ADDRESS is the peer and IFA_LOCAL is ours.
                if let Some(addr) = local.or(address) {
                    all.push(Address { addr, prefix, link: u32::from_ne_bytes([i0, i1, i2, i3]) });
                }
                Ok(())
            },
        )?;
        Ok(all)
    }

    /// All routes of one family or of both, of all tables.
    ///
    /// # Errors
    /// If the kernel refuses or breaks off the dump.
    pub fn routes(&mut self, family: Family) -> Result<Vec<Route>> {
        let mut all = Vec::new();
        self.dump::<RTMSG_LEN>("listing routes", RTM_GETROUTE, RTM_NEWROUTE, family, |fixed, attrs| {
            let [of, prefix, _src_len, _tos, table, _protocol, _scope, kind, ..] = *fixed;
            let any = match of {
                _ if of == Family::Ipv4.number() => IpAddr::from([0; 4]),
                _ if of == Family::Ipv6.number() => IpAddr::from([0; 16]),
                _ => return Ok(()),
            };
            let table = u32::from(table);
            let mut route = Route { dst: any, prefix, gateway: None, link: None, table, kind };
            for attr in attrs {
                let attr = attr?;
                match attr.kind {
                    RTA_DST => route.dst = ip(attr).unwrap_or(any),
                    RTA_GATEWAY => route.gateway = ip(attr),
                    RTA_OIF => route.link = Some(u32::from_ne_bytes(attr.array()?)),
                    RTA_TABLE => route.table = u32::from_ne_bytes(attr.array()?),
                    _ => {}
                }
            }
            all.push(route);
            Ok(())
        })?;
        Ok(all)
    }

    /// Hosts on the links whose hardware addresses the kernel knows, of both families.
    ///
    /// # Errors
    /// If the kernel refuses or breaks off the dump.
    pub fn neighbours(&mut self) -> Result<Vec<Neighbour>> {
        let mut all = Vec::new();
        self.dump::<NDMSG_LEN>(
            "listing neighbours",
            RTM_GETNEIGH,
            RTM_NEWNEIGH,
            Family::Any,
            |fixed, attrs| {
                let [_family, _, _, _, i0, i1, i2, i3, s0, s1, ..] = *fixed;
                let (mut addr, mut mac) = (None, None);
                for attr in attrs {
                    let attr = attr?;
                    match attr.kind {
                        NDA_DST => addr = ip(attr),
                        NDA_LLADDR => mac = attr.array::<6>().ok(),
                        _ => {}
                    }
                }
                let known = u16::from_ne_bytes([s0, s1]) & NUD_UNKNOWN == 0;
                if let (Some(addr), Some(mac), true) = (addr, mac.filter(|mac| *mac != [0; 6]), known) {
                    all.push(Neighbour { addr, mac, link: u32::from_ne_bytes([i0, i1, i2, i3]) });
                }
                Ok(())
            },
        )?;
        Ok(all)
    }

    /// `N` is the length of the fixed part, whose first byte is the family in all four.
    fn dump<const N: usize>(
        &mut self,
        operation: &'static str,
        get: u16,
        new: u16,
        family: Family,
        mut each: impl FnMut(&[u8; N], Attrs<'_>) -> std::result::Result<(), Problem>,
    ) -> Result<()> {
        self.seq = self.seq.wrapping_add(1);
        self.writer.clear();
        let flags = NLM_F_REQUEST | NLM_F_DUMP;
        let open = self.writer.begin(Header { kind: get, flags, seq: self.seq, port: 0 });
        let mut fixed = [0; N];
        if let Some(first) = fixed.first_mut() {
            *first = family.number();
        }
        self.writer.raw(&fixed);
        self.writer.end(open);
        self.socket.dump(self.writer.as_bytes(), self.seq, operation, |header, payload| {
            if header.kind != new {
                return Ok(());
            }
            let (fixed, attributes) =
                payload.split_first_chunk::<N>().ok_or(Problem::Truncated.at("route", "header"))?;
            each(fixed, Attrs::new(attributes)).map_err(|problem| problem.at("route", "attribute"))
        })
    }
}

fn ip(attr: Attr<'_>) -> Option<IpAddr> {
    match attr.data.len() {
        4 => attr.array::<4>().ok().map(IpAddr::from),
        16 => attr.array::<16>().ok().map(IpAddr::from),
        _ => None,
    }
}
