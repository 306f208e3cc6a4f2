//! What hosts are called, and who says so.

use std::net::IpAddr;

use conntop_proto::message::Host;

use crate::source::NodeId;

/// A name of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// The name, sanitized.
    pub text: &'a str,
    /// Who says so.
    pub from: NameSource,
}

/// Who says what a host is called; those who are believed first come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameSource {
    /// The configuration (`[names]`).
    Configured,
    /// /etc/hosts of this machine.
    HostsFile,
    /// What the collector knows of its network: its hosts file, its DHCP leases.
    Collector,
    /// Reverse DNS.
    Ptr,
}

/// Answers of resolvers.
#[derive(Debug, Default)]
pub struct Found {}

/// All names that are known.
#[derive(Debug, Default)]
pub struct Names {}

impl Names {
    /// What a host is called by somebody who looks at a node.
    #[must_use]
    pub fn name(&self, _node: NodeId, _address: IpAddr) -> Option<Name<'_>> {
        None
    }

    /// Takes in answers.
    pub fn learn(&mut self, _found: Found) {}

    /// Takes in what a node tells of its network.
    pub fn set_host(&mut self, _node: NodeId, _host: &Host) {}
}
