use std::time::Duration;

use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::{FlowId, FlowRow, TrafficRow};

use super::{Motion, Query, View};
use crate::filter::Filter;
use crate::flow::testing::{World, ended, flow, traffic};
use crate::sort::Sort;

fn query(filter: &str, sort: &str, motion: Motion) -> Query {
    Query {
        filter: (!filter.is_empty()).then(|| Filter::parse(filter).unwrap()),
        hide_internal: false,
        sort: Sort::parse(sort).unwrap(),
        motion,
        ghost: Duration::from_secs(10),
    }
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
        .map(|row| i64::try_from(row.id.0).unwrap() * if row.ghost { -1 } else { 1 })
        .collect()
}

#[test]
fn filter_order_and_totals() {
    let world = world();
    let check = |filter: &str, sort: &str, wanted: &[i64], bytes: u64, unknown: u64| {
        let mut view = View::default();
        assert!(view.refresh(world.source(), &query(filter, sort, Motion::Live)));
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
    assert!(view.refresh(world.source(), &live));
    assert!(!view.refresh(world.source(), &live));
    assert!(view.refresh(world.source(), &query("", "id", Motion::Live)));
    world.pass(DeltaRows::default());
    assert!(view.refresh(world.source(), &query("", "id", Motion::Live)));
}

#[test]
fn ghosts_stay_where_they_were_and_do_not_count() {
    let mut world = world();
    let (mut view, live) = (View::default(), query("", "bytes", Motion::Live));
    view.refresh(world.source(), &live);
    assert_eq!(shown(&mut view), [3, 2, 1, 4]);

    // Flow 2 ends with more bytes than all others: it stays at its place.
    let end = ended(2, world.now + 1000, traffic(5000, 5000, world.now + 1000));
    world.pass(DeltaRows { ended: vec![end], ..DeltaRows::default() });
    view.refresh(world.source(), &live);
    assert_eq!(shown(&mut view), [3, -2, 1, 4]);
    assert_eq!((view.len(), view.ghosts()), (4, 1));
    assert_eq!((view.totals().all().flows, view.totals().all().bytes), (3, 400));
    world.pass(DeltaRows::default());
    view.refresh(world.source(), &live);
    assert_eq!(shown(&mut view), [3, -2, 1, 4]);

    // Another order has another place for it; the time is over after ten seconds.
    view.refresh(world.source(), &query("", "bytes:asc", Motion::Live));
    assert_eq!(shown(&mut view), [1, 3, -2, 4]);
    for _ in 0..9 {
        world.pass(DeltaRows::default());
    }
    view.refresh(world.source(), &live);
    assert_eq!(shown(&mut view), [3, 1, 4]);
    assert_eq!(view.rank_of(FlowId(2)), None);
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
    view.refresh(world.source(), &query("", "id", Motion::Live));
    assert_eq!(shown(&mut view), [-9, 4, 3, 2, 1]);
    view.refresh(world.source(), &query("dport 53", "id", Motion::Live));
    assert_eq!(shown(&mut view), [-9]);
    assert_eq!(view.totals().all().flows, 0);
    view.refresh(world.source(), &Query { ghost: Duration::ZERO, ..query("", "id", Motion::Live) });
    assert_eq!(shown(&mut view), [4, 3, 2, 1]);
}

#[test]
fn frozen_rows_keep_their_places() {
    let mut world = world();
    let (mut view, frozen) = (View::default(), query("", "bytes", Motion::Frozen));
    view.refresh(world.source(), &query("", "bytes", Motion::Live));
    view.refresh(world.source(), &frozen);
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
    view.refresh(world.source(), &frozen);
    assert_eq!(&shown(&mut view)[..4], [-3, 2, 1, 4]);
    assert_eq!(view.len(), 6);
    let order = shown(&mut view);
    world.pass(DeltaRows::default());
    view.refresh(world.source(), &frozen);
    assert_eq!(shown(&mut view), order);

    view.refresh(world.source(), &query("", "id:asc", Motion::Frozen));
    assert_eq!(shown(&mut view), [1, 2, -3, 4, 7, 8]);
    world.pass(new(vec![flow(0, "10.0.0.1:6", "8.8.8.8:443")]));
    view.refresh(world.source(), &query("", "id:asc", Motion::Frozen));
    assert_eq!(shown(&mut view), [1, 2, -3, 4, 7, 8, 0]);

    view.refresh(world.source(), &query("", "bytes", Motion::Live));
    assert_eq!(&shown(&mut view)[..3], [8, 7, 1]);
}

#[test]
fn held_rows_do_not_even_vanish() {
    let mut world = world();
    let mut view = View::default();
    view.refresh(world.source(), &query("", "bytes", Motion::Live));
    world.pass(DeltaRows { ended: vec![ended(3, world.now + 1, traffic(1, 1, 1))], ..DeltaRows::default() });
    assert!(!view.refresh(world.source(), &query("", "bytes", Motion::Held)));
    assert_eq!(shown(&mut view), [3, 2, 1, 4]);
    assert!(view.refresh(world.source(), &query("", "bytes", Motion::Live)));

    // Another question is answered at once.
    assert!(view.refresh(world.source(), &query("sport 1001", "bytes", Motion::Held)));
    assert_eq!(shown(&mut view), [1]);
    assert!(view.refresh(world.source(), &query("", "id:asc", Motion::Held)));
    assert_eq!(shown(&mut view), [1, 2, -3, 4]);
}

#[test]
fn ghosts_go_when_another_filter_comes() {
    let mut world = world();
    let mut view = View::default();
    view.refresh(world.source(), &query("bytes >= 200", "bytes", Motion::Live));
    assert_eq!(shown(&mut view), [3, 2]);
    let end = ended(3, world.now + 1000, traffic(1, 1, world.now + 1000));
    world.pass(DeltaRows { ended: vec![end], ..DeltaRows::default() });
    view.refresh(world.source(), &query("bytes >= 200", "bytes", Motion::Live));
    assert_eq!(shown(&mut view), [-3, 2]);
    view.refresh(world.source(), &query("sport 1002", "bytes", Motion::Live));
    assert_eq!(shown(&mut view), [2]);
}

#[test]
fn ranks_follow_flows() {
    let world = world();
    let mut view = View::default();
    view.refresh(world.source(), &query("", "bytes", Motion::Live));
    for (rank, id) in [3, 2, 1, 4].into_iter().enumerate() {
        assert_eq!(view.rank_of(FlowId(id)), Some(rank));
        assert_eq!(view.at(rank), Some(FlowId(id)));
    }
    assert_eq!(view.at(4), None);
    assert_eq!(view.rank_of(FlowId(99)), None);
    assert!(view.rows(4, 10).is_empty());
    assert!(view.rows(usize::MAX, 10).is_empty());
}

/// What a refresh over a million flows costs. Run by hand:
/// `cargo test --release -p conntop --lib -- --ignored --nocapture million`.
#[test]
#[ignore = "a measurement, not a test"]
fn million() {
    let mut world = World::default();
    let rows = |from: u64| {
        let rows = (from..from + 10_000).map(|id| {
            let [_, _, _, _, _, a, b, c] = id.to_be_bytes();
            let src = format!("10.{a}.{b}.{c}:{}", 1024 + id % 60_000);
            with(flow(id, &src, "93.184.216.34:443"), traffic(id * 7919 % 100_000, id, 0))
        });
        new(rows.collect())
    };
    for at in 0..100 {
        world.pass(rows(at * 10_000));
    }
    world.pass(DeltaRows::default());
    for (filter, sort) in [
        ("", "bytes"),
        ("", "down"),
        ("", "src"),
        ("dport 443", "bytes"),
        ("port {80, https} and not dst in 10/8", "bytes"),
        ("rate > 1Mbit", "rate"),
        ("addr in 192.168/16", "bytes"),
        ("youtube", "bytes"),
        ("192.168.1", "bytes"),
        ("10.3.4", "bytes"),
    ] {
        let mut view = View::default();
        let begin = std::time::Instant::now();
        view.refresh(world.source(), &query(filter, sort, Motion::Live));
        let refreshed = begin.elapsed();
        let rows = view.rows(0, 50).len();
        let ranked = begin.elapsed() - refreshed;
        let begin = std::time::Instant::now();
        view.rows(view.len() / 2, 50);
        let middle = begin.elapsed();
        println!(
            "{filter:40} {sort:6} refresh {refreshed:?}, first {rows} rows {ranked:?}, middle {middle:?}"
        );
    }
}
