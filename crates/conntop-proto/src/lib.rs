//! conntop's protocol: what a flow is, the messages between a collector and its clients, their
//! encoding as newline-delimited JSON, and the JSON Schema of all of it. No I/O, no clock.
//!
//! Order of reading: [`mod@tuple`] and [`flow`] are the vocabulary; [`columns`] lays many flows out as
//! arrays per field and [`delta`] back as rows; [`message`] is what goes over the wire; [`limits`] bounds
//! it, [`codec`] turns it into bytes and back, and [`text`] makes what it carries harmless.
#![forbid(unsafe_code)]

#[cfg(feature = "auth")]
pub mod auth;
pub mod budget;
pub mod codec;
pub mod columns;
pub mod delta;
pub mod flow;
pub mod limits;
pub mod message;
#[cfg(feature = "schema")]
pub mod schema;
pub mod text;
pub mod tuple;

/// Version of the protocol that this crate speaks.
pub const PROTOCOL_VERSION: u32 = 1;
/// TCP port that conntopd listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 55555;
