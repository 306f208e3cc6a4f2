//! The details of a flow: with everything known, with nothing known, of a node that is silent, and what
//! the registries say. Whole screens; `INSTA_UPDATE=always cargo test -p conntop --test tui_details` takes
//! the new ones.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod common;
#[path = "../src/enrich/geo/testing.rs"]
mod mmdb;
mod stage;

use std::net::{IpAddr, SocketAddr};
use std::time::{Instant, SystemTime};

use common::{delta, flow, hello, reset, synced, traffic};
use conntop::config::Alias;
use conntop::engine::Engine;
use conntop::enrich::geo::{Geo, Search};
use conntop::enrich::names::cache::Change;
use conntop::enrich::names::{Found, NameSource, Names, Trouble};
use conntop::enrich::processes::{Key, Process, ProcessId, Seen, Space};
use conntop::enrich::services::Services;
use conntop::enrich::{Enricher, Fact, Learned};
use conntop::source::{Messages, SourceEvent};
use conntop::tui::action::{Action, Effect, Motion};
use conntop::tui::app::{App, Options};
use conntop::tui::bindings::Context;
use conntop::tui::screen::Layer;
use conntop::whois::{Answer, Fields, Hop, Server};
use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::FlowRow;
use conntop_proto::message::{KernelFacts, Origin, ResetReason};
use conntop_proto::tuple::Proto;
use mmdb::{Mmdb, asn, city};
use stage::Stage;

/// The opener of the flow that is looked at.
const OPENER: &str = "192.168.1.13:52661";
const REMOTE: &str = "185.199.108.153";
/// Sorted by rate after twelve seconds it is the second one.
const TO_DETAILS: &str = "+12 Down Down Enter";
const SIZES: [(u16, u16); 4] = [(80, 24), (120, 40), (200, 60), (20, 3)];

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Knows everything about that flow.
fn knowing() -> Enricher {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        ("city.mmdb", Mmdb::new("DBIP-City-Lite").with("185.199.0.0/16", &city("US", "San Francisco"))),
        ("asn.mmdb", Mmdb::new("DBIP-ASN-Lite").with("185.199.0.0/16", &asn(54113, "Fastly, Inc."))),
    ];
    for (name, file) in files {
        std::fs::write(dir.path().join(name), file.bytes()).unwrap();
    }
    let geo = Geo::open(Search::of(vec![dir.path().to_owned()], Vec::new()));
    let alias = |net: &str, name: &str| Alias { net: net.parse().unwrap(), name: name.to_owned() };
    let names = [
        alias("192.168.1.13", "laptop.lan"),
        alias("203.0.113.7", "home.example.net"),
        alias(REMOTE, "cdn-185-199-108-153.github.com"),
    ];
    let mut enricher = Enricher::new(geo, Names::new(&names), Services::default());
    let process = Process {
        pid: Some(4711),
        name: Some("firefox".to_owned()),
        user: "alice".to_owned(),
        uid: 1000,
        unit: Fact::Known("app-firefox.scope".to_owned()),
        command: Some("/usr/lib/firefox/firefox --new-window https://pages.github.com/".to_owned()),
    };
    let remote = SocketAddr::new(address(REMOTE), 443);
    let key = Key::connected(Space::BASE, Proto::UDP, OPENER.parse().unwrap(), remote);
    enricher.learn(Learned::Processes(Seen {
        processes: vec![(ProcessId(1), process)],
        sockets: vec![(key, ProcessId(1))],
        addresses: Some(vec![(address("192.168.1.13"), Space::BASE)]),
        ..Seen::default()
    }));
    enricher
}

#[test]
fn details_are_as_committed() {
    for (columns, lines) in SIZES {
        let mut stage = Stage::knowing(columns, lines, knowing());
        stage.play(TO_DETAILS);
        insta::assert_snapshot!(format!("known_{columns}x{lines}"), stage.text());
        stage.play("G");
        insta::assert_snapshot!(format!("known_end_{columns}x{lines}"), stage.text());
        let mut stage = Stage::new(columns, lines);
        stage.play(TO_DETAILS);
        insta::assert_snapshot!(format!("unknown_{columns}x{lines}"), stage.text());
    }
}

#[test]
fn rows_with_names_are_as_committed() {
    for (columns, lines) in SIZES {
        let mut stage = Stage::knowing(columns, lines, knowing());
        stage.play("+12 n");
        insta::assert_snapshot!(format!("rows_{columns}x{lines}"), stage.text());
        stage.play("v");
        insta::assert_snapshot!(format!("rows_workstation_{columns}x{lines}"), stage.text());
    }
}

/// The line that begins with a word, or stands so many below it.
fn line(stage: &Stage, word: &str, below: usize) -> String {
    let text = stage.text();
    let found = text.lines().skip_while(|line| !line.starts_with(word)).nth(below);
    found.unwrap_or_else(|| panic!("no {word} in {text}")).to_owned()
}

#[test]
fn the_next_flow_stands_where_this_one_stood() {
    let mut stage = Stage::knowing(80, 60, knowing());
    stage.play("+12 Down Enter");
    let first = line(&stage, "original", 0);
    stage.play("n");
    assert!(line(&stage, "original", 0).contains(OPENER), "{}", stage.text());
    assert_eq!(stage.app.context(), Context::Details);
    // Only one is open.
    stage.play("p");
    assert_eq!(line(&stage, "original", 0), first);
    stage.play("p p p");
    assert_eq!(line(&stage, "original", 0), first);
    stage.play("n Esc");
    assert_eq!(stage.app.context(), Context::Flows);
    assert!(stage.app.screen().table.rows[1].selected);
    // The same line of a longer text is in view.
    stage.resize(80, 24);
    stage.play("Enter j j");
    let second = stage.text().lines().nth(4).unwrap().to_owned();
    stage.play("n");
    let third = stage.text().lines().nth(4).unwrap().to_owned();
    assert_eq!(second.get(..12), third.get(..12), "{second} {third}");
}

#[test]
fn rates_have_a_course() {
    let mut stage = Stage::knowing(80, 60, knowing());
    stage.play(TO_DETAILS);
    let before = line(&stage, "reply", 2);
    stage.play("+5");
    let after = line(&stage, "reply", 2);
    assert!(before.starts_with("            8.46 Mbit/s  "), "{before}");
    assert_eq!(after.chars().count(), before.chars().count() + 5, "{before}\n{after}");
    // A paused screen stands.
    stage.play("Space +3");
    assert_eq!(line(&stage, "reply", 2), after);
}

/// What an address is called, and why it is not.
#[test]
fn a_name_is_asked_for_or_nobody_has_one() {
    let remote = address(REMOTE);
    let check = |asks: bool, told: Option<Found>, wanted: &str| {
        let options = Options { asks_names: asks, ..Options::default() };
        let mut stage = Stage::with(80, 60, Enricher::default(), options);
        stage.play(TO_DETAILS);
        if let Some(found) = told {
            stage.app.learn(Learned::Names(found));
            stage.play("+1");
        }
        let text = line(&stage, "destination", 0);
        assert_eq!(text, format!("destination {REMOTE} · {wanted}"));
    };
    let found = |answers: Vec<(IpAddr, Change)>, trouble: Option<Trouble>| {
        Some(Found { answers, trouble, ..Found::new(NameSource::Ptr, Instant::now()) })
    };
    check(false, None, "name n/a");
    check(true, None, "asking for its name");
    check(true, found(vec![(remote, Change::Nameless)], None), "nobody has a name for it");
    check(true, found(Vec::new(), Some(Trouble::Silent)), "name n/a: dns slow");
    check(true, found(vec![(remote, Change::Nameless)], Some(Trouble::Silent)), "nobody has a name for it");
}

/// What is old says since when.
#[test]
fn a_silent_node_says_since_when() {
    let mut stage = Stage::new(80, 24);
    stage.play(TO_DETAILS);
    assert!(!stage.text().contains("as of"));
    for event in ["stale", "wait", "wait", "wait", "wait"] {
        assert!(stage.event(event));
    }
    let text = stage.text();
    assert!(text.contains("as of       2026-11-21 12:04:11, nothing heard since, for 20 s"), "{text}");
    let mut tall = Stage::new(80, 60);
    tall.play(TO_DETAILS);
    assert!(tall.text().contains("read        0.0 s ago from the kernel"), "{}", tall.text());
    assert!(tall.event("stale") && tall.event("wait"));
    assert!(tall.text().contains("read        0.0 s before the last word of its node"), "{}", tall.text());
}

fn answer(address: IpAddr) -> Answer {
    let text = "inetnum: 185.199.108.0 - 185.199.111.255\nnetname: US-GITHUB-20170413\n\
                descr: a line that is longer than the screen is wide, so that it goes on below with an \
                indent\ncountry: US\n";
    let fields = Fields {
        range: Some("185.199.108.0 - 185.199.111.255".to_owned()),
        name: Some("US-GITHUB-20170413".to_owned()),
        org: Some("GitHub, Inc.".to_owned()),
        country: Some("US".to_owned()),
        abuse: Some("abuse@github.com".to_owned()),
        origin: Some("AS36459".to_owned()),
    };
    let hop = |server| Hop { server, text: text.to_owned() };
    let hops = vec![hop(Server::Iana), hop(Server::Ripe)];
    Answer { address, fields, hops, note: None, fetched: SystemTime::UNIX_EPOCH }
}

#[test]
fn registries_are_asked_beside_the_screen() {
    let remote = address(REMOTE);
    let mut stage = Stage::new(80, 24);
    stage.play(&format!("{TO_DETAILS} W"));
    assert_eq!(stage.effects, [Effect::Whois(remote)]);
    assert_eq!(stage.app.context(), Context::Whois);
    insta::assert_snapshot!("whois_asking_80x24", stage.text());
    // Nobody waits for them, and what is said of something else is not shown.
    stage.play("+1");
    stage.app.whois(address("9.9.9.9"), Ok(answer(address("9.9.9.9"))));
    stage.play("+1");
    assert!(stage.text().contains("asking the registries"));
    stage.app.whois(remote, Ok(answer(remote)));
    stage.play("+1");
    insta::assert_snapshot!("whois_80x24", stage.text());
    for (columns, lines) in [(120, 40), (20, 3)] {
        stage.resize(columns, lines);
        insta::assert_snapshot!(format!("whois_{columns}x{lines}"), stage.text());
    }
    stage.resize(80, 24);
    // It is known already; nothing is asked again.
    stage.play("W");
    assert_eq!(stage.effects.len(), 1);
    stage.play("q");
    assert_eq!(stage.app.context(), Context::Details);
    stage.app.whois(remote, Ok(answer(remote)));
    stage.play("W +1");
    assert_eq!(stage.effects.len(), 2, "asked anew, which the kept answers make cheap");
    stage.app.whois(remote, Err("whois.ripe.net: no answer within 10 s".to_owned()));
    stage.play("+1");
    assert!(stage.text().contains("whois.ripe.net: no answer within 10 s"), "{}", stage.text());
    // What failed can be tried again.
    stage.play("W");
    assert_eq!(stage.effects.len(), 3);
}

/// The lines of the details of the only flow.
fn details_of(new: FlowRow, kernel: KernelFacts, seconds: u64) -> Vec<String> {
    let mut app = App::new(Engine::default(), Options::default(), (80, 40));
    let now = Instant::now();
    app.apply(hello(kernel), now).unwrap();
    let mut messages = vec![reset(1, ResetReason::Start)];
    messages.push(delta(1, DeltaRows { new: vec![new], ..DeltaRows::default() }));
    messages.push(synced());
    messages.extend((2..=seconds).map(|number| delta(number, DeltaRows::default())));
    app.apply(SourceEvent::Messages(Messages::new(messages)), now).unwrap();
    app.refresh(now);
    for action in [Action::Move(Motion::Down), Action::Details] {
        assert_eq!(app.update(action, now), []);
    }
    app.refresh(now);
    let Some(Layer::Text { lines, .. }) = &app.screen().layer else { panic!("no details") };
    lines.iter().map(|line| line.iter().map(|span| span.text.as_str()).collect()).collect()
}

#[test]
fn what_is_not_counted_says_why() {
    let check = |origin: Origin, acct: Option<bool>, wanted: &str| {
        let kernel = KernelFacts { origin, acct, ..KernelFacts::default() };
        let lines = details_of(flow(1), kernel, 2);
        let below = |word: &str| lines.iter().skip_while(|line| !line.starts_with(word)).nth(1).cloned();
        for word in ["original", "reply"] {
            assert_eq!(below(word).unwrap().trim(), wanted, "{lines:?}");
        }
        assert!(!lines.iter().any(|line| line.contains("rate n/a")), "{lines:?}");
    };
    check(Origin::Conntrack, Some(true), "n/a, it began before bytes were counted");
    check(Origin::Conntrack, Some(false), "n/a, bytes are not counted here (nf_conntrack_acct is off)");
    check(Origin::Conntrack, None, "n/a");
    check(Origin::Sockets, None, "n/a, the kernel counts no bytes of such a socket");
}

/// A flow that does not move is read all the same.
#[test]
fn reading_is_not_moving() {
    let new = FlowRow { traffic: traffic(1_000, 500, 500), ..flow(1) };
    let kernel = KernelFacts { acct: Some(true), ..KernelFacts::default() };
    let lines = details_of(new, kernel, 10);
    let read = lines.iter().find(|line| line.starts_with("read")).unwrap();
    assert_eq!(read, "read        0.2 s ago from the kernel, unchanged for 9.0 s");
}
