//! Both tuples of a flow in little room: 32 bytes for IPv4 with or without NAT, and a box besides for
//! IPv6. Most tables are IPv4, and a flow's two tuples are most of what is known about it.

use std::net::{IpAddr, Ipv4Addr};

use conntop_proto::tuple::{L4, Proto, Tuple};

/// Original and reply tuple. Reading gives what was put in, exactly.
#[derive(Clone, Debug)]
pub(super) enum Pair {
    /// IPv4 in both directions.
    V4 {
        /// Source and destination of the original, then of the reply.
        addresses: [u32; 4],
        /// The two numbers of each [`L4`], in the same order.
        l4: [u16; 4],
        proto: Proto,
        kinds: (Kind, Kind),
    },
    /// The reply is the original turned round.
    Plain(Box<Tuple>),
    /// Anything else.
    Both(Box<(Tuple, Tuple)>),
}

/// What the numbers of an [`L4`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    None,
    Ports,
    Icmp,
}

impl Pair {
    pub(super) fn new(orig: Tuple, reply: Tuple) -> Self {
        use IpAddr::V4;
        if let (V4(a), V4(b), V4(c), V4(d)) = (orig.src, orig.dst, reply.src, reply.dst)
            && orig.proto == reply.proto
        {
            let ((kind, [e, f]), (reply_kind, [g, h])) = (pack(orig.l4), pack(reply.l4));
            return Self::V4 {
                addresses: [a, b, c, d].map(Ipv4Addr::to_bits),
                l4: [e, f, g, h],
                proto: orig.proto,
                kinds: (kind, reply_kind),
            };
        }
        if reply == orig.inverse() {
            Self::Plain(Box::new(orig))
        } else {
            Self::Both(Box::new((orig, reply)))
        }
    }

    #[inline]
    pub(super) fn orig(&self) -> Tuple {
        match self {
            Self::V4 { addresses: [src, dst, ..], l4: [a, b, ..], proto, kinds } => {
                tuple([*src, *dst], *proto, kinds.0, [*a, *b])
            }
            Self::Plain(orig) => **orig,
            Self::Both(both) => both.0,
        }
    }

    #[inline]
    pub(super) fn reply(&self) -> Tuple {
        match self {
            Self::V4 { addresses: [.., src, dst], l4: [.., a, b], proto, kinds } => {
                tuple([*src, *dst], *proto, kinds.1, [*a, *b])
            }
            Self::Plain(orig) => orig.inverse(),
            Self::Both(both) => both.1,
        }
    }
}

#[inline]
fn tuple(addresses: [u32; 2], proto: Proto, kind: Kind, [a, b]: [u16; 2]) -> Tuple {
    let [src, dst] = addresses.map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
    let l4 = match kind {
        Kind::None => L4::None,
        Kind::Ports => L4::Ports { src: a, dst: b },
        Kind::Icmp => {
            let [ty, code] = b.to_be_bytes();
            L4::Icmp { id: a, ty, code }
        }
    };
    Tuple { src, dst, proto, l4 }
}

fn pack(l4: L4) -> (Kind, [u16; 2]) {
    match l4 {
        L4::None => (Kind::None, [0, 0]),
        L4::Ports { src, dst } => (Kind::Ports, [src, dst]),
        L4::Icmp { id, ty, code } => (Kind::Icmp, [id, u16::from_be_bytes([ty, code])]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn l4() -> impl Strategy<Value = L4> {
        prop_oneof![
            Just(L4::None),
            any::<(u16, u16)>().prop_map(|(src, dst)| L4::Ports { src, dst }),
            any::<(u16, u8, u8)>().prop_map(|(id, ty, code)| L4::Icmp { id, ty, code }),
        ]
    }

    fn any_tuple() -> impl Strategy<Value = Tuple> {
        let proto = prop_oneof![Just(Proto::TCP), Just(Proto::ICMP), Just(Proto::ICMPV6)];
        let addresses = prop_oneof![
            any::<(Ipv4Addr, Ipv4Addr)>().prop_map(|(a, b)| (IpAddr::V4(a), IpAddr::V4(b))),
            any::<(IpAddr, IpAddr)>(),
        ];
        (addresses, proto, l4()).prop_map(|((src, dst), proto, l4)| Tuple { src, dst, proto, l4 })
    }

    proptest! {
        #[test]
        fn tuples_come_back_as_they_were(orig in any_tuple(), other in any_tuple(), nat: bool) {
            let reply = if nat { other } else { orig.inverse() };
            let pair = Pair::new(orig, reply);
            prop_assert_eq!((pair.orig(), pair.reply()), (orig, reply));
        }
    }

    #[test]
    fn it_is_small() {
        assert!(size_of::<Pair>() <= 32, "{}", size_of::<Pair>());
    }
}
