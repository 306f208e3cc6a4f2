//! This machine's own sockets as the same messages as everywhere: for users who may not read the
//! connection tracking table, and for machines that track nothing.
//!
//! Anybody may ask for them (sock_diag). A thread lists all sockets at the interval, less often when that
//! would cost more than the CPU budget, and tells what has changed. What begins and ends between two
//! passes leaves at most the rest of a socket (TIME-WAIT) to be seen, without counters.

mod closing;
mod doors;
mod end;
mod read;
mod table;
#[cfg(test)]
mod tests;

use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use conntop_proto::delta::DeltaHeader;
use conntop_proto::flow::BootMillis;
use conntop_proto::message::{
    Host, KernelFacts, Origin, Outcome, Pass, Reset, ResetReason, ServerHello, ServerMessage, Sight,
    Subscribe, Synced, TableStats, Terminate, Terminated,
};
use nfnetlink::netns;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use self::read::Reader;
use self::table::SocketTable;
use super::audit;
use super::local::{self, Acts, LocalConfig, TERMINATE, clock};
use crate::source::{Messages, Request, Source, SourceEnd, SourceError, SourceErrorKind, SourceEvent};

/// Bounds of the interval, those of a collector.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(3600);
const USUAL: Duration = Duration::from_secs(1);
/// Most flows to hold, as many as a collector.
const MOST_FLOWS: usize = 2_000_000;
/// How often the machine's addresses are looked at.
const HOST_EVERY: Duration = Duration::from_secs(10);
/// Messages of a pass that are handed over at once, each of at most 1,000 flows.
const AT_ONCE: usize = 4;
/// Passes that may fail one after the other; the next one ends the source.
const FAILURES: u32 = 5;

/// Starts a thread that lists the sockets. Why there is no connection tracking is said with `tracking`.
///
/// # Errors
/// No sock_diag in this kernel, or no such namespace.
pub fn sockets(config: LocalConfig, tracking: Option<bool>) -> Result<Source, SourceError> {
    let (source, events, requests) = Source::pair();
    let (ready, begun) = std_mpsc::channel();
    let thread = std::thread::Builder::new().name("ct-sockets".to_owned());
    let work = move || match Task::prepare(config, tracking, events) {
        Ok((task, runtime)) => {
            let _gone = ready.send(Ok(()));
            runtime.block_on(task.run(requests));
        }
        Err(error) => {
            let _gone = ready.send(Err(error));
        }
    };
    let failed = |what: &str| failure(SourceErrorKind::Other, format!("list sockets: {what}"));
    thread.spawn(work).map_err(|error| failed(&format!("start a thread: {error}")))?;
    begun.recv().map_err(|_| failed("the thread has ended"))??;
    Ok(source)
}

fn failure(kind: SourceErrorKind, text: String) -> SourceError {
    SourceError { kind, text }
}

struct Task {
    reader: Reader,
    table: SocketTable,
    hello: ServerHello,
    config: LocalConfig,
    interval: Duration,
    events: mpsc::Sender<SourceEvent>,
    host: Host,
    host_at: Option<Instant>,
    look: Vec<Sight>,
    cursor: u64,
}

impl Task {
    /// In the thread that goes on with it: it enters the namespace.
    fn prepare(
        config: LocalConfig,
        tracking: Option<bool>,
        events: mpsc::Sender<SourceEvent>,
    ) -> Result<(Self, tokio::runtime::Runtime), SourceError> {
        let other = |error: &dyn std::fmt::Display| failure(SourceErrorKind::Other, error.to_string());
        if let Some(netns) = &config.netns {
            netns.enter().map_err(|error| failure(SourceErrorKind::Config, error.to_string()))?;
        }
        let reader = Reader::open().map_err(|error| other(&error))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|error| other(&error))?;
        let interval = config.interval.unwrap_or(USUAL).clamp(SHORTEST, LONGEST);
        let kernel = KernelFacts {
            origin: Origin::Sockets,
            tracking,
            netns: netns::identity().ok().map(|(_, inode)| inode),
            ..KernelFacts::default()
        };
        let mut hello = local::hello(config.name.clone(), interval, clock::both().wall_ms, kernel);
        if config.acts == Acts::Allowed {
            hello.features.push(TERMINATE.to_owned());
        }
        let (table, host) = (SocketTable::new(MOST_FLOWS), Host::default());
        let (host_at, look, cursor) = (None, Vec::new(), 0);
        let task = Self { reader, table, hello, config, interval, events, host, host_at, look, cursor };
        Ok((task, runtime))
    }

    async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let hello = SourceEvent::Connected(Box::new(self.hello.clone()));
        if self.events.send(hello).await.is_err() {
            return;
        }
        let budget = self.config.cpu_budget.unwrap_or_default();
        let (mut next, mut paused, mut failures) = (Instant::now(), false, 0);
        loop {
            tokio::select! {
                request = requests.recv() => match request {
                    Some(Request::Subscribe(subscribe)) => self.subscribe(&subscribe),
                    Some(Request::Look(at)) => {
                        self.look = at;
                        if !paused && !self.tell(self.sights()).await {
                            return;
                        }
                    }
                    Some(Request::Pause(on)) => paused = on,
                    Some(Request::Terminate { terminate, until }) => {
                        if Instant::now().into_std() <= until && !self.terminate(&terminate).await {
                            return;
                        }
                    }
                    // All sockets are read each time.
                    Some(Request::Focus(_) | Request::Play(_)) => {}
                    None => return,
                },
                () = sleep_until(next), if !paused => {
                    let (begun, cpu) = (Instant::now(), clock::thread_cpu());
                    match self.pass() {
                        Ok(messages) => {
                            failures = 0;
                            if !self.tell(messages).await {
                                return;
                            }
                        }
                        Err(error) if failures < FAILURES => {
                            tracing::warn!(%error, "some sockets were not seen");
                            failures += 1;
                            self.host_at = None;
                        }
                        Err(error) => {
                            let error = failure(SourceErrorKind::Other, error.to_string());
                            let _gone = self.events.send(SourceEvent::Ended(SourceEnd::Failed(error))).await;
                            return;
                        }
                    }
                    let cost = clock::thread_cpu().saturating_sub(cpu);
                    next = begun + self.interval.max(budget.wall(cost));
                }
            }
        }
    }

    /// Closes the socket of a flow, if that is allowed; whether anybody listens.
    async fn terminate(&self, order: &Terminate) -> bool {
        let (answer, named) = match self.config.acts {
            Acts::Allowed => closing::close(&self.table, self.hello.epoch, order),
            Acts::None => {
                let Terminate { request, id, .. } = *order;
                (Terminated { request, id, outcome: Outcome::Refused, text: String::new() }, None)
            }
        };
        let (who, id, outcome) = (audit::who(), order.id.0, answer.outcome);
        let ends = named.map_or_else(String::new, |named| {
            format!(", {:?} {} to {}", named.transport, named.local, named.remote).to_lowercase()
        });
        audit::tell(&format!("terminate: {who}: close the socket of flow {id}{ends}: {outcome:?}"));
        let said = Messages::new([ServerMessage::Terminated(answer)]);
        self.events.send(SourceEvent::Messages(said)).await.is_ok()
    }

    /// Whether anybody listens. The first pass over many sockets comes in parts.
    async fn tell(&self, mut messages: Vec<ServerMessage>) -> bool {
        while !messages.is_empty() {
            let rest = messages.split_off(messages.len().min(AT_ONCE));
            let part = SourceEvent::Messages(Messages::new(std::mem::replace(&mut messages, rest)));
            if self.events.send(part).await.is_err() {
                return false;
            }
        }
        true
    }

    fn subscribe(&mut self, subscribe: &Subscribe) {
        let asked = subscribe.interval_ms.map(|ms| Duration::from_millis(ms.into()));
        let least = self.config.interval.unwrap_or(USUAL);
        self.interval = asked.map_or(least, |asked| asked.max(least)).clamp(SHORTEST, LONGEST);
    }

    /// Lists all sockets; what there is to tell. After an error the next pass tells all of it.
    fn pass(&mut self) -> nfnetlink::Result<Vec<ServerMessage>> {
        let mut messages = Vec::new();
        self.look_at_host(&mut messages);
        let first = self.cursor == 0;
        if first {
            let reset = Reset { epoch: self.hello.epoch, reason: ResetReason::Start };
            messages.push(ServerMessage::Reset(reset));
        }
        let started = clock::now();
        self.table.begin(started, read::ephemeral());
        self.reader.read(&mut self.table)?;
        messages.extend(self.sights());
        let rows = self.table.finish();
        let at = clock::now();
        self.cursor += 1;
        let pass = Pass { number: self.cursor, started, finished: Some(at), ..Pass::default() };
        let header = DeltaHeader { cursor: self.cursor, in_step: true, at, pass };
        messages.push(self.numbers(at));
        let deltas = rows.into_deltas(header);
        messages.extend(deltas.into_iter().map(|delta| ServerMessage::Delta(Box::new(delta))));
        if first {
            messages.push(ServerMessage::Synced(Synced { cursor: self.cursor }));
        }
        Ok(messages)
    }

    fn numbers(&self, at: BootMillis) -> ServerMessage {
        let flows = u64::try_from(self.table.len()).unwrap_or(u64::MAX);
        let truncated = self.table.truncated();
        ServerMessage::Table(TableStats { at, count: Some(flows), flows, truncated, ..TableStats::default() })
    }

    /// What is looked at besides flows.
    fn sights(&self) -> Vec<ServerMessage> {
        let read = |sight: &Sight| match sight {
            Sight::Interfaces => local::interfaces().map(ServerMessage::Interfaces),
            Sight::Listeners => local::listeners().map(ServerMessage::Listeners),
        };
        let told = |read: nfnetlink::Result<ServerMessage>| {
            read.inspect_err(|error| tracing::debug!(%error, "a part of this machine is not known")).ok()
        };
        self.look.iter().map(read).filter_map(told).collect()
    }

    fn look_at_host(&mut self, messages: &mut Vec<ServerMessage>) {
        let now = Instant::now();
        if self.host_at.is_some_and(|at| now.saturating_duration_since(at) < HOST_EVERY) {
            return;
        }
        match local::host() {
            Ok(host) if self.host_at.is_some() && host == self.host => {}
            Ok(host) => {
                self.host = host;
                messages.push(ServerMessage::Host(self.host.clone()));
            }
            Err(error) => tracing::debug!(%error, "this machine's addresses are not known"),
        }
        self.host_at = Some(now);
    }
}
