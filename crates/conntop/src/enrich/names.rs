//! What hosts are called, and who says so.
//!
//! Several may name a host; the first of [`NameSource`] that does is believed. What is said of an
//! address goes before what is said of its network, and a network's name before reverse DNS.

mod aliases;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::Deserialize;

use self::aliases::Known;
use crate::config::Alias;
use crate::source::NodeId;

/// How names are asked for that nobody nearer knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dns {
    /// Not at all
    Off,
    /// Reverse DNS, from the servers of /etc/resolv.conf
    #[default]
    Ptr,
    /// As other programs of this machine do it, by /etc/nsswitch.conf
    System,
}

/// A name of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// The name, sanitized.
    pub text: &'a str,
    /// Who says so.
    pub from: NameSource,
    /// When he said so; `None` of what was there from the beginning.
    pub since: Option<Instant>,
}

impl Name<'_> {
    /// Time since it was found out; `None` of what was there from the beginning.
    #[must_use]
    pub fn age(&self, now: Instant) -> Option<Duration> {
        self.since.map(|since| now.saturating_duration_since(since))
    }
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
    /// Reverse DNS whose name leads back to the address.
    Confirmed,
    /// Reverse DNS.
    Ptr,
    /// This machine's name services, in their order.
    System,
}

impl NameSource {
    /// What it is called, for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Configured => "configuration",
            Self::HostsFile => "/etc/hosts",
            Self::Collector => "router",
            Self::Confirmed => "reverse DNS, confirmed",
            Self::Ptr => "reverse DNS",
            Self::System => "name service",
        }
    }
}

/// Answers of resolvers.
#[derive(Debug, Default)]
pub struct Found {}

/// All names that are known.
#[derive(Debug, Default)]
pub struct Names {
    configured: Known,
}

impl Names {
    /// With names that somebody configured; of two for the same the first counts.
    #[must_use]
    pub fn new(aliases: &[Alias]) -> Self {
        Self { configured: Known::new(aliases) }
    }

    /// What a host is called by somebody who looks at a node; what the node itself says is not here
    /// but in [`super::hosts`].
    #[must_use]
    pub fn name(&self, _node: NodeId, address: IpAddr) -> Option<Name<'_>> {
        let configured = |text| Name { text, from: NameSource::Configured, since: None };
        let address = address.to_canonical();
        self.configured.address(address).or_else(|| self.configured.network(address)).map(configured)
    }

    /// Takes in answers.
    pub fn learn(&mut self, _found: Found) {}
}
