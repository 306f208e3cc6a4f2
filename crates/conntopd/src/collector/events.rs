//! The event thread: drains the event socket by a timer and hands the bytes on.
//!
//! It never waits for the socket: woken for each event, the same work costs several times as much. The
//! pause between two drains follows the load, so that an idle machine wakes it ten times a second and a
//! busy one does not lose events. While nobody listens the socket is closed, because a subscription
//! costs the router time for every new flow.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use nfnetlink::netns::Netns;
use nfnetlink::{EventSocket, Subscription};

use super::CollectorError;
use super::batch::{Gone, ReadSpan, Report, Reporter};
use super::clock::now;

/// Pause between two drains under load: at 200,000 events a second 1,000 events, 1.3 MB of buffer.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
/// Pause between two drains when nothing happens: what an event may be late.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// Events in one report, about 100 KiB: the table merges them in under a millisecond.
const EVENTS_PER_REPORT: usize = 512;
/// So many events in one drain call for a shorter pause.
const BUSY: usize = 64;

/// Commands to the event thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Subscribe; answered by [`Report::Listening`].
    Listen,
    /// Unsubscribe.
    Sleep,
}

/// The event thread's body. Ends when the commands or the reports are hung up.
pub fn run(netns: Option<&Netns>, buffer: usize, commands: &Receiver<Command>, reporter: &Reporter) {
    let mut listener = Listener { buffer, reporter, drops: 0 };
    let outcome = netns.map_or(Ok(()), |netns| netns.enter().map_err(CollectorError::from));
    let outcome = outcome.and_then(|()| listener.serve(commands));
    if let Err(error) = outcome {
        let _ = reporter.send(Report::Failed(error));
    }
}

struct Listener<'a> {
    buffer: usize,
    reporter: &'a Reporter,
    /// Dropped by sockets that are closed by now.
    drops: u64,
}

impl Listener<'_> {
    fn serve(&mut self, commands: &Receiver<Command>) -> Result<(), CollectorError> {
        while let Ok(command) = commands.recv() {
            if command == Command::Listen && self.listen(commands)? == Hung::Up {
                break;
            }
        }
        Ok(())
    }

    /// Listens until told to sleep.
    fn listen(&mut self, commands: &Receiver<Command>) -> Result<Hung, CollectorError> {
        let mut socket = EventSocket::open(Subscription::NewDestroy, self.buffer)?;
        let buffer = u64::try_from(socket.buffer_size()).unwrap_or(u64::MAX);
        if self.reporter.send(Report::Listening { buffer }).is_err() {
            return Ok(Hung::Up);
        }
        let mut pause = SHORTEST_PAUSE;
        loop {
            match commands.recv_timeout(pause) {
                Ok(Command::Listen) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Command::Sleep) => break,
                Err(RecvTimeoutError::Disconnected) => return Ok(Hung::Up),
            }
            match self.drain(&mut socket)? {
                Ok(events) if events >= BUSY => pause = SHORTEST_PAUSE,
                Ok(_) => pause = (pause * 2).min(LONGEST_PAUSE),
                Err(Gone) => return Ok(Hung::Up),
            }
        }
        self.drops = self.dropped(&socket).unwrap_or(self.drops);
        Ok(Hung::Not)
    }

    /// Hands on what is there; the number of events.
    fn drain(&self, socket: &mut EventSocket) -> Result<Result<usize, Gone>, CollectorError> {
        let mut events = 0;
        loop {
            let from = now();
            let mut bytes = self.reporter.buffer();
            let drained = socket.drain(EVENTS_PER_REPORT, &mut bytes)?;
            events += drained.events;
            if drained.events > 0 || drained.overrun {
                let drops = if drained.overrun { self.dropped(socket) } else { None };
                let span = ReadSpan::until_now(from);
                let report = Report::Events { span, bytes, overrun: drained.overrun, drops };
                if self.reporter.send(report).is_err() {
                    return Ok(Err(Gone));
                }
            }
            if drained.empty {
                return Ok(Ok(events));
            }
        }
    }

    fn dropped(&self, socket: &EventSocket) -> Option<u64> {
        socket.drops().ok().map(|drops| self.drops.saturating_add(u64::from(drops)))
    }
}

/// Whether the other side of a channel is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hung {
    Up,
    Not,
}
