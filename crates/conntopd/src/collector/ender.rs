//! Ends flows, in the thread with the capability. It asks for the entry before it does anything: what
//! stands there must be the very flow that the table knew, by the kernel's id, the start time, both
//! tuples, and counters that have not fallen. Deleting then names the id that was just read, and closing
//! the cookie of a socket that was found by both its ends.

use std::net::SocketAddr;

use conntop_proto::message::{Act, Outcome};
use nfnetlink::ct::{FlowRef, L4, Requests, Tuple};
use nfnetlink::diag::{Destroyed, DiagSocket, Found, Transport};
use nfnetlink::{Error, Item, RequestSocket};
use rustix::io::Errno;

use super::orders::Done;
use crate::table::Target;

const LOOK: &str = "looking at a flow";
const FORGET: &str = "removing a conntrack entry";

/// What it takes.
#[derive(Debug, Default)]
pub(super) struct Ender {
    requests: Requests,
    /// Opened when it is needed first, in the namespace that the thread is in.
    diag: Option<DiagSocket>,
}

impl Ender {
    /// Ends a flow if it is still the one that is meant.
    pub(super) fn end(&mut self, socket: &mut RequestSocket, target: &Target, act: Act) -> Done {
        let id = match self.look(socket, target) {
            Ok(id) => id,
            Err(done) => return done,
        };
        match act {
            Act::Forget => self.forget(socket, target, id),
            Act::Close => self.close(target),
        }
    }

    /// The kernel's id of the entry, if it is that of the flow.
    fn look(&mut self, socket: &mut RequestSocket, target: &Target) -> Result<Option<u32>, Done> {
        self.requests.clear();
        self.requests.get(&target.flow);
        let mut found = Err(Done::of(Outcome::Gone));
        let asked = socket.exchange(LOOK, &mut self.requests, |answer| {
            for message in nfnetlink::messages(answer).flatten() {
                if let Item::Entry(entry) = &message.item {
                    found = match target.is_still(entry) {
                        true => Ok(entry.id.or(target.flow.id)),
                        false => Err(Done::of(Outcome::Replaced)),
                    };
                }
            }
        });
        asked.map_err(|error| failed(&error))?;
        found
    }

    fn forget(&mut self, socket: &mut RequestSocket, target: &Target, id: Option<u32>) -> Done {
        if id.is_none() {
            return Done::because(Outcome::Unsupported, "this kernel gives its entries no ids");
        }
        self.requests.clear();
        self.requests.delete(&FlowRef { id, ..target.flow });
        match socket.run(FORGET, &mut self.requests) {
            Ok(outcome) => match outcome.first_error {
                None => Done::of(Outcome::Done),
                Some((_, errno)) if errno == Errno::NOENT.raw_os_error() => Done::of(Outcome::Gone),
                Some((_, errno)) => {
                    let error = std::io::Error::from_raw_os_error(errno);
                    Done::because(Outcome::Failed, format!("{FORGET}: {error}"))
                }
            },
            Err(error) => failed(&error),
        }
    }

    fn close(&mut self, target: &Target) -> Done {
        let no = |text: &str| Done::because(Outcome::NoSocket, text);
        let transport = match target.flow.orig.proto {
            6 => Transport::Tcp,
            17 => Transport::Udp,
            _ => return no("only sockets of TCP and UDP can be closed"),
        };
        if target.flow.zone != 0 {
            return no("sockets know no zones, so it cannot be told whether one is of this flow");
        }
        let (Some(opener), Some(server)) = (ends(&target.flow.orig), ends(&target.reply)) else {
            return no("the flow has no ports");
        };
        let diag = match &mut self.diag {
            Some(diag) => diag,
            None => match DiagSocket::open() {
                Ok(diag) => self.diag.insert(diag),
                Err(error) => return failed(&error),
            },
        };
        for (local, remote) in [opener, server] {
            match diag.find(transport, local, remote) {
                Ok(Found::None) => {}
                Ok(Found::Several) => return no("several sockets have these ends"),
                Ok(Found::One(socket)) => {
                    return match diag.destroy(transport, &socket) {
                        Ok(Destroyed::Closed) => Done::of(Outcome::Done),
                        Ok(Destroyed::Gone) => no("the socket has just been closed by itself"),
                        Err(Error::Unsupported { .. }) => {
                            let text = "it was built without CONFIG_INET_DIAG_DESTROY";
                            Done::because(Outcome::Unsupported, text)
                        }
                        Err(error) => failed(&error),
                    };
                }
                Err(error) => return failed(&error),
            }
        }
        no("no connected socket of this network namespace has the flow's ends: it belongs to another \
            machine, to a container, or to a UDP service that talks to many")
    }
}

/// The ends of a flow's direction, as the socket at its source has them.
fn ends(tuple: &Tuple) -> Option<(SocketAddr, SocketAddr)> {
    match tuple.l4 {
        L4::Ports { src, dst } => Some((SocketAddr::new(tuple.src, src), SocketAddr::new(tuple.dst, dst))),
        _ => None,
    }
}

fn failed(error: &Error) -> Done {
    match error {
        Error::Denied { .. } => Done::because(Outcome::Denied, "it takes CAP_NET_ADMIN"),
        error => Done::because(Outcome::Failed, error.to_string()),
    }
}
