//! `/proc/net/nf_conntrack`: the table as text, one line per flow.
//!
//! Reading a line takes none of the locks of hash buckets that a dump takes, and a small table in
//! many buckets is read in a fraction of a dump's time. But a line has no id, no start, no helper,
//! no labels and only few bits of the status; and kernels before 6.16 find the place to go on by
//! walking from the first bucket at every read, so that a large table costs the square of its size.
//! It refreshes the counters of flows that are known, and decides nothing else.
//!
//! [`ProcTable`] reads chunks of whole lines, [`lines`] reads flows from a chunk.
//!
//! Invariants
//! - A line of any length takes bounded memory: what is beyond [`ProcTable::LINE_MAX`] is dropped,
//!   and the line is an error.
//! - A line that is not understood is one error; those after it are read all the same.

mod line;

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub use line::{Lines, ProcError, lines, told};

use crate::error::{Error, Result};

const PATH: &str = "/proc/thread-self/net/nf_conntrack";
const OPEN: &str = "opening /proc/net/nf_conntrack";
const READ: &str = "reading /proc/net/nf_conntrack";
const REWIND: &str = "rewinding /proc/net/nf_conntrack";

/// The kernel formats a page at a time, in whole lines; into less room it puts parts of lines.
const PAGE: usize = 4096;

/// The table of one network namespace, open for reading as often as wanted.
///
/// Only root may open it (it is 0440 root:root; CAP_NET_ADMIN does not help), but the permission
/// is checked at opening alone: the descriptor goes on working after the process took another
/// user id and dropped every capability, and in other processes.
#[derive(Debug)]
pub struct ProcTable {
    file: File,
    /// The beginning of a line whose end the next chunk will have.
    carry: Vec<u8>,
    position: Position,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// At the beginning of a line, or where the carry ends.
    Line,
    /// Somewhere in a line of which enough was seen.
    Overlong,
    End,
}

impl ProcTable {
    /// A good size of chunks: about 270 lines, which take the kernel less than a millisecond.
    pub const CHUNK: usize = 64 * 1024;
    /// Longest line; IPv6 with all fields takes 450 bytes, and a security context its own length.
    pub const LINE_MAX: usize = 4096;

    /// Opens the table of the network namespace that the calling thread is in.
    ///
    /// # Errors
    /// [`Error::NotRoot`]; or [`Error::NoFile`] where the module is not loaded, or the kernel was
    /// built without CONFIG_NF_CONNTRACK_PROCFS.
    pub fn open() -> Result<Self> {
        match File::open(PATH) {
            Ok(file) => Ok(ProcTable::from(file)),
            Err(source) => Err(match source.kind() {
                io::ErrorKind::PermissionDenied => Error::NotRoot { operation: OPEN },
                io::ErrorKind::NotFound => Error::NoFile { operation: OPEN },
                _ => Error::Kernel { operation: OPEN, source },
            }),
        }
    }

    /// Goes back to the beginning. At the end of the file the kernel stays at the end, however
    /// many flows come, so every reading begins with this.
    ///
    /// # Errors
    /// If the file cannot seek, which that of the kernel can.
    pub fn rewind(&mut self) -> Result<()> {
        self.carry.clear();
        self.position = Position::Line;
        self.file.rewind().map_err(|source| Error::Kernel { operation: REWIND, source })
    }

    /// Fills the buffer with whole lines, as [`lines`] reads them, and returns how many bytes
    /// they have; `None` at the end. Give a buffer of [`Self::CHUNK`] bytes.
    ///
    /// Flows that come and go meanwhile may be there or not, or twice.
    ///
    /// # Errors
    /// Reading fails, or the buffer has less than twice the room of the longest line.
    pub fn read_chunk(&mut self, buffer: &mut [u8]) -> Result<Option<usize>> {
        if buffer.len() < 2 * Self::LINE_MAX {
            return Err(Error::TooLong { operation: READ, buffer: buffer.len() });
        }
        let mut filled = self.carry.len();
        if let Some(front) = buffer.get_mut(..filled) {
            front.copy_from_slice(&self.carry);
        }
        self.carry.clear();
        while self.position != Position::End
            && let Some(room) = buffer.get_mut(filled..)
            && room.len() >= PAGE
        {
            let read = match self.file.read(room) {
                Ok(0) => {
                    self.position = Position::End;
                    break;
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(Error::Kernel { operation: READ, source }),
            };
            filled += match self.position {
                Position::Overlong => self.resume(room, read),
                _ => read,
            };
        }
        if filled == 0 {
            return Ok(None);
        }
        let filled = buffer.get(..filled).unwrap_or_default();
        let (whole, part) = match filled.iter().rposition(|byte| *byte == b'\n') {
            Some(newline) => filled.split_at(newline + 1),
            None => filled.split_at(0),
        };
        if part.is_empty() || self.position == Position::End {
            // A last line without its end is for the parser to complain about.
            Ok(Some(filled.len()))
        } else if part.len() > Self::LINE_MAX {
            self.position = Position::Overlong;
            Ok(Some(filled.len()))
        } else {
            self.carry.extend_from_slice(part);
            Ok(Some(whole.len()))
        }
    }

    /// Drops the rest of an overlong line from what was read, and returns what is left of it.
    fn resume(&mut self, room: &mut [u8], read: usize) -> usize {
        let fresh = room.get(..read).unwrap_or_default();
        let Some(newline) = fresh.iter().position(|byte| *byte == b'\n') else { return 0 };
        self.position = Position::Line;
        room.copy_within(newline + 1..read, 0);
        read - newline - 1
    }
}

/// From a descriptor that somebody with more rights has opened.
impl From<File> for ProcTable {
    fn from(file: File) -> Self {
        ProcTable { file, carry: Vec::with_capacity(Self::LINE_MAX), position: Position::Line }
    }
}

impl From<OwnedFd> for ProcTable {
    fn from(fd: OwnedFd) -> Self {
        ProcTable::from(File::from(fd))
    }
}

impl AsFd for ProcTable {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
