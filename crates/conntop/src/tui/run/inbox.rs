//! What the source has told and the application has not taken in yet: the rest of one event, so that
//! keys are looked at between two messages however many come at once.

use std::time::Instant;

use crate::mirror::MirrorError;
use crate::source::{Messages, SourceEvent};
use crate::tui::app::App;

/// The rest of an event.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    rest: Option<(Messages, usize)>,
}

impl Inbox {
    /// Whether everything has been taken in, so that the next event may come.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_none()
    }

    /// Begins with an event.
    pub(super) fn begin(
        &mut self,
        event: SourceEvent,
        app: &mut App,
        now: Instant,
    ) -> Result<(), MirrorError> {
        match event {
            SourceEvent::Messages(messages) => self.rest = Some((messages, 0)),
            event => app.apply(event, now)?,
        }
        Ok(())
    }

    /// Takes in the next message. After one that contradicts itself, the rest is not looked at.
    pub(super) fn step(&mut self, app: &mut App, now: Instant) -> Result<(), MirrorError> {
        let Some((messages, at)) = self.rest.take() else { return Ok(()) };
        let Some(message) = messages.as_slice().get(at) else { return Ok(()) };
        app.apply_message(message, now)?;
        let next = at + 1;
        if next < messages.as_slice().len() {
            self.rest = Some((messages, next));
        }
        Ok(())
    }
}
