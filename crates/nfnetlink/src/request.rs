//! The socket that dumps and requests go through.
//!
//! It blocks: one reception of a dump can stay in the kernel for 200 ms. So it lives in a thread
//! of its own. A paced dump and GETs between its steps need two of these sockets, as the kernel
//! puts the answers of both into one queue.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::net::netlink::NETFILTER;

use crate::ct::{CpuStats, DumpFilter, Requests, TableStats};
use crate::error::{Error, Result};
use crate::message::{Item, item};
use crate::socket::Socket;
use crate::wire::{
    Frames, Header, NLM_F_DUMP_FILTERED, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, ParseError,
};

const OPEN: &str = "opening a conntrack socket";
const DUMP: &str = "dumping conntrack entries";
const STATS: &str = "reading conntrack statistics";

/// Room for the answers of one batch: an answer takes about 1.3 KiB of it.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Requests to the conntrack table of the namespace that its thread is in.
///
/// After an error, or a dump that was not read to its end, answers to what nobody waits for any
/// more may still come; so the next request opens another socket, in the namespace that the thread
/// is in then. After every error the same may be tried again.
#[derive(Debug)]
pub struct RequestSocket {
    socket: Socket,
    requests: Requests,
    scratch: Vec<u8>,
    /// A dump was begun and not read to its end.
    unfinished: bool,
}

/// How a batch of requests went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Requests that the kernel carried out.
    pub done: usize,
    /// Requests that it refused.
    pub failed: usize,
    /// The first refusal, as sequence number and positive errno.
    pub first_error: Option<(u32, i32)>,
}

impl RequestSocket {
    /// A chunk of a dump never has more bytes than this, and larger buffers gain nothing.
    pub const CHUNK: usize = crate::socket::CHUNK;
    /// Requests that may be sent at once so that all answers find room.
    pub const BATCH: usize = 256;

    /// # Errors
    /// If there is no nfnetlink. Missing permission shows only when something is sent.
    pub fn open() -> Result<Self> {
        let requests = Requests::new();
        Ok(RequestSocket { socket: connect()?, requests, scratch: vec![0; Self::CHUNK], unfinished: false })
    }

    /// Begins a dump. A dump that was dropped before its end is abandoned.
    ///
    /// # Errors
    /// Not permitted; other refusals (filters that this kernel does not know) come with the
    /// first chunk.
    pub fn dump(&mut self, filter: &DumpFilter) -> Result<Dump<'_>> {
        let state = self.begin(filter)?;
        Ok(Dump { owner: self, state })
    }

    /// As [`Self::dump`], for readers that do other things between the parts. Beginning another
    /// dump, or sending anything else, abandons the one before.
    ///
    /// # Errors
    /// As [`Self::dump`].
    pub fn begin(&mut self, filter: &DumpFilter) -> Result<DumpState> {
        self.ready()?;
        self.requests.clear();
        let seq = self.requests.dump(filter);
        let bare = *filter == DumpFilter::default();
        self.begin_dump(seq, DUMP, bare)
    }

    /// The next part of the dump that was begun last, as [`Dump::next_chunk`] gives it.
    ///
    /// # Errors
    /// As [`Dump::next_chunk`].
    pub fn next_chunk<'b>(
        &mut self,
        state: &mut DumpState,
        buffer: &'b mut [u8],
    ) -> Result<Option<&'b [u8]>> {
        if state.ended {
            return Ok(None);
        }
        let chunk = self.socket.receive(buffer, state.operation)?;
        for frame in Frames::new(chunk) {
            let malformed = |source: ParseError| Error::Malformed { operation: state.operation, source };
            let (header, payload) = frame.map_err(malformed)?;
            if header.seq != state.seq {
                continue;
            }
            state.interrupted |= header.flags & NLM_F_DUMP_INTR != 0;
            state.filtered |= header.flags & NLM_F_DUMP_FILTERED != 0;
            if ends(header, state.seq) {
                state.ended = true;
                self.unfinished = false;
                let errno = match item(header, payload).map_err(malformed)? {
                    Item::Done { error: errno } | Item::Error { errno } => errno,
                    _ => 0,
                };
                match errno {
                    0 => {}
                    errno if state.bare => return Err(Error::from_raw_bare(state.operation, errno)),
                    errno => return Err(Error::from_raw(state.operation, errno)),
                }
            }
        }
        Ok(Some(chunk))
    }

    /// Sends the requests, asks for an acknowledgement of the last one, and hands on each
    /// datagram of answers until that one is answered; then `each` returns all entries, errors
    /// (ENOENT for a flow that is gone) and the acknowledgement. No dumps.
    ///
    /// # Errors
    /// Not permitted; the requests cannot be sent; or answers were lost: send at most
    /// [`Self::BATCH`] at once.
    pub fn exchange(
        &mut self,
        operation: &'static str,
        requests: &mut Requests,
        mut each: impl FnMut(&[u8]),
    ) -> Result<()> {
        if requests.is_empty() {
            return Ok(());
        }
        self.ready()?;
        requests.ack_last();
        self.socket.send(requests.as_bytes(), operation)?;
        loop {
            let answer = match self.socket.receive(&mut self.scratch, operation) {
                Ok(answer) => answer,
                Err(error) => {
                    // What is still queued would be taken for the next request's answers.
                    self.unfinished = true;
                    return Err(error);
                }
            };
            // Without permission only the first of the requests is answered.
            if Frames::new(answer).flatten().any(|(header, payload)| is_denied(header, payload)) {
                self.unfinished = true;
                return Err(Error::Denied { operation });
            }
            each(answer);
            if Frames::new(answer).flatten().any(|(header, _)| ends(header, requests.last_seq())) {
                return Ok(());
            }
        }
    }

    /// Sends requests that have no answer but success or failure: creates, deletes, flushes.
    ///
    /// # Errors
    /// As [`Self::exchange`]. Refused requests are counted in the [`Outcome`].
    pub fn run(&mut self, operation: &'static str, requests: &mut Requests) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        self.exchange(operation, requests, |answer| {
            for (header, payload) in Frames::new(answer).flatten() {
                if let Ok(Item::Error { errno }) = item(header, payload) {
                    outcome.failed += 1;
                    outcome.first_error.get_or_insert((header.seq, errno));
                }
            }
        })?;
        outcome.done = requests.len().saturating_sub(outcome.failed);
        Ok(outcome)
    }

    /// How full the table is.
    ///
    /// # Errors
    /// Not permitted, or a kernel before 4.x that does not know the question.
    pub fn stats(&mut self) -> Result<TableStats> {
        let mut requests = std::mem::take(&mut self.requests);
        requests.clear();
        requests.stats();
        let mut found = Err(Error::Lost { operation: STATS });
        let sent = self.exchange(STATS, &mut requests, |answer| {
            for (header, payload) in Frames::new(answer).flatten() {
                match item(header, payload) {
                    Ok(Item::TableStats(stats)) => found = Ok(stats),
                    Ok(Item::Error { errno }) => found = Err(Error::from_raw_bare(STATS, errno)),
                    Err(source) => found = Err(Error::Malformed { operation: STATS, source }),
                    Ok(_) => {}
                }
            }
        });
        self.requests = requests;
        sent.and(found)
    }

    /// Counts of each CPU.
    ///
    /// # Errors
    /// Not permitted.
    pub fn stats_cpu(&mut self) -> Result<Vec<CpuStats>> {
        self.ready()?;
        self.requests.clear();
        let seq = self.requests.stats_cpu();
        let mut dump = self.begin_dump(seq, STATS, true)?;
        let mut buffer = vec![0; Self::CHUNK];
        let mut all = Vec::new();
        while let Some(chunk) = self.next_chunk(&mut dump, &mut buffer)? {
            for message in crate::messages(chunk) {
                match message {
                    Ok(message) => {
                        if let Item::CpuStats(stats) = message.item {
                            all.push(stats);
                        }
                    }
                    Err(source) => return Err(Error::Malformed { operation: STATS, source }),
                }
            }
        }
        Ok(all)
    }

    fn begin_dump(&mut self, seq: u32, operation: &'static str, bare: bool) -> Result<DumpState> {
        self.socket.send(self.requests.as_bytes(), operation)?;
        self.unfinished = true;
        Ok(DumpState { seq, operation, bare, interrupted: false, filtered: false, ended: false })
    }

    /// A new socket if an old answer may still come from this one.
    fn ready(&mut self) -> Result<()> {
        if self.unfinished {
            self.socket = connect()?;
            self.unfinished = false;
        }
        Ok(())
    }
}

impl AsFd for RequestSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn connect() -> Result<Socket> {
    let socket = Socket::open(Some(NETFILTER), 0, OPEN)?;
    socket.set_receive_buffer(RECEIVE_BUFFER, OPEN)?;
    Ok(socket)
}

fn ends(header: Header, seq: u32) -> bool {
    header.seq == seq && matches!(header.kind, NLMSG_ERROR | NLMSG_DONE)
}

fn is_denied(header: Header, payload: &[u8]) -> bool {
    header.kind == NLMSG_ERROR && item(header, payload) == Ok(Item::Error { errno: libc::EPERM })
}

/// How far a dump is, apart from its socket.
#[derive(Clone, Copy, Debug)]
pub struct DumpState {
    seq: u32,
    operation: &'static str,
    /// The request had no attributes.
    bare: bool,
    interrupted: bool,
    filtered: bool,
    ended: bool,
}

impl DumpState {
    /// Sequence number of the dump, which its messages bear.
    #[must_use]
    pub fn seq(&self) -> u32 {
        self.seq
    }

    /// The kernel said that it may be inconsistent. That it did not say so means little.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// The kernel said that it left out what the filter does not want. A kernel that does not know
    /// a filter gives everything, without an error and without saying this (a filter by status:
    /// before 5.15); where no entry came there was nothing to say it in.
    #[must_use]
    pub fn filtered(&self) -> bool {
        self.filtered
    }
}

/// A running dump. Dropping it before the end abandons it.
#[derive(Debug)]
pub struct Dump<'s> {
    owner: &'s mut RequestSocket,
    state: DumpState,
}

impl Dump<'_> {
    /// The next part, as [`crate::messages`] reads it; `None` after the end. Give a buffer of
    /// [`RequestSocket::CHUNK`] bytes.
    ///
    /// # Errors
    /// The kernel refuses or breaks off the dump, or the buffer is too short.
    pub fn next_chunk<'b>(&mut self, buffer: &'b mut [u8]) -> Result<Option<&'b [u8]>> {
        self.owner.next_chunk(&mut self.state, buffer)
    }

    /// Sequence number of the dump, which its messages bear.
    #[must_use]
    pub fn seq(&self) -> u32 {
        self.state.seq()
    }

    /// The kernel said that it may be inconsistent. That it did not say so means little.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.state.interrupted()
    }

    /// As [`DumpState::filtered`].
    #[must_use]
    pub fn filtered(&self) -> bool {
        self.state.filtered()
    }
}
