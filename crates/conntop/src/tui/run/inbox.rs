//! What the source has told and the application has not taken in yet: the rest of one event, so that
//! keys are looked at between two messages however many come at once.

use std::time::Instant;

use crate::mirror::MirrorError;
use crate::source::{Messages, NodeId, SourceEvent};
use crate::tui::app::App;

/// The rest of an event.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    rest: Option<(NodeId, Messages, usize)>,
}

impl Inbox {
    /// Whether everything has been taken in, so that the next event may come.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_none()
    }

    /// Begins with an event.
    pub(super) fn begin(
        &mut self,
        node: NodeId,
        event: SourceEvent,
        app: &mut App,
        now: Instant,
    ) -> Result<(), (NodeId, MirrorError)> {
        match event {
            SourceEvent::Messages(messages) => self.rest = Some((node, messages, 0)),
            event => app.apply_of(node, event, now).map_err(|error| (node, error))?,
        }
        Ok(())
    }

    /// Takes in the next message. After one that contradicts itself, the rest is not looked at.
    pub(super) fn step(&mut self, app: &mut App, now: Instant) -> Result<(), (NodeId, MirrorError)> {
        let Some((node, messages, at)) = self.rest.take() else { return Ok(()) };
        let Some(message) = messages.as_slice().get(at) else { return Ok(()) };
        app.apply_message(node, message, now).map_err(|error| (node, error))?;
        let next = at + 1;
        if next < messages.as_slice().len() {
            self.rest = Some((node, messages, next));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use conntop_proto::delta::{DeltaHeader, DeltaRows};
    use conntop_proto::flow::FlowId;
    use conntop_proto::message::{Reset, ResetReason, ServerMessage};

    use super::*;
    use crate::engine::Engine;
    use crate::flow::testing::flow;
    use crate::source::Messages;
    use crate::tui::app::Options;

    fn delta(id: u64) -> ServerMessage {
        let rows = DeltaRows { new: vec![flow(id, "10.0.0.1:1", "10.0.0.2:2")], ..DeltaRows::default() };
        ServerMessage::Delta(Box::new(rows.into_delta(DeltaHeader { cursor: id, ..DeltaHeader::default() })))
    }

    /// A delta whose columns do not fit together.
    fn torn(id: u64) -> ServerMessage {
        let ServerMessage::Delta(mut delta) = delta(id) else { unreachable!() };
        delta.new.id = [FlowId(id), FlowId(9)].into_iter().collect();
        ServerMessage::Delta(delta)
    }

    #[test]
    fn messages_are_taken_in_one_by_one_until_one_is_wrong() {
        let start = ServerMessage::Reset(Reset { epoch: 1, reason: ResetReason::Start });
        let check = |messages: Vec<ServerMessage>, wanted: &[usize]| {
            let mut app = App::new(Engine::default(), Options::default(), (80, 24));
            let (mut inbox, now) = (Inbox::default(), Instant::now());
            inbox.begin(NodeId(0), SourceEvent::Messages(Messages::new(messages)), &mut app, now).unwrap();
            let mut held = vec![app.engine().mirror().len()];
            while !inbox.is_empty() {
                let _wrong = inbox.step(&mut app, now);
                held.push(app.engine().mirror().len());
            }
            assert_eq!(held, wanted);
        };
        check(Vec::new(), &[0, 0]);
        check(vec![start.clone(), delta(1), delta(2)], &[0, 0, 1, 2]);
        check(vec![start, delta(1), torn(2), delta(3)], &[0, 0, 1, 1]);
    }
}
