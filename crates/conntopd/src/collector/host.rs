//! The collector's place in the network: own addresses, networks on its links, names of interfaces; and
//! whom it knows there.

use conntop_proto::limits::{MAX_ARRAY, MAX_SERVER_LINE};
use conntop_proto::message::{Host, HostAddress, Interface, Mac, Neighbour};
use conntop_proto::text;
use nfnetlink::ct::Family;
use nfnetlink::route::RouteSocket;
use serde::Serialize;

use super::known::{Knowledge, Known};

/// Most of each kind that are told of the place: the limit of the wire, with room in the line.
const MOST: usize = MAX_ARRAY / 8;
/// Of the line, for what stands around.
pub(super) const FRAME: usize = 256;

/// What a collector that knows this would tell of the calling thread's namespace.
///
/// # Errors
/// When the kernel refuses.
pub fn read_host(knowledge: &Knowledge) -> nfnetlink::Result<Host> {
    read(&mut Known::new(knowledge))
}

/// Reads it in the calling thread's namespace.
pub(super) fn read(known: &mut Known) -> nfnetlink::Result<Host> {
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
    let mut host = Host { addresses, networks, interfaces, ..Host::default() };
    if known.is_told() {
        host.neighbours = neighbours(&mut socket)?;
        host.names = known.names(&host.neighbours);
        fit(&mut host);
    }
    Ok(host)
}

fn neighbours(socket: &mut RouteSocket) -> nfnetlink::Result<Vec<Neighbour>> {
    let mut all: Vec<_> = socket
        .neighbours()?
        .into_iter()
        .map(|n| Neighbour { address: n.addr, mac: Mac(n.mac), interface: n.link })
        .collect();
    all.sort();
    // One address on two links is two hosts; which of them a flow means is not known.
    all.dedup_by_key(|neighbour| neighbour.address);
    Ok(all)
}

/// Leaves out what the line has no room for: names may take three quarters of what the place leaves,
/// neighbours the rest.
fn fit(host: &mut Host) {
    let place = [size(&host.addresses), size(&host.networks), size(&host.interfaces)];
    let room = MAX_SERVER_LINE.saturating_sub(FRAME + place.iter().sum::<usize>());
    let before = host.names.len() + host.neighbours.len();
    let names = keep(&mut host.names, room / 4 * 3);
    keep(&mut host.neighbours, room - names);
    let after = host.names.len() + host.neighbours.len();
    host.left_out = u32::try_from(before - after).unwrap_or(u32::MAX);
}

/// Keeps as many as there is room for; gives what they take.
pub(super) fn keep<T: Serialize>(all: &mut Vec<T>, room: usize) -> usize {
    let mut taken = 0;
    let fits = |one: &T| {
        taken += size(one) + 1;
        taken <= room
    };
    let many = all.iter().take(MAX_ARRAY).take_while({
        let mut fits = fits;
        move |one| fits(one)
    });
    let many = many.count();
    all.truncate(many);
    size(all)
}

/// Bytes on the wire.
fn size<T: Serialize>(value: &T) -> usize {
    serde_json::to_vec(value).map_or(MAX_SERVER_LINE, |bytes| bytes.len())
}

#[cfg(test)]
mod tests {
    use super::fit;
    use conntop_proto::codec::{Validate, decode_line, encode_line};
    use conntop_proto::message::{Host, HostName, Mac, NameOrigin, Neighbour, ServerMessage};

    /// How many (names, neighbours) are kept of so many, with names of this length.
    #[track_caller]
    fn check(names: u32, neighbours: u32, length: usize, kept: impl Fn(usize, usize) -> bool) {
        let address = |n: u32| std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into();
        let name = |n| HostName { address: address(n), name: "\"".repeat(length), from: NameOrigin::Dnsmasq };
        let neighbour = |n| Neighbour { address: address(n), mac: Mac([1; 6]), interface: 12 };
        let mut host = Host {
            names: (0..names).map(name).collect(),
            neighbours: (0..neighbours).map(neighbour).collect(),
            ..Host::default()
        };
        fit(&mut host);
        let (names, neighbours) = (names as usize, neighbours as usize);
        let left = names + neighbours - host.names.len() - host.neighbours.len();
        assert_eq!(host.left_out as usize, left);
        assert!(
            kept(host.names.len(), host.neighbours.len()),
            "{} {}",
            host.names.len(),
            host.neighbours.len()
        );
        let mut line = Vec::new();
        let message = ServerMessage::Host(host);
        encode_line(&message, &mut line).unwrap();
        assert_eq!(decode_line::<ServerMessage>(&line, Validate::All).unwrap(), message);
    }

    #[test]
    fn a_line_holds_what_is_told() {
        check(0, 0, 5, |names, neighbours| (names, neighbours) == (0, 0));
        check(700, 500, 5, |names, neighbours| (names, neighbours) == (700, 500));
        check(5000, 0, 5, |names, _| names > 1200);
        check(0, 5000, 5, |_, neighbours| neighbours > 1700);
        check(5000, 5000, 5, |names, neighbours| names > 1200 && neighbours > 400);
        check(5000, 5000, 255, |names, neighbours| names > 150 && neighbours > 400);
    }
}
