//! The reading thread with sources made of bytes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::sync::mpsc::channel;
use std::time::Duration;

use conntop_proto::message::Coverage;
use nfnetlink::RequestSocket;
use nfnetlink::ct::FlowRef;
use tokio::sync::mpsc;

use super::super::cost::Cost;
use super::super::known::Known;
use super::super::pool::Pool;
use super::super::report::{Ask, Report};
use super::super::source::{Form, Means, Offer, Part, Reach, Source};
use super::super::tracking::Tracking;
use super::Requests;
use crate::table::ReadSpan;

/// Parts of one byte, their numbers; of named flows as many as there are.
struct Bytes {
    parts: u8,
    next: u8,
}

impl Source for Bytes {
    fn offer(&self) -> Offer {
        let cost = Cost { bucket: 0.0, flow: 0.0, passed: 0.0 };
        Offer { reach: Reach::Pass(Coverage::Whole), means: Means::Dump, cost }
    }

    fn begin(&mut self, flows: &[FlowRef]) -> nfnetlink::Result<()> {
        self.next = u8::try_from(flows.len()).unwrap();
        Ok(())
    }

    fn read(&mut self, buffer: &mut Vec<u8>) -> nfnetlink::Result<Option<Part>> {
        if self.next == self.parts {
            return Ok(None);
        }
        buffer.clear();
        buffer.push(self.next);
        self.next += 1;
        Ok(Some(Part { len: 1, form: Form::Dump, span: ReadSpan::default() }))
    }

    fn abandon(&mut self) {
        self.next = 200;
    }
}

/// What the thread answers to these questions, in a word each.
#[track_caller]
fn check(asks: Vec<Ask>, expected: &str) {
    let Ok(socket) = RequestSocket::open() else {
        eprintln!("skipped: no nfnetlink here");
        return;
    };
    let (sender, commands) = channel();
    let (reports, mut reported) = mpsc::channel(100);
    let (pool, back) = Pool::new(2, 4);
    let sources: Vec<Box<dyn Source>> =
        vec![Box::new(Bytes { parts: 3, next: 0 }), Box::new(Bytes { parts: 4, next: 0 })];
    for ask in asks {
        sender.send(ask).unwrap();
    }
    drop(sender);
    let (known, tracking) = (Known::default(), Tracking::open());
    let thread = std::thread::spawn(move || {
        Requests { commands, reports, pool, socket, sources, known, tracking, ender: None }.run()
    });
    let mut words = Vec::new();
    while let Some(report) = reported.blocking_recv() {
        words.push(match report {
            Report::Entries(entries) => {
                let word = entries.buffer.first().unwrap().to_string();
                let _ = back.send(entries.buffer);
                word
            }
            Report::Slice(slice) => slice.end.map_or("slice".into(), |end| format!("{end:?}")),
            Report::Flows(flows) => format!("flows:{}", flows.flows.len()),
            _ => "other".into(),
        });
    }
    thread.join().unwrap();
    assert_eq!(words.join(" "), expected);
}

#[test]
fn slices_leave_room_for_other_questions() {
    let begin = |slice| Ask::Begin { source: 0, flows: Vec::new(), slice };
    // A slice of no time is one part.
    let (short, long) = (Duration::ZERO, Duration::from_secs(100));
    let more = |slice| Ask::More { slice };
    let ask = |flows| Ask::Flows { source: 1, flows: vec![FlowRef::default(); flows] };
    check(vec![begin(long)], "0 1 2 Complete");
    check(vec![begin(short), more(short), more(long)], "0 slice 1 slice 2 Complete");
    check(vec![begin(short), ask(2), more(long)], "0 slice 2 3 flows:2 1 2 Complete");
    check(vec![ask(4), ask(0)], "flows:4 0 1 2 3 flows:0");
    check(vec![begin(short), Ask::Abandon, more(short), begin(long)], "0 slice 0 1 2 Complete");
    check(vec![more(short), Ask::Abandon], "");
}
