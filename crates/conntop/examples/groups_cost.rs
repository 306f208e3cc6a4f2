//! What it costs to put the flows of a large table into groups:
//! `cargo run --release -p conntop --example groups_cost -- 1000000`

#![allow(clippy::print_stdout, reason = "an example prints")]

#[path = "../benches/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use conntop::groups::{GroupSort, Grouping, Groups, Query};
use conntop::view::Motion;

/// Flows of one part, as the screen asks for them.
const STEP: usize = 64;

fn main() {
    let flows = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let engine = support::world(flows);
    let source = support::source(&engine);
    println!("{flows} flows; milliseconds: all, longest part of {STEP} flows, window of 60, other order");
    for keys in ["local", "remote", "local,service", "host", "net24", "src,dst", "proto"] {
        let Ok(grouping) = keys.parse::<Grouping>() else { continue };
        let query = Query {
            filter: None,
            hide_internal: false,
            hide_own: false,
            grouping,
            sort: GroupSort::default(),
            motion: Motion::Live,
        };
        let mut groups = Groups::default();
        let (mut longest, begun) = (Duration::ZERO, Instant::now());
        groups.begin(&[source], &query);
        loop {
            let part = Instant::now();
            let done = groups.advance(&[source], STEP);
            longest = longest.max(part.elapsed());
            if done {
                break;
            }
        }
        let all = begun.elapsed();
        let begun = Instant::now();
        let rows = groups.rows(0, 60).count();
        let window = begun.elapsed();
        let begun = Instant::now();
        groups.refresh(&[source], &Query { sort: GroupSort::by_name(), ..query });
        let other = groups.rows(0, rows).count();
        let [all, longest, window, other] =
            [all, longest, window, begun.elapsed()].map(|time| (time.as_secs_f64() * 1e3, other).0);
        println!("{keys:>14}: {:>7} groups  {all:7.1} {longest:6.1} {window:6.1} {other:6.1}", groups.len());
    }
}
