//! Groups by data: which there are, what they sum up to, in which order, and that the filter of each
//! shows exactly its flows.

use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::{BootMillis, FlowRow, State, Status};
use conntop_proto::message::{Host, HostAddress};
use conntop_proto::tuple::{L4, Proto};
use hashbrown::HashSet;

use super::part::Part;
use super::{GroupSort, Grouping, Groups, KEYS, MOST_GROUPS, Query, words};
use crate::enrich::Enricher;
use crate::enrich::geo::Geo;
use crate::enrich::names::Names;
use crate::enrich::services::Services;
use crate::filter::{Filter, Tri};
use crate::flow::testing::{World, check_page, ended, flow, traffic};
use crate::flow::{FlowKey, Source};
use crate::orient::LocalNets;
use crate::view::Motion;

/// A router with flows of two hosts of the LAN, DNS without counters, a ping, one to a forwarded port, one
/// that passes by, and one of a protocol without ports.
fn world() -> World {
    let addresses = ["192.168.1.1", "203.0.113.1"]
        .map(|a| HostAddress { address: a.parse().unwrap(), prefix: 24, interface: 1 })
        .to_vec();
    let mut world = World::default();
    world.place(LocalNets::from_host(&Host { addresses, ..Host::default() }));
    let masqueraded = |id, src: &str, dst: &str, port| {
        let mut row = flow(id, src, dst);
        row.identity.reply.dst = "203.0.113.1".parse().unwrap();
        row.identity.reply.l4 = L4::Ports { src: port, dst: 40_000 };
        row.state.status = Status(0x1e);
        row
    };
    let udp = |mut row: FlowRow| {
        row.identity.orig.proto = Proto::UDP;
        row.identity.reply.proto = Proto::UDP;
        row.state.state = State::Unreplied;
        row
    };
    let mut rows = vec![
        masqueraded(1, "192.168.1.5:40000", "93.184.216.34:443", 443),
        masqueraded(2, "192.168.1.5:40001", "93.184.216.35:443", 443),
        masqueraded(3, "192.168.1.6:40002", "93.184.216.34:9999", 9999),
        udp(flow(4, "192.168.1.6:5000", "8.8.8.8:53")),
        flow(5, "192.168.1.5:0", "8.8.8.8:0"),
        flow(6, "8.8.4.4:1234", "203.0.113.1:8443"),
        flow(7, "[2001:db8::1]:2222", "[2001:db8:1::2]:443"),
        flow(8, "198.51.100.1:0", "198.51.100.9:0"),
    ];
    for (row, bytes) in rows.iter_mut().zip([10_000, 20_000, 5_000]) {
        row.identity.born = true;
        row.identity.first_seen = BootMillis(1_000);
        row.traffic = traffic(bytes, 2 * bytes, 500);
        row.meta.mark = 0x10;
    }
    rows[4].identity.orig.proto = Proto::ICMP;
    rows[4].identity.orig.l4 = L4::Icmp { id: 7, ty: 8, code: 0 };
    rows[4].identity.reply = rows[4].identity.orig.inverse();
    rows[5].identity.reply.src = "192.168.1.10".parse().unwrap();
    rows[5].identity.reply.l4 = L4::Ports { src: 443, dst: 1234 };
    rows[5].state.state = State::TimeWait;
    rows[5].state.status = Status(0x2e);
    rows[6].state.state = State::Unknown;
    rows[6].identity.zone = 7;
    rows[7].identity.orig.proto = Proto(99);
    rows[7].identity.orig.l4 = L4::None;
    rows[7].identity.reply = rows[7].identity.orig.inverse();
    world.pass(DeltaRows { new: rows, ..DeltaRows::default() });
    let moved = [(1, 30_000), (2, 120_000), (3, 15_000)];
    let traffic =
        moved.map(|(id, bytes)| (conntop_proto::flow::FlowId(id), traffic(bytes, 2 * bytes, 1_500))).to_vec();
    world.pass(DeltaRows { traffic, ..DeltaRows::default() });
    world
}

fn known() -> Enricher {
    Enricher::new(Geo::default(), Names::default(), Services::default())
}

fn query(keys: &str, sort: &str, filter: &str) -> Query {
    let grouping: Grouping = keys.parse().unwrap();
    Query {
        filter: (!filter.is_empty()).then(|| Filter::parse(filter).unwrap()),
        hide_internal: false,
        hide_own: false,
        grouping,
        sort: GroupSort::parse(sort, &grouping).unwrap(),
        motion: Motion::Live,
    }
}

/// `name flows` of each group, in order.
fn shown(groups: &mut Groups) -> Vec<String> {
    let grouping = groups.grouping().unwrap();
    let name = |parts: &[super::Kept; 2]| {
        grouping.keys().zip(parts).map(|(_, part)| words(part)).collect::<Vec<_>>().join(" ")
    };
    groups.rows(0, 100).map(|group| format!("{} {}", name(group.parts()), group.tally.flows)).collect()
}

#[test]
fn flows_are_put_into_groups() {
    let (world, known) = (world(), known());
    let source = Source { known: &known, ..world.source() };
    let check = |keys: &str, sort: &str, filter: &str, wanted: &[&str], overlap: bool| {
        let mut groups = Groups::default();
        groups.refresh(&[source], &query(keys, sort, filter));
        assert_eq!(shown(&mut groups), wanted, "{keys} {sort} {filter}");
        assert_eq!(groups.overlap(), overlap, "{keys}");
    };
    let local: &[&str] =
        &["192.168.1.5 3", "192.168.1.6 2", "192.168.1.10 1", "198.51.100.1 1", "2001:db8::1 1"];
    check("local", "flows", "", local, false);
    check("local", "up", "up > 0Mbit", &["192.168.1.5 2", "192.168.1.6 1"], false);
    check("local", "up:asc", "up > 0Mbit", &["192.168.1.6 1", "192.168.1.5 2"], false);
    check("proto", "name", "", &["icmp 1", "tcp 5", "udp 1", "99 1"], false);
    check("proto", "proto:desc", "", &["99 1", "udp 1", "tcp 5", "icmp 1"], false);
    check("service", "name", "", &["domain 1", "https 3", "https-alt 1", "tcp/9999 1", "(none) 2"], false);
    check("state", "flows", "", &["EST 5", "TIMEW 1", "UNREP 1", "(unknown) 1"], false);
    check(
        "host",
        "flows",
        "dport 443",
        &["192.168.1.5 2", "93.184.216.34 1", "93.184.216.35 1", "2001:db8::1 1", "2001:db8:1::2 1"],
        true,
    );
    check("port", "flows", "proto udp", &["53 1", "5000 1"], true);
    check("nataddr", "flows", "", &["(none) 4", "203.0.113.1 3", "192.168.1.10 1"], false);
    check("net24", "flows", "proto tcp", &["93.184.216.0/24 3", "8.8.4.0/24 1", "2001:db8:1::/64 1"], false);
    check("zone", "flows", "", &["0 7", "7 1"], false);
    check("mark", "name", "", &["0x0 5", "0x10 3"], false);
    check(
        "dir,proto",
        "flows",
        "proto {tcp, udp}",
        &["out tcp 3", "in tcp 1", "out udp 1", "transit tcp 1"],
        false,
    );
    check("process", "flows", "", &["(unknown) 8"], false);
    check("backend", "flows", "", &["(none) 7", "192.168.1.10 1"], false);
}

#[test]
fn sums_count_what_is_known_and_each_flow_once() {
    let world = world();
    let mut groups = Groups::default();
    groups.refresh(&[world.source()], &query("host", "rate", ""));
    let total = *groups.total();
    assert_eq!((total.flows, total.begun, total.pace, total.rated), (8, 3, 3_000, 3));
    assert_eq!((total.up, total.down), (130_000, 260_000));
    let first = groups.rows(0, 1).next().unwrap();
    assert_eq!(
        (words(&first.parts()[0]), first.tally.flows, first.tally.up),
        ("192.168.1.5".into(), 3, 120_000)
    );
    let share = first.tally;
    assert_eq!(groups.share(&share), Some(360 * 1000 / 390));
    assert_eq!(groups.totals().all().flows, 8);
}

/// For each key and pair of keys: the filter of each group is read back from its print and shows exactly
/// the flows that were counted in it.
#[test]
fn the_filter_of_a_group_shows_exactly_its_flows() {
    let (world, known) = (world(), known());
    let source = Source { known: &known, ..world.source() };
    let pairs = ["local,service", "host,port", "nataddr,state", "net24,dir", "process,zone"];
    for keys in KEYS.iter().map(|key| key.key).chain(pairs) {
        let asked = query(keys, "flows", "");
        let mut groups = Groups::default();
        groups.refresh(&[source], &asked);
        let rows: Vec<_> = groups.rows(0, 100).map(|g| (asked.grouping.only(g), g.tally.flows)).collect();
        assert!(!rows.is_empty(), "{keys}");
        let mut all: HashSet<FlowKey> = HashSet::new();
        for (expr, flows) in rows {
            let text = expr.unwrap_or_else(|| panic!("{keys}: a group without filter")).to_string();
            let filter = Filter::parse(&text).unwrap();
            let shown: Vec<FlowKey> = source
                .live()
                .filter(|view| filter.matches(view) == Tri::True)
                .map(|view| view.key())
                .collect();
            assert_eq!(shown.len(), flows as usize, "{keys}: {text}");
            all.extend(shown);
        }
        assert_eq!(all.len(), 8, "{keys}");
    }
}

#[test]
fn frozen_groups_keep_their_places() {
    let mut world = world();
    let mut groups = Groups::default();
    let asked = query("local", "rate", "proto tcp and dir out");
    groups.refresh(&[world.source()], &asked);
    assert_eq!(shown(&mut groups), ["192.168.1.5 2", "192.168.1.6 1"]);
    let traffic = vec![(conntop_proto::flow::FlowId(3), traffic(1 << 30, 1 << 30, world.now + 500))];
    let new = vec![flow(20, "192.168.1.4:1", "9.9.9.9:443")];
    world.pass(DeltaRows { traffic, new, ..DeltaRows::default() });
    let frozen = Query { motion: Motion::Frozen, ..asked.clone() };
    groups.refresh(&[world.source()], &frozen);
    assert_eq!(shown(&mut groups), ["192.168.1.5 2", "192.168.1.6 1", "192.168.1.4 1"]);
    assert!(groups.rows(1, 1).next().unwrap().tally.up > 1 << 20, "values move");
    groups.refresh(&[world.source()], &asked);
    assert_eq!(shown(&mut groups), ["192.168.1.6 1", "192.168.1.5 2", "192.168.1.4 1"]);
}

#[test]
fn in_parts_it_is_the_same_and_the_groups_of_before_stay() {
    let mut world = world();
    let (mut whole, mut parts) = (Groups::default(), Groups::default());
    let asked = query("local,service", "flows", "");
    whole.refresh(&[world.source()], &asked);
    parts.begin(&[world.source()], &asked);
    while !parts.advance(&[world.source()], 1) {
        assert!(parts.is_empty());
    }
    assert_eq!(shown(&mut parts), shown(&mut whole));
    let before = shown(&mut parts);
    world.pass(DeltaRows { new: vec![flow(20, "192.168.1.4:1", "9.9.9.9:443")], ..DeltaRows::default() });
    parts.begin(&[world.source()], &asked);
    assert!(!parts.advance(&[world.source()], 1));
    assert_eq!(shown(&mut parts), before);
    while !parts.advance(&[world.source()], 1) {}
    assert_eq!(shown(&mut parts).len(), before.len() + 1);
}

#[test]
fn what_ended_is_no_flow_any_more() {
    let mut world = world();
    let end = ended(3, world.now + 500, traffic(1, 1, world.now + 500));
    world.pass(DeltaRows { ended: vec![end], ..DeltaRows::default() });
    let mut groups = Groups::default();
    groups.refresh(&[world.source()], &query("service", "name", "dport 9999"));
    assert_eq!(shown(&mut groups), ["tcp/9999 0"]);
    let over = groups.rows(0, 1).next().unwrap();
    assert!(over.is_over());
    assert_eq!((over.tally.begun, groups.total().flows), (1, 0));
}

/// What flows carried stays with their groups when they end, as far as it is known whose it was; with the
/// mark it is counted anew.
#[test]
fn ended_flows_are_seen() {
    let mut world = world();
    let carried = traffic(500_000, 1_000_000, world.now + 500);
    world.pass(DeltaRows { ended: vec![ended(3, world.now + 500, carried)], ..DeltaRows::default() });
    let seen = |world: &World, keys: &str| {
        let mut groups = Groups::default();
        groups.refresh(&[world.source()], &query(keys, "seen", "dst 93.184.216.34"));
        let total = *groups.total();
        let rows = groups.rows(0, 10).map(|group| (words(&group.parts()[0]), group.tally.seen_up)).collect();
        let rows: Vec<(String, u64)> = rows;
        assert_eq!(rows.iter().map(|(_, up)| up).sum::<u64>(), total.seen_up, "{keys}");
        rows
    };
    let named = |rows: &[(&str, u64)]| rows.iter().map(|(n, up)| ((*n).to_owned(), *up)).collect::<Vec<_>>();
    assert_eq!(seen(&world, "local"), named(&[("192.168.1.6", 500_000), ("192.168.1.5", 30_000)]));
    // Of flows that ended nobody knows the state any more.
    assert_eq!(seen(&world, "state"), named(&[("(unknown)", 500_000), ("EST", 30_000)]));
    world.mirror.mark();
    assert_eq!(seen(&world, "local"), named(&[("192.168.1.5", 0)]));
}

#[test]
fn too_many_groups_become_one_of_others() {
    let mut cells = super::refresh::Cells::default();
    let mut world = World::default();
    world.pass(DeltaRows { new: vec![flow(1, "10.0.0.1:1", "10.0.0.2:2")], ..DeltaRows::default() });
    let view = world.source().live().next().unwrap();
    let share = super::tally::Share::live(
        &view,
        &world.mirror,
        super::tally::Fresh::of(&world.mirror, BootMillis(0)),
    );
    let over = 10;
    for number in 0..(MOST_GROUPS + over) as u64 {
        cells.add(&[Part::Number(number), Part::Absent], view.node, &share);
    }
    assert_eq!(cells.groups.len(), MOST_GROUPS + 1);
    let other = cells.groups.last().unwrap();
    assert!(matches!(other.parts()[0], Part::Other));
    assert_eq!(other.tally.flows as usize, over);
    assert_eq!(Grouping::default().only(other), None);
}

#[test]
fn keys_are_read_and_told() {
    let check = |text: &str, wanted: Result<&str, &str>| {
        let read = text.parse::<Grouping>().map(|g| g.to_string()).map_err(|e| e.to_string());
        assert_eq!(read.as_deref().map_err(String::as_str), wanted, "{text}");
    };
    check("local", Ok("local"));
    check(" Local , service", Ok("local,service"));
    check("source", Ok("src"));
    check("net64", Ok("net24"));
    check("locla", Err("flows cannot be grouped by `locla`; did you mean `local`?"));
    check("", Err("flows are grouped by one or two keys, such as local or local,service"));
    check("local,proto,dir", Err("flows are grouped by one or two keys, such as local or local,service"));
    check("local,local", Err("`local` is given twice"));
    let grouping = Grouping::default();
    let sort = |text: &str| GroupSort::parse(text, &grouping).map_err(|error| error.to_string());
    assert_eq!(sort("upp").unwrap_err(), "groups have no column `upp`; did you mean `up`?");
    assert_eq!(sort("up:down").unwrap_err(), "`down` is no direction; write asc or desc");
    assert_eq!(sort("local").unwrap().key(), "name");
    assert!(sort("remote").is_err());
}

#[test]
fn keys_and_columns_are_sound() {
    let mut names: Vec<&str> = KEYS.iter().flat_map(|k| k.aliases.iter().chain([&k.key]).copied()).collect();
    names.extend(super::columns::COLUMNS.iter().map(|c| c.key));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a name is given twice");
    for key in KEYS {
        assert!(crate::filter::field(key.field).is_some(), "{}: no field {}", key.key, key.field);
        assert!(key.width.0 <= key.width.1 && !key.help.is_empty(), "{}", key.key);
        assert!(crate::columns::width(key.header) <= key.width.1, "{}", key.key);
    }
}

#[test]
fn widths() {
    let check = |keys: &str, terminal, wanted: &str| {
        let (keys, sort) = keys.split_once(' ').unwrap_or((keys, "rate"));
        let grouping = keys.parse().unwrap();
        let sort = GroupSort::parse(sort, &grouping).unwrap();
        let placed = super::columns::layout(&grouping, sort, terminal);
        let words: Vec<String> = placed
            .iter()
            .map(|(shown, width)| match shown {
                super::columns::Shown::Key(_, key) => format!("{}{width}", key.key),
                super::columns::Shown::Figure(column) => format!("{}{width}", column.key),
                super::columns::Shown::Share => format!("share{width}"),
            })
            .collect();
        assert_eq!(words.join(" "), wanted, "{keys} {terminal}");
        let used: u16 = placed.iter().map(|(_, width)| width + 1).sum::<u16>() - 1;
        assert!(used <= terminal, "{keys} {terminal}: {used}");
    };
    check("local", 20, "local13 rate6");
    check("local begun", 20, "local13 begun6");
    check("local", 40, "local19 down6 up6 rate6");
    check("local", 80, "local23 flows6 begun6 new5 down6 up6 rate6 seen6 share8");
    check("local,service", 80, "local21 service8 flows6 new5 down6 up6 rate6 seen6 share8");
}

#[test]
fn manual() {
    check_page("groups.md", &super::manual());
}
