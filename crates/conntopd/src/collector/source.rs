//! Ways to read flows, behind one trait.
//!
//! A source reads in parts into buffers that go to the table's thread as they are; what a buffer
//! holds is told by its [`Form`]. It lives in the thread `ct-requests`, and its [`Offer`] in the
//! [picker](super::picker), which knows nothing else of it. A source that walks BPF maps would be
//! one more [`Reach::Named`], one for the machine's sockets another form and a table of its own.

mod dump;
mod get;
mod proc;

use conntop_proto::message::Coverage;
use nfnetlink::RequestSocket;
use nfnetlink::ct::FlowRef;

pub(super) use self::dump::DumpSource;
pub(super) use self::get::GetSource;
pub(super) use self::proc::ProcSource;
use super::cost::Cost;
use crate::table::ReadSpan;

/// Bytes of a buffer. The kernel fills a quarter of it per call; to wake the table's thread for each
/// of those costs as much as half of the work that it wakes for.
pub(super) const BUFFER: usize = 4 * RequestSocket::CHUNK;

/// What a source can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// A pass over these flows.
    Pass(Coverage),
    /// The flows that are named to it.
    Named,
    /// It proved useless here.
    Nothing,
}

/// The way that the kernel goes. Sources of the same means have the same prices per bucket and per
/// flow, and learn them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    Dump,
    Lines,
    Get,
}

/// What a source promises.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Offer {
    pub(super) reach: Reach,
    pub(super) means: Means,
    pub(super) cost: Cost,
}

/// How a buffer is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Netlink messages of a dump.
    Dump,
    /// Lines of /proc.
    Lines,
    /// Netlink messages that answer for flows of a pass.
    Asked,
    /// Netlink messages that answer for single flows: sequence number `first` asks for the flow with
    /// the number `flow` of those that were named.
    Answers { first: u32, flow: usize },
}

/// A part that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Bytes of the buffer that it takes.
    pub(super) len: usize,
    pub(super) form: Form,
    /// When the kernel made it.
    pub(super) span: ReadSpan,
}

/// A way to read flows.
pub(super) trait Source: Send {
    /// What it covers, and what it is expected to cost.
    fn offer(&self) -> Offer;

    /// Begins to read. `flows` are those to ask for, for sources of [`Means::Get`].
    fn begin(&mut self, flows: &[FlowRef]) -> nfnetlink::Result<()>;

    /// The next part, into a buffer of [`BUFFER`] bytes that may be made longer; `None` at the end.
    fn read(&mut self, buffer: &mut Vec<u8>) -> nfnetlink::Result<Option<Part>>;

    /// Whether the kernel said of what was read that it may be inconsistent.
    fn interrupted(&self) -> bool {
        false
    }

    /// Reads no further.
    fn abandon(&mut self) {}
}
