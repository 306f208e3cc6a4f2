//! The collector's place in the network: own addresses, networks on its links, names of interfaces.

use conntop_proto::limits::MAX_ARRAY;
use conntop_proto::message::{Host, HostAddress, Interface};
use conntop_proto::text;
use nfnetlink::ct::Family;
use nfnetlink::route::RouteSocket;

/// Most of each kind that are told: the limit of the wire, with room in the line.
const MOST: usize = MAX_ARRAY / 8;

/// Reads it in the calling thread's namespace.
pub(super) fn read() -> nfnetlink::Result<Host> {
    let mut socket = RouteSocket::open()?;
    let mut addresses: Vec<_> = socket
        .addresses()?
        .into_iter()
        .map(|a| HostAddress { address: a.addr, prefix: a.prefix, interface: a.link })
        .collect();
    let routes = socket.routes(Family::Any)?;
    let on_link = routes.iter().filter(|route| route.is_on_link());
    let mut networks: Vec<_> = on_link.map(|route| format!("{}/{}", route.dst, route.prefix)).collect();
    let mut interfaces: Vec<_> = socket
        .links()?
        .into_iter()
        .map(|link| Interface { index: link.index, name: text::sanitize_bytes(&link.name) })
        .collect();
    addresses.sort_by_key(|a| (a.interface, a.address));
    networks.sort();
    networks.dedup();
    interfaces.sort_by_key(|i| i.index);
    addresses.truncate(MOST);
    networks.truncate(MOST);
    interfaces.truncate(MOST);
    Ok(Host { addresses, networks, interfaces, ..Host::default() })
}
