//! A client that lives in the test: conntop's own way from the socket to the mirror.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use conntop::engine::{Connection, Engine};
use conntop::mirror::Limits;
use conntop::source::{RemoteConfig, Source, Target, remote};
use conntop_proto::codec::Validate;
use conntop_proto::message::{Codec, Subscribe};
use tokio::runtime::Runtime;

use crate::judge::Seen;

/// The server's shortest interval, so that tests do not wait for ticks.
const INTERVAL_MS: u32 = 100;

/// Engine and source; runs only while it is driven, as a front end that draws slowly would.
pub struct Client {
    runtime: Runtime,
    source: Source,
    engine: Engine,
}

impl Client {
    /// Connects to the unix socket; every message is held against the schema.
    ///
    /// # Errors
    /// When there is no runtime to be had.
    pub fn connect(socket: PathBuf) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("starting a runtime")?;
        let subscribe = Subscribe { interval_ms: Some(INTERVAL_MS), columns: None, filter: None };
        let config = RemoteConfig {
            target: Target::Unix(socket),
            name: "conntop-tests".to_owned(),
            subscribe,
            codec: Codec::Zstd,
            validate: Validate::All,
        };
        let source = {
            let _inside = runtime.enter();
            remote(config)
        };
        // Ghosts and limits of the mirror are not what is tested here.
        Ok(Client { runtime, source, engine: Engine::new(Limits::default()) })
    }

    /// What it knows.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
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
            let rest = deadline.saturating_duration_since(Instant::now());
            let source = &mut self.source;
            let event = self.runtime.block_on(async { tokio::time::timeout(rest, source.next()).await });
            match event {
                Ok(Some(event)) => self.engine.apply(event, Instant::now()).context("applying a message")?,
                Ok(None) => bail!("the source ended while waiting for: {what}"),
                Err(_) => bail!("{time:?} were not enough for: {what}; {}", self.describe()),
            }
            match self.engine.connection() {
                Connection::Stale { cause, .. } => bail!("connection lost waiting for: {what}: {cause}"),
                Connection::Ended(end) => bail!("connection ended waiting for: {what}: {end:?}"),
                Connection::Connecting | Connection::Live => {}
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
            match self.engine.connection() {
                Connection::Stale { cause, .. } => return Ok(cause.clone()),
                Connection::Ended(end) => return Ok(format!("{end:?}")),
                Connection::Connecting | Connection::Live => {}
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            let source = &mut self.source;
            let event = self.runtime.block_on(async { tokio::time::timeout(rest, source.next()).await });
            match event {
                Ok(Some(event)) => self.engine.apply(event, Instant::now())?,
                Ok(None) => return Ok("the source ended".to_owned()),
                Err(_) => bail!("the connection still lives after {time:?}"),
            }
        }
    }

    /// Waits until a whole pass began and ended after now, and was clean: what the mirror has then
    /// is the table as it is.
    ///
    /// # Errors
    /// As [`Client::until`].
    pub fn settle(&mut self, time: Duration) -> Result<()> {
        self.until("the first pass", time, |engine| engine.mirror().position().synced)?;
        let before = self.engine.mirror().position().pass.number;
        self.until("a clean pass begun after now", time, |engine| {
            let position = engine.mirror().position();
            let pass = position.pass;
            pass.number > before && pass.finished.is_some() && !pass.dirty && position.synced
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
