//! The socket that conntrack events come from.
//!
//! It is drained by a timer, many events per call, never blocking: woken for each event the same
//! work costs three times as much. Loss is told and never fatal; the socket goes on after it.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use rustix::net::netlink::NETFILTER;

use crate::error::{Error, Result};
use crate::socket::{Socket, retry};
use crate::sys::{self, SLOTS, Slot};

/// Bits of the multicast groups `NFNLGRP_CONNTRACK_*`.
const GROUP_NEW: u32 = 1 << 0;
const GROUP_UPDATE: u32 = 1 << 1;
const GROUP_DESTROY: u32 = 1 << 2;

/// Which events to subscribe to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subscription {
    /// Beginnings and ends of flows.
    #[default]
    NewDestroy,
    /// Changes too: a TCP connection has about five.
    All,
}

/// What [`EventSocket::drain`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Events appended.
    pub events: usize,
    /// Events were lost before or between these. How many nobody knows.
    pub overrun: bool,
    /// Nothing is left. False if `max` was reached first: drain again soon.
    pub empty: bool,
}

/// Conntrack events of the namespace in which it was opened.
#[derive(Debug)]
pub struct EventSocket {
    socket: Socket,
    slots: Box<[Slot]>,
    buffer: usize,
}

impl EventSocket {
    /// Subscribes, with a receive buffer of `buffer` bytes (the kernel doubles it, and one event
    /// takes about 1,280). Beyond `net.core.rmem_max` this needs CAP_NET_ADMIN.
    ///
    /// # Errors
    /// If there is no nfnetlink, or the subscription is not permitted.
    pub fn open(subscription: Subscription, buffer: usize) -> Result<Self> {
        const OPEN: &str = "subscribing to conntrack events";
        let groups = match subscription {
            Subscription::NewDestroy => GROUP_NEW | GROUP_DESTROY,
            Subscription::All => GROUP_NEW | GROUP_DESTROY | GROUP_UPDATE,
        };
        let socket = Socket::open(Some(NETFILTER), groups, OPEN)?;
        let buffer = socket.set_receive_buffer(buffer, OPEN)?;
        let slots = (0..SLOTS).map(|_| Slot::EMPTY).collect();
        Ok(EventSocket { socket, slots, buffer })
    }

    /// Real size of the receive buffer in bytes.
    #[must_use]
    pub fn buffer_size(&self) -> usize {
        self.buffer
    }

    /// Appends the events that are there, at most about `max`, to `out`, as [`crate::messages`]
    /// reads them. Never waits.
    ///
    /// # Errors
    /// Only if the socket itself is unusable; lost events are [`Drained::overrun`].
    pub fn drain(&mut self, max: usize, out: &mut Vec<u8>) -> Result<Drained> {
        let mut drained = Drained::default();
        while drained.events < max {
            let wanted = max - drained.events;
            let received = match retry(|| sys::recv_many(self.socket.as_fd(), &mut self.slots, wanted)) {
                Ok(received) => received,
                Err(Errno::AGAIN) => {
                    drained.empty = true;
                    break;
                }
                // Told once for any number of lost events, and before those that are still queued.
                Err(Errno::NOBUFS) => {
                    drained.overrun = true;
                    continue;
                }
                Err(errno) => return Err(Error::new("receiving conntrack events", errno)),
            };
            for slot in self.slots.iter().take(received).filter(|slot| slot.is_from_kernel()) {
                if slot.is_cut() {
                    drained.overrun = true;
                } else {
                    out.extend_from_slice(slot.bytes());
                }
            }
            drained.events += received;
        }
        Ok(drained)
    }

    /// Events dropped since the socket was opened, as the kernel counts them (`SO_MEMINFO`).
    ///
    /// # Errors
    /// On kernels before 4.12.
    pub fn drops(&self) -> Result<u32> {
        sys::drops(self.socket.as_fd()).map_err(|errno| Error::new("reading dropped events", errno))
    }
}

impl AsFd for EventSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
