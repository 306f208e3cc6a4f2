//! What is counted since conntop began or since the mark: of live flows and of those that have ended.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{apply, delta, ended, flow, reset, synced, traffic};
use conntop::mirror::{Forgotten, Mirror, Seen};
use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::{BootMillis, FlowId, FlowRow};
use conntop_proto::message::{ResetReason, ServerMessage};

/// A flow with these bytes in the original direction, which was seen to begin at that time if it was.
fn counted(id: u64, bytes: u64, born: Option<u64>) -> FlowRow {
    let mut row = flow(id);
    row.traffic = traffic(1_000, bytes, 0);
    row.identity.born = born.is_some();
    row.identity.first_seen = BootMillis(born.unwrap_or(500));
    row
}

fn new(cursor: u64, rows: Vec<FlowRow>) -> ServerMessage {
    delta(cursor, DeltaRows { new: rows, ..DeltaRows::default() })
}

fn moved(cursor: u64, id: u64, bytes: u64) -> ServerMessage {
    let traffic = vec![(FlowId(id), traffic(cursor * 1_000 + 10, bytes, 0))];
    delta(cursor, DeltaRows { traffic, ..DeltaRows::default() })
}

fn end(cursor: u64, id: u64, bytes: u64) -> ServerMessage {
    let at = cursor * 1_000 + 10;
    delta(cursor, DeltaRows { ended: vec![ended(id, at, traffic(at, bytes, 0))], ..DeltaRows::default() })
}

fn seen(mirror: &Mirror, id: u64) -> Option<u64> {
    mirror.seen(mirror.get(FlowId(id)).unwrap()).map(|seen| seen.orig)
}

fn past(mirror: &Mirror) -> Vec<(u64, u64, u64)> {
    mirror.past().iter().map(|past| (past.flows, past.begun, past.seen.orig)).collect()
}

/// A mirror that met flow 1, which had carried 1000 bytes, 2 without counters, and 3, which began before.
fn begun() -> Mirror {
    let mut mirror = Mirror::default();
    let rows = vec![counted(1, 1_000, None), flow(2), counted(3, 300, Some(600))];
    apply(&mut mirror, &[reset(7, ResetReason::Start), new(1, rows), synced()]);
    mirror
}

#[test]
fn what_was_there_before_is_not_counted() {
    let mut mirror = begun();
    assert_eq!([1, 2, 3].map(|id| seen(&mirror, id)), [Some(0), None, Some(0)]);
    assert_eq!(mirror.ledger_since().begun, 0, "flow 3 began while somebody else looked");
    apply(&mut mirror, &[moved(2, 1, 1_500), moved(3, 3, 310), new(4, vec![counted(4, 70, Some(3_500))])]);
    assert_eq!([1, 2, 3, 4].map(|id| seen(&mirror, id)), [Some(500), None, Some(10), Some(70)]);
    let began = |id| mirror.began_since(mirror.get(FlowId(id)).unwrap());
    assert_eq!([1, 2, 3, 4].map(began), [false, false, false, true]);
    assert_eq!((mirror.counted_since(), mirror.marked()), (Some(BootMillis(1_200)), None));
}

#[test]
fn the_mark_begins_anew() {
    let mut mirror = begun();
    apply(&mut mirror, &[moved(2, 1, 1_500), end(3, 3, 310)]);
    assert_eq!(past(&mirror), [(1, 0, 10)]);
    mirror.mark();
    assert_eq!((seen(&mirror, 1), past(&mirror), mirror.ledger_since().transit.orig), (Some(0), vec![], 0));
    assert_eq!(mirror.marked(), Some(BootMillis(3_200)));
    apply(&mut mirror, &[moved(4, 1, 1_501)]);
    assert_eq!((seen(&mirror, 1), mirror.ledger_since().transit.orig), (Some(1), 1));
}

#[test]
fn marks_are_told_apart_however_many_there_are() {
    let mut mirror = begun();
    apply(&mut mirror, &[moved(2, 1, 1_500)]);
    for _ in 0..1_000 {
        mirror.mark();
        assert_eq!(seen(&mirror, 1), Some(0));
    }
    apply(&mut mirror, &[moved(3, 1, 1_507)]);
    assert_eq!(seen(&mirror, 1), Some(7));
}

#[test]
fn the_base_outlives_samples_and_the_flow() {
    let mut mirror = begun();
    apply(&mut mirror, &[moved(2, 1, 1_500)]);
    // Long after every window, so that the flow has no samples any more.
    apply(&mut mirror, &(3..5_000).map(|cursor| new(cursor, Vec::new())).collect::<Vec<_>>());
    assert_eq!(seen(&mirror, 1), Some(500));
    apply(&mut mirror, &[end(5_000, 1, 1_600)]);
    assert_eq!(past(&mirror), [(1, 0, 600)]);
    let ghost = mirror.ended().next().unwrap();
    assert_eq!(mirror.seen_of_ended(ghost), Some(Seen { orig: 600, reply: 0 }));
}

#[test]
fn ended_flows_that_differ_in_the_openers_port_share_an_entry() {
    let mut mirror = begun();
    let rows = vec![counted(10, 5, Some(1_500)), counted(11, 6, Some(1_600))];
    apply(&mut mirror, &[new(2, rows), end(3, 10, 50), end(4, 11, 60)]);
    let mut other = counted(12, 7, Some(4_500));
    other.identity.orig.dst = common::addr(9);
    other.identity.reply = other.identity.orig.inverse();
    apply(&mut mirror, &[new(5, vec![other]), end(6, 12, 7)]);
    assert_eq!(past(&mirror), [(2, 2, 110), (1, 1, 7)]);
}

#[test]
fn another_collector_goes_on_where_the_one_before_was() {
    // (bytes of the flow in the new epoch, what it was seen to carry, what is past)
    let cases = [(1_600, 600, vec![]), (40, 0, vec![(1, 0, 500)])];
    for (bytes, live, gone) in cases {
        let mut mirror = Mirror::default();
        apply(&mut mirror, &[reset(7, ResetReason::Start), new(1, vec![counted(1, 1_000, None)]), synced()]);
        apply(&mut mirror, &[moved(2, 1, 1_500)]);
        let mut row = counted(1, bytes, None);
        row.identity.id = FlowId(77);
        apply(&mut mirror, &[reset(8, ResetReason::Restart), new(1, vec![row]), synced()]);
        assert_eq!((seen(&mirror, 77), past(&mirror)), (Some(live), gone), "{bytes}");
    }
}

#[test]
fn the_past_is_bounded_and_says_what_it_lacks() {
    let mut mirror = begun();
    let other = |id: u64| {
        let mut row = counted(id, id, Some(1_500));
        row.identity.zone = u16::try_from(id % 60_000).unwrap();
        row
    };
    let ids = 1_001..=53_000_u64;
    for id in ids.clone() {
        let mut row = ended(id, 2_000, traffic(2_000, id, 0));
        row.short = Some(Box::new(other(id)));
        apply(&mut mirror, &[delta(2, DeltaRows { ended: vec![row], ..DeltaRows::default() })]);
    }
    let Forgotten { flows, begun, seen } = *mirror.forgotten();
    assert!(flows > 20_000 && begun == flows, "{flows}");
    let kept: u64 = mirror.past().iter().map(|past| past.flows).sum();
    assert_eq!(kept + flows, 52_000);
    let bytes: u64 = mirror.past().iter().map(|past| past.seen.orig).sum();
    assert_eq!(bytes + seen.orig, ids.sum::<u64>());
    assert_eq!(mirror.ledger_since().transit.orig, bytes + seen.orig);
    let least = mirror.past().iter().map(|past| past.seen.orig).min().unwrap();
    assert!(least > 20_000, "those that carried least are forgotten first: {least}");
    mirror.mark();
    assert_eq!((*mirror.forgotten(), mirror.past().len()), (Forgotten::default(), 0));
}
