//! Listening sockets: TCP, and the unix socket with its file.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
#[cfg(feature = "tls")]
use std::sync::Arc;

use rustix::fs::Mode;
use rustix::net::sockopt::set_ipv6_v6only;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixStream};

use super::holder;
use crate::args::{Listen, Need};
#[cfg(feature = "tls")]
use crate::auth::Credentials;
pub use crate::auth::peer::GROUP;
use crate::auth::peer::Peers;

/// Connections that the kernel completes while the server is busy.
const BACKLOG: i32 = 1024;
/// Mode of the unix socket: its owner and its group may connect.
const SOCKET_MODE: u32 = 0o660;

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another program has the port.
    #[error(
        "{address} is taken{}: stop that program, or choose another port with --port",
        holder.as_ref().map(|h| format!(" by {h}")).unwrap_or_default()
    )]
    Taken {
        /// The address.
        address: SocketAddr,
        /// Name and pid, where the kernel shows them.
        holder: Option<String>,
    },
    /// Listening failed.
    #[error("cannot listen on {address}: {error}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// Another server listens on the unix socket.
    #[error("{} is taken: another server answers there; stop it, or choose another --unix path", .0.display())]
    Answers(PathBuf),
    /// Something that is no socket has the path.
    #[error("{} exists and is no socket: choose another --unix path", .0.display())]
    NoSocket(PathBuf),
    /// A step of making the unix socket failed.
    #[error("cannot {step} {}: {error}", path.display())]
    Unix {
        /// What was tried.
        step: &'static str,
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
}

impl ListenError {
    /// Whether it is for want of permission.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        match self {
            Self::Tcp { error, .. } | Self::Unix { error, .. } => error.kind() == ErrorKind::PermissionDenied,
            _ => false,
        }
    }
}

/// A socket that clients connect to, and who may.
#[derive(Debug)]
pub struct Listener {
    /// Where.
    pub socket: Socket,
    /// Who.
    pub access: Access,
}

/// A listening socket.
#[derive(Debug)]
pub enum Socket {
    /// By TCP.
    Tcp(TcpListener),
    /// By a file.
    Unix(UnixSocket),
}

/// Who may connect.
#[derive(Clone, Debug)]
pub enum Access {
    /// Whom the kernel vouches for: by the mode of the unix socket, by the user of a loopback peer.
    Peer,
    /// By TLS, whoever proves the token. Each connection gets what the channel holds at that moment.
    #[cfg(feature = "tls")]
    Token(tokio::sync::watch::Receiver<Arc<Credentials>>),
}

impl Listener {
    /// For those whom the kernel vouches for.
    #[must_use]
    pub fn peer(socket: impl Into<Socket>) -> Self {
        Self { socket: socket.into(), access: Access::Peer }
    }
}

/// All sockets of a server, unix sockets first, with what finds the users of loopback peers.
#[derive(Debug)]
pub struct Listeners {
    pub(super) all: Vec<Listener>,
    /// There if a listener takes loopback peers.
    pub(super) peers: Option<Peers>,
}

impl Listeners {
    /// Orders them, and opens what it takes to ask the kernel for the users of peers.
    #[must_use]
    pub fn new(mut all: Vec<Listener>) -> Self {
        all.sort_by_key(|listener| matches!(listener.socket, Socket::Tcp(_)));
        let loopback = all.iter().find_map(|listener| match listener {
            Listener { socket: Socket::Tcp(tcp), access: Access::Peer } => tcp.local_addr().ok(),
            _ => None,
        });
        Self { all, peers: loopback.map(Peers::new) }
    }

    /// Sockets for those whom the kernel vouches for.
    #[must_use]
    pub fn for_peers(tcp: Vec<TcpListener>, unix: Option<UnixSocket>) -> Self {
        let unix = unix.into_iter().map(Listener::peer);
        Self::new(unix.chain(tcp.into_iter().map(Listener::peer)).collect())
    }

    /// TCP addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let addresses = self.all.iter().filter_map(|listener| match &listener.socket {
            Socket::Tcp(tcp) => tcp.local_addr().ok(),
            Socket::Unix(_) => None,
        });
        addresses.collect()
    }

    /// How many unix sockets come first.
    pub(super) fn unix(&self) -> usize {
        self.all.partition_point(|listener| matches!(listener.socket, Socket::Unix(_)))
    }
}

impl From<TcpListener> for Socket {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixSocket> for Socket {
    fn from(socket: UnixSocket) -> Self {
        Self::Unix(socket)
    }
}

/// The unix socket; its file goes with it.
#[derive(Debug)]
pub struct UnixSocket {
    /// Accepts.
    pub listener: UnixListener,
    path: PathBuf,
    file: (u64, u64),
    group: Option<u32>,
}

impl UnixSocket {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of the group [`GROUP`], if it exists.
    #[must_use]
    pub fn group(&self) -> Option<u32> {
        self.group
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        let same =
            std::fs::symlink_metadata(&self.path).is_ok_and(|meta| (meta.dev(), meta.ino()) == self.file);
        if !same {
            return;
        }
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                tracing::info!("{} stays until the next start: {error}", self.path.display());
            }
            Err(error) => tracing::warn!("cannot remove {}: {error}", self.path.display()),
            Ok(()) => {}
        }
    }
}

/// Listens on TCP addresses. Port 0 takes a free port, the same for both loopback addresses where
/// possible.
///
/// # Errors
/// An address that is taken or not to be had, unless it need not be.
pub fn tcp(listen: &[Listen]) -> Result<Vec<TcpListener>, ListenError> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for Listen { address, need } in listen {
        let mut wanted = *address;
        if let (0, Some(first)) = (address.port(), listeners.first()) {
            wanted.set_port(first.local_addr().map_or(0, |first| first.port()));
        }
        let bound = match bind(wanted) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && wanted != *address => bind(*address),
            other => other,
        };
        match bound {
            Ok(listener) => listeners.push(listener),
            Err(error) if *need == Need::IfPossible && lacks_family(&error) => {
                tracing::warn!("not listening on {address}: {error}");
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                return Err(ListenError::Taken { address: *address, holder: holder::of(*address) });
            }
            Err(error) => {
                return Err(ListenError::Tcp { address: *address, error });
            }
        }
    }
    Ok(listeners)
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for the last connections' TIME-WAIT.
    socket.set_reuseaddr(true)?;
    if address.is_ipv6() {
        // Else [::] takes the port of 0.0.0.0 as well, and --listen-any could not have both.
        set_ipv6_v6only(&socket, true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG.unsigned_abs())
}

fn lacks_family(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    error.kind() == ErrorKind::AddrNotAvailable || errno == Some(Errno::AFNOSUPPORT)
}

/// Listens on a unix socket, after removing a file that nobody answers on.
///
/// # Errors
/// The path is taken or cannot be used.
pub async fn unix(path: &Path) -> Result<UnixSocket, ListenError> {
    let failed = |step, error| ListenError::Unix { step, path: path.to_owned(), error };
    clear(path).await?;
    let listener = bind_unix(path).map_err(|error| failed("listen on", error))?;
    let meta = std::fs::symlink_metadata(path).map_err(|error| failed("look at", error))?;
    let mut socket =
        UnixSocket { listener, path: path.to_owned(), file: (meta.dev(), meta.ino()), group: None };
    if let Some(gid) = group_id(GROUP) {
        match std::os::unix::fs::chown(path, None, Some(gid)) {
            Ok(()) => socket.group = Some(gid),
            Err(error) => {
                tracing::warn!("cannot give {} to group {GROUP}: {error}", path.display());
            }
        }
    }
    let mode = std::fs::Permissions::from_mode(SOCKET_MODE);
    std::fs::set_permissions(path, mode).map_err(|error| failed("set the mode of", error))?;
    Ok(socket)
}

/// Takes a socket that another program listens on, whose file is that program's.
///
/// # Errors
/// It cannot be used.
pub fn adopt_unix(socket: std::os::unix::net::UnixListener) -> Result<UnixSocket, ListenError> {
    let address = socket.local_addr().ok();
    let path = address.as_ref().and_then(|address| address.as_pathname()).unwrap_or(Path::new("@"));
    let path = path.to_owned();
    match UnixListener::from_std(socket) {
        Ok(listener) => Ok(UnixSocket { listener, path, file: (0, 0), group: group_id(GROUP) }),
        Err(error) => Err(ListenError::Unix { step: "use", path, error }),
    }
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // The file inherits this mode, so there is no moment in which others could connect.
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    net::listen(&socket, BACKLOG)?;
    UnixListener::from_std(socket.into())
}

async fn clear(path: &Path) -> Result<(), ListenError> {
    let meta = match std::fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(ListenError::Unix { step: "look at", path: path.to_owned(), error });
        }
    };
    if !meta.file_type().is_socket() {
        return Err(ListenError::NoSocket(path.to_owned()));
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            tracing::info!("removing {}: nobody listens on it any more", path.display());
            std::fs::remove_file(path).map_err(|error| ListenError::Unix {
                step: "remove",
                path: path.to_owned(),
                error,
            })
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(ListenError::Unix { step: "connect to the existing", path: path.to_owned(), error })
        }
        _ => Err(ListenError::Answers(path.to_owned())),
    }
}

/// Number of a group in /etc/group. Directory services are not asked: a static binary has no way to.
fn group_id(name: &str) -> Option<u32> {
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    })
}
