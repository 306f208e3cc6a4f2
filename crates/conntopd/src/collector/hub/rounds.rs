//! Rounds of questions for single flows: those that a pass missed, and those that somebody looks at
//! in a tick that no pass covers.

use std::time::Duration;

use conntop_proto::message::Coverage;
use nfnetlink::Read;
use nfnetlink::ct::{CtMessage, FlowRef};
use tokio::time::Instant;

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
    /// Found by it, and not known.
    strangers: Vec<FlowRef>,
    /// Flows of the round in the order of the questions: suspects, what somebody looks at, strangers,
    /// which have no name yet.
    asked: Vec<Option<Handle>>,
    /// Strangers that the kernel knows nothing of when asked.
    unmet: u64,
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
        self.strangers.clear();
        self.asked.clear();
    }

    pub(super) fn applied(&mut self, cost: Duration) {
        self.cost += cost;
    }
}

impl Hub {
    /// Collects what the pass that has just ended missed, and the `unknown` flows that it found beyond.
    /// Returns whether those are more than can be asked for, and how many are no use asking for.
    pub(super) fn suspect(&mut self, unknown: u64) -> (bool, u64) {
        self.rounds.suspects.clear();
        self.rounds.strangers.clear();
        let unmet = std::mem::take(&mut self.rounds.unmet);
        if self.table.pass().coverage == Coverage::Whole {
            return (false, 0);
        }
        let most = self.picker.worth_asking(self.size()).min(MOST);
        let suspects = self.table.suspects(most + 1);
        let all = usize::try_from(unknown).unwrap_or(usize::MAX).saturating_add(suspects.len());
        if all > most {
            return (true, unknown);
        }
        self.rounds.strangers.extend_from_slice(self.table.strangers());
        self.rounds.suspects = suspects;
        (false, unknown.min(unmet))
    }

    /// Asks for suspects and strangers, and at a tick for what somebody looks at.
    pub(super) fn begin_round(&mut self, tick: bool, now: Instant) {
        if self.rounds.is_running() {
            return;
        }
        let looks = tick && !self.passes.covers_all();
        if self.rounds.suspects.is_empty() && self.rounds.strangers.is_empty() && !looks {
            return;
        }
        let Some((source, most)) = self.picker.named(self.interval) else { return };
        self.rounds.asked.clear();
        self.rounds.asked.extend(self.rounds.suspects.drain(..).map(Some));
        if looks {
            self.focus.resolve(&self.table);
            let others = self.rounds.asked.len() + self.rounds.strangers.len();
            let left = most.min(MOST).saturating_sub(others);
            self.focus.pick(left, |handle| self.rounds.asked.push(Some(handle)));
        }
        let mut flows = std::mem::take(&mut self.rounds.spare);
        flows.clear();
        self.rounds.asked.retain(|&handle| {
            let flow = handle.and_then(|handle| self.table.request(handle));
            flows.extend(flow);
            flow.is_some()
        });
        self.rounds.unmet += u64::try_from(self.rounds.strangers.len()).unwrap_or(u64::MAX);
        flows.append(&mut self.rounds.strangers);
        self.rounds.asked.resize(flows.len(), None);
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
            let Some(handle) = handle else {
                if read == Read::Entry {
                    self.rounds.unmet = self.rounds.unmet.saturating_sub(1);
                    self.table.met(span, &ct);
                }
                continue;
            };
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
