//! What comes out of a decoder, to be compared with what comes out of it otherwise.

use conntop_proto::codec::{DecodeError, LineDecoder, Message, ServerStream, Validate};
use conntop_proto::limits::{MAX_FRAME_INPUT, MAX_FRAME_OUTPUT, MAX_SERVER_LINE};
use conntop_proto::message::{Codec, ServerMessage};

/// Messages, and the error that ended them.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome<M> {
    pub(crate) messages: Vec<M>,
    pub(crate) error: Option<String>,
}

impl<M> Default for Outcome<M> {
    fn default() -> Self {
        Self { messages: Vec::new(), error: None }
    }
}

impl<M> Outcome<M> {
    fn drain(&mut self, mut next: impl FnMut() -> Option<Result<M, DecodeError>>) {
        while let Some(result) = next() {
            assert_eq!(self.error, None, "something comes after the error");
            match result {
                Ok(message) => self.messages.push(message),
                Err(error) => self.error = Some(error.to_string()),
            }
        }
    }
}

/// Decodes lines that come in these pieces.
pub(crate) fn lines<M: Message>(pieces: &[&[u8]], validate: Validate) -> Outcome<M> {
    let mut decoder = LineDecoder::<M>::new(validate);
    let mut outcome = Outcome::default();
    for piece in pieces {
        decoder.push(piece);
        outcome.drain(|| decoder.next());
        assert!(decoder.pending() < M::MAX_LINE, "{} bytes are held back", decoder.pending());
    }
    if outcome.error.is_none() {
        outcome.error = decoder.finish().err().map(|error| error.to_string());
    }
    outcome
}

/// Decodes what a server sends after the handshake.
pub(crate) fn stream(pieces: &[&[u8]], codec: Codec) -> Outcome<ServerMessage> {
    let mut stream = ServerStream::new(Validate::Control);
    stream.switch(codec).expect("zstd has memory");
    let mut outcome = Outcome::default();
    for piece in pieces {
        stream.push(piece);
        outcome.drain(|| stream.next());
        let most = MAX_FRAME_INPUT + MAX_FRAME_OUTPUT + MAX_SERVER_LINE;
        assert!(stream.pending() <= most, "{} bytes are held back", stream.pending());
    }
    if outcome.error.is_none() {
        outcome.error = stream.finish().err().map(|error| error.to_string());
    }
    outcome
}
