//! A received buffer as a sequence of items.

use crate::ct::{
    CpuStats, CtEvent, CtMessage, IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_GET_STATS, IPCTNL_MSG_CT_GET_STATS_CPU,
    IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK, TableStats,
};
use crate::wire::{
    Frames, Header, NFGEN_LEN, NLM_F_CREATE, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, ParseError,
    Problem,
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
    Ok(match header.kind {
        NLMSG_NOOP => Item::Other(NLMSG_NOOP),
        NLMSG_OVERRUN => Item::Overrun,
        // Before 4.x DONE may come without a payload.
        NLMSG_DONE if payload.is_empty() => Item::Done { error: 0 },
        NLMSG_DONE => Item::Done { error: errno(payload, "NLMSG_DONE")? },
        NLMSG_ERROR => match errno(payload, "NLMSG_ERROR")? {
            0 => Item::Ack,
            errno => Item::Error { errno },
        },
        NEW => {
            let entry = CtMessage::parse(attributes(payload)?.1)?;
            if header.is_answer() {
                Item::Entry(entry)
            } else if header.flags & NLM_F_CREATE != 0 {
                Item::Event(CtEvent::New, entry)
            } else {
                Item::Event(CtEvent::Update, entry)
            }
        }
        DESTROY => Item::Event(CtEvent::Destroy, CtMessage::parse(attributes(payload)?.1)?),
        STATS => Item::TableStats(TableStats::parse(attributes(payload)?.1)?),
        CPU_STATS => {
            let (cpu, attributes) = attributes(payload)?;
            Item::CpuStats(CpuStats::parse(cpu, attributes)?)
        }
        other => Item::Other(other),
    })
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
