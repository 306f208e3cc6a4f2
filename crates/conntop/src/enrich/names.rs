//! What hosts are called, and who says so.
//!
//! Several may name a host; the first of [`NameSource`] that does is believed. What is said of an
//! address goes before what is said of its network, and a network's name before reverse DNS.

mod aliases;
pub mod cache;
pub mod hosts;
pub mod label;
pub mod own;
pub mod resolve;
mod worker;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use conntop_proto::tuple::Tuple;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::Deserialize;

use self::aliases::Known;
use self::cache::{Change, is_askable};
use self::hosts::HostsFile;
use self::own::{Own, Query};
pub use self::resolve::{Asking, Servers, Trouble};
pub use self::worker::Looking;
use crate::config::Alias;

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

/// What the one who asks has found out.
#[derive(Debug)]
pub struct Found {
    /// What is known of hosts that were asked for.
    pub answers: Vec<(IpAddr, Change)>,
    /// Who says so.
    pub from: NameSource,
    /// The hosts file, when it was read.
    pub hosts: Option<HostsFile>,
    /// Sockets that were used for it.
    pub own: Vec<Query>,
    /// What keeps names from being found now.
    pub trouble: Option<Trouble>,
    /// When.
    pub at: Instant,
}

impl Found {
    /// Nothing yet.
    #[must_use]
    pub fn new(from: NameSource, at: Instant) -> Self {
        Self { answers: Vec::new(), from, hosts: None, own: Vec::new(), trouble: None, at }
    }

    fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.hosts.is_none() && self.own.is_empty()
    }
}

/// The name that a host got, if it has one.
#[derive(Debug)]
struct Answer(Option<(Box<str>, NameSource, Instant)>);

/// All names that are known.
#[derive(Debug, Default)]
pub struct Names {
    configured: Known,
    hosts: HostsFile,
    hosts_read: Option<Instant>,
    /// As many as the one who asks remembers: [`cache::MOST_HOSTS`] and those on the screen.
    answers: HashMap<IpAddr, Answer, FixedState>,
    /// How many of them have a name.
    named: usize,
    own: Own,
    trouble: Option<Trouble>,
}

impl Names {
    /// With names that somebody configured; of two for the same the first counts.
    #[must_use]
    pub fn new(aliases: &[Alias]) -> Self {
        Self { configured: Known::new(aliases), ..Self::default() }
    }

    /// The same with a hosts file.
    #[must_use]
    pub fn with_hosts(self, hosts: HostsFile) -> Self {
        Self { hosts, ..self }
    }

    /// What an address itself is called without asking anybody. What nodes say of their networks comes
    /// after this and is kept beside.
    #[must_use]
    pub fn told(&self, address: IpAddr) -> Option<Name<'_>> {
        let address = address.to_canonical();
        let listed = |text| Name { text, from: NameSource::HostsFile, since: self.hosts_read };
        let in_file = || self.hosts.get(&address).map(|text| listed(text));
        self.configured.address(address).map(configured).or_else(in_file)
    }

    /// What its network is called, or else what somebody answered.
    #[must_use]
    pub fn found(&self, address: IpAddr) -> Option<Name<'_>> {
        let address = address.to_canonical();
        let answered = || {
            let (text, from, since) = self.answers.get(&address)?.0.as_ref()?;
            Some(Name { text, from: *from, since: Some(*since) })
        };
        self.configured.network(address).map(configured).or_else(answered)
    }

    /// Whether somebody would have to be asked what a host is called.
    #[must_use]
    pub fn is_open(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_askable(address) && self.told(address).is_none() && self.configured.network(address).is_none()
    }

    /// Whether somebody was asked and has answered, or nobody did.
    #[must_use]
    pub fn is_answered(&self, address: IpAddr) -> bool {
        self.answers.contains_key(&address.to_canonical())
    }

    /// Hosts and networks whose names are known.
    #[must_use]
    pub fn count(&self) -> usize {
        self.named + self.hosts.len() + self.configured.count()
    }

    /// Whether a flow is one of conntop's own questions for names.
    #[must_use]
    pub fn is_own(&self, orig: &Tuple) -> bool {
        self.own.has(orig)
    }

    /// What keeps names from being found.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// Takes in answers.
    pub fn learn(&mut self, found: Found) {
        let Found { answers, from, hosts, own, trouble, at } = found;
        for (host, change) in answers {
            let answer = match change {
                Change::Named(text, since) => Some(Answer(Some((text, from, since)))),
                Change::Nameless => Some(Answer(None)),
                Change::Forgotten => None,
            };
            self.named += usize::from(answer.as_ref().is_some_and(|answer| answer.0.is_some()));
            let before = match answer {
                Some(answer) => self.answers.insert(host, answer),
                None => self.answers.remove(&host),
            };
            self.named -= usize::from(before.is_some_and(|answer| answer.0.is_some()));
        }
        if let Some(hosts) = hosts {
            self.hosts = hosts;
            self.hosts_read = Some(at);
        }
        self.own.learn(own, at);
        self.trouble = trouble;
    }
}

fn configured(text: &str) -> Name<'_> {
    Name { text, from: NameSource::Configured, since: None }
}
