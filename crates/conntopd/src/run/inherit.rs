//! Sockets that the service manager listens on and hands over (LISTEN_FDS). What they are is asked of
//! the kernel, not believed; where they listen is judged like an address of the command line.

use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;

/// What was handed over, each non-blocking.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    pub(super) tcp: Vec<TcpListener>,
    pub(super) unix: Option<UnixListener>,
}

/// Why a socket that was handed over cannot be served.
#[derive(Debug, thiserror::Error)]
pub(super) enum InheritError {
    #[error("socket {0} of the service manager is no listening stream socket of TCP or unix")]
    Kind(usize),
    #[error("socket {0} of the service manager is a second unix socket; one is all that is served")]
    Second(usize),
    #[error("--unix and a unix socket of the service manager: one is all that is served")]
    Twice,
    #[error("socket {number} of the service manager: {error}")]
    Io { number: usize, error: io::Error },
}

impl Inherited {
    /// Takes them all; a wrong one is an error, as somebody expects it to be served.
    pub(super) fn take() -> Result<Self, InheritError> {
        let mut given = ListenFd::from_env();
        let mut taken = Self::default();
        for number in 0..given.len() {
            let failed = |error| InheritError::Io { number, error };
            if let Ok(Some(socket)) = given.take_tcp_listener(number) {
                listens(&socket, number)?;
                socket.set_nonblocking(true).map_err(failed)?;
                taken.tcp.push(socket);
            } else if let Ok(Some(socket)) = given.take_unix_listener(number) {
                listens(&socket, number)?;
                socket.set_nonblocking(true).map_err(failed)?;
                if taken.unix.replace(socket).is_some() {
                    return Err(InheritError::Second(number));
                }
            } else {
                return Err(InheritError::Kind(number));
            }
        }
        Ok(taken)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tcp.is_empty() && self.unix.is_none()
    }
}

fn listens(socket: impl AsFd, number: usize) -> Result<(), InheritError> {
    match socket_acceptconn(socket) {
        Ok(true) => Ok(()),
        _ => Err(InheritError::Kind(number)),
    }
}
