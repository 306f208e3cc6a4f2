//! What a subscriber wants to get: a filter over what never changes in a flow, and column groups.

use std::net::IpAddr;

use conntop_proto::message::{ColumnGroup, ServerFilter, Subscribe};
use conntop_proto::tuple::{L4, Proto, Tuple};

/// Why a subscription is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Not `address/prefix`.
    #[error("filter: `{0}` is no network; write address/prefix, such as 10.0.0.0/8")]
    Net(String),
}

/// Which flows and which of their columns a cursor delivers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Interest {
    /// Which flows.
    pub filter: Filter,
    /// State and status wanted.
    pub state: bool,
    /// Counters and timeout wanted.
    pub traffic: bool,
    /// Mark, labels and helper wanted.
    pub meta: bool,
}

impl Default for Interest {
    fn default() -> Self {
        Self { filter: Filter::default(), state: true, traffic: true, meta: true }
    }
}

impl Interest {
    /// What a subscription asks for.
    ///
    /// # Errors
    /// When its filter names something that is no network.
    pub fn new(subscribe: &Subscribe) -> Result<Self, FilterError> {
        let filter = subscribe.filter.as_ref().map(Filter::new).transpose()?.unwrap_or_default();
        let wants = |group| subscribe.columns.as_ref().is_none_or(|groups| groups.contains(&group));
        Ok(Self {
            filter,
            state: wants(ColumnGroup::State),
            traffic: wants(ColumnGroup::Traffic),
            meta: wants(ColumnGroup::Meta),
        })
    }
}

/// A compiled [`ServerFilter`]: every list that is not empty must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    protos: Vec<u8>,
    nets: Vec<Net>,
    ports: Vec<u16>,
    zones: Vec<u16>,
}

/// A network as bits of an address in IPv6 form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Net {
    v4: bool,
    bits: u128,
    mask: u128,
}

impl Net {
    fn parse(text: &str) -> Option<Self> {
        let (addr, prefix) = text.split_once('/')?;
        let addr: IpAddr = addr.parse().ok()?;
        let prefix: u32 = prefix.parse().ok()?;
        let (v4, bits, width) = bits(addr);
        let host = width.checked_sub(prefix)?;
        let mask = u128::MAX.checked_shl(host).unwrap_or(0);
        Some(Self { v4, bits: bits & mask, mask })
    }

    fn has(self, addr: IpAddr) -> bool {
        let (v4, bits, _) = bits(addr);
        v4 == self.v4 && bits & self.mask == self.bits
    }
}

fn bits(addr: IpAddr) -> (bool, u128, u32) {
    match addr {
        IpAddr::V4(a) => (true, u128::from(a.to_bits()), 32),
        IpAddr::V6(a) => (false, a.to_bits(), 128),
    }
}

impl Filter {
    /// Compiles a filter.
    ///
    /// # Errors
    /// When a network cannot be read.
    pub fn new(filter: &ServerFilter) -> Result<Self, FilterError> {
        let net = |text: &String| Net::parse(text).ok_or_else(|| FilterError::Net(text.clone()));
        Ok(Self {
            protos: filter.protos.clone(),
            nets: filter.nets.iter().map(net).collect::<Result<_, _>>()?,
            ports: filter.ports.clone(),
            zones: filter.zones.clone(),
        })
    }

    /// Whether every flow matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a flow with these tuples matches.
    #[must_use]
    pub fn matches(&self, zone: u16, orig: &Tuple, reply: &Tuple) -> bool {
        let tuples = [orig, reply];
        let port = |wanted: &u16| {
            tuples.iter().any(|t| {
                matches!(t.l4, L4::Ports { src, dst }
                if t.proto != Proto::GRE && (src == *wanted || dst == *wanted))
            })
        };
        let net = |net: &Net| tuples.iter().any(|t| net.has(t.src) || net.has(t.dst));
        (self.protos.is_empty() || self.protos.contains(&orig.proto.0))
            && (self.zones.is_empty() || self.zones.contains(&zone))
            && (self.ports.is_empty() || self.ports.iter().any(port))
            && (self.nets.is_empty() || self.nets.iter().any(net))
    }
}
