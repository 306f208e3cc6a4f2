//! Entries without packets: batched creates and deletes over ctnetlink.
//!
//! About 3 us each, so that a million takes seconds. What is made is a [`Plan`]'s business and
//! depends on nothing but its seed.

mod limit;
mod plan;

use std::ops::Range;
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nfnetlink::ct::{FlowRef, Requests};
use nfnetlink::{Item, messages};
use rustix::io::Errno;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, bind, recv, sendto, socket};

pub use limit::TableLimit;
pub use plan::{Mix, Plan};

use crate::netns::Namespace;

/// Requests per datagram: about 30 KiB, far below the send buffer, and enough to make the system
/// calls vanish.
const BATCH: usize = 128;
/// The kernel answers within the call, so this only ends a wait for a lost answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes for answers: an error is 36.
const BUFFER: usize = 64 * 1024;

/// What a run of requests came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Done.
    pub done: usize,
    /// Refused because it was there already (creates), or was not there any more (deletes).
    pub moot: usize,
}

/// A socket that makes and removes entries of one namespace.
#[derive(Debug)]
pub struct Injector {
    socket: OwnedFd,
    requests: Requests,
    buffer: Vec<u8>,
}

impl Injector {
    /// Opens the socket in the namespace.
    ///
    /// # Errors
    /// When the kernel has no ctnetlink.
    pub fn new(namespace: &Namespace) -> Result<Self> {
        let socket = namespace.run(|| {
            let socket = socket(AddressFamily::NETLINK, SocketType::RAW, Some(NETFILTER))?;
            bind(&socket, &SocketAddrNetlink::new(0, 0))?;
            set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
            Ok(socket)
        });
        let socket = socket.context("opening a ctnetlink socket")?;
        Ok(Injector { socket, requests: Requests::new(), buffer: vec![0; BUFFER] })
    }

    /// Makes these flows of the plan.
    ///
    /// # Errors
    /// When the kernel refuses one for another reason than that it exists.
    pub fn create(&mut self, plan: &Plan, flows: Range<u32>) -> Result<Tally> {
        self.batches(flows, "creating", |requests, index| requests.create(&plan.flow(index)))
    }

    /// Removes these flows of the plan, whoever made them.
    ///
    /// # Errors
    /// When the kernel refuses one for another reason than that it is gone.
    pub fn delete(&mut self, plan: &Plan, flows: Range<u32>) -> Result<Tally> {
        self.batches(flows, "deleting", |requests, index| {
            let flow = plan.flow(index);
            requests.delete(&FlowRef { orig: flow.orig, zone: flow.zone.unwrap_or(0), id: None })
        })
    }

    fn batches(
        &mut self,
        flows: Range<u32>,
        doing: &'static str,
        mut add: impl FnMut(&mut Requests, u32) -> u32,
    ) -> Result<Tally> {
        let mut tally = Tally::default();
        let end = flows.end;
        let mut next = flows.start;
        while next < end {
            self.requests.clear();
            let first = next;
            while next < end && self.requests.len() < BATCH {
                add(&mut self.requests, next);
                next += 1;
            }
            self.exchange(&mut tally).with_context(|| format!("{doing} the flows {first}..{next}"))?;
        }
        Ok(tally)
    }

    /// Sends the batch, and reads until its last request is answered.
    fn exchange(&mut self, tally: &mut Tally) -> Result<()> {
        self.requests.ack_last();
        let kernel = SocketAddrNetlink::new(0, 0);
        sendto(&self.socket, self.requests.as_bytes(), SendFlags::empty(), &kernel).context("sending")?;
        let last = self.requests.last_seq();
        let mut refused = 0;
        let mut answered = false;
        while !answered {
            let length = match recv(&self.socket, self.buffer.as_mut_slice(), RecvFlags::empty()) {
                Ok((_, length)) => length,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error).context("waiting for the answer"),
            };
            for message in messages(self.buffer.get(..length).unwrap_or_default()) {
                let message = message?;
                answered |= message.header.seq == last;
                match message.item {
                    Item::Ack => {}
                    Item::Error { errno } if is_moot(errno) => refused += 1,
                    Item::Error { errno } => {
                        bail!("the kernel says: {}", std::io::Error::from_raw_os_error(errno))
                    }
                    other => bail!("an unexpected answer: {other:?}"),
                }
            }
        }
        tally.moot += refused;
        tally.done += self.requests.len() - refused;
        Ok(())
    }
}

fn is_moot(errno: i32) -> bool {
    errno == Errno::EXIST.raw_os_error() || errno == Errno::NOENT.raw_os_error()
}
