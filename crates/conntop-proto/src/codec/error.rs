//! What can be wrong with bytes from the other side: what and where, never the whole of it, and no
//! text of theirs that has not been sanitized.

use super::ScanError;
use crate::text::sanitize;

/// A line that is not a message.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// No newline within the limit.
    #[error("line longer than {limit} bytes")]
    Long {
        /// Bytes.
        limit: usize,
    },
    /// A lexical limit was broken.
    #[error("{error} at byte {at} of the line")]
    Scan {
        /// Which.
        error: ScanError,
        /// Byte of the line, from 0.
        at: usize,
    },
    /// Not UTF-8.
    #[error("invalid UTF-8 at byte {at} of the line")]
    Utf8 {
        /// Byte of the line, from 0.
        at: usize,
    },
    /// The line begins with a byte order mark.
    #[error("the line begins with a byte order mark")]
    ByteOrderMark,
    /// A line without a message.
    #[error("empty line")]
    Empty,
    /// Not JSON, or JSON of another shape.
    #[error(transparent)]
    Json(JsonError),
    /// The other side closed in the middle of a line.
    #[error("the stream ends {bytes} bytes into a line")]
    Unfinished {
        /// Bytes of that line.
        bytes: usize,
    },
    /// Well typed, but against the JSON Schema.
    #[cfg(feature = "schema")]
    #[error(transparent)]
    Schema(#[from] crate::schema::SchemaError),
    /// The compressed stream around the lines is broken.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// A frame of the compressed stream that is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length before it is 0 or above the limit.
    #[error("frame of {len} bytes, between 1 and {limit} are allowed")]
    Length {
        /// Bytes as announced.
        len: u32,
        /// Bytes.
        limit: usize,
    },
    /// Not exactly one zstd frame.
    #[error("not exactly one zstd frame of the announced length")]
    Framing,
    /// The zstd header does not say how much will come out.
    #[error("zstd frame without its content size")]
    NoSize,
    /// Too much would come out.
    #[error("zstd frame of {size} bytes of content, at most {limit} are allowed")]
    Bomb {
        /// Bytes as announced.
        size: u64,
        /// Bytes.
        limit: usize,
    },
    /// Decompressing it piece by piece would take too much memory.
    #[error("zstd frame with a window of {size} bytes, at most 131072 are allowed")]
    Window {
        /// Bytes.
        size: u64,
    },
    /// zstd refuses it.
    #[error("zstd: {0}")]
    Zstd(String),
    /// The content does not end with a newline.
    #[error("zstd frame that does not hold whole lines")]
    Lines,
    /// The other side closed in the middle of a frame.
    #[error("the stream ends {bytes} bytes into a frame")]
    Unfinished {
        /// Bytes of that frame, its length included.
        bytes: usize,
    },
    /// This build cannot decompress.
    #[error("the server compresses, but this program was built without zstd")]
    Unsupported,
}

/// A message that cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// Longer than the other side accepts.
    #[error("a line of {len} bytes, the other side takes {limit}")]
    Long {
        /// Bytes.
        len: usize,
        /// Bytes.
        limit: usize,
    },
    /// serde refused.
    #[error("encode a message: {0}")]
    Json(serde_json::Error),
    /// zstd refused.
    #[error("compress a frame: {0}")]
    Zstd(std::io::Error),
}

/// Not JSON, or JSON of another shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at {path} (byte {column} of the line)")]
pub struct JsonError {
    /// What is wrong, in serde's words.
    pub what: String,
    /// Where, as jq would write it.
    pub path: String,
    /// Byte of the line, from 1.
    pub column: usize,
}

impl JsonError {
    pub(super) fn new(text: &str, error: &serde_json::Error) -> Self {
        let what = error.to_string();
        let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what);
        let column = error.column();
        let seen = text.as_bytes().get(..column).unwrap_or(text.as_bytes());
        Self { what: sanitize(what).into_owned(), path: sanitize(&path(seen)).into_owned(), column }
    }
}

/// One open bracket on the way to the fault.
enum Step {
    Member(String),
    Element(usize),
}

/// The path of the value at the end of `seen`, a prefix of a JSON text.
fn path(seen: &[u8]) -> String {
    let mut steps: Vec<Step> = Vec::new();
    let mut bytes = seen.iter().copied().peekable();
    let mut last_string = String::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => last_string = string(&mut bytes),
            b'{' => steps.push(Step::Member(String::new())),
            b'[' => steps.push(Step::Element(0)),
            b'}' | b']' if bytes.peek().is_some() => drop(steps.pop()),
            b':' => {
                if let Some(Step::Member(name)) = steps.last_mut() {
                    *name = std::mem::take(&mut last_string);
                }
            }
            b',' => match steps.last_mut() {
                Some(Step::Element(index)) => *index += 1,
                Some(Step::Member(name)) => name.clear(),
                None => {}
            },
            _ => {}
        }
    }
    if seen.ends_with(b"}")
        && let Some(Step::Member(name)) = steps.last_mut()
    {
        name.clear();
    }
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Member(name) if name.is_empty() => {}
            Step::Member(name) => path.extend([".", &name]),
            Step::Element(index) => path.push_str(&format!("[{index}]")),
        }
    }
    if path.is_empty() { ".".to_owned() } else { path }
}

/// The raw form of a string whose opening quote has been taken.
fn string(bytes: &mut impl Iterator<Item = u8>) -> String {
    let mut raw = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => raw.extend([Some(byte), bytes.next()].into_iter().flatten()),
            _ => raw.push(byte),
        }
    }
    String::from_utf8_lossy(&raw).into_owned()
}
