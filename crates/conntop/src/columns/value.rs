//! The kinds of values that columns and filter fields give.

use std::fmt::Write as _;
use std::net::IpAddr;

use conntop_proto::flow::{EndReason, State, Status};
use conntop_proto::tuple::Proto;
use serde_json::json;

use super::words::{STATUSES, end_reason, state_long, state_short};
use super::{Look, Role};
use crate::enrich::Fact;
use crate::enrich::range::Range;
use crate::flow::FlowView;
use crate::orient::{Dir, End};
use crate::units::{self, Elapsed};

/// What a column says about a flow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// It has one, but nobody knows it: not accounted, not told by the kernel.
    Unknown,
    /// It has none: a port of ICMP, a helper where there is none.
    Absent,
    /// IP protocol.
    Proto(Proto),
    /// State.
    State(State),
    /// Flags.
    Flags(FlowFlags),
    /// Direction.
    Dir(Dir),
    /// Address.
    Address(IpAddr),
    /// Address and port.
    End(End),
    /// Port.
    Port(u16),
    /// Bytes per second.
    Rate(u64),
    /// Bytes.
    Bytes(u64),
    /// Packets.
    Count(u64),
    /// Time that has passed.
    Time(Elapsed),
    /// Milliseconds that are left.
    Left(u64),
    /// Status bits.
    Status(Status),
    /// Whether something other than the network stack forwards it.
    Offload(Offload),
    /// Mark.
    Mark(u32),
    /// Label bits.
    Labels(u128),
    /// Any other number.
    Number(u64),
    /// Text, sanitized.
    Text(&'a str),
    /// What an address is for that is nowhere in the world.
    Range(Range),
    /// Why it ended.
    EndReason(EndReason),
}

/// Who forwards the packets of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Offload {
    /// The network stack.
    No,
    /// A flowtable in software.
    Software,
    /// Hardware.
    Hardware,
}

impl Offload {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::No, Self::Software, Self::Hardware];

    /// By the status bits.
    #[must_use]
    pub fn of(status: Status) -> Self {
        if status.has(Status::HW_OFFLOAD) {
            Self::Hardware
        } else if status.has(Status::OFFLOAD) {
            Self::Software
        } else {
            Self::No
        }
    }

    /// Its word in filters and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Software => "sw",
            Self::Hardware => "hw",
        }
    }
}

/// What is special about a flow, a letter each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlowFlags(u8);

impl FlowFlags {
    /// The source is translated.
    pub const SOURCE: Self = Self(1);
    /// The destination is translated.
    pub const DESTINATION: Self = Self(1 << 1);
    /// Counters fell: somebody zeroed them.
    pub const RESET: Self = Self(1 << 2);
    /// Offloaded.
    pub const OFFLOAD: Self = Self(1 << 3);
    /// Followed by a helper.
    pub const HELPER: Self = Self(1 << 4);

    /// A question for names that conntop asks itself.
    pub const OWN: Self = Self(1 << 5);

    /// Letters that filters know; `B` is source and destination.
    pub const LETTERS: &[(char, Self)] = &[
        ('S', Self::SOURCE),
        ('D', Self::DESTINATION),
        ('B', Self(Self::SOURCE.0 | Self::DESTINATION.0)),
        ('R', Self::RESET),
        ('O', Self::OFFLOAD),
        ('H', Self::HELPER),
        ('Q', Self::OWN),
    ];

    /// Flags of a flow.
    #[must_use]
    pub fn of(view: &FlowView<'_>) -> Self {
        let status = view.flow.status();
        let offloaded = Offload::of(status) != Offload::No;
        let helped = status.has(Status::HELPER) || view.flow.helper().is_some();
        [
            (view.translated_source().is_some(), Self::SOURCE),
            (view.translated_destination().is_some(), Self::DESTINATION),
            (view.flow.resets() > 0, Self::RESET),
            (offloaded, Self::OFFLOAD),
            (helped, Self::HELPER),
            (view.is_own(), Self::OWN),
        ]
        .into_iter()
        .filter(|(on, _)| *on)
        .fold(Self::default(), |flags, (_, flag)| flags.with(flag))
    }

    /// Both together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every flag of `other` is set.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// As bits.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// As letters.
    #[must_use]
    pub fn letters(self) -> String {
        let both = Self::SOURCE.with(Self::DESTINATION);
        let nat = if self.has(both) {
            Some('B')
        } else if self.has(Self::SOURCE) {
            Some('S')
        } else if self.has(Self::DESTINATION) {
            Some('D')
        } else {
            None
        };
        let others = Self::LETTERS.iter().skip(3).filter(|(_, flag)| self.has(*flag)).map(|(c, _)| *c);
        nat.into_iter().chain(others).collect()
    }
}

impl<'a> Value<'a> {
    /// What is known of something.
    #[must_use]
    pub fn of<T>(fact: Fact<T>, kind: impl FnOnce(T) -> Self) -> Self {
        match fact {
            Fact::Known(known) => kind(known),
            Fact::Unknown => Self::Unknown,
            Fact::Absent => Self::Absent,
        }
    }

    /// Country of an address.
    #[must_use]
    pub fn country(f: &FlowView<'a>, address: IpAddr) -> Self {
        Self::of(f.known.geo().country(address), Self::Text)
    }

    /// City of an address.
    #[must_use]
    pub fn city(f: &FlowView<'a>, address: IpAddr) -> Self {
        Self::of(f.known.geo().city(address), Self::Text)
    }

    /// Autonomous system of an address.
    #[must_use]
    pub fn asn(f: &FlowView<'a>, address: IpAddr) -> Self {
        Self::of(f.known.geo().asn(address), |asn| Self::Number(u64::from(asn)))
    }

    /// Who runs the network of an address; of one that is nowhere in the world, what it is for.
    #[must_use]
    pub fn org(f: &FlowView<'a>, address: IpAddr) -> Self {
        match Range::of(address) {
            Some(range) => Self::Range(range),
            None => Self::of(f.known.geo().org(address), Self::Text),
        }
    }
}

impl Value<'_> {
    /// As a cell shows it, whole.
    #[must_use]
    pub fn text(self, look: Look) -> String {
        match self {
            Self::Unknown => "n/a".to_owned(),
            Self::Absent => String::new(),
            Self::Proto(Proto::ICMPV6) => "icm6".to_owned(),
            Self::Proto(Proto::UDPLITE) => "udpl".to_owned(),
            Self::Proto(proto) => match proto.name() {
                Some(name) => name.to_owned(),
                None => proto.0.to_string(),
            },
            Self::State(state) => state_short(state).to_owned(),
            Self::Flags(flags) => flags.letters(),
            Self::Dir(Dir::In) => "<".to_owned(),
            Self::Dir(Dir::Out) => ">".to_owned(),
            Self::Dir(Dir::Internal) => "=".to_owned(),
            Self::Dir(Dir::Transit) => "-".to_owned(),
            Self::Address(address) => address.to_string(),
            Self::End(end) => end_text(end),
            Self::Port(port) => port.to_string(),
            Self::Rate(rate) => units::rate(rate, look.unit),
            Self::Bytes(bytes) => units::bytes_short(bytes),
            Self::Count(count) => units::count_short(count),
            Self::Time(elapsed) => units::elapsed_short(elapsed),
            Self::Left(millis) => units::duration_short(millis),
            Self::Status(status) => status_words(status).collect::<Vec<_>>().join(","),
            Self::Offload(offload) => offload.word().to_owned(),
            Self::Mark(mark) => format!("{mark:#x}"),
            Self::Labels(labels) => bits(labels).map(|bit| bit.to_string()).collect::<Vec<_>>().join(","),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.to_owned(),
            Self::Range(range) => range.word().to_owned(),
            Self::EndReason(reason) => end_reason(reason).to_owned(),
        }
    }

    /// Raw: numbers in base units (bytes, bytes per second, seconds), null for what is unknown or
    /// not there. A time that is only known to be longer than what was observed is null too.
    #[must_use]
    pub fn json(self) -> serde_json::Value {
        match self {
            Self::Unknown | Self::Absent => json!(null),
            Self::Proto(proto) => match proto.name() {
                Some(name) => json!(name),
                None => json!(proto.0),
            },
            Self::State(state) => json!(state_long(state)),
            Self::Flags(flags) => json!(flags.letters()),
            Self::Dir(dir) => json!(dir.word()),
            Self::Address(address) => json!(address),
            Self::End(end) => json!(end_text(end)),
            Self::Port(port) => json!(port),
            Self::Rate(n) | Self::Bytes(n) | Self::Count(n) | Self::Number(n) => json!(n),
            Self::Time(Elapsed::Exact(millis)) | Self::Left(millis) => seconds(millis),
            Self::Time(Elapsed::AtLeast(_)) => json!(null),
            Self::Status(status) => json!(status_words(status).collect::<Vec<_>>()),
            Self::Offload(offload) => json!(offload.word()),
            Self::Mark(mark) => json!(mark),
            Self::Labels(labels) => json!(bits(labels).collect::<Vec<_>>()),
            Self::Text(text) => json!(text),
            Self::Range(range) => json!(range.word()),
            Self::EndReason(reason) => json!(end_reason(reason)),
        }
    }

    /// What the cell means.
    #[must_use]
    pub fn role(self) -> Role {
        match self {
            Self::Range(_) => Role::Special,
            Self::Unknown | Self::Absent | Self::Rate(0) | Self::State(State::Unknown) => Role::Quiet,
            Self::State(
                State::SynSent
                | State::SynSent2
                | State::SynRecv
                | State::CookieWait
                | State::CookieEchoed
                | State::Request
                | State::Respond
                | State::Partopen
                | State::Unreplied,
            ) => Role::Opening,
            Self::State(
                State::FinWait
                | State::CloseWait
                | State::LastAck
                | State::TimeWait
                | State::Close
                | State::Closed
                | State::ShutdownSent
                | State::ShutdownRecd
                | State::ShutdownAckSent
                | State::Closereq
                | State::Closing,
            ) => Role::Ending,
            Self::Flags(flags) if flags.has(FlowFlags::RESET) => Role::Warning,
            _ => Role::Text,
        }
    }
}

fn seconds(millis: u64) -> serde_json::Value {
    match millis % 1000 {
        0 => json!(millis / 1000),
        #[expect(clippy::cast_precision_loss, reason = "durations are far below 2^53 milliseconds")]
        _ => json!(millis as f64 / 1000.0),
    }
}

fn end_text(end: End) -> String {
    let mut text = String::new();
    let written = match (end.address, end.port) {
        (address, None) => write!(text, "{address}"),
        (IpAddr::V4(address), Some(port)) => write!(text, "{address}:{port}"),
        (IpAddr::V6(address), Some(port)) => write!(text, "[{address}]:{port}"),
    };
    debug_assert!(written.is_ok(), "a String takes everything");
    text
}

fn status_words(status: Status) -> impl Iterator<Item = &'static str> {
    STATUSES.iter().filter(move |(bit, _)| status.has(*bit)).map(|(_, word)| *word)
}

/// Numbers of the bits that are set.
pub(crate) fn bits(labels: u128) -> impl Iterator<Item = u32> {
    (0..128).filter(move |bit| labels >> bit & 1 == 1)
}
