//! A client that lives in the test: conntop's own way from the socket to the mirror.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use conntop::engine::{Connection, Engine};
use conntop::mirror::Limits;
use conntop::source::{RemoteConfig, Request, Security, Source, SourceEvent, Target, remote};
use conntop_proto::codec::Validate;
use conntop_proto::columns::Ids;
use conntop_proto::message::{Codec, Coverage, Pass, ServerMessage, Sight, Subscribe, Terminate, Terminated};
use tokio::runtime::Runtime;

use crate::judge::{Seen, uptime_ms};

/// The server's shortest interval, so that tests do not wait for ticks.
const INTERVAL_MS: u32 = 100;

enum Step {
    Applied,
    Over,
    TimeIsUp,
}

/// How a client connects.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// What it wants.
    pub subscribe: Subscribe,
    /// How it wants that encoded.
    pub codec: Codec,
    /// Which messages are held against the schema.
    pub validate: Validate,
}

impl Default for ClientOptions {
    /// For tests: short intervals, and every message is held against the schema.
    fn default() -> Self {
        let subscribe = Subscribe { interval_ms: Some(INTERVAL_MS), columns: None, filter: None };
        ClientOptions { subscribe, codec: Codec::Zstd, validate: Validate::All }
    }
}

/// Rows of all deltas so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Flows that the client did not know.
    pub new: usize,
    /// Changed counters.
    pub traffic: usize,
    /// Changed states.
    pub state: usize,
    /// Ends.
    pub ended: usize,
}

/// Engine and source; runs only while it is driven, as a front end that draws slowly would.
pub struct Client {
    runtime: Runtime,
    source: Source,
    engine: Engine,
    told: Told,
    terminated: Vec<Terminated>,
}

impl Client {
    /// Connects to the unix socket as tests do.
    ///
    /// # Errors
    /// When there is no runtime to be had.
    pub fn connect(socket: PathBuf) -> Result<Self> {
        Self::connect_with(socket, ClientOptions::default())
    }

    /// Connects to the unix socket.
    ///
    /// # Errors
    /// When there is no runtime to be had.
    pub fn connect_with(socket: PathBuf, options: ClientOptions) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("starting a runtime")?;
        let config = RemoteConfig {
            target: Target::Unix(socket),
            name: "conntop-tests".to_owned(),
            subscribe: options.subscribe,
            codec: options.codec,
            validate: options.validate,
            security: Security::default(),
        };
        let source = {
            let _inside = runtime.enter();
            remote(config)
        };
        // Ghosts and limits of the mirror are not what is tested here.
        let (engine, told) = (Engine::new(Limits::default()), Told::default());
        Ok(Client { runtime, source, engine, told, terminated: Vec::new() })
    }

    /// What it knows.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// How many rows it has been told.
    #[must_use]
    pub fn told(&self) -> Told {
        self.told
    }

    /// Says which flows it looks at.
    pub fn look_at(&self, flows: Ids) {
        self.source.request(Request::Focus(flows));
    }

    /// Says what it looks at besides flows.
    pub fn look_around(&self, at: &[Sight]) {
        self.source.request(Request::Look(at.to_vec()));
    }

    /// Orders the end of a flow and waits for the answer.
    ///
    /// # Errors
    /// As [`Client::until`].
    pub fn terminate(&mut self, terminate: Terminate, time: Duration) -> Result<Terminated> {
        let deadline = Instant::now() + time;
        self.source.request(Request::Terminate { terminate, until: deadline });
        loop {
            let answer = self.terminated.iter().position(|answer| answer.request == terminate.request);
            if let Some(at) = answer {
                return Ok(self.terminated.swap_remove(at));
            }
            match self.step(deadline)? {
                Step::Applied => {}
                Step::Over | Step::TimeIsUp => bail!("no answer to {terminate:?}; {}", self.describe()),
            }
        }
    }

    /// Takes in what comes until the condition holds.
    ///
    /// # Errors
    /// When the time is up, the connection breaks, or a message contradicts itself.
    pub fn until(
        &mut self,
        what: &str,
        time: Duration,
        mut condition: impl FnMut(&Engine) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + time;
        while !condition(&self.engine) {
            match self.step(deadline)? {
                Step::Applied => {}
                Step::Over => bail!("the source ended while waiting for: {what}"),
                Step::TimeIsUp => bail!("{time:?} were not enough for: {what}; {}", self.describe()),
            }
            if let Some(cause) = self.lost() {
                bail!("connection lost while waiting for: {what}: {cause}");
            }
        }
        Ok(())
    }

    /// Takes in what comes for this time.
    ///
    /// # Errors
    /// When the connection breaks, or a message contradicts itself.
    pub fn drive(&mut self, time: Duration) -> Result<()> {
        let deadline = Instant::now() + time;
        while let Step::Applied = self.step(deadline)? {
            if let Some(cause) = self.lost() {
                bail!("connection lost: {cause}");
            }
        }
        Ok(())
    }

    /// Waits for the end of the connection and returns why it ended.
    ///
    /// # Errors
    /// When it goes on.
    pub fn until_lost(&mut self, time: Duration) -> Result<String> {
        let deadline = Instant::now() + time;
        loop {
            if let Some(cause) = self.lost() {
                return Ok(cause);
            }
            match self.step(deadline)? {
                Step::Applied => {}
                Step::Over => return Ok("the source ended".to_owned()),
                Step::TimeIsUp => bail!("the connection still lives after {time:?}"),
            }
        }
    }

    fn step(&mut self, deadline: Instant) -> Result<Step> {
        let rest = deadline.saturating_duration_since(Instant::now());
        let source = &mut self.source;
        let event = self.runtime.block_on(async { tokio::time::timeout(rest, source.next()).await });
        let Ok(event) = event else { return Ok(Step::TimeIsUp) };
        let Some(event) = event else { return Ok(Step::Over) };
        if let SourceEvent::Messages(messages) = &event {
            for message in messages.as_slice() {
                if let ServerMessage::Terminated(answer) = message {
                    self.terminated.push(answer.clone());
                }
                if let ServerMessage::Delta(delta) = message {
                    self.told.new += delta.new.id.len();
                    self.told.traffic += delta.traffic.id.len();
                    self.told.state += delta.state.id.len();
                    self.told.ended += delta.ended.id.len();
                }
            }
        }
        self.engine.apply(event, Instant::now()).context("applying a message")?;
        Ok(Step::Applied)
    }

    fn lost(&self) -> Option<String> {
        match self.engine.connection() {
            Connection::Stale { cause, .. } => Some(cause.clone()),
            Connection::Ended(end) => Some(format!("{end:?}")),
            Connection::Connecting | Connection::Live => None,
        }
    }

    /// Waits until a pass has begun and ended after now, and no loss is left to be repaired: what the
    /// mirror has of flows that the pass covers is not older than now.
    ///
    /// # Errors
    /// As [`Client::until`].
    pub fn settle(&mut self, time: Duration) -> Result<()> {
        self.settle_after(time, |_| true)
    }

    /// The same after a pass over the whole table, which tells all that there is to know.
    ///
    /// # Errors
    /// As [`Client::until`].
    pub fn settle_whole(&mut self, time: Duration) -> Result<()> {
        self.settle_after(time, |pass| pass.coverage == Coverage::Whole)
    }

    fn settle_after(&mut self, time: Duration, counts: impl Fn(&Pass) -> bool) -> Result<()> {
        self.until("the first pass", time, |engine| {
            let position = engine.mirror().position();
            position.synced && position.pass.finished.is_some()
        })?;
        let now = uptime_ms()?;
        let mut begun = None;
        self.until("a pass begun after now, and no loss", time, |engine| {
            let position = engine.mirror().position();
            let pass = position.pass;
            if begun.is_none() && pass.started.0 > now && counts(&pass) {
                begun = Some(pass.number);
            }
            let over = begun.is_some_and(|number| pass.number > number || pass.finished.is_some());
            let repaired = engine.lost().is_none_or(|lost| lost.since.is_none());
            over && repaired && !pass.dirty && position.in_step
        })
    }

    /// Every flow of the mirror.
    #[must_use]
    pub fn flows(&self) -> Vec<Seen> {
        self.engine.mirror().flows().map(|(_, flow)| Seen::from_mirror(flow)).collect()
    }

    fn describe(&self) -> String {
        let mirror = self.engine.mirror();
        let (position, lost) = (mirror.position(), self.engine.lost());
        format!("{} flows, {position:?}, lost {lost:?}, {:?}", mirror.len(), self.engine.connection())
    }
}
