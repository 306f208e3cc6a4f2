//! The server: accepts clients, gives each a [`Session`](crate::session::Session) and a subscription, and says `bye` to all
//! when it is told to stop.
//!
//! One thread. [`Server::run`] owns the listeners; each connection is a task that owns its stream,
//! session and subscription; only the counts of [`Admission`] are shared.
//!
//! Invariants:
//! - Whoever gets a session is known: vouched for by the kernel, or by a proof of the token.
//! - Accepting never waits for a client, and running out of descriptors only delays it.
//! - A connection holds at most one frame: the next one is asked of the feed when the socket has
//!   taken the last byte of the one before. Nobody waits for anybody else.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use conntop_proto::message::{Bye, ByeReason, ServerMessage};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep_until, timeout};

pub mod admission;
mod connection;
pub mod failures;
pub mod feed;
#[cfg(feature = "tls")]
mod gate;
mod holder;
pub mod listen;
pub mod stdio;
mod stream;

use admission::{Admission, Refusal, Source};
use connection::{Connection, Rights, Slot, now};
use feed::Feed;
#[cfg(feature = "tls")]
use gate::{Denied, Passed};
use listen::{Access, Listener, Listeners, Socket};
use stream::Stream;

use crate::auth::peer::PeerError;

/// Pause of accepting when the machine is out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Refusals and accept errors are logged at most this often, with their number.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);
/// Time for the last `bye`s when the server stops.
pub const STOP_TIME: Duration = Duration::from_secs(1);

/// Listeners and what they serve.
#[derive(Debug)]
pub struct Server<F> {
    feed: Rc<F>,
    listeners: Listeners,
    max_clients: usize,
}

/// A connection that was accepted.
struct Accepted {
    stream: Stream,
    source: Source,
    access: Access,
    /// For the log.
    peer: String,
    /// What it may do once it is known.
    rights: Rights,
    /// Why it may not stay, which its user is told.
    refused: Option<Bye>,
}

impl<F: Feed> Server<F> {
    /// A server of `feed` on sockets made by [`listen`].
    pub fn new(feed: F, listeners: Listeners, max_clients: usize) -> Self {
        Self { feed: Rc::new(feed), listeners, max_clients }
    }

    /// TCP addresses that it listens on.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.addresses()
    }

    /// Serves until `stop` resolves, then tells every client and returns within [`STOP_TIME`].
    pub async fn run(self, stop: impl Future<Output = ()>) {
        LocalSet::new().run_until(self.serve(stop)).await;
    }

    async fn serve(mut self, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = watch::channel(false);
        let unix = self.listeners.unix();
        let both = unix > 0 && unix < self.listeners.all.len();
        let reserved = if both { (self.max_clients / 16).max(1) } else { 0 };
        let admission = Rc::new(RefCell::new(Admission::new(self.max_clients, reserved)));
        let complaints = Rc::new(RefCell::new(Complaints::default()));
        let mut clients = JoinSet::new();
        let mut paused: Option<Instant> = None;
        let mut turn = 0;
        tokio::pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(_) = clients.join_next() => {}
                () = sleep_until(paused.unwrap_or_else(Instant::now)), if paused.is_some() => {
                    paused = None;
                }
                accepted = self.accept(turn), if paused.is_none() => {
                    turn += 1;
                    match accepted {
                        Ok(accepted) => {
                            let admitted = match &accepted.refused {
                                Some(bye) => Err(bye.clone()),
                                None => admission.borrow_mut().connect(accepted.source, now()).map_err(limit),
                            };
                            match admitted {
                                Ok(()) => {
                                    let slot = Slot::new(Rc::clone(&admission), accepted.source);
                                    let client = Client {
                                        accepted,
                                        slot,
                                        feed: Rc::clone(&self.feed),
                                        stopped: stopped.clone(),
                                        complaints: Rc::clone(&complaints),
                                    };
                                    clients.spawn_local(client.run());
                                }
                                Err(bye) => {
                                    complaints.borrow_mut().add(&accepted.peer, &bye.text);
                                    refuse(&accepted.stream, bye);
                                }
                            }
                        }
                        Err(error) if is_of_one_connection(&error) => {}
                        Err(error) => {
                            complaints.borrow_mut().add("accept", &error);
                            paused = Some(Instant::now() + ACCEPT_PAUSE);
                        }
                    }
                }
            }
        }
        // No new clients, and the unix socket's file goes, while the old ones are told.
        self.listeners.all.clear();
        let _ = stopping.send(true);
        let all = async { while clients.join_next().await.is_some() {} };
        if timeout(STOP_TIME, all).await.is_err() {
            tracing::warn!("{} clients did not take their bye", clients.len());
        }
    }

    /// The next connection of any listener; unix sockets first, the others by turns.
    async fn accept(&self, turn: usize) -> io::Result<Accepted> {
        let (unix, tcp) = self.listeners.all.split_at(self.listeners.unix());
        let (first, last) = tcp.split_at(turn % tcp.len().max(1));
        std::future::poll_fn(|context| {
            for listener in unix.iter().chain(last).chain(first) {
                if let Poll::Ready(accepted) = self.accept_at(listener, context) {
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await
    }

    fn accept_at(&self, listener: &Listener, context: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let access = listener.access.clone();
        match &listener.socket {
            Socket::Unix(unix) => unix.listener.poll_accept(context).map_ok(|(stream, _)| {
                let stream = Stream::from(stream);
                let rights = stream.unix_user().map_or(Rights::Read, rights_of);
                let (peer, source) = (stream.unix_peer(), Source::Unix);
                Accepted { stream, source, access, peer, rights, refused: None }
            }),
            Socket::Tcp(tcp) => tcp.poll_accept(context).map_ok(|(stream, peer)| {
                let (rights, refused) = match access {
                    Access::Peer => match self.check_peer(&stream, peer) {
                        Ok(user) => (rights_of(user), None),
                        Err(bye) => (Rights::Read, Some(bye)),
                    },
                    // Nothing is served before the proof.
                    #[cfg(feature = "tls")]
                    Access::Token(_) => (Rights::End, None),
                };
                let (source, peer) = (Source::tcp(peer.ip()), peer.to_string());
                Accepted { stream: Stream::from(stream), source, access, peer, rights, refused }
            }),
        }
    }

    fn check_peer(&self, stream: &TcpStream, peer: SocketAddr) -> Result<u32, Bye> {
        let checked = match (&self.listeners.peers, stream.local_addr()) {
            (Some(peers), Ok(own)) => peers.check(peer, own),
            _ => Err(PeerError::Unknown),
        };
        checked.map_err(|error| Bye { reason: ByeReason::Auth, text: error.to_string() })
    }
}

/// One client from its connection to its end.
struct Client<F> {
    accepted: Accepted,
    slot: Slot,
    feed: Rc<F>,
    stopped: watch::Receiver<bool>,
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "only a gate complains"))]
    complaints: Rc<RefCell<Complaints>>,
}

impl<F: Feed> Client<F> {
    async fn run(self) {
        let Accepted { stream, peer, access, rights, .. } = self.accepted;
        let who = (peer, rights);
        match access {
            Access::Peer => Connection::new(stream, who, self.slot, self.feed, self.stopped).run().await,
            #[cfg(feature = "tls")]
            Access::Token(credentials) => {
                let credentials = Arc::clone(&credentials.borrow());
                let mut stopped = self.stopped.clone();
                let passed = tokio::select! {
                    _ = stopped.wait_for(|stop| *stop) => return,
                    passed = gate::pass(stream, &credentials) => passed,
                };
                match passed {
                    Ok(Passed { stream, early }) => {
                        self.slot.proven();
                        let client = Connection::new(stream, who, self.slot, self.feed, self.stopped);
                        client.with_input(&early).run().await;
                    }
                    Err(denied) => {
                        if matches!(denied, Denied::Token) {
                            self.slot.failed();
                        }
                        self.complaints.borrow_mut().add(&who.0, &denied);
                    }
                }
            }
        }
    }
}

/// Membership of a group is enough to read, and for no more.
fn rights_of(user: u32) -> Rights {
    if user == 0 || user == rustix::process::geteuid().as_raw() { Rights::End } else { Rights::Read }
}

fn limit(refusal: Refusal) -> Bye {
    Bye { reason: ByeReason::Limit, text: refusal.to_string() }
}

/// Says why and closes; a fresh socket takes a line without waiting.
fn refuse(stream: &Stream, bye: Bye) {
    let mut line = Vec::new();
    if conntop_proto::codec::encode_line(&ServerMessage::Bye(bye), &mut line).is_ok() {
        let _ = stream.try_write(&line);
    }
}

/// Errors of accept(2) that belong to the connection, not to the listener or the machine.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted | Kind::ConnectionReset | Kind::Interrupted | Kind::WouldBlock
    )
}

/// Complaints about the outside, which could otherwise fill the log.
#[derive(Default)]
struct Complaints {
    silent_until: Option<Instant>,
    unsaid: u64,
}

impl Complaints {
    fn add(&mut self, who: &str, what: &dyn std::fmt::Display) {
        let now = Instant::now();
        if self.silent_until.is_some_and(|until| now < until) {
            self.unsaid += 1;
            return;
        }
        self.silent_until = Some(now + COMPLAIN_EVERY);
        let unsaid = std::mem::take(&mut self.unsaid);
        if unsaid > 0 {
            tracing::warn!("{who}: {what} ({unsaid} more like this before)");
        } else {
            tracing::warn!("{who}: {what}");
        }
    }
}
