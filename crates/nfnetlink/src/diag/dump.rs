//! All sockets of a kind.

use std::ops::ControlFlow;

use super::info::{Query, SocketInfo};
use super::{DiagSocket, SOCK_DIAG_BY_FAMILY, connect};
use crate::error::{Error, Result};
use crate::message::errno;
use crate::wire::{Frames, Header, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR};

const OPERATION: &str = "listing sockets by sock_diag";

/// How a dump went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dumped {
    /// Sockets that were handed on.
    pub sockets: usize,
    /// Messages that made no sense, and were passed over.
    pub malformed: usize,
    /// The kernel said that it may be inconsistent.
    pub interrupted: bool,
    /// Whether the one who asked broke it off.
    pub broken_off: bool,
}

impl DiagSocket {
    /// Hands on each socket that the query wants until `each` breaks off. Sockets that come and go
    /// meanwhile may be there or not, and one may be there twice.
    ///
    /// # Errors
    /// If the kernel refuses; ENOENT if it cannot list such sockets at all (no `tcp_diag`, no
    /// `udp_diag`, no IPv6).
    pub fn dump(
        &mut self,
        query: &Query,
        mut each: impl FnMut(&SocketInfo) -> ControlFlow<()>,
    ) -> Result<Dumped> {
        self.ready()?;
        self.seq = self.seq.wrapping_add(1);
        self.writer.clear();
        let flags = NLM_F_REQUEST | NLM_F_DUMP;
        let open = self.writer.begin(Header { kind: SOCK_DIAG_BY_FAMILY, flags, seq: self.seq, port: 0 });
        self.writer.raw(&query.request());
        self.writer.end(open);
        self.socket.send(self.writer.as_bytes(), OPERATION)?;
        self.unfinished = true;
        let mut dumped = Dumped::default();
        loop {
            for frame in Frames::new(self.socket.receive(&mut self.buffer, OPERATION)?) {
                let malformed = |source| Error::Malformed { operation: OPERATION, source };
                let (header, payload) = frame.map_err(malformed)?;
                if header.seq != self.seq {
                    continue;
                }
                dumped.interrupted |= header.flags & NLM_F_DUMP_INTR != 0;
                match header.kind {
                    NLMSG_DONE | NLMSG_ERROR => {
                        self.unfinished = false;
                        // Old kernels end some dumps without a payload.
                        return match errno(payload, "end of dump").unwrap_or(0) {
                            0 => Ok(dumped),
                            errno => Err(Error::from_raw(OPERATION, errno)),
                        };
                    }
                    SOCK_DIAG_BY_FAMILY => match SocketInfo::parse(payload) {
                        Ok(socket) => {
                            dumped.sockets += 1;
                            if each(&socket).is_break() {
                                dumped.broken_off = true;
                                return Ok(dumped);
                            }
                        }
                        Err(_) => dumped.malformed += 1,
                    },
                    _ => {}
                }
            }
        }
    }

    /// A new socket if an old answer may still come from this one.
    pub(super) fn ready(&mut self) -> Result<()> {
        if self.unfinished {
            self.socket = connect()?;
            self.unfinished = false;
        }
        Ok(())
    }
}
