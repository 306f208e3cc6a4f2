//! Why a collector cannot begin.

use nfnetlink::netns::NetnsError;

use crate::privilege::PrivilegeError;

/// Why a collector cannot begin; each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// The namespace could not be entered.
    #[error("{0}")]
    Netns(#[from] NetnsError),
    /// The kernel refuses connection tracking to this process.
    #[error("{0}")]
    Denied(#[source] nfnetlink::Error),
    /// The kernel has no connection tracking, or not over netlink.
    #[error("{0}; `modprobe nf_conntrack_netlink` loads it")]
    Unsupported(#[source] nfnetlink::Error),
    /// Another refusal of the kernel.
    #[error("{0}")]
    Kernel(#[source] nfnetlink::Error),
    /// A thread could not be started.
    #[error("starting thread {thread}: {source}")]
    Thread {
        /// Its name.
        thread: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A thread could not be confined.
    #[error("{0}")]
    Privilege(#[from] PrivilegeError),
    /// A thread ended before it was ready; the log says why.
    #[error("thread {0} ended before it was ready")]
    Ended(&'static str),
}

impl CollectorError {
    /// Whether more privileges would help.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        let denied = |error: &std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
        match self {
            Self::Denied(_) => true,
            Self::Netns(NetnsError::Open { source, .. } | NetnsError::Enter { source, .. }) => denied(source),
            _ => false,
        }
    }
}

impl From<nfnetlink::Error> for CollectorError {
    fn from(error: nfnetlink::Error) -> Self {
        match error {
            nfnetlink::Error::Denied { .. } => Self::Denied(error),
            nfnetlink::Error::Unsupported { .. } => Self::Unsupported(error),
            _ => Self::Kernel(error),
        }
    }
}
