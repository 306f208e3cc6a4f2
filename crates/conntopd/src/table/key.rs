//! Keys: one direction of a flow with its zone in 40 bytes, quick to compare and to hash.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use conntop_proto::tuple::{L4, Proto, Tuple};
use nfnetlink::ct;

const V6: u8 = 1;
const PORTS: u8 = 2;
const ICMP: u8 = 4;

/// (zone, family, protocol, addresses, ports) of one direction.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    src: [u64; 2],
    dst: [u64; 2],
    rest: u64,
}

impl Key {
    pub(super) fn new(tuple: &ct::Tuple, zone: u16) -> Self {
        let (kind, [a, b]) = match tuple.l4 {
            ct::L4::None => (0, [0, 0]),
            ct::L4::Ports { src, dst } => (PORTS, [src, dst]),
            ct::L4::Icmp { id, ty, code } => (ICMP, [id, u16::from_be_bytes([ty, code])]),
        };
        let family = if tuple.src.is_ipv6() { V6 } else { 0 };
        Self {
            src: words(tuple.src),
            dst: words(tuple.dst),
            rest: rest(a, b, zone, tuple.proto, kind | family),
        }
    }

    /// What answers bear when nothing is translated, in the same zone.
    pub(super) fn inverse(self) -> Self {
        let [a0, a1, b0, b1, z0, z1, proto, kind] = self.rest.to_be_bytes();
        let (a, b) = (u16::from_be_bytes([a0, a1]), u16::from_be_bytes([b0, b1]));
        let (a, b) = match kind & (PORTS | ICMP) {
            PORTS => (b, a),
            ICMP => match self.tuple().inverse().l4.to_pair() {
                (Some(id), Some(ty_code)) => (id, ty_code),
                _ => (a, b),
            },
            _ => (a, b),
        };
        let zone = u16::from_be_bytes([z0, z1]);
        Self { src: self.dst, dst: self.src, rest: rest(a, b, zone, proto, kind) }
    }

    pub(super) fn zone(self) -> u16 {
        let [_, _, _, _, a, b, _, _] = self.rest.to_be_bytes();
        u16::from_be_bytes([a, b])
    }

    /// The tuple as the kernel is asked for it, without its zone.
    pub(super) fn kernel_tuple(self) -> ct::Tuple {
        let Tuple { src, dst, proto: Proto(proto), l4 } = self.tuple();
        let l4 = match l4 {
            L4::None => ct::L4::None,
            L4::Ports { src, dst } => ct::L4::Ports { src, dst },
            L4::Icmp { id, ty, code } => ct::L4::Icmp { id, ty, code },
        };
        ct::Tuple { src, dst, proto, l4, zone: None }
    }

    pub(super) fn tuple(self) -> Tuple {
        let [a0, a1, b0, b1, _, _, proto, kind] = self.rest.to_be_bytes();
        let (a, b) = (u16::from_be_bytes([a0, a1]), u16::from_be_bytes([b0, b1]));
        let l4 = match kind & (PORTS | ICMP) {
            PORTS => L4::Ports { src: a, dst: b },
            ICMP => L4::Icmp { id: a, ty: b0, code: b1 },
            _ => L4::None,
        };
        let v6 = kind & V6 != 0;
        Tuple { src: addr(self.src, v6), dst: addr(self.dst, v6), proto: Proto(proto), l4 }
    }
}

fn rest(a: u16, b: u16, zone: u16, proto: u8, kind: u8) -> u64 {
    let [a0, a1] = a.to_be_bytes();
    let [b0, b1] = b.to_be_bytes();
    let [z0, z1] = zone.to_be_bytes();
    u64::from_be_bytes([a0, a1, b0, b1, z0, z1, proto, kind])
}

fn words(addr: IpAddr) -> [u64; 2] {
    match addr {
        IpAddr::V4(a) => [0, u64::from(a.to_bits())],
        IpAddr::V6(a) => {
            let [a, b, c, d, e, f, g, h] = a.segments().map(u64::from);
            [a << 48 | b << 32 | c << 16 | d, e << 48 | f << 32 | g << 16 | h]
        }
    }
}

fn addr([high, low]: [u64; 2], v6: bool) -> IpAddr {
    if v6 {
        IpAddr::V6(Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)))
    } else {
        let [.., a, b, c, d] = low.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    }
}

/// A tuple without a place for its zone (masters).
pub(super) fn plain(tuple: &ct::Tuple) -> Tuple {
    Key::new(tuple, 0).tuple()
}
