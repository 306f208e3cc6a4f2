//! A conntopd elsewhere, over TCP, a unix socket or ssh.
//!
//! The server is not trusted: limits and types are the decoder's, which also sanitizes every text;
//! a message that does not fit ends the connection and the next one begins without a resume point.
//! A lost connection is tried again for ever, with the pauses of [`Backoff`]; a front end that does
//! not want that stops at the first [`SourceEvent::Stale`].

use std::io;
use std::time::Duration;

use conntop_proto::PROTOCOL_VERSION;
use conntop_proto::codec::{DecodeError, EncodeError, ServerStream, Validate, encode_line};
use conntop_proto::columns::Ids;
use conntop_proto::message::{
    Bye, ByeReason, ClientHello, ClientMessage, Codec, Focus, Look, Pause, ServerHello, ServerMessage, Sight,
    Subscribe,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::backoff::Backoff;
use super::order::{BATCH, Order, OrderError, weigh};
use super::progress::Progress;
use super::ssh::{Questions, SshError, SshStream, dial};
use super::target::{Target, Wire};
use super::tls::{self, Failed, Next, Secured, Security, TlsError};
use super::{Messages, Request, Source, SourceEnd, SourceError, SourceErrorKind, SourceEvent};
use crate::platform::connect_unix;

/// Time for a connection and the server's hello.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// A server of which nothing was heard for this long is dead; it pings every 10 s.
const DEAD_AFTER: Duration = Duration::from_secs(30);
/// Time for the last message.
const BYE_TIME: Duration = Duration::from_millis(200);
/// Bytes of one read.
const READ: usize = 64 * 1024;
/// Bytes of answers that are written together.
const ANSWERS: usize = 4 * 1024;
/// What is kept of the first line to name the version of a server that cannot be understood.
const FIRST_LINE: usize = 4096;

/// How a server of this protocol begins, whatever its version.
const KINDS: [&[u8]; 3] = [b"{\"hello\"", b"{\"challenge\"", b"{\"proof\""];

/// How to connect.
#[derive(Clone, Debug)]
pub struct RemoteConfig {
    /// Where to.
    pub target: Target,
    /// Our name for the server's log.
    pub name: String,
    /// What to ask for.
    pub subscribe: Subscribe,
    /// The wish for compression; `Codec::None` for those who want to read along.
    pub codec: Codec,
    /// What is held against the schema.
    pub validate: Validate,
    /// For targets that speak TLS.
    pub security: Security,
}

/// Starts to connect. Must be called within a tokio runtime.
#[must_use]
pub fn remote(config: RemoteConfig) -> Source {
    begin(config, None)
}

/// The same, with a session that ssh has opened already while it could ask the person at the terminal
/// what it had to. Later ones must do without questions.
#[must_use]
pub fn remote_by_ssh(config: RemoteConfig, session: SshStream) -> Source {
    begin(config, Some(session))
}

fn begin(config: RemoteConfig, session: Option<SshStream>) -> Source {
    let (source, events, requests) = Source::pair();
    let remote = Remote {
        subscribe: config.subscribe.clone(),
        config,
        session,
        events,
        requests,
        focus: None,
        look: Vec::new(),
        paused: false,
        progress: Progress::default(),
        backoff: Backoff::default(),
        delivering: None,
    };
    tokio::spawn(remote.run());
    source
}

/// Why one connection is over.
#[derive(Debug, thiserror::Error)]
enum Over {
    #[error("cannot connect to {target}: {source}; is conntopd running and listening there?")]
    Connect { target: String, source: io::Error },
    #[error("{0}: no answer within {t} s", t = CONNECT_TIME.as_secs())]
    NoAnswer(String),
    #[error("{0} closed the connection")]
    Closed(String),
    #[error("connection to {target}: {source}")]
    Io { target: String, source: io::Error },
    #[error("nothing heard from {0} for {t} s", t = DEAD_AFTER.as_secs())]
    Dead(String),
    #[error("{target} breaks the protocol: {source}")]
    Decode { target: String, source: DecodeError },
    #[error("{target} breaks the protocol: {source}")]
    Order { target: String, source: OrderError },
    #[error("{0} does not begin with a hello: no conntopd listens there")]
    NoHello(String),
    #[error(
        "{0} asks for the token outside of TLS, so it is not given: connect by tls://HOST[:PORT]. Nothing that \
         ends TLS on the way can be used; a conntopd at the end of a tunnel asks for no token on its loopback"
    )]
    TokenInClear(String),
    #[error("{target} speaks protocol {theirs}, this conntop {PROTOCOL_VERSION}: upgrade {side}")]
    Version { target: String, theirs: u64, side: &'static str },
    #[error("{target} says: {text}")]
    Bye { target: String, reason: ByeReason, text: String },
    #[error("message to {target}: {source}")]
    Encode { target: String, source: EncodeError },
    #[error(transparent)]
    Ssh(SshError),
    #[error(transparent)]
    Tls(TlsError),
    #[error("the front end is gone")]
    Unwanted,
}

impl Over {
    /// What trying again would not mend.
    fn fatal(&self) -> Option<SourceErrorKind> {
        match self {
            Self::Version { .. } | Self::NoHello(_) | Self::TokenInClear(_) => {
                Some(SourceErrorKind::Protocol)
            }
            Self::Bye { reason: ByeReason::Version | ByeReason::Protocol, .. } => {
                Some(SourceErrorKind::Protocol)
            }
            Self::Ssh(error) => error.fatal(),
            Self::Tls(error) => error.fatal(),
            Self::Bye { reason: ByeReason::Auth, .. } => Some(SourceErrorKind::Permission),
            Self::Connect { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some(SourceErrorKind::Permission)
            }
            _ => None,
        }
    }

    /// Whether what was got so far is still to be trusted.
    fn keeps_progress(&self) -> bool {
        !matches!(
            self,
            Self::Decode { .. } | Self::Order { .. } | Self::Bye { reason: ByeReason::Protocol, .. }
        )
    }
}

/// What a server can do besides what each can.
struct Abilities {
    focus: bool,
    sights: Vec<Sight>,
}

impl Abilities {
    fn of(hello: &ServerHello) -> Self {
        let has = |word: &str| hello.features.iter().any(|feature| feature == word);
        let sights = Sight::ALL.into_iter().filter(|sight| has(sight.feature())).collect();
        Self { focus: has("focus"), sights }
    }

    /// What of a message the server understands.
    fn suit(&self, message: ClientMessage) -> Option<ClientMessage> {
        match message {
            ClientMessage::Focus(_) if !self.focus => None,
            ClientMessage::Look(_) if self.sights.is_empty() => None,
            ClientMessage::Look(Look { mut at }) => {
                at.retain(|sight| self.sights.contains(sight));
                Some(ClientMessage::Look(Look { at }))
            }
            message => Some(message),
        }
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

struct Remote {
    config: RemoteConfig,
    /// Opened before; the first connection uses it.
    session: Option<SshStream>,
    events: mpsc::Sender<SourceEvent>,
    requests: mpsc::Receiver<Request>,
    subscribe: Subscribe,
    focus: Option<Ids>,
    look: Vec<Sight>,
    paused: bool,
    progress: Progress,
    backoff: Backoff,
    /// Since when the connection delivers.
    delivering: Option<Instant>,
}

impl Remote {
    async fn run(mut self) {
        loop {
            let over = match self.connection().await {
                Ok(never) => match never {},
                Err(Over::Unwanted) => return,
                Err(over) => over,
            };
            if let Some(kind) = over.fatal() {
                let error = SourceError { kind, text: over.to_string() };
                let _gone = self.events.send(SourceEvent::Ended(SourceEnd::Failed(error))).await;
                return;
            }
            if !over.keeps_progress() {
                self.progress = Progress::default();
            }
            if let Some(since) = self.delivering.take() {
                self.backoff.lasted(since.elapsed());
            }
            let retry_in = self.backoff.pause();
            if self.events.send(SourceEvent::Stale { cause: over.to_string(), retry_in }).await.is_err() {
                return;
            }
            if !self.pause_before_retry(retry_in).await {
                return;
            }
        }
    }

    /// Waits, taking requests meanwhile; false when the front end is gone.
    async fn pause_before_retry(&mut self, pause: Duration) -> bool {
        let wait = sleep(pause);
        tokio::pin!(wait);
        loop {
            tokio::select! {
                () = &mut wait => return true,
                request = self.requests.recv() => match request {
                    Some(request) => drop(self.remember(request)),
                    None => return false,
                },
            }
        }
    }

    async fn connection(&mut self) -> Result<std::convert::Infallible, Over> {
        let target = self.target();
        let (mut io, secured) = self.connect().await?;
        let deadline = Instant::now() + CONNECT_TIME;
        let no_answer = |_| Over::NoAnswer(target.clone());
        let mut stream = ServerStream::new(self.config.validate);
        let hello = async {
            if let Some(secured) = secured {
                self.prove(&mut *io, &mut stream, secured).await?;
            }
            self.hello(&mut *io, &mut stream).await
        };
        let hello = timeout_at(deadline, hello).await.map_err(no_answer)??;
        let able = Abilities::of(&hello);
        let codec = if hello.codecs.contains(&self.config.codec) { self.config.codec } else { Codec::None };
        let resume = self.progress.resume();
        let mut out = Vec::new();
        self.encode(
            &ClientMessage::Hello(Box::new(ClientHello {
                protocol: PROTOCOL_VERSION,
                client: concat!("conntop ", env!("CARGO_PKG_VERSION")).to_owned(),
                name: self.config.name.clone(),
                codec,
                resume,
                subscribe: self.subscribe.clone(),
            })),
            &mut out,
        )?;
        stream
            .switch(codec)
            .map_err(|source| Over::Decode { target: target.clone(), source: source.into() })?;
        if self.paused {
            self.encode(&ClientMessage::Pause(Pause { on: true }), &mut out)?;
        }
        let focus = self.focus.clone().map(|id| ClientMessage::Focus(Focus { id }));
        let look = (!self.look.is_empty()).then(|| ClientMessage::Look(Look { at: self.look.clone() }));
        for message in focus.into_iter().chain(look).filter_map(|message| able.suit(message)) {
            self.encode(&message, &mut out)?;
        }
        self.write(&mut *io, &out).await?;
        let mut order = Order::new(&hello, resume);
        self.emit(SourceEvent::Connected(hello)).await?;
        self.stream(&mut *io, &mut stream, &mut order, &able).await
    }

    async fn connect(&mut self) -> Result<(Box<dyn Io>, Option<Secured>), Over> {
        if let Target::Ssh(address) = &self.config.target {
            let session = match self.session.take() {
                Some(session) => Ok(session),
                None => dial(address, Questions::None).await,
            };
            return Ok((Box::new(session.map_err(Over::Ssh)?), None));
        }
        let connect = timeout(CONNECT_TIME, connect(&self.config.target, &self.config.security)).await;
        connect.map_err(|_| Over::NoAnswer(self.target()))?
    }

    /// Exchanges proofs of the token; what comes after them stays in `stream`.
    async fn prove(&self, io: &mut dyn Io, stream: &mut ServerStream, secured: Secured) -> Result<(), Over> {
        let target = self.target();
        let first = self.first(io, stream).await?;
        if let ServerMessage::Bye(Bye { reason, text }) = first {
            return Err(Over::Bye { target, reason, text });
        }
        let pending = match secured.answer(&target, &first).map_err(Over::Tls)? {
            Next::Version(theirs) => return Err(version(target, u64::from(theirs))),
            Next::Send(proof, pending) => {
                let mut out = Vec::new();
                self.encode(&ClientMessage::Proof(proof), &mut out)?;
                self.write(io, &out).await?;
                pending
            }
        };
        let second = self.first(io, stream).await?;
        pending.check(&target, &second, &self.config.security).map_err(Over::Tls)
    }

    /// The next message of a connection that begins.
    async fn first(&self, io: &mut dyn Io, stream: &mut ServerStream) -> Result<ServerMessage, Over> {
        let (mut buffer, mut seen) = (vec![0; READ], Vec::new());
        loop {
            let target = || self.target();
            match stream.next() {
                Some(Ok(message)) => return Ok(message),
                Some(Err(source)) => {
                    return Err(match protocol_of(&seen) {
                        Some(theirs) if theirs != u64::from(PROTOCOL_VERSION) => version(target(), theirs),
                        _ if KINDS.iter().any(|kind| seen.starts_with(kind)) => {
                            Over::Decode { target: target(), source }
                        }
                        _ => Over::NoHello(target()),
                    });
                }
                None => {}
            }
            let bytes = self.read(io, &mut buffer).await?;
            seen.extend(bytes.iter().take(FIRST_LINE.saturating_sub(seen.len())));
            stream.push(bytes);
        }
    }

    /// Reads the server's hello.
    async fn hello(&self, io: &mut dyn Io, stream: &mut ServerStream) -> Result<Box<ServerHello>, Over> {
        let target = self.target();
        match self.first(io, stream).await? {
            ServerMessage::Hello(hello) if hello.protocol == PROTOCOL_VERSION => Ok(hello),
            ServerMessage::Hello(hello) => Err(version(target, u64::from(hello.protocol))),
            ServerMessage::Bye(Bye { reason, text }) => Err(Over::Bye { target, reason, text }),
            ServerMessage::Challenge(_) => Err(Over::TokenInClear(target)),
            _ => Err(Over::NoHello(target)),
        }
    }

    async fn stream(
        &mut self,
        io: &mut dyn Io,
        stream: &mut ServerStream,
        order: &mut Order,
        able: &Abilities,
    ) -> Result<std::convert::Infallible, Over> {
        // What came together with the hello.
        self.messages(io, stream, order).await?;
        let mut buffer = vec![0; READ];
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                request = self.requests.recv() => {
                    let Some(request) = request else {
                        self.farewell(io).await;
                        return Err(Over::Unwanted);
                    };
                    let message = self.remember(request).and_then(|message| able.suit(message));
                    if let Some(message) = message {
                        let mut out = Vec::new();
                        self.encode(&message, &mut out)?;
                        self.write(io, &out).await?;
                    }
                }
                read = timeout_at(heard + DEAD_AFTER, io.read(&mut buffer)) => {
                    let target = || self.target();
                    let read = read.map_err(|_| Over::Dead(target()))?;
                    let n = read.map_err(|source| broken(target(), source))?;
                    if n == 0 {
                        stream.finish().map_err(|source| Over::Decode { target: target(), source })?;
                        return Err(Over::Closed(target()));
                    }
                    heard = Instant::now();
                    stream.push(buffer.get(..n).unwrap_or_default());
                    self.messages(io, stream, order).await?;
                }
            }
        }
    }

    /// Hands on what has been read and answers what is for us, in batches of bounded size: what was read
    /// may have been compressed by a thousand.
    async fn messages(
        &mut self,
        io: &mut dyn Io,
        stream: &mut ServerStream,
        order: &mut Order,
    ) -> Result<(), Over> {
        let (mut batch, mut weight) = (Vec::new(), 0);
        let mut answers = Vec::new();
        let mut end = Ok(());
        while let Some(message) = stream.next() {
            let target = || self.target();
            let message = match message {
                Ok(message) => message,
                Err(source) => {
                    end = Err(Over::Decode { target: target(), source });
                    break;
                }
            };
            if let Err(source) = order.check(&message) {
                end = Err(Over::Order { target: target(), source });
                break;
            }
            match message {
                ServerMessage::Ping(ping) => self.encode(&ClientMessage::Pong(ping), &mut answers)?,
                ServerMessage::Pong(_) => {}
                ServerMessage::Bye(Bye { reason, text }) => {
                    end = Err(Over::Bye { target: target(), reason, text });
                    break;
                }
                message => {
                    weight += weigh(&message);
                    batch.push(message);
                }
            }
            if answers.len() >= ANSWERS {
                self.write(io, &answers).await?;
                answers.clear();
            }
            if weight >= BATCH {
                self.deliver(std::mem::take(&mut batch)).await?;
                weight = 0;
            }
        }
        if !answers.is_empty() {
            self.write(io, &answers).await?;
        }
        self.deliver(batch).await?;
        end
    }

    async fn deliver(&mut self, batch: Vec<ServerMessage>) -> Result<(), Over> {
        if !batch.is_empty() {
            for message in &batch {
                self.progress.note(message);
            }
            self.emit(SourceEvent::Messages(Messages::new(batch))).await?;
            self.delivering.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    async fn read<'b>(&self, io: &mut dyn Io, buffer: &'b mut [u8]) -> Result<&'b [u8], Over> {
        let n = io.read(buffer).await.map_err(|source| broken(self.target(), source))?;
        if n == 0 {
            return Err(Over::Closed(self.target()));
        }
        Ok(buffer.get(..n).unwrap_or_default())
    }

    async fn write(&self, io: &mut dyn Io, bytes: &[u8]) -> Result<(), Over> {
        let written = timeout(DEAD_AFTER, io.write_all(bytes)).await;
        let written = written.map_err(|_| Over::Dead(self.target()))?;
        written.map_err(|source| Over::Io { target: self.target(), source })
    }

    async fn farewell(&self, io: &mut dyn Io) {
        let bye = Bye { reason: ByeReason::Shutdown, text: "the client ends".to_owned() };
        let mut out = Vec::new();
        if encode_line(&ClientMessage::Bye(bye), &mut out).is_ok() {
            let _late = timeout(BYE_TIME, io.write_all(&out)).await;
        }
    }

    async fn emit(&self, event: SourceEvent) -> Result<(), Over> {
        self.events.send(event).await.map_err(|_| Over::Unwanted)
    }

    fn encode(&self, message: &ClientMessage, out: &mut Vec<u8>) -> Result<(), Over> {
        encode_line(message, out).map_err(|source| Over::Encode { target: self.target(), source })
    }

    /// Keeps what a request sets, so that the next connection begins with it; what the server is told.
    fn remember(&mut self, request: Request) -> Option<ClientMessage> {
        Some(match request {
            Request::Subscribe(subscribe) => {
                self.subscribe = subscribe.clone();
                ClientMessage::Subscribe(subscribe)
            }
            Request::Focus(id) => {
                self.focus = Some(id.clone());
                ClientMessage::Focus(Focus { id })
            }
            // Ordered was what the person saw, who gave up waiting meanwhile.
            Request::Terminate { until, .. } if Instant::now().into_std() > until => return None,
            Request::Terminate { terminate, .. } => ClientMessage::Terminate(terminate),
            Request::Look(at) => {
                self.look.clone_from(&at);
                ClientMessage::Look(Look { at })
            }
            Request::Pause(on) => {
                self.paused = on;
                ClientMessage::Pause(Pause { on })
            }
            Request::Play(_) => return None,
        })
    }

    fn target(&self) -> String {
        self.config.target.to_string()
    }
}

async fn connect(target: &Target, security: &Security) -> Result<(Box<dyn Io>, Option<Secured>), Over> {
    let failed = |source| Over::Connect { target: target.to_string(), source };
    match target {
        Target::Tcp { host, port, wire } => {
            let port = port.unwrap_or(conntop_proto::DEFAULT_PORT);
            let stream = TcpStream::connect((host.as_str(), port)).await.map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            if *wire == Wire::Plain {
                return Ok((Box::new(stream), None));
            }
            match tls::handshake(&target.to_string(), stream, security).await {
                Ok((stream, secured)) => Ok((Box::new(stream), Some(secured))),
                Err(Failed::Tls(error)) => Err(Over::Tls(error)),
                Err(Failed::Bye(Bye { reason, text })) => {
                    Err(Over::Bye { target: target.to_string(), reason, text })
                }
            }
        }
        Target::Unix(path) => Ok((Box::new(connect_unix(path).await.map_err(failed)?), None)),
        Target::Ssh(_) => Err(failed(io::ErrorKind::Unsupported.into())),
    }
}

/// An error of reading; ssh says at the end of its output why it has ended.
fn broken(target: String, source: io::Error) -> Over {
    match source.downcast::<SshError>() {
        Ok(error) => Over::Ssh(error),
        Err(source) => Over::Io { target, source },
    }
}

/// The version that a first line names, whatever else it says.
fn protocol_of(first: &[u8]) -> Option<u64> {
    let line = first.split(|&b| b == b'\n').next()?;
    let value: serde_json::Value = serde_json::from_slice(line).ok()?;
    let message = value.get("hello").or_else(|| value.get("challenge"))?;
    message.get("protocol")?.as_u64()
}

fn version(target: String, theirs: u64) -> Over {
    let side = if theirs > u64::from(PROTOCOL_VERSION) { "conntop" } else { "conntopd there" };
    Over::Version { target, theirs, side }
}
