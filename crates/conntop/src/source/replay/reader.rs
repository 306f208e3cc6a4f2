//! The messages of a recording, plain or compressed by zstd: trusted no more than those of a server, and
//! never more of them in memory than one read brings.

use std::io;

use conntop_proto::PROTOCOL_VERSION;
use conntop_proto::codec::{LineDecoder, Validate};
use conntop_proto::message::{Resume, ServerHello, ServerMessage};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use zstd::stream::raw::{DParameter, Decoder, Operation as _};

use super::super::order::Order;
use super::super::{SourceError, SourceErrorKind};

/// Bytes of one read, and of what is unpacked at once.
const READ: usize = 64 * 1024;
/// How a zstd frame begins (RFC 8878, 3.1.1).
pub(super) const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// How a gzip file begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Largest window of a zstd frame, 8 MiB: what `zstd -19` makes, and memory that nobody misses.
const WINDOW_LOG: u32 = 23;

/// Anything that can be read.
pub(super) type Bytes = Box<dyn AsyncRead + Send + Unpin>;

/// Reads a recording.
pub(super) struct Reader {
    bytes: Bytes,
    buffer: Vec<u8>,
    packing: Packing,
    decoder: LineDecoder<ServerMessage>,
    order: Option<Order>,
    /// Where the stream stands, for a connection that goes on from there.
    point: Option<Resume>,
    over: bool,
}

/// How it is packed.
enum Packing {
    /// Not known yet; the first bytes.
    Unknown(Vec<u8>),
    Plain,
    Zstd(Box<Inflate>),
}

impl Reader {
    pub(super) fn new(bytes: Bytes, validate: Validate) -> Self {
        Self {
            bytes,
            buffer: vec![0; READ],
            packing: Packing::Unknown(Vec::new()),
            decoder: LineDecoder::new(validate),
            order: None,
            point: None,
            over: false,
        }
    }

    /// The next message; `None` at the end. Nothing is lost when it is dropped while it waits.
    pub(super) async fn next(&mut self) -> Result<Option<ServerMessage>, SourceError> {
        loop {
            if let Some(message) = self.decoder.next() {
                let message = message.map_err(|error| self.wrong(&error))?;
                self.check(&message)?;
                return Ok(Some(message));
            }
            if let Packing::Zstd(inflate) = &mut self.packing {
                let n = inflate.step(&mut self.buffer).map_err(|error| wrong(&error))?;
                if n > 0 {
                    self.decoder.push(self.buffer.get(..n).unwrap_or_default());
                    continue;
                }
            }
            if self.over {
                return self.end();
            }
            let read = self.bytes.read(&mut self.buffer).await;
            let n = read.map_err(|error| failed(SourceErrorKind::Other, &error))?;
            self.over = n == 0;
            self.take(n)?;
        }
    }

    /// Takes the next bytes of the file, none at its end.
    fn take(&mut self, n: usize) -> Result<(), SourceError> {
        let bytes = self.buffer.get(..n).unwrap_or_default();
        match &mut self.packing {
            Packing::Plain => self.decoder.push(bytes),
            Packing::Zstd(inflate) => inflate.push(bytes),
            Packing::Unknown(first) => {
                first.extend_from_slice(bytes);
                if first.starts_with(&GZIP) {
                    let how = "it is packed by gzip; give it unpacked: zcat FILE | conntop replay -";
                    return Err(wrong(&how));
                }
                if first.starts_with(&ZSTD) {
                    let mut inflate = Inflate::new().map_err(|error| wrong(&error))?;
                    inflate.push(first);
                    self.packing = Packing::Zstd(Box::new(inflate));
                } else if self.over || first.len() >= ZSTD.len() {
                    self.decoder.push(first);
                    self.packing = Packing::Plain;
                }
            }
        }
        Ok(())
    }

    fn end(&self) -> Result<Option<ServerMessage>, SourceError> {
        let unfinished = match &self.packing {
            Packing::Zstd(inflate) => !inflate.whole,
            _ => false,
        };
        if unfinished || self.decoder.finish().is_err() {
            return Err(wrong(&"it is cut off here; nothing of what follows was written"));
        }
        if self.order.is_none() {
            return Err(wrong(&"it is empty"));
        }
        Ok(None)
    }

    /// Whether a message may stand where it stands.
    fn check(&mut self, message: &ServerMessage) -> Result<(), SourceError> {
        match (message, &mut self.order) {
            (ServerMessage::Hello(hello), _) => return self.hello(hello),
            (_, None) => return Err(wrong(&"it does not begin with a hello")),
            (ServerMessage::Bye(_), _) => {}
            (message, Some(order)) => order.check(message).map_err(|error| wrong(&error))?,
        }
        let point = self.point.get_or_insert(Resume { epoch: 0, cursor: 0 });
        match message {
            ServerMessage::Reset(reset) => *point = Resume { epoch: reset.epoch, cursor: 0 },
            ServerMessage::Delta(delta) => point.cursor = delta.cursor,
            _ => {}
        }
        Ok(())
    }

    fn hello(&mut self, hello: &ServerHello) -> Result<(), SourceError> {
        if hello.protocol != PROTOCOL_VERSION {
            let text = format!("it is of protocol {}, conntop speaks {PROTOCOL_VERSION}", hello.protocol);
            return Err(wrong(&text));
        }
        self.order = Some(Order::new(hello, self.point));
        Ok(())
    }

    /// What is wrong with a line; the first one tells that it is something else altogether.
    fn wrong(&self, error: &dyn std::fmt::Display) -> SourceError {
        match self.order {
            None => wrong(&format!("this is no recording of conntop: {error}")),
            Some(_) => wrong(error),
        }
    }
}

fn wrong(error: &dyn std::fmt::Display) -> SourceError {
    failed(SourceErrorKind::Protocol, error)
}

pub(super) fn failed(kind: SourceErrorKind, error: &dyn std::fmt::Display) -> SourceError {
    SourceError { kind, text: format!("recording: {error}") }
}

/// Unpacks zstd, one frame after the other.
struct Inflate {
    zstd: Decoder<'static>,
    input: Vec<u8>,
    taken: usize,
    /// Whether the latest frame is complete.
    whole: bool,
}

impl Inflate {
    fn new() -> io::Result<Self> {
        let mut zstd = Decoder::new()?;
        zstd.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        Ok(Self { zstd, input: Vec::new(), taken: 0, whole: false })
    }

    fn push(&mut self, bytes: &[u8]) {
        self.input.drain(..self.taken);
        self.taken = 0;
        self.input.extend_from_slice(bytes);
    }

    /// Unpacks as much as fits; 0 when more input is needed.
    fn step(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let input = self.input.get(self.taken..).unwrap_or_default();
            let status = self.zstd.run_on_buffers(input, out)?;
            self.taken += status.bytes_read;
            if status.bytes_read > 0 || status.bytes_written > 0 {
                self.whole = status.remaining == 0;
            }
            if status.bytes_written > 0 || status.bytes_read == 0 || self.taken >= self.input.len() {
                return Ok(status.bytes_written);
            }
        }
    }
}
