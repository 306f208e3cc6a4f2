//! Flows: identity, state, counters. One row of each kind that the wire knows as columns.

use serde::{Deserialize, Serialize};

use crate::tuple::Tuple;

/// Largest integer that every JSON reader keeps exact; ids, counters and times stay at or below it.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Identity of one incarnation of a flow within an epoch of a collector; never used again there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct FlowId(pub u64);

/// Milliseconds of the collector's CLOCK_BOOTTIME.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct BootMillis(pub u64);

impl BootMillis {
    /// Milliseconds from `earlier` to `self`, 0 when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Packets and bytes of one direction, totals since the flow began; they never fall (a counter that
/// somebody zeroed in the kernel is added up and counted in [`TrafficRow::resets`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// IP bytes, link-layer headers not counted.
    pub bytes: u64,
}

/// State of a flow: of its transport where connection tracking follows one, else what was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not known: the kernel did not say (offloaded flows), or a state newer than this program.
    #[default]
    Unknown,
    /// TCP: SYN sent.
    SynSent,
    /// TCP: SYN and ACK seen.
    SynRecv,
    /// TCP and SCTP: established.
    Established,
    /// TCP: first FIN seen.
    FinWait,
    /// TCP: waits for the second close.
    CloseWait,
    /// TCP: waits for the last ACK.
    LastAck,
    /// TCP, DCCP: closed, waiting for stragglers.
    TimeWait,
    /// TCP: closed or reset.
    Close,
    /// TCP: SYN seen in both directions (simultaneous open).
    SynSent2,
    /// SCTP: closed.
    Closed,
    /// SCTP: INIT seen.
    CookieWait,
    /// SCTP: COOKIE ECHO seen.
    CookieEchoed,
    /// SCTP: shutdown sent.
    ShutdownSent,
    /// SCTP: shutdown received.
    ShutdownRecd,
    /// SCTP: shutdown acknowledged.
    ShutdownAckSent,
    /// SCTP: heartbeat seen on a secondary path.
    HeartbeatSent,
    /// DCCP: request seen.
    Request,
    /// DCCP: response seen.
    Respond,
    /// DCCP: handshake nearly done.
    Partopen,
    /// DCCP: open.
    Open,
    /// DCCP: close request seen.
    Closereq,
    /// DCCP: close seen.
    Closing,
    /// No transport state, and no answer seen yet.
    Unreplied,
    /// No transport state; an answer was seen.
    Replied,
    /// No transport state; answered more than once and kept longer.
    Assured,
}

/// Bits of the kernel's `enum ip_conntrack_status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Status(pub u32);

impl Status {
    /// Expected by a helper.
    pub const EXPECTED: Self = Self(1);
    /// Packets were seen in both directions.
    pub const SEEN_REPLY: Self = Self(1 << 1);
    /// Not dropped early when the table is full.
    pub const ASSURED: Self = Self(1 << 2);
    /// The first packet has left the machine.
    pub const CONFIRMED: Self = Self(1 << 3);
    /// Source NAT in the original direction.
    pub const SRC_NAT: Self = Self(1 << 4);
    /// Destination NAT in the original direction.
    pub const DST_NAT: Self = Self(1 << 5);
    /// TCP sequence numbers are adjusted.
    pub const SEQ_ADJUST: Self = Self(1 << 6);
    /// The entry is being removed.
    pub const DYING: Self = Self(1 << 9);
    /// The timeout does not move.
    pub const FIXED_TIMEOUT: Self = Self(1 << 10);
    /// Made from a template.
    pub const TEMPLATE: Self = Self(1 << 11);
    /// A helper follows the flow.
    pub const HELPER: Self = Self(1 << 13);
    /// A flowtable forwards it.
    pub const OFFLOAD: Self = Self(1 << 14);
    /// Hardware forwards it.
    pub const HW_OFFLOAD: Self = Self(1 << 15);

    /// Whether every bit of `other` is set.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Why a flow is no longer in the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The kernel said so; the final totals are exact.
    #[default]
    Destroyed,
    /// A whole pass did not find it; the totals are the last that were seen.
    Missing,
    /// Another flow with the same original tuple took its place; the totals are the last seen.
    Replaced,
}

/// What never changes in an incarnation of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityRow {
    /// Ours.
    pub id: FlowId,
    /// Zone of the original direction, 0 when none.
    pub zone: u16,
    /// Original direction: who opened the flow to whom.
    pub orig: Tuple,
    /// Reply direction; not `orig.inverse()` when NAT translates.
    pub reply: Tuple,
    /// Zone of the reply direction.
    pub reply_zone: u16,
    /// The kernel's CTA_ID, not unique; `None` when it gave none.
    pub ct_id: Option<u32>,
    /// Microseconds since 1970 by the router's wall clock; `None` unless nf_conntrack_timestamp was
    /// on when the flow began.
    pub start: Option<u64>,
    /// When the collector first saw it.
    pub first_seen: BootMillis,
    /// Whether the collector saw it begin (its age is exact), or found it in the table.
    pub born: bool,
    /// Original tuple of the flow that this one belongs to (FTP data and the like).
    pub master: Option<Tuple>,
}

/// State and status bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateRow {
    /// State.
    pub state: State,
    /// Status bits as the kernel gives them.
    pub status: Status,
}

/// Counters and what is left to live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficRow {
    /// Original direction; `None` when the flow is not accounted, or not sampled yet.
    pub orig: Option<Counters>,
    /// Reply direction; present exactly when `orig` is.
    pub reply: Option<Counters>,
    /// How often the kernel's counters fell (somebody zeroed them).
    pub resets: u32,
    /// When the entry will expire if nothing more is seen, to about a second; `None` when the
    /// kernel gives no timeout (offloaded flows).
    pub expires: Option<BootMillis>,
    /// When these counters were read from the kernel.
    pub sampled: BootMillis,
}

/// What an administrator or a helper attached to the flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetaRow {
    /// Mark, 0 when none.
    pub mark: u32,
    /// 128 label bits, `None` when none is set.
    pub labels: Option<u128>,
    /// Name of the helper.
    pub helper: Option<Box<str>>,
}

/// Everything about one flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRow {
    /// What never changes.
    pub identity: IdentityRow,
    /// State and status.
    pub state: StateRow,
    /// Counters and timeout.
    pub traffic: TrafficRow,
    /// Mark, labels, helper.
    pub meta: MetaRow,
}
