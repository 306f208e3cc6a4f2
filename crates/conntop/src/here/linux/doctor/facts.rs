//! What the doctor finds on this machine. Plain data, so that every finding can be tried without the machine that
//! has it.

use nfnetlink::facts::Facts as Sysctls;
use nfnetlink::netns::Netns;
use nfnetlink::nft::Flowtable;

/// What this machine's kernel gives, in the namespace that is looked at.
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    /// The namespace if it is not that of the caller.
    pub netns: Option<Netns>,
    /// Path of this program.
    pub program: String,
    /// Whether the table may be read.
    pub reading: Reading,
    /// Who asks.
    pub standing: Standing,
    /// What `/proc/sys` tells.
    pub sysctls: Sysctls,
    /// Whether the kernel says that it has the module.
    pub module: bool,
    /// Rules of nf_tables that make the kernel track; `None` when they cannot be read.
    pub rules: Option<usize>,
    /// What else may make it track.
    pub others: Vec<&'static str>,
    /// Conntops that keep tracking active right now.
    pub keepers: usize,
    /// What conntops that crashed have left.
    pub leftovers: Leftover,
    /// What the table could not take since the namespace was made.
    pub drops: Option<Drops>,
    /// `None` when they cannot be read.
    pub flowtables: Option<Vec<Flowtable>>,
    /// Programs that are known to zero counters as they read, and may do so here.
    pub zeroing: Vec<Process>,
    /// Sockets of this namespace that get conntrack's events.
    pub listening: usize,
    /// Other namespaces that have entries.
    pub spaces: Vec<Space>,
    /// Namespaces that may not be looked into.
    pub hidden_spaces: usize,
    /// Whether processes of others may be looked at.
    pub all_processes: bool,
}

/// What came of an attempt to read the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// It was not made, as it would load the module.
    #[default]
    Untried,
    /// The kernel answered.
    Works,
    /// Not permitted.
    Denied,
    /// The kernel cannot.
    Unsupported(String),
}

/// Who asks, as far as it matters for what is permitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Somebody without CAP_NET_ADMIN.
    #[default]
    User,
    /// Root whom somebody has taken the capability, as containers do.
    Container,
    /// One who has it in a user namespace only.
    UserNamespace,
    /// One who has the capability.
    Admin,
}

/// What was left by others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Leftover {
    /// It may not be looked for.
    #[default]
    Unknown,
    /// Nothing.
    Nothing,
    /// This, for people.
    Something(String),
}

/// Packets and entries that were lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// Packets dropped because the table was full or an entry could not be made.
    pub drop: u64,
    /// Entries removed early to make room.
    pub early_drop: u64,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its name, sanitized.
    pub name: String,
    /// Its id.
    pub pid: u32,
}

/// Another network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    /// As `--netns` takes it.
    pub name: String,
    /// Entries of its table.
    pub entries: u64,
}
