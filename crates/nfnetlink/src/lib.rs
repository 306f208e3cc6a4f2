//! Netlink for conntop: conntrack events, dumps and requests, addresses and routes, and the
//! one nftables table that `--activate` needs.
//!
//! Order of the modules, from bytes to sockets: `wire` (headers and attributes), [`ct`]
//! (conntrack messages and requests), `message` (a received buffer as items).
//!
//! Invariants
//! - Reading allocates nothing: a [`ct::CtMessage`] borrows from the buffer it came from.
//! - Bytes from outside never panic; a malformed message is one error value that names the
//!   attribute, and the messages after it are read all the same.
//! - This is the only crate of the workspace with `unsafe`, and only where `rustix` has no call.

pub mod ct;
mod message;
mod wire;

pub use message::{Item, Message, Messages, messages};
pub use wire::{Header, ParseError, Problem};
