mod nodes;
mod stable;
mod still;

use std::time::Duration;

use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::{FlowId, FlowRow, TrafficRow};

use super::{Motion, Query, View};
use crate::filter::Filter;
use crate::flow::testing::{World, ended, flow, traffic};
use crate::flow::{FlowKey, NodeId};
use crate::sort::Sort;

fn query(filter: &str, sort: &str, motion: Motion) -> Query {
    Query {
        filter: (!filter.is_empty()).then(|| Filter::parse(filter).unwrap()),
        hide_internal: false,
        hide_own: false,
        sort: Sort::parse(sort).unwrap(),
        motion,
        ghost: Duration::from_secs(10),
    }
}

/// A flow of the only node.
fn key(id: u64) -> FlowKey {
    FlowKey::new(NodeId(0), FlowId(id))
}

fn with(mut row: FlowRow, traffic: TrafficRow) -> FlowRow {
    row.traffic = traffic;
    row
}

fn new(rows: Vec<FlowRow>) -> DeltaRows {
    DeltaRows { new: rows, ..DeltaRows::default() }
}

/// Four flows out of 10.0.0.1 with 100, 200, 300 bytes, and one without counters.
fn world() -> World {
    let mut world = World::default();
    let port = |id: u64| format!("10.0.0.1:100{id}");
    let mut rows: Vec<FlowRow> = [1, 2, 3]
        .into_iter()
        .map(|id| with(flow(id, &port(id), "8.8.8.8:443"), traffic(id * 60, id * 40, 0)))
        .collect();
    rows.push(flow(4, &port(4), "8.8.8.8:443"));
    world.pass(new(rows));
    world
}

/// Ids from top to bottom, ended ones negative.
fn shown(view: &mut View) -> Vec<i64> {
    view.rows(0, 100)
        .iter()
        .map(|row| i64::try_from(row.id.id().0).unwrap() * if row.ghost { -1 } else { 1 })
        .collect()
}

#[test]
fn filter_order_and_totals() {
    let world = world();
    let check = |filter: &str, sort: &str, wanted: &[i64], bytes: u64, unknown: u64| {
        let mut view = View::default();
        assert!(view.refresh(&[world.source()], &query(filter, sort, Motion::Live)));
        assert_eq!(shown(&mut view), wanted, "{filter} {sort}");
        assert_eq!(view.totals().all().bytes, bytes, "{filter} {sort}");
        assert_eq!(view.totals().unknown, unknown, "{filter} {sort}");
        assert_eq!(view.totals().outside.flows, wanted.len() as u64);
    };
    check("", "bytes", &[3, 2, 1, 4], 600, 0);
    check("", "bytes:asc", &[1, 2, 3, 4], 600, 0);
    check("", "proto", &[1, 2, 3, 4], 600, 0);
    check("", "dport:desc", &[1, 2, 3, 4], 600, 0);
    check("bytes > 150", "bytes", &[3, 2], 500, 1);
    check("bytes = unknown", "bytes", &[4], 0, 0);
    check("sport 1002", "bytes", &[2], 200, 0);
}

#[test]
fn nothing_is_recomputed_without_a_change() {
    let mut world = world();
    let (mut view, live) = (View::default(), query("", "bytes", Motion::Live));
    assert!(view.refresh(&[world.source()], &live));
    assert!(!view.refresh(&[world.source()], &live));
    assert!(view.refresh(&[world.source()], &query("", "id", Motion::Live)));
    world.pass(new(vec![flow(5, "10.0.0.1:1005", "8.8.8.8:443")]));
    assert!(view.refresh(&[world.source()], &query("", "id", Motion::Live)));
}

#[test]
fn ghosts_stay_where_they_were_and_do_not_count() {
    let mut world = world();
    let (mut view, live) = (View::default(), query("", "bytes", Motion::Live));
    view.refresh(&[world.source()], &live);
    assert_eq!(shown(&mut view), [3, 2, 1, 4]);

    // Flow 2 ends with more bytes than all others: it stays at its place.
    let end = ended(2, world.now + 1000, traffic(5000, 5000, world.now + 1000));
    world.pass(DeltaRows { ended: vec![end], ..DeltaRows::default() });
    view.refresh(&[world.source()], &live);
    assert_eq!(shown(&mut view), [3, -2, 1, 4]);
    assert_eq!((view.len(), view.ghosts()), (4, 1));
    assert_eq!((view.totals().all().flows, view.totals().all().bytes), (3, 400));
    world.pass(DeltaRows::default());
    view.refresh(&[world.source()], &live);
    assert_eq!(shown(&mut view), [3, -2, 1, 4]);

    // Another order has another place for it; the time is over after ten seconds.
    view.refresh(&[world.source()], &query("", "bytes:asc", Motion::Live));
    assert_eq!(shown(&mut view), [1, 3, -2, 4]);
    for _ in 0..9 {
        world.pass(DeltaRows::default());
    }
    view.refresh(&[world.source()], &live);
    assert_eq!(shown(&mut view), [3, 1, 4]);
    assert_eq!(view.rank_of(key(2)), None);
}

#[test]
fn short_flows_appear_as_ghosts() {
    let mut world = world();
    let mut end = ended(9, world.now + 500, traffic(7, 7, world.now + 500));
    let mut short = flow(9, "10.0.0.1:9", "8.8.8.8:53");
    short.identity.born = true;
    short.identity.first_seen = conntop_proto::flow::BootMillis(world.now + 100);
    end.short = Some(Box::new(short));
    world.pass(DeltaRows { ended: vec![end], ..DeltaRows::default() });
    let mut view = View::default();
    view.refresh(&[world.source()], &query("", "id", Motion::Live));
    assert_eq!(shown(&mut view), [-9, 4, 3, 2, 1]);
    view.refresh(&[world.source()], &query("dport 53", "id", Motion::Live));
    assert_eq!(shown(&mut view), [-9]);
    assert_eq!(view.totals().all().flows, 0);
    view.refresh(&[world.source()], &Query { ghost: Duration::ZERO, ..query("", "id", Motion::Live) });
    assert_eq!(shown(&mut view), [4, 3, 2, 1]);
}

#[test]
fn frozen_rows_keep_their_places() {
    let mut world = world();
    let (mut view, frozen) = (View::default(), query("", "bytes", Motion::Frozen));
    view.refresh(&[world.source()], &query("", "bytes", Motion::Live));
    view.refresh(&[world.source()], &frozen);
    assert_eq!(shown(&mut view), [3, 2, 1, 4]);

    let now = world.now + 1000;
    let rows = DeltaRows {
        traffic: vec![(FlowId(1), traffic(9000, 9000, now))],
        new: vec![
            with(flow(8, "10.0.0.1:8", "8.8.8.8:443"), traffic(99_000, 0, now)),
            with(flow(7, "10.0.0.1:7", "8.8.8.8:443"), traffic(98_000, 0, now)),
        ],
        ended: vec![ended(3, now, traffic(1, 1, now))],
        ..DeltaRows::default()
    };
    world.pass(rows);
    view.refresh(&[world.source()], &frozen);
    assert_eq!(&shown(&mut view)[..4], [-3, 2, 1, 4]);
    assert_eq!(view.len(), 6);
    let order = shown(&mut view);
    world.pass(DeltaRows::default());
    view.refresh(&[world.source()], &frozen);
    assert_eq!(shown(&mut view), order);

    view.refresh(&[world.source()], &query("", "id:asc", Motion::Frozen));
    assert_eq!(shown(&mut view), [1, 2, -3, 4, 7, 8]);
    world.pass(new(vec![flow(0, "10.0.0.1:6", "8.8.8.8:443")]));
    view.refresh(&[world.source()], &query("", "id:asc", Motion::Frozen));
    assert_eq!(shown(&mut view), [1, 2, -3, 4, 7, 8, 0]);

    view.refresh(&[world.source()], &query("", "bytes", Motion::Live));
    assert_eq!(&shown(&mut view)[..3], [8, 7, 1]);
}

#[test]
fn held_rows_do_not_even_vanish() {
    let mut world = world();
    let mut view = View::default();
    view.refresh(&[world.source()], &query("", "bytes", Motion::Live));
    world.pass(DeltaRows { ended: vec![ended(3, world.now + 1, traffic(1, 1, 1))], ..DeltaRows::default() });
    assert!(!view.refresh(&[world.source()], &query("", "bytes", Motion::Held)));
    assert_eq!(shown(&mut view), [3, 2, 1, 4]);
    assert!(view.refresh(&[world.source()], &query("", "bytes", Motion::Live)));

    // Another question is answered at once.
    assert!(view.refresh(&[world.source()], &query("sport 1001", "bytes", Motion::Held)));
    assert_eq!(shown(&mut view), [1]);
    assert!(view.refresh(&[world.source()], &query("", "id:asc", Motion::Held)));
    assert_eq!(shown(&mut view), [1, 2, -3, 4]);
}

#[test]
fn ghosts_go_when_another_filter_comes() {
    let mut world = world();
    let mut view = View::default();
    view.refresh(&[world.source()], &query("bytes >= 200", "bytes", Motion::Live));
    assert_eq!(shown(&mut view), [3, 2]);
    let end = ended(3, world.now + 1000, traffic(1, 1, world.now + 1000));
    world.pass(DeltaRows { ended: vec![end], ..DeltaRows::default() });
    view.refresh(&[world.source()], &query("bytes >= 200", "bytes", Motion::Live));
    assert_eq!(shown(&mut view), [-3, 2]);
    view.refresh(&[world.source()], &query("sport 1002", "bytes", Motion::Live));
    assert_eq!(shown(&mut view), [2]);
}

#[test]
fn ranks_follow_flows() {
    let world = world();
    let mut view = View::default();
    view.refresh(&[world.source()], &query("", "bytes", Motion::Live));
    for (rank, id) in [3, 2, 1, 4].into_iter().enumerate() {
        assert_eq!(view.rank_of(key(id)), Some(rank));
        assert_eq!(view.at(rank), Some(key(id)));
    }
    assert_eq!(view.at(4), None);
    assert_eq!(view.rank_of(key(99)), None);
    assert!(view.rows(4, 10).is_empty());
    assert!(view.rows(usize::MAX, 10).is_empty());
}

#[test]
fn parts_show_what_the_whole_shows_and_nothing_before_they_are_complete() {
    let mut world = world();
    let short = ended(3, world.now + 1000, traffic(5_000, 5_000, 1));
    for motion in [Motion::Live, Motion::Frozen] {
        for step in [1, 2, 3, 100] {
            let (mut whole, mut parts) = (View::default(), View::default());
            for view in [&mut whole, &mut parts] {
                view.refresh(&[world.source()], &query("", "bytes", motion));
            }
            let before = shown(&mut parts);
            world.pass(DeltaRows { ended: vec![short.clone()], ..DeltaRows::default() });
            let asked = query("bytes > 1", "bytes", motion);
            whole.refresh(&[world.source()], &asked);
            assert!(parts.begin(&[world.source()], &asked));
            while !parts.advance(&[world.source()], step) {
                assert_eq!(shown(&mut parts), before, "{motion:?} by {step}");
                assert!(parts.begin(&[world.source()], &asked), "it goes on");
            }
            assert_eq!(shown(&mut parts), shown(&mut whole), "{motion:?} by {step}");
            assert_eq!(parts.totals(), whole.totals());
            assert!(!parts.begin(&[world.source()], &asked), "nothing is left to do");
        }
    }
}

#[test]
fn a_refresh_begins_again_when_its_ground_moves() {
    let mut world = world();
    let mut view = View::default();
    view.begin(&[world.source()], &query("", "bytes", Motion::Live));
    assert!(!view.advance(&[world.source()], 3));
    // The flows that were asked already have changed.
    world.pass(DeltaRows { traffic: vec![(FlowId(1), traffic(9000, 0, 9))], ..DeltaRows::default() });
    while !view.advance(&[world.source()], 3) {}
    assert_eq!(shown(&mut view), [1, 3, 2, 4]);
    assert_eq!(view.totals().all().bytes, 9_500);

    // Another question takes the place of the one that is being answered.
    view.begin(&[world.source()], &query("", "bytes:asc", Motion::Live));
    assert!(!view.advance(&[world.source()], 3));
    view.begin(&[world.source()], &query("bytes > 250", "bytes:asc", Motion::Live));
    while !view.advance(&[world.source()], 3) {}
    assert_eq!(shown(&mut view), [3, 1]);

    // Whoever moves wants to see what is there.
    world.pass(DeltaRows { traffic: vec![(FlowId(1), traffic(9001, 0, 10))], ..DeltaRows::default() });
    view.begin(&[world.source()], &query("bytes > 250", "bytes:asc", Motion::Live));
    assert!(!view.advance(&[world.source()], 3));
    assert!(!view.begin(&[world.source()], &query("bytes > 250", "bytes:asc", Motion::Held)));
    assert!(view.advance(&[world.source()], 1));
}

/// Places of frozen rows are those of the ranking, which scrolling puts in order.
#[test]
fn frozen_rows_keep_their_places_while_somebody_scrolls() {
    let mut world = World::default();
    let rows = (0..5_000).map(|id| {
        let row = flow(id, &format!("10.0.{}.{}:1", id / 256, id % 256), "8.8.8.8:443");
        with(row, traffic(id * 7919 % 5003, 0, 0))
    });
    world.pass(new(rows.collect()));
    let frozen = query("", "bytes", Motion::Frozen);
    let mut view = View::default();
    view.refresh(&[world.source()], &frozen);
    let wanted: Vec<FlowKey> = View::rows(&mut view, 0, 5_000).iter().map(|row| row.id).collect();
    let mut view = View::default();
    view.refresh(&[world.source()], &frozen);
    for top in [0, 4_000, 2_000] {
        let rows = wanted.iter().map(|id| (id.id(), traffic(6_000 - id.id().0, top as u64, world.now)));
        world.pass(DeltaRows { traffic: rows.collect(), ..DeltaRows::default() });
        view.begin(&[world.source()], &frozen);
        assert!(!view.advance(&[world.source()], 1_000));
        view.rows(top, 50);
        view.begin(&[world.source()], &frozen);
        while !view.advance(&[world.source()], 1_000) {}
        let got: Vec<FlowKey> = view.rows(top, 50).iter().map(|row| row.id).collect();
        assert_eq!(got, wanted[top..top + 50], "at {top}");
    }
}
