//! What the parser makes of captures of a real kernel, and of what can become of them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

mod fixture;
mod hostile;
mod oracle;
mod proc;
