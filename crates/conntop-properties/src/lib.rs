//! Properties that hold for any bytes from outside, one function each. `tests/corpus.rs` calls them
//! with the seeds in `fuzz/corpus` and with mutations of these, the fuzzer in `fuzz/` with whatever it
//! finds. A property that does not hold panics.
//!
//! Some take the bytes as they would come from outside; those that need whole messages or long stories
//! take them as seeds of a generator (`generate`), which is the one of the ordinary tests.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a property fails by panicking"
)]

mod auth;
mod client;
mod codec;
mod decoder;
mod filter;
mod netlink;
mod outcome;
mod proc;
mod session;
mod table;

#[path = "../../conntopd/tests/model.rs"]
mod model;
#[path = "../../conntop-proto/tests/support/mod.rs"]
mod support;

use std::hash::{DefaultHasher, Hash, Hasher};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// A property and what it is called in `fuzz/`.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of the fuzz target and of the folder with its seeds.
    pub name: &'static str,
    /// Panics when the property does not hold for these bytes.
    pub check: fn(&[u8]),
}

/// All properties.
pub const TARGETS: &[Target] = &[
    Target { name: "auth", check: auth::check },
    Target { name: "client", check: client::check },
    Target { name: "codec", check: codec::check },
    Target { name: "decoder", check: decoder::check },
    Target { name: "filter", check: filter::check },
    Target { name: "netlink", check: netlink::check },
    Target { name: "proc", check: proc::check },
    Target { name: "session", check: session::check },
    Target { name: "table", check: table::check },
];

/// Checks the property called `name`.
///
/// # Panics
/// When it does not hold, or there is none of this name.
pub fn check(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.unwrap_or_else(|| panic!("no property is called {name}"));
    (target.check)(bytes);
}

/// What `strategy` makes, one for each `size` bytes and at most `most`: each such piece is the seed of the
/// dice of one, so that a mutation of the bytes exchanges, drops or repeats a few of them.
fn generate<S: Strategy>(strategy: &S, bytes: &[u8], size: usize, most: usize) -> Vec<S::Value> {
    bytes.chunks(size).take(most).filter_map(|piece| made(strategy, piece)).collect()
}

/// What `strategy` makes with the dice that these bytes seed; `None` where it rejects them.
fn made<S: Strategy>(strategy: &S, bytes: &[u8]) -> Option<S::Value> {
    let config = Config { failure_persistence: None, ..Config::default() };
    // Hashed, for such dice begin alike where their seeds are alike.
    let seed = [0_u8, 1].map(|half| {
        let mut hasher = DefaultHasher::new();
        (half, bytes).hash(&mut hasher);
        hasher.finish().to_le_bytes()
    });
    let dice = TestRng::from_seed(RngAlgorithm::XorShift, &seed.concat());
    let mut runner = TestRunner::new_with_rng(config, dice);
    strategy.new_tree(&mut runner).ok().map(|tree| tree.current())
}

/// Takes a number below `most` from the front; 0 when nothing is left.
fn take(bytes: &mut &[u8], most: usize) -> usize {
    let Some((&[a, b], rest)) = bytes.split_first_chunk::<2>() else {
        *bytes = &[];
        return 0;
    };
    *bytes = rest;
    usize::from(u16::from_le_bytes([a, b])) % most.max(1)
}

/// The pieces between cuts at any places.
fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(bytes.len());
    let mut start = 0;
    cuts.into_iter().map(|end| &bytes[std::mem::replace(&mut start, end)..end]).collect()
}

/// Takes up to seven places to cut at from the front.
fn take_cuts(bytes: &mut &[u8]) -> Vec<usize> {
    (0..take(bytes, 8)).map(|_| take(bytes, usize::MAX)).collect()
}
