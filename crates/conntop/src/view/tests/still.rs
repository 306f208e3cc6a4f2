//! When nothing changes, nothing is recomputed; and what is not recomputed is what it would be.

use std::time::Duration;

use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::{BootMillis, FlowId, MetaRow, State, StateRow, Status, TrafficRow};
use conntop_proto::message::Coverage::{self, Assured, Whole};
use proptest::prelude::*;

use super::super::{Motion, Placed, Query, View};
use super::{new, query, with, world};
use crate::columns::{COLUMNS, Column};
use crate::filter::tells_the_time;
use crate::flow::testing::{World, ended, flow, traffic};
use crate::flow::{FlowKey, Now, Source};

fn moves(id: u64, row: TrafficRow) -> DeltaRows {
    DeltaRows { traffic: vec![(FlowId(id), row)], ..DeltaRows::default() }
}

fn state(id: u64) -> DeltaRows {
    let row = StateRow { state: State::TimeWait, status: Status(0xe) };
    DeltaRows { state: vec![(FlowId(id), row)], ..DeltaRows::default() }
}

fn mark(id: u64) -> DeltaRows {
    DeltaRows { meta: vec![(FlowId(id), MetaRow { mark: 7, ..MetaRow::default() })], ..DeltaRows::default() }
}

/// A table in which nothing has moved for longer than the longest window.
fn still_world() -> World {
    let mut world = world();
    for _ in 0..60 {
        world.pass(DeltaRows::default());
    }
    world
}

/// Which of some messages make a refresh necessary, in a table that has long been still: the first
/// brings `change`, the others nothing, at the end of a pass or not.
fn check(query: &Query, change: impl Fn(u64) -> DeltaRows, later: &[Option<Coverage>], wanted: &[u8]) {
    let mut world = still_world();
    let mut view = View::default();
    view.refresh(&[world.source()], query);
    let rows = change(world.now + 1000);
    let first = std::iter::once((rows, Some(Whole)));
    let made: Vec<u8> = first
        .chain(later.iter().map(|pass| (DeltaRows::default(), *pass)))
        .map(|(rows, pass)| {
            world.tell(rows, pass);
            u8::from(view.refresh(&[world.source()], query))
        })
        .collect();
    assert_eq!(made, wanted, "{query:?}");
}

#[test]
fn rows_are_made_again_only_when_they_may_differ() {
    const NOTHING: fn(u64) -> DeltaRows = |_| DeltaRows::default();
    let live = |filter: &str, sort: &str| query(filter, sort, Motion::Live);
    let (pass, tick) = (Some(Whole), None);

    // Neither messages nor passes that bring nothing.
    for sort in ["rate", "bytes", "src", "state", "id"] {
        check(&live("", sort), NOTHING, &[pass, tick, pass], &[0, 0, 0, 0]);
    }
    check(&live("dport 443 and not rate > 1Mbit or foo", "rate"), NOTHING, &[pass, tick], &[0, 0, 0]);
    // Time alone, if it is asked for.
    for (filter, sort) in [("", "age"), ("", "idle"), ("", "timeout"), ("not (age < 5m or dport 53)", "id")] {
        check(&live(filter, sort), NOTHING, &[pass, tick], &[1, 1, 1]);
    }
    // Rows, once each.
    check(&live("", "id"), |_| state(2), &[tick, pass], &[1, 0, 0]);
    check(&live("", "id"), |_| mark(2), &[tick, pass], &[1, 0, 0]);
    // A flow that was found is known to be idle when another pass has come.
    let found = |at| new(vec![with(flow(9, "10.0.0.1:9", "8.8.8.8:443"), traffic(5, 5, at))]);
    check(&live("", "rate"), found, &[tick, pass, pass, pass, pass], &[1, 0, 1, 0, 0, 0]);
    // A flow that moves has a rate until the window has passed it.
    let moves = |at| moves(1, traffic(9_000, 40, at));
    check(&live("", "rate"), moves, &[pass, pass, tick, pass, pass], &[1, 1, 1, 0, 0, 0]);
    check(&live("", "rate"), moves, &[tick, tick, pass, pass, pass], &[1, 0, 0, 1, 0, 0]);
    // A ghost comes and goes: from the view, then from the mirror.
    let ghost = |at| DeltaRows { ended: vec![ended(2, at, traffic(120, 80, 0))], ..DeltaRows::default() };
    check(&live("", "id"), ghost, &[pass; 12], &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0]);
}

#[test]
fn being_read_again_unchanged_is_no_change() {
    let again = |at| moves(1, traffic(60, 40, at));
    check(&query("", "rate", Motion::Live), again, &[None, Some(Whole)], &[0, 0, 0]);
    let zeroed = |at| moves(1, TrafficRow { resets: 1, ..traffic(60, 40, at) });
    check(&query("", "flags", Motion::Live), zeroed, &[None, Some(Whole)], &[1, 0, 0]);
}

#[test]
fn another_window_or_rule_is_a_change() {
    let mut world = still_world();
    let (mut view, live) = (View::default(), query("", "rate", Motion::Live));
    let mut made = |world: &World| view.refresh(&[world.source()], &live);
    assert!(made(&world) && !made(&world));
    world.mirror.set_window(Duration::from_secs(10));
    assert!(made(&world) && !made(&world));
    world.place(crate::orient::LocalNets::default());
    assert!(made(&world) && !made(&world));
}

/// Every column that shows other values later is one that is known to.
#[test]
fn columns_that_tell_the_time_are_known() {
    let mut world = World::default();
    let mut row = with(flow(1, "10.0.0.1:1", "8.8.8.8:443"), traffic(60, 40, 0));
    row.identity.born = true;
    world.pass(new(vec![row]));
    let later = Now { boot: BootMillis(world.now + 50_000), ..world.source().now };
    let later = Source { now: later, ..world.source() };
    let value = |source: Source<'_>, column: &Column| {
        format!("{:?}", source.get(FlowId(1)).map(|view| (column.value)(&view)))
    };
    for column in COLUMNS {
        let differs = value(world.source(), column) != value(later, column);
        assert_eq!(differs, tells_the_time(column), "{}", column.key);
    }
}

/// What comes with one message.
#[derive(Clone, Debug)]
enum Row {
    New { id: u64, bytes: u64, born: bool },
    Moves { id: u64, more: u64 },
    Status { id: u64, assured: bool },
    Ends { id: u64 },
}

fn row() -> impl Strategy<Value = Row> {
    let id = 1_u64..6;
    prop_oneof![
        (id.clone(), 0_u64..5_000, any::<bool>()).prop_map(|(id, bytes, born)| Row::New { id, bytes, born }),
        (id.clone(), 0_u64..5_000).prop_map(|(id, more)| Row::Moves { id, more }),
        (id.clone(), any::<bool>()).prop_map(|(id, assured)| Row::Status { id, assured }),
        id.prop_map(|id| Row::Ends { id }),
    ]
}

/// Rows, seldom any, and whether a pass ends with them.
fn message() -> impl Strategy<Value = (Vec<Row>, Option<Coverage>)> {
    let rows = prop_oneof![
        4 => Just(Vec::new()),
        1 => proptest::collection::vec(row(), 1..3),
    ];
    let pass = prop_oneof![Just(None), Just(Some(Whole)), Just(Some(Assured))];
    (rows, pass)
}

fn tell(world: &mut World, rows: Vec<Row>, pass: Option<Coverage>) {
    let at = world.now + 1000;
    let mut delta = DeltaRows::default();
    for row in rows {
        let bytes = |id| world.mirror.get(FlowId(id)).and_then(|flow| flow.bytes()).unwrap_or_default().0;
        match row {
            Row::New { id, bytes, born } => {
                let mut row = with(flow(id, "10.0.0.1:1", "8.8.8.8:443"), traffic(bytes, 0, at));
                row.identity.born = born;
                row.identity.first_seen = BootMillis(at - 100);
                delta.new.push(row);
            }
            Row::Moves { id, more } => delta.traffic.push((FlowId(id), traffic(bytes(id) + more, 0, at))),
            Row::Status { id, assured } => {
                let status = Status(if assured { 0xe } else { 0xa });
                delta.state.push((FlowId(id), StateRow { state: State::Established, status }));
            }
            Row::Ends { id } => delta.ended.push(ended(id, at, traffic(bytes(id), 0, at))),
        }
    }
    world.tell(delta, pass);
}

proptest! {
    #[test]
    fn what_is_kept_is_what_would_be_made(
        messages in proptest::collection::vec(message(), 1..60),
        window in prop_oneof![Just(2_u64), Just(10)],
        filter in prop_oneof![Just(""), Just("rate > 1kbit"), Just("age > 10s"), Just("status assured")],
        sort in prop_oneof![Just("rate"), Just("bytes"), Just("idle"), Just("id")],
    ) {
        let mut world = World::default();
        world.mirror.set_window(Duration::from_secs(window));
        let query = query(filter, sort, Motion::Live);
        let mut kept = View::default();
        for (rows, pass) in messages {
            tell(&mut world, rows, pass);
            kept.refresh(&[world.source()], &query);
            let mut made = View::default();
            made.refresh(&[world.source()], &query);
            prop_assert_eq!(kept.totals(), made.totals(), "at {}", world.now);
            prop_assert_eq!(shown(&mut kept), shown(&mut made), "at {}", world.now);
        }
    }
}

/// Live rows in order; ghosts stay where somebody saw them.
fn shown(view: &mut View) -> (Vec<FlowKey>, Vec<FlowKey>) {
    let rows = (0..view.len()).filter_map(|rank| view.window(rank, 1).first().copied());
    let (live, ghosts): (Vec<_>, Vec<_>) = rows.partition(|row| row.slot.is_some());
    let ids = |rows: Vec<Placed>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    let mut ghosts = ids(ghosts);
    ghosts.sort_unstable();
    (ids(live), ghosts)
}
