#![forbid(unsafe_code)]
//! conntop
pub mod tui;
