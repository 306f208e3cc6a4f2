//! Netlink's own layer: message headers, attributes, and a writer for both.
//!
//! Headers and attribute headers are in the machine's byte order; values of conntrack
//! attributes are big-endian and may lie at any alignment, so everything is read by bytes.

use std::fmt;

/// Length of a `struct nlmsghdr`.
pub(crate) const HEADER_LEN: usize = 16;
/// Length of a `struct nfgenmsg`.
pub(crate) const NFGEN_LEN: usize = 4;

pub(crate) const NLMSG_ERROR: u16 = 2;
pub(crate) const NLMSG_DONE: u16 = 3;
pub(crate) const NLMSG_OVERRUN: u16 = 4;

pub(crate) const NLM_F_REQUEST: u16 = 0x01;
pub(crate) const NLM_F_MULTI: u16 = 0x02;
pub(crate) const NLM_F_ACK: u16 = 0x04;
pub(crate) const NLM_F_DUMP_INTR: u16 = 0x10;
pub(crate) const NLM_F_DUMP_FILTERED: u16 = 0x20;
pub(crate) const NLM_F_DUMP: u16 = 0x300;
pub(crate) const NLM_F_EXCL: u16 = 0x200;
pub(crate) const NLM_F_CREATE: u16 = 0x400;

/// The upper two bits of an attribute's type are flags (nested, network byte order).
const ATTR_TYPE_MASK: u16 = 0x3fff;
pub(crate) const NESTED: u16 = 0x8000;

/// One malformed message: what it was, where in it, and what is wrong there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}: {attribute} {problem}")]
pub struct ParseError {
    /// The kind of message, for example `conntrack`.
    pub message: &'static str,
    /// The attribute by its kernel name, for example `CTA_TIMEOUT`.
    pub attribute: &'static str,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a message or an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It claims more bytes than there are.
    Truncated,
    /// It has `found` bytes where its type needs `expected`.
    Length {
        /// Bytes found.
        found: u16,
        /// Bytes expected (the maximum where the length may vary).
        expected: u16,
    },
    /// It is not there, and the message means nothing without it.
    Missing,
    /// An address family that conntrack does not track.
    Family(u8),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Truncated => f.write_str("is cut off"),
            Problem::Length { found, expected } => write!(f, "has {found} bytes instead of {expected}"),
            Problem::Missing => f.write_str("is missing"),
            Problem::Family(family) => write!(f, "names the unknown family {family}"),
        }
    }
}

impl Problem {
    pub(crate) fn at(self, message: &'static str, attribute: &'static str) -> ParseError {
        ParseError { message, attribute, problem: self }
    }

    /// An attribute's length has 16 bits, and so have these.
    #[cold]
    fn length(found: usize, expected: usize) -> Self {
        let short = |length| u16::try_from(length).unwrap_or(u16::MAX);
        Problem::Length { found: short(found), expected: short(expected) }
    }
}

/// A problem on its way out of nested attributes, small enough for registers: with whole
/// [`ParseError`]s parsing takes three times as long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) attribute: &'static &'static str,
    pub(crate) problem: Problem,
}

/// A netlink message header without its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Message type; for nfnetlink the subsystem is the upper byte.
    pub kind: u16,
    /// `NLM_F_*`
    pub flags: u16,
    /// Sequence number of the request that this answers; 0 for events.
    pub seq: u32,
    /// Port id of the socket that asked; for events of the one that caused them, 0 if a packet did.
    pub port: u32,
}

impl Header {
    /// The kernel says that the table changed under the dump (`NLM_F_DUMP_INTR`).
    #[must_use]
    pub fn dump_interrupted(&self) -> bool {
        self.flags & NLM_F_DUMP_INTR != 0
    }

    /// Part of an answer (`NLM_F_MULTI`), which an event never is.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        self.flags & NLM_F_MULTI != 0
    }
}

/// The messages of a buffer as header and payload.
#[derive(Clone, Debug)]
pub(crate) struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    pub(crate) fn new(buffer: &'a [u8]) -> Self {
        Frames { rest: buffer }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<(Header, &'a [u8]), ParseError>;

    /// After a broken length nothing behind it can be found, so that error is the last item.
    fn next(&mut self) -> Option<Self::Item> {
        let buffer = std::mem::take(&mut self.rest);
        if buffer.is_empty() {
            return None;
        }
        let cut = || Some(Err(Problem::Truncated.at("netlink", "nlmsghdr")));
        let Some((head, body)) = buffer.split_first_chunk::<HEADER_LEN>() else { return cut() };
        let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, p0, p1, p2, p3] = *head;
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        let header = Header {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            seq: u32::from_ne_bytes([s0, s1, s2, s3]),
            port: u32::from_ne_bytes([p0, p1, p2, p3]),
        };
        let Some((payload, rest)) = length.checked_sub(HEADER_LEN).and_then(|n| body.split_at_checked(n))
        else {
            return cut();
        };
        self.rest = rest.get(padding(length)..).unwrap_or_default();
        Some(Ok((header, payload)))
    }
}

/// One attribute: its type without flags, and its value without padding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attr<'a> {
    pub(crate) kind: u16,
    pub(crate) data: &'a [u8],
}

impl<'a> Attr<'a> {
    #[inline]
    pub(crate) fn nested(&self) -> Attrs<'a> {
        Attrs::new(self.data)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&self) -> Result<[u8; N], Problem> {
        self.data.try_into().map_err(|_| Problem::length(self.data.len(), N))
    }

    #[inline]
    pub(crate) fn u8(&self) -> Result<u8, Problem> {
        self.array::<1>().map(u8::from_be_bytes)
    }

    #[inline]
    pub(crate) fn be16(&self) -> Result<u16, Problem> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn be32(&self) -> Result<u32, Problem> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub(crate) fn be64(&self) -> Result<u64, Problem> {
        self.array().map(u64::from_be_bytes)
    }

    /// A value of at most `max` bytes.
    pub(crate) fn bytes(&self, max: usize) -> Result<&'a [u8], Problem> {
        if self.data.len() > max {
            return Err(Problem::length(self.data.len(), max));
        }
        Ok(self.data)
    }

    /// A name of at most `max` bytes, up to its NUL.
    pub(crate) fn name(&self, max: usize) -> Result<&'a [u8], Problem> {
        let bytes = self.bytes(max)?;
        Ok(bytes.split(|b| *b == 0).next().unwrap_or_default())
    }
}

/// The attributes of a payload or of a nested attribute.
#[derive(Clone, Debug)]
pub(crate) struct Attrs<'a> {
    rest: &'a [u8],
}

impl<'a> Attrs<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Self {
        Attrs { rest: payload }
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Result<Attr<'a>, Problem>;

    /// After a broken length nothing behind it can be found, so that error is the last item.
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let payload = std::mem::take(&mut self.rest);
        if payload.is_empty() {
            return None;
        }
        let Some((&[l0, l1, k0, k1], body)) = payload.split_first_chunk::<4>() else {
            return Some(Err(Problem::Truncated));
        };
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some((data, rest)) = length.checked_sub(4).and_then(|n| body.split_at_checked(n)) else {
            return Some(Err(Problem::Truncated));
        };
        self.rest = rest.get(padding(length)..).unwrap_or_default();
        Some(Ok(Attr { kind: u16::from_ne_bytes([k0, k1]) & ATTR_TYPE_MASK, data }))
    }
}

/// Bytes between a value of this length and the next multiple of four.
const fn padding(length: usize) -> usize {
    length.wrapping_neg() & 3
}

/// Appends messages and attributes to a reusable buffer.
///
/// Lengths are written when a message or a nest ends, so each `begin` needs its `end`.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    buffer: Vec<u8>,
}

/// Where the length of an open message or nest has to be written.
#[derive(Debug)]
#[must_use]
pub(crate) struct Open(usize);

impl Writer {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.buffer
    }

    pub(crate) fn clear(&mut self) {
        self.buffer.clear();
    }

    pub(crate) fn begin(&mut self, header: Header) -> Open {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&[0; 4]);
        self.buffer.extend_from_slice(&header.kind.to_ne_bytes());
        self.buffer.extend_from_slice(&header.flags.to_ne_bytes());
        self.buffer.extend_from_slice(&header.seq.to_ne_bytes());
        self.buffer.extend_from_slice(&header.port.to_ne_bytes());
        Open(start)
    }

    pub(crate) fn end(&mut self, open: Open) {
        let length = u32::try_from(self.buffer.len().saturating_sub(open.0)).unwrap_or(u32::MAX);
        self.patch(open.0, &length.to_ne_bytes());
    }

    /// Adds flags to the message that began at this offset.
    pub(crate) fn add_flags(&mut self, start: usize, flags: u16) {
        let old = self.buffer.get(start + 6..).and_then(|b| b.first_chunk()).copied().unwrap_or_default();
        self.patch(start + 6, &(u16::from_ne_bytes(old) | flags).to_ne_bytes());
    }

    /// The `struct nfgenmsg` behind an nfnetlink header.
    pub(crate) fn nfgen(&mut self, family: u8, version: u8, resource: u16) {
        self.buffer.extend_from_slice(&[family, version]);
        self.buffer.extend_from_slice(&resource.to_be_bytes());
    }

    /// The fixed part behind the header of another protocol.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    pub(crate) fn begin_nest(&mut self, kind: u16) -> Open {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&[0; 2]);
        self.buffer.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        Open(start)
    }

    pub(crate) fn end_nest(&mut self, open: Open) {
        let length = u16::try_from(self.buffer.len().saturating_sub(open.0)).unwrap_or(u16::MAX);
        self.patch(open.0, &length.to_ne_bytes());
    }

    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Writer)) {
        let open = self.begin_nest(kind);
        fill(self);
        self.end_nest(open);
    }

    pub(crate) fn attr(&mut self, kind: u16, data: &[u8]) {
        let length = u16::try_from(data.len() + 4).unwrap_or(u16::MAX);
        debug_assert!(usize::from(length) == data.len() + 4, "an attribute holds at most 64 KiB");
        self.buffer.extend_from_slice(&length.to_ne_bytes());
        self.buffer.extend_from_slice(&kind.to_ne_bytes());
        self.buffer.extend_from_slice(data);
        self.buffer.extend(std::iter::repeat_n(0, padding(data.len())));
    }

    pub(crate) fn be16(&mut self, kind: u16, value: u16) {
        self.attr(kind, &value.to_be_bytes());
    }

    pub(crate) fn be32(&mut self, kind: u16, value: u32) {
        self.attr(kind, &value.to_be_bytes());
    }

    /// A string with its terminating NUL.
    pub(crate) fn name(&mut self, kind: u16, name: &[u8]) {
        let mut bytes = Vec::with_capacity(name.len() + 1);
        bytes.extend_from_slice(name);
        bytes.push(0);
        self.attr(kind, &bytes);
    }

    fn patch(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.buffer.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
}
