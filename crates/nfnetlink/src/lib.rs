//! Netlink for conntop: conntrack events, dumps and requests, addresses and routes, and the
//! one nftables table that `--activate` needs.
//!
//! Order of the modules, from bytes to sockets: `wire` (headers and attributes), [`ct`]
//! (conntrack messages and requests), `message` (a received buffer as items), `sys` and `socket`
//! (the calls), [`EventSocket`] and [`RequestSocket`] (the two that a collector needs); beside
//! them [`proc`] (the table as text), [`netns`], [`facts`], [`route`] (addresses and routes) and
//! [`nft`] (activation), [`tracking`] (who else makes the kernel track), [`diag`] (sockets). [`forbidden`] is for the self-test of
//! sandboxes.
//!
//! A socket belongs to the network namespace that its thread was in when it was opened, and the
//! kernel checks CAP_NET_ADMIN on the thread that sends.
//!
//! Invariants
//! - Reading allocates nothing: a [`ct::CtMessage`] borrows from the buffer it came from.
//! - Bytes from outside never panic; a malformed message is one error value that names the
//!   attribute, and the messages after it are read all the same.
//! - This is the only crate of the workspace with `unsafe`, and only where `rustix` has no call.
//!
//! ```no_run
//! use nfnetlink::ct::{CtMessage, DumpFilter};
//! use nfnetlink::{Read, RequestSocket, messages};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut socket = RequestSocket::open()?;
//! let mut dump = socket.dump(&DumpFilter::default())?;
//! let mut buffer = vec![0; RequestSocket::CHUNK];
//! while let Some(chunk) = dump.next_chunk(&mut buffer)? {
//!     let (mut all, mut flow) = (messages(chunk), CtMessage::default());
//!     while let Some(read) = all.next_into(&mut flow) {
//!         if matches!(read, Ok((_, Read::Entry))) {
//!             println!("{:?} {:?}", flow.orig, flow.counters_orig);
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```

pub mod clock;
pub mod ct;
pub mod diag;
mod error;
mod event;
pub mod facts;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub mod forbidden;
mod message;
pub mod netns;
pub mod nft;
pub mod proc;
mod request;
pub mod route;
mod socket;
mod sys;
pub mod tracking;
mod wire;

pub use error::{Error, Result};
pub use event::{Drained, EventSocket, Subscription};
pub use message::{Item, Message, Messages, Read, messages};
pub use request::{Dump, DumpState, Outcome, RequestSocket};
pub use wire::{Header, ParseError, Problem};
