//! Buffers that go round between a reading thread and the table's thread. They are made when they
//! are first needed, and there are never more of them than the pool was made for: whoever reads too
//! fast waits for one.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// The reader's end.
pub(super) struct Pool {
    empty: Receiver<Vec<u8>>,
    spare: Option<Vec<u8>>,
    /// How many may still be made.
    left: usize,
    bytes: usize,
}

/// Where empty buffers go back to.
pub(super) type Return = SyncSender<Vec<u8>>;

impl Pool {
    /// At most `most` buffers of `bytes` bytes.
    pub(super) fn new(most: usize, bytes: usize) -> (Self, Return) {
        let (back, empty) = sync_channel(most);
        (Self { empty, spare: None, left: most, bytes }, back)
    }

    /// A buffer of at least so many bytes; `None` when nobody will give one back.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        let used = self.spare.take().or_else(|| self.empty.try_recv().ok());
        let mut buffer = match used {
            Some(buffer) => buffer,
            None if self.left > 0 => {
                self.left -= 1;
                Vec::new()
            }
            None => self.empty.recv().ok()?,
        };
        if buffer.len() < self.bytes {
            if buffer.capacity() == 0 {
                // Fresh memory is zero already.
                buffer = vec![0; self.bytes];
            } else {
                buffer.resize(self.bytes, 0);
            }
        }
        Some(buffer)
    }

    /// Takes back a buffer that was not used.
    pub(super) fn put_back(&mut self, buffer: Vec<u8>) {
        self.spare = Some(buffer);
    }

    /// Gives the memory of all buffers back that are not under way.
    pub(super) fn trim(&mut self) {
        let spare = self.spare.take().into_iter();
        self.left += spare.chain(self.empty.try_iter()).count();
    }
}
