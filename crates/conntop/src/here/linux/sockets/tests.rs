//! Stories of sockets, and the rows that they make.

use std::net::SocketAddr;

use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::{BootMillis, EndReason, State};
use conntop_proto::tuple::L4;
use nfnetlink::ct::Family;
use nfnetlink::diag::{SocketInfo, SocketState as S, TcpInfo, Transport};

use super::doors::EPHEMERAL;
use super::table::SocketTable;

fn socket(cookie: u64, state: S, local: &str, remote: &str, bytes: Option<(u64, u64)>) -> SocketInfo {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    let (local, remote) = (address(local), address(remote));
    let short = |bytes: u64| Some(u32::try_from(bytes / 100 % (1 << 32)).unwrap());
    let tcp = bytes.map(|(acked, received)| TcpInfo {
        bytes_acked: Some(acked),
        bytes_received: Some(received),
        segs_out: short(acked),
        segs_in: short(received),
        ..TcpInfo::default()
    });
    SocketInfo {
        family: if local.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 },
        state,
        local,
        remote,
        interface: 0,
        cookie,
        uid: 0,
        inode: 1,
        receive_queue: 0,
        send_queue: 0,
        v6_only: None,
        cgroup: None,
        tcp,
    }
}

fn listening(local: &str) -> SocketInfo {
    socket(99, S::LISTEN, local, if local.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" }, None)
}

fn pass(table: &mut SocketTable, at: u64, sockets: &[SocketInfo]) -> DeltaRows {
    let mut rows = unsorted(table, at, sockets, Transport::Tcp);
    rows.sort();
    rows
}

fn unsorted(table: &mut SocketTable, at: u64, sockets: &[SocketInfo], transport: Transport) -> DeltaRows {
    table.begin(BootMillis(at), EPHEMERAL);
    for socket in sockets {
        table.observe(transport, socket);
    }
    table.finish()
}

/// `source>destination bytes/bytes` of the new rows.
fn new(rows: &DeltaRows) -> Vec<String> {
    let ports = |l4| match l4 {
        L4::Ports { src, dst } => (src, dst),
        other => panic!("{other:?}"),
    };
    let line = |row: &conntop_proto::flow::FlowRow| {
        let (src, dst) = ports(row.identity.orig.l4);
        let bytes = row.traffic.orig.zip(row.traffic.reply).map(|(o, r)| (o.bytes, r.bytes));
        format!("{}:{src}>{}:{dst} {bytes:?}", row.identity.orig.src, row.identity.orig.dst)
    };
    rows.new.iter().map(line).collect()
}

#[test]
fn who_opened_a_connection() {
    let check = |sockets: &[SocketInfo], wanted: &str| {
        let mut forward = SocketTable::new(10);
        assert_eq!(new(&pass(&mut forward, 1, sockets)), [wanted]);
        let mut reversed = sockets.to_vec();
        reversed.reverse();
        assert_eq!(new(&pass(&mut SocketTable::new(10), 1, &reversed)), [wanted], "the other way round");
    };
    let est = |local: &str, remote: &str| socket(7, S::ESTABLISHED, local, remote, Some((100, 5000)));
    // Nobody listens here.
    check(&[est("10.0.0.1:40000", "8.8.8.8:443")], "10.0.0.1:40000>8.8.8.8:443 Some((99, 5000))");
    // Somebody does: at any address, or at this one.
    let served = est("10.0.0.1:443", "8.8.8.8:50000");
    let wanted = "8.8.8.8:50000>10.0.0.1:443 Some((5000, 100))";
    check(&[listening("0.0.0.0:443"), served], wanted);
    check(&[listening("[::]:443"), served], wanted);
    check(&[listening("10.0.0.1:443"), served], wanted);
    // He has gone since, but clients have other ports.
    check(&[served], wanted);
    // A door elsewhere on this machine, or at a port that clients use on another machine, says nothing.
    check(
        &[listening("0.0.0.0:443"), est("10.0.0.1:40000", "8.8.8.8:443")],
        "10.0.0.1:40000>8.8.8.8:443 Some((99, 5000))",
    );
    check(&[est("10.0.0.1:700", "10.0.0.2:2049")], "10.0.0.1:700>10.0.0.2:2049 Some((99, 5000))");
}

#[test]
fn both_ends_here_are_one_flow() {
    let client = |acked, received| {
        socket(1, S::ESTABLISHED, "127.0.0.1:40000", "127.0.0.1:80", Some((acked, received)))
    };
    let server = |acked, received| {
        socket(2, S::ESTABLISHED, "127.0.0.1:80", "127.0.0.1:40000", Some((acked, received)))
    };
    let door = listening("127.0.0.1:80");
    for order in [[door, client(501, 300), server(300, 500)], [server(300, 500), client(501, 300), door]] {
        let mut table = SocketTable::new(10);
        let rows = pass(&mut table, 1, &order);
        assert_eq!(new(&rows), ["127.0.0.1:40000>127.0.0.1:80 Some((500, 300))"]);
        // The larger number holds, whoever tells it, and what one of them has seen stays.
        let rows = pass(&mut table, 2, &[client(501, 300), server(900, 500)]);
        assert_eq!(rows.traffic.len(), 1);
        assert_eq!(rows.traffic[0].1.reply.unwrap().bytes, 900);
        let rest = socket(1, S::TIME_WAIT, "127.0.0.1:40000", "127.0.0.1:80", None);
        let rows = pass(&mut table, 3, &[rest]);
        assert_eq!((rows.state.len(), rows.traffic.len(), rows.ended.len()), (1, 0, 0));
        assert_eq!(rows.state[0].1.state, State::TimeWait);
        let rows = pass(&mut table, 4, &[]);
        assert_eq!(rows.ended[0].traffic.reply.unwrap().bytes, 900);
        assert_eq!(rows.ended[0].reason, EndReason::Missing);
        assert_eq!(table.len(), 0);
    }
}

#[test]
fn the_same_ends_again_are_another_flow() {
    let first = socket(1, S::ESTABLISHED, "10.0.0.1:40000", "10.0.0.2:80", Some((9000, 9000)));
    let again = socket(2, S::ESTABLISHED, "10.0.0.1:40000", "10.0.0.2:80", Some((10, 10)));
    let mut table = SocketTable::new(10);
    let one = pass(&mut table, 1, &[first]).new.remove(0).identity;
    let rows = pass(&mut table, 2, &[again]);
    assert_eq!((rows.ended[0].id, rows.ended[0].reason), (one.id, EndReason::Replaced));
    let other = &rows.new[0];
    assert!(other.identity.id > one.id, "ids are never used again");
    assert!(other.identity.born && !one.born, "what appears while we look has just begun");
    assert_eq!(other.traffic.orig.unwrap().bytes, 9, "a SYN is no byte");
    // What is left of it may have another number.
    let rest = socket(3, S::TIME_WAIT, "10.0.0.1:40000", "10.0.0.2:80", None);
    let rows = pass(&mut table, 3, &[rest]);
    assert_eq!((rows.new.len(), rows.ended.len(), rows.state[0].1.state), (0, 0, State::TimeWait));
}

#[test]
fn totals_never_fall_and_packets_go_on_when_the_kernel_begins_anew() {
    let mut table = SocketTable::new(10);
    let mut at = 0;
    let mut packets = |acked: u64| {
        at += 1;
        let one = socket(1, S::ESTABLISHED, "10.0.0.1:40000", "10.0.0.2:80", Some((acked, 0)));
        let rows = pass(&mut table, at, &[one]);
        let traffic = rows.new.first().map(|row| row.traffic).or(rows.traffic.first().map(|row| row.1));
        traffic.map(|traffic| (traffic.orig.unwrap().packets, traffic.orig.unwrap().bytes))
    };
    let wrap = 100 << 32;
    assert_eq!(packets(wrap - 200), Some(((1 << 32) - 2, wrap - 201)));
    assert_eq!(packets(wrap + 300), Some(((1 << 32) + 3, wrap + 299)));
    assert_eq!(packets(wrap + 300), None, "nothing is told twice");
}

/// `bytes_acked` and `bytes_received` count sequence numbers.
#[test]
fn a_syn_and_a_fin_are_no_bytes() {
    let check = |state, acked, received, wanted: (u64, u64)| {
        let one = socket(1, state, "10.0.0.1:40000", "10.0.0.2:80", Some((acked, received)));
        let traffic = pass(&mut SocketTable::new(5), 1, &[one]).new[0].traffic;
        assert_eq!((traffic.orig.unwrap().bytes, traffic.reply.unwrap().bytes), wanted, "{state:?}");
    };
    check(S::SYN_SENT, 0, 0, (0, 0));
    check(S::ESTABLISHED, 1, 0, (0, 0));
    check(S::FIN_WAIT1, 101, 50, (100, 50));
    check(S::FIN_WAIT2, 102, 50, (100, 50));
    check(S::CLOSE_WAIT, 101, 51, (100, 50));
    check(S::LAST_ACK, 101, 51, (100, 50));
    check(S::CLOSING, 101, 51, (100, 50));
}

#[test]
fn udp_has_no_counters_and_no_state() {
    let connected = socket(1, S::ESTABLISHED, "10.0.0.1:40000", "10.0.0.2:53", None);
    let waiting = socket(2, S::CLOSE, "0.0.0.0:53", "0.0.0.0:0", None);
    let rows = unsorted(&mut SocketTable::new(10), 1, &[connected, waiting], Transport::Udp);
    assert_eq!(new(&rows), ["10.0.0.1:40000>10.0.0.2:53 None"]);
    assert_eq!(rows.new[0].state.state, State::Unknown);
}

#[test]
fn there_is_a_most() {
    let many: Vec<_> = (1..=9_u16)
        .map(|n| socket(n.into(), S::ESTABLISHED, &format!("10.0.0.1:{n}"), "10.0.0.2:80", Some((1, 1))))
        .collect();
    let mut table = SocketTable::new(5);
    assert_eq!(pass(&mut table, 1, &many).new.len(), 5);
    assert!(table.truncated());
    let rows = pass(&mut table, 2, &many[..5]);
    assert!(rows.is_empty() && !table.truncated(), "{rows:?}");
}

/// A pass that broke off says nothing of those that it has not seen.
#[test]
fn only_a_whole_pass_ends_flows() {
    let one = socket(1, S::ESTABLISHED, "10.0.0.1:40000", "10.0.0.2:80", Some((1, 1)));
    let mut table = SocketTable::new(5);
    pass(&mut table, 1, &[one]);
    table.begin(BootMillis(2), EPHEMERAL);
    assert!(pass(&mut table, 3, &[one]).is_empty());
}
