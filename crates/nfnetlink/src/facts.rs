//! What the kernel says about connection tracking in the calling thread's network namespace.
//!
//! `/proc/sys/net` shows the namespace of the thread that reads it, whatever `/proc` was mounted
//! in. What cannot be read is `None`.

use std::io;
use std::path::PathBuf;

/// Sysctls under `net.netfilter`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// New flows get counters (`nf_conntrack_acct`).
    pub acct: Option<bool>,
    /// New flows get a start time (`nf_conntrack_timestamp`).
    pub timestamp: Option<bool>,
    /// Events: 0 none, 1 all flows, 2 flows made while somebody listens (`nf_conntrack_events`).
    pub events: Option<u8>,
    /// Flows in this namespace now.
    pub count: Option<u64>,
    /// Most flows that each namespace may have. Global.
    pub max: Option<u64>,
    /// Hash buckets, shared by all namespaces.
    pub buckets: Option<u64>,
}

/// A sysctl that conntop may switch when it is asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Switch {
    /// `nf_conntrack_acct`
    Acct,
    /// `nf_conntrack_timestamp`
    Timestamp,
    /// `nf_conntrack_events`
    Events,
}

impl Switch {
    /// Name below `net.netfilter`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Switch::Acct => "nf_conntrack_acct",
            Switch::Timestamp => "nf_conntrack_timestamp",
            Switch::Events => "nf_conntrack_events",
        }
    }

    /// Whether it is on.
    #[must_use]
    pub fn get(self) -> Option<bool> {
        number(self.name()).map(|value| value != 0)
    }

    /// Its values for on, the better one first: kernels before 5.19 know no events on demand.
    #[must_use]
    pub const fn on(self) -> &'static [&'static str] {
        match self {
            Switch::Acct | Switch::Timestamp => &["1"],
            Switch::Events => &["2", "1"],
        }
    }

    /// Switches it in the calling thread's namespace.
    ///
    /// # Errors
    /// Without CAP_NET_ADMIN, or without the module.
    pub fn set(self, on: bool) -> io::Result<()> {
        let values = if on { self.on() } else { &["0"] };
        let mut written = Ok(());
        for value in values {
            written = std::fs::write(path(self.name()), format!("{value}\n"));
            if written.is_ok() {
                break;
            }
        }
        written
    }
}

impl Facts {
    /// Reads them all.
    #[must_use]
    pub fn read() -> Self {
        Facts {
            acct: Switch::Acct.get(),
            timestamp: Switch::Timestamp.get(),
            events: number("nf_conntrack_events").and_then(|value| value.try_into().ok()),
            count: number("nf_conntrack_count"),
            max: number("nf_conntrack_max"),
            buckets: number("nf_conntrack_buckets"),
        }
    }

    /// Whether the kernel has connection tracking at all (loaded or built in).
    #[must_use]
    pub fn available(&self) -> bool {
        self.count.is_some() || self.max.is_some()
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from("/proc/sys/net/netfilter").join(name)
}

fn number(name: &str) -> Option<u64> {
    std::fs::read_to_string(path(name)).ok()?.trim().parse().ok()
}
