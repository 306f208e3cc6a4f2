//! Attributes of a conntrack message into [`CtMessage`].
//!
//! Unknown attributes are skipped, so that a newer kernel does no harm; known ones must have
//! exactly their length.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::attr::*;
use super::{Counters, CtMessage, HELPER_NAME_MAX, L4, LABELS_MAX, ProtoState, Status, Tuple};
use crate::wire::{Attr, Attrs, ParseError, Problem};

/// Names the attribute that a problem was found in.
trait At<T> {
    fn at(self, attribute: &'static str) -> Result<T, ParseError>;
}

impl<T> At<T> for Result<T, Problem> {
    #[inline]
    fn at(self, attribute: &'static str) -> Result<T, ParseError> {
        self.map_err(|problem| problem.at("conntrack", attribute))
    }
}

impl<'a> CtMessage<'a> {
    /// Reads the attributes behind the `nfgenmsg` of a conntrack message.
    ///
    /// # Errors
    /// The first attribute that is cut off, has a wrong length, or is missing.
    pub(crate) fn parse(attributes: &'a [u8]) -> Result<Self, ParseError> {
        let mut message = CtMessage::default();
        let (mut orig, mut reply) = (None, None);
        for attr in Attrs::new(attributes) {
            let attr = attr.at("attribute")?;
            match attr.kind {
                CTA_TUPLE_ORIG => orig = Some(tuple(attr, "CTA_TUPLE_ORIG")?),
                CTA_TUPLE_REPLY => reply = Some(tuple(attr, "CTA_TUPLE_REPLY")?),
                CTA_TUPLE_MASTER => message.master = Some(tuple(attr, "CTA_TUPLE_MASTER")?),
                CTA_STATUS => message.status = Some(Status(attr.be32().at("CTA_STATUS")?)),
                CTA_PROTOINFO => message.state = proto_state(attr)?,
                CTA_HELP => message.helper = helper(attr)?,
                CTA_TIMEOUT => message.timeout = Some(attr.be32().at("CTA_TIMEOUT")?),
                CTA_MARK => message.mark = Some(attr.be32().at("CTA_MARK")?),
                CTA_COUNTERS_ORIG => message.counters_orig = counters(attr, "CTA_COUNTERS_ORIG")?,
                CTA_COUNTERS_REPLY => message.counters_reply = counters(attr, "CTA_COUNTERS_REPLY")?,
                CTA_USE => message.use_count = Some(attr.be32().at("CTA_USE")?),
                CTA_ID => message.id = Some(attr.be32().at("CTA_ID")?),
                CTA_ZONE => message.zone = Some(attr.be16().at("CTA_ZONE")?),
                CTA_TIMESTAMP => (message.start, message.stop) = timestamp(attr)?,
                CTA_TIMESTAMP_EVENT => message.event_time = Some(attr.be64().at("CTA_TIMESTAMP_EVENT")?),
                CTA_LABELS => message.labels = Some(attr.bytes(LABELS_MAX).at("CTA_LABELS")?),
                _ => {}
            }
        }
        message.orig = orig.ok_or(Problem::Missing).at("CTA_TUPLE_ORIG")?;
        message.reply = reply.ok_or(Problem::Missing).at("CTA_TUPLE_REPLY")?;
        Ok(message)
    }
}

fn tuple(attr: Attr<'_>, name: &'static str) -> Result<Tuple, ParseError> {
    let (mut addresses, mut protocol, mut zone) = (None, None, None);
    for attr in attr.nested() {
        let attr = attr.at(name)?;
        match attr.kind {
            CTA_TUPLE_IP => addresses = Some(ip(attr)?),
            CTA_TUPLE_PROTO => protocol = Some(proto(attr)?),
            CTA_TUPLE_ZONE => zone = Some(attr.be16().at("CTA_TUPLE_ZONE")?),
            _ => {}
        }
    }
    let (src, dst) = addresses.ok_or(Problem::Missing).at("CTA_TUPLE_IP")?;
    let (proto, l4) = protocol.ok_or(Problem::Missing).at("CTA_TUPLE_PROTO")?;
    Ok(Tuple { src, dst, proto, l4, zone })
}

fn ip(attr: Attr<'_>) -> Result<(IpAddr, IpAddr), ParseError> {
    let (mut src, mut dst) = (None, None);
    for attr in attr.nested() {
        let attr = attr.at("CTA_TUPLE_IP")?;
        let v4 = |name| attr.array::<4>().at(name).map(|a| Some(IpAddr::V4(Ipv4Addr::from(a))));
        let v6 = |name| attr.array::<16>().at(name).map(|a| Some(IpAddr::V6(Ipv6Addr::from(a))));
        match attr.kind {
            CTA_IP_V4_SRC => src = v4("CTA_IP_V4_SRC")?,
            CTA_IP_V4_DST => dst = v4("CTA_IP_V4_DST")?,
            CTA_IP_V6_SRC => src = v6("CTA_IP_V6_SRC")?,
            CTA_IP_V6_DST => dst = v6("CTA_IP_V6_DST")?,
            _ => {}
        }
    }
    match (src, dst) {
        (Some(src), Some(dst)) if src.is_ipv4() == dst.is_ipv4() => Ok((src, dst)),
        (None, _) => Err(Problem::Missing).at("CTA_IP_V4_SRC"),
        _ => Err(Problem::Missing).at("CTA_IP_V4_DST"),
    }
}

fn proto(attr: Attr<'_>) -> Result<(u8, L4), ParseError> {
    let mut number = None;
    let (mut src, mut dst) = (None, None);
    let (mut id, mut ty, mut code) = (None, None, None);
    for attr in attr.nested() {
        let attr = attr.at("CTA_TUPLE_PROTO")?;
        match attr.kind {
            CTA_PROTO_NUM => number = Some(attr.u8().at("CTA_PROTO_NUM")?),
            CTA_PROTO_SRC_PORT => src = Some(attr.be16().at("CTA_PROTO_SRC_PORT")?),
            CTA_PROTO_DST_PORT => dst = Some(attr.be16().at("CTA_PROTO_DST_PORT")?),
            CTA_PROTO_ICMP_ID | CTA_PROTO_ICMPV6_ID => id = Some(attr.be16().at("CTA_PROTO_ICMP_ID")?),
            CTA_PROTO_ICMP_TYPE | CTA_PROTO_ICMPV6_TYPE => ty = Some(attr.u8().at("CTA_PROTO_ICMP_TYPE")?),
            CTA_PROTO_ICMP_CODE | CTA_PROTO_ICMPV6_CODE => code = Some(attr.u8().at("CTA_PROTO_ICMP_CODE")?),
            _ => {}
        }
    }
    let number = number.ok_or(Problem::Missing).at("CTA_PROTO_NUM")?;
    let l4 = match (src, dst, id, ty, code) {
        (Some(src), Some(dst), ..) => L4::Ports { src, dst },
        (_, _, Some(id), Some(ty), Some(code)) => L4::Icmp { id, ty, code },
        (None, None, None, None, None) => L4::None,
        // Half a key would make two flows look like one.
        (Some(_), None, ..) => return Err(Problem::Missing).at("CTA_PROTO_DST_PORT"),
        (None, Some(_), ..) => return Err(Problem::Missing).at("CTA_PROTO_SRC_PORT"),
        (.., None, _, _) => return Err(Problem::Missing).at("CTA_PROTO_ICMP_ID"),
        (.., None, _) => return Err(Problem::Missing).at("CTA_PROTO_ICMP_TYPE"),
        (.., None) => return Err(Problem::Missing).at("CTA_PROTO_ICMP_CODE"),
    };
    Ok((number, l4))
}

fn proto_state(attr: Attr<'_>) -> Result<Option<ProtoState>, ParseError> {
    let mut state = None;
    for attr in attr.nested() {
        let attr = attr.at("CTA_PROTOINFO")?;
        let make: fn(u8) -> ProtoState = match attr.kind {
            CTA_PROTOINFO_TCP => ProtoState::Tcp,
            CTA_PROTOINFO_DCCP => ProtoState::Dccp,
            CTA_PROTOINFO_SCTP => ProtoState::Sctp,
            _ => continue,
        };
        for attr in attr.nested() {
            let attr = attr.at("CTA_PROTOINFO")?;
            if attr.kind == CTA_PROTOINFO_STATE {
                state = Some(make(attr.u8().at("CTA_PROTOINFO_STATE")?));
            }
        }
    }
    Ok(state)
}

fn helper(attr: Attr<'_>) -> Result<Option<&[u8]>, ParseError> {
    let mut name = None;
    for attr in attr.nested() {
        let attr = attr.at("CTA_HELP")?;
        if attr.kind == CTA_HELP_NAME {
            name = Some(attr.name(HELPER_NAME_MAX).at("CTA_HELP_NAME")?);
        }
    }
    Ok(name)
}

/// Half a pair of counters is no counters: what is unknown is not 0.
fn counters(attr: Attr<'_>, name: &'static str) -> Result<Option<Counters>, ParseError> {
    let (mut packets, mut bytes) = (None, None);
    for attr in attr.nested() {
        let attr = attr.at(name)?;
        match attr.kind {
            CTA_COUNTERS_PACKETS => packets = Some(attr.be64().at("CTA_COUNTERS_PACKETS")?),
            CTA_COUNTERS_BYTES => bytes = Some(attr.be64().at("CTA_COUNTERS_BYTES")?),
            CTA_COUNTERS32_PACKETS => packets = Some(attr.be32().at("CTA_COUNTERS32_PACKETS")?.into()),
            CTA_COUNTERS32_BYTES => bytes = Some(attr.be32().at("CTA_COUNTERS32_BYTES")?.into()),
            _ => {}
        }
    }
    Ok(packets.zip(bytes).map(|(packets, bytes)| Counters { packets, bytes }))
}

fn timestamp(attr: Attr<'_>) -> Result<(Option<u64>, Option<u64>), ParseError> {
    let (mut start, mut stop) = (None, None);
    for attr in attr.nested() {
        let attr = attr.at("CTA_TIMESTAMP")?;
        match attr.kind {
            CTA_TIMESTAMP_START => start = Some(attr.be64().at("CTA_TIMESTAMP_START")?),
            CTA_TIMESTAMP_STOP => stop = Some(attr.be64().at("CTA_TIMESTAMP_STOP")?),
            _ => {}
        }
    }
    Ok((start, stop))
}
