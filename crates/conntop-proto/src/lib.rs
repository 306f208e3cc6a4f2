//! conntop's protocol: what a flow is, the messages between a collector and its clients, their
//! encoding as newline-delimited JSON, and the JSON Schema of all of it. No I/O, no clock.
//!
//! Order of reading: [`tuple`] and [`flow`] are the vocabulary; [`columns`] lays many flows out as
//! arrays per field; [`message`] is what goes over the wire.
#![forbid(unsafe_code)]

pub mod columns;
pub mod flow;
pub mod message;
pub mod tuple;

/// Version of the protocol that this crate speaks.
pub const PROTOCOL_VERSION: u32 = 1;
/// TCP port that conntopd listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 55555;
