//! Frames: messages that belong together, encoded once and shared by all subscribers in step.

use std::sync::OnceLock;

use bytes::Bytes;
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
                let whole = out.len();
                match serde_json::to_writer(&mut out, message) {
                    Ok(()) => out.push(b'\n'),
                    Err(error) => {
                        tracing::error!(%error, "a message cannot be encoded and is left out");
                        out.truncate(whole);
                    }
                }
            }
            Bytes::from(out)
        })
    }

    /// The same lines as one zstd frame behind its 4-byte big-endian length. Encoded at the first
    /// call.
    #[cfg(feature = "zstd")]
    pub fn zstd(&self) -> &Bytes {
        self.zstd.get_or_init(|| self.line().clone())
    }
}
