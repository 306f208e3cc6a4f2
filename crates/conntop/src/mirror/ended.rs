//! Flows that ended a short while ago, with their final totals.

use std::collections::VecDeque;

use conntop_proto::flow::{BootMillis, EndReason, FlowId};
use hashbrown::HashSet;

use super::Limits;
use super::flow::Flow;

/// A flow that ended.
#[derive(Clone, Debug)]
pub struct EndedFlow {
    /// The flow with its final totals.
    pub flow: Flow,
    /// When the collector learned of the end.
    pub at: BootMillis,
    /// Why it ended; anything but `Destroyed` means that the totals are the last that were seen.
    pub reason: EndReason,
    /// Microseconds since 1970 by the router's wall clock; `None` when the kernel gave no time.
    pub stop: Option<u64>,
}

impl EndedFlow {
    pub(super) fn new(flow: Flow, at: BootMillis, reason: EndReason, stop: Option<u64>) -> Self {
        Self { flow, at, reason, stop }
    }
}

/// Ended flows in the order of their arrival.
#[derive(Debug, Default)]
pub(super) struct Ended {
    flows: VecDeque<EndedFlow>,
    ids: HashSet<FlowId>,
}

impl Ended {
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &EndedFlow> {
        self.flows.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Flow> {
        self.flows.iter_mut().map(|ended| &mut ended.flow)
    }

    pub(super) fn push(&mut self, ended: EndedFlow, limits: &Limits) {
        self.ids.insert(ended.flow.id());
        self.flows.push_back(ended);
        if self.flows.len() > limits.ended {
            self.pop();
        }
    }

    /// Forgets those that have been kept long enough; true if there were any.
    pub(super) fn expire(&mut self, now: BootMillis, limits: &Limits) -> bool {
        let before = self.flows.len();
        let ghost = u64::try_from(limits.ghost.as_millis()).unwrap_or(u64::MAX);
        while self.flows.front().is_some_and(|e| now.since(e.at) > ghost) {
            self.pop();
        }
        self.flows.len() < before
    }

    pub(super) fn knows(&self, id: FlowId) -> bool {
        self.ids.contains(&id)
    }

    fn pop(&mut self) {
        if let Some(ended) = self.flows.pop_front() {
            self.ids.remove(&ended.flow.id());
        }
    }

    pub(super) fn clear(&mut self) {
        self.flows.clear();
        self.ids.clear();
    }
}
