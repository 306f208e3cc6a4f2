//! What the decoder cannot know of a message: whether it may stand where it stands, and whether a delta's
//! columns fit together. What passes here the mirror can apply, so a bad server ends its own connection
//! and nothing else.

use conntop_proto::columns::ColumnsError;
use conntop_proto::message::{Resume, ServerHello, ServerMessage};

/// Weight of the messages that are handed on together: one delta of the largest kind.
pub(super) const BATCH: usize = 1_000;

/// A message that contradicts what came before it, or itself.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    #[error("a second hello")]
    Hello,
    #[error("a challenge or proof after the hello")]
    Authentication,
    #[error("a {0} before the first reset")]
    Early(&'static str),
    #[error("the cursor falls from {from} to {to} without a reset")]
    Cursor { from: u64, to: u64 },
    #[error("delta at cursor {cursor}: {source}")]
    Columns { cursor: u64, source: ColumnsError },
}

/// Follows one connection's messages from its hello on.
#[derive(Debug)]
pub(super) struct Order {
    /// The position reached; `None` before the first reset of a client that does not go on from one.
    cursor: Option<u64>,
}

impl Order {
    /// After a server's hello, to which the client answered that it goes on from `resume`.
    pub(super) fn new(hello: &ServerHello, resume: Option<Resume>) -> Self {
        let same = resume.filter(|resume| resume.epoch == hello.epoch);
        Self { cursor: same.map(|resume| resume.cursor) }
    }

    /// Takes the next message.
    pub(super) fn check(&mut self, message: &ServerMessage) -> Result<(), OrderError> {
        match message {
            ServerMessage::Hello(_) => return Err(OrderError::Hello),
            ServerMessage::Challenge(_) | ServerMessage::Proof(_) => return Err(OrderError::Authentication),
            ServerMessage::Reset(_) => self.cursor = Some(0),
            ServerMessage::Synced(_) => {
                self.cursor.ok_or(OrderError::Early("synced"))?;
            }
            ServerMessage::Delta(delta) => {
                let from = self.cursor.replace(delta.cursor).ok_or(OrderError::Early("delta"))?;
                if delta.cursor < from {
                    return Err(OrderError::Cursor { from, to: delta.cursor });
                }
                let cursor = delta.cursor;
                delta.rows().map_err(|source| OrderError::Columns { cursor, source })?;
            }
            ServerMessage::Host(_)
            | ServerMessage::Table(_)
            | ServerMessage::Lost(_)
            | ServerMessage::Terminated(_)
            | ServerMessage::Interfaces(_)
            | ServerMessage::Listeners(_)
            | ServerMessage::Ping(_)
            | ServerMessage::Pong(_)
            | ServerMessage::Bye(_) => {}
        }
        Ok(())
    }
}

/// How much memory a message takes, in rows of a delta, about.
pub(super) fn weigh(message: &ServerMessage) -> usize {
    match message {
        ServerMessage::Delta(delta) => {
            let parts = [&delta.ended.id, &delta.new.id, &delta.state.id, &delta.traffic.id, &delta.meta.id];
            10 + parts.iter().map(|ids| ids.len()).sum::<usize>()
        }
        ServerMessage::Host(_) | ServerMessage::Interfaces(_) | ServerMessage::Listeners(_) => BATCH,
        _ => 10,
    }
}
