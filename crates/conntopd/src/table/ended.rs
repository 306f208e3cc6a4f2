//! How flows ended, oldest first, in a ring. A slot names its record by a number that counts all ends.

use std::collections::VecDeque;

use conntop_proto::flow::{BootMillis, EndReason};

/// How a flow ended.
#[derive(Clone, Copy)]
pub(super) struct End {
    pub(super) slot: u32,
    pub(super) reason: EndReason,
    /// Number of the change that it was.
    pub(super) seq: u64,
    pub(super) at: BootMillis,
    /// Microseconds of the wall clock, 0 when the kernel did not tell.
    pub(super) stop: u64,
}

/// Records of ended flows.
#[derive(Default)]
pub(super) struct Ends {
    /// Number of the oldest.
    first: u64,
    ring: VecDeque<End>,
}

impl Ends {
    pub(super) fn len(&self) -> usize {
        self.ring.len()
    }

    /// Appends a record; returns its number.
    pub(super) fn push(&mut self, end: End) -> u64 {
        self.ring.push_back(end);
        self.first + self.ring.len() as u64 - 1
    }

    pub(super) fn get(&self, number: u64) -> Option<&End> {
        self.ring.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    pub(super) fn oldest(&self) -> Option<&End> {
        self.ring.front()
    }

    pub(super) fn pop_oldest(&mut self) -> Option<End> {
        let end = self.ring.pop_front()?;
        self.first += 1;
        Some(end)
    }
}
