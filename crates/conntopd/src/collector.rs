//! The collector: reads the kernel into a [`FlowTable`](crate::table::FlowTable) and serves what
//! changes in it to subscribers.
//!
//! Three threads: `ct-events` drains events by timer, `ct-requests` dumps, asks for statistics and
//! addresses; both live in the namespace that is watched. `ct-table` owns the table, commands the
//! other two and answers subscribers. They forward raw buffers; everything is bounded, and whoever
//! is too fast waits.
//!
//! Without subscribers nothing is read and nothing is listened to; a minute after the last one the
//! table is dropped and a new epoch begins.

pub mod batch;
pub mod clock;
mod error;
pub mod events;
mod handle;
pub mod host;
pub mod requests;

use std::time::Duration;

pub use nfnetlink::netns::Netns;

pub use self::error::CollectorError;
pub use self::handle::{CollectorHandle, Subscriber, SubscriberConfig};
use crate::table;

/// How a collector works.
#[derive(Clone, Debug)]
pub struct CollectorConfig {
    /// Name of the node; the host name when `None`.
    pub name: Option<String>,
    /// Time between deltas and between passes over the table, as far as the budget allows.
    pub interval: Duration,
    /// Whether to listen to events. Without them every end is found by a pass.
    pub events: bool,
    /// Bytes to ask for the event socket's buffer; when `None` 64 MiB or 1/32 of the memory.
    pub event_buffer: Option<usize>,
    /// The network namespace to watch; when `None` that of the calling thread.
    pub netns: Option<Netns>,
    /// Most flows to hold; beyond them the table is truncated, visibly.
    pub max_flows: usize,
}

impl Default for CollectorConfig {
    fn default() -> Self {
        Self {
            name: None,
            interval: Duration::from_secs(1),
            events: true,
            event_buffer: None,
            netns: None,
            max_flows: table::MAX_FLOWS,
        }
    }
}

/// Namespace of [`Collector::spawn`].
#[derive(Clone, Copy, Debug)]
pub struct Collector;

impl Collector {
    /// Starts the threads and asks the kernel once whether it lets us.
    ///
    /// # Errors
    /// No permission, no connection tracking, no such namespace.
    pub fn spawn(_config: CollectorConfig) -> Result<CollectorHandle, CollectorError> {
        Err(CollectorError::Ended("ct-table"))
    }
}
