//! The server: accepts clients, gives each a [`Session`](crate::session::Session) and a subscription, and says `bye` to all
//! when it is told to stop.
//!
//! One thread. [`Server::run`] owns the listeners; each connection is a task that owns its stream,
//! session and subscription; only the counts of [`Admission`] are shared.
//!
//! Invariants:
//! - Accepting never waits for a client, and running out of descriptors only delays it.
//! - A connection holds at most one frame: the next one is asked of the feed when the socket has
//!   taken the last byte of the one before. Nobody waits for anybody else.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use conntop_proto::message::{Bye, ByeReason, ServerMessage};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep_until, timeout};

pub mod admission;
mod connection;
pub mod feed;
mod holder;
pub mod listen;
pub mod stdio;
mod stream;

use admission::{Admission, Refusal, Source};
use connection::{Connection, Slot};
use feed::Feed;
use listen::UnixSocket;
use stream::Stream;

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
    tcp: Vec<TcpListener>,
    unix: Option<UnixSocket>,
    max_clients: usize,
}

/// A connection that was accepted.
struct Accepted {
    stream: Stream,
    source: Source,
    /// For the log.
    peer: String,
}

impl<F: Feed> Server<F> {
    /// A server of `feed` on listeners made by [`listen`].
    pub fn new(feed: F, tcp: Vec<TcpListener>, unix: Option<UnixSocket>, max_clients: usize) -> Self {
        Self { feed: Rc::new(feed), tcp, unix, max_clients }
    }

    /// TCP addresses that it listens on.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let addresses = self.tcp.iter().map(TcpListener::local_addr);
        addresses.filter_map(Result::ok).collect()
    }

    /// Serves until `stop` resolves, then tells every client and returns within [`STOP_TIME`].
    pub async fn run(self, stop: impl Future<Output = ()>) {
        LocalSet::new().run_until(self.serve(stop)).await;
    }

    async fn serve(mut self, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = watch::channel(false);
        let reserved =
            if self.unix.is_some() && !self.tcp.is_empty() { (self.max_clients / 16).max(1) } else { 0 };
        let admission = Rc::new(RefCell::new(Admission::new(self.max_clients, reserved)));
        let mut clients = JoinSet::new();
        let mut complaints = Complaints::default();
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
                            let admitted = admission.borrow_mut().connect(accepted.source);
                            match admitted {
                                Ok(()) => {
                                    let slot = Slot::new(Rc::clone(&admission), accepted.source);
                                    let connection = Connection::new(
                                        accepted.stream,
                                        accepted.peer,
                                        slot,
                                        Rc::clone(&self.feed),
                                        stopped.clone(),
                                    );
                                    clients.spawn_local(connection.run());
                                }
                                Err(refusal) => {
                                    refuse(&accepted.stream, &refusal);
                                    complaints.add(&accepted.peer, &refusal);
                                }
                            }
                        }
                        Err(error) if is_of_one_connection(&error) => {}
                        Err(error) => {
                            complaints.add("accept", &error);
                            paused = Some(Instant::now() + ACCEPT_PAUSE);
                        }
                    }
                }
            }
        }
        // No new clients, and the unix socket's file goes, while the old ones are told.
        self.tcp.clear();
        self.unix = None;
        let _ = stopping.send(true);
        let all = async { while clients.join_next().await.is_some() {} };
        if timeout(STOP_TIME, all).await.is_err() {
            tracing::warn!("{} clients did not take their bye", clients.len());
        }
    }

    /// The next connection of any listener; the unix socket first, the others by turns.
    async fn accept(&self, turn: usize) -> io::Result<Accepted> {
        std::future::poll_fn(|context| {
            if let Some(unix) = &self.unix
                && let Poll::Ready(accepted) = unix.listener.poll_accept(context)
            {
                return Poll::Ready(accepted.map(|(stream, _)| {
                    let stream = Stream::from(stream);
                    Accepted { peer: stream.unix_peer(), stream, source: Source::Unix }
                }));
            }
            let count = self.tcp.len().max(1);
            let (first, last) = self.tcp.split_at(turn % count.min(self.tcp.len().max(1)));
            for listener in last.iter().chain(first) {
                if let Poll::Ready(accepted) = listener.poll_accept(context) {
                    return Poll::Ready(accepted.map(|(stream, peer)| Accepted {
                        stream: Stream::from(stream),
                        source: Source::Tcp(peer.ip().to_canonical()),
                        peer: peer.to_string(),
                    }));
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Says why and closes; a fresh socket takes a line without waiting.
fn refuse(stream: &Stream, refusal: &Refusal) {
    let bye = ServerMessage::Bye(Bye { reason: ByeReason::Limit, text: refusal.to_string() });
    let mut line = Vec::new();
    if conntop_proto::codec::encode_line(&bye, &mut line).is_ok() {
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
