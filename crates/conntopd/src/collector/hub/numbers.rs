//! The kernel's numbers of its table, and the machine's addresses.

use std::sync::mpsc::SyncSender;
use std::time::Duration;

use conntop_proto::message::{KernelFacts, TableStats};
use tokio::time::Instant;

use super::super::clock;
use super::super::cost::Size;
use super::super::report::{Ask, Numbers};
use super::{Ears, Hub};

/// Between two readings of the kernel's numbers.
const NUMBERS_EVERY: Duration = Duration::from_secs(2);
/// Between two readings of the machine's addresses.
const HOST_EVERY: Duration = Duration::from_secs(10);
/// How many flows fewer the kernel may count than the table holds before it is read out of turn,
/// besides a sixteenth.
const MISSED: usize = 100;
/// Buckets of a kernel that does not tell.
const BUCKETS: u64 = 65_536;

impl Hub {
    /// How large the kernel's table is, as far as is known.
    pub(super) fn size(&self) -> Size {
        let flows = u64::try_from(self.table.stats().flows).unwrap_or(u64::MAX);
        Size {
            buckets: self.sysctls.facts.buckets.unwrap_or(BUCKETS),
            flows: self.sysctls.facts.count.unwrap_or(0).max(flows),
            assured: self.passes.assured(),
        }
    }

    pub(super) fn read_more(&mut self, now: Instant) {
        if now >= self.numbers_at {
            self.numbers_at = now + NUMBERS_EVERY;
            self.ask(Ask::Numbers);
        }
        if now >= self.host_at {
            self.host_at = now + HOST_EVERY;
            self.ask(Ask::Host);
        }
    }

    pub(super) fn numbers(&mut self, numbers: &Numbers) {
        self.sysctls = numbers.facts;
        self.facts = Instant::now();
        self.tell_kernel();
        self.curious.clear();
        let stats = self.table.stats();
        // Flows that send no events left in numbers: somebody flushed the table.
        let gone = numbers.count.and_then(|count| usize::try_from(count).ok()?.checked_add(MISSED));
        if gone.is_some_and(|count| count < stats.flows - stats.flows / 16) {
            self.picker.lost(Instant::now());
        }
        self.desk.table(TableStats {
            at: clock::now(),
            count: numbers.count,
            max: numbers.max,
            flows: u64::try_from(stats.flows).unwrap_or(u64::MAX),
            truncated: stats.truncated,
            drop: numbers.drop,
            insert_failed: numbers.insert_failed,
            early_drop: numbers.early_drop,
            tracking: numbers.facts.tracking,
        });
    }

    /// Answers by dropping the sender, at once if somebody reads the numbers anyway.
    pub(super) fn tell_facts(&mut self, tell: SyncSender<()>) {
        let fresh = self.awake || self.is_fed_by_hand() || self.facts.elapsed() < NUMBERS_EVERY;
        if fresh {
            return;
        }
        if self.curious.is_empty() {
            self.ask(Ask::Numbers);
        }
        self.curious.push(tell);
    }

    pub(super) fn tell_kernel(&mut self) {
        if let Ears::Open { buffer, .. } = self.ears {
            self.buffer = Some(buffer);
        }
        let kernel: KernelFacts = self.sysctls.kernel(self.listens, self.buffer);
        self.wires.hello.send_if_modified(|hello| {
            let changed = hello.kernel != kernel;
            hello.kernel = kernel;
            changed
        });
    }
}
