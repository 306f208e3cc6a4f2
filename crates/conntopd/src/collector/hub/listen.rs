//! Events: from raw batches into the table, and how far the kernel has been heard.

use conntop_proto::flow::BootMillis;
use nfnetlink::Read;
use nfnetlink::ct::{CtEvent, CtMessage};
use tokio::time::Instant;

use super::super::clock;
use super::super::report::{EventBatch, Listen};
use super::Hub;
use crate::table::Origin;

/// State of the event socket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ears {
    /// Not wanted, or not possible.
    Deaf,
    Opening,
    Open {
        buffer: u64,
        /// Everything up to here was heard.
        drained: BootMillis,
        /// The thread was asked to tell when this moment is heard.
        asked: Option<BootMillis>,
    },
}

impl Hub {
    /// Whether there is a thread to listen.
    pub(super) fn tell_events(&self, what: Listen) -> bool {
        self.wires.events.as_ref().is_some_and(|events| events.send(what).is_ok())
    }

    pub(super) fn hear(&mut self, ears: Ears) {
        self.ears = ears;
        self.picker.listens(matches!(ears, Ears::Open { .. }));
    }

    pub(super) fn listening(&mut self, buffer: u64) {
        if !self.awake {
            return;
        }
        if matches!(self.ears, Ears::Open { .. }) {
            self.lost(None);
        }
        self.hear(Ears::Open { buffer, drained: BootMillis(0), asked: None });
        self.tell_kernel();
    }

    pub(super) fn not_listening(&mut self, error: &nfnetlink::Error) {
        tracing::warn!(%error, "no events: flows that begin and end between two passes are missed");
        if matches!(self.ears, Ears::Open { .. }) {
            self.lost(None);
        }
        self.hear(Ears::Deaf);
        self.listens = false;
        self.tell_kernel();
    }

    pub(super) fn events(&mut self, batch: EventBatch) {
        self.upkeep.add(batch.idle);
        let begun = clock::thread_cpu();
        if let Some(dropped) = batch.lost {
            tracing::debug!(?dropped, "events were lost");
            self.lost(dropped);
        }
        let mut messages = nfnetlink::messages(&batch.bytes);
        let mut ct = CtMessage::default();
        while let Some(read) = messages.next_into(&mut ct) {
            match read {
                Ok((_, Read::Event(CtEvent::New))) => self.table.observe(batch.span, Origin::NewEvent, &ct),
                Ok((_, Read::Event(CtEvent::Update))) => {
                    self.table.observe(batch.span, Origin::UpdateEvent, &ct);
                }
                Ok((_, Read::Event(CtEvent::Destroy))) => self.table.destroy(batch.span, &ct),
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "an event is left out"),
            }
        }
        if let (Some(at), Ears::Open { drained, asked, .. }) = (batch.drained, &mut self.ears) {
            *drained = at;
            *asked = asked.filter(|&asked| at <= asked);
        }
        // Full only if the thread is gone.
        let _ = self.wires.batches.try_send(batch.bytes);
        self.upkeep.except(clock::thread_cpu().saturating_sub(begun));
    }

    fn lost(&mut self, dropped: Option<u64>) {
        self.table.lost(clock::now(), dropped);
        self.picker.lost(Instant::now());
    }

    /// Whether every event up to `at` has been applied.
    pub(super) fn heard(&self, at: BootMillis) -> bool {
        match self.ears {
            Ears::Open { drained, .. } => drained > at,
            _ => true,
        }
    }

    /// Asks for the events that something waits for.
    pub(super) fn ask_for_events(&mut self) {
        let Some(awaited) = self.passes.awaits() else { return };
        if self.heard(awaited) {
            return;
        }
        if let Ears::Open { asked: asked @ None, .. } = &mut self.ears {
            *asked = Some(awaited);
            self.tell_events(Listen::Drain(awaited));
        }
    }
}
