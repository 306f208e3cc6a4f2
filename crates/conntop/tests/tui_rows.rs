//! What rows say honestly: ended flows, those that came and went between two ticks, what is not counted,
//! offloaded or was zeroed.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::{delta, ended, flow, reset, synced, traffic};
use conntop::columns::parse_list;
use conntop::engine::Engine;
use conntop::nodes::Nodes;
use conntop::orient::Orientation;
use conntop::source::{Messages, SourceEvent};
use conntop::tui::app::{App, Options};
use conntop_proto::delta::{DeltaRows, EndedRow};
use conntop_proto::flow::{BootMillis, EndReason, FlowRow, Status, TrafficRow};
use conntop_proto::message::{ResetReason, ServerMessage};

const COLUMNS: &str = "sport,state,flags,offload,down,up,bytes,packets,seen,age,idle,timeout,end";

/// A recording of some seconds: flows that somebody might take for something else.
fn recording() -> Vec<Vec<ServerMessage>> {
    let with = |id: u64, change: &dyn Fn(&mut FlowRow)| {
        let mut row = flow(id);
        row.traffic = traffic(1_000, 1_000, 500);
        change(&mut row);
        row
    };
    let first = vec![
        with(1, &|_| {}),
        with(2, &|row| row.traffic = TrafficRow::default()),
        with(3, &|row| row.state.status = Status(14 | Status::OFFLOAD.0)),
        with(4, &|row| row.state.status = Status(14 | Status::HW_OFFLOAD.0)),
        with(5, &|row| row.traffic.resets = 2),
        with(6, &|_| {}),
        with(7, &|_| {}),
    ];
    let end =
        |id: u64, reason: EndReason, traffic: TrafficRow| EndedRow { reason, ..ended(id, 2_100, traffic) };
    let mut short = end(8, EndReason::Destroyed, traffic(2_090, 40, 60));
    let mut row = flow(8);
    row.identity.born = true;
    row.identity.first_seen = BootMillis(1_600);
    short.short = Some(Box::new(row));
    let gone = vec![
        end(1, EndReason::Destroyed, traffic(2_100, 3_000, 900)),
        end(6, EndReason::Missing, TrafficRow::default()),
        end(7, EndReason::Replaced, TrafficRow::default()),
        short,
    ];
    let quiet = |cursor| vec![delta(cursor, DeltaRows::default())];
    vec![
        vec![
            reset(7, ResetReason::Start),
            delta(1, DeltaRows { new: first, ..DeltaRows::default() }),
            synced(),
        ],
        vec![delta(2, DeltaRows { ended: gone, ..DeltaRows::default() })],
        quiet(3),
    ]
}

fn app(options: Options, orientation: Orientation) -> App {
    let options = Options {
        columns: parse_list(COLUMNS).expect("columns"),
        sort: Some(conntop::sort::Sort::parse("sport").expect("an order")),
        ..options
    };
    let nodes = Nodes::one(Engine::default(), "here").seen_from(orientation);
    App::of(nodes, options, (160, 30))
}

fn play(app: &mut App) {
    let now = Instant::now();
    for messages in recording() {
        app.apply(SourceEvent::Messages(Messages::new(messages)), now).expect("a sound recording");
    }
    app.refresh(now);
}

/// What a row says, cell by cell; ended ones begin with a sign.
fn rows(app: &App) -> Vec<String> {
    let rows = app.screen().table.rows.iter();
    let text = |cells: Vec<&str>| cells.join("|");
    rows.map(|row| {
        let cells = row.cells.iter().map(|cell| cell.text.as_str()).collect();
        format!("{}{}", if row.ghost { "~" } else { "" }, text(cells))
    })
    .collect()
}

#[test]
fn rows_are_honest() {
    let mut app = app(Options::default(), Orientation::Local);
    play(&mut app);
    assert_eq!(
        rows(&app),
        [
            // Final counters, how long it lived (at least), why it ended.
            "~1|ended||no|||3.90kB|2|2.40kB|>1s|0s||destroyed",
            "2|EST||no|n/a|n/a|n/a|n/a|n/a|>2s|n/a|n/a|",
            "3|EST|O|sw|0b|0b|1.50kB|2|0B|>2s|>2s|n/a|",
            "4|EST|O|hw|0b|0b|1.50kB|2|0B|>2s|>2s|n/a|",
            "5|EST|R|no|0b|0b|1.50kB|2|0B|>2s|>2s|n/a|",
            "~6|gone||no|||1.50kB|2|0B|>1s|>1s||missing",
            "~7|again||no|||1.50kB|2|0B|>1s|>1s||replaced",
            // It began and ended between two ticks.
            "~8|ended||no|||100B|2|100B|0s|0s||destroyed",
        ]
    );
    assert_eq!(app.engine().mirror().len(), 4, "ended flows are in no count");
}

#[test]
fn ended_flows_stay_as_long_as_is_wished() {
    for (ghost, ended) in [(None, 4), (Some(Duration::ZERO), 0), (Some(Duration::from_secs(1)), 0)] {
        let mut app = app(Options { ghost, ..Options::default() }, Orientation::Local);
        play(&mut app);
        let ghosts = app.screen().table.rows.iter().filter(|row| row.ghost).count();
        assert_eq!(ghosts, ended, "{ghost:?}");
    }
}

#[test]
fn directions_are_named_by_whose_they_are() {
    let check = |orientation, wanted: [&str; 2], header: (&str, &str)| {
        let mut app = app(Options::default(), orientation);
        play(&mut app);
        let titles: Vec<&str> = app.screen().table.columns.iter().map(|c| c.title.as_str()).collect();
        assert_eq!(titles[4..6], wanted);
        assert_eq!(app.screen().header.words, header);
    };
    check(Orientation::Local, ["DOWN", "UP"], ("in", "out"));
    check(Orientation::Initiator, ["REPLY", "ORIG"], ("reply", "orig"));
}

#[test]
fn the_initiator_keeps_its_side() {
    // Flows that the other end opened: seen from here they come down, seen from there they go up.
    for (orientation, wanted) in [(Orientation::Local, (2_000, 400)), (Orientation::Initiator, (400, 2_000))]
    {
        let mut mirror = conntop::mirror::Mirror::default();
        mirror.set_classify(Box::new(|_, _| conntop::mirror::Class::In));
        mirror.set_orientation(orientation);
        for message in recording().into_iter().flatten() {
            mirror.apply(&message).expect("a sound recording");
        }
        let ledger = mirror.ledger_since();
        let short = (40, 60);
        let short = if orientation == Orientation::Local { short } else { (short.1, short.0) };
        assert_eq!((ledger.down - short.0, ledger.up - short.1), wanted, "{orientation:?}");
    }
}
