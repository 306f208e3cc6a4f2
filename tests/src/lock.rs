//! Locks between processes, for what exists only once on a machine.

use std::fs::File;

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

/// Where locks and marks live: only root writes here, and a reboot forgets them.
const DIRECTORY: &str = "/run";

/// A lock that is held until it is dropped or its process ends.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Waits for the lock of this name.
    ///
    /// # Errors
    /// When the lock file cannot be made, which needs root.
    pub fn acquire(name: &str) -> Result<Self> {
        let path = path(name, "lock");
        let file = File::create(&path).with_context(|| format!("making the lock {path}"))?;
        flock(&file, FlockOperation::LockExclusive).with_context(|| format!("locking {path}"))?;
        Ok(FileLock { _file: file })
    }
}

/// The path of the lab's lock or mark of this name.
#[must_use]
pub fn path(name: &str, kind: &str) -> String {
    format!("{DIRECTORY}/conntop-lab-{name}.{kind}")
}
