//! The collector of this process: the same messages as everywhere, without bytes.

use std::sync::Arc;
use std::time::Duration;

use conntop_proto::budget::CpuBudget;
use conntop_proto::message::{Host, ServerMessage, Subscribe};
pub use conntopd::collector::Acts;
use conntopd::collector::{
    Answered, Collector, CollectorConfig, CollectorError, CollectorHandle, Knowledge, Order, Subscriber,
    SubscriberConfig, read_host,
};
pub(super) use conntopd::collector::{
    TERMINATE, clock, hello, read_interfaces as interfaces, read_listeners as listeners,
};
use conntopd::frame::Frame;
use nfnetlink::netns::Netns;
use tokio::sync::mpsc;

use super::audit;
use crate::source::{Messages, Request, Source, SourceEnd, SourceError, SourceErrorKind, SourceEvent};

/// Answers to orders that may wait: a person gives one at a time.
const ANSWERS: usize = 4;

/// The calling thread's namespace: its addresses, networks, neighbours and their names.
pub(super) fn host() -> nfnetlink::Result<Host> {
    read_host(&Knowledge::default())
}

/// How to collect in this process.
#[derive(Clone, Debug, Default)]
pub struct LocalConfig {
    /// Name of the node; the host name when `None`.
    pub name: Option<String>,
    /// Time between updates; the collector's own when `None`.
    pub interval: Option<Duration>,
    /// Share of a core that reading the table may take; the collector's own when `None`.
    pub cpu_budget: Option<CpuBudget>,
    /// The network namespace; that of the calling thread when `None`.
    pub netns: Option<Netns>,
    /// Whether flows may be ended.
    pub acts: Acts,
    /// What to ask for.
    pub subscribe: Subscribe,
}

/// Starts a collector in this process and subscribes to it. Must be called within a tokio runtime.
///
/// # Errors
/// No permission, no connection tracking, no such namespace.
pub fn local_collector(config: LocalConfig) -> Result<Source, SourceError> {
    local(&collector(&config)?, config.subscribe)
}

/// Starts a collector in this process, which sleeps until somebody subscribes.
pub(super) fn collector(config: &LocalConfig) -> Result<CollectorHandle, SourceError> {
    let LocalConfig { name, interval, cpu_budget, netns, acts, .. } = config.clone();
    let default = CollectorConfig::default();
    let interval = interval.unwrap_or(default.interval);
    let cpu_budget = cpu_budget.unwrap_or(default.cpu_budget);
    let config = CollectorConfig { name, interval, cpu_budget, netns, acts, ..default };
    let handle = Collector::spawn(config);
    handle.map_err(|error| refused(&error))
}

fn refused(error: &CollectorError) -> SourceError {
    let (kind, else_do) = match error {
        CollectorError::Netns(_) => (SourceErrorKind::Config, ""),
        _ if error.is_permission() => (SourceErrorKind::Permission, ", or --connect to a conntopd"),
        _ => (SourceErrorKind::Other, ""),
    };
    SourceError { kind, text: format!("{error}{else_do}") }
}

/// Subscribes to a collector of this process. Must be called within a tokio runtime.
///
/// # Errors
/// When the subscription cannot be served.
pub fn local(handle: &CollectorHandle, subscribe: Subscribe) -> Result<Source, SourceError> {
    let config = SubscriberConfig { subscribe, resume: None };
    let subscriber = handle.subscribe(config).map_err(|error| SourceError {
        kind: SourceErrorKind::Config,
        text: format!("subscribe to the collector: {error}"),
    })?;
    let (source, events, requests) = Source::pair();
    tokio::spawn(run(handle.clone(), subscriber, events, requests));
    Ok(source)
}

/// A frame of the collector, shared with its other subscribers.
struct Shared(Arc<Frame>);

impl AsRef<[ServerMessage]> for Shared {
    fn as_ref(&self) -> &[ServerMessage] {
        &self.0.messages
    }
}

async fn run(
    handle: CollectorHandle,
    mut subscriber: Subscriber,
    events: mpsc::Sender<SourceEvent>,
    mut requests: mpsc::Receiver<Request>,
) {
    let hello = SourceEvent::Connected(Box::new(handle.hello()));
    if events.send(hello).await.is_err() {
        return;
    }
    // The subscription keeps the collector awake; the handle would keep its threads.
    drop(handle);
    let (answer, mut answers) = mpsc::channel::<Answered>(ANSWERS);
    loop {
        tokio::select! {
            Some(answer) = answers.recv() => {
                audit::tell(&answer.line);
                let said = Messages::new([ServerMessage::Terminated(answer.terminated)]);
                if events.send(SourceEvent::Messages(said)).await.is_err() {
                    return;
                }
            }
            request = requests.recv() => match request {
                Some(Request::Subscribe(subscribe)) => {
                    if let Err(error) = subscriber.update(&subscribe) {
                        tracing::warn!("subscribe to the collector: {error}");
                    }
                }
                Some(Request::Focus(ids)) => subscriber.focus(ids),
                Some(Request::Look(at)) => subscriber.look(&at),
                Some(Request::Pause(on)) => subscriber.pause(on),
                Some(Request::Play(_)) => {}
                Some(Request::Terminate { terminate, .. }) => {
                    let (who, answer) = (audit::who(), answer.clone());
                    subscriber.terminate(Order { terminate, who, answer });
                }
                None => return,
            },
            frame = subscriber.next() => {
                let event = match frame {
                    Some(frame) => SourceEvent::Messages(Messages::new(Shared(frame))),
                    None => SourceEvent::Ended(SourceEnd::Failed(SourceError {
                        kind: SourceErrorKind::Other,
                        text: "the collector has stopped; the log says why".to_owned(),
                    })),
                };
                let last = matches!(event, SourceEvent::Ended(_));
                if events.send(event).await.is_err() || last {
                    return;
                }
            }
        }
    }
}
