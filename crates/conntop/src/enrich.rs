//! What is known beside the flows: where addresses are ([`geo`]), what hosts ([`names`]) and ports
//! ([`services`]) are called, which process has a socket ([`processes`]).
//!
//! An [`Enricher`] is state without I/O, owned by whoever owns the nodes and read through
//! [`crate::flow::FlowView`]; looking something up in it never waits and never changes it. Whatever takes
//! time (resolvers, scans of /proc, files that change) happens in tasks and threads of [`lookups`] and
//! comes back as [`Learned`]. What is known belongs to hosts, ports and sockets, never to a flow.

pub mod geo;
pub mod hosts;
pub mod lookups;
pub mod names;
pub mod processes;
pub mod range;
pub mod services;

use std::net::IpAddr;
use std::sync::LazyLock;

use conntop_proto::message::{Host, Mac};
use conntop_proto::tuple::{Proto, Tuple};

use self::geo::Geo;
use self::hosts::KnownHosts;
use self::names::{Name, NameSource, Names};
use self::processes::{Process, Processes};
use self::services::Services;
use crate::geoip::News;
use crate::source::NodeId;

/// What is known of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact<T> {
    /// This.
    Known(T),
    /// Nothing, as nobody knows it.
    Unknown,
    /// There is no such thing: a country of a private address, a process of a flow that passes through.
    Absent,
}

impl<T> Fact<T> {
    /// The same of something else.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known(known) => Fact::Known(f(known)),
            Self::Unknown => Fact::Unknown,
            Self::Absent => Fact::Absent,
        }
    }

    /// The same, borrowed.
    pub fn as_ref(&self) -> Fact<&T> {
        match self {
            Self::Known(known) => Fact::Known(known),
            Self::Unknown => Fact::Unknown,
            Self::Absent => Fact::Absent,
        }
    }

    /// What is known, if anything is.
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(known) => Some(known),
            Self::Unknown | Self::Absent => None,
        }
    }
}

impl<T> From<Option<T>> for Fact<T> {
    fn from(known: Option<T>) -> Self {
        known.map_or(Self::Unknown, Self::Known)
    }
}

/// Something that was found out.
#[derive(Debug)]
pub enum Learned {
    /// Databases of places were opened, or opened again.
    Geo(Box<Geo>),
    /// Names of hosts.
    Names(names::Found),
    /// Which processes have which sockets.
    Processes(processes::Seen),
    /// How a download of databases goes on. Whoever shows it takes it; nothing is known by it.
    Download(News),
}

/// What is known beside the flows.
#[derive(Debug, Default)]
pub struct Enricher {
    geo: Geo,
    names: Names,
    hosts: KnownHosts,
    services: Services,
    processes: Option<Processes>,
    revision: u64,
}

impl Enricher {
    /// With what is known from the beginning.
    #[must_use]
    pub fn new(geo: Geo, names: Names, services: Services) -> Self {
        Self { geo, names, services, ..Self::default() }
    }

    /// One that knows nothing.
    #[must_use]
    pub fn none() -> &'static Self {
        static NONE: LazyLock<Enricher> = LazyLock::new(Enricher::default);
        &NONE
    }

    /// Changes with everything that is learned.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Takes in what was found out.
    pub fn learn(&mut self, learned: Learned) {
        self.revision += 1;
        match learned {
            Learned::Geo(geo) => self.geo = *geo,
            Learned::Names(found) => self.names.learn(found),
            Learned::Processes(seen) => self.processes.get_or_insert_default().learn(seen),
            Learned::Download(_) => {}
        }
    }

    /// Takes in what a node tells of its network.
    pub fn set_host(&mut self, node: NodeId, host: &Host) {
        self.revision += 1;
        self.hosts.set(node, host);
    }

    /// Where addresses are.
    #[must_use]
    pub fn geo(&self) -> &Geo {
        &self.geo
    }

    /// What hosts are called.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// What nodes know of the hosts in their networks.
    #[must_use]
    pub fn hosts(&self) -> &KnownHosts {
        &self.hosts
    }

    /// What ports are called.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Which processes have which sockets; `None` where nobody looks at that.
    #[must_use]
    pub fn processes(&self) -> Option<&Processes> {
        self.processes.as_ref()
    }

    /// What a host is called by somebody who looks at a node.
    #[must_use]
    pub fn name(&self, node: NodeId, address: IpAddr) -> Option<Name<'_>> {
        let told = || {
            let (text, _) = self.hosts.name(node, address)?;
            Some(Name { text, from: NameSource::Collector, since: None })
        };
        self.names.told(address).or_else(told).or_else(|| self.names.found(address))
    }

    /// Hosts and networks whose names are known.
    #[must_use]
    pub fn named(&self) -> usize {
        self.names.count() + self.hosts.count()
    }

    /// Whether somebody would have to be asked what a host is called.
    #[must_use]
    pub fn is_nameless(&self, node: NodeId, address: IpAddr) -> bool {
        self.hosts.name(node, address).is_none() && self.names.is_open(address)
    }

    /// The MAC address of a host on a link of a node.
    #[must_use]
    pub fn mac(&self, node: NodeId, address: IpAddr) -> Option<Mac> {
        self.hosts.mac(node, address)
    }

    /// The usual name of what a port serves.
    #[must_use]
    pub fn service(&self, proto: Proto, port: u16) -> Option<&str> {
        self.services.name(proto, port)
    }

    /// The process at this end of a flow. Only the machine on which conntop runs can be asked, which is
    /// the only node then.
    #[must_use]
    pub fn process(&self, orig: &Tuple, reply: &Tuple) -> Fact<&Process> {
        match &self.processes {
            Some(processes) => processes.of(orig, reply),
            None => Fact::Unknown,
        }
    }
}
