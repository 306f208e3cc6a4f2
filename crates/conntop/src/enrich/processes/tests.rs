//! Looking up by both tuples.

use conntop_proto::tuple::{L4, Proto, Tuple};

use super::*;

const CONTAINER: Space = Space::BASE.next();
const OTHER: Space = CONTAINER.next();

fn process(name: &str, pid: u32) -> Process {
    Process {
        pid: Some(pid),
        name: Some(name.to_owned()),
        user: "root".to_owned(),
        uid: 0,
        unit: Fact::Absent,
        command: Some(name.to_owned()),
    }
}

/// `SPACE PROTO LOCAL [REMOTE]`
pub(crate) fn key(text: &str) -> Key {
    let mut words = text.split(' ');
    let space = match words.next().unwrap() {
        "base" => Space::BASE,
        "container" => CONTAINER,
        "other" => OTHER,
        space => panic!("{space}"),
    };
    let proto = Proto::from_name(words.next().unwrap()).unwrap();
    let local = words.next().unwrap().parse().unwrap();
    match words.next() {
        Some(remote) => Key::connected(space, proto, local, remote.parse().unwrap()),
        None => Key::bound(space, proto, local),
    }
}

/// `SOURCE>DESTINATION`
fn tuple(proto: &str, text: &str) -> Tuple {
    let proto = Proto::from_name(proto).unwrap();
    let (src, dst) = text.split_once('>').unwrap();
    let (src, dst): (SocketAddr, SocketAddr) = (src.parse().unwrap(), dst.parse().unwrap());
    let l4 = match proto {
        Proto::ICMP => L4::Icmp { id: src.port(), ty: 8, code: 0 },
        _ => L4::Ports { src: src.port(), dst: dst.port() },
    };
    Tuple { src: src.ip(), dst: dst.ip(), proto, l4 }
}

fn machine(hidden: Hidden) -> Processes {
    let sockets = [
        ("curl", "base tcp 198.51.100.1:40000 1.1.1.1:443"),
        ("sshd", "base tcp [::]:22"),
        ("sshd-session", "base tcp 198.51.100.1:22 203.0.113.9:50000"),
        ("mapped", "base tcp [::ffff:198.51.100.1]:8080 [::ffff:203.0.113.9]:50001"),
        ("haproxy", "base tcp 192.0.2.77:80 203.0.113.9:50002"),
        ("unbound", "base udp 198.51.100.1:53"),
        ("dnsmasq", "base udp 0.0.0.0:53"),
        ("chrony", "base udp 0.0.0.0:40123"),
        ("quic", "base udp 198.51.100.1:41000 1.1.1.1:443"),
        ("avahi", "base udp 0.0.0.0:5353"),
        ("wireguard", "base udp [::]:51820"),
        ("postgres", "base tcp 127.0.0.1:5432"),
        ("psql", "base tcp 127.0.0.1:33333 127.0.0.1:5432"),
        ("wget", "container tcp 172.17.0.2:44444 1.1.1.1:80"),
        ("nginx", "container tcp 0.0.0.0:80"),
        ("nginx-worker", "container tcp 172.17.0.2:80 203.0.113.9:50003"),
        ("resolver", "container udp 0.0.0.0:40555"),
        ("inner", "container tcp 127.0.0.1:33334 127.0.0.1:5432"),
        ("twin-a", "container tcp 10.9.9.9:1000 1.1.1.1:80"),
        ("twin-b", "other tcp 10.9.9.9:1000 1.1.1.1:80"),
        ("v6", "base tcp [2001:db8::1]:40000 [2001:db8::2]:443"),
    ];
    let ids = || (1..).map(ProcessId);
    let processes = sockets.iter().zip(ids()).map(|((name, _), id)| (id, process(name, id.0))).collect();
    let sockets = sockets.iter().zip(ids()).map(|((_, text), id)| (key(text), id)).collect();
    let address = |text: &str, space| (text.parse().unwrap(), space);
    let addresses = vec![
        address("198.51.100.1", Space::BASE),
        address("2001:db8::1", Space::BASE),
        address("172.17.0.1", Space::BASE),
        address("172.17.0.2", CONTAINER),
        address("10.9.9.9", CONTAINER),
        address("10.9.9.9", OTHER),
    ];
    let mut all = Processes::default();
    all.learn(Seen { processes, sockets, addresses: Some(addresses), hidden, ..Seen::default() });
    all
}

fn word(fact: Fact<&Process>) -> String {
    match fact {
        Fact::Known(process) => process.name.clone().unwrap_or_default(),
        Fact::Unknown => "?".to_owned(),
        Fact::Absent => "-".to_owned(),
    }
}

/// `orig` and `reply` as `SOURCE>DESTINATION`; no reply is the inverse.
#[track_caller]
fn check(all: &Processes, proto: &str, orig: &str, reply: &str, expected: &str) {
    let orig = tuple(proto, orig);
    let reply = if reply.is_empty() { orig.inverse() } else { tuple(proto, reply) };
    let [opener, server] = all.ends(&orig, &reply).map(word);
    assert_eq!(word(all.of(&orig, &reply)), expected, "{orig:?} {reply:?}: {opener} {server}");
}

#[test]
fn whose_a_flow_is() {
    let all = machine(Hidden::default());
    for (proto, orig, reply, expected) in [
        // Both directions, listening, mapped, transparent, IPv6.
        ("tcp", "198.51.100.1:40000>1.1.1.1:443", "", "curl"),
        ("tcp", "203.0.113.9:50000>198.51.100.1:22", "", "sshd-session"),
        ("tcp", "203.0.113.9:59999>198.51.100.1:22", "", "sshd"),
        ("tcp", "203.0.113.9:50001>198.51.100.1:8080", "", "mapped"),
        ("tcp", "203.0.113.9:50002>192.0.2.77:80", "", "haproxy"),
        ("tcp", "[2001:db8::1]:40000>[2001:db8::2]:443", "", "v6"),
        ("tcp", "[2001:db8::9]:50000>[2001:db8::1]:22", "", "sshd"),
        // Ours, but nobody's any more; a port that is served is no source of connections.
        ("tcp", "198.51.100.1:40009>1.1.1.1:443", "", "?"),
        ("tcp", "198.51.100.1:22>1.1.1.1:443", "", "?"),
        // UDP: connected, bound to an address, to none.
        ("udp", "198.51.100.1:41000>1.1.1.1:443", "", "quic"),
        ("udp", "203.0.113.9:5000>198.51.100.1:53", "", "unbound"),
        ("udp", "172.17.0.2:5000>172.17.0.1:53", "", "dnsmasq"),
        ("udp", "198.51.100.1:40123>1.1.1.1:123", "", "chrony"),
        ("udp", "203.0.113.9:9>198.51.100.1:51820", "", "wireguard"),
        ("udp", "203.0.113.9:5353>224.0.0.251:5353", "", "avahi"),
        ("udp", "198.51.100.1:49999>1.1.1.1:53", "", "?"),
        // Nobody here, whoever listens on the same port.
        ("udp", "192.168.1.5:5000>8.8.8.8:53", "8.8.8.8:53>198.51.100.1:5000", "-"),
        ("tcp", "192.168.1.5:5000>8.8.8.8:22", "", "-"),
        ("tcp", "[fd00::5]:5000>[2001:db8::2]:22", "", "-"),
        // This machine itself, and what containers say to themselves.
        ("tcp", "127.0.0.1:33333>127.0.0.1:5432", "", "psql"),
        ("tcp", "127.0.0.1:33334>127.0.0.1:5432", "", "postgres"),
        // Containers: masqueraded, published, both ends here.
        ("tcp", "172.17.0.2:44444>1.1.1.1:80", "1.1.1.1:80>198.51.100.1:44444", "wget"),
        ("tcp", "203.0.113.9:50003>198.51.100.1:8000", "172.17.0.2:80>203.0.113.9:50003", "nginx-worker"),
        ("tcp", "203.0.113.9:50004>198.51.100.1:8000", "172.17.0.2:80>203.0.113.9:50004", "nginx"),
        ("udp", "172.17.0.2:40555>172.17.0.1:53", "", "resolver"),
        ("tcp", "172.17.0.2:44445>1.1.1.1:80", "1.1.1.1:80>198.51.100.1:44445", "?"),
        // Two that cannot be told apart.
        ("tcp", "10.9.9.9:1000>1.1.1.1:80", "", "?"),
        // No sockets with these ends.
        ("icmp", "198.51.100.1:7>1.1.1.1:0", "1.1.1.1:7>198.51.100.1:0", "?"),
        ("icmp", "192.168.1.5:7>1.1.1.1:0", "1.1.1.1:7>192.168.1.5:0", "-"),
        ("sctp", "198.51.100.1:40000>1.1.1.1:443", "", "?"),
        ("gre", "192.168.1.5:1>1.1.1.1:1", "", "-"),
    ] {
        check(&all, proto, orig, reply, expected);
    }
}

#[test]
fn what_may_be_in_a_namespace_that_nobody_sees_is_unknown() {
    let all = machine(Hidden { spaces: true, others: false });
    check(&all, "tcp", "192.168.1.5:5000>8.8.8.8:443", "", "?");
    check(&all, "tcp", "198.51.100.1:40000>1.1.1.1:443", "", "curl");
    check(&Processes::default(), "tcp", "192.168.1.5:5000>8.8.8.8:443", "", "?");
}

#[test]
fn both_ends_of_a_flow_are_told_apart() {
    let all = machine(Hidden::default());
    let orig = tuple("tcp", "127.0.0.1:33333>127.0.0.1:5432");
    assert_eq!(all.ends(&orig, &orig.inverse()).map(word), ["psql", "postgres"]);
    let orig = tuple("tcp", "198.51.100.1:40000>1.1.1.1:443");
    assert_eq!(all.ends(&orig, &orig.inverse()).map(word), ["curl", "-"]);
}

#[test]
fn parts_say_the_same() {
    let sockets: Vec<_> = (0..10).map(|n| (key(&format!("base tcp 1.1.1.1:{n}")), ProcessId(n))).collect();
    let processes = vec![(ProcessId(1), process("one", 1))];
    let hidden = Hidden { others: true, spaces: false };
    let left = vec![ProcessId(7)];
    let whole = Seen { sockets: sockets.clone(), processes, left, hidden, ..Seen::default() };
    let parts: Vec<Seen> = whole.parts(4).collect();
    assert!(parts.iter().all(|part| part.sockets.len() <= 4 && part.hidden == hidden), "{parts:?}");
    let together: Vec<_> = parts.iter().flat_map(|part| part.sockets.clone()).collect();
    assert_eq!(together, sockets);
    assert_eq!(parts.last().map(|part| part.left.clone()), Some(vec![ProcessId(7)]));
    assert_eq!(Seen::default().parts(4).collect::<Vec<_>>(), [Seen::default()]);
}
