//! Messages as lines of JSON. Sans-IO: bytes go in by `push`, messages come out by `next`, and how
//! the bytes were split between pushes never matters.
//!
//! Order of defence: every byte passes the lexical limits ([`ScanError`]) as it is looked at, so a
//! hostile line is refused before anything is built from it; a whole line is decoded strictly into
//! its type; control messages are then held against the JSON Schema (feature `schema`); last, every
//! text is sanitized. After an error the decoder stays silent: the connection is to be closed.

mod error;
#[cfg(feature = "zstd")]
mod frame;
mod scan;
mod stream;
mod strict;

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::error::{DecodeError, EncodeError, FrameError, JsonError};
#[cfg(feature = "zstd")]
pub use self::frame::{FrameDecoder, ZstdEncoder};
use self::scan::Scan;
pub use self::scan::ScanError;
pub use self::stream::ServerStream;
use crate::limits::{MAX_CLIENT_LINE, MAX_SERVER_LINE};
use crate::message::{ClientMessage, ServerMessage};

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::message::ServerMessage {}
    impl Sealed for crate::message::ClientMessage {}
}

/// What travels in lines: [`ServerMessage`] and [`ClientMessage`].
pub trait Message: Serialize + DeserializeOwned + sealed::Sealed {
    /// Longest line, with its newline.
    const MAX_LINE: usize;

    /// Makes every text in the message harmless.
    fn sanitize(&mut self);

    /// Whether the message carries flows: many, and checked against the schema only on demand.
    fn is_bulk(&self) -> bool;

    /// Holds a message against its schema.
    ///
    /// # Errors
    /// When it does not fit.
    #[cfg(feature = "schema")]
    fn validate(value: &serde_json::Value) -> Result<(), crate::schema::SchemaError>;
}

impl Message for ServerMessage {
    const MAX_LINE: usize = MAX_SERVER_LINE;

    fn sanitize(&mut self) {
        Self::sanitize(self);
    }

    fn is_bulk(&self) -> bool {
        matches!(self, Self::Delta(_))
    }

    #[cfg(feature = "schema")]
    fn validate(value: &serde_json::Value) -> Result<(), crate::schema::SchemaError> {
        crate::schema::validate_server(value)
    }
}

impl Message for ClientMessage {
    const MAX_LINE: usize = MAX_CLIENT_LINE;

    fn sanitize(&mut self) {
        Self::sanitize(self);
    }

    fn is_bulk(&self) -> bool {
        false
    }

    #[cfg(feature = "schema")]
    fn validate(value: &serde_json::Value) -> Result<(), crate::schema::SchemaError> {
        crate::schema::validate_client(value)
    }
}

/// Appends the message and a newline.
///
/// # Errors
/// When the line would be longer than the other side accepts; `out` is then as it was.
pub fn encode_line<M: Message>(message: &M, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let before = out.len();
    let written = serde_json::to_writer(&mut *out, message);
    out.push(b'\n');
    let len = out.len() - before;
    let result = match written {
        Err(error) => Err(EncodeError::Json(error)),
        Ok(()) if len > M::MAX_LINE => Err(EncodeError::Long { len, limit: M::MAX_LINE }),
        Ok(()) => Ok(()),
    };
    if result.is_err() {
        out.truncate(before);
    }
    result
}

/// Decodes one line, with or without its newline. For recordings and tests; a connection wants
/// [`LineDecoder`].
///
/// # Errors
/// When the line is not a message within the limits.
pub fn decode_line<M: Message>(line: &[u8], validate: Validate) -> Result<M, DecodeError> {
    let body = line.strip_suffix(b"\n").unwrap_or(line);
    let within = body.get(..M::MAX_LINE).unwrap_or(body);
    Scan::default().feed(within).map_err(|(error, at)| DecodeError::Scan { error, at })?;
    if within.len() >= M::MAX_LINE {
        return Err(DecodeError::Long { limit: M::MAX_LINE });
    }
    decode_body(body, validate)
}

/// The rest of decoding, for a line that has passed the limits.
fn decode_body<M: Message>(body: &[u8], validate: Validate) -> Result<M, DecodeError> {
    if body.starts_with(b"\xef\xbb\xbf") {
        return Err(DecodeError::ByteOrderMark);
    }
    let text = std::str::from_utf8(body).map_err(|e| DecodeError::Utf8 { at: e.valid_up_to() })?;
    if text.bytes().all(|b| b.is_ascii_whitespace()) {
        return Err(DecodeError::Empty);
    }
    let mut message: M = typed(text).map_err(|e| DecodeError::Json(JsonError::new(text, &e)))?;
    validate.check(text, &message)?;
    message.sanitize();
    Ok(message)
}

fn typed<M: Message>(text: &str) -> Result<M, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let message = M::deserialize(strict::Strict(&mut json))?;
    json.end()?;
    Ok(message)
}

/// Which messages a decoder holds against the JSON Schema besides decoding them strictly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validate {
    /// All but deltas; none in builds without the feature `schema`.
    #[default]
    Control,
    /// All (`--validate`); none in builds without the feature `schema`.
    All,
}

impl Validate {
    #[cfg(feature = "schema")]
    fn check<M: Message>(self, text: &str, message: &M) -> Result<(), DecodeError> {
        if self == Self::Control && message.is_bulk() {
            return Ok(());
        }
        let value = serde_json::from_str(text).map_err(|e| DecodeError::Json(JsonError::new(text, &e)))?;
        Ok(M::validate(&value)?)
    }

    #[cfg(not(feature = "schema"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "same shape as with the schema")]
    fn check<M: Message>(self, _: &str, _: &M) -> Result<(), DecodeError> {
        Ok(())
    }
}

/// Takes lines apart. Holds at most one line and what is pushed at once, if `next` is called until
/// it gives `None` after every `push`.
#[derive(Debug)]
pub struct LineDecoder<M> {
    buffer: Vec<u8>,
    /// Where the current line begins in `buffer`.
    start: usize,
    /// How far `buffer` has passed `scan`.
    scanned: usize,
    scan: Scan,
    validate: Validate,
    failed: bool,
    message: PhantomData<fn() -> M>,
}

impl<M: Message> Default for LineDecoder<M> {
    fn default() -> Self {
        Self::new(Validate::Control)
    }
}

impl<M: Message> LineDecoder<M> {
    /// At the beginning of a line.
    #[must_use]
    pub fn new(validate: Validate) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            scan: Scan::default(),
            validate,
            failed: false,
            message: PhantomData,
        }
    }

    /// Takes bytes from the other side.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed {
            return;
        }
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message; `None` when more bytes are needed or an error has been given.
    #[expect(clippy::should_implement_trait, reason = "None is not the end: more may be pushed")]
    pub fn next(&mut self) -> Option<Result<M, DecodeError>> {
        let result = if self.failed { None } else { self.try_next().transpose() };
        if let Some(Err(_)) = result {
            self.failed = true;
            self.buffer = Vec::new();
            self.start = 0;
            self.scanned = 0;
        }
        result
    }

    /// Bytes of an unfinished line.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// To be called when the other side has closed.
    ///
    /// # Errors
    /// When it closed in the middle of a line.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.pending() {
            0 => Ok(()),
            bytes => Err(DecodeError::Unfinished { bytes }),
        }
    }

    fn try_next(&mut self) -> Result<Option<M>, DecodeError> {
        let fresh = self.buffer.get(self.scanned..).unwrap_or_default();
        let newline = memchr::memchr(b'\n', fresh);
        let fresh = fresh.get(..newline.unwrap_or(fresh.len())).unwrap_or_default();
        // A line of MAX_LINE bytes has its newline as the last one.
        let before = self.scanned - self.start;
        let room = M::MAX_LINE.saturating_sub(before + 1);
        let within = fresh.get(..room).unwrap_or(fresh);
        self.scan.feed(within).map_err(|(error, at)| DecodeError::Scan { error, at: before + at })?;
        if within.len() < fresh.len() {
            return Err(DecodeError::Long { limit: M::MAX_LINE });
        }
        self.scanned += fresh.len();
        if newline.is_none() {
            return Ok(None);
        }
        let body = self.buffer.get(self.start..self.scanned).unwrap_or_default();
        let message = decode_body(body, self.validate)?;
        self.scanned += 1;
        self.start = self.scanned;
        self.scan = Scan::default();
        Ok(Some(message))
    }
}
