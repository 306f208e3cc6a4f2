//! Crowds, bad company and accidents: how the daemon fares under them, what it costs, and that all
//! who stay see the kernel's table afterwards. The numbers are a tenth of the whole ones (or more)
//! unless `CONNTOP_LAB_FULL=1`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

mod accidents;
mod crowd;
mod doors;
mod many;
mod raw;
mod storm;
mod tls;

use std::time::Duration;

use conntop_tests::LabOptions;
use conntop_tests::stage::whole_or;

/// The longest wait for anything, on a machine that does much else.
fn patience() -> Duration {
    Duration::from_secs(whole_or(1800, 240))
}

/// User memory that a client may cost the daemon.
const BYTES_PER_CLIENT: u64 = 256 << 10;

/// Without start times, which only whole passes tell: they are up to 30 seconds apart.
fn options() -> LabOptions {
    LabOptions { timestamps: false, ..LabOptions::default() }
}

/// Numbers for people, shown with `--nocapture`.
fn report(line: &str) {
    println!("REPORT: {line}");
}
