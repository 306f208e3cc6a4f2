//! Frames: messages that belong together, encoded once and shared by all subscribers in step.

#[cfg(feature = "zstd")]
use std::cell::RefCell;
use std::sync::OnceLock;

use bytes::Bytes;
use conntop_proto::codec::encode_line;
#[cfg(feature = "zstd")]
use conntop_proto::codec::{EncodeError, ZstdEncoder};
#[cfg(feature = "zstd")]
use conntop_proto::limits::MAX_FRAME_OUTPUT;
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

    /// The same lines as zstd frames behind their 4-byte big-endian lengths: one, or as many as the
    /// protocol's limit takes. Encoded at the first call.
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
        let mut rest = lines;
        let mut frames = Vec::new();
        while !rest.is_empty() {
            let (content, more) = rest.split_at(whole_lines(rest));
            let frame = encoder.frame(content)?;
            rest = more;
            if frames.is_empty() && rest.is_empty() {
                return Ok(frame.into());
            }
            frames.extend(frame);
        }
        Ok(frames.into())
    })
}

/// Length of as many of the first lines as one frame may hold.
#[cfg(feature = "zstd")]
fn whole_lines(lines: &[u8]) -> usize {
    match lines.get(..MAX_FRAME_OUTPUT) {
        Some(most) if lines.len() > MAX_FRAME_OUTPUT => {
            most.iter().rposition(|&byte| byte == b'\n').map_or(lines.len(), |at| at + 1)
        }
        _ => lines.len(),
    }
}

#[cfg(all(test, feature = "zstd"))]
mod tests {
    use conntop_proto::codec::{ServerStream, Validate, encode_line};
    use conntop_proto::message::{Codec, Ping, ServerMessage};

    use super::Frame;

    #[test]
    fn what_one_frame_cannot_hold_goes_into_several() {
        for count in [1_u32, 12_000, 12_500, 40_000] {
            let messages: Vec<_> = (0..count).map(|nonce| ServerMessage::Ping(Ping { nonce })).collect();
            let frame = Frame::new(messages.clone());
            let mut stream = ServerStream::new(Validate::Control);
            let mut hello = Vec::new();
            encode_line(&messages[0], &mut hello).unwrap();
            stream.push(&hello);
            assert!(stream.next().unwrap().is_ok());
            stream.switch(Codec::Zstd).unwrap();
            stream.push(frame.zstd());
            let decoded: Vec<_> = std::iter::from_fn(|| stream.next()).map(Result::unwrap).collect();
            assert!(decoded == messages, "{count}: {} came back", decoded.len());
        }
    }
}
