//! This machine, as far as flows can be seen on it: the one seam between the parts of conntop that run everywhere
//! and Linux. What is elsewhere (a conntopd, a recording) comes by [`crate::source`], on every system.
//!
//! Both sides of the seam give the same names; nothing else in this program asks which system it runs on but
//! [`crate::platform`], which is about files and terminals.

use std::time::Duration;

use conntop_proto::budget::CpuBudget;
use conntop_proto::message::Subscribe;

#[cfg(target_os = "linux")]
pub mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
use self::linux as system;
#[cfg(not(target_os = "linux"))]
use self::other as system;

pub use self::system::{Fix, Machine};
pub(crate) use self::system::{checkup, connections, is_root, server};
use crate::source::SourceKind;

/// What is wanted of this machine.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The network namespace; that of the caller when `None`.
    pub netns: Option<String>,
    /// Whether the kernel is made to track meanwhile.
    pub activate: bool,
    /// What to read.
    pub kind: SourceKind,
    /// Name of the node; the host name when `None`.
    pub name: Option<String>,
    /// Time between updates; the collector's own when `None`.
    pub interval: Option<Duration>,
    /// Share of a core that reading may take; the collector's own when `None`.
    pub cpu_budget: Option<CpuBudget>,
    /// Whether no flow may be ended.
    pub read_only: bool,
    /// What to ask for.
    pub subscribe: Subscribe,
}
