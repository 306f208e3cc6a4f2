//! The ways to read the table: that all of them tell the same, and that a daemon is right whichever
//! of them it takes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

mod daemon;
mod kernel;
