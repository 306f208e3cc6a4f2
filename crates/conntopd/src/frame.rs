//! Frames: messages that belong together, encoded once and shared by all subscribers in step.

#[cfg(feature = "zstd")]
use std::cell::RefCell;
use std::sync::OnceLock;

use bytes::Bytes;
use conntop_proto::codec::encode_line;
#[cfg(feature = "zstd")]
use conntop_proto::codec::{EncodeError, ZstdEncoder};
use conntop_proto::message::ServerMessage;

/// Messages in the order in which they are to be applied.
#[derive(Debug, Default)]
pub struct Frame {
    /// The messages.
    pub messages: Vec<ServerMessage>,
    line: OnceLock<Bytes>,
    #[cfg(feature = "zstd")]
    zstd: OnceLock<Bytes>,
}

impl Frame {
    /// A frame of these messages, not encoded yet.
    #[must_use]
    pub fn new(messages: Vec<ServerMessage>) -> Self {
        Self { messages, ..Self::default() }
    }

    /// The messages as lines of JSON. Encoded at the first call.
    pub fn line(&self) -> &Bytes {
        self.line.get_or_init(|| {
            let mut out = Vec::new();
            for message in &self.messages {
                if let Err(error) = encode_line(message, &mut out) {
                    tracing::error!(%error, "a message cannot be encoded and is left out");
                }
            }
            Bytes::from(out)
        })
    }

    /// The same lines as one zstd frame behind its 4-byte big-endian length. Encoded at the first
    /// call.
    #[cfg(feature = "zstd")]
    pub fn zstd(&self) -> &Bytes {
        self.zstd.get_or_init(|| {
            compress(self.line()).unwrap_or_else(|error| {
                tracing::error!(%error, "a frame cannot be compressed and is left out");
                Bytes::new()
            })
        })
    }
}

#[cfg(feature = "zstd")]
thread_local! {
    /// A context takes a few hundred KiB and is made once a thread.
    static ENCODER: RefCell<Option<ZstdEncoder>> = const { RefCell::new(None) };
}

#[cfg(feature = "zstd")]
fn compress(lines: &[u8]) -> Result<Bytes, EncodeError> {
    ENCODER.with_borrow_mut(|encoder| {
        let encoder = match encoder {
            Some(encoder) => encoder,
            None => encoder.insert(ZstdEncoder::new()?),
        };
        encoder.frame(lines).map(Bytes::from)
    })
}
