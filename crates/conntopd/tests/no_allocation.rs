//! A table that is as large as it was before allocates nothing, and a flow takes what `slot.rs` says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test may fail"
)]

#[path = "table/wire.rs"]
mod wire;

use std::sync::Arc;

use allocation_counter::measure;
use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::BootMillis;
use conntop_proto::message::Coverage;
use conntopd::table::{CursorId, FlowTable, Interest, Limits, Outcome, ReadSpan};
use wire::{Kind, feed, write};

/// Buffers as the kernel fills them.
const BUFFER: usize = 32 << 10;

const FLOWS: u32 = 10_000;

/// A kernel's table and ours, with a client that keeps up.
struct Stage {
    table: FlowTable,
    cursor: CursorId,
    rows: DeltaRows,
    now: u64,
    /// Numbers of the flows that live.
    flows: std::ops::Range<u32>,
    buffer: Vec<u8>,
}

impl Stage {
    fn new(limits: Limits, flows: u32) -> Self {
        let mut table = FlowTable::new(1, limits);
        let (cursor, _) = table.open_cursor(None, Arc::new(Interest::default()));
        let buffer = Vec::with_capacity(2 * BUFFER);
        let rows = DeltaRows::default();
        let mut stage = Self { table, cursor, rows, now: 1_000, flows: 0..flows, buffer };
        stage.pass(0);
        stage
    }

    /// Hands on what is in the buffer.
    fn flush(&mut self) {
        self.now += 1;
        let read = ReadSpan { from: BootMillis(self.now), to: BootMillis(self.now) };
        feed(&mut self.table, read, &self.buffer);
        self.buffer.clear();
    }

    fn say(&mut self, kind: Kind, number: u32, bytes: u64) {
        write(kind, number, bytes, &mut self.buffer);
        if self.buffer.len() > BUFFER {
            self.flush();
        }
    }

    /// So many flows end, and as many begin.
    fn turn_over(&mut self, count: u32) {
        for step in 0..count {
            self.say(Kind::Destroy, self.flows.start + step, self.now);
            self.say(Kind::New, self.flows.end + step, 0);
        }
        self.flows = self.flows.start + count..self.flows.end + count;
        self.flush();
    }

    /// Every other flow moves; some end and begin when the pass has begun.
    fn pass(&mut self, turnover: u32) {
        self.table.begin_pass(BootMillis(self.now), Coverage::Whole);
        self.turn_over(turnover);
        for number in self.flows.clone() {
            let bytes = if number.is_multiple_of(2) { self.now } else { 0 };
            self.say(Kind::Entry, number, bytes);
        }
        self.flush();
        let report = self.table.end_pass(BootMillis(self.now), Outcome::Complete);
        assert_eq!((report.reaped, self.table.stats().flows), (0, self.flows.len()));
        loop {
            let chunk = self.table.next_chunk(self.cursor, 1000, &mut self.rows);
            let DeltaRows { ended, new, state, traffic, meta } = &mut self.rows;
            ended.clear();
            new.clear();
            state.clear();
            traffic.clear();
            meta.clear();
            if chunk.in_step {
                break;
            }
        }
    }

    /// A tenth of the flows ends, half of these during the pass, and as many begin.
    fn cycle(&mut self, millis: u64) {
        self.now += millis;
        self.table.expire(BootMillis(self.now));
        let half = u32::try_from(self.flows.len() / 20).unwrap();
        self.turn_over(half);
        self.pass(half);
    }
}

/// Sixty passes after a warm-up of one cycle.
fn check(limits: Limits, millis: u64) {
    let mut stage = Stage::new(limits, FLOWS);
    stage.cycle(millis);
    let info = measure(|| {
        for _ in 0..60 {
            stage.cycle(millis);
        }
    });
    assert_eq!((info.count_total, info.bytes_total), (0, 0), "allocations of sixty passes");
}

#[test]
fn passes_a_minute_apart_allocate_nothing() {
    check(Limits::default(), 61_000);
}

#[test]
fn passes_a_second_apart_at_the_limit_of_ended_flows_allocate_nothing() {
    check(Limits { ended: 1_000, ..Limits::default() }, 1_000);
}

#[test]
fn a_flow_takes_what_it_should() {
    const MANY: u32 = 100_000;
    let info = measure(|| std::mem::forget(Stage::new(Limits::default(), MANY)));
    let each = |bytes: u64| bytes / u64::from(MANY);
    let (kept, peak) = (each(info.bytes_current.unsigned_abs()), each(info.bytes_max));
    assert!(kept <= 165 && peak <= 170, "{MANY} flows take {kept} bytes each, {peak} at most");
}
