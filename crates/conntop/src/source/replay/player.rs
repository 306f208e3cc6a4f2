//! Plays a recording: hands on each message when it is due, and does what it is asked.
//!
//! Going back is reading again from the beginning, as fast as it is taken. At the end it waits to be
//! wound back, unless it was only read through.

use std::io;
use std::time::Duration;

use conntop_proto::codec::Validate;
use conntop_proto::message::{Bye, ServerMessage};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::super::order::{BATCH, weigh};
use super::super::playing::{Control, Playing, Speed};
use super::super::{Messages, Request, SourceEnd, SourceError, SourceErrorKind, SourceEvent};
use super::reader::{Reader, failed};
use super::timeline::Timeline;
use super::{Place, Play, Recording, length};

/// A message that is later than this is no reason to hurry: somebody stopped the program, or it comes
/// through a pipe.
const LATE: Duration = Duration::from_secs(1);
/// Longest wait.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Nobody listens any more.
struct Gone;

pub(super) struct Player {
    recording: Recording,
    validate: Validate,
    reader: Option<Reader>,
    timeline: Timeline,
    /// What comes next and when, in milliseconds since the beginning.
    next: Option<(u64, ServerMessage)>,
    over: bool,
    /// Where it stood at a moment.
    anchor: (u64, Instant),
    speed: Speed,
    paused: bool,
    /// Everything up to here is due at once.
    goal: Option<u64>,
    /// Everything is, to the end of what is asked for.
    through: bool,
    length: Option<Duration>,
    finding: Option<oneshot::Receiver<Duration>>,
    batch: Vec<ServerMessage>,
    weight: usize,
    told: Option<Playing>,
    events: mpsc::Sender<SourceEvent>,
}

impl Player {
    pub(super) fn new(
        recording: Recording,
        validate: Validate,
        play: Play,
        events: mpsc::Sender<SourceEvent>,
    ) -> Self {
        let (speed, goal, through) = match play {
            Play::Through(until) => (Speed::NORMAL, until.map_or(u64::MAX, millis), true),
            Play::Paced { speed, at } => (speed, millis(at), false),
        };
        Self {
            recording,
            validate,
            reader: None,
            timeline: Timeline::default(),
            next: None,
            over: false,
            anchor: (0, Instant::now()),
            speed,
            paused: false,
            goal: Some(goal),
            through,
            length: None,
            finding: None,
            batch: Vec::new(),
            weight: 0,
            told: None,
            events,
        }
    }

    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        if let (Place::File(path), false) = (&self.recording.place, self.through) {
            self.finding = Some(length::find(path.clone()));
        }
        let _nobody_listens = self.play(&mut requests).await;
    }

    async fn play(&mut self, requests: &mut mpsc::Receiver<Request>) -> Result<(), Gone> {
        self.open().await?;
        self.tell().await?;
        loop {
            let due = self.due();
            if due.is_some_and(|due| due <= Instant::now()) {
                self.deliver().await?;
                continue;
            }
            if self.through && due.is_some() {
                return self.end(Ok(())).await;
            }
            let reads = self.next.is_none() && !self.over;
            if !reads {
                self.flush().await?;
                self.arrive().await?;
            }
            tokio::select! {
                biased;
                request = requests.recv() => match request {
                    None => return Err(Gone),
                    Some(request) => self.asked(request).await?,
                },
                length = found(&mut self.finding) => {
                    self.finding = None;
                    self.length = length;
                    self.tell().await?;
                }
                read = read(&mut self.reader), if reads => match read {
                    Ok(Some(message)) => self.next = Some((self.timeline.place(&message), message)),
                    Ok(None) => self.end(Ok(())).await?,
                    Err(error) => self.end(Err(error)).await?,
                },
                () = std::future::ready(()), if reads && !self.batch.is_empty() => self.flush().await?,
                () = at(due) => {}
            }
            if self.over && self.through {
                return Ok(());
            }
        }
    }

    /// Begins to read.
    async fn open(&mut self) -> Result<(), Gone> {
        self.timeline = Timeline::default();
        self.next = None;
        self.over = false;
        let bytes = self.recording.bytes();
        let bytes = bytes.and_then(|bytes| bytes.ok_or_else(|| io::ErrorKind::NotSeekable.into()));
        match bytes {
            Ok(bytes) => {
                self.reader = Some(Reader::new(bytes, self.validate));
                Ok(())
            }
            Err(error) => self.end(Err(failed(SourceErrorKind::Other, &error))).await,
        }
    }

    /// When the next message is due; `None` without one, and while nothing moves.
    fn due(&self) -> Option<Instant> {
        let (place, _) = self.next.as_ref()?;
        let (from, since) = self.anchor;
        match self.goal {
            Some(goal) if *place <= goal => Some(since),
            _ if self.through => Some(Instant::now() + LONGEST),
            Some(_) => self.starts(*place),
            None if self.paused => None,
            None => Some(since + self.wait(from, *place)),
        }
    }

    /// When a message behind the goal is due once that is reached.
    fn starts(&self, place: u64) -> Option<Instant> {
        let goal = self.goal.unwrap_or_default();
        (!self.paused).then(|| Instant::now() + self.wait(goal, place))
    }

    fn wait(&self, from: u64, to: u64) -> Duration {
        self.speed.takes(Duration::from_millis(to.saturating_sub(from))).min(LONGEST)
    }

    /// The goal is reached: from here on time counts.
    async fn arrive(&mut self) -> Result<(), Gone> {
        if let Some(goal) = self.goal.take() {
            let place = if self.over { self.timeline.at() } else { goal };
            self.anchor = (place, Instant::now());
            self.tell().await?;
        }
        Ok(())
    }

    /// Where it stands.
    fn place(&self) -> u64 {
        let (from, since) = self.anchor;
        match self.goal {
            Some(goal) if goal < u64::MAX => goal,
            _ if self.over => self.timeline.at(),
            _ if self.paused => from,
            _ => {
                let came = from.saturating_add(millis(self.speed.passes(since.elapsed())));
                self.next.as_ref().map_or(came, |(next, _)| came.min(*next))
            }
        }
    }

    /// Time counts from here on.
    fn hold(&mut self) {
        self.anchor = (self.place(), Instant::now());
    }

    async fn asked(&mut self, request: Request) -> Result<(), Gone> {
        match request {
            Request::Pause(on) => {
                self.hold();
                self.paused = on;
            }
            Request::Play(Control::Faster) => {
                self.hold();
                self.speed = self.speed.faster();
            }
            Request::Play(Control::Slower) => {
                self.hold();
                self.speed = self.speed.slower();
            }
            Request::Play(Control::Step) => {
                self.hold();
                self.paused = true;
                self.goal = self.next.as_ref().map(|(place, _)| *place).or(self.goal);
            }
            Request::Play(Control::Skip(seconds)) => self.skip(seconds).await?,
            Request::Subscribe(_) | Request::Focus(_) | Request::Look(_) => return Ok(()),
            Request::Terminate { .. } => return Ok(()),
        }
        self.tell().await
    }

    async fn skip(&mut self, seconds: i32) -> Result<(), Gone> {
        let place = self.place();
        let by = u64::from(seconds.unsigned_abs()) * 1000;
        if seconds > 0 && !self.over {
            self.goal = Some(place.saturating_add(by));
        } else if seconds < 0 && self.recording.rewinds() {
            self.batch.clear();
            self.weight = 0;
            self.goal = Some(place.saturating_sub(by));
            self.emit(SourceEvent::Rewound).await?;
            self.open().await?;
        }
        Ok(())
    }

    /// Hands the next message on, together with others that are due.
    async fn deliver(&mut self) -> Result<(), Gone> {
        let Some((place, message)) = self.next.take() else { return Ok(()) };
        let (from, since) = self.anchor;
        if self.goal.is_none() && since.elapsed() > self.wait(from, place).saturating_add(LATE) {
            self.anchor = (place, Instant::now());
        }
        match message {
            ServerMessage::Hello(hello) => {
                self.flush().await?;
                self.emit(SourceEvent::Connected(hello)).await?;
            }
            ServerMessage::Bye(Bye { text, .. }) => {
                self.flush().await?;
                // When it came back is told by what follows.
                self.emit(SourceEvent::Stale { cause: text, retry_in: Duration::ZERO }).await?;
            }
            ServerMessage::Ping(_) | ServerMessage::Pong(_) => {}
            message => {
                self.weight += weigh(&message);
                self.batch.push(message);
                if self.weight >= BATCH {
                    self.flush().await?;
                }
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.weight = 0;
        let batch = std::mem::take(&mut self.batch);
        self.emit(SourceEvent::Messages(Messages::new(batch))).await?;
        self.tell().await
    }

    /// Tells where it stands, each second and when something else is news; of one that is read through
    /// only that no time passes but by its messages.
    async fn tell(&mut self) -> Result<(), Gone> {
        if self.through && self.told.is_some() {
            return Ok(());
        }
        let place = match self.goal {
            Some(_) => self.timeline.at(),
            None => self.place(),
        };
        let playing = Playing {
            at: Duration::from_millis(place),
            length: self.length,
            speed: self.speed,
            paused: self.paused || self.through,
            rewinds: self.recording.rewinds(),
            boot: self.timeline.boot(place),
        };
        let news = self.told.is_none_or(|told| {
            told.at.as_secs() != playing.at.as_secs()
                || Playing { at: told.at, boot: told.boot, ..playing } != told
        });
        if news {
            self.told = Some(playing);
            self.emit(SourceEvent::Playing(playing)).await?;
        }
        Ok(())
    }

    async fn end(&mut self, end: Result<(), SourceError>) -> Result<(), Gone> {
        self.flush().await?;
        self.over = true;
        self.next = None;
        self.reader = None;
        self.arrive().await?;
        self.tell().await?;
        let end = end.map_or_else(SourceEnd::Failed, |()| SourceEnd::Finished);
        self.emit(SourceEvent::Ended(end)).await
    }

    async fn emit(&mut self, event: SourceEvent) -> Result<(), Gone> {
        self.events.send(event).await.map_err(|_| Gone)
    }
}

async fn read(reader: &mut Option<Reader>) -> Result<Option<ServerMessage>, SourceError> {
    match reader {
        Some(reader) => reader.next().await,
        None => Ok(None),
    }
}

async fn found(finding: &mut Option<oneshot::Receiver<Duration>>) -> Option<Duration> {
    match finding {
        Some(finding) => finding.await.ok(),
        None => std::future::pending().await,
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
