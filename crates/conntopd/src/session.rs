//! One client's session as a state machine without I/O: bytes and the time go in, bytes and
//! [`Request`]s come out.
//!
//! Order: the server's `hello` waits in the output from the start; the client's `hello` must be
//! complete within [`HELLO_TIME`] and [`HELLO_BYTES`]; from then on the output is in the codec that
//! it chose and frames flow. Every end that the server chooses is a `bye` with a reason.
//!
//! Invariants:
//! - At most one frame is held, and control messages of at most [`CONTROL_BYTES`]: whoever calls
//!   takes the next frame from the table only when [`Session::wants_frame`] says so, so a slow
//!   reader has no queue and what changes meanwhile coalesces in the table.
//! - A frame that was begun is finished before a control message, so lines are never torn.
//! - While [`Session::wants_input`] is false the caller does not read: a client that floods pings
//!   without reading the answers blocks itself.

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use conntop_proto::codec::{self, EncodeError, LineDecoder};
use conntop_proto::message::{
    Bye, ByeReason, ClientHello, ClientMessage, Codec, Focus, Look, Ping, ServerHello, ServerMessage,
    Subscribe, Terminate, Terminated,
};

mod allowance;
mod greeting;
use allowance::Allowance;
use greeting::Greeting;

/// Time for the client's `hello`, from the connection: slow enough for a satellite link, short
/// enough that idle connections cannot occupy the slots.
pub const HELLO_TIME: Duration = Duration::from_secs(5);
/// Bytes of everything before the end of the client's `hello`.
pub const HELLO_BYTES: usize = 4 << 10;
/// Time between two `ping`s.
pub const PING_EVERY: Duration = Duration::from_secs(10);
/// A client of which nothing was heard for this long is gone.
pub const DEAD_AFTER: Duration = Duration::from_secs(30);
/// A client that takes nothing for this long while something waits is too slow.
pub const STALLED_AFTER: Duration = Duration::from_secs(30);
/// Control messages that may wait; more input is not read before they are written.
pub const CONTROL_BYTES: usize = 16 << 10;
/// Time for the last bytes after a `bye`.
pub const CLOSE_TIME: Duration = Duration::from_secs(1);

/// What the client asks of the table.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// The handshake is done: subscribe.
    Start(Box<ClientHello>),
    /// Replace the subscription.
    Update(Subscribe),
    /// Read these flows more often.
    Focus(Focus),
    /// Read and send this besides flows.
    Look(Look),
    /// Stop or resume deltas.
    Pause(bool),
    /// End a flow.
    Terminate(Terminate),
}

/// One client's session.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    codec: Codec,
    /// Codecs that the server's hello offered.
    offered: Vec<Codec>,
    /// Control messages, encoded.
    control: BytesMut,
    /// What is left of the frame in flight.
    frame: Bytes,
    /// Whether `frame` was begun, so that nothing may come before its end.
    torn: bool,
    heard: Instant,
    ping_at: Instant,
    nonce: u32,
    /// When the writer last got rid of something, or had nothing to write.
    progress: Instant,
    /// Whether the socket was full when it was last written to.
    blocked: bool,
    allowance: Allowance,
    end: Option<End>,
}

#[derive(Debug)]
enum Phase {
    Greeting(Greeting),
    Streaming(Box<Decoder>),
    Closing { until: Instant },
}

type Decoder = LineDecoder<ClientMessage>;

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The client said `bye`.
    Client(Bye),
    /// The server said `bye`.
    Server(Bye),
    /// The connection was closed or failed.
    Lost,
}

impl Session {
    /// A session whose output begins with `hello`.
    #[must_use]
    pub fn new(now: Instant, hello: &ServerHello) -> Self {
        let mut session = Self {
            phase: Phase::Greeting(Greeting::new(now + HELLO_TIME)),
            codec: Codec::None,
            offered: hello.codecs.clone(),
            control: BytesMut::new(),
            frame: Bytes::new(),
            torn: false,
            heard: now,
            ping_at: now + PING_EVERY,
            nonce: 0,
            progress: now,
            blocked: false,
            allowance: Allowance::new(now),
            end: None,
        };
        session.send(now, &ServerMessage::Hello(Box::new(hello.clone())));
        session
    }

    /// Takes what the client sent and returns what it asks for, in order.
    pub fn receive(&mut self, now: Instant, input: &[u8]) -> Vec<Request> {
        let mut requests = Vec::new();
        if input.is_empty() {
            return requests;
        }
        self.heard = now;
        // Reading itself is charged, or empty lines would be free.
        self.allowance.charge(now, 1);
        let mut rest = input;
        if let Phase::Greeting(greeting) = &mut self.phase {
            match greeting.take(&mut rest) {
                Ok(None) => return requests,
                Ok(Some(hello)) => match self.accept(hello) {
                    Ok(hello) => {
                        self.phase = Phase::Streaming(Box::default());
                        requests.push(Request::Start(hello));
                    }
                    Err(bye) => self.bye(now, bye.reason, bye.text),
                },
                Err(refused) => {
                    self.switch(refused.codec);
                    self.bye(now, refused.bye.reason, refused.bye.text);
                }
            }
        }
        if let Phase::Streaming(decoder) = &mut self.phase {
            decoder.push(rest);
        }
        while let Phase::Streaming(decoder) = &mut self.phase {
            match decoder.next() {
                Some(Ok(message)) => self.message(now, message, &mut requests),
                None => break,
                Some(Err(error)) => self.bye(now, ByeReason::Protocol, error.to_string()),
            }
        }
        requests
    }

    /// Does what is due at `now`; to be called at [`Session::deadline`].
    pub fn tick(&mut self, now: Instant) {
        self.allowance.refill(now);
        let pending = self.has_output();
        match &self.phase {
            Phase::Greeting(greeting) if now >= greeting.until() => {
                let text = format!("no hello within {} s", HELLO_TIME.as_secs());
                self.bye(now, ByeReason::Timeout, text);
            }
            Phase::Greeting(_) => {}
            Phase::Streaming(_) if pending && now >= self.progress + STALLED_AFTER => {
                let text = format!("nothing was read for {} s", STALLED_AFTER.as_secs());
                self.bye(now, ByeReason::Slow, text);
            }
            Phase::Streaming(_) if now >= self.dead_at() => {
                let text = format!("nothing was heard for {} s", DEAD_AFTER.as_secs());
                self.bye(now, ByeReason::Timeout, text);
            }
            Phase::Streaming(_) => {
                if now >= self.ping_at {
                    self.ping_at = now + PING_EVERY;
                    // A ping that waits behind an unread frame says nothing that a second one would.
                    if self.control.is_empty() {
                        self.nonce = self.nonce.wrapping_add(1);
                        self.send(now, &ServerMessage::Ping(Ping { nonce: self.nonce }));
                    }
                }
            }
            Phase::Closing { until } => {
                if now >= *until {
                    self.drop_output();
                }
            }
        }
    }

    /// When [`Session::tick`] is next due.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        let due = self.due();
        let refilled = self.allowance.until();
        refilled.map_or(due, |refilled| refilled.min(due))
    }

    fn due(&self) -> Instant {
        match &self.phase {
            Phase::Greeting(greeting) => greeting.until(),
            Phase::Streaming(_) if self.has_output() => {
                self.ping_at.min(self.dead_at()).min(self.progress + STALLED_AFTER)
            }
            Phase::Streaming(_) => self.ping_at.min(self.dead_at()),
            Phase::Closing { until } => *until,
        }
    }

    /// While the reader takes nothing, its silence is slowness ([`STALLED_AFTER`]), not death: the
    /// pings that it ought to answer have not reached it.
    fn dead_at(&self) -> Instant {
        let since = if self.has_output() { self.heard.max(self.progress) } else { self.heard };
        since + DEAD_AFTER
    }

    /// Whether a frame may be offered: the handshake is done and nothing waits to be written.
    #[must_use]
    pub fn wants_frame(&self) -> bool {
        matches!(self.phase, Phase::Streaming(_)) && !self.has_output()
    }

    /// Takes the next frame, encoded in [`Session::codec`].
    pub fn offer(&mut self, now: Instant, frame: Bytes) {
        debug_assert!(self.wants_frame());
        self.progress = now;
        self.frame = frame;
        self.torn = false;
    }

    /// Whether to read from the client.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        let closing = matches!(self.phase, Phase::Closing { .. });
        !closing && !self.allowance.is_spent() && self.control.len() < CONTROL_BYTES
    }

    /// Whether bytes wait to be written.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.frame.is_empty() || !self.control.is_empty()
    }

    /// The bytes to write next.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        if self.control.is_empty() || (self.torn && !self.frame.is_empty()) {
            &self.frame
        } else {
            &self.control
        }
    }

    /// Says that the first `n` bytes of [`Session::output`] were written.
    pub fn written(&mut self, now: Instant, n: usize) {
        if n == 0 {
            return;
        }
        self.progress = now;
        if std::mem::take(&mut self.blocked) {
            self.heard = now;
        }
        if self.control.is_empty() || (self.torn && !self.frame.is_empty()) {
            self.frame.advance(n.min(self.frame.len()));
            self.torn = !self.frame.is_empty();
        } else {
            self.control.advance(n.min(self.control.len()));
        }
        if self.frame.is_empty() {
            self.frame = Bytes::new();
        }
        if self.control.is_empty() {
            self.control = BytesMut::new();
        }
    }

    /// Says that the socket takes no more for now. When it does again, the other side has read, which
    /// is a sign of life: the ping that it ought to answer is far behind in what it has not read yet.
    pub fn blocked(&mut self) {
        self.blocked = true;
    }

    /// Encoding of frames.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Whether the client's `hello` has not come yet.
    #[must_use]
    pub fn is_greeting(&self) -> bool {
        matches!(self.phase, Phase::Greeting(_))
    }

    /// Whether the session is over and its last bytes are written or given up.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Closing { .. }) && !self.has_output()
    }

    /// How the session ended; `None` while it lasts.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Tells the client what came of an order; nothing once the session is over.
    pub fn terminated(&mut self, now: Instant, answer: Terminated) {
        if matches!(self.phase, Phase::Streaming(_)) {
            let answer = Terminated { text: capped(answer.text), ..answer };
            self.send(now, &ServerMessage::Terminated(answer));
        }
    }

    /// Ends the session with a `bye`. A frame that was not begun is dropped.
    pub fn bye(&mut self, now: Instant, reason: ByeReason, text: impl Into<String>) {
        if matches!(self.phase, Phase::Closing { .. }) {
            return;
        }
        let bye = Bye { reason, text: capped(text.into()) };
        if !self.torn {
            self.frame = Bytes::new();
        }
        self.send(now, &ServerMessage::Bye(bye.clone()));
        self.close(now, End::Server(bye));
    }

    /// The connection was closed by the client, or failed.
    pub fn lost(&mut self, now: Instant) {
        self.close(now, End::Lost);
        self.drop_output();
    }

    fn close(&mut self, now: Instant, end: End) {
        self.phase = Phase::Closing { until: now + CLOSE_TIME };
        self.end.get_or_insert(end);
    }

    fn drop_output(&mut self) {
        self.frame = Bytes::new();
        self.control = BytesMut::new();
    }

    fn accept(&mut self, hello: Box<ClientHello>) -> Result<Box<ClientHello>, Bye> {
        if hello.codec != Codec::None && !self.offered.contains(&hello.codec) {
            return Err(Bye {
                reason: ByeReason::Protocol,
                text: "the codec is not one that the server's hello offers".into(),
            });
        }
        self.switch(hello.codec);
        Ok(hello)
    }

    /// Encodes what follows in `codec`; what waits already (the hello) stays as it is.
    fn switch(&mut self, codec: Codec) {
        if codec == Codec::None || self.offered.contains(&codec) {
            self.codec = codec;
        }
    }

    fn message(&mut self, now: Instant, message: ClientMessage, requests: &mut Vec<Request>) {
        self.allowance.charge(now, 1);
        match message {
            ClientMessage::Hello(_) => {
                self.bye(now, ByeReason::Protocol, "hello was sent twice");
            }
            ClientMessage::Proof(_) => {
                self.bye(now, ByeReason::Protocol, "a proof that nobody asked for");
            }
            ClientMessage::Subscribe(subscribe) => requests.push(Request::Update(subscribe)),
            ClientMessage::Focus(focus) => requests.push(Request::Focus(focus)),
            ClientMessage::Look(look) => requests.push(Request::Look(look)),
            ClientMessage::Pause(pause) => requests.push(Request::Pause(pause.on)),
            ClientMessage::Terminate(order) => requests.push(Request::Terminate(order)),
            ClientMessage::Ping(ping) => self.send(now, &ServerMessage::Pong(ping)),
            ClientMessage::Pong(_) => {}
            ClientMessage::Bye(bye) => {
                self.close(now, End::Client(bye));
                self.drop_output();
            }
        }
    }

    fn send(&mut self, now: Instant, message: &ServerMessage) {
        if !self.has_output() {
            self.progress = now;
        }
        match encode(message, self.codec) {
            Ok(bytes) => self.control.extend_from_slice(&bytes),
            // Only a message beyond the protocol's limits; the server's own are far below.
            Err(error) => tracing::error!("a message to a client was not sent: {error}"),
        }
    }
}

/// One message on its own. Frames of flows come encoded once for all; this is for the few and small.
fn encode(message: &ServerMessage, codec: Codec) -> Result<Vec<u8>, EncodeError> {
    let mut line = Vec::new();
    codec::encode_line(message, &mut line)?;
    match codec {
        Codec::None => Ok(line),
        #[cfg(feature = "zstd")]
        Codec::Zstd => codec::ZstdEncoder::new()?.frame(&line),
        #[cfg(not(feature = "zstd"))]
        Codec::Zstd => Ok(line),
    }
}

/// Texts go out at most 255 bytes long, as the protocol has it for strings from outside.
fn capped(mut text: String) -> String {
    const MOST: usize = 255;
    if text.len() > MOST {
        let end = (0..=MOST).rev().find(|&i| text.is_char_boundary(i));
        text.truncate(end.unwrap_or(0));
    }
    text
}
