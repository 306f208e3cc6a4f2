//! A daemon in the lab, and the lab itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

mod daemon_life;
mod ending;
mod lab_works;
mod names;
mod nodes;
mod old_failures;
mod privileges;
mod service;
mod sockets;
