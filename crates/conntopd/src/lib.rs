//! conntop's collector: reads the kernel's connection tracking table and streams what changes in it.
//!
//! Order of reading: [`table`] is the pure state (what is a flow, what changed since a cursor);
//! [`collector`] feeds it from the kernel and serves subscribers; [`frame`] is what a subscriber
//! gets, encoded once for all that are in step. [`session`] is the protocol without I/O, [`server`]
//! its sockets; [`auth`] says who may read and [`privilege`] what the threads may do; [`args`], [`facts`]
//! and [`run()`] are the program, which `conntop --server` is too.
#![forbid(unsafe_code)]

pub mod args;
pub mod auth;
pub mod collector;
pub mod facts;
pub mod frame;
pub mod privilege;
mod run;
pub mod server;
pub mod session;
pub mod table;

pub use run::{EXIT_FAILURE, EXIT_OK, EXIT_PERMISSION, EXIT_REFUSED, EXIT_USAGE, run};
