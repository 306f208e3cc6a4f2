//! What any user may ask the kernel: interfaces, addresses, routes, sysctls.

use std::collections::HashSet;

use nfnetlink::ct::Family;
use nfnetlink::facts::Facts;
use nfnetlink::netns::{self, Netns};
use nfnetlink::route::RouteSocket;

#[test]
fn addresses_and_routes_belong_to_links() {
    let mut socket = RouteSocket::open().unwrap();
    let links = socket.links().unwrap();
    assert!(links.iter().any(|link| link.is_loopback() && link.name == b"lo"), "{links:?}");
    let indexes: HashSet<u32> = links.iter().map(|link| link.index).collect();
    for address in socket.addresses().unwrap() {
        assert!(indexes.contains(&address.link), "{address:?}");
        assert!(address.prefix <= if address.addr.is_ipv4() { 32 } else { 128 }, "{address:?}");
    }
    for neighbour in socket.neighbours().unwrap() {
        assert!(indexes.contains(&neighbour.link), "{neighbour:?}");
        assert_ne!(neighbour.mac, [0; 6], "{neighbour:?}");
    }
    for family in [Family::Any, Family::Ipv4, Family::Ipv6] {
        for route in socket.routes(family).unwrap() {
            assert!(family == Family::Any || family == Family::of(route.dst), "{family:?} {route:?}");
            assert!(
                !route.is_on_link() || route.link.is_some_and(|link| indexes.contains(&link)),
                "{route:?}"
            );
        }
    }
}

#[test]
fn facts_belong_together() {
    let facts = Facts::read();
    assert_eq!(facts.available(), facts.max.is_some() || facts.count.is_some());
    assert!(facts.available() || facts == Facts::default(), "{facts:?}");
}

#[test]
fn namespaces_as_users_name_them() {
    let cases = [
        ("12", Netns::Pid(12)),
        ("lan", Netns::Name("lan".into())),
        ("12a", Netns::Name("12a".into())),
        ("/run/netns/lan", Netns::Path("/run/netns/lan".into())),
        ("./12", Netns::Path("./12".into())),
    ];
    for (text, wanted) in cases {
        assert_eq!(text.parse(), Ok(wanted));
    }
    let before = netns::identity().unwrap();
    let error = Netns::Name("no-such-namespace".into()).enter().unwrap_err();
    assert!(error.to_string().starts_with("network namespace no-such-namespace: /run/netns/"), "{error}");
    assert_eq!(netns::identity().unwrap(), before);
}
