//! Addresses that are nowhere in the world, and what they are for.

use std::net::IpAddr;

/// What a range of addresses is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Range {
    /// RFC 1918, unique local.
    Private,
    /// This machine.
    Loopback,
    /// One link.
    LinkLocal,
    /// Many receivers.
    Multicast,
    /// All receivers on a link.
    Broadcast,
    /// Behind a carrier's NAT, RFC 6598.
    CarrierNat,
    /// Examples in documents.
    Documentation,
    /// Anything else that is not routed.
    Reserved,
}

impl Range {
    /// The range that an address is in; `None` for addresses of the world.
    #[must_use]
    pub fn of(_address: IpAddr) -> Option<Self> {
        None
    }

    /// What it is called.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::CarrierNat => "carrier NAT",
            Self::Documentation => "documentation",
            Self::Reserved => "reserved",
        }
    }
}
