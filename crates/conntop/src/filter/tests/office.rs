//! The examples of the manual, asked about the recording of an office.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use conntop_proto::delta::{DeltaHeader, DeltaRows};
use conntop_proto::flow::{FlowId, MetaRow, State, StateRow, Status};
use conntop_proto::message::ServerMessage;
use conntop_proto::tuple::Proto;

use crate::config::Alias;
use crate::engine::Engine;
use crate::enrich::geo::testing::{Mmdb, asn, city};
use crate::enrich::geo::{Geo, Search};
use crate::enrich::names::Names;
use crate::enrich::processes::{Key, Process, ProcessId, Seen, Space};
use crate::enrich::services::Services;
use crate::enrich::{Enricher, Fact, Learned};
use crate::filter::{FIELDS, Filter, Tri, manual};
use crate::nodes::{NodeId, Nodes};
use crate::source::SourceEvent;

const OFFICE: &str = include_str!("../../../tests/fixtures/office.ndjson");
/// Deltas of the recording that are taken in, one for each second.
const SECONDS: usize = 12;

/// What is known beside the flows: the places of some addresses, names of some hosts, a process.
fn knowing() -> Enricher {
    let dir = tempfile::tempdir().unwrap();
    let cities = Mmdb::new("DBIP-City-Lite")
        .with("185.199.0.0/16", &city("US", "San Francisco"))
        .with("93.184.0.0/16", &city("US", "Boston"))
        .with("151.101.0.0/16", &city("DE", "Frankfurt"))
        .with("17.0.0.0/8", &city("NL", "Amsterdam"));
    let networks = Mmdb::new("DBIP-ASN-Lite")
        .with("185.199.0.0/16", &asn(54113, "Fastly, Inc."))
        .with("151.101.0.0/16", &asn(54113, "Fastly, Inc."))
        .with("104.16.0.0/12", &asn(13335, "Cloudflare, Inc."))
        .with("17.0.0.0/8", &asn(714, "Apple Inc."));
    for (name, file) in [("city.mmdb", cities), ("asn.mmdb", networks)] {
        std::fs::write(dir.path().join(name), file.bytes()).unwrap();
    }
    let geo = Geo::open(Search::of(vec![dir.path().to_owned()], Vec::new()));
    let alias = |net: &str, name: &str| Alias { net: net.parse().unwrap(), name: name.to_owned() };
    let names = [
        alias("192.168.1.13", "laptop.lan"),
        alias("192.168.1.5", "web.lan"),
        alias("93.184.216.34", "www.example.com"),
        alias("185.199.108.153", "pages.github.com"),
    ];
    let mut enricher = Enricher::new(geo, Names::new(&names), Services::default());
    let process = Process {
        pid: Some(4711),
        name: Some("firefox".to_owned()),
        user: "alice".to_owned(),
        uid: 1000,
        unit: Fact::Known("app-firefox.scope".to_owned()),
        command: Some("/usr/lib/firefox/firefox --new-window".to_owned()),
    };
    let (opener, remote) = ("192.168.1.13:52661".parse().unwrap(), "185.199.108.153:443".parse().unwrap());
    enricher.learn(Learned::Processes(Seen {
        processes: vec![(ProcessId(1), process)],
        sockets: vec![(Key::connected(Space::BASE, Proto::UDP, opener, remote), ProcessId(1))],
        addresses: Some(vec![("192.168.1.13".parse().unwrap(), Space::BASE)]),
        ..Seen::default()
    }));
    enricher
}

/// The recording after so many seconds, then with what none of its flows has.
fn office() -> (Nodes, Instant) {
    let mut nodes = Nodes::one(Engine::default(), "replay").with(knowing());
    let mut now = Instant::now();
    let mut header = DeltaHeader::default();
    let mut deltas = 0;
    for line in OFFICE.lines() {
        let message: ServerMessage = serde_json::from_str(line).unwrap();
        if let ServerMessage::Hello(hello) = message {
            nodes.apply(NodeId::default(), SourceEvent::Connected(hello), now).unwrap();
            continue;
        }
        if let ServerMessage::Delta(delta) = &message {
            deltas += 1;
            if deltas > SECONDS {
                break;
            }
            now += Duration::from_secs(1);
            let cursor = delta.header().cursor + 1;
            header = DeltaHeader { cursor, ..delta.header() };
        }
        nodes.apply_message(NodeId::default(), &message, now).unwrap();
    }
    let state = |id, status| {
        let state = nodes.first().engine().mirror().get(FlowId(id)).unwrap().state();
        (FlowId(id), StateRow { state, status: Status(status) })
    };
    let rows = DeltaRows {
        state: vec![
            state(3, 0x400e),
            (FlowId(4), StateRow { state: State::Established, status: Status(0xe) }),
        ],
        meta: vec![
            (FlowId(3), MetaRow { mark: 0x10, ..MetaRow::default() }),
            (FlowId(4), MetaRow { mark: 0x21, labels: Some(1 << 5), helper: Some("ftp".into()) }),
        ],
        ..DeltaRows::default()
    };
    let delta = ServerMessage::Delta(Box::new(rows.into_delta(header)));
    nodes.apply_message(NodeId::default(), &delta, now).unwrap();
    (nodes, now)
}

/// How many flows satisfy a filter, and of how many nobody knows.
fn shown(nodes: &Nodes, now: Instant, text: &str) -> String {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{}", error.caret(text)));
    let now = nodes.now(now);
    let answers: Vec<Tri> = nodes
        .sources(&now)
        .iter()
        .flat_map(|source| source.live())
        .map(|view| filter.matches(&view))
        .collect();
    let count = |wanted: Tri| answers.iter().filter(|answer| **answer == wanted).count();
    let mut out = count(Tri::True).to_string();
    if count(Tri::Unknown) > 0 {
        write!(out, ", {} unknown", count(Tri::Unknown)).unwrap();
    }
    out
}

#[test]
fn manual_is_up_to_date() {
    let (nodes, now) = office();
    assert_eq!(nodes.flows(), 91, "the manual says so");
    crate::flow::testing::check_page("filters.md", &manual(&|text| shown(&nodes, now, text)));
    // An example that shows nothing shows nothing.
    for field in FIELDS {
        assert!(!shown(&nodes, now, field.example).starts_with('0'), "{}", field.example);
    }
}

#[test]
fn words_are_looked_for_in_all_that_can_be_seen() {
    let (nodes, now) = office();
    let satisfy = |text: &str| {
        let shown = shown(&nodes, now, text);
        shown.split(',').next().unwrap_or_default().to_owned()
    };
    for (word, test) in [
        ("firefox", "process firefox"),
        ("alice", "user alice"),
        ("new-window", "command ~ new-window"),
        ("app-firefox", "unit ~ app-firefox"),
        ("CLOUDFLARE", "org ~ cloudflare"),
        ("frankfurt", "city Frankfurt"),
        ("nl", "cc NL"),
        ("https-alt", "service https-alt"),
        ("laptop", "name ~ laptop"),
        ("documentation", "org documentation"),
    ] {
        assert_eq!(satisfy(word), satisfy(test), "{word}");
        assert_ne!(satisfy(word), "0", "{word}");
    }
    assert_eq!(satisfy("nowhere"), "0");
    // Of one node its name is not on the screen.
    assert_eq!(satisfy("router1"), "0");
}
