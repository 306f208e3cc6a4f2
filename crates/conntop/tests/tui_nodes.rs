//! Several nodes on one screen: whose is what, and how each is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod common;

use std::time::{Duration, Instant};

use common::{delta, flow, hello, reset, synced, traffic};
use conntop::flow::NodeId;
use conntop::mirror::Limits;
use conntop::nodes::Nodes;
use conntop::source::{Messages, SourceEnd, SourceError, SourceErrorKind, SourceEvent};
use conntop::tui::action::{Action, Edit, Motion};
use conntop::tui::app::{App, Options};
use conntop::tui::screen::Layer;
use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::{FlowRow, TrafficRow};
use conntop_proto::message::{KernelFacts, Origin, ResetReason, ServerMessage};

const FINE: KernelFacts = KernelFacts {
    acct: Some(true),
    tracking: Some(true),
    listening: true,
    max: Some(1000),
    timestamp: None,
    events: None,
    buckets: None,
    event_buffer: None,
    netns: None,
    origin: Origin::Conntrack,
};

struct Stage {
    app: App,
    begun: Instant,
    now: Instant,
}

impl Stage {
    fn new(names: &[&str], limits: Limits) -> Self {
        let places = names.iter().map(|name| format!("unix:/{name}"));
        let app = App::of(Nodes::at(places, limits).unwrap(), Options::default(), (120, 40));
        let now = Instant::now();
        Self { app, begun: now, now }
    }

    fn tell(&mut self, node: u16, event: SourceEvent) {
        self.app.apply_of(NodeId(node), event, self.now).unwrap();
    }

    fn say(&mut self, node: u16, messages: Vec<ServerMessage>) {
        self.tell(node, SourceEvent::Messages(Messages::new(messages)));
    }

    /// A node of that name with so many flows; each of them has moved.
    fn begin(&mut self, node: u16, name: &str, flows: u64) {
        let SourceEvent::Connected(mut connected) = hello(FINE) else { panic!("no hello") };
        connected.name = name.to_owned();
        connected.features = vec!["focus".to_owned()];
        self.tell(node, SourceEvent::Connected(connected));
        let rows = |at: u64| (1..=flows).map(move |id| (id, traffic(at * 1000, at * 1000 * id, 0)));
        let row = |(id, traffic): (u64, TrafficRow)| FlowRow { traffic, ..flow(id) };
        let new = DeltaRows { new: rows(1).map(row).collect(), ..DeltaRows::default() };
        self.say(node, vec![reset(1, ResetReason::Start), delta(1, new), synced()]);
        for at in 2..4 {
            let moved = rows(at).map(|(id, traffic)| (conntop_proto::flow::FlowId(id), traffic));
            let moved = DeltaRows { traffic: moved.collect(), ..DeltaRows::default() };
            self.say(node, vec![delta(at, moved)]);
        }
    }

    fn lose(&mut self, node: u16, cause: &str) {
        let retry_in = Duration::from_secs(1);
        self.tell(node, SourceEvent::Stale { cause: cause.to_owned(), retry_in });
    }

    fn refresh(&mut self) {
        self.app.refresh(self.now);
    }

    /// The header's words about the nodes, and its facts.
    fn header(&mut self) -> (String, Vec<String>) {
        self.refresh();
        let header = &self.app.screen().header;
        let facts = header.abnormal.iter().map(|fact| fact.text.clone()).collect();
        (format!("{}: {}", header.node, header.source), facts)
    }

    /// The cells of a column.
    fn column(&mut self, key: &str) -> Vec<String> {
        self.refresh();
        let table = &self.app.screen().table;
        let at = table.columns.iter().position(|column| column.key == key).unwrap();
        table.rows.iter().map(|row| row.cells[at].text.trim().to_owned()).collect()
    }
}

#[test]
fn the_header_tells_how_each_is() {
    let mut stage = Stage::new(&["a", "b", "c"], Limits::default());
    assert_eq!(stage.header().0, "3 nodes: unix:/a connecting, unix:/b connecting, unix:/c connecting");
    assert!(stage.app.screen().table.empty.len() >= 3, "{:?}", stage.app.screen().table.empty);
    stage.begin(0, "one", 2);
    stage.begin(1, "two", 3);
    let refused = SourceError { kind: SourceErrorKind::Permission, text: "no login".to_owned() };
    stage.tell(2, SourceEvent::Ended(SourceEnd::Failed(refused)));
    assert!(stage.app.hopeless().is_none());
    let (nodes, facts) = stage.header();
    assert_eq!(nodes, "3 nodes: one live, two live, unix:/c ended");
    assert_eq!(facts, ["unix:/c: no login"]);
    assert_eq!(stage.app.screen().footer.state.text, "2 of 3 live");
    let header = &stage.app.screen().header;
    assert_eq!((header.flows, header.max), (Some(5), Some(2000)));
    let both = header.others.clone();

    stage.now = stage.begun + Duration::from_secs(7);
    stage.lose(1, "gone");
    stage.now += Duration::from_secs(2);
    let (nodes, facts) = stage.header();
    assert_eq!(nodes, "3 nodes: one live, two stale, unix:/c ended");
    assert_eq!(facts, ["two: stale 2s: gone", "unix:/c: no login"]);
    let header = &stage.app.screen().header;
    assert_eq!(header.flows, Some(5), "what was known of it is still there");
    assert_ne!(header.others, both, "but it carries nothing that anybody knows of");
    let mut marked = stage.column("node");
    marked.sort();
    assert_eq!(marked, ["!two", "!two", "!two", "one", "one"]);

    // Back with another epoch: the old rows stay until the new ones are there, and the mark goes.
    stage.begin(1, "two", 1);
    assert_eq!(stage.header().0, "3 nodes: one live, two live, unix:/c ended");
    let mut names = stage.column("node");
    names.sort();
    assert_eq!(names, ["one", "one", "two"]);
}

#[test]
fn rows_are_of_a_node_and_its_flow() {
    let mut stage = Stage::new(&["a", "b"], Limits::default());
    stage.begin(0, "one", 3);
    stage.begin(1, "two", 4);
    assert_eq!(stage.column("node"), ["two", "one", "two", "one", "two", "one", "two"], "by rate, then node");
    let focus: Vec<(u16, u64)> = stage.app.focus().iter().map(|key| (key.node().0, key.id().0)).collect();
    assert_eq!(focus.len(), 7);
    assert_eq!(focus[0], (1, 4));

    // The same id on both: the selection stays with the one that was meant.
    for _ in 0..3 {
        let _nothing = stage.app.update(Action::Move(Motion::Down), stage.now);
    }
    let selected = |stage: &mut Stage| {
        stage.refresh();
        stage.app.screen().table.rows.iter().position(|row| row.selected)
    };
    assert_eq!(selected(&mut stage), Some(2));
    let _nothing = stage.app.update(Action::Details, stage.now);
    stage.refresh();
    let Some(Layer::Text { lines, .. }) = &stage.app.screen().layer else { panic!("no details") };
    let text =
        |line: &Vec<conntop::tui::screen::Span>| line.iter().map(|s| s.text.as_str()).collect::<String>();
    assert_eq!(text(&lines[0]), "node        two (unix:/b)");
    let _nothing = stage.app.update(Action::Close, stage.now);

    let _nothing = stage.app.update(Action::Filter, stage.now);
    let _nothing = stage.app.update(Action::Edit(Edit::Paste("node one".to_owned())), stage.now);
    let _nothing = stage.app.update(Action::Accept, stage.now);
    assert_eq!(stage.column("node"), ["one"; 3]);
}

#[test]
fn nonsense_of_one_ends_that_one() {
    let mut stage = Stage::new(&["a", "b"], Limits::default());
    stage.begin(0, "one", 2);
    stage.begin(1, "two", 2);
    stage.app.fail(NodeId(0), "the source contradicts itself".to_owned());
    let (nodes, facts) = stage.header();
    assert_eq!(nodes, "2 nodes: one ended, two live");
    assert_eq!(facts, ["one: the source contradicts itself"]);
}

/// However they are spread, no more flows are held than the limit says.
#[test]
fn the_cap_is_over_all() {
    let mut stage = Stage::new(&["a", "b"], Limits { flows: 10, ..Limits::default() });
    stage.begin(0, "one", 7);
    stage.begin(1, "two", 7);
    let (_, facts) = stage.header();
    assert_eq!(stage.app.screen().header.flows, Some(10));
    assert_eq!(facts, ["two: truncated"]);
}
