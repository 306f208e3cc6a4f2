//! Rounds of questions for single flows: those that a pass missed, and those that somebody looks at
//! in a tick that no pass covers.

use std::time::Duration;

use conntop_proto::message::Coverage;
use nfnetlink::Read;
use nfnetlink::ct::{CtMessage, FlowRef};
use tokio::time::Instant;

use super::super::clock;
use super::super::report::{Ask, Flows};
use super::Hub;
use crate::table::{Handle, ReadSpan};

/// Most flows of a round.
const MOST: usize = 1000;
/// The kernel has no such flow.
const ENOENT: i32 = 2;

/// Questions that were asked, and those that are still to be.
#[derive(Default)]
pub(super) struct Rounds {
    /// Missed by the latest pass.
    suspects: Vec<Handle>,
    /// Flows of the round in the order of the questions; suspects first.
    asked: Vec<Handle>,
    state: State,
    /// Number of the source.
    source: usize,
    cost: Duration,
    /// Its memory goes round.
    spare: Vec<FlowRef>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    Asked,
    /// All answers are there; some may wait for events before them.
    Read,
}

impl Rounds {
    pub(super) fn is_running(&self) -> bool {
        self.state != State::Idle
    }

    /// Nobody wants the answers any more.
    pub(super) fn void(&mut self) {
        self.suspects.clear();
        self.asked.clear();
    }

    pub(super) fn applied(&mut self, cost: Duration) {
        self.cost += cost;
    }
}

impl Hub {
    /// Collects what the pass that has just ended missed. Returns whether that is more than can be
    /// asked for.
    pub(super) fn suspect(&mut self) -> bool {
        self.rounds.suspects.clear();
        if self.table.pass().coverage == Coverage::Whole {
            return false;
        }
        let before = clock::thread_cpu();
        let most = self.picker.worth_asking(self.size()).min(MOST);
        let suspects = self.table.suspects(most + 1);
        self.picker.spent(clock::thread_cpu().saturating_sub(before));
        let many = suspects.len() > most;
        if !many {
            self.rounds.suspects = suspects;
        }
        many
    }

    /// Asks for suspects, and at a tick for what somebody looks at.
    pub(super) fn begin_round(&mut self, tick: bool, now: Instant) {
        if self.rounds.is_running() {
            return;
        }
        let looks = tick && !self.passes.covers_all();
        if self.rounds.suspects.is_empty() && !looks {
            return;
        }
        let Some((source, most)) = self.picker.named(self.interval) else { return };
        self.rounds.asked.clear();
        self.rounds.asked.append(&mut self.rounds.suspects);
        if looks {
            self.focus.resolve(&self.table);
            let left = most.min(MOST).saturating_sub(self.rounds.asked.len());
            self.focus.pick(left, |handle| self.rounds.asked.push(handle));
        }
        let mut flows = std::mem::take(&mut self.rounds.spare);
        flows.clear();
        self.rounds.asked.retain(|&handle| {
            let flow = self.table.request(handle);
            flows.extend(flow);
            flow.is_some()
        });
        if flows.is_empty() {
            self.rounds.spare = flows;
            return;
        }
        (self.rounds.state, self.rounds.source, self.rounds.cost) = (State::Asked, source, Duration::ZERO);
        self.picker.open(now);
        self.ask(Ask::Flows { source, flows });
    }

    /// Takes in answers; the question with sequence number `first` was for flow number `flow`.
    pub(super) fn answers(&mut self, bytes: &[u8], span: ReadSpan, first: u32, flow: usize) {
        let (mut messages, mut ct) = (nfnetlink::messages(bytes), CtMessage::default());
        while let Some(read) = messages.next_into(&mut ct) {
            let (header, read) = match read {
                Ok(read) => read,
                Err(error) => {
                    tracing::debug!(%error, "an answer is left out");
                    continue;
                }
            };
            let place = header.seq.checked_sub(first).and_then(|place| usize::try_from(place).ok());
            let handle = place.and_then(|place| self.rounds.asked.get(flow + place)).copied();
            let Some(handle) = handle else { continue };
            match read {
                Read::Entry => {
                    let lively = self.focus.is_lively(handle, span.to);
                    if self.table.answered(span, handle, &ct, lively) {
                        self.focus.moved(handle, span.to);
                    }
                }
                Read::Error { errno: ENOENT } => self.table.absent(span, handle),
                _ => {}
            }
        }
    }

    pub(super) fn round_read(&mut self, flows: Flows) {
        self.picker.spent(flows.cost);
        self.rounds.cost += flows.cost;
        self.rounds.spare = flows.flows;
        self.rounds.state = State::Read;
    }

    pub(super) fn end_round(&mut self) {
        if self.rounds.state == State::Read && !self.passes.holds_answers() {
            self.rounds.state = State::Idle;
            self.picker.asked(self.rounds.source, self.rounds.spare.len(), self.rounds.cost);
            tracing::trace!(flows = self.rounds.asked.len(), cost = ?self.rounds.cost, "asked for flows");
        }
    }
}
