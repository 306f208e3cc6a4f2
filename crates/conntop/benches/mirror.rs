//! Messages into the mirror: a first transfer, and passes in which flows move.
//! `cargo bench -p conntop --bench mirror`

mod support;

use conntop::engine::Engine;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

#[divan::bench(args = support::SIZES, sample_count = 5, sample_size = 1)]
fn first_transfer(bencher: Bencher<'_, '_>, flows: u64) {
    let messages = support::snapshot(flows);
    bencher.counter(ItemsCount::new(flows)).bench_local(|| {
        let mut engine = Engine::default();
        support::apply(&mut engine, black_box(&messages));
        engine
    });
}

/// A tenth of the flows moves in each pass; numbers are per moved flow.
#[divan::bench(args = support::SIZES, sample_count = 10, sample_size = 1)]
fn pass(bencher: Bencher<'_, '_>, flows: u64) {
    let mut engine = support::world(flows);
    let mut number = 7;
    let inputs = || {
        number += 1;
        support::updates(number, flows, flows / 10)
    };
    bencher
        .counter(ItemsCount::new(flows / 10))
        .with_inputs(inputs)
        .bench_local_values(|messages| support::apply(&mut engine, &messages));
}

/// Nothing has moved.
#[divan::bench(args = support::SIZES, sample_count = 10, sample_size = 1)]
fn quiet_pass(bencher: Bencher<'_, '_>, flows: u64) {
    let mut engine = support::world(flows);
    let mut number = 7;
    let inputs = || {
        number += 1;
        vec![support::delta(number, true, conntop_proto::delta::DeltaRows::default())]
    };
    bencher.with_inputs(inputs).bench_local_values(|messages| support::apply(&mut engine, &messages));
}
