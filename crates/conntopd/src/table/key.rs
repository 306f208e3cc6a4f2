//! One direction of a flow with its zone, in two forms: a [`Key`] to look for, and 16 bytes in the
//! slot ([`Packed`]). The addresses of IPv6 do not fit into these and lie aside ([`Wide`]); a flow
//! that nobody translates has them once for both directions.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};

use conntop_proto::tuple::{L4, Proto, Tuple};
use nfnetlink::ct;

use super::segments::Arena;

const V6: u8 = 1;
const PORTS: u8 = 2;
const ICMP: u8 = 4;
/// In the addresses of a packed IPv6 direction: what lies aside is destination and source.
const SWAPPED: u64 = 1 << 63;

/// Two IPv6 addresses, each as its upper and its lower half.
type Pair = [u64; 4];
/// The IPv6 addresses of all flows.
pub(super) type Wide = Arena<Pair>;

/// (zone, family, protocol, addresses, ports) of one direction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    addrs: Addrs,
    rest: u64,
}

/// Source and destination.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Addrs {
    V4(u64),
    V6(Pair),
}

/// One direction as a slot keeps it.
#[derive(Clone, Copy)]
pub(super) struct Packed {
    /// Both IPv4 addresses, or the number of the pair and whether it is swapped.
    addrs: u64,
    rest: u64,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The family is part of the rest.
        match self.addrs {
            Addrs::V4(both) => state.write_u64(both),
            Addrs::V6(pair) => pair.iter().for_each(|&half| state.write_u64(half)),
        }
        state.write_u64(self.rest);
    }
}

impl Key {
    #[inline]
    pub(super) fn new(tuple: &ct::Tuple, zone: u16) -> Self {
        let (kind, [a, b]) = match tuple.l4 {
            ct::L4::None => (0, [0, 0]),
            ct::L4::Ports { src, dst } => (PORTS, [src, dst]),
            ct::L4::Icmp { id, ty, code } => (ICMP, [id, u16::from_be_bytes([ty, code])]),
        };
        let (addrs, family) = match (tuple.src, tuple.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                (Addrs::V4(u64::from(src.to_bits()) << 32 | u64::from(dst.to_bits())), 0)
            }
            (src, dst) => {
                let ([s0, s1], [d0, d1]) = (halves(src), halves(dst));
                (Addrs::V6([s0, s1, d0, d1]), V6)
            }
        };
        Self { addrs, rest: rest(a, b, zone, tuple.proto, kind | family) }
    }

    /// What a slot will keep of it.
    pub(super) fn pack(self, wide: &mut Wide) -> Packed {
        let addrs = match self.addrs {
            Addrs::V4(both) => both,
            Addrs::V6(pair) => wide.insert(pair).into(),
        };
        Packed { addrs, rest: self.rest }
    }

    /// The same for the other direction of a flow.
    pub(super) fn pack_reply(self, orig: Packed, wide: &mut Wide) -> Packed {
        match self.addrs {
            Addrs::V6([s0, s1, d0, d1]) if orig.is_v6() && orig.pair(wide) == [d0, d1, s0, s1] => {
                Packed { addrs: orig.addrs ^ SWAPPED, rest: self.rest }
            }
            _ => self.pack(wide),
        }
    }

    /// Whether a slot keeps just this.
    #[inline]
    pub(super) fn is(&self, packed: Packed, wide: &Wide) -> bool {
        self.rest == packed.rest
            && match self.addrs {
                Addrs::V4(both) => both == packed.addrs,
                Addrs::V6(pair) => pair == packed.pair(wide),
            }
    }
}

impl Packed {
    fn is_v6(self) -> bool {
        let [.., kind] = self.rest.to_be_bytes();
        kind & V6 != 0
    }

    #[expect(clippy::cast_possible_truncation, reason = "the number of a pair, and a bit beyond it")]
    fn number(self) -> u32 {
        self.addrs as u32
    }

    fn pair(self, wide: &Wide) -> Pair {
        let [s0, s1, d0, d1] = *wide.at(self.number());
        if self.addrs & SWAPPED == 0 { [s0, s1, d0, d1] } else { [d0, d1, s0, s1] }
    }

    /// Gives back what lies aside for the two directions of a flow.
    pub(super) fn release(self, reply: Self, wide: &mut Wide) {
        if self.is_v6() {
            wide.remove(self.number());
        }
        if reply.is_v6() && !(self.is_v6() && self.number() == reply.number()) {
            wide.remove(reply.number());
        }
    }

    pub(super) fn unpack(self, wide: &Wide) -> Key {
        let addrs = if self.is_v6() { Addrs::V6(self.pair(wide)) } else { Addrs::V4(self.addrs) };
        Key { addrs, rest: self.rest }
    }

    pub(super) fn zone(self) -> u16 {
        let [_, _, _, _, a, b, _, _] = self.rest.to_be_bytes();
        u16::from_be_bytes([a, b])
    }

    pub(super) fn tuple(self, wide: &Wide) -> Tuple {
        let [a0, a1, b0, b1, _, _, proto, kind] = self.rest.to_be_bytes();
        let (a, b) = (u16::from_be_bytes([a0, a1]), u16::from_be_bytes([b0, b1]));
        let l4 = match kind & (PORTS | ICMP) {
            PORTS => L4::Ports { src: a, dst: b },
            ICMP => L4::Icmp { id: a, ty: b0, code: b1 },
            _ => L4::None,
        };
        let (src, dst) = if self.is_v6() {
            let [s0, s1, d0, d1] = self.pair(wide);
            (IpAddr::V6(v6(s0, s1)), IpAddr::V6(v6(d0, d1)))
        } else {
            let [s0, s1, s2, s3, d0, d1, d2, d3] = self.addrs.to_be_bytes();
            (IpAddr::from([s0, s1, s2, s3]), IpAddr::from([d0, d1, d2, d3]))
        };
        Tuple { src, dst, proto: Proto(proto), l4 }
    }

    /// The tuple as the kernel is asked for it, without its zone.
    pub(super) fn kernel_tuple(self, wide: &Wide) -> ct::Tuple {
        let Tuple { src, dst, proto: Proto(proto), l4 } = self.tuple(wide);
        let l4 = match l4 {
            L4::None => ct::L4::None,
            L4::Ports { src, dst } => ct::L4::Ports { src, dst },
            L4::Icmp { id, ty, code } => ct::L4::Icmp { id, ty, code },
        };
        ct::Tuple { src, dst, proto, l4, zone: None }
    }
}

fn rest(a: u16, b: u16, zone: u16, proto: u8, kind: u8) -> u64 {
    let [a0, a1] = a.to_be_bytes();
    let [b0, b1] = b.to_be_bytes();
    let [z0, z1] = zone.to_be_bytes();
    u64::from_be_bytes([a0, a1, b0, b1, z0, z1, proto, kind])
}

/// An IPv4 address beside an IPv6 one, which no kernel tells, stands in its mapped form.
fn halves(addr: IpAddr) -> [u64; 2] {
    let segments = match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped().segments(),
        IpAddr::V6(addr) => addr.segments(),
    };
    let [a, b, c, d, e, f, g, h] = segments.map(u64::from);
    [a << 48 | b << 32 | c << 16 | d, e << 48 | f << 32 | g << 16 | h]
}

fn v6(high: u64, low: u64) -> Ipv6Addr {
    Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low))
}

/// A tuple without a place for its zone (masters).
pub(super) fn plain(tuple: &ct::Tuple) -> Tuple {
    let l4 = match tuple.l4 {
        ct::L4::None => L4::None,
        ct::L4::Ports { src, dst } => L4::Ports { src, dst },
        ct::L4::Icmp { id, ty, code } => L4::Icmp { id, ty, code },
    };
    Tuple { src: tuple.src, dst: tuple.dst, proto: Proto(tuple.proto), l4 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(src: &str, dst: &str, proto: u8, l4: ct::L4) -> ct::Tuple {
        ct::Tuple { src: src.parse().unwrap(), dst: dst.parse().unwrap(), proto, l4, zone: None }
    }

    const PORTS: ct::L4 = ct::L4::Ports { src: 40_000, dst: 443 };

    /// Packs both directions behind another flow, and reads them again.
    #[track_caller]
    fn check(orig: ct::Tuple, reply: ct::Tuple, pairs: u32) {
        let mut wide = Wide::default();
        let other = Key::new(&tuple("fe80::1", "fe80::2", 6, PORTS), 0).pack(&mut wide);
        let (orig_key, reply_key) = (Key::new(&orig, 3), Key::new(&reply, 4));
        let packed = orig_key.pack(&mut wide);
        let reply_packed = reply_key.pack_reply(packed, &mut wide);
        assert_eq!(wide.insert(Pair::default()), pairs + 1, "pairs that lie aside");
        for (key, packed, tuple, zone) in [(orig_key, packed, &orig, 3), (reply_key, reply_packed, &reply, 4)]
        {
            assert!(key.is(packed, &wide) && packed.unpack(&wide) == key && packed.zone() == zone);
            assert!(!key.is(other, &wide) && !Key::new(tuple, 9).is(packed, &wide));
            assert_eq!(packed.tuple(&wide), plain(tuple));
            assert_eq!(packed.kernel_tuple(&wide), *tuple);
        }
        packed.release(reply_packed, &mut wide);
        let again: Vec<_> = (0..pairs).map(|_| wide.insert(Pair::default())).collect();
        assert!(again.iter().all(|&number| (1..=pairs).contains(&number)), "all are free again");
        assert_eq!(wide.insert(Pair::default()), pairs + 2, "and none twice");
    }

    #[test]
    fn directions_are_packed_and_unpacked() {
        let v4 = tuple("10.0.0.1", "192.0.2.255", 6, PORTS);
        check(v4, v4.inverse(), 0);
        check(v4, tuple("192.0.2.255", "198.51.100.1", 6, ct::L4::Ports { src: 443, dst: 1024 }), 0);
        check(v4, tuple("2001:db8::1", "2001:db8::2", 6, PORTS), 1);
        check(tuple("0.0.0.0", "255.255.255.255", 1, ct::L4::Icmp { id: 7, ty: 8, code: 1 }), v4, 0);
        let v6 = tuple("2001:db8::1", "2001:db8:ffff::2", 50, ct::L4::None);
        check(v6, v6.inverse(), 1);
        check(v6, tuple("2001:db8:ffff::2", "2001:db8::3", 50, ct::L4::None), 2);
        check(v6, tuple("2001:db8::1", "2001:db8:ffff::2", 17, PORTS), 2);
        check(tuple("::1", "::1", 6, PORTS), tuple("::1", "::1", 6, PORTS), 1);
    }
}
