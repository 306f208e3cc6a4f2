//! What the daemon's threads may do once they have what they need, and no more.
//!
//! Capabilities, user ids, Landlock and seccomp belong to threads, so each thread confines itself:
//! [`Plan::confine`] is the last thing it does before its work begins. Order within it, each step
//! needing what the next one takes away: bounding set, user and groups, capabilities,
//! no_new_privs, Landlock, seccomp.
//!
//! | Thread | Capabilities | Opens files | Sockets |
//! |---|---|---|---|
//! | `ct-requests` | CAP_NET_ADMIN | /proc/sys/net, hosts and lease files, to read | netlink |
//! | `ct-events` | none | none | reads the one it was given |
//! | `ct-table` | none | none | none |
//! | the server's | none | [`Files`] | accepts |
//!
//! All read /dev/urandom and /dev/random, which a library may ask for at any time.
//!
//! In the client's local mode only the collector's threads are confined, and the process keeps its
//! memory readable for its user.

#[cfg(all(feature = "sandbox", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod acts;
mod caps;
#[cfg(feature = "sandbox")]
mod landlock;
#[cfg(all(feature = "sandbox", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod seccomp;
mod user;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::thread::CapabilitySet;

pub use self::user::{User, UserError};

/// How much of the confinement has to work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sandbox {
    /// All of it, or the daemon does not start.
    Strict,
    /// What this kernel has.
    #[default]
    Best,
    /// Only capabilities are dropped; debuggers and tracers work.
    Off,
}

impl FromStr for Sandbox {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "strict" => Ok(Self::Strict),
            "best" => Ok(Self::Best),
            "off" => Ok(Self::Off),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strict => "strict",
            Self::Best => "best",
            Self::Off => "off",
        })
    }
}

/// What a thread does, and with it what it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Asks the kernel.
    Requests,
    /// Drains an event socket that it is given.
    Events,
    /// Computes.
    Table,
    /// Accepts and serves clients; the process as a whole is its business too.
    Serve,
}

impl Role {
    fn keeps(self) -> CapabilitySet {
        match self {
            Self::Requests => CapabilitySet::NET_ADMIN,
            Self::Events | Self::Table | Self::Serve => CapabilitySet::empty(),
        }
    }
}

/// Files that threads need while they work.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// What the server's thread reads: files, and directories with all below them.
    pub read: Vec<PathBuf>,
    /// What the thread reads that knows names of hosts.
    pub known: Vec<PathBuf>,
    /// Directories that the server's thread removes a file from.
    pub remove: Vec<PathBuf>,
}

/// The directory of a file that may be replaced by renaming, or the file itself.
pub(crate) fn beside(file: &Path) -> PathBuf {
    match file.parent() {
        Some(directory) if is_of_its_own(directory) => directory.to_owned(),
        _ => file.to_owned(),
    }
}

/// Not one that everything is in, such as /etc with its shadow, or /run.
pub(crate) fn is_of_its_own(directory: &Path) -> bool {
    directory.canonicalize().is_ok_and(|directory| directory.components().count() > 2)
}

/// How the threads of a process are to be confined.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// How much has to work.
    pub sandbox: Sandbox,
    /// Whom the threads are to become.
    pub user: Option<User>,
    /// What threads may open.
    pub files: Files,
    /// Whether each thread tries forbidden acts.
    pub test: SelfTest,
}

/// Whether each thread tries, once it is confined, what it must not be able to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SelfTest {
    /// It does not.
    #[default]
    Skip,
    /// It does, and one act that is not refused is an error.
    Try,
}

/// Why a thread is not confined as it has to be.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// Strict, and something is missing.
    #[error("--sandbox strict: no {part} ({why}); --sandbox best runs with what there is")]
    Missing {
        /// What is missing.
        part: &'static str,
        /// Why.
        why: String,
    },
    /// The self-test did what it should not have been able to do.
    #[error("self-test: not refused: {0}")]
    SelfTest(String),
    /// The self-test could not do what libraries do.
    #[error("self-test: not possible: {0}")]
    Needed(String),
    /// A step that never fails where it is permitted.
    #[error("cannot {step}: {source}")]
    Step {
        /// What was tried.
        step: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
}

impl PrivilegeError {
    fn step(step: &'static str) -> impl Fn(rustix::io::Errno) -> Self {
        move |errno| Self::Step { step, source: errno.into() }
    }
}

/// One means of confinement.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    name: &'static str,
    /// What there is of it, or why there is none.
    state: Result<String, String>,
}

/// What confines a thread, or several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    sandbox: Sandbox,
    parts: Vec<Part>,
}

impl Report {
    /// Of both: what one of them lacks is lacking.
    #[must_use]
    pub fn and(mut self, other: &Report) -> Self {
        for theirs in &other.parts {
            match self.parts.iter_mut().find(|part| part.name == theirs.name) {
                Some(part) if part.state.is_ok() => *part = theirs.clone(),
                Some(_) => {}
                None => self.parts.push(theirs.clone()),
            }
        }
        self
    }

    /// Whether nothing is missing that was wanted.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.parts.iter().all(|part| part.state.is_ok())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.sandbox)?;
        for (n, Part { name, state }) in self.parts.iter().enumerate() {
            f.write_str(if n == 0 { " " } else { ", " })?;
            match state {
                Ok(detail) if detail.is_empty() => f.write_str(name)?,
                Ok(detail) => write!(f, "{name} {detail}")?,
                Err(why) => write!(f, "no {name} ({why})")?,
            }
        }
        Ok(())
    }
}

impl Plan {
    /// Confines the calling thread to what `role` needs. Sockets and files must be open.
    ///
    /// # Errors
    /// A step failed that has to work; the thread must end then, as it is confined in part.
    pub fn confine(&self, role: Role) -> Result<Report, PrivilegeError> {
        let mut report = Report { sandbox: self.sandbox, parts: Vec::new() };
        let bounded = caps::empty_bounding_set();
        match &self.user {
            Some(user) => user.become_it(role.keeps())?,
            None => caps::keep(role.keeps())?,
        }
        self.add(&mut report, "caps", bounded)?;
        if self.sandbox != Sandbox::Off {
            self.lock_up(role, &mut report)?;
        }
        self.try_forbidden_acts()?;
        Ok(report)
    }

    /// Tries them in the calling thread, if the plan says so, and what must be possible too.
    ///
    /// # Errors
    /// One was not refused, or what must be possible is not.
    pub fn try_forbidden_acts(&self) -> Result<(), PrivilegeError> {
        if self.test == SelfTest::Skip {
            return Ok(());
        }
        let refused = attempt_all()?;
        let thread = std::thread::current();
        tracing::info!("self-test of {}: {refused} acts, all refused", thread.name().unwrap_or("a thread"));
        Ok(())
    }

    fn lock_up(&self, role: Role, report: &mut Report) -> Result<(), PrivilegeError> {
        rustix::thread::set_no_new_privs(true).map_err(PrivilegeError::step("set no_new_privs"))?;
        if role == Role::Serve {
            let never = rustix::process::DumpableBehavior::NotDumpable;
            rustix::process::set_dumpable_behavior(never)
                .map_err(PrivilegeError::step("forbid core dumps"))?;
        }
        let landlock = restrict(role, &self.files);
        let landlocked = landlock.is_ok();
        self.add(report, "landlock", landlock)?;
        self.add(report, "seccomp", filter(role, landlocked))
    }

    fn add(
        &self,
        report: &mut Report,
        name: &'static str,
        state: Result<String, String>,
    ) -> Result<(), PrivilegeError> {
        match state {
            Err(why) if self.sandbox == Sandbox::Strict => {
                return Err(PrivilegeError::Missing { part: name, why });
            }
            state => report.parts.push(Part { name, state }),
        }
        Ok(())
    }
}

#[cfg(feature = "sandbox")]
use self::landlock::restrict;
#[cfg(all(feature = "sandbox", any(target_arch = "x86_64", target_arch = "aarch64")))]
use self::{acts::attempt_all, seccomp::filter};

#[cfg(not(feature = "sandbox"))]
fn restrict(_: Role, _: &Files) -> Result<String, String> {
    Err(NOT_BUILT.into())
}

#[cfg(not(all(feature = "sandbox", any(target_arch = "x86_64", target_arch = "aarch64"))))]
const NOT_BUILT: &str = "not built in";

#[cfg(not(all(feature = "sandbox", any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn filter(_: Role, _: bool) -> Result<String, String> {
    Err(NOT_BUILT.into())
}

#[cfg(not(all(feature = "sandbox", any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn attempt_all() -> Result<usize, PrivilegeError> {
    Err(PrivilegeError::SelfTest(NOT_BUILT.into()))
}
