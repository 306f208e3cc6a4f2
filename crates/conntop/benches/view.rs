//! From the mirror to rows. `cargo bench -p conntop --bench view`

#![expect(clippy::expect_used, reason = "a benchmark")]

mod support;

use std::time::Duration;

use conntop::engine::Engine;
use conntop::filter::Filter;
use conntop::sort::Sort;
use conntop::view::{Motion, Query, View};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

fn query(filter: &str, sort: &str) -> Query {
    Query {
        filter: (!filter.is_empty()).then(|| Filter::parse(filter).expect("a filter")),
        hide_internal: false,
        hide_own: false,
        sort: Sort::parse(sort).expect("an order"),
        motion: Motion::Live,
        ghost: Duration::from_secs(10),
    }
}

const FILTERS: [&str; 6] = [
    "",
    "dport 443",
    "rate > 1Mbit",
    "addr in 192.168/16",
    "not (dst in 10/8 or port {80, ssh}) and bytes > 1kB",
    "10.3.4",
];

/// What 1,000,000 flows cost by filter.
#[divan::bench(args = FILTERS, sample_count = 8, sample_size = 1)]
fn million_by_filter(bencher: Bencher<'_, '_>, filter: &str) {
    refreshes(bencher, &support::world(1_000_000), &query(filter, "bytes"));
}

/// What 1,000,000 flows cost by order.
#[divan::bench(args = ["rate", "bytes", "src", "age", "state"], sample_count = 8, sample_size = 1)]
fn million_by_order(bencher: Bencher<'_, '_>, sort: &str) {
    refreshes(bencher, &support::world(1_000_000), &query("", sort));
}

#[divan::bench(args = support::SIZES, sample_count = 20, sample_size = 1)]
fn by_size(bencher: Bencher<'_, '_>, flows: u64) {
    refreshes(bencher, &support::world(flows), &query("", "rate"));
}

fn refreshes(bencher: Bencher<'_, '_>, engine: &Engine, query: &Query) {
    // A view that has seen nothing has everything to do.
    bencher.with_inputs(View::default).bench_local_refs(|view| {
        view.refresh(&[support::source(engine)], black_box(query));
        view.rows(0, 60)
    });
}

/// The last page, after the first one.
#[divan::bench(args = support::SIZES, sample_count = 8, sample_size = 1)]
fn to_the_end(bencher: Bencher<'_, '_>, flows: u64) {
    let engine = support::world(flows);
    let fresh = || {
        let mut view = View::default();
        view.refresh(&[support::source(&engine)], &query("", "rate"));
        view.rows(0, 60);
        view
    };
    bencher.with_inputs(fresh).bench_local_refs(|view| {
        let last = view.len();
        let id = view.at(last - 1);
        let rank = id.and_then(|id| view.rank_of(id));
        (rank, view.rows(last - 60, 60))
    });
}
