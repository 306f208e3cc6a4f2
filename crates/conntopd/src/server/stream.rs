//! A client's socket of any kind. Only readiness and non-blocking calls, so that a connection
//! needs no buffer of its own.

use std::io;
use std::time::Duration;

use rustix::net::sockopt::{set_socket_send_buffer_size, set_tcp_user_timeout};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};

use super::stdio::Stdio;

#[cfg(feature = "tls")]
mod tls;

#[cfg(feature = "tls")]
pub(super) use tls::Tls;

/// Bytes that the kernel may hold for a TCP client. Left alone it would grow to megabytes, which a
/// slow reader then gets as old news instead of what is true.
const SEND_BUFFER: usize = 256 << 10;
/// A peer that acknowledges nothing for this long is gone: pings are on their way by then.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// A client's socket.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    #[cfg(feature = "tls")]
    Tls(Box<Tls>),
    Stdio(Stdio),
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        // None matters enough to refuse a client.
        let _ = stream.set_nodelay(true);
        let _ = set_socket_send_buffer_size(&stream, SEND_BUFFER);
        let _ = set_tcp_user_timeout(&stream, UNACKNOWLEDGED.as_millis().try_into().unwrap_or(0));
        Self::Tcp(stream)
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}

impl Stream {
    /// Who is at the other end of a unix socket, for the log.
    pub(super) fn unix_peer(&self) -> String {
        match self {
            Self::Unix(stream) => match stream.peer_cred() {
                Ok(peer) => match peer.pid() {
                    Some(pid) => format!("unix socket, uid {} pid {pid}", peer.uid()),
                    None => format!("unix socket, uid {}", peer.uid()),
                },
                Err(_) => "unix socket".into(),
            },
            _ => String::new(),
        }
    }

    /// The user at the other end of a unix socket.
    pub(super) fn unix_user(&self) -> Option<u32> {
        match self {
            Self::Unix(stream) => stream.peer_cred().ok().map(|peer| peer.uid()),
            _ => None,
        }
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Unix(stream) => stream.readable().await,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.readable().await,
            Self::Stdio(stdio) => stdio.readable().await,
        }
    }

    pub(super) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.writable().await,
            Self::Unix(stream) => stream.writable().await,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.writable().await,
            Self::Stdio(stdio) => stdio.writable().await,
        }
    }

    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Unix(stream) => stream.try_read(buffer),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.try_read(buffer),
            Self::Stdio(stdio) => stdio.try_read(buffer),
        }
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.try_write(bytes),
            Self::Stdio(stdio) => stdio.try_write(bytes),
        }
    }

    /// Ends the writing side; the reading side stays.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown().await,
            Self::Unix(stream) => stream.shutdown().await,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.finish().await,
            // The end of the process closes it.
            Self::Stdio(_) => Ok(()),
        }
    }
}
