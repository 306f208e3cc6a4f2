//! The compressed stream: 4-byte big-endian lengths, each followed by one zstd frame of whole lines.
//! Frames do not refer to each other, so one that is made once fits every client in step. A frame
//! states its content size, which is checked before anything is decompressed.

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, find_frame_compressed_size, get_frame_content_size};

use super::{EncodeError, FrameError};
use crate::limits::{MAX_FRAME_INPUT, MAX_FRAME_OUTPUT, ZSTD_WINDOW_LOG};

/// Compresses lines into frames. Level 1: higher ones gain nothing on columns of numbers.
pub struct ZstdEncoder(Compressor<'static>);

impl std::fmt::Debug for ZstdEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ZstdEncoder")
    }
}

impl ZstdEncoder {
    /// An encoder; it owns a context of a few hundred KiB, so share it.
    ///
    /// # Errors
    /// When zstd has no memory.
    pub fn new() -> Result<Self, EncodeError> {
        let mut compressor = Compressor::new(1).map_err(EncodeError::Zstd)?;
        compressor.set_parameter(CParameter::WindowLog(ZSTD_WINDOW_LOG)).map_err(EncodeError::Zstd)?;
        Ok(Self(compressor))
    }

    /// The frame with its length in front. `lines` ends with a newline.
    ///
    /// # Errors
    /// When there is more than one frame may hold.
    pub fn frame(&mut self, lines: &[u8]) -> Result<Vec<u8>, EncodeError> {
        if lines.len() > MAX_FRAME_OUTPUT {
            return Err(EncodeError::Long { len: lines.len(), limit: MAX_FRAME_OUTPUT });
        }
        let frame = self.0.compress(lines).map_err(EncodeError::Zstd)?;
        let len = u32::try_from(frame.len())
            .map_err(|_| EncodeError::Long { len: frame.len(), limit: MAX_FRAME_INPUT })?;
        let mut out = Vec::with_capacity(4 + frame.len());
        out.extend(len.to_be_bytes());
        out.extend(frame);
        Ok(out)
    }
}

/// Takes frames apart. Holds at most one frame, its content and what is pushed at once, if `next` is
/// called until it gives `None` after every `push`.
pub struct FrameDecoder {
    buffer: Vec<u8>,
    start: usize,
    content: Vec<u8>,
    /// How much of `content` [`FrameDecoder::next_line`] has given.
    given: usize,
    zstd: Decompressor<'static>,
    failed: bool,
}

impl std::fmt::Debug for FrameDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameDecoder").field("pending", &self.pending()).finish_non_exhaustive()
    }
}

impl FrameDecoder {
    /// At the beginning of a frame.
    ///
    /// # Errors
    /// When zstd has no memory.
    pub fn new() -> Result<Self, FrameError> {
        let zstd = Decompressor::new().map_err(|e| FrameError::Zstd(e.to_string()))?;
        Ok(Self { buffer: Vec::new(), start: 0, content: Vec::new(), given: 0, zstd, failed: false })
    }

    /// Takes bytes from the server.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed {
            return;
        }
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        // Doubled as it grows, the buffer of a large frame would take twice its length.
        let announced = self.buffer.first_chunk::<4>().map(|length| u32::from_be_bytes(*length));
        let wanted = announced.and_then(|len| usize::try_from(len).ok()).unwrap_or(0).min(MAX_FRAME_INPUT);
        let needed = bytes.len().max((4 + wanted).saturating_sub(self.buffer.len()));
        self.buffer.reserve_exact(needed);
        self.buffer.extend_from_slice(bytes);
    }

    /// Content of the next frame: whole lines. `None` when more bytes are needed or an error has
    /// been given.
    #[expect(clippy::should_implement_trait, reason = "None is not the end, and the item is lent")]
    pub fn next(&mut self) -> Option<Result<&[u8], FrameError>> {
        if self.failed {
            return None;
        }
        match self.try_next() {
            Ok(false) => None,
            Ok(true) => {
                self.given = self.content.len();
                Some(Ok(&self.content))
            }
            Err(error) => {
                self.failed = true;
                self.buffer = Vec::new();
                self.start = 0;
                Some(Err(error))
            }
        }
    }

    /// Like `next`, but one line of the content after the other, so that nobody has to copy it whole.
    pub(super) fn next_line(&mut self) -> Option<Result<&[u8], FrameError>> {
        if !self.has_lines() {
            match self.next()? {
                Ok(_) => self.given = 0,
                Err(error) => return Some(Err(error)),
            }
        }
        let rest = self.content.get(self.given..).unwrap_or_default();
        let len = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        self.given += len;
        Some(Ok(rest.get(..len).unwrap_or_default()))
    }

    /// Whether there are lines of a frame that [`FrameDecoder::next_line`] has not given.
    pub(super) fn has_lines(&self) -> bool {
        !self.failed && self.given < self.content.len()
    }

    /// Bytes of an unfinished frame.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// The bytes of an unfinished frame.
    pub(super) fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Takes the next `n` bytes as seen by somebody else.
    pub(super) fn skip(&mut self, n: usize) {
        self.start = (self.start + n).min(self.buffer.len());
    }

    fn try_next(&mut self) -> Result<bool, FrameError> {
        let Some((length, rest)) = self.rest().split_first_chunk::<4>() else {
            return Ok(false);
        };
        let announced = u32::from_be_bytes(*length);
        let len = usize::try_from(announced).unwrap_or(usize::MAX);
        if len == 0 || len > MAX_FRAME_INPUT {
            return Err(FrameError::Length { len: announced, limit: MAX_FRAME_INPUT });
        }
        let Some(frame) = rest.get(..len) else {
            return Ok(false);
        };
        let size = content_size(frame)?;
        self.content.clear();
        self.given = 0;
        self.content.reserve_exact(size);
        let frame = self.buffer.get(self.start + 4..self.start + 4 + len).unwrap_or_default();
        self.zstd
            .decompress_to_buffer(frame, &mut self.content)
            .map_err(|e| FrameError::Zstd(e.to_string()))?;
        if self.content.last() != Some(&b'\n') {
            return Err(FrameError::Lines);
        }
        self.start += 4 + len;
        Ok(true)
    }
}

/// What a frame says that it holds, if that is allowed.
fn content_size(frame: &[u8]) -> Result<usize, FrameError> {
    let size = get_frame_content_size(frame).map_err(|_| FrameError::Framing)?.ok_or(FrameError::NoSize)?;
    let bomb = FrameError::Bomb { size, limit: MAX_FRAME_OUTPUT };
    let bytes = usize::try_from(size).ok().filter(|&s| s <= MAX_FRAME_OUTPUT).ok_or(bomb)?;
    match find_frame_compressed_size(frame) {
        Ok(len) if len == frame.len() => {}
        _ => return Err(FrameError::Framing),
    }
    match window(frame).ok_or(FrameError::Framing)?.unwrap_or(size) {
        window if window > 1 << ZSTD_WINDOW_LOG => Err(FrameError::Window { size: window }),
        _ => Ok(bytes),
    }
}

/// The window that a frame names (RFC 8878, 3.1.1.1), so that nobody who decompresses piece by piece is
/// asked for more memory than the protocol says; `Some(None)` where it is the content's size.
fn window(frame: &[u8]) -> Option<Option<u64>> {
    const SINGLE_SEGMENT: u8 = 1 << 5;
    let [_, _, _, _, descriptor, window, ..] = frame else { return None };
    if descriptor & SINGLE_SEGMENT != 0 {
        return Some(None);
    }
    let base = 1_u64 << (10 + (window >> 3));
    Some(Some(base + base / 8 * u64::from(window & 7)))
}
