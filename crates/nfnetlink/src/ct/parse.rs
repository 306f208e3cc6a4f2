//! Attributes of a conntrack message into [`CtMessage`].
//!
//! Unknown attributes are skipped, so that a newer kernel does no harm; known ones must have
//! exactly their length.
//!
//! Tuples, counters and TCP states are first compared with the layout in which kernels write
//! them, and searched (`any_...`) only where they differ; both ways read the same.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::attr::*;
use super::{Counters, CtMessage, HELPER_NAME_MAX, L4, LABELS_MAX, ProtoState, Status, Tuple};
use crate::wire::{Attr, Attrs, Fault, NESTED, ParseError, Problem};

/// Names the attribute that a problem was found in.
trait At<T> {
    fn at(self, attribute: &'static &'static str) -> Result<T, Fault>;
}

impl<T> At<T> for Result<T, Problem> {
    #[inline]
    fn at(self, attribute: &'static &'static str) -> Result<T, Fault> {
        self.map_err(|problem| Fault { attribute, problem })
    }
}

impl<'a> CtMessage<'a> {
    /// Reads the attributes behind the `nfgenmsg` of a conntrack message into a fresh one. In
    /// place, because copying it costs as much as parsing it.
    ///
    /// # Errors
    /// The first attribute that is cut off, has a wrong length, or is missing.
    #[inline]
    pub(crate) fn parse(&mut self, attributes: &'a [u8]) -> Result<(), ParseError> {
        self.fill(attributes).map_err(|fault| fault.problem.at("conntrack", fault.attribute))
    }

    fn fill(&mut self, attributes: &'a [u8]) -> Result<(), Fault> {
        let (mut orig, mut reply) = (Err(Problem::Missing), Err(Problem::Missing));
        for attr in Attrs::new(attributes) {
            let attr = attr.at(&"attribute")?;
            match attr.kind {
                CTA_TUPLE_ORIG => orig = Ok(tuple(attr, &"CTA_TUPLE_ORIG", &mut self.orig)?),
                CTA_TUPLE_REPLY => reply = Ok(tuple(attr, &"CTA_TUPLE_REPLY", &mut self.reply)?),
                CTA_TUPLE_MASTER => {
                    tuple(attr, &"CTA_TUPLE_MASTER", self.master.insert(Tuple::default()))?;
                }
                CTA_STATUS => self.status = Some(Status(attr.be32().at(&"CTA_STATUS")?)),
                CTA_PROTOINFO => self.state = proto_state(attr)?,
                CTA_HELP => self.helper = helper(attr)?,
                CTA_TIMEOUT => self.timeout = Some(attr.be32().at(&"CTA_TIMEOUT")?),
                CTA_MARK => self.mark = Some(attr.be32().at(&"CTA_MARK")?),
                CTA_COUNTERS_ORIG => self.counters_orig = counters(attr, &"CTA_COUNTERS_ORIG")?,
                CTA_COUNTERS_REPLY => self.counters_reply = counters(attr, &"CTA_COUNTERS_REPLY")?,
                CTA_USE => self.use_count = Some(attr.be32().at(&"CTA_USE")?),
                CTA_ID => self.id = Some(attr.be32().at(&"CTA_ID")?),
                CTA_ZONE => self.zone = Some(attr.be16().at(&"CTA_ZONE")?),
                CTA_TIMESTAMP => (self.start, self.stop) = timestamp(attr)?,
                CTA_TIMESTAMP_EVENT => self.event_time = Some(attr.be64().at(&"CTA_TIMESTAMP_EVENT")?),
                CTA_LABELS => self.labels = Some(attr.bytes(LABELS_MAX).at(&"CTA_LABELS")?),
                _ => {}
            }
        }
        orig.at(&"CTA_TUPLE_ORIG")?;
        reply.at(&"CTA_TUPLE_REPLY")
    }
}

/// Whether this word is the header of an attribute with this length and type.
#[inline(always)]
fn heads(word: &[u8; 4], length: u16, kind: u16) -> bool {
    let ([l0, l1], [k0, k1]) = (length.to_ne_bytes(), kind.to_ne_bytes());
    u32::from_ne_bytes(*word) == u32::from_ne_bytes([l0, l1, k0, k1])
}

/// The tuple exactly as the kernel lays it out for addresses of `ADDR` bytes and a protocol with
/// ports. Most tuples are such, and knowing it makes this ten times faster than the search.
#[inline]
fn usual_tuple(data: &[u8], tuple: &mut Tuple) -> bool {
    let (words, _) = data.as_chunks::<4>();
    let proto = match words {
        [ip, of_src, src, of_dst, dst, proto @ ..]
            if heads(ip, 20, CTA_TUPLE_IP | NESTED)
                & heads(of_src, 8, CTA_IP_V4_SRC)
                & heads(of_dst, 8, CTA_IP_V4_DST) =>
        {
            tuple.src = IpAddr::V4(Ipv4Addr::from(*src));
            tuple.dst = IpAddr::V4(Ipv4Addr::from(*dst));
            proto
        }
        [ip, of_src, s0, s1, s2, s3, of_dst, d0, d1, d2, d3, proto @ ..]
            if heads(ip, 44, CTA_TUPLE_IP | NESTED)
                & heads(of_src, 20, CTA_IP_V6_SRC)
                & heads(of_dst, 20, CTA_IP_V6_DST) =>
        {
            let v6 = |parts: [&[u8; 4]; 4]| {
                let [a, b, c, d] = parts.map(|part| u128::from(u32::from_be_bytes(*part)));
                IpAddr::V6(Ipv6Addr::from_bits(a << 96 | b << 64 | c << 32 | d))
            };
            tuple.src = v6([s0, s1, s2, s3]);
            tuple.dst = v6([d0, d1, d2, d3]);
            proto
        }
        _ => return false,
    };
    let [proto, of_number, [number, ..], of_src, [s0, s1, ..], of_dst, [d0, d1, ..]] = proto else {
        return false;
    };
    tuple.proto = *number;
    tuple.l4 = L4::Ports { src: u16::from_be_bytes([*s0, *s1]), dst: u16::from_be_bytes([*d0, *d1]) };
    heads(proto, 28, CTA_TUPLE_PROTO | NESTED)
        & heads(of_number, 5, CTA_PROTO_NUM)
        & heads(of_src, 6, CTA_PROTO_SRC_PORT)
        & heads(of_dst, 6, CTA_PROTO_DST_PORT)
}

#[inline]
fn tuple(attr: Attr<'_>, name: &'static &'static str, tuple: &mut Tuple) -> Result<(), Fault> {
    if usual_tuple(attr.data, tuple) { Ok(()) } else { any_tuple(attr, name, tuple) }
}

fn any_tuple(attr: Attr<'_>, name: &'static &'static str, tuple: &mut Tuple) -> Result<(), Fault> {
    let (mut addresses, mut protocol, mut zone) = (None, None, None);
    for attr in attr.nested() {
        let attr = attr.at(name)?;
        match attr.kind {
            CTA_TUPLE_IP => addresses = Some(ip(attr)?),
            CTA_TUPLE_PROTO => protocol = Some(proto(attr)?),
            CTA_TUPLE_ZONE => zone = Some(attr.be16().at(&"CTA_TUPLE_ZONE")?),
            _ => {}
        }
    }
    let (src, dst) = addresses.ok_or(Problem::Missing).at(&"CTA_TUPLE_IP")?;
    let (proto, l4) = protocol.ok_or(Problem::Missing).at(&"CTA_TUPLE_PROTO")?;
    *tuple = Tuple { src, dst, proto, l4, zone };
    Ok(())
}

fn ip(attr: Attr<'_>) -> Result<(IpAddr, IpAddr), Fault> {
    let (mut src, mut dst) = (None, None);
    for attr in attr.nested() {
        let attr = attr.at(&"CTA_TUPLE_IP")?;
        let v4 = |name| attr.array::<4>().at(name).map(|a| Some(IpAddr::V4(Ipv4Addr::from(a))));
        let v6 = |name| attr.array::<16>().at(name).map(|a| Some(IpAddr::V6(Ipv6Addr::from(a))));
        match attr.kind {
            CTA_IP_V4_SRC => src = v4(&"CTA_IP_V4_SRC")?,
            CTA_IP_V4_DST => dst = v4(&"CTA_IP_V4_DST")?,
            CTA_IP_V6_SRC => src = v6(&"CTA_IP_V6_SRC")?,
            CTA_IP_V6_DST => dst = v6(&"CTA_IP_V6_DST")?,
            _ => {}
        }
    }
    match (src, dst) {
        (Some(src), Some(dst)) if src.is_ipv4() == dst.is_ipv4() => Ok((src, dst)),
        (None, _) => Err(Problem::Missing).at(&"CTA_IP_V4_SRC"),
        _ => Err(Problem::Missing).at(&"CTA_IP_V4_DST"),
    }
}

fn proto(attr: Attr<'_>) -> Result<(u8, L4), Fault> {
    let mut number = None;
    let (mut src, mut dst) = (None, None);
    let (mut id, mut ty, mut code) = (None, None, None);
    for attr in attr.nested() {
        let attr = attr.at(&"CTA_TUPLE_PROTO")?;
        match attr.kind {
            CTA_PROTO_NUM => number = Some(attr.u8().at(&"CTA_PROTO_NUM")?),
            CTA_PROTO_SRC_PORT => src = Some(attr.be16().at(&"CTA_PROTO_SRC_PORT")?),
            CTA_PROTO_DST_PORT => dst = Some(attr.be16().at(&"CTA_PROTO_DST_PORT")?),
            CTA_PROTO_ICMP_ID | CTA_PROTO_ICMPV6_ID => id = Some(attr.be16().at(&"CTA_PROTO_ICMP_ID")?),
            CTA_PROTO_ICMP_TYPE | CTA_PROTO_ICMPV6_TYPE => ty = Some(attr.u8().at(&"CTA_PROTO_ICMP_TYPE")?),
            CTA_PROTO_ICMP_CODE | CTA_PROTO_ICMPV6_CODE => code = Some(attr.u8().at(&"CTA_PROTO_ICMP_CODE")?),
            _ => {}
        }
    }
    let number = number.ok_or(Problem::Missing).at(&"CTA_PROTO_NUM")?;
    let l4 = match (src, dst, id, ty, code) {
        (Some(src), Some(dst), ..) => L4::Ports { src, dst },
        (_, _, Some(id), Some(ty), Some(code)) => L4::Icmp { id, ty, code },
        (None, None, None, None, None) => L4::None,
        // Half a key would make two flows look like one.
        (Some(_), None, ..) => return Err(Problem::Missing).at(&"CTA_PROTO_DST_PORT"),
        (None, Some(_), ..) => return Err(Problem::Missing).at(&"CTA_PROTO_SRC_PORT"),
        (.., None, _, _) => return Err(Problem::Missing).at(&"CTA_PROTO_ICMP_ID"),
        (.., None, _) => return Err(Problem::Missing).at(&"CTA_PROTO_ICMP_TYPE"),
        (.., None) => return Err(Problem::Missing).at(&"CTA_PROTO_ICMP_CODE"),
    };
    Ok((number, l4))
}

#[inline]
fn proto_state(attr: Attr<'_>) -> Result<Option<ProtoState>, Fault> {
    if let ([tcp, of_state, [state, ..], ..], _) = attr.data.as_chunks::<4>()
        && heads(tcp, 44, CTA_PROTOINFO_TCP | NESTED) & heads(of_state, 5, CTA_PROTOINFO_STATE)
    {
        return Ok(Some(ProtoState::Tcp(*state)));
    }
    any_proto_state(attr)
}

fn any_proto_state(attr: Attr<'_>) -> Result<Option<ProtoState>, Fault> {
    let mut state = None;
    for attr in attr.nested() {
        let attr = attr.at(&"CTA_PROTOINFO")?;
        let make: fn(u8) -> ProtoState = match attr.kind {
            CTA_PROTOINFO_TCP => ProtoState::Tcp,
            CTA_PROTOINFO_DCCP => ProtoState::Dccp,
            CTA_PROTOINFO_SCTP => ProtoState::Sctp,
            _ => continue,
        };
        for attr in attr.nested() {
            let attr = attr.at(&"CTA_PROTOINFO")?;
            if attr.kind == CTA_PROTOINFO_STATE {
                state = Some(make(attr.u8().at(&"CTA_PROTOINFO_STATE")?));
            }
        }
    }
    Ok(state)
}

fn helper(attr: Attr<'_>) -> Result<Option<&[u8]>, Fault> {
    let mut name = None;
    for attr in attr.nested() {
        let attr = attr.at(&"CTA_HELP")?;
        if attr.kind == CTA_HELP_NAME {
            name = Some(attr.name(HELPER_NAME_MAX).at(&"CTA_HELP_NAME")?);
        }
    }
    Ok(name)
}

/// Half a pair of counters is no counters: what is unknown is not 0.
#[inline]
fn counters(attr: Attr<'_>, name: &'static &'static str) -> Result<Option<Counters>, Fault> {
    if let ([of_packets, p0, p1, of_bytes, b0, b1], []) = attr.data.as_chunks::<4>()
        && heads(of_packets, 12, CTA_COUNTERS_PACKETS) & heads(of_bytes, 12, CTA_COUNTERS_BYTES)
    {
        let be64 = |high: &[u8; 4], low: &[u8; 4]| {
            u64::from(u32::from_be_bytes(*high)) << 32 | u64::from(u32::from_be_bytes(*low))
        };
        return Ok(Some(Counters { packets: be64(p0, p1), bytes: be64(b0, b1) }));
    }
    any_counters(attr, name)
}

fn any_counters(attr: Attr<'_>, name: &'static &'static str) -> Result<Option<Counters>, Fault> {
    let (mut packets, mut bytes) = (None, None);
    for attr in attr.nested() {
        let attr = attr.at(name)?;
        match attr.kind {
            CTA_COUNTERS_PACKETS => packets = Some(attr.be64().at(&"CTA_COUNTERS_PACKETS")?),
            CTA_COUNTERS_BYTES => bytes = Some(attr.be64().at(&"CTA_COUNTERS_BYTES")?),
            CTA_COUNTERS32_PACKETS => packets = Some(attr.be32().at(&"CTA_COUNTERS32_PACKETS")?.into()),
            CTA_COUNTERS32_BYTES => bytes = Some(attr.be32().at(&"CTA_COUNTERS32_BYTES")?.into()),
            _ => {}
        }
    }
    Ok(packets.zip(bytes).map(|(packets, bytes)| Counters { packets, bytes }))
}

fn timestamp(attr: Attr<'_>) -> Result<(Option<u64>, Option<u64>), Fault> {
    let (mut start, mut stop) = (None, None);
    for attr in attr.nested() {
        let attr = attr.at(&"CTA_TIMESTAMP")?;
        match attr.kind {
            CTA_TIMESTAMP_START => start = Some(attr.be64().at(&"CTA_TIMESTAMP_START")?),
            CTA_TIMESTAMP_STOP => stop = Some(attr.be64().at(&"CTA_TIMESTAMP_STOP")?),
            _ => {}
        }
    }
    Ok((start, stop))
}
