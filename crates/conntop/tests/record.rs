//! Recordings: what `record` writes and what becomes of it, and what `replay` and `list --replay` show, on
//! this machine and on others. The collector is a script on a unix socket; time in the player is paused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

#[path = "record/command.rs"]
mod command;
#[path = "record/elsewhere.rs"]
mod elsewhere;
#[path = "record/hostile.rs"]
mod hostile;
#[path = "record/player.rs"]
mod player;

const OFFICE: &str = include_str!("fixtures/office.ndjson");

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
