//! Every property over its seeds, and over some thousands of mutations of them: what CI runs of the
//! fuzzer. `CONNTOP_FUZZ=N` makes N mutations of each target instead.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use conntop_properties::{TARGETS, Target};

/// Mutations of a target's seeds, unless its time is up before.
const MUTATIONS: u64 = 3_000;
/// Time for one target: the models are slow where nothing is optimised.
const TIME: Duration = Duration::from_secs(10);

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn seeds(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = corpus().join(target.name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seeds: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
    seeds
}

fn check(target: &Target, name: &str, bytes: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.check)(bytes))).is_err() {
        panic!("{} does not hold for {name}: b\"{}\"", target.name, bytes.escape_ascii());
    }
}

#[test]
fn properties_hold_for_the_seeds_and_their_mutations() {
    let (mutations, time) = match std::env::var("CONNTOP_FUZZ").ok().and_then(|n| n.parse().ok()) {
        Some(mutations) => (mutations, Duration::MAX),
        None => (MUTATIONS, TIME),
    };
    for target in TARGETS {
        let seeds = seeds(target);
        for (name, bytes) in &seeds {
            check(target, name, bytes);
        }
        let begun = Instant::now();
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let made = (0..mutations).take_while(|_| begun.elapsed() < time).map(|_| {
            let mut bytes = dice.pick(&seeds).1.clone();
            dice.mutate(&mut bytes, &seeds);
            check(target, "a mutation", &bytes);
        });
        println!("{}: {} seeds, {} mutations", target.name, seeds.len(), made.count());
    }
}

#[test]
fn the_corpus_is_small_and_every_target_of_the_fuzzer_has_one() {
    let targets = corpus().join("../fuzz_targets");
    let mut fuzzed: Vec<_> = fs::read_dir(targets).unwrap().map(|f| f.unwrap().path()).collect();
    fuzzed.sort();
    let names: Vec<_> = fuzzed.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, TARGETS.iter().map(|target| target.name).collect::<Vec<_>>());
    let size: usize = TARGETS.iter().flat_map(seeds).map(|(_, bytes)| bytes.len()).sum();
    assert!(size < 1 << 20, "{size} bytes");
}

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % most.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        from.get(self.below(from.len())).unwrap()
    }

    /// Up to five small changes, as a fuzzer makes them.
    fn mutate(&mut self, bytes: &mut Vec<u8>, seeds: &[(String, Vec<u8>)]) {
        const TOKENS: [&[u8]; 12] =
            [b"\n", b"{", b"}", b"[", b"]", b"\"", b",", b"null", b"0", b"9007199254740991", b"\xff", b"\0"];
        for _ in 0..=self.below(5) {
            let at = self.below(bytes.len() + 1);
            let end = (at + self.below(16)).min(bytes.len());
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..end)),
                2 => drop(bytes.splice(at..at, self.pick(&TOKENS).iter().copied())),
                3 => {
                    let other = &self.pick(seeds).1;
                    let from = self.below(other.len() + 1);
                    let piece: Vec<u8> = other.iter().skip(from).take(64).copied().collect();
                    drop(bytes.splice(at..at, piece));
                }
                4 => {
                    let again: Vec<u8> = bytes.iter().take(end).skip(at).copied().collect();
                    drop(bytes.splice(at..at, again));
                }
                _ => {
                    let bit = 1 << self.below(8);
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= bit;
                    }
                }
            }
        }
    }
}
