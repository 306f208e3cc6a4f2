//! Opening, sending and receiving, shared by all netlink sockets of this crate.
//!
//! The kernel answers on port 0. Any process may send to a netlink port, so whatever comes from
//! another port is thrown away.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{
    Timeout, set_socket_recv_buffer_size, set_socket_recv_buffer_size_force, set_socket_timeout,
    socket_recv_buffer_size,
};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, getsockname, recvfrom,
    sendto, socket_with,
};

use crate::error::{Error, Result};
use crate::message::errno;
use crate::sys;
use crate::wire::{Frames, Header, NLMSG_DONE, NLMSG_ERROR, ParseError};

/// The kernel fills at most this much per reception, and larger buffers gain nothing.
pub(crate) const CHUNK: usize = 32 * 1024;

/// How long an answer may take. The kernel answers within the call that asks, so only a lost
/// answer takes this long.
const ANSWER: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
}

impl Socket {
    /// A bound socket in the network namespace of the calling thread.
    pub(crate) fn open(protocol: Option<Protocol>, groups: u32, operation: &'static str) -> Result<Self> {
        let error = |errno| Error::new(operation, errno);
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
            .map_err(error)?;
        set_socket_timeout(&fd, Timeout::Recv, Some(ANSWER)).map_err(error)?;
        // Errors then carry only the header of the request that failed; old kernels copy it all.
        let _ = sys::enable_netlink_option(fd.as_fd(), libc::NETLINK_CAP_ACK);
        bind(&fd, &SocketAddrNetlink::new(0, groups)).map_err(error)?;
        Ok(Socket { fd })
    }

    /// Asks for a receive buffer, by force where that is permitted. Returns the real size, which
    /// is twice what was asked for, or less.
    pub(crate) fn set_receive_buffer(&self, bytes: usize, operation: &'static str) -> Result<usize> {
        set_socket_recv_buffer_size_force(&self.fd, bytes)
            .or_else(|_| set_socket_recv_buffer_size(&self.fd, bytes))
            .and_then(|()| socket_recv_buffer_size(&self.fd))
            .map_err(|errno| Error::new(operation, errno))
    }

    pub(crate) fn send(&self, bytes: &[u8], operation: &'static str) -> Result<()> {
        let kernel = SocketAddrNetlink::new(0, 0);
        let sent = retry(|| sendto(&self.fd, bytes, SendFlags::empty(), &kernel));
        match sent {
            Ok(_) => Ok(()),
            Err(errno) => Err(Error::new(operation, errno)),
        }
    }

    /// One datagram of the kernel. Waits for it at most [`ANSWER`].
    pub(crate) fn receive<'b>(&self, buffer: &'b mut [u8], operation: &'static str) -> Result<&'b [u8]> {
        let size = buffer.len();
        let length = loop {
            let received = retry(|| recvfrom(&self.fd, &mut *buffer, RecvFlags::TRUNC));
            let (_, length, sender) = received.map_err(|errno| match errno {
                Errno::AGAIN => Error::Silent { operation, seconds: ANSWER.as_secs() },
                Errno::NOBUFS => Error::Lost { operation },
                errno => Error::new(operation, errno),
            })?;
            let sender = sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok());
            if sender.is_some_and(|sender| sender.pid() == 0) {
                break length;
            }
        };
        // With MSG_TRUNC the length is that of the datagram, even if the buffer was shorter.
        buffer.get(..length).ok_or(Error::TooLong { operation, buffer: size })
    }

    /// Sends one dump request without attributes and hands on each message of the answer.
    pub(crate) fn dump(
        &self,
        request: &[u8],
        seq: u32,
        operation: &'static str,
        mut each: impl FnMut(Header, &[u8]) -> std::result::Result<(), ParseError>,
    ) -> Result<()> {
        self.send(request, operation)?;
        let mut buffer = vec![0; CHUNK];
        loop {
            for frame in Frames::new(self.receive(&mut buffer, operation)?) {
                let malformed = |source| Error::Malformed { operation, source };
                let (header, payload) = frame.map_err(malformed)?;
                match header.kind {
                    _ if header.seq != seq => {}
                    NLMSG_DONE | NLMSG_ERROR => {
                        return match errno(payload, "end of dump").unwrap_or(0) {
                            0 => Ok(()),
                            errno => Err(Error::from_raw_bare(operation, errno)),
                        };
                    }
                    _ => each(header, payload).map_err(malformed)?,
                }
            }
        }
    }

    /// Port id that the kernel gave to the socket.
    pub(crate) fn port(&self, operation: &'static str) -> Result<u32> {
        let name = getsockname(&self.fd).map_err(|errno| Error::new(operation, errno))?;
        let name = SocketAddrNetlink::try_from(name).map_err(|errno| Error::new(operation, errno))?;
        Ok(name.pid())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

pub(crate) fn retry<T>(
    mut call: impl FnMut() -> std::result::Result<T, Errno>,
) -> std::result::Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}
