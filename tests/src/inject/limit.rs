//! Room in the table for big injections.
//!
//! `nf_conntrack_max` of the first namespace limits all others, so it is raised by one process at
//! a time and put back; a run that was killed leaves a note from which the next one restores it.

use std::fs;

use anyhow::{Context, Result};

use crate::lock::{self, FileLock};
use crate::netns::Namespace;

const MAXIMUM: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

/// Room for some entries, given back when dropped.
#[derive(Debug)]
pub struct TableLimit {
    /// What to restore; nothing if there was room enough.
    raised_from: Option<String>,
    _lock: FileLock,
}

impl TableLimit {
    /// Makes room for this many entries in the namespace. Waits while another process has a
    /// raised limit.
    ///
    /// # Errors
    /// When the limit cannot be read or raised.
    pub fn at_least(namespace: &Namespace, entries: u32) -> Result<Self> {
        let lock = FileLock::acquire("max")?;
        let note = lock::path("max", "saved");
        let read = fs::read_to_string(MAXIMUM).with_context(|| format!("reading {MAXIMUM}"))?;
        // Whoever wrote a note while we have the lock is dead.
        let before = fs::read_to_string(&note).unwrap_or(read).trim().to_owned();
        let mut limit = TableLimit { raised_from: None, _lock: lock };
        if before.parse::<u32>().context("nf_conntrack_max")? < entries {
            fs::write(&note, &before).with_context(|| format!("writing {note}"))?;
            limit.raised_from = Some(before);
            fs::write(MAXIMUM, entries.to_string()).with_context(|| format!("raising {MAXIMUM}"))?;
        } else if fs::metadata(&note).is_ok() {
            limit.raised_from = Some(before);
        }
        let own = namespace.sysctl("netfilter/nf_conntrack_max")?;
        if own.parse::<u32>().is_ok_and(|own| own < entries) {
            namespace.set_sysctl("netfilter/nf_conntrack_max", &entries.to_string())?;
        }
        Ok(limit)
    }
}

impl Drop for TableLimit {
    fn drop(&mut self) {
        if let Some(before) = &self.raised_from
            && fs::write(MAXIMUM, before).is_ok()
        {
            let _ = fs::remove_file(lock::path("max", "saved"));
        }
    }
}
