//! A network namespace with a name, and code and commands in it.
//!
//! A namespace belongs to a thread, so code enters it on a thread of its own. A socket stays in
//! the namespace that it was made in, wherever it is used afterwards.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::tools::{self, command, run};

/// Every name begins so, then come the process and a number.
const PREFIX: &str = "ct-lab-";
const DIRECTORY: &str = "/run/netns";

/// A namespace; who made it removes it when this is dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    handle: File,
    ownership: Ownership,
}

/// What namespaces of one lab have in common in their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group(u32);

impl Group {
    /// Another one than all before in this process.
    #[must_use]
    pub fn next() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        Group(NUMBER.fetch_add(1, Ordering::Relaxed))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ownership {
    Maker,
    Guest,
}

impl Namespace {
    /// Makes a namespace with loopback up; the group and the role end its name.
    ///
    /// # Errors
    /// When `ip` fails, as it does without privileges.
    pub fn create(group: Group, role: &str) -> Result<Self> {
        static SWEEP: Once = Once::new();
        SWEEP.call_once(sweep);
        let name = format!("{PREFIX}{}-{}-{role}", std::process::id(), group.0);
        run(command("ip").args(["netns", "add", &name]))?;
        let handle = open(&name).inspect_err(|_| remove(&name))?;
        let namespace = Namespace { name, handle, ownership: Ownership::Maker };
        run(command("ip").args(["-n", namespace.name(), "link", "set", "lo", "up"]))?;
        Ok(namespace)
    }

    /// Uses a namespace that somebody else made and keeps.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn attach(name: &str) -> Result<Self> {
        Ok(Namespace { name: name.to_owned(), handle: open(name)?, ownership: Ownership::Guest })
    }

    /// The name that `ip netns` and `--netns` know it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that is the namespace.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new(DIRECTORY).join(&self.name)
    }

    /// Runs code on a thread inside the namespace and waits for it. A panic goes through.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or the code fails.
    pub fn run<T: Send>(&self, code: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let name = std::thread::current().name().unwrap_or("lab").to_owned();
        std::thread::scope(|scope| {
            let inside = std::thread::Builder::new().name(name).spawn_scoped(scope, || {
                self.enter()?;
                code()
            });
            let result = inside.context("starting a thread for the namespace")?.join();
            result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Moves the calling thread into the namespace, for good.
    ///
    /// # Errors
    /// When that is not permitted.
    pub fn enter(&self) -> Result<()> {
        move_into_link_name_space(self.handle.as_fd(), Some(LinkNameSpaceType::Network))
            .with_context(|| format!("entering the namespace {}", self.name))
    }

    /// Runs a command inside to its end.
    ///
    /// # Errors
    /// As [`tools::run`].
    pub fn output(&self, command: &mut Command) -> Result<Output> {
        self.run(|| run(command))
    }

    /// Runs a command inside with this input.
    ///
    /// # Errors
    /// As [`tools::run`].
    pub fn output_with_input(&self, command: &mut Command, input: &str) -> Result<Output> {
        self.run(|| tools::run_with_input(command, input))
    }

    /// Starts a command inside; ending it is the caller's.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, command: &mut Command) -> Result<Child> {
        self.run(|| command.spawn().with_context(|| format!("starting {command:?}")))
    }

    /// Writes a sysctl under `net`, named with slashes.
    ///
    /// # Errors
    /// When the kernel does not have it or refuses the value.
    pub fn set_sysctl(&self, name: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/net/{name}");
        self.run(|| fs::write(&path, value).with_context(|| format!("writing {value} to {path}")))
    }

    /// Reads a sysctl under `net`.
    ///
    /// # Errors
    /// When the kernel does not have it.
    pub fn sysctl(&self, name: &str) -> Result<String> {
        let path = format!("/proc/sys/net/{name}");
        let read = self.run(|| fs::read_to_string(&path).with_context(|| format!("reading {path}")))?;
        Ok(read.trim().to_owned())
    }

    /// Number of entries in the connection tracking table.
    ///
    /// # Errors
    /// When the kernel has no connection tracking.
    pub fn tracked(&self) -> Result<usize> {
        let count = self.sysctl("netfilter/nf_conntrack_count")?;
        count.parse().with_context(|| format!("nf_conntrack_count is {count:?}"))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if self.ownership == Ownership::Maker {
            remove(&self.name);
        }
    }
}

/// Whether namespaces can be made here at all.
pub(crate) fn probe() -> Result<()> {
    let probe = Namespace::create(Group::next(), "probe").context("making a network namespace")?;
    probe.tracked().context("the kernel has no connection tracking").map(|_| ())
}

fn open(name: &str) -> Result<File> {
    let path = Path::new(DIRECTORY).join(name);
    File::open(&path).with_context(|| format!("opening {}", path.display()))
}

fn remove(name: &str) {
    if let Err(error) = run(command("ip").args(["netns", "del", name])) {
        tools::tell(&format!("the lab could not remove a namespace: {error:#}"));
    }
}

/// Removes what processes that are gone left behind, with the processes still in it.
pub fn sweep() {
    for (name, pid) in owned() {
        if !Path::new("/proc").join(pid.to_string()).exists() {
            end_processes(&name);
            remove(&name);
        }
    }
}

/// The namespaces of all labs of this machine, and the processes that made them.
#[must_use]
pub fn owned() -> Vec<(String, u32)> {
    let Ok(names) = fs::read_dir(DIRECTORY) else { return Vec::new() };
    let names = names.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| owner(&name).map(|pid| (name, pid))).collect()
}

/// The process in a name of ours.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

fn end_processes(name: &str) {
    let Ok(output) = run(command("ip").args(["netns", "pids", name])) else { return };
    for pid in String::from_utf8_lossy(&output.stdout).split_whitespace() {
        if let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Joins a thread of the lab; its panic becomes an error.
pub(crate) fn join<T>(thread: std::thread::JoinHandle<T>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread of the lab panicked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_names_have_an_owner() {
        for (name, pid) in [
            ("ct-lab-12-0-lan", Some(12)),
            ("ct-lab-12", Some(12)),
            ("ct-lab-x-0-lan", None),
            ("ct-lab-", None),
            ("other-12-0-lan", None),
        ] {
            assert_eq!(owner(name), pid, "{name}");
        }
    }
}
