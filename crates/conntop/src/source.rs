//! Where the messages come from: this machine's collector in the same process, or its sockets; a conntopd
//! elsewhere; or a recording. All yield the same events through one bounded channel, so nothing
//! behind it knows the difference.

pub mod backoff;
mod kind;
mod order;
mod playing;
mod progress;
pub mod record;
mod remote;
pub mod replay;
pub mod ssh;
mod target;
pub mod tls;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

pub use conntop_proto::budget::CpuBudget;
use conntop_proto::columns::Ids;
use conntop_proto::message::{ServerHello, ServerMessage, Sight, Subscribe, Terminate};
use tokio::sync::mpsc;

pub use self::kind::SourceKind;
pub use self::playing::{Control, Playing, Speed};
pub use self::remote::{RemoteConfig, remote, remote_by_ssh};
pub use self::replay::replay;
pub use self::target::{Target, TargetError, Wire};
pub use self::tls::Security;

/// Events that may wait for the front end; the source stops reading when there are more.
pub const EVENT_QUEUE: usize = 8;
/// Requests of the front end that may wait for the source.
pub const REQUEST_QUEUE: usize = 16;

/// One of the collectors that are looked at together, by its place among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u16);

/// What a source tells.
#[derive(Clone, Debug)]
pub enum SourceEvent {
    /// The stream begins, or goes on after a lost connection.
    Connected(Box<ServerHello>),
    /// The next messages of the stream, in order.
    Messages(Messages),
    /// The connection is lost; what is shown is stale.
    Stale {
        /// What happened, for people.
        cause: String,
        /// When the next attempt begins.
        retry_in: Duration,
    },
    /// Where a recording stands, and how it goes on from there.
    Playing(Playing),
    /// A recording begins anew: what was told of flows is to be forgotten.
    Rewound,
    /// No more events will come, unless a recording is wound back.
    Ended(SourceEnd),
}

/// Messages, shared with other clients of the same process where there are any.
#[derive(Clone)]
pub struct Messages(Arc<dyn AsRef<[ServerMessage]> + Send + Sync>);

impl Messages {
    /// Messages of anything that holds some.
    pub fn new(messages: impl AsRef<[ServerMessage]> + Send + Sync + 'static) -> Self {
        Self(Arc::new(messages))
    }

    /// The messages in order.
    #[must_use]
    pub fn as_slice(&self) -> &[ServerMessage] {
        (*self.0).as_ref()
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

/// Why a source has no more events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceEnd {
    /// The recording is over.
    Finished,
    /// It cannot go on; trying again would not help.
    Failed(SourceError),
}

/// Why a source cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SourceError {
    /// For programs.
    pub kind: SourceErrorKind,
    /// For people: what happened and what to do.
    pub text: String,
}

/// Why a source cannot go on, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceErrorKind {
    /// A capability is missing.
    Permission,
    /// The other side broke the protocol or speaks another version.
    Protocol,
    /// The connection is lost and will not come back.
    Lost,
    /// The configuration is refused.
    Config,
    /// Anything else.
    Other,
}

/// What a front end may ask of a source.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Another subscription.
    Subscribe(Subscribe),
    /// Flows on the screen.
    Focus(Ids),
    /// What is looked at besides flows.
    Look(Vec<Sight>),
    /// Stop or resume delivery to this client.
    Pause(bool),
    /// Something of a recording; others know nothing of it.
    Play(Control),
    /// End a flow. The answer is a message; there is none if the connection is lost meanwhile.
    Terminate {
        /// Which one, and how.
        terminate: Terminate,
        /// When it is not to be asked for any more.
        until: Instant,
    },
}

/// Running sources, one for each node.
#[derive(Debug, Default)]
pub struct Sources {
    list: Vec<Option<Source>>,
    turn: usize,
}

impl Sources {
    /// Those of the nodes in this order.
    #[must_use]
    pub fn new(list: impl IntoIterator<Item = Source>) -> Self {
        Self { list: list.into_iter().map(Some).collect(), turn: 0 }
    }

    /// The next event of any of them, by turns; `None` when all are gone.
    pub async fn next(&mut self) -> Option<(NodeId, SourceEvent)> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Option<(NodeId, SourceEvent)> {
        match self.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(event) => event,
            Poll::Pending => None,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<(NodeId, SourceEvent)>> {
        let count = self.list.len();
        let mut waiting = false;
        for at in (self.turn..count).chain(0..self.turn.min(count)) {
            let Some(slot) = self.list.get_mut(at) else { continue };
            let Some(source) = slot else { continue };
            match source.events.poll_recv(context) {
                Poll::Ready(Some(event)) => {
                    self.turn = (at + 1) % count;
                    return Poll::Ready(u16::try_from(at).ok().map(|at| (NodeId(at), event)));
                }
                Poll::Ready(None) => *slot = None,
                Poll::Pending => waiting = true,
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(None) }
    }

    /// Asks a node for something.
    pub fn request(&self, node: NodeId, request: Request) {
        if let Some(Some(source)) = self.list.get(usize::from(node.0)) {
            source.request(request);
        }
    }

    /// Asks all for the same.
    pub fn request_all(&self, request: &Request) {
        self.list.iter().flatten().for_each(|source| source.request(request.clone()));
    }

    /// Ends the source of a node.
    pub fn end(&mut self, node: NodeId) {
        if let Some(slot) = self.list.get_mut(usize::from(node.0)) {
            *slot = None;
        }
    }
}

/// A running source. Dropping it ends it.
#[derive(Debug)]
pub struct Source {
    events: mpsc::Receiver<SourceEvent>,
    requests: mpsc::Sender<Request>,
}

impl Source {
    /// The next event; `None` when the source is gone.
    pub async fn next(&mut self) -> Option<SourceEvent> {
        self.events.recv().await
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Option<SourceEvent> {
        self.events.try_recv().ok()
    }

    /// Asks for something; a request that finds no room is dropped, for a later one replaces it, and
    /// whoever wants a flow to end waits for an answer.
    pub fn request(&self, request: Request) {
        let _full_or_gone = self.requests.try_send(request);
    }

    /// One that has failed before it began.
    #[must_use]
    pub fn failed(error: SourceError) -> Self {
        let (source, events, _) = Self::pair();
        let _fits = events.try_send(SourceEvent::Ended(SourceEnd::Failed(error)));
        source
    }

    /// Both ends of a source: the one that a front end holds, and the one that feeds it.
    #[must_use]
    pub fn pair() -> (Self, mpsc::Sender<SourceEvent>, mpsc::Receiver<Request>) {
        let (events_in, events) = mpsc::channel(EVENT_QUEUE);
        let (requests, requests_out) = mpsc::channel(REQUEST_QUEUE);
        (Self { events, requests }, events_in, requests_out)
    }
}
