//! The thread `ct-requests`: dumps, numbers, addresses.

use std::sync::mpsc::Receiver;

use nfnetlink::RequestSocket;
use nfnetlink::ct::DumpFilter;
use tokio::sync::mpsc::Sender;

use super::report::{Ask, DumpDone, Entries, Numbers, Report, Sysctls};
use super::{clock, host};
use crate::table::{Outcome, ReadSpan};

/// The thread's end of its channels.
pub(super) struct Requests {
    pub(super) commands: Receiver<Ask>,
    pub(super) reports: Sender<Report>,
    /// Empty buffers. When there is none the table is behind, and the dump waits.
    pub(super) pool: Receiver<Vec<u8>>,
    pub(super) socket: RequestSocket,
    /// The buffer that the end of a dump left unused.
    pub(super) spare: Option<Vec<u8>>,
}

impl Requests {
    /// Until the hub is gone.
    pub(super) fn run(mut self) {
        while let Ok(ask) = self.commands.recv() {
            let report = match ask {
                Ask::Pass => {
                    let before = clock::thread_cpu();
                    let Some(outcome) = self.pass() else { return };
                    let cost = clock::thread_cpu().saturating_sub(before);
                    Report::DumpDone(DumpDone { at: clock::now(), outcome, cost })
                }
                Ask::Numbers => Report::Numbers(self.numbers()),
                Ask::Host => match host::read() {
                    Ok(host) => Report::Host(host),
                    Err(error) => {
                        tracing::debug!(%error, "own addresses are not known");
                        continue;
                    }
                },
            };
            if self.reports.blocking_send(report).is_err() {
                return;
            }
        }
    }

    /// `None` when the hub is gone.
    fn pass(&mut self) -> Option<Outcome> {
        // What a call returns was put together by the kernel in the call before it.
        let mut before = clock::now();
        let mut dump = match self.socket.dump(&DumpFilter::default()) {
            Ok(dump) => dump,
            Err(error) => {
                tracing::warn!(%error, "a pass over the table failed");
                return Some(Outcome::Failed);
            }
        };
        loop {
            let mut buffer = match self.spare.take() {
                Some(buffer) => buffer,
                None => self.pool.recv().ok()?,
            };
            let called = clock::now();
            let chunk = dump.next_chunk(&mut buffer).map(|chunk| chunk.map(<[u8]>::len));
            let ended = match chunk {
                Ok(Some(len)) => Err(len),
                Ok(None) if dump.interrupted() => Ok(Outcome::Interrupted),
                Ok(None) => Ok(Outcome::Complete),
                Err(error) => {
                    tracing::warn!(%error, "a pass over the table failed");
                    Ok(Outcome::Failed)
                }
            };
            let len = match ended {
                Err(len) => len,
                Ok(outcome) => {
                    self.spare = Some(buffer);
                    return Some(outcome);
                }
            };
            let span = ReadSpan { from: before, to: clock::now() };
            before = called;
            self.reports.blocking_send(Report::Entries(Entries { buffer, len, span })).ok()?;
        }
    }

    fn numbers(&mut self) -> Numbers {
        let mut numbers = Numbers { facts: Sysctls::read(), ..Numbers::default() };
        match self.socket.stats() {
            Ok(stats) => {
                numbers.count = Some(stats.entries.into());
                numbers.max = stats.max.map(u64::from);
            }
            Err(error) => tracing::debug!(%error, "no numbers of the table"),
        }
        match self.socket.stats_cpu() {
            Ok(cpus) => {
                let sum = |of: fn(&nfnetlink::ct::CpuStats) -> u32| {
                    Some(cpus.iter().map(|c| u64::from(of(c))).sum())
                };
                numbers.drop = sum(|c| c.drop);
                numbers.insert_failed = sum(|c| c.insert_failed);
                numbers.early_drop = sum(|c| c.early_drop);
            }
            Err(error) => tracing::debug!(%error, "no numbers of the CPUs"),
        }
        numbers.count = numbers.count.or(numbers.facts.facts.count);
        numbers.max = numbers.max.or(numbers.facts.facts.max);
        numbers
    }
}
