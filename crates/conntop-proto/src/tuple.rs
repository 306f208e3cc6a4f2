//! Tuples: one direction of a flow as connection tracking identifies it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// IP protocol number. Any value is possible; [`Proto::name`] knows the usual ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Proto(pub u8);

impl Proto {
    /// ICMP for IPv4.
    pub const ICMP: Self = Self(1);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// DCCP.
    pub const DCCP: Self = Self(33);
    /// GRE; its keys stand where other protocols have ports.
    pub const GRE: Self = Self(47);
    /// ICMP for IPv6.
    pub const ICMPV6: Self = Self(58);
    /// SCTP.
    pub const SCTP: Self = Self(132);
    /// UDP-Lite.
    pub const UDPLITE: Self = Self(136);

    /// Lower-case name of a well-known protocol (`tcp`), `None` for any other number.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(p, _)| *p == self).map(|(_, name)| *name)
    }

    /// The protocol with that name (any case), the inverse of [`Proto::name`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, n)| n.eq_ignore_ascii_case(name)).map(|(p, _)| *p)
    }
}

/// Every protocol that has a name here, by number.
pub const NAMES: &[(Proto, &str)] = &[
    (Proto::ICMP, "icmp"),
    (Proto(2), "igmp"),
    (Proto(4), "ipip"),
    (Proto::TCP, "tcp"),
    (Proto::UDP, "udp"),
    (Proto::DCCP, "dccp"),
    (Proto(41), "ipv6"),
    (Proto::GRE, "gre"),
    (Proto(50), "esp"),
    (Proto(51), "ah"),
    (Proto::ICMPV6, "icmpv6"),
    (Proto(89), "ospf"),
    (Proto(103), "pim"),
    (Proto(112), "vrrp"),
    (Proto::SCTP, "sctp"),
    (Proto::UDPLITE, "udplite"),
];

/// What identifies a flow above the addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum L4 {
    /// The protocol has no further key (ESP, OSPF, an unknown one).
    #[default]
    None,
    /// Ports of TCP, UDP, UDP-Lite, SCTP and DCCP; keys of GRE.
    Ports {
        /// Port (or GRE key) of the sender.
        src: u16,
        /// Port (or GRE key) of the receiver.
        dst: u16,
    },
    /// Query of ICMP or ICMPv6.
    Icmp {
        /// Identifier of the query.
        id: u16,
        /// ICMP type.
        ty: u8,
        /// ICMP code.
        code: u8,
    },
}

impl L4 {
    /// The two numbers that stand in the `sport` and `dport` columns of the wire: ports as they
    /// are, ICMP as (identifier, type x 256 + code), nothing for [`L4::None`].
    #[must_use]
    pub fn to_pair(self) -> (Option<u16>, Option<u16>) {
        match self {
            Self::None => (None, None),
            Self::Ports { src, dst } => (Some(src), Some(dst)),
            Self::Icmp { id, ty, code } => (Some(id), Some(u16::from_be_bytes([ty, code]))),
        }
    }

    /// The inverse of [`L4::to_pair`]; `None` when only one of the two is there.
    #[must_use]
    pub fn from_pair(proto: Proto, pair: (Option<u16>, Option<u16>)) -> Option<Self> {
        match pair {
            (None, None) => Some(Self::None),
            (Some(id), Some(ty_code)) if proto == Proto::ICMP || proto == Proto::ICMPV6 => {
                let [ty, code] = ty_code.to_be_bytes();
                Some(Self::Icmp { id, ty, code })
            }
            (Some(src), Some(dst)) => Some(Self::Ports { src, dst }),
            _ => None,
        }
    }
}

/// One direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// Sender.
    pub src: IpAddr,
    /// Receiver; the same address family as `src`.
    pub dst: IpAddr,
    /// IP protocol.
    pub proto: Proto,
    /// Ports, ICMP query or GRE keys.
    pub l4: L4,
}

impl Tuple {
    /// The tuple that an answer bears when no address or port is translated.
    #[must_use]
    pub fn inverse(self) -> Self {
        let l4 = match self.l4 {
            L4::None => L4::None,
            L4::Ports { src, dst } => L4::Ports { src: dst, dst: src },
            L4::Icmp { id, ty, code } => L4::Icmp { id, ty: icmp_answer(self.proto, ty), code },
        };
        Self { src: self.dst, dst: self.src, proto: self.proto, l4 }
    }
}

/// Type of the answer to an ICMP query, as nf_conntrack pairs them.
fn icmp_answer(proto: Proto, ty: u8) -> u8 {
    const PAIRS: &[(Proto, u8, u8)] = &[
        (Proto::ICMP, 8, 0),
        (Proto::ICMP, 13, 14),
        (Proto::ICMP, 15, 16),
        (Proto::ICMP, 17, 18),
        (Proto::ICMPV6, 128, 129),
        (Proto::ICMPV6, 139, 140),
    ];
    PAIRS
        .iter()
        .filter(|(p, ..)| *p == proto)
        .find_map(|&(_, query, answer)| match ty {
            t if t == query => Some(answer),
            t if t == answer => Some(query),
            _ => None,
        })
        .unwrap_or(ty)
}
