//! The thread that finds out which process of this machine has which socket: `enrich::processes` says what for.

mod holders;
mod ledger;
mod procfs;
mod scan;
mod spaces;
#[cfg(test)]
mod tests;
mod unit;
mod users;
pub mod worker;

use std::path::Path;

use self::procfs::Procfs;
pub use self::spaces::SpacesError;
use self::users::Users;
use crate::enrich::processes::Process;

impl Process {
    /// A process as a directory like /proc and a file like /etc/passwd tell of it.
    #[must_use]
    pub fn of(proc: &Path, passwd: &Path, pid: u32) -> Option<Self> {
        Some(Procfs::at(proc).about(pid)?.process(pid, &Users::of(passwd)))
    }
}
