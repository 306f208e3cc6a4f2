//! What the table costs, parsing included: `cargo bench -p conntopd --bench table`
//!
//! Buffers are made as the kernel fills them, one at a time and outside of the measured time, so
//! that a pass meets caches as cold as a real one does. Times are per item: an entry, an event, a row.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, unreachable_pub)]
#![allow(missing_docs, reason = "a program")]

#[path = "../tests/table/wire.rs"]
mod wire;

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use conntop_proto::delta::DeltaRows;
use conntop_proto::flow::BootMillis;
use conntop_proto::message::Coverage;
use conntopd::table::{CursorId, FlowTable, Interest, Limits, Outcome, ReadSpan};
use divan::Bencher;
use divan::counter::ItemsCount;
use wire::{Kind, feed, write};

const SIZES: [u32; 3] = [1_000, 100_000, 1_000_000];
/// Messages of a buffer: about 32 KiB.
const MESSAGES: u32 = 100;
/// Buffers measured: more than a pass over a million flows.
const SAMPLES: u32 = 12_000;

fn main() {
    divan::main();
}

fn at(now: u64) -> ReadSpan {
    ReadSpan { from: BootMillis(now), to: BootMillis(now) }
}

struct World {
    table: FlowTable,
    now: u64,
    flows: Range<u32>,
    /// The next flow of the pass.
    next: u32,
    /// Of so many flows one moves between two passes; 0 for none.
    moves: u32,
    spare: Vec<u8>,
}

impl World {
    fn new(flows: u32, moves: u32) -> RefCell<Self> {
        let table = FlowTable::new(1, Limits::default());
        let mut world = Self { table, now: 1_000, flows: 0..flows, next: 0, moves, spare: Vec::new() };
        // The second pass knows the order.
        for _ in 0..2 {
            world.pass();
        }
        RefCell::new(world)
    }

    fn pass(&mut self) {
        for _ in 0..self.flows.end.div_ceil(MESSAGES) {
            let buffer = self.entries();
            feed(&mut self.table, at(self.now), &buffer);
            self.spare = buffer;
        }
    }

    /// The next buffer of a pass, which begins and ends where it has to.
    fn entries(&mut self) -> Vec<u8> {
        if self.next == self.flows.start || self.next >= self.flows.end {
            self.table.end_pass(BootMillis(self.now), Outcome::Complete);
            self.now += 1_000;
            self.next = self.flows.start;
            self.table.begin_pass(BootMillis(self.now), Coverage::Whole);
        }
        let mut buffer = std::mem::take(&mut self.spare);
        buffer.clear();
        for number in self.next..(self.next + MESSAGES).min(self.flows.end) {
            let moves = self.moves > 0 && number % self.moves == 0;
            write(Kind::Entry, number, if moves { self.now } else { 0 }, &mut buffer);
        }
        self.next += MESSAGES;
        buffer
    }

    /// As many flows end as begin.
    fn events(&mut self) -> Vec<u8> {
        self.now += 1;
        if self.now.is_multiple_of(100) {
            self.table.expire(BootMillis(self.now));
        }
        let mut buffer = std::mem::take(&mut self.spare);
        buffer.clear();
        for _ in 0..MESSAGES / 2 {
            write(Kind::Destroy, self.flows.start, self.now, &mut buffer);
            write(Kind::New, self.flows.end, 0, &mut buffer);
            self.flows = self.flows.start + 1..self.flows.end + 1;
        }
        buffer
    }
}

fn measure(bencher: Bencher<'_, '_>, world: &RefCell<World>, fill: fn(&mut World) -> Vec<u8>) {
    bencher
        .counter(ItemsCount::new(MESSAGES))
        .with_inputs(|| fill(&mut world.borrow_mut()))
        .bench_local_values(|buffer| {
            let world = &mut *world.borrow_mut();
            feed(&mut world.table, at(world.now), &buffer);
            world.spare = buffer;
        });
}

/// Every flow is new to the table.
#[divan::bench(args = SIZES, sample_count = SAMPLES, sample_size = 1)]
fn first_pass(bencher: Bencher<'_, '_>, flows: u32) {
    let world = World::new(flows, 0);
    measure(bencher, &world, |world| {
        if world.next >= world.flows.end {
            world.table = FlowTable::new(1, Limits::default());
        }
        world.entries()
    });
}

#[divan::bench(args = SIZES, sample_count = SAMPLES, sample_size = 1)]
fn pass_over_unchanged(bencher: Bencher<'_, '_>, flows: u32) {
    measure(bencher, &World::new(flows, 0), World::entries);
}

#[divan::bench(args = SIZES, sample_count = SAMPLES, sample_size = 1)]
fn pass_with_a_tenth_changed(bencher: Bencher<'_, '_>, flows: u32) {
    measure(bencher, &World::new(flows, 10), World::entries);
}

#[divan::bench(args = SIZES, sample_count = SAMPLES, sample_size = 1)]
fn events(bencher: Bencher<'_, '_>, flows: u32) {
    let world = World::new(flows, 0);
    world.borrow_mut().table.end_pass(BootMillis(0), Outcome::Complete);
    measure(bencher, &world, World::events);
}

/// A client that takes what changed: every flow, in rows of traffic.
#[divan::bench(args = SIZES, sample_count = 1_200, sample_size = 1)]
fn walk_over_changes(bencher: Bencher<'_, '_>, flows: u32) {
    const ROWS: usize = 1_000;
    let world = World::new(flows, 1);
    let rows = RefCell::new(DeltaRows::default());
    let cursor = world.borrow_mut().table.open_cursor(None, Arc::new(Interest::default())).0;
    let prepare = |cursor: CursorId| {
        let world = &mut *world.borrow_mut();
        if world.table.is_in_step(cursor) {
            world.pass();
        }
        let DeltaRows { ended, new, state, traffic, meta } = &mut *rows.borrow_mut();
        ended.clear();
        new.clear();
        state.clear();
        traffic.clear();
        meta.clear();
    };
    bencher
        .counter(ItemsCount::new(ROWS))
        .with_inputs(|| prepare(cursor))
        .bench_local_values(|()| world.borrow_mut().table.next_chunk(cursor, ROWS, &mut rows.borrow_mut()));
}
