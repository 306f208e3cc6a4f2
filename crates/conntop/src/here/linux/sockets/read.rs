//! What is asked of the kernel: the sockets of TCP and UDP, and this machine's addresses.

use std::fs;
use std::ops::{ControlFlow, RangeInclusive};

use nfnetlink::Result;
use nfnetlink::ct::Family;
use nfnetlink::diag::{Counts, DiagSocket, Query, States, Transport};

use super::doors::EPHEMERAL;
use super::table::SocketTable;

/// Kinds of sockets: listening ones too, as they tell who opened a connection. Those of UDP that are not
/// connected are what listening is for TCP.
const QUERIES: [Query; 4] = [
    query(Family::Ipv4, Transport::Tcp),
    query(Family::Ipv6, Transport::Tcp),
    query(Family::Ipv4, Transport::Udp),
    query(Family::Ipv6, Transport::Udp),
];

const fn query(family: Family, transport: Transport) -> Query {
    match transport {
        Transport::Tcp => {
            let states = States::CONNECTIONS.and(States::LISTENING);
            Query { family, transport, states, counts: Counts::Tcp }
        }
        Transport::Udp => Query { family, transport, states: States::ALL, counts: Counts::Without },
    }
}

/// Asks for sockets of the namespace in which it was opened.
#[derive(Debug)]
pub(super) struct Reader {
    diag: DiagSocket,
    /// Kinds that this kernel cannot list are not asked for again.
    queries: Vec<Query>,
}

impl Reader {
    /// # Errors
    /// If the kernel cannot list sockets.
    pub(super) fn open() -> Result<Self> {
        Ok(Self { diag: DiagSocket::open()?, queries: QUERIES.to_vec() })
    }

    /// Shows the table every socket there is.
    ///
    /// # Errors
    /// If the kernel lists no kind of sockets, or breaks off: then the table has not seen all.
    pub(super) fn read(&mut self, table: &mut SocketTable) -> Result<()> {
        let Self { diag, queries } = self;
        let mut unknown = Vec::new();
        for query in &*queries {
            let read = diag.dump(query, |socket| {
                table.observe(query.transport, socket);
                ControlFlow::Continue(())
            });
            match read {
                Ok(_) => {}
                Err(error) if error.errno() == Some(ENOENT) && unknown.len() + 1 < queries.len() => {
                    unknown.push(*query);
                }
                Err(error) => return Err(error),
            }
        }
        queries.retain(|query| !unknown.contains(query));
        Ok(())
    }
}

/// Without this part of sock_diag.
const ENOENT: i32 = 2;

/// Ports that the kernel gives to those who open connections, in the calling thread's namespace.
pub(super) fn ephemeral() -> RangeInclusive<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut numbers = text.split_ascii_whitespace().map_while(|number| number.parse::<u16>().ok());
    numbers.next().zip(numbers.next()).map_or(EPHEMERAL, |(least, most)| least..=most)
}
