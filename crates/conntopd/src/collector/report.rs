//! What the threads tell the table's thread, and what it tells them.

use std::sync::mpsc::SyncSender;
use std::time::Duration;

use conntop_proto::flow::BootMillis;
use conntop_proto::message::{Act, Host, KernelFacts, Origin};
use nfnetlink::EventSocket;
use nfnetlink::ct::FlowRef;

use super::handle::Look;
use super::orders::Done;
use super::sights::Sights;
use super::source::{Offer, Part};
use super::tracking::Tracking;
use crate::table::{Outcome, ReadSpan, Target};

/// From `ct-events` and `ct-requests` to `ct-table`.
pub(super) enum Report {
    /// The event socket is open, with a buffer of so many bytes.
    Listening(u64),
    /// It could not be opened, or broke.
    NotListening(nfnetlink::Error),
    /// Events, raw.
    Events(EventBatch),
    /// A part of a pass, or answers for single flows, raw.
    Entries(Entries),
    /// A slice of a pass was read.
    Slice(Slice),
    /// All flows of [`Ask::Flows`] were asked for.
    Flows(Flows),
    /// Numbers of the kernel's table.
    Numbers(Numbers),
    /// The machine's addresses.
    Host(Host),
    /// What came of [`Ask::Terminate`].
    Terminated(Done),
    /// What somebody looks at besides flows.
    Sights(Box<Sights>),
}

pub(super) struct EventBatch {
    pub(super) bytes: Vec<u8>,
    pub(super) span: ReadSpan,
    /// Events were lost; how many so far, if the kernel counts.
    pub(super) lost: Option<Option<u64>>,
    /// Every event up to here has been received.
    pub(super) drained: Option<BootMillis>,
    /// CPU time of looking for events where there were few.
    pub(super) idle: Duration,
}

pub(super) struct Entries {
    /// A buffer of the pool.
    pub(super) buffer: Vec<u8>,
    pub(super) part: Part,
}

pub(super) struct Slice {
    pub(super) at: BootMillis,
    /// CPU time of the reading thread.
    pub(super) cost: Duration,
    /// How the pass ended, if it did.
    pub(super) end: Option<Outcome>,
    /// For the next questions.
    pub(super) flows: Vec<FlowRef>,
}

pub(super) struct Flows {
    /// For the next question.
    pub(super) flows: Vec<FlowRef>,
    pub(super) cost: Duration,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Numbers {
    pub(super) count: Option<u64>,
    pub(super) max: Option<u64>,
    pub(super) drop: Option<u64>,
    pub(super) insert_failed: Option<u64>,
    pub(super) early_drop: Option<u64>,
    pub(super) facts: Sysctls,
}

/// What is read from /proc/sys and does not need the hub.
#[derive(Clone, Copy, Default)]
pub(super) struct Sysctls {
    pub(super) facts: nfnetlink::facts::Facts,
    pub(super) netns: Option<u64>,
    /// Whether anything makes the kernel track connections.
    pub(super) tracking: Option<bool>,
}

impl Sysctls {
    /// Of the calling thread's namespace.
    pub(super) fn read(tracking: &mut Tracking) -> Self {
        let facts = nfnetlink::facts::Facts::read();
        let tracking = tracking.look(facts.count);
        Self { facts, netns: nfnetlink::netns::identity().ok().map(|(_, inode)| inode), tracking }
    }

    pub(super) fn kernel(&self, listening: bool, event_buffer: Option<u64>) -> KernelFacts {
        KernelFacts {
            acct: self.facts.acct,
            timestamp: self.facts.timestamp,
            events: self.facts.events.map(u32::from),
            max: self.facts.max,
            buckets: self.facts.buckets,
            listening,
            event_buffer,
            netns: self.netns,
            tracking: self.tracking,
            origin: Origin::Conntrack,
        }
    }
}

/// What the threads found when they began.
pub(super) struct Found {
    pub(super) sysctls: Sysctls,
    pub(super) host: Host,
    /// What there is to read from.
    pub(super) offers: Vec<Offer>,
    /// Bytes of the event socket's buffer.
    pub(super) granted: Option<u64>,
}

/// From `ct-table` to `ct-events`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listen {
    Start,
    Stop,
    /// Tell when everything up to this moment has been received.
    Drain(BootMillis),
}

/// From `ct-table` to `ct-requests`.
#[derive(Debug)]
pub(super) enum Ask {
    /// Begin a pass with this source, over these flows if it has to be told, and read for so long.
    Begin { source: usize, flows: Vec<FlowRef>, slice: Duration },
    /// Read on for so long.
    More { slice: Duration },
    /// Leave the pass.
    Abandon,
    /// Nothing will be asked for a while.
    Rest,
    /// Ask this source for single flows.
    Flows { source: usize, flows: Vec<FlowRef> },
    /// Read the table's numbers.
    Numbers,
    /// Read the machine's addresses.
    Host,
    /// End this flow.
    Terminate { target: Box<Target>, act: Act },
    /// Read what somebody looks at besides flows.
    Look(Look),
    /// Open an event socket with so many bytes of buffer, for the thread `ct-events`: this one has
    /// the capability.
    Listen { buffer: usize, to: SyncSender<nfnetlink::Result<EventSocket>> },
}
