//! The thread `ct-events`: drains the event socket by timer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use nfnetlink::{EventSocket, Subscription};
use tokio::sync::mpsc::Sender;

use super::clock;
use super::report::{EventBatch, Listen, Report};
use crate::table::ReadSpan;

/// Events taken at once: about a megabyte.
const BATCH: usize = 4096;
/// Pause after a busy drain. Shorter ones cost a call for every few events.
const SHORTEST: Duration = Duration::from_millis(5);
/// Pause when nothing happens: how late the end of a flow may be seen.
const LONGEST: Duration = Duration::from_millis(100);

/// The thread's end of its channels.
pub(super) struct Events {
    pub(super) commands: Receiver<Listen>,
    pub(super) reports: Sender<Report>,
    /// A pass runs: its entries wait for the events before them.
    pub(super) hurry: Arc<AtomicBool>,
    /// Bytes of buffer to ask for.
    pub(super) buffer: usize,
}

impl Events {
    /// Until the hub is gone.
    pub(super) fn run(self) {
        while let Ok(command) = self.commands.recv() {
            if command == Listen::Start && !self.listen() {
                return;
            }
        }
    }

    /// Whether the hub is still there.
    fn listen(&self) -> bool {
        match EventSocket::open(Subscription::NewDestroy, self.buffer) {
            Ok(socket) => {
                let buffer = u64::try_from(socket.buffer_size()).unwrap_or(u64::MAX);
                self.tell(Report::Listening(buffer)) && self.drain(socket)
            }
            Err(error) => self.tell(Report::NotListening(error)),
        }
    }

    fn drain(&self, mut socket: EventSocket) -> bool {
        let mut empty_at = clock::now();
        let mut drops = socket.drops().ok();
        let mut pause = SHORTEST;
        loop {
            let begun = clock::now();
            let mut bytes = Vec::new();
            let drained = match socket.drain(BATCH, &mut bytes) {
                Ok(drained) => drained,
                Err(error) => return self.tell(Report::NotListening(error)),
            };
            let span = ReadSpan { from: empty_at, to: clock::now() };
            let now = socket.drops().ok();
            let lost = (drained.overrun || now > drops).then_some(now.map(u64::from));
            drops = now;
            let hurry = self.hurry.load(Ordering::Relaxed);
            if !bytes.is_empty() || lost.is_some() || hurry {
                let drained = drained.empty.then_some(begun);
                if !self.tell(Report::Events(EventBatch { bytes, span, lost, drained })) {
                    return false;
                }
            }
            if drained.empty {
                empty_at = begun;
            }
            pause = match drained.events {
                _ if hurry => SHORTEST,
                0 => (pause * 2).min(LONGEST),
                1..=64 => pause,
                _ => SHORTEST,
            };
            let wait = if drained.empty { pause } else { Duration::ZERO };
            match self.commands.recv_timeout(wait) {
                Ok(Listen::Stop) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
                Ok(Listen::Start) | Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn tell(&self, report: Report) -> bool {
        self.reports.blocking_send(report).is_ok()
    }
}
