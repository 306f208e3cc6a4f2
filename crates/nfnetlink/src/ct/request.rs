//! Requests to ctnetlink, many in one buffer.
//!
//! Each request is one netlink message with a sequence number of its own, so that errors can be
//! told apart. A flush and a delete are different methods: a delete without a tuple would be one.

use std::net::IpAddr;

use super::attr::*;
use super::{L4, ProtoState, Status, Tuple};
use crate::wire::{Header, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, Writer};

/// Layer 3 family, by its `AF_*` number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Family {
    /// Both families, in requests.
    #[default]
    Any = 0,
    /// `AF_INET`
    Ipv4 = 2,
    /// `AF_INET6`
    Ipv6 = 10,
}

impl Family {
    /// The `AF_*` number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The family of an address.
    #[must_use]
    pub const fn of(addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        }
    }
}

/// Which flows a dump shall contain; the default is all of them.
///
/// The kernel filters before it writes, so a flow that does not match costs a fifteenth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DumpFilter {
    /// Only this family.
    pub family: Family,
    /// Only flows whose status bits under the mask are these (since Linux 5.15; older kernels
    /// ignore it, see [`DumpState::filtered`](crate::DumpState::filtered)).
    pub status: Option<StatusFilter>,
    /// Only flows with `mark & mask == mark`, as (mark, mask).
    pub mark: Option<(u32, u32)>,
    /// Only this zone (since Linux 6.8; older kernels ignore it).
    pub zone: Option<u16>,
    /// Only flows whose original direction is like this (since Linux 5.8). The kernel needs a
    /// family for it, which is taken from the addresses if there are any.
    pub orig: TupleFilter,
}

/// `status & mask == bits`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusFilter {
    /// The wanted value of the bits under the mask.
    pub bits: Status,
    /// The bits that count.
    pub mask: Status,
}

/// The parts of a tuple that have to match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TupleFilter {
    /// Source address.
    pub src: Option<IpAddr>,
    /// Destination address.
    pub dst: Option<IpAddr>,
    /// Protocol; needed by the ports.
    pub proto: Option<u8>,
    /// Source port.
    pub src_port: Option<u16>,
    /// Destination port.
    pub dst_port: Option<u16>,
}

/// Names one flow in a GET or a DELETE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowRef {
    /// Its original tuple.
    pub orig: Tuple,
    /// The zone of the original direction.
    pub zone: u16,
    /// Its `CTA_ID`, so that a delete does not hit its successor.
    pub id: Option<u32>,
}

/// A flow to be put into the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewFlow<'a> {
    /// Original tuple; its own zone makes a zone of one direction.
    pub orig: Tuple,
    /// Reply tuple. With NAT the plain inverse: the kernel derives the real one from the NAT.
    pub reply: Tuple,
    /// Zone of both directions.
    pub zone: Option<u16>,
    /// Seconds.
    pub timeout: u32,
    /// Bits to be set besides CONFIRMED; those of NAT are the kernel's.
    pub status: Status,
    /// TCP or SCTP state; the kernel refuses SCTP without one.
    pub state: Option<ProtoState>,
    /// Source NAT.
    pub snat: Option<Nat>,
    /// Destination NAT.
    pub dnat: Option<Nat>,
    /// Mark.
    pub mark: Option<u32>,
    /// Labels, a multiple of four and at most 16 bytes.
    pub labels: Option<&'a [u8]>,
    /// Helper by name.
    pub helper: Option<&'a [u8]>,
    /// Original tuple of the flow that expected this one; that flow has to exist.
    pub master: Option<Tuple>,
}

/// What an address is translated to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nat {
    /// The new address.
    pub addr: IpAddr,
    /// The new port; `None` lets the kernel keep the old one if it is free.
    pub port: Option<u16>,
}

/// A reusable buffer of requests, to be sent together.
#[derive(Debug, Default)]
pub struct Requests {
    writer: Writer,
    seq: u32,
    count: usize,
    last: usize,
    asks_ack: bool,
}

impl Requests {
    /// An empty buffer; sequence numbers begin at 1.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the requests, keeps the memory and the sequence.
    pub fn clear(&mut self) {
        self.writer.clear();
        self.count = 0;
        self.asks_ack = false;
    }

    /// The bytes to be sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.writer.as_bytes()
    }

    /// Requests in the buffer.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Sequence number of the last request.
    #[must_use]
    pub fn last_seq(&self) -> u32 {
        self.seq
    }

    /// Asks for an acknowledgement of the last request, which tells that all before it are done
    /// too (the kernel works through a buffer in order, and answers errors unasked).
    pub fn ack_last(&mut self) {
        if self.count > 0 {
            self.writer.add_flags(self.last, NLM_F_ACK);
            self.asks_ack = true;
        }
    }

    /// Whether [`Requests::ack_last`] was called.
    #[must_use]
    pub fn asks_ack(&self) -> bool {
        self.asks_ack
    }

    /// All flows that match. Returns the sequence number that the answers bear.
    pub fn dump(&mut self, filter: &DumpFilter) -> u32 {
        let family = match (filter.family, filter.orig.src.or(filter.orig.dst)) {
            (Family::Any, Some(addr)) => Family::of(addr),
            (family, _) => family,
        };
        self.message(IPCTNL_MSG_CT_GET, NLM_F_DUMP, family, |w| {
            if let Some((mark, mask)) = filter.mark {
                w.be32(CTA_MARK, mark);
                w.be32(CTA_MARK_MASK, mask);
            }
            if let Some(status) = filter.status {
                w.be32(CTA_STATUS, status.bits.0);
                w.be32(CTA_STATUS_MASK, status.mask.0);
            }
            if let Some(zone) = filter.zone {
                w.be16(CTA_ZONE, zone);
            }
            put_tuple_filter(w, &filter.orig);
        })
    }

    /// One flow; answered by one entry, or by ENOENT.
    pub fn get(&mut self, flow: &FlowRef) -> u32 {
        self.message(IPCTNL_MSG_CT_GET, 0, flow.orig.family(), |w| put_flow_ref(w, flow))
    }

    /// Removes one flow; with an id only if it still has that one. ENOENT if it is gone.
    pub fn delete(&mut self, flow: &FlowRef) -> u32 {
        self.message(IPCTNL_MSG_CT_DELETE, 0, flow.orig.family(), |w| put_flow_ref(w, flow))
    }

    /// Removes every flow of the namespace, or of one family.
    pub fn flush(&mut self, family: Family) -> u32 {
        // In version 0 the kernel does not look at the family and removes everything.
        self.versioned(1, IPCTNL_MSG_CT_DELETE, 0, family, |_| {})
    }

    /// Puts a flow into the table; EEXIST if it is there.
    pub fn create(&mut self, flow: &NewFlow<'_>) -> u32 {
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        self.message(IPCTNL_MSG_CT_NEW, flags, flow.orig.family(), |w| put_new_flow(w, flow))
    }

    /// Counts of each CPU; answered as a dump.
    pub fn stats_cpu(&mut self) -> u32 {
        self.message(IPCTNL_MSG_CT_GET_STATS_CPU, NLM_F_DUMP, Family::Any, |_| {})
    }

    /// Number of entries and their limit.
    pub fn stats(&mut self) -> u32 {
        self.message(IPCTNL_MSG_CT_GET_STATS, 0, Family::Any, |_| {})
    }

    fn message(&mut self, kind: u16, flags: u16, family: Family, fill: impl FnOnce(&mut Writer)) -> u32 {
        self.versioned(0, kind, flags, family, fill)
    }

    fn versioned(
        &mut self,
        version: u8,
        kind: u16,
        flags: u16,
        family: Family,
        fill: impl FnOnce(&mut Writer),
    ) -> u32 {
        // 0 is the number that events bear.
        self.seq = self.seq.checked_add(1).unwrap_or(1);
        self.count += 1;
        self.last = self.writer.as_bytes().len();
        self.asks_ack = false;
        let kind = NFNL_SUBSYS_CTNETLINK << 8 | kind;
        let open = self.writer.begin(Header { kind, flags: flags | NLM_F_REQUEST, seq: self.seq, port: 0 });
        self.writer.nfgen(family.number(), version, 0);
        fill(&mut self.writer);
        self.writer.end(open);
        self.seq
    }
}

fn put_flow_ref(w: &mut Writer, flow: &FlowRef) {
    // The zone goes beside the tuple, which finds zones of one direction too; the kernel
    // refuses both at once.
    put_tuple(w, CTA_TUPLE_ORIG, &Tuple { zone: None, ..flow.orig });
    if flow.zone != 0 {
        w.be16(CTA_ZONE, flow.zone);
    }
    if let Some(id) = flow.id {
        w.be32(CTA_ID, id);
    }
}

fn put_tuple(w: &mut Writer, kind: u16, tuple: &Tuple) {
    w.nest(kind, |w| {
        w.nest(CTA_TUPLE_IP, |w| {
            put_ip(w, CTA_IP_V4_SRC, CTA_IP_V6_SRC, tuple.src);
            put_ip(w, CTA_IP_V4_DST, CTA_IP_V6_DST, tuple.dst);
        });
        w.nest(CTA_TUPLE_PROTO, |w| {
            w.attr(CTA_PROTO_NUM, &[tuple.proto]);
            match tuple.l4 {
                L4::None => {}
                L4::Ports { src, dst } => {
                    w.be16(CTA_PROTO_SRC_PORT, src);
                    w.be16(CTA_PROTO_DST_PORT, dst);
                }
                L4::Icmp { id, ty, code } => {
                    let [of_id, of_type, of_code] = match tuple.family() {
                        Family::Ipv6 => [CTA_PROTO_ICMPV6_ID, CTA_PROTO_ICMPV6_TYPE, CTA_PROTO_ICMPV6_CODE],
                        _ => [CTA_PROTO_ICMP_ID, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMP_CODE],
                    };
                    w.be16(of_id, id);
                    w.attr(of_type, &[ty]);
                    w.attr(of_code, &[code]);
                }
            }
        });
        if let Some(zone) = tuple.zone {
            w.be16(CTA_TUPLE_ZONE, zone);
        }
    });
}

fn put_ip(w: &mut Writer, v4: u16, v6: u16, addr: IpAddr) {
    match addr {
        IpAddr::V4(addr) => w.attr(v4, &addr.octets()),
        IpAddr::V6(addr) => w.attr(v6, &addr.octets()),
    }
}

fn put_new_flow(w: &mut Writer, flow: &NewFlow<'_>) {
    put_tuple(w, CTA_TUPLE_ORIG, &flow.orig);
    put_tuple(w, CTA_TUPLE_REPLY, &flow.reply);
    w.be32(CTA_TIMEOUT, flow.timeout);
    w.be32(CTA_STATUS, (flow.status | Status::CONFIRMED).0);
    if let Some(state) = flow.state {
        put_state(w, state);
    }
    for (kind, nat) in [(CTA_NAT_SRC, flow.snat), (CTA_NAT_DST, flow.dnat)] {
        if let Some(nat) = nat {
            put_nat(w, kind, nat);
        }
    }
    if let Some(zone) = flow.zone {
        w.be16(CTA_ZONE, zone);
    }
    if let Some(mark) = flow.mark {
        w.be32(CTA_MARK, mark);
    }
    if let Some(labels) = flow.labels {
        w.attr(CTA_LABELS, labels);
    }
    if let Some(helper) = flow.helper {
        w.nest(CTA_HELP, |w| w.name(CTA_HELP_NAME, helper));
    }
    if let Some(master) = &flow.master {
        put_tuple(w, CTA_TUPLE_MASTER, master);
    }
}

fn put_state(w: &mut Writer, state: ProtoState) {
    /// Be liberal about windows, as nobody told the sequence numbers: flags and mask.
    const LIBERAL: [u8; 2] = [0x08, 0x08];
    w.nest(CTA_PROTOINFO, |w| match state {
        ProtoState::Tcp(state) => w.nest(CTA_PROTOINFO_TCP, |w| {
            w.attr(CTA_PROTOINFO_STATE, &[state]);
            w.attr(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, &LIBERAL);
            w.attr(CTA_PROTOINFO_TCP_FLAGS_REPLY, &LIBERAL);
        }),
        ProtoState::Dccp(state) => w.nest(CTA_PROTOINFO_DCCP, |w| {
            w.attr(CTA_PROTOINFO_STATE, &[state]);
            w.attr(CTA_PROTOINFO_DCCP_ROLE, &[0]);
            w.attr(CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ, &[0; 8]);
        }),
        ProtoState::Sctp(state) => w.nest(CTA_PROTOINFO_SCTP, |w| {
            w.attr(CTA_PROTOINFO_STATE, &[state]);
            w.be32(CTA_PROTOINFO_SCTP_VTAG_ORIGINAL, 1);
            w.be32(CTA_PROTOINFO_SCTP_VTAG_REPLY, 2);
        }),
    });
}

fn put_nat(w: &mut Writer, kind: u16, nat: Nat) {
    w.nest(kind, |w| {
        put_ip(w, CTA_NAT_V4_MINIP, CTA_NAT_V6_MINIP, nat.addr);
        put_ip(w, CTA_NAT_V4_MAXIP, CTA_NAT_V6_MAXIP, nat.addr);
        if let Some(port) = nat.port {
            w.nest(CTA_NAT_PROTO, |w| {
                w.be16(CTA_PROTONAT_PORT_MIN, port);
                w.be16(CTA_PROTONAT_PORT_MAX, port);
            });
        }
    });
}

fn put_tuple_filter(w: &mut Writer, filter: &TupleFilter) {
    /// `CTA_FILTER_F_*` of the tuple's parts, in the order of the fields.
    const FLAGS: [u32; 5] = [1 << 0, 1 << 1, 1 << 3, 1 << 4, 1 << 5];
    if *filter == TupleFilter::default() {
        return;
    }
    let TupleFilter { src, dst, proto, src_port, dst_port } = *filter;
    let wanted = [src.is_some(), dst.is_some(), proto.is_some(), src_port.is_some(), dst_port.is_some()];
    let flags = FLAGS.iter().zip(wanted).filter(|(_, wanted)| *wanted).fold(0, |all, (flag, _)| all | flag);
    w.nest(CTA_TUPLE_ORIG, |w| {
        w.nest(CTA_TUPLE_IP, |w| {
            if let Some(src) = src {
                put_ip(w, CTA_IP_V4_SRC, CTA_IP_V6_SRC, src);
            }
            if let Some(dst) = dst {
                put_ip(w, CTA_IP_V4_DST, CTA_IP_V6_DST, dst);
            }
        });
        w.nest(CTA_TUPLE_PROTO, |w| {
            if let Some(proto) = proto {
                w.attr(CTA_PROTO_NUM, &[proto]);
            }
            if let Some(port) = src_port {
                w.be16(CTA_PROTO_SRC_PORT, port);
            }
            if let Some(port) = dst_port {
                w.be16(CTA_PROTO_DST_PORT, port);
            }
        });
    });
    // These two are in the machine's byte order.
    w.nest(CTA_FILTER, |w| {
        w.attr(CTA_FILTER_ORIG_FLAGS, &flags.to_ne_bytes());
        w.attr(CTA_FILTER_REPLY_FLAGS, &[0; 4]);
    });
}
