//! What a person is told in the first minute: one line for each thing that is not as it should be.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::time::{Duration, Instant};

use common::{delta, flow, hello, reset, synced};
use conntop::engine::{Engine, NoticeKind};
use conntop::source::{Messages, SourceEvent};
use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::BootMillis;
use conntop_proto::message::{KernelFacts, Lost, ResetReason, ServerMessage, TableStats};

#[test]
fn one_line_for_each_fact() {
    let good =
        KernelFacts { acct: Some(true), listening: true, tracking: Some(true), ..KernelFacts::default() };
    let off = KernelFacts { tracking: Some(false), ..good.clone() };
    let unknown = KernelFacts { tracking: None, ..good.clone() };
    let acct = KernelFacts { acct: Some(false), ..good.clone() };
    let deaf = KernelFacts { listening: false, ..good.clone() };
    use NoticeKind::{AcctOff, Empty, Lost as LostKind, NotListening, TrackingOff};
    let table = |flows: &[u64]| {
        let new = flows.iter().map(|&id| flow(id)).collect();
        vec![reset(1, ResetReason::Start), delta(1, DeltaRows { new, ..DeltaRows::default() }), synced()]
    };
    let lost = |since| ServerMessage::Lost(Lost { overruns: 1, events: Some(312), since });
    let with = |message, mut messages: Vec<ServerMessage>| {
        messages.push(message);
        messages
    };
    let tracking =
        |on| ServerMessage::Table(TableStats { tracking: Some(on), flows: 1, ..TableStats::default() });
    let cases: &[(&str, &KernelFacts, Vec<ServerMessage>, &[NoticeKind])] = &[
        ("all is well", &good, table(&[1]), &[]),
        ("nothing is known yet", &good, Vec::new(), &[]),
        ("not tracking is known at once", &off, Vec::new(), &[TrackingOff]),
        ("an empty table has a reason", &off, table(&[]), &[TrackingOff]),
        ("a flow proves the contrary", &off, table(&[1]), &[]),
        ("tracking has ended", &good, with(tracking(false), table(&[1])), &[TrackingOff]),
        ("tracking has begun", &off, with(tracking(true), table(&[])), &[Empty]),
        ("tracked, and empty", &good, table(&[]), &[Empty]),
        ("empty, nobody knows why", &unknown, table(&[]), &[Empty]),
        ("no accounting", &acct, table(&[1]), &[AcctOff]),
        ("no events", &deaf, table(&[1]), &[NotListening]),
        ("events are lost", &good, with(lost(Some(BootMillis(5))), table(&[1])), &[LostKind]),
        ("the loss is repaired", &good, with(lost(None), table(&[1])), &[]),
    ];
    for (name, kernel, messages, wanted) in cases {
        let mut engine = Engine::default();
        engine.apply(hello((*kernel).clone()), Instant::now()).unwrap();
        engine.apply(SourceEvent::Messages(Messages::new(messages.clone())), Instant::now()).unwrap();
        let notices = engine.notices();
        let kinds: Vec<NoticeKind> = notices.iter().map(|notice| notice.kind).collect();
        assert_eq!(&kinds, wanted, "{name}: {notices:?}");
        assert!(notices.iter().all(|notice| !notice.to_string().contains('\n')), "{name}: one line");
    }
}

#[test]
fn time_stands_still_while_the_connection_is_lost() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut engine = Engine::default();
    assert_eq!(engine.collector_time(start), BootMillis(0));
    engine.apply(hello(KernelFacts::default()), start).unwrap();
    let message = delta(1, DeltaRows::default());
    engine.apply(SourceEvent::Messages(Messages::new([message])), at(1)).unwrap();
    assert_eq!(engine.collector_time(at(3)), BootMillis(3_200), "the delta was made at 1.2 s");
    let stale = || SourceEvent::Stale { cause: "gone".to_owned(), retry_in: Duration::from_secs(1) };
    engine.apply(stale(), at(4)).unwrap();
    engine.apply(stale(), at(9)).unwrap();
    assert_eq!(engine.collector_time(at(10)), BootMillis(4_200), "as old as the first loss");
    assert_eq!(engine.notices().first().map(|n| n.kind), Some(NoticeKind::Stale));
}
