//! The thread `ct-events`: drains the event socket by timer. It has no capability: `ct-requests` opens
//! the socket for it.
//!
//! It pauses so that a drain finds some dozens of events, which costs a third of being woken for
//! each. When the table's thread waits for the events before some moment it asks, and is answered
//! within [`SHORTEST`].

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender as AskSender, sync_channel};
use std::time::{Duration, Instant};

use conntop_proto::flow::BootMillis;
use nfnetlink::EventSocket;
use tokio::sync::mpsc::Sender;

use super::clock;
use super::pool::Pool;
use super::report::{Ask, EventBatch, Listen, Report};
use crate::table::ReadSpan;

/// Events taken at once: about 256 KiB.
const BATCH: usize = 1024;
/// Batches under way at most.
pub(super) const BATCHES: usize = 4;
/// Pause after a busy drain. Shorter ones cost a call for every few events.
const SHORTEST: Duration = Duration::from_millis(5);
/// Pause when nothing happens: how late the end of a flow may be seen.
const LONGEST: Duration = Duration::from_millis(100);
/// A drain that finds more events than this is followed by a shorter pause, one that finds fewer
/// than the other by a longer one.
const MANY: usize = 256;
const FEW: usize = 64;
/// Bytes of the socket's buffer that let a hundred milliseconds of a storm wait. A smaller buffer is
/// drained more often.
const ROOMY: usize = 16 << 20;

/// The thread's end of its channels.
pub(super) struct Events {
    pub(super) commands: Receiver<Listen>,
    pub(super) reports: Sender<Report>,
    pub(super) pool: Pool,
    /// Who opens sockets.
    pub(super) requests: AskSender<Ask>,
    /// Bytes of buffer to ask for.
    pub(super) buffer: usize,
}

impl Events {
    /// Until the hub is gone.
    pub(super) fn run(mut self) {
        while let Ok(command) = self.commands.recv() {
            if command == Listen::Start && !self.listen() {
                return;
            }
            self.pool.trim();
        }
    }

    /// Whether the hub is still there.
    fn listen(&mut self) -> bool {
        let (to, opened) = sync_channel(1);
        if self.requests.send(Ask::Listen { buffer: self.buffer, to }).is_err() {
            return false;
        }
        let Ok(opened) = opened.recv() else { return false };
        match opened {
            Ok(socket) => {
                let buffer = u64::try_from(socket.buffer_size()).unwrap_or(u64::MAX);
                self.tell(Report::Listening(buffer)) && self.drain(socket)
            }
            Err(error) => self.tell(Report::NotListening(error)),
        }
    }

    fn drain(&mut self, mut socket: EventSocket) -> bool {
        let longest = longest(socket.buffer_size());
        let mut empty_at = clock::now();
        let mut drops = socket.drops().ok();
        let mut pause = SHORTEST;
        let mut asked: Option<BootMillis> = None;
        let (mut cpu, mut idle) = (clock::thread_cpu(), Duration::ZERO);
        loop {
            let begun = (clock::now(), Instant::now());
            let Some(mut bytes) = self.pool.take() else { return false };
            bytes.clear();
            let drained = match socket.drain(BATCH, &mut bytes) {
                Ok(drained) => drained,
                Err(error) => return self.tell(Report::NotListening(error)),
            };
            let span = ReadSpan { from: empty_at, to: clock::now() };
            // What is dropped leaves a full queue behind, so an empty one needs no question.
            let now = if drained.events > 0 { socket.drops().ok() } else { drops };
            let lost = (drained.overrun || now > drops).then_some(now.map(u64::from));
            drops = now;
            let before = std::mem::replace(&mut cpu, clock::thread_cpu());
            if drained.events < FEW {
                idle += cpu.saturating_sub(before);
            }
            let answers = drained.empty && asked.is_some_and(|at| begun.0 > at);
            if bytes.is_empty() && lost.is_none() && !answers {
                self.pool.put_back(bytes);
            } else {
                let drained = drained.empty.then_some(begun.0);
                let idle = std::mem::take(&mut idle);
                if !self.tell(Report::Events(EventBatch { bytes, span, lost, drained, idle })) {
                    return false;
                }
            }
            if answers {
                asked = None;
            }
            if drained.empty {
                empty_at = begun.0;
            }
            pause = match drained.events {
                MANY.. => (pause / 2).max(SHORTEST),
                FEW.. => pause,
                _ => (pause * 2).min(longest),
            };
            let pause = match asked {
                _ if !drained.empty => Duration::ZERO,
                Some(_) => SHORTEST,
                None => pause,
            };
            match self.wait(begun.1, pause, &mut asked) {
                Wait::Drain => {}
                Wait::Stop => return true,
                Wait::Gone => return false,
            }
        }
    }

    /// Waits until the next drain, or less long if one is asked for.
    fn wait(&self, begun: Instant, pause: Duration, asked: &mut Option<BootMillis>) -> Wait {
        let mut until = begun + pause;
        loop {
            match self.commands.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Listen::Drain(at)) => {
                    *asked = Some(at);
                    // Of this millisecond some events may still come.
                    let past = Instant::now() + Duration::from_millis(1);
                    until = until.min(past.max(begun + SHORTEST));
                }
                Ok(Listen::Start) => {}
                Ok(Listen::Stop) => return Wait::Stop,
                Err(RecvTimeoutError::Timeout) => return Wait::Drain,
                Err(RecvTimeoutError::Disconnected) => return Wait::Gone,
            }
        }
    }

    fn tell(&self, report: Report) -> bool {
        self.reports.blocking_send(report).is_ok()
    }
}

enum Wait {
    Drain,
    Stop,
    Gone,
}

/// Longest pause with a buffer of so many bytes.
fn longest(buffer: usize) -> Duration {
    let part = u32::try_from(ROOMY / buffer.max(1)).unwrap_or(u32::MAX).max(1);
    (LONGEST / part).max(SHORTEST * 4)
}
