//! This machine is Linux: its connection tracking table, sockets, processes and rules. The only place that knows
//! netlink, the collector and what else Linux alone has.

pub mod activate;
mod around;
mod audit;
mod choice;
pub mod doctor;
mod local;
mod machine;
pub mod processes;
pub(crate) mod server;
mod sockets;

use std::convert::Infallible;

use nfnetlink::netns::Netns;

pub(crate) use self::around::connections;
pub use self::choice::{Local, Switch, open_local};
pub use self::doctor::Fix;
pub(crate) use self::doctor::checkup;
pub use self::local::{Acts, LocalConfig, local, local_collector};
pub use self::machine::Machine;
pub use self::sockets::sockets;

/// Whether there is nothing that this user may not do.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A network namespace as users name it.
fn netns(name: &str) -> Netns {
    name.parse().unwrap_or_else(|never: Infallible| match never {})
}
