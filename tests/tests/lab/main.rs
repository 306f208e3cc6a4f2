//! A daemon in the lab, and the lab itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics"
)]

mod copy;
mod daemon_life;
mod doctor;
mod ending;
mod first_minute;
mod lab_works;
mod names;
mod nodes;
mod old_failures;
mod privileges;
mod record;
mod service;
mod sights;
mod sockets;
