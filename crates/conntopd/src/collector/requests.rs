//! The request thread: dumps, GETs, statistics and addresses, one at a time, as the table's thread
//! asks. It decides nothing; how often and how fast to read is the table's to say.
//!
//! A paced pass sleeps between two chunks in proportion to what they cost, and answers GETs meanwhile
//! on a second socket (the kernel puts the answers of one socket into one queue).

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use nfnetlink::RequestSocket;
use nfnetlink::ct::{DumpFilter, FlowRef, Requests};
use nfnetlink::netns::Netns;

use super::CollectorError;
use super::batch::{Gone, PassOutcome, ReadSpan, Report, Reporter};
use super::clock::{now, thread_cpu};
use super::host;

/// Asks waiting for the thread; the table's thread asks again later when there is no room.
pub const ASKS: usize = 16;
/// Shortest sleep of a paced pass: below that the sleep itself costs more than it saves.
const SHORTEST_SLEEP: Duration = Duration::from_millis(2);

/// What the table's thread may ask for.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Read the whole table.
    Pass(Pace),
    /// Read these flows; at most [`RequestSocket::BATCH`] at once.
    Gets(Vec<FlowRef>),
    /// Count the table.
    Stats,
    /// Look at sysctls, addresses and routes.
    Host,
}

/// How fast to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As fast as the kernel gives.
    Free,
    /// Sleep this many times as long as reading took.
    Sleep(u32),
}

/// The sockets of the thread.
#[derive(Debug)]
pub struct Sockets {
    dumps: RequestSocket,
    gets: RequestSocket,
    requests: Requests,
}

impl Sockets {
    /// Enters the namespace and opens the sockets; asks the kernel something, so that a missing
    /// permission shows here. To be called on the thread that will run them.
    ///
    /// # Errors
    /// No such namespace, no nfnetlink, no permission.
    pub fn open(netns: Option<&Netns>) -> Result<Self, CollectorError> {
        if let Some(netns) = netns {
            netns.enter()?;
        }
        let mut gets = RequestSocket::open()?;
        gets.stats()?;
        Ok(Self { dumps: RequestSocket::open()?, gets, requests: Requests::new() })
    }
}

/// The request thread's body. Ends when the asks or the reports are hung up.
pub fn run(sockets: Sockets, asks: &Receiver<Ask>, reporter: &Reporter) {
    let Sockets { mut dumps, gets, requests } = sockets;
    let mut side = Side { gets, requests, reporter };
    while let Ok(ask) = asks.recv() {
        let done = match ask {
            Ask::Pass(pace) => pass(&mut dumps, pace, &mut side, asks),
            other => side.answer(other),
        };
        match done {
            Ok(Ok(())) => {}
            Ok(Err(Gone)) => return,
            Err(error) => {
                let _ = reporter.send(Report::Failed(error));
                return;
            }
        }
    }
}

type Done = Result<Result<(), Gone>, CollectorError>;

fn pass(dumps: &mut RequestSocket, pace: Pace, side: &mut Side<'_>, asks: &Receiver<Ask>) -> Done {
    let cpu = thread_cpu();
    let reporter = side.reporter;
    if reporter.send(Report::PassBegan { at: now() }).is_err() {
        return Ok(Err(Gone));
    }
    let mut from = now();
    let mut read = Instant::now();
    let mut dump = dumps.dump(&DumpFilter::default())?;
    let outcome = loop {
        let mut bytes = reporter.buffer();
        bytes.resize(RequestSocket::CHUNK, 0);
        let length = match dump.next_chunk(&mut bytes) {
            Ok(Some(chunk)) => chunk.len(),
            Ok(None) if dump.interrupted() => break PassOutcome::Interrupted,
            Ok(None) => break PassOutcome::Complete,
            Err(error @ nfnetlink::Error::Denied { .. }) => return Err(error.into()),
            Err(error) => {
                tracing::warn!("a pass over the table broke off: {error}");
                break PassOutcome::Failed;
            }
        };
        bytes.truncate(length);
        let span = ReadSpan::until_now(from);
        if reporter.send(Report::PassChunk { span, bytes }).is_err() {
            return Ok(Err(Gone));
        }
        if let Pace::Sleep(times) = pace
            && let Err(Gone) = side.answer_for(read.elapsed() * times, asks)?
        {
            return Ok(Err(Gone));
        }
        from = now();
        read = Instant::now();
    };
    let cpu = thread_cpu().saturating_sub(cpu);
    Ok(reporter.send(Report::PassEnded { at: now(), outcome, cpu }))
}

/// Everything but passes.
struct Side<'a> {
    gets: RequestSocket,
    requests: Requests,
    reporter: &'a Reporter,
}

impl Side<'_> {
    /// Answers asks for so long. Another pass is not begun: the one that runs is as good.
    fn answer_for(&mut self, time: Duration, asks: &Receiver<Ask>) -> Done {
        if time < SHORTEST_SLEEP {
            return Ok(Ok(()));
        }
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match asks.recv_timeout(left) {
                Ok(Ask::Pass(_)) => {}
                Ok(ask) => {
                    if let Err(Gone) = self.answer(ask)? {
                        return Ok(Err(Gone));
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Ok(Ok(())),
                Err(RecvTimeoutError::Disconnected) => return Ok(Err(Gone)),
            }
        }
    }

    fn answer(&mut self, ask: Ask) -> Done {
        let report = match ask {
            Ask::Pass(_) => return Ok(Ok(())),
            Ask::Gets(flows) => self.get(&flows)?,
            Ask::Stats => Report::Stats(host::stats(&mut self.gets)),
            Ask::Host => {
                if self.reporter.send(Report::Facts(host::facts())).is_err() {
                    return Ok(Err(Gone));
                }
                match host::host() {
                    Ok(host) => Report::Host(host),
                    Err(error) => {
                        tracing::warn!("own addresses are not known: {error}");
                        return Ok(Ok(()));
                    }
                }
            }
        };
        Ok(self.reporter.send(report))
    }

    fn get(&mut self, flows: &[FlowRef]) -> Result<Report, CollectorError> {
        self.requests.clear();
        for flow in flows.iter().take(RequestSocket::BATCH) {
            self.requests.get(flow);
        }
        let from = now();
        let mut bytes = self.reporter.buffer();
        self.gets.exchange("reading flows on the screen", &mut self.requests, |answer| {
            bytes.extend_from_slice(answer);
        })?;
        Ok(Report::Gets { span: ReadSpan::until_now(from), bytes })
    }
}
