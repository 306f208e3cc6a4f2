//! A server fed by hand, and clients of it.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;

use bytes::Bytes;
use conntop_proto::codec;
use conntop_proto::message::{
    ClientHello, Clock, Codec, Focus, KernelFacts, Look, Ping, ServerHello, ServerMessage, Subscribe,
};
use conntopd::args::{Listen, Need};
use conntopd::collector::Order;
use conntopd::server::Server;
use conntopd::server::feed::{BadSubscription, Feed, Subscription};
use conntopd::server::listen::{self, Listeners, UnixSocket};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::{oneshot, watch};

use super::client::{Client, PATIENCE};

pub(crate) fn hello(more: &str) -> String {
    format!(r#"{{"hello":{{"protocol":1,"client":"test 1","name":"me"{more}}}}}"#)
}

pub(crate) fn ping(nonce: u32) -> ServerMessage {
    ServerMessage::Ping(Ping { nonce })
}

/// Everything that was pushed goes to every subscription.
#[derive(Clone)]
pub(crate) struct HandFeed {
    state: watch::Sender<State>,
}

#[derive(Default)]
struct State {
    frames: Vec<Vec<ServerMessage>>,
    ended: bool,
    log: Vec<String>,
    updates: usize,
    /// Frames that each subscription has taken.
    taken: Vec<usize>,
}

impl HandFeed {
    fn new() -> Self {
        Self { state: watch::Sender::new(State::default()) }
    }

    /// One frame of these messages.
    pub(crate) fn push(&self, messages: impl IntoIterator<Item = ServerMessage>) {
        let frame = messages.into_iter().collect();
        self.state.send_modify(|state| state.frames.push(frame));
    }

    /// `count` frames of about 100 KiB.
    pub(crate) fn push_big(&self, count: usize) {
        let text = "x".repeat(1000);
        let hello = ServerHello { features: vec![text; 100], ..server_hello() };
        let message = ServerMessage::Hello(Box::new(hello));
        self.state.send_modify(|state| {
            state.frames.extend(std::iter::repeat_n(vec![message], count));
        });
    }

    pub(crate) fn end(&self) {
        self.state.send_modify(|state| state.ended = true);
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.state.borrow().log.clone()
    }

    pub(crate) fn taken(&self, subscription: usize) -> usize {
        self.state.borrow().taken[subscription]
    }

    /// Waits until so many subscriptions have been made.
    pub(crate) async fn subscribed(&self, count: usize) {
        self.wait(|state| state.taken.len() >= count).await;
    }

    /// Waits until so many updates were made.
    pub(crate) async fn updated(&self, count: usize) {
        self.wait(|state| state.updates >= count).await;
    }

    async fn wait(&self, condition: impl FnMut(&State) -> bool) {
        let mut changes = self.state.subscribe();
        let waited = tokio::time::timeout(PATIENCE, changes.wait_for(condition)).await;
        waited.expect("the feed saw what was waited for").unwrap();
    }
}

impl Feed for HandFeed {
    type Subscription = HandSubscription;

    fn hello(&self) -> ServerHello {
        server_hello()
    }

    fn subscribe(&self, _: &ClientHello) -> Result<HandSubscription, BadSubscription> {
        let mut index = 0;
        self.state.send_modify(|state| {
            index = state.taken.len();
            state.taken.push(0);
            state.log.push("subscribe".into());
        });
        Ok(HandSubscription { feed: self.clone(), changes: self.state.subscribe(), index })
    }
}

fn server_hello() -> ServerHello {
    ServerHello {
        protocol: 1,
        server: "conntopd test".into(),
        name: "router".into(),
        epoch: 7,
        platform: "Linux".into(),
        features: vec![],
        codecs: vec![Codec::Zstd],
        interval_ms: 1000,
        kernel: KernelFacts::default(),
        clock: Clock::default(),
        sandbox: None,
    }
}

pub(crate) struct HandSubscription {
    feed: HandFeed,
    changes: watch::Receiver<State>,
    index: usize,
}

impl Subscription for HandSubscription {
    async fn next(&mut self, codec: Codec) -> Option<Bytes> {
        let index = self.index;
        let there = |state: &State| state.ended || state.frames.len() > state.taken[index];
        self.changes.wait_for(|state| there(state)).await.ok()?;
        let mut frame = None;
        self.feed.state.send_modify(|state| {
            frame = state.frames.get(state.taken[index]).map(|frame| encode(frame, codec));
            state.taken[index] += 1;
        });
        frame
    }

    fn update(&mut self, subscribe: Subscribe) -> Result<(), BadSubscription> {
        if subscribe.filter.is_some_and(|filter| filter.nets == ["bad"]) {
            return Err(BadSubscription("bad is no network".into()));
        }
        self.feed.state.send_modify(|state| {
            state.log.push(format!("update {:?}", subscribe.interval_ms));
            state.updates += 1;
        });
        Ok(())
    }

    fn focus(&mut self, _: Focus) {}
    fn terminate(&mut self, _: Order) {}
    fn look(&mut self, _: Look) {}

    fn pause(&mut self, on: bool) {
        self.feed.state.send_modify(|state| state.log.push(format!("pause {on}")));
    }
}

fn encode(messages: &[ServerMessage], codec: Codec) -> Bytes {
    let mut lines = Vec::new();
    for message in messages {
        codec::encode_line(message, &mut lines).unwrap();
    }
    match codec {
        Codec::None => lines.into(),
        Codec::Zstd => codec::ZstdEncoder::new().unwrap().frame(&lines).unwrap().into(),
    }
}

/// A running server as a test sees it.
pub(crate) struct Bench {
    pub(crate) feed: HandFeed,
    pub(crate) address: SocketAddr,
    pub(crate) path: PathBuf,
    stop: Rc<RefCell<Option<oneshot::Sender<()>>>>,
}

/// Where a test connects from.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    Tcp(Ipv4Addr),
    Unix,
}

/// Runs `script` beside a server for `max_clients`, then stops the server.
pub(crate) async fn serving<T>(max_clients: usize, script: impl AsyncFnOnce(&Bench) -> T) -> T {
    serving_by(max_clients, |tcp, unix| Listeners::for_peers(tcp, Some(unix)), script).await
}

/// The same for whomever `admit` says on the two sockets.
pub(crate) async fn serving_by<T>(
    max_clients: usize,
    admit: impl FnOnce(Vec<TcpListener>, UnixSocket) -> Listeners,
    script: impl AsyncFnOnce(&Bench) -> T,
) -> T {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let loopback = Listen { address: (Ipv4Addr::LOCALHOST, 0).into(), need: Need::Required };
    let feed = HandFeed::new();
    let listeners = admit(listen::tcp(&[loopback]).unwrap(), listen::unix(&path).await.unwrap());
    let server = Server::new(feed.clone(), listeners, max_clients);
    let (stop, stopped) = oneshot::channel();
    let bench = Bench { feed, address: server.addresses()[0], path, stop: Rc::new(RefCell::new(Some(stop))) };
    let script = async {
        let result = tokio::time::timeout(PATIENCE * 2, script(&bench)).await;
        bench.stop();
        result.expect("the test ends in time")
    };
    let stopped = async {
        let _ = stopped.await;
    };
    let ((), result) = tokio::join!(server.run(stopped), script);
    result
}

impl Bench {
    pub(crate) fn stop(&self) {
        drop(self.stop.borrow_mut().take());
    }

    /// A connection that has got the server's hello.
    pub(crate) async fn connect(&self) -> Client {
        self.connect_from(Ipv4Addr::LOCALHOST).await
    }

    pub(crate) async fn connect_from(&self, from: Ipv4Addr) -> Client {
        self.dial(Source::Tcp(from)).await.greeted().await
    }

    pub(crate) async fn connect_unix(&self) -> Client {
        self.dial(Source::Unix).await.greeted().await
    }

    /// A connection, whatever the server says.
    pub(crate) async fn dial(&self, source: Source) -> Client {
        match source {
            Source::Tcp(from) => Client::tcp(self.address, from).await,
            Source::Unix => Client::new(UnixStream::connect(&self.path).await.unwrap()),
        }
    }

    /// Tries until the server has a free slot.
    pub(crate) async fn until_connected(&self, source: Source) {
        let attempts = async {
            while let ServerMessage::Bye(_) = self.dial(source).await.next().await {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, attempts).await.expect("a slot becomes free");
    }
}
