//! Everything that a server sends, as its client reads it: lines until the client's `hello` has
//! asked for another codec, frames of lines after that.
//!
//! A server that closes before it has read that `hello` says `bye` as a plain line. Lengths of
//! frames never begin with `{`, so the two are told apart by the first byte.

use super::{DecodeError, FrameError, LineDecoder, Validate};
use crate::message::{Codec, ServerMessage};

/// Decodes a server's stream.
#[derive(Debug)]
pub struct ServerStream {
    lines: LineDecoder<ServerMessage>,
    #[cfg(feature = "zstd")]
    frames: Option<super::FrameDecoder>,
    failed: bool,
}

impl ServerStream {
    /// At the beginning, uncompressed.
    #[must_use]
    pub fn new(validate: Validate) -> Self {
        Self {
            lines: LineDecoder::new(validate),
            #[cfg(feature = "zstd")]
            frames: None,
            failed: false,
        }
    }

    /// To be called when the client has sent its `hello` with this codec, after the server's `hello`
    /// came out and before more bytes are pushed.
    ///
    /// # Errors
    /// When this build does not have the codec.
    #[cfg(feature = "zstd")]
    pub fn switch(&mut self, codec: Codec) -> Result<(), FrameError> {
        self.frames = match codec {
            Codec::None => None,
            Codec::Zstd => Some(super::FrameDecoder::new()?),
        };
        Ok(())
    }

    /// To be called when the client has sent its `hello` with this codec.
    ///
    /// # Errors
    /// When this build does not have the codec.
    #[cfg(not(feature = "zstd"))]
    pub fn switch(&mut self, codec: Codec) -> Result<(), FrameError> {
        match codec {
            Codec::None => Ok(()),
            Codec::Zstd => Err(FrameError::Unsupported),
        }
    }

    /// Takes bytes from the server.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed {
            return;
        }
        #[cfg(feature = "zstd")]
        if let Some(frames) = &mut self.frames {
            frames.push(bytes);
            return;
        }
        self.lines.push(bytes);
    }

    /// The next message; `None` when more bytes are needed or an error has been given.
    #[expect(clippy::should_implement_trait, reason = "None is not the end: more may be pushed")]
    pub fn next(&mut self) -> Option<Result<ServerMessage, DecodeError>> {
        while !self.failed {
            let refilled = match self.lines.next() {
                Some(Ok(message)) => return Some(Ok(message)),
                Some(Err(error)) => Err(error),
                None => self.refill().map_err(DecodeError::from),
            };
            match refilled {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.fail();
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// Keeps nothing and gives nothing any more.
    fn fail(&mut self) {
        self.failed = true;
        self.lines = LineDecoder::default();
        #[cfg(feature = "zstd")]
        drop(self.frames.take());
    }

    /// Bytes of an unfinished line or frame.
    #[must_use]
    pub fn pending(&self) -> usize {
        #[cfg(feature = "zstd")]
        let frames = self.frames.as_ref().map_or(0, super::FrameDecoder::pending);
        #[cfg(not(feature = "zstd"))]
        let frames = 0;
        self.lines.pending() + frames
    }

    /// To be called when the server has closed.
    ///
    /// # Errors
    /// When it closed in the middle of a line or a frame.
    pub fn finish(&self) -> Result<(), DecodeError> {
        #[cfg(feature = "zstd")]
        if let Some(bytes) = self.frames.as_ref().map(super::FrameDecoder::pending).filter(|&n| n > 0) {
            return Err(FrameError::Unfinished { bytes }.into());
        }
        self.lines.finish()
    }

    /// Gives the line decoder one line of a frame; whether there was any.
    #[cfg(feature = "zstd")]
    fn refill(&mut self) -> Result<bool, FrameError> {
        let Some(frames) = &mut self.frames else {
            return Ok(false);
        };
        let rest = if frames.has_lines() { &[] } else { frames.rest() };
        if self.lines.pending() > 0 || rest.first() == Some(&b'{') {
            let taken = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |i| i + 1);
            self.lines.push(rest.get(..taken).unwrap_or_default());
            frames.skip(taken);
            return Ok(taken > 0);
        }
        match frames.next_line() {
            None => Ok(false),
            Some(line) => {
                self.lines.push(line?);
                Ok(true)
            }
        }
    }

    #[cfg(not(feature = "zstd"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "same shape as with zstd")]
    fn refill(&mut self) -> Result<bool, FrameError> {
        Ok(false)
    }
}
