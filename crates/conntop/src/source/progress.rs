//! The point of a stream that has been handed on, from which a new connection can go on.

use conntop_proto::message::{Resume, ServerMessage};

/// Follows a stream of messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    epoch: u64,
    synced: bool,
    cursor: Option<u64>,
    point: Option<Resume>,
}

impl Progress {
    /// Notes a message that is handed on.
    pub(super) fn note(&mut self, message: &ServerMessage) {
        match message {
            ServerMessage::Reset(reset) => *self = Self { epoch: reset.epoch, ..Self::default() },
            ServerMessage::Synced(_) => self.synced = true,
            ServerMessage::Delta(delta) => self.cursor = delta.in_step.then_some(delta.cursor),
            _ => return,
        }
        if let (true, Some(cursor)) = (self.synced, self.cursor) {
            self.point = Some(Resume { epoch: self.epoch, cursor });
        }
    }

    /// Where to go on.
    pub(super) fn resume(&self) -> Option<Resume> {
        self.point
    }
}
