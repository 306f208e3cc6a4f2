//! Entering a network namespace. It holds for the calling thread and for threads and sockets
//! that it makes afterwards.

use std::convert::Infallible;
use std::fmt;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::linux::fs::MetadataExt;
use std::path::PathBuf;
use std::str::FromStr;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace as users name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Netns {
    /// That of a process.
    Pid(u32),
    /// One made by `ip netns add`, which lies in `/run/netns`.
    Name(String),
    /// A file.
    Path(PathBuf),
}

/// Why a namespace could not be entered.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// The file cannot be opened.
    #[error("network namespace {netns}: {}: {source}", path.display())]
    Open {
        /// As the user named it.
        netns: Netns,
        /// The file tried.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a network namespace, or CAP_SYS_ADMIN is missing.
    #[error("entering network namespace {netns}: {source}; this needs CAP_SYS_ADMIN")]
    Enter {
        /// As the user named it.
        netns: Netns,
        /// Why.
        source: std::io::Error,
    },
}

impl FromStr for Netns {
    type Err = Infallible;

    /// A number is a process, something with a slash a file, anything else a name.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.parse() {
            Ok(pid) => Netns::Pid(pid),
            Err(_) if text.contains('/') => Netns::Path(text.into()),
            Err(_) => Netns::Name(text.into()),
        })
    }
}

impl fmt::Display for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Netns::Pid(pid) => write!(f, "of process {pid}"),
            Netns::Name(name) => f.write_str(name),
            Netns::Path(path) => path.display().fmt(f),
        }
    }
}

impl Netns {
    fn path(&self) -> PathBuf {
        match self {
            Netns::Pid(pid) => format!("/proc/{pid}/ns/net").into(),
            Netns::Name(name) => PathBuf::from("/run/netns").join(name),
            Netns::Path(path) => path.clone(),
        }
    }

    /// Moves the calling thread into it.
    ///
    /// # Errors
    /// If there is no such namespace, or entering it is not permitted.
    pub fn enter(&self) -> Result<(), NetnsError> {
        let path = self.path();
        let file =
            File::open(&path).map_err(|source| NetnsError::Open { netns: self.clone(), path, source })?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|errno| NetnsError::Enter { netns: self.clone(), source: errno.into() })
    }
}

/// Device and inode of the calling thread's network namespace: equal means the same one.
///
/// # Errors
/// Without `/proc`.
pub fn identity() -> std::io::Result<(u64, u64)> {
    let metadata = std::fs::metadata("/proc/thread-self/ns/net")?;
    Ok((metadata.st_dev(), metadata.st_ino()))
}
