//! Recordings: the lines of the wire in a file, the server's hello first. Nothing else is added but a
//! `bye` where the connection was lost, so whatever can read the protocol can read a recording.

use std::io::Write;

use conntop_proto::codec::{EncodeError, encode_line};
use conntop_proto::message::{Bye, ByeReason, ServerHello, ServerMessage};

use super::SourceEvent;

/// Writes a recording.
#[derive(Debug)]
pub struct Recorder<W> {
    out: W,
    line: Vec<u8>,
    /// Whether the connection is known to be lost.
    lost: bool,
}

/// Why a recording cannot be continued.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The message does not fit the protocol's limits.
    #[error("record: {0}")]
    Encode(#[from] EncodeError),
    /// The file.
    #[error("write the recording: {0}")]
    Write(#[from] std::io::Error),
}

impl<W: Write> Recorder<W> {
    /// Begins a recording.
    pub fn new(out: W) -> Self {
        Self { out, line: Vec::new(), lost: false }
    }

    /// Writes what an event brings: the hello of a connection, messages, and that it was lost.
    ///
    /// # Errors
    /// When a message is too long or the writer fails.
    pub fn event(&mut self, event: &SourceEvent) -> Result<(), RecordError> {
        match event {
            SourceEvent::Connected(hello) => self.hello(hello),
            SourceEvent::Messages(messages) => {
                messages.as_slice().iter().try_for_each(|message| self.message(message))
            }
            // Each further attempt says the same.
            SourceEvent::Stale { cause, .. } if !self.lost => {
                self.lost = true;
                let text = cause.clone();
                self.message(&ServerMessage::Bye(Bye { reason: ByeReason::Timeout, text }))
            }
            SourceEvent::Stale { .. }
            | SourceEvent::Playing(_)
            | SourceEvent::Rewound
            | SourceEvent::Ended(_) => Ok(()),
        }
    }

    /// Writes a hello.
    ///
    /// # Errors
    /// As [`Recorder::event`].
    pub fn hello(&mut self, hello: &ServerHello) -> Result<(), RecordError> {
        self.lost = false;
        self.message(&ServerMessage::Hello(Box::new(hello.clone())))
    }

    /// Writes one message.
    ///
    /// # Errors
    /// As [`Recorder::event`].
    pub fn message(&mut self, message: &ServerMessage) -> Result<(), RecordError> {
        self.line.clear();
        encode_line(message, &mut self.line)?;
        self.out.write_all(&self.line)?;
        Ok(())
    }

    /// What is written to.
    pub fn out(&mut self) -> &mut W {
        &mut self.out
    }

    /// Flushes and gives the writer back.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn finish(mut self) -> Result<W, RecordError> {
        self.out.flush()?;
        Ok(self.out)
    }
}
