//! What the threads that talk to the kernel hand to the table's thread: raw receive buffers and the
//! little that has to be said about them. Buffers go back and forth, so that none is allocated twice.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use conntop_proto::flow::BootMillis;
use conntop_proto::message::{Host, KernelFacts, TableStats};
use tokio::sync::mpsc;

use super::CollectorError;
use super::clock::now;

/// Reports under way to the table's thread. At 32 KiB a buffer 2 MiB: enough to keep a dump running
/// while the table merges, little enough to be felt by the dump at once when the table is behind.
pub const REPORTS: usize = 64;

/// The time within which a buffer was read from the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadSpan {
    /// Before the call.
    pub from: BootMillis,
    /// After it.
    pub to: BootMillis,
}

impl ReadSpan {
    /// A span that begins at `from` and ends now.
    #[must_use]
    pub fn until_now(from: BootMillis) -> Self {
        Self { from, to: now() }
    }
}

/// One report to the table's thread.
#[derive(Debug)]
pub enum Report {
    /// Events are being received from now on, into a buffer of so many bytes.
    Listening {
        /// Granted by the kernel.
        buffer: u64,
    },
    /// Events.
    Events {
        /// When they were read.
        span: ReadSpan,
        /// As `nfnetlink::messages` reads them; may be empty.
        bytes: Vec<u8>,
        /// Some were lost before or among these.
        overrun: bool,
        /// Dropped since the thread began, as far as the kernel counts them.
        drops: Option<u64>,
    },
    /// A pass over the table begins.
    PassBegan {
        /// Before the request was sent.
        at: BootMillis,
    },
    /// Entries of the running pass.
    PassChunk {
        /// When they were read.
        span: ReadSpan,
        /// As `nfnetlink::messages` reads them.
        bytes: Vec<u8>,
    },
    /// The pass is over.
    PassEnded {
        /// When.
        at: BootMillis,
        /// How it went.
        outcome: PassOutcome,
        /// CPU time that it cost the reading thread.
        cpu: Duration,
    },
    /// Answers to GETs.
    Gets {
        /// When they were read.
        span: ReadSpan,
        /// As `nfnetlink::messages` reads them.
        bytes: Vec<u8>,
    },
    /// The kernel's table as a whole; `flows` and `truncated` are the table's to fill in.
    Stats(TableStats),
    /// What the kernel gives now; `listening` and `event_buffer` are the event thread's to say.
    Facts(KernelFacts),
    /// Addresses, networks and interfaces.
    Host(Host),
    /// A thread cannot go on.
    Failed(CollectorError),
}

/// How a pass over the table ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassOutcome {
    /// The kernel said that it was complete.
    Complete,
    /// The kernel said that the table changed in a way that may have cost entries.
    Interrupted,
    /// It broke off.
    Failed,
}

/// The sending half of the reports, with the buffers that come back.
#[derive(Debug)]
pub struct Reporter {
    reports: mpsc::Sender<Report>,
    spare: Receiver<Vec<u8>>,
}

/// Takes emptied buffers back.
#[derive(Clone, Debug)]
pub struct Spare(SyncSender<Vec<u8>>);

impl Spare {
    /// Gives a buffer back. When enough are waiting it is freed.
    pub fn give(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let _ = self.0.try_send(buffer);
    }
}

/// The table's thread is gone; the thread that hears this ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl Reporter {
    /// A reporter into `reports`, and the way back for its buffers.
    #[must_use]
    pub fn new(reports: mpsc::Sender<Report>) -> (Self, Spare) {
        let (give, spare) = sync_channel(REPORTS);
        (Self { reports, spare }, Spare(give))
    }

    /// An empty buffer.
    #[must_use]
    pub fn buffer(&self) -> Vec<u8> {
        self.spare.try_recv().unwrap_or_default()
    }

    /// Hands a report on; waits while the table is behind.
    ///
    /// # Errors
    /// The table's thread is gone.
    pub fn send(&self, report: Report) -> Result<(), Gone> {
        self.reports.blocking_send(report).map_err(|_| Gone)
    }
}
