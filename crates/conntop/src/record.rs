//! `record`: what happens, into a file. The messages of the source as they are, its hello and the whole
//! table first; with a filter those parts of them that are about flows which matched at some time, from
//! then on until they end.
//!
//! The file begins when the collector has answered, so a mistyped address leaves none, and none is
//! overwritten unless that is asked for. What was written is good whatever ends it: a disk that is full,
//! a signal, a reader who has gone.

mod file;
mod sieve;

use std::pin::pin;
use std::time::{Duration, Instant};

use conntop_proto::message::{ServerMessage, Sight};

use self::file::{Out, Place};
use self::sieve::Sieve;
use crate::cli::{Common, RecordArgs, Session, open};
use crate::output::exit::{FAILURE, Failure, LOST, USAGE, write_failure};
use crate::output::rows::Query;
use crate::output::say;
use crate::source::record::{RecordError, Recorder};
use crate::source::{Messages, NodeId, Request, SourceEnd, SourceEvent};

/// How long what was recorded may wait to be written: what a crash costs at most.
const FLUSH: Duration = Duration::from_secs(5);

/// Records until the time is over, somebody stops it, or nothing more comes.
///
/// # Errors
/// Wrong arguments, a file that is there already or cannot be written, a source that cannot be opened or
/// is lost.
pub async fn run(common: &Common, args: &RecordArgs, stop: impl Future<Output = ()>) -> Result<(), Failure> {
    if common.connect.len() > 1 {
        let text = "a recording is of one machine: record each into a file of its own";
        return Err(Failure::new(USAGE, text));
    }
    let place = Place::choose(&args.file, args.force)?;
    let query = common.filter.as_ref().map(|_| Query::parse(common)).transpose()?;
    // Only a filter may ask for what is not in the messages.
    let beside = Common {
        no_processes: Some(common.no_processes == Some(true) || query.is_none()),
        no_geoip: Some(common.no_geoip == Some(true) || query.is_none()),
        ..common.clone()
    };
    let mut session = open(&beside).await?;
    session.announce();
    session.sources.request_all(&Request::Look(Sight::ALL.to_vec()));
    if query.is_some() {
        session.know_places().await;
    }
    let sieve = query.map(Sieve::new);
    let mut recording = Recording { place, sieve, recorder: None, begun: Instant::now(), flows: 0 };
    let result = recording.record(&mut session, args.time, stop).await;
    let closed = recording.close();
    let undone = session.close();
    result.and(closed).and(undone)
}

struct Recording {
    place: Place,
    sieve: Option<Sieve>,
    /// From the first hello on.
    recorder: Option<Recorder<Out>>,
    begun: Instant,
    /// Flows that are in it.
    flows: u64,
}

impl Recording {
    async fn record(
        &mut self,
        session: &mut Session,
        time: Option<Duration>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), Failure> {
        let deadline = time.map(|time| Instant::now() + time);
        let mut flush = Instant::now() + FLUSH;
        let mut stop = pin!(stop);
        loop {
            let until = deadline.map_or(flush, |deadline| deadline.min(flush));
            let event = tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                event = session.peek(Some(until)) => event?,
            };
            let now = Instant::now();
            match event {
                Some((_, SourceEvent::Ended(SourceEnd::Finished))) => return Ok(()),
                Some((_, SourceEvent::Ended(end))) => return Err(end.into()),
                Some((node, event)) => match self.take(session, node, event) {
                    Err(Halt::Reader) => return Ok(()),
                    Err(Halt::Failure(failure)) => return Err(failure),
                    Ok(()) => {}
                },
                None => {}
            }
            if now >= flush {
                flush = now + FLUSH;
                if let Some(Err(error)) = self.recorder.as_mut().map(|recorder| recorder.out().keep()) {
                    return self.halt(error.into()).map_or(Ok(()), Err);
                }
            }
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Ok(());
            }
        }
    }

    fn take(&mut self, session: &mut Session, node: NodeId, event: SourceEvent) -> Result<(), Halt> {
        match &event {
            SourceEvent::Stale { cause, .. } if self.recorder.is_none() => {
                return Err(Failure::new(LOST, cause.clone()).into());
            }
            SourceEvent::Stale { cause, .. } => {
                say(&format_args!("{cause}; it is tried again, and the recording goes on"));
            }
            SourceEvent::Connected(hello) if self.recorder.is_none() => {
                let out = self.place.open()?;
                say(&format_args!("recording {} to {}; Ctrl-C ends it", hello.name, self.place));
                self.begun = Instant::now();
                self.recorder = Some(Recorder::new(out));
            }
            _ => {}
        }
        let Some(sieve) = &mut self.sieve else {
            self.count(&event);
            return self.write(&event);
        };
        let event = match event {
            SourceEvent::Messages(messages) => {
                let mut kept = Vec::new();
                for message in messages.as_slice() {
                    session.nodes.apply_message(node, message, Instant::now()).map_err(Failure::from)?;
                    sieve.take(&session.nodes, node, message, &mut kept);
                }
                SourceEvent::Messages(Messages::new(kept))
            }
            event => {
                session.apply(node, event.clone())?;
                event
            }
        };
        self.count(&event);
        self.write(&event)
    }

    fn count(&mut self, event: &SourceEvent) {
        let SourceEvent::Messages(messages) = event else { return };
        for message in messages.as_slice() {
            if let ServerMessage::Delta(delta) = message {
                let flows = delta.new.id.len().saturating_add(delta.ended.short.id.len());
                self.flows = self.flows.saturating_add(u64::try_from(flows).unwrap_or(u64::MAX));
            }
        }
    }

    fn write(&mut self, event: &SourceEvent) -> Result<(), Halt> {
        match self.recorder.as_mut().map(|recorder| recorder.event(event)) {
            Some(Err(error)) => Err(self.halt(error).map_or(Halt::Reader, Halt::Failure)),
            Some(Ok(())) | None => Ok(()),
        }
    }

    /// Why nothing more can be written; `None` when the reader has gone, which is well.
    fn halt(&self, error: RecordError) -> Option<Failure> {
        match error {
            RecordError::Write(error) => write_failure(&error).map(|_| {
                let text = format!("{}: {error}; what was recorded before can be replayed", self.place);
                Failure::new(FAILURE, text)
            }),
            RecordError::Encode(error) => Some(Failure::new(FAILURE, format!("record: {error}"))),
        }
    }

    /// Writes what is still to be written and says what has become of it.
    fn close(&mut self) -> Result<(), Failure> {
        let Some(recorder) = self.recorder.take() else { return Ok(()) };
        let finished = recorder
            .finish()
            .map_err(|error| self.halt(error))
            .and_then(|out| out.close().map_err(|error| self.halt(error.into())));
        match finished {
            Err(failure) => failure.map_or(Ok(()), Err),
            Ok(bytes) => {
                let seconds = self.begun.elapsed().as_secs();
                let (place, flows) = (&self.place, self.flows);
                say(&format_args!("{place}: {seconds} s, {flows} flows, {bytes} bytes"));
                Ok(())
            }
        }
    }
}

/// Why no more is recorded.
enum Halt {
    /// Nobody reads it any more.
    Reader,
    Failure(Failure),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}
