//! The thread `ct-requests`: reads sources in slices, numbers, addresses. Between two slices of a
//! pass it serves whatever else was asked. It is the only one with a capability, so it opens the
//! sockets of others too.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use conntop_proto::message::Outcome as End;
use nfnetlink::ct::FlowRef;
use nfnetlink::{EventSocket, RequestSocket, Subscription};
use tokio::sync::mpsc::Sender;

use super::ender::Ender;
use super::known::Known;
use super::orders::Done;
use super::pool::Pool;
use super::report::{Ask, Entries, Flows, Numbers, Report, Slice, Sysctls};
use super::sights::Sights;
use super::source::Source;
use super::tracking::Tracking;
use super::{clock, host};
use crate::table::Outcome;

/// The thread's end of its channels.
pub(super) struct Requests {
    pub(super) commands: Receiver<Ask>,
    pub(super) reports: Sender<Report>,
    pub(super) pool: Pool,
    /// For numbers.
    pub(super) socket: RequestSocket,
    pub(super) sources: Vec<Box<dyn Source>>,
    pub(super) known: Known,
    pub(super) tracking: Tracking,
    /// Present where flows may be ended.
    pub(super) ender: Option<Ender>,
}

/// The hub is gone.
struct Gone;

/// A slice to be read.
struct Slicing {
    /// It is the first one, over these flows.
    begin: Option<Vec<FlowRef>>,
    most: Duration,
}

impl Requests {
    /// Until the hub is gone.
    pub(super) fn run(mut self) {
        let mut reading = None;
        while let Ok(ask) = self.commands.recv() {
            let done = match ask {
                Ask::Begin { source, flows, slice } => {
                    reading = Some(source);
                    // A repair uses all buffers, a pass that takes its time two or three.
                    self.pool.trim();
                    self.slice(&mut reading, Slicing { begin: Some(flows), most: slice })
                }
                Ask::More { slice } => self.slice(&mut reading, Slicing { begin: None, most: slice }),
                Ask::Abandon => {
                    if let Some(source) = reading.take().and_then(|source| self.sources.get_mut(source)) {
                        source.abandon();
                    }
                    Ok(())
                }
                Ask::Rest => {
                    self.pool.trim();
                    Ok(())
                }
                Ask::Flows { source, flows } => self.flows(source, flows),
                Ask::Numbers => {
                    let numbers = self.numbers();
                    self.tell(Report::Numbers(numbers))
                }
                Ask::Host => match host::read(&mut self.known) {
                    Ok(host) => self.tell(Report::Host(host)),
                    Err(error) => {
                        tracing::debug!(%error, "own addresses are not known");
                        Ok(())
                    }
                },
                Ask::Terminate { target, act } => {
                    let done = match &mut self.ender {
                        Some(ender) => ender.end(&mut self.socket, &target, act),
                        None => Done::of(End::Refused),
                    };
                    self.tell(Report::Terminated(done))
                }
                Ask::Look(look) => self.tell(Report::Sights(Box::new(Sights::read(look)))),
                Ask::Listen { buffer, to } => {
                    // Nobody waits if the daemon ends just now.
                    let _ = to.send(EventSocket::open(Subscription::NewDestroy, buffer));
                    Ok(())
                }
            };
            if done.is_err() {
                return;
            }
        }
    }

    fn tell(&self, report: Report) -> Result<(), Gone> {
        self.reports.blocking_send(report).map_err(|_| Gone)
    }

    /// Reads for so long, or to the end, whichever comes first.
    fn slice(&mut self, reading: &mut Option<usize>, ask: Slicing) -> Result<(), Gone> {
        let before = clock::thread_cpu();
        let spent = || clock::thread_cpu().saturating_sub(before);
        let Some(source) = reading.and_then(|source| self.sources.get_mut(source)) else {
            return Ok(());
        };
        let begun = ask.begin.as_ref().map_or(Ok(()), |flows| source.begin(flows));
        let end = loop {
            if let Err(error) = &begun {
                tracing::warn!(%error, "a pass over the table failed");
                break Some(Outcome::Failed);
            }
            let mut buffer = self.pool.take().ok_or(Gone)?;
            match source.read(&mut buffer) {
                Ok(Some(part)) => {
                    let entries = Report::Entries(Entries { buffer, part });
                    self.reports.blocking_send(entries).map_err(|_| Gone)?;
                }
                ended => {
                    self.pool.put_back(buffer);
                    break Some(match ended {
                        Err(error) => {
                            tracing::warn!(%error, "a pass over the table failed");
                            Outcome::Failed
                        }
                        Ok(_) if source.interrupted() => Outcome::Interrupted,
                        Ok(_) => Outcome::Complete,
                    });
                }
            }
            if spent() >= ask.most {
                break None;
            }
        };
        if end.is_some() {
            *reading = None;
        }
        let flows = ask.begin.unwrap_or_default();
        self.tell(Report::Slice(Slice { at: clock::now(), cost: spent(), end, flows }))
    }

    fn flows(&mut self, source: usize, flows: Vec<FlowRef>) -> Result<(), Gone> {
        let before = clock::thread_cpu();
        if let Some(source) = self.sources.get_mut(source) {
            let mut reading = source.begin(&flows).map(|()| true);
            while let Ok(true) = reading {
                let mut buffer = self.pool.take().ok_or(Gone)?;
                match source.read(&mut buffer) {
                    Ok(Some(part)) => {
                        let entries = Report::Entries(Entries { buffer, part });
                        self.reports.blocking_send(entries).map_err(|_| Gone)?;
                    }
                    ended => {
                        self.pool.put_back(buffer);
                        reading = ended.map(|_| false);
                    }
                }
            }
            if let Err(error) = reading {
                tracing::debug!(%error, "single flows could not be asked for");
            }
        }
        let cost = clock::thread_cpu().saturating_sub(before);
        self.tell(Report::Flows(Flows { flows, cost }))
    }

    fn numbers(&mut self) -> Numbers {
        let mut numbers = Numbers { facts: Sysctls::read(&mut self.tracking), ..Numbers::default() };
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

#[cfg(test)]
mod tests;
