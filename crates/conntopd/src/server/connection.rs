//! One client's task: moves bytes between its socket, its [`Session`] and its subscription.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;

use bytes::Bytes;
use conntop_proto::message::{Bye, ByeReason, ClientHello, Subscribe, Terminate, Terminated};
use conntop_proto::text;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::admission::{Admission, Refusal, Source};
use super::feed::{BadSubscription, Feed, Subscription};
use super::stream::Stream;
use crate::collector::{Answer, Answered, Order, Said, TERMINATE};
use crate::session::{CLOSE_TIME, End, Request, Session};

/// Bytes read at once, on the stack.
const READ_BYTES: usize = 8 << 10;
/// Bytes read and dropped after the last `bye`, so that closing does not reset the connection before
/// the client has read it.
const DRAIN_BYTES: usize = 64 << 10;

/// Answers that wait for the session; a client that orders more at once loses some.
const ANSWERS: usize = 64;

/// A connection's place in the counts; given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    admission: Rc<RefCell<Admission>>,
    source: Source,
    greeting: bool,
    own: bool,
}

impl Slot {
    /// For a connection that `admission` has counted.
    pub(super) fn new(admission: Rc<RefCell<Admission>>, source: Source) -> Self {
        Self { admission, source, greeting: true, own: false }
    }

    /// The client proved that it knows the token.
    #[cfg(feature = "tls")]
    pub(super) fn proven(&self) {
        self.admission.borrow_mut().proven(self.source);
    }

    /// The client proved that it does not.
    #[cfg(feature = "tls")]
    pub(super) fn failed(&self) {
        self.admission.borrow_mut().failed(self.source, now());
    }

    fn greeted(&mut self) {
        if std::mem::take(&mut self.greeting) {
            self.admission.borrow_mut().greeted(self.source);
        }
    }

    fn set_own(&mut self, own: bool) -> Result<(), Refusal> {
        match (self.own, own) {
            (false, true) => self.admission.borrow_mut().begin_own()?,
            (true, false) => self.admission.borrow_mut().end_own(),
            _ => {}
        }
        self.own = own;
        Ok(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.greeted();
        let _ = self.set_own(false);
        self.admission.borrow_mut().disconnected();
    }
}

/// One client.
pub(super) struct Connection<F: Feed> {
    stream: Stream,
    session: Session,
    subscription: Option<F::Subscription>,
    feed: Rc<F>,
    slot: Slot,
    stopping: watch::Receiver<bool>,
    /// For the log.
    peer: String,
    interval_ms: u32,
    rights: Rights,
    said: Said,
    /// Where orders to end flows are answered.
    answer: Answer,
    answers: mpsc::Receiver<Answered>,
}

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rights {
    /// Look.
    Read,
    /// End flows too, if anybody may.
    End,
}

/// What a connection waits for.
enum Event {
    Stop,
    Due,
    Readable(io::Result<()>),
    Writable(io::Result<()>),
    Frame(Option<Bytes>),
    Terminated(Terminated),
}

impl<F: Feed> Connection<F> {
    pub(super) fn new(
        stream: Stream,
        (peer, rights): (String, Rights),
        slot: Slot,
        feed: Rc<F>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let mut hello = feed.hello();
        if rights == Rights::Read {
            hello.features.retain(|feature| feature != TERMINATE);
        }
        let (answer, answers) = mpsc::channel(ANSWERS);
        Self {
            stream,
            session: Session::new(now(), &hello),
            subscription: None,
            feed,
            slot,
            stopping,
            peer,
            interval_ms: hello.interval_ms,
            rights,
            said: Said::Not,
            answer,
            answers,
        }
    }

    /// Takes what the client has said already.
    #[cfg(feature = "tls")]
    pub(super) fn with_input(mut self, input: &[u8]) -> Self {
        self.take(input);
        self
    }

    /// Serves the client to the end.
    pub(super) async fn run(mut self) {
        let mut told = false;
        while self.write() {
            if self.session.is_done() {
                break;
            }
            match self.wait(told).await {
                Event::Stop => {
                    told = true;
                    let text = "the server stops";
                    self.session.bye(now(), ByeReason::Shutdown, text);
                }
                Event::Due => self.session.tick(now()),
                Event::Readable(Ok(())) => self.read(),
                Event::Writable(Ok(())) => {}
                Event::Readable(Err(_)) | Event::Writable(Err(_)) => self.session.lost(now()),
                Event::Terminated(answer) => self.session.terminated(now(), answer),
                Event::Frame(Some(frame)) => self.session.offer(now(), frame),
                Event::Frame(None) => {
                    let text = "the collector has stopped; see the server's log";
                    self.session.bye(now(), ByeReason::Internal, text);
                }
            }
            // A client that always has something to say or to get must not keep the others waiting.
            tokio::task::yield_now().await;
        }
        self.close().await;
    }

    async fn wait(&mut self, told: bool) -> Event {
        let wants_frame = self.session.wants_frame() && self.subscription.is_some();
        let codec = self.session.codec();
        let subscription = &mut self.subscription;
        let next = async {
            match subscription {
                Some(subscription) if wants_frame => subscription.next(codec).await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.stopping.wait_for(|stop| *stop), if !told => Event::Stop,
            () = sleep_until(Instant::from_std(self.session.deadline())) => Event::Due,
            ready = self.stream.readable(), if self.session.wants_input() => Event::Readable(ready),
            ready = self.stream.writable(), if self.session.has_output() => Event::Writable(ready),
            Some(answer) = self.answers.recv() => Event::Terminated(answer.terminated),
            frame = next => Event::Frame(frame),
        }
    }

    /// Writes what the socket takes; false when the connection is gone.
    fn write(&mut self) -> bool {
        while self.session.has_output() {
            match self.stream.try_write(self.session.output()) {
                Ok(0) => return self.gone(),
                Ok(n) => self.session.written(now(), n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.session.blocked();
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.gone(),
            }
        }
        true
    }

    fn gone(&mut self) -> bool {
        self.session.lost(now());
        false
    }

    fn read(&mut self) {
        let mut buffer = [0; READ_BYTES];
        match self.stream.try_read(&mut buffer) {
            Ok(0) => self.session.lost(now()),
            Ok(n) => self.take(buffer.get(..n).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.session.lost(now()),
        }
    }

    fn take(&mut self, input: &[u8]) {
        for request in self.session.receive(now(), input) {
            self.serve(request);
        }
        if !self.session.is_greeting() {
            self.slot.greeted();
        }
    }

    fn serve(&mut self, request: Request) {
        let served = match request {
            Request::Start(hello) => self.start(&hello),
            Request::Update(subscribe) => self.update(subscribe),
            Request::Focus(focus) => {
                if let Some(subscription) = &mut self.subscription {
                    subscription.focus(focus);
                }
                Ok(())
            }
            Request::Terminate(terminate) => {
                self.terminate(terminate);
                Ok(())
            }
            Request::Look(look) => {
                if let Some(subscription) = &mut self.subscription {
                    subscription.look(look);
                }
                Ok(())
            }
            Request::Pause(on) => {
                if let Some(subscription) = &mut self.subscription {
                    subscription.pause(on);
                }
                Ok(())
            }
        };
        if let Err((reason, text)) = served {
            self.session.bye(now(), reason, text);
        }
    }

    fn terminate(&mut self, terminate: Terminate) {
        let order = Order { terminate, who: self.peer.clone(), answer: self.answer.clone() };
        match &mut self.subscription {
            Some(subscription) if self.rights == Rights::End => subscription.terminate(order),
            _ => order.refuse(std::mem::replace(&mut self.said, Said::Already)),
        }
    }

    fn start(&mut self, hello: &ClientHello) -> Result<(), (ByeReason, String)> {
        let name = text::sanitize(&hello.name);
        let program = text::sanitize(&hello.client);
        tracing::info!("client {name} ({program}, {}): connected", self.peer);
        self.peer = format!("client {name} ({})", self.peer);
        self.count_own(&hello.subscribe)?;
        let subscription = self.feed.subscribe(hello).map_err(bad)?;
        self.subscription = Some(subscription);
        Ok(())
    }

    fn update(&mut self, subscribe: Subscribe) -> Result<(), (ByeReason, String)> {
        self.count_own(&subscribe)?;
        match &mut self.subscription {
            Some(subscription) => subscription.update(subscribe).map_err(bad),
            None => Ok(()),
        }
    }

    /// Counts subscriptions that cannot share frames with the others.
    fn count_own(&mut self, subscribe: &Subscribe) -> Result<(), (ByeReason, String)> {
        let slower = |ms: u32| ms > self.interval_ms;
        let own = subscribe.filter.is_some()
            || subscribe.columns.is_some()
            || subscribe.interval_ms.is_some_and(slower);
        let counted = self.slot.set_own(own);
        counted.map_err(|refusal| (ByeReason::Limit, refusal.to_string()))
    }

    /// Ends the writing side and waits shortly for the client to do the same.
    async fn close(mut self) {
        let greeted = self.subscription.take().is_some();
        match self.session.end() {
            // Anybody could fill the log with these.
            Some(end) if !greeted => tracing::debug!("{}: ended before it began: {end:?}", self.peer),
            Some(End::Server(Bye { reason, text })) if *reason != ByeReason::Shutdown => {
                tracing::info!("{}: closed: {}", self.peer, text::sanitize(text));
            }
            Some(End::Client(_) | End::Lost) => tracing::info!("{}: left", self.peer),
            _ => {}
        }
        if !matches!(self.session.end(), Some(End::Server(_))) {
            return;
        }
        let drain = async {
            self.stream.finish().await?;
            let mut buffer = [0; READ_BYTES];
            let mut left = DRAIN_BYTES;
            while left > 0 {
                self.stream.readable().await?;
                match self.stream.try_read(&mut buffer) {
                    Ok(0) => break,
                    Ok(n) => left = left.saturating_sub(n),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            io::Result::Ok(())
        };
        // Whether the client read its bye is its own affair.
        let _ = timeout(CLOSE_TIME, drain).await;
    }
}

fn bad(error: BadSubscription) -> (ByeReason, String) {
    (ByeReason::Protocol, error.to_string())
}

/// The runtime's clock, which tests can pause.
pub(super) fn now() -> std::time::Instant {
    Instant::now().into_std()
}
