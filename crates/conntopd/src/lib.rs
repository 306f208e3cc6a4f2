#![forbid(unsafe_code)]
//! conntopd
pub mod args;
pub mod facts;
pub mod server;
pub mod session;
