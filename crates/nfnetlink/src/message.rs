//! A received buffer as a sequence of items.

use crate::ct::{
    CpuStats, CtEvent, CtMessage, IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_GET_STATS, IPCTNL_MSG_CT_GET_STATS_CPU,
    IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK, TableStats,
};
use crate::wire::{
    Frames, Header, NFGEN_LEN, NLM_F_CREATE, NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN, ParseError, Problem,
};

const DESTROY: u16 = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
const NEW: u16 = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
const STATS: u16 = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS;
const CPU_STATS: u16 = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS_CPU;

/// One message of a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its header: sequence number, and whether the dump was interrupted.
    pub header: Header,
    /// What it says.
    pub item: Item<'a>,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// Something happened to a flow.
    Event(CtEvent, CtMessage<'a>),
    /// A flow as part of a dump, or as the answer to a GET.
    Entry(CtMessage<'a>),
    /// A dump ended; `error` is 0 or a positive errno.
    Done {
        /// errno or 0
        error: i32,
    },
    /// A request succeeded, and had asked to be told.
    Ack,
    /// A request failed; the header's `seq` tells which.
    Error {
        /// A positive errno.
        errno: i32,
    },
    /// The kernel lost messages for this socket (never seen from nfnetlink, which says ENOBUFS).
    Overrun,
    /// How full the table is.
    TableStats(TableStats),
    /// Counts of one CPU.
    CpuStats(CpuStats),
    /// A message of another kind, by its type.
    Other(u16),
}

/// The messages in a buffer that was received at once or put together from several receptions.
///
/// A message that cannot be parsed is an `Err`, and the ones after it follow all the same; only
/// where a length in a netlink header is broken the rest of the buffer is lost.
#[must_use]
pub fn messages(buffer: &[u8]) -> Messages<'_> {
    Messages { frames: Frames::new(buffer) }
}

/// Iterator of [`messages`].
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    frames: Frames<'a>,
}

/// What [`Messages::next_into`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Something happened to the flow that was read.
    Event(CtEvent),
    /// The flow that was read is part of a dump, or the answer to a GET.
    Entry,
    /// As [`Item::Done`].
    Done {
        /// errno or 0
        error: i32,
    },
    /// As [`Item::Ack`].
    Ack,
    /// As [`Item::Error`].
    Error {
        /// A positive errno.
        errno: i32,
    },
    /// Anything else.
    Other,
}

impl<'a> Messages<'a> {
    /// Like `next`, but reads a flow in place: for loops over many. As an item it is copied on
    /// its way out, which costs more than parsing it.
    ///
    /// After an error `flow` holds what was read before it.
    #[inline]
    pub fn next_into(&mut self, flow: &mut CtMessage<'a>) -> Option<Result<(Header, Read), ParseError>> {
        let (header, payload) = match self.frames.next()? {
            Ok(frame) => frame,
            Err(error) => return Some(Err(error)),
        };
        let read = kind(header, payload).and_then(|read| {
            if matches!(read, Read::Event(_) | Read::Entry) {
                *flow = CtMessage::default();
                flow.parse(attributes(payload)?.1)?;
            }
            Ok((header, read))
        });
        Some(read)
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (header, payload) = match self.frames.next()? {
            Ok(frame) => frame,
            Err(error) => return Some(Err(error)),
        };
        Some(item(header, payload).map(|item| Message { header, item }))
    }
}

pub(crate) fn item(header: Header, payload: &[u8]) -> Result<Item<'_>, ParseError> {
    Ok(match kind(header, payload)? {
        Read::Entry => entry(Item::Entry(CtMessage::default()), payload)?,
        Read::Event(event) => entry(Item::Event(event, CtMessage::default()), payload)?,
        Read::Done { error } => Item::Done { error },
        Read::Ack => Item::Ack,
        Read::Error { errno } => Item::Error { errno },
        Read::Other => other(header.kind, payload)?,
    })
}

#[inline]
fn kind(header: Header, payload: &[u8]) -> Result<Read, ParseError> {
    Ok(match header.kind {
        NEW if header.is_answer() => Read::Entry,
        NEW if header.flags & NLM_F_CREATE != 0 => Read::Event(CtEvent::New),
        NEW => Read::Event(CtEvent::Update),
        DESTROY => Read::Event(CtEvent::Destroy),
        // Old kernels end some dumps without a payload.
        NLMSG_DONE if payload.is_empty() => Read::Done { error: 0 },
        NLMSG_DONE => Read::Done { error: errno(payload, "NLMSG_DONE")? },
        NLMSG_ERROR => match errno(payload, "NLMSG_ERROR")? {
            0 => Read::Ack,
            errno => Read::Error { errno },
        },
        _ => Read::Other,
    })
}

fn other(kind: u16, payload: &[u8]) -> Result<Item<'_>, ParseError> {
    Ok(match kind {
        NLMSG_OVERRUN => Item::Overrun,
        STATS => Item::TableStats(TableStats::parse(attributes(payload)?.1)?),
        CPU_STATS => {
            let (cpu, attributes) = attributes(payload)?;
            Item::CpuStats(CpuStats::parse(cpu, attributes)?)
        }
        kind => Item::Other(kind),
    })
}

/// Fills the empty message of an item.
#[inline]
fn entry<'a>(mut item: Item<'a>, payload: &'a [u8]) -> Result<Item<'a>, ParseError> {
    if let Item::Entry(message) | Item::Event(_, message) = &mut item {
        message.parse(attributes(payload)?.1)?;
    }
    Ok(item)
}

/// The resource id of the `nfgenmsg`, and what follows it.
fn attributes(payload: &[u8]) -> Result<(u16, &[u8]), ParseError> {
    match payload.split_first_chunk::<NFGEN_LEN>() {
        Some((&[_family, _version, r0, r1], attributes)) => Ok((u16::from_be_bytes([r0, r1]), attributes)),
        None => Err(Problem::Truncated.at("conntrack", "nfgenmsg")),
    }
}

/// The kernel tells errors as negative numbers; here they are positive.
pub(crate) fn errno(payload: &[u8], message: &'static str) -> Result<i32, ParseError> {
    match payload.first_chunk::<4>() {
        Some(bytes) => Ok(i32::from_ne_bytes(*bytes).saturating_neg()),
        None => Err(Problem::Truncated.at(message, "errno")),
    }
}
