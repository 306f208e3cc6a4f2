//! Conntrack entries as the kernel tells them over ctnetlink, and the requests for them.
//!
//! Everything that the kernel may leave out is an `Option`: absent means unknown, never 0.
//! All fields are public and have defaults, so that tests can build messages by hand.

mod attr;
mod parse;
mod request;
mod stats;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::BitOr;

pub(crate) use attr::{IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_GET_STATS, IPCTNL_MSG_CT_GET_STATS_CPU};
pub(crate) use attr::{IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK};
pub use request::{DumpFilter, Family, FlowRef, Nat, NewFlow, Requests, StatusFilter, TupleFilter};
pub use stats::{CpuStats, TableStats};

/// Longest `CTA_LABELS` (`NF_CT_LABELS_MAX_SIZE`).
pub const LABELS_MAX: usize = 16;
/// Longest helper name that is accepted; the kernel's own bound is 16.
pub const HELPER_NAME_MAX: usize = 64;

/// What happened to a flow, by message type and flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CtEvent {
    /// The flow was confirmed; carries no counters.
    New,
    /// Something about it changed (status, protocol state, mark...); carries no counters.
    Update,
    /// It ended; carries the final counters if accounting was on.
    Destroy,
}

/// One conntrack entry, borrowed from the buffer it was received in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CtMessage<'a> {
    /// The direction of the first packet.
    pub orig: Tuple,
    /// What answers look like; not the inverse of `orig` if there is NAT.
    pub reply: Tuple,
    /// Zone of both directions (`CTA_ZONE`); a zone of one direction only is in its tuple.
    pub zone: Option<u16>,
    /// `CTA_STATUS`
    pub status: Option<Status>,
    /// Seconds until the entry expires unless a packet comes.
    pub timeout: Option<u32>,
    /// `CTA_ID`; not an identity: a tuple that comes again often gets the same one.
    pub id: Option<u32>,
    /// Totals of the original direction; absent without accounting and in events but DESTROY.
    pub counters_orig: Option<Counters>,
    /// Totals of the reply direction.
    pub counters_reply: Option<Counters>,
    /// State of the protocol's own machine, if it has one.
    pub state: Option<ProtoState>,
    /// `CTA_MARK`
    pub mark: Option<u32>,
    /// Connection labels as a bit field, at most [`LABELS_MAX`] bytes.
    pub labels: Option<&'a [u8]>,
    /// Name of the helper (`ftp`, `sip`...) without NUL. Text from outside: sanitize it.
    pub helper: Option<&'a [u8]>,
    /// Original tuple of the flow that expected this one.
    pub master: Option<Tuple>,
    /// Wall clock at confirmation, ns since the epoch; only with `nf_conntrack_timestamp`.
    pub start: Option<u64>,
    /// Wall clock at the end, ns since the epoch; only in DESTROY.
    pub stop: Option<u64>,
    /// Wall clock of this event, ns since the epoch; newer kernels, with timestamps on.
    pub event_time: Option<u64>,
    /// References that the kernel holds.
    pub use_count: Option<u32>,
}

impl CtMessage<'_> {
    /// The zone that belongs to the key of this flow: that of the original direction.
    #[must_use]
    pub fn orig_zone(&self) -> u16 {
        self.zone.or(self.orig.zone).unwrap_or(0)
    }

    /// The zone of the reply direction.
    #[must_use]
    pub fn reply_zone(&self) -> u16 {
        self.zone.or(self.reply.zone).unwrap_or(0)
    }

    /// The layer 3 family, which both tuples share.
    #[must_use]
    pub fn family(&self) -> Family {
        self.orig.family()
    }

    /// Whether all these status bits are known to be set.
    #[must_use]
    pub fn has(&self, bits: Status) -> bool {
        self.status.is_some_and(|status| status.contains(bits))
    }
}

/// Addresses and layer 4 key of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tuple {
    /// Source address.
    pub src: IpAddr,
    /// Destination address, of the same family.
    pub dst: IpAddr,
    /// IP protocol number.
    pub proto: u8,
    /// What distinguishes flows of that protocol.
    pub l4: L4,
    /// Zone of this direction alone (`CTA_TUPLE_ZONE`).
    pub zone: Option<u16>,
}

impl Default for Tuple {
    fn default() -> Self {
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Tuple { src: any, dst: any, proto: 0, l4: L4::None, zone: None }
    }
}

impl Tuple {
    /// The family of the addresses.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.src)
    }

    /// The tuple of the answers when nothing translates them.
    ///
    /// ICMP turns requests into their replies; a type without one keeps its number, as such a
    /// flow has no reply.
    #[must_use]
    pub fn inverse(&self) -> Tuple {
        let l4 = match self.l4 {
            L4::None => L4::None,
            L4::Ports { src, dst } => L4::Ports { src: dst, dst: src },
            L4::Icmp { id, ty, code } => L4::Icmp { id, ty: icmp_inverse(self.family(), ty), code },
        };
        Tuple { src: self.dst, dst: self.src, l4, ..*self }
    }
}

fn icmp_inverse(family: Family, ty: u8) -> u8 {
    const V4: [(u8, u8); 4] = [(8, 0), (13, 14), (15, 16), (17, 18)];
    const V6: [(u8, u8); 2] = [(128, 129), (139, 140)];
    let pairs: &[(u8, u8)] = if family == Family::Ipv6 { &V6 } else { &V4 };
    let paired = pairs.iter().find_map(|&(a, b)| match ty {
        _ if ty == a => Some(b),
        _ if ty == b => Some(a),
        _ => None,
    });
    paired.unwrap_or(ty)
}

/// The layer 4 part of a tuple.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum L4 {
    /// A protocol of which the kernel knows nothing but the number.
    #[default]
    None,
    /// TCP, UDP, UDP-Lite, SCTP, DCCP; for GRE the two keys (call ids).
    Ports {
        /// Source port or key.
        src: u16,
        /// Destination port or key.
        dst: u16,
    },
    /// ICMP and ICMPv6.
    Icmp {
        /// Identifier of the echo.
        id: u16,
        /// Message type.
        ty: u8,
        /// Message code.
        code: u8,
    },
}

/// State of a protocol's own machine, by the kernel's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProtoState {
    /// `enum tcp_conntrack`
    Tcp(u8),
    /// `enum ct_dccp_states`
    Dccp(u8),
    /// `enum sctp_conntrack`
    Sctp(u8),
}

/// Totals since the flow began, in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes, with layer 3 headers.
    pub bytes: u64,
}

/// `IPS_*` bits of a flow.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Status(pub u32);

impl Status {
    /// Was expected by another flow.
    pub const EXPECTED: Status = Status(1 << 0);
    /// Packets were seen in both directions.
    pub const SEEN_REPLY: Status = Status(1 << 1);
    /// Will not be dropped early when the table is full.
    pub const ASSURED: Status = Status(1 << 2);
    /// Is in the table.
    pub const CONFIRMED: Status = Status(1 << 3);
    /// The source is translated.
    pub const SRC_NAT: Status = Status(1 << 4);
    /// The destination is translated.
    pub const DST_NAT: Status = Status(1 << 5);
    /// TCP sequence numbers are adjusted.
    pub const SEQ_ADJUST: Status = Status(1 << 6);
    /// Source NAT was decided (which it is for every flow where NAT is loaded).
    pub const SRC_NAT_DONE: Status = Status(1 << 7);
    /// Destination NAT was decided.
    pub const DST_NAT_DONE: Status = Status(1 << 8);
    /// Is being removed.
    pub const DYING: Status = Status(1 << 9);
    /// Its timeout does not restart.
    pub const FIXED_TIMEOUT: Status = Status(1 << 10);
    /// A template of a rule, not a flow.
    pub const TEMPLATE: Status = Status(1 << 11);
    /// Its clash with another flow was resolved by NAT.
    pub const NAT_CLASH: Status = Status(1 << 12);
    /// Its helper was assigned by a rule.
    pub const HELPER: Status = Status(1 << 13);
    /// Handed to a flowtable: timeout and state are not told, counters may stand still.
    pub const OFFLOAD: Status = Status(1 << 14);
    /// Handed to hardware.
    pub const HW_OFFLOAD: Status = Status(1 << 15);

    /// Names of the bits, lowest first, as the kernel calls them without `IPS_`.
    pub const NAMES: [&'static str; 16] = [
        "EXPECTED",
        "SEEN_REPLY",
        "ASSURED",
        "CONFIRMED",
        "SRC_NAT",
        "DST_NAT",
        "SEQ_ADJUST",
        "SRC_NAT_DONE",
        "DST_NAT_DONE",
        "DYING",
        "FIXED_TIMEOUT",
        "TEMPLATE",
        "NAT_CLASH",
        "HELPER",
        "OFFLOAD",
        "HW_OFFLOAD",
    ];

    /// Whether all of these bits are set.
    #[must_use]
    pub const fn contains(self, bits: Status) -> bool {
        self.0 & bits.0 == bits.0
    }
}

impl BitOr for Status {
    type Output = Status;

    fn bitor(self, other: Status) -> Status {
        Status(self.0 | other.0)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({:#x}", self.0)?;
        for (bit, name) in Status::NAMES.iter().enumerate() {
            if self.0 >> bit & 1 == 1 {
                write!(f, " {name}")?;
            }
        }
        f.write_str(")")
    }
}
