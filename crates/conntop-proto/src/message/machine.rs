//! What else there is to see of a collector's machine: its interfaces and its listening sockets.
//! Told only to clients that look at them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::flow::BootMillis;

/// What a client looks at besides flows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// These; nothing when empty.
    pub at: Vec<Sight>,
}

/// Something that is read only while somebody looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Sight {
    /// Interfaces with their counters.
    Interfaces,
    /// Sockets that wait for connections.
    Listeners,
}

impl Sight {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Interfaces, Self::Listeners];

    /// What a server that can tell it says in the `features` of its hello.
    #[must_use]
    pub const fn feature(self) -> &'static str {
        match self {
            Self::Interfaces => "interfaces",
            Self::Listeners => "listeners",
        }
    }
}

/// All interfaces of the collector's namespace; replaces the ones before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Interfaces {
    /// When they were read.
    pub at: BootMillis,
    /// Ascending by index.
    pub list: Vec<InterfaceState>,
    /// How many there are besides, for which a line has no room; 0 when left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u32,
}

/// One interface and what has passed it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct InterfaceState {
    /// Index.
    pub index: u32,
    /// Name.
    pub name: String,
    /// What kind of virtual interface it is, such as `bridge`, `veth` or `wireguard`; left out for
    /// others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether it can carry something.
    pub state: LinkState,
    /// Longest packet, bytes.
    pub mtu: u32,
    /// What has come.
    pub received: LinkCounters,
    /// What was sent.
    pub sent: LinkCounters,
}

/// Whether an interface can carry something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// It can.
    Up,
    /// It waits for something, such as authentication.
    Dormant,
    /// It is switched on, but nothing is at the other end.
    Down,
    /// It is switched off.
    Off,
    /// The kernel does not say.
    #[default]
    Unknown,
}

/// What has passed an interface in one direction since it was made, as its driver counts: whole frames
/// of the link layer, whatever is in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LinkCounters {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets that were broken or could not be sent.
    pub errors: u64,
    /// Packets for which there was no room or no use.
    pub drops: u64,
}

/// All sockets of the collector's namespace that wait for connections; replaces the ones before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Listeners {
    /// When they were read.
    pub at: BootMillis,
    /// Ascending by protocol, port and address.
    pub list: Vec<Listener>,
    /// How many there are besides, for which a line has no room; 0 when left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u32,
}

/// One socket that waits for connections, or of UDP one that is not connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// IP protocol number: 6 or 17.
    pub proto: u8,
    /// Address to which it is bound; unspecified (`0.0.0.0`, `::`) when it takes all.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
    /// Whether one that is bound to `::` takes IPv6 only; false when left out.
    #[serde(default, skip_serializing_if = "is_false")]
    pub v6_only: bool,
    /// Index of the only interface that it listens on; left out when it listens on all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<u32>,
    /// User who made it.
    pub uid: u32,
    /// Number of the socket as `/proc/PID/fd` of the collector's machine shows it; left out when no
    /// process holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode: Option<u32>,
    /// TCP: connections that wait to be accepted. UDP: bytes that wait to be read. 0 when left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waiting: u32,
    /// TCP: how many may wait; left out for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_false(value: &bool) -> bool {
    !*value
}
