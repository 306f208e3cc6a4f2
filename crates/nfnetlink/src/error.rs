//! What can go wrong when talking to the kernel.

use std::io;

use rustix::io::Errno;

use crate::wire::ParseError;

/// A failed operation. Each variant names the operation, and its text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// EPERM or EACCES.
    #[error("{operation}: not permitted; run as root or with CAP_NET_ADMIN in this network namespace")]
    Denied {
        /// What was tried.
        operation: &'static str,
    },
    /// A file that only root may open; a capability for the network does not help.
    #[error("{operation}: not permitted; only root may (what it has opened stays open for others)")]
    NotRoot {
        /// What was tried.
        operation: &'static str,
    },
    /// A file of `/proc` that this kernel does not have, or not yet.
    #[error(
        "{operation}: there is no such file; is nf_conntrack loaded, and the kernel built with CONFIG_NF_CONNTRACK_PROCFS?"
    )]
    NoFile {
        /// What was tried.
        operation: &'static str,
    },
    /// EBUSY: one dump at a time per socket.
    #[error("{operation}: the socket is busy with another dump")]
    Busy {
        /// What was tried.
        operation: &'static str,
    },
    /// The kernel has no such protocol, subsystem, or table type.
    #[error(
        "{operation}: not supported by this kernel ({source}); is nf_conntrack_netlink or nf_tables loaded?"
    )]
    Unsupported {
        /// What was tried.
        operation: &'static str,
        /// The kernel's words.
        source: io::Error,
    },
    /// Any other error of the kernel.
    #[error("{operation}: {source}")]
    Kernel {
        /// What was tried.
        operation: &'static str,
        /// The kernel's words.
        source: io::Error,
    },
    /// No answer in time; the request may have been carried out.
    #[error("{operation}: no answer from the kernel within {seconds} s")]
    Silent {
        /// What was tried.
        operation: &'static str,
        /// How long was waited.
        seconds: u64,
    },
    /// An answer was lost because the receive buffer was full; the request was carried out.
    #[error("{operation}: answers were lost because the receive buffer was full; ask for less at once")]
    Lost {
        /// What was tried.
        operation: &'static str,
    },
    /// An answer does not fit into the buffer that was given.
    #[error("{operation}: the kernel sent more than {buffer} bytes at once")]
    TooLong {
        /// What was tried.
        operation: &'static str,
        /// Size of the buffer.
        buffer: usize,
    },
    /// The answer makes no sense.
    #[error("{operation}: {source}")]
    Malformed {
        /// What was tried.
        operation: &'static str,
        /// Where in the answer.
        source: ParseError,
    },
}

/// Result of a netlink operation.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(operation: &'static str, errno: Errno) -> Self {
        let source = io::Error::from(errno);
        match errno {
            Errno::PERM | Errno::ACCESS => Error::Denied { operation },
            Errno::BUSY => Error::Busy { operation },
            Errno::OPNOTSUPP | Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT => {
                Error::Unsupported { operation, source }
            }
            _ => Error::Kernel { operation, source },
        }
    }

    /// From the positive errno of the answer to a request that has nothing in it that could be
    /// wrong: EINVAL then means that nobody in the kernel serves such requests.
    pub(crate) fn from_raw_bare(operation: &'static str, errno: i32) -> Self {
        match Errno::from_raw_os_error(errno) {
            Errno::INVAL => Error::Unsupported { operation, source: Errno::INVAL.into() },
            errno => Error::new(operation, errno),
        }
    }

    /// From the positive errno of a netlink answer.
    pub(crate) fn from_raw(operation: &'static str, errno: i32) -> Self {
        Error::new(operation, Errno::from_raw_os_error(errno))
    }

    /// The errno, where the kernel gave one.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Error::Denied { .. } => Some(libc::EPERM),
            Error::NotRoot { .. } => Some(libc::EACCES),
            Error::NoFile { .. } => Some(libc::ENOENT),
            Error::Busy { .. } => Some(libc::EBUSY),
            Error::Unsupported { source, .. } | Error::Kernel { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}
