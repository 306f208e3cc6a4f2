//! The mirror: applying is idempotent, a reset never blanks, bounds hold and show.

mod common;

use common::{apply, delta, ended, flow, ids, reset, rows, synced, traffic};
use conntop::mirror::{Limits, Mirror};
use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::{FlowId, MetaRow, State, StateRow, Status};
use conntop_proto::message::{ResetReason, Resume, ServerMessage};

fn start(flows: &[u64]) -> Vec<ServerMessage> {
    let new = flows.iter().map(|&id| flow(id)).collect();
    vec![reset(7, ResetReason::Start), delta(1, DeltaRows { new, ..DeltaRows::default() }), synced()]
}

fn mirror(flows: &[u64]) -> Mirror {
    let mut mirror = Mirror::default();
    apply(&mut mirror, &start(flows));
    mirror
}

#[test]
fn every_message_may_come_twice() {
    let mut short = ended(9, 2_100, traffic(2_100, 5, 6));
    short.short = Some(Box::new(flow(9)));
    let change = delta(
        2,
        DeltaRows {
            ended: vec![ended(1, 2_050, traffic(2_050, 10, 20)), short],
            new: vec![flow(4)],
            state: vec![(FlowId(2), StateRow { state: State::TimeWait, status: Status(15) })],
            traffic: vec![(FlowId(2), traffic(2_010, 100, 200))],
            meta: vec![(FlowId(3), MetaRow { mark: 5, labels: Some(1), helper: Some("ftp".into()) })],
        },
    );
    let mut once = mirror(&[1, 2, 3]);
    apply(&mut once, std::slice::from_ref(&change));
    let mut twice = mirror(&[1, 2, 3]);
    apply(&mut twice, &[change.clone(), change]);
    assert_eq!(rows(&once), rows(&twice));
    assert_eq!(ids(&once), [2, 3, 4]);
    for mirror in [&once, &twice] {
        let ended: Vec<u64> = mirror.ended().map(|e| e.flow.id().0).collect();
        assert_eq!(ended, [1, 9], "a short flow is seen, and once");
        assert_eq!((mirror.ledger().begun, mirror.ledger().ended), (0, 2), "1 and 9 ended");
    }
    let two = once.get(FlowId(2)).unwrap();
    assert_eq!(two.state(), State::TimeWait);
    assert_eq!(two.reply_counters().unwrap().bytes, 200);
    assert_eq!(once.get(FlowId(3)).unwrap().helper(), Some("ftp"));
}

#[test]
fn what_is_unknown_is_ignored() {
    let mut mirror = mirror(&[1]);
    let before = rows(&mirror);
    let change = DeltaRows {
        ended: vec![ended(99, 2_000, traffic(2_000, 1, 1))],
        state: vec![(FlowId(98), StateRow::default())],
        traffic: vec![(FlowId(97), traffic(2_000, 1, 1))],
        meta: vec![(FlowId(96), MetaRow::default())],
        ..DeltaRows::default()
    };
    apply(&mut mirror, &[delta(2, change)]);
    assert_eq!(rows(&mirror), before);
    assert_eq!(mirror.ended().count(), 0);
}

#[test]
fn a_reset_marks_and_sweeps() {
    // (epoch of the reset, ids before `synced`, ids after it): flow 1 and 2 were there, 2 and 3 come.
    let cases = [(7, vec![1, 2, 3], vec![2, 3]), (8, vec![1, 2, 3], vec![2, 3])];
    for (epoch, before, after) in cases {
        let mut mirror = mirror(&[1, 2]);
        apply(&mut mirror, &[reset(epoch, ResetReason::Behind)]);
        assert_eq!(ids(&mirror), [1, 2], "epoch {epoch}: never blank");
        assert_eq!(mirror.resume(), None);
        let new = vec![flow(2), flow(3)];
        apply(&mut mirror, &[delta(5, DeltaRows { new, ..DeltaRows::default() })]);
        assert_eq!(ids(&mirror), before, "epoch {epoch}: nothing doubled");
        apply(&mut mirror, &[synced()]);
        assert_eq!(ids(&mirror), after, "epoch {epoch}");
        assert_eq!(mirror.resume(), Some(Resume { epoch, cursor: 5 }));
    }
}

#[test]
fn ids_of_a_new_epoch_are_other_flows() {
    let mut mirror = mirror(&[1, 2]);
    // In epoch 8 the id 1 belongs to what was flow 2 before.
    let mut other = flow(2);
    other.identity.id = FlowId(1);
    other.traffic = traffic(5_000, 50, 60);
    let new = DeltaRows { new: vec![other.clone()], ..DeltaRows::default() };
    apply(&mut mirror, &[reset(8, ResetReason::Restart), delta(5, new), synced()]);
    assert_eq!(rows(&mirror), [other]);
    assert_eq!(mirror.get(FlowId(2)).map(|f| f.id()), None);
}

#[test]
fn flows_beyond_the_limit_are_left_out_visibly() {
    let mut mirror = Mirror::new(Limits { flows: 2, ..Limits::default() });
    apply(&mut mirror, &start(&[1, 2, 3]));
    assert_eq!((mirror.len(), mirror.truncated()), (2, true));
    apply(&mut mirror, &start(&[1]));
    assert_eq!((mirror.len(), mirror.truncated()), (1, false));
}

#[test]
fn ended_flows_stay_ten_seconds_and_are_bounded() {
    let mut mirror = Mirror::new(Limits { ended: 2, ..Limits::default() });
    apply(&mut mirror, &start(&[1, 2, 3]));
    let gone = [1, 2, 3].map(|id| ended(id, 2_000, traffic(2_000, 0, 0))).to_vec();
    apply(&mut mirror, &[delta(2, DeltaRows { ended: gone, ..DeltaRows::default() })]);
    let left = |mirror: &Mirror| mirror.ended().map(|e| e.flow.id().0).collect::<Vec<_>>();
    assert_eq!(left(&mirror), [2, 3]);
    apply(&mut mirror, &[delta(11, DeltaRows::default())]);
    assert_eq!(left(&mirror), [2, 3]);
    apply(&mut mirror, &[delta(12, DeltaRows::default())]);
    assert_eq!(left(&mirror), [0; 0]);
}

#[test]
fn a_resume_point_is_in_step_and_synced() {
    let mut mirror = Mirror::default();
    let messages = start(&[1]);
    apply(&mut mirror, &messages[..2]);
    assert_eq!(mirror.resume(), None, "not synced");
    apply(&mut mirror, &messages[2..]);
    assert_eq!(mirror.resume(), Some(Resume { epoch: 7, cursor: 1 }));
    let ServerMessage::Delta(mut behind) = delta(2, DeltaRows::default()) else { unreachable!() };
    behind.in_step = false;
    apply(&mut mirror, &[ServerMessage::Delta(behind)]);
    assert_eq!(mirror.resume(), Some(Resume { epoch: 7, cursor: 1 }), "something was pending");
}
