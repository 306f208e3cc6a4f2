//! Passes: begun as the picker says, read in slices, applied in order, ended.

use std::collections::VecDeque;
use std::time::Duration;

use conntop_proto::flow::BootMillis;
use conntop_proto::message::Coverage;
use nfnetlink::Read;
use nfnetlink::ct::{CtMessage, FlowRef, Status};
use tokio::time::Instant;

use super::super::clock;
use super::super::picker::{BURST, Finding, Pace, Plan};
use super::super::report::{Ask, Entries, Slice};
use super::super::source::{Form, Part};
use super::{Ears, Hub, PATIENCE};
use crate::table::{Origin, Outcome};

/// Parts that wait for events while a slice is being read, before these are asked for.
const PILE: usize = super::super::BUFFERS / 2;

/// What was read and waits for the events before it; and the pass that is under way.
#[derive(Default)]
pub(super) struct Passes {
    held: VecDeque<(Entries, Instant)>,
    pass: Option<Pass>,
    /// Assured flows, as the last pass that tells found them.
    assured: u64,
    /// Memory of questions, which goes round.
    spare: Vec<FlowRef>,
}

struct Pass {
    plan: Plan,
    state: State,
    /// CPU time of the reader and of the table.
    cost: Duration,
    /// Assured entries.
    assured: u64,
    /// There were entries that the source should have left out.
    unfiltered: bool,
    /// Nobody wants it any more; the answer of the reader is still to come.
    left: bool,
}

#[derive(Clone, Copy)]
enum State {
    /// A slice is being read.
    Reading,
    /// Until the next one is paid for.
    Resting,
    /// All is read; entries, or events before the end, are still to come.
    Ending { at: BootMillis, outcome: Outcome, since: Instant },
}

impl Passes {
    pub(super) fn hold(&mut self, entries: Entries, now: Instant) {
        self.held.push_back((entries, now));
    }

    /// The moment up to which events are waited for: that of the latest part, once a slice is read or
    /// parts pile up.
    pub(super) fn awaits(&self) -> Option<BootMillis> {
        let reading = self.pass.as_ref().is_some_and(|pass| matches!(pass.state, State::Reading));
        if reading && self.held.len() < PILE && !self.holds_answers() {
            return None;
        }
        let end = self.pass.as_ref().and_then(|pass| match pass.state {
            State::Ending { at, .. } => Some(at),
            _ => None,
        });
        self.held.iter().map(|(entries, _)| entries.part.span.to).chain(end).max()
    }

    pub(super) fn assured(&self) -> u64 {
        self.assured
    }

    /// Whether a pass is under way that a tick can wait for.
    pub(super) fn is_short(&self) -> bool {
        let pace = self.pass.as_ref().map(|pass| pass.plan.pace);
        matches!(pace, Some(Pace::AtOnce | Pace::Slices(BURST)))
    }

    /// Whether a short pass is under way that reads every known flow.
    pub(super) fn covers_all(&self) -> bool {
        let plan = self.pass.as_ref().map(|pass| pass.plan);
        plan.is_some_and(|plan| plan.pace == Pace::Slices(BURST) && plan.coverage != Coverage::Assured)
    }

    /// Whether answers for single flows are still to be applied.
    pub(super) fn holds_answers(&self) -> bool {
        self.held.iter().any(|(entries, _)| matches!(entries.part.form, Form::Answers { .. }))
    }
}

impl Hub {
    pub(super) fn pass_deadline(&self, now: Instant) -> Option<Instant> {
        let patience = self.passes.held.front().map(|(_, since)| *since + PATIENCE);
        let next = match &self.passes.pass {
            None if self.ears == Ears::Opening => None,
            None => self.picker.next_at(now, self.size()),
            Some(pass) => match pass.state {
                State::Reading => None,
                State::Resting => self.picker.slice_at(pass.plan.pace),
                State::Ending { since, .. } => Some(since + PATIENCE),
            },
        };
        patience.into_iter().chain(next).min()
    }

    pub(super) fn begin_pass(&mut self, tick: bool, now: Instant) {
        if self.passes.pass.is_some() || self.ears == Ears::Opening {
            return;
        }
        let Some(plan) = self.picker.pick(now, tick, self.size()) else { return };
        // The table has to know before the kernel is asked: ends from here on leave tombstones.
        self.table.begin_pass(clock::now(), plan.coverage);
        let state = State::Reading;
        let cost = Duration::ZERO;
        self.passes.pass = Some(Pass { plan, state, cost, assured: 0, unfiltered: false, left: false });
        let mut flows = std::mem::take(&mut self.passes.spare);
        flows.clear();
        if plan.asks {
            flows.extend(self.table.requests());
        }
        self.ask(Ask::Begin { source: plan.source, flows, slice: plan.pace.slice() });
    }

    pub(super) fn slice_read(&mut self, slice: Slice, now: Instant) {
        self.picker.spent(slice.cost);
        if slice.flows.capacity() > 0 {
            self.passes.spare = slice.flows;
        }
        let Some(pass) = &mut self.passes.pass else { return };
        pass.cost += slice.cost;
        pass.state = match slice.end {
            Some(outcome) => State::Ending { at: slice.at, outcome, since: now },
            None => State::Resting,
        };
    }

    /// Reads the next slice if it is paid for, or leaves the pass.
    pub(super) fn go_on(&mut self, now: Instant) {
        let size = self.size();
        let Some(pass) = &mut self.passes.pass else { return };
        if !pass.left && self.picker.is_outrun(now, pass.plan.pace) {
            tracing::debug!(plan = ?pass.plan, cost = ?pass.cost, "pass left for a repair");
            pass.left = true;
            self.apply_held(now);
            self.end_pass(now);
            return;
        }
        if !pass.left && self.picker.is_too_dear(pass.plan, pass.cost, size) {
            tracing::debug!(plan = ?pass.plan, cost = ?pass.cost, "pass left: another way is cheaper");
            self.picker.broken_off(pass.plan, pass.cost, size);
            pass.left = true;
            return;
        }
        let paid = self.picker.slice_at(pass.plan.pace).is_none_or(|at| now >= at);
        if matches!(pass.state, State::Resting) && paid {
            pass.state = State::Reading;
            let slice = pass.plan.pace.slice();
            self.picker.open(now);
            self.ask(Ask::More { slice });
        }
    }

    /// The last subscriber is gone.
    pub(super) fn leave_pass(&mut self) {
        if let Some(pass) = &mut self.passes.pass {
            pass.left = true;
        }
    }

    pub(super) fn apply_held(&mut self, now: Instant) {
        while let Some((entries, since)) = self.passes.held.pop_front() {
            let left = self.passes.pass.as_ref().is_some_and(|pass| pass.left) || !self.awake;
            if !left && !self.heard(entries.part.span.to) && now < since + PATIENCE {
                self.passes.held.push_front((entries, since));
                break;
            }
            if !left {
                self.apply(&entries);
            }
            // Full only if the thread is gone.
            let _ = self.wires.buffers.try_send(entries.buffer);
        }
    }

    fn apply(&mut self, entries: &Entries) {
        let before = clock::thread_cpu();
        let Part { len, form, span } = entries.part;
        let bytes = entries.buffer.get(..len).unwrap_or_default();
        match form {
            Form::Dump => {
                let pass = self.passes.pass.as_mut();
                let (assured, others) = dumped(bytes, |ct| self.table.observe(span, Origin::Dump, ct));
                if let Some(pass) = pass {
                    pass.assured += assured;
                    pass.unfiltered |= others && pass.plan.coverage == Coverage::Assured;
                }
            }
            Form::Lines => {
                let (mut lines, mut ct) = (nfnetlink::proc::lines(bytes), CtMessage::default());
                while let Some(read) = lines.next_into(&mut ct) {
                    match read {
                        Ok(()) => self.table.observe(span, Origin::Known, &ct),
                        Err(error) => tracing::debug!(%error, "a line is left out"),
                    }
                }
            }
            Form::Asked => {
                dumped(bytes, |ct| self.table.observe(span, Origin::Asked, ct));
            }
            Form::Answers { first, flow } => self.answers(bytes, span, first, flow),
        }
        let cost = clock::thread_cpu().saturating_sub(before);
        self.picker.spent(cost);
        self.upkeep.except(cost);
        match form {
            Form::Answers { .. } => self.rounds.applied(cost),
            _ => {
                if let Some(pass) = &mut self.passes.pass {
                    pass.cost += cost;
                }
            }
        }
    }

    pub(super) fn end_pass(&mut self, now: Instant) {
        let Some(pass) = &self.passes.pass else { return };
        let (at, outcome, since) = match pass.state {
            State::Ending { at, outcome, since } if !pass.left => (at, outcome, since),
            State::Reading => return,
            _ if pass.left => (BootMillis(0), Outcome::Failed, now),
            _ => return,
        };
        if !self.passes.held.is_empty() || !pass.left && !self.heard(at) && now < since + PATIENCE {
            return;
        }
        let Some(pass) = self.passes.pass.take() else { return };
        let report = self.table.end_pass(clock::now(), outcome);
        if pass.left {
            self.ask(Ask::Abandon);
            return;
        }
        if outcome == Outcome::Complete && pass.plan.coverage != Coverage::Known {
            self.passes.assured = pass.assured;
        }
        if pass.unfiltered || outcome == Outcome::Failed && pass.plan.coverage != Coverage::Whole {
            tracing::debug!(plan = ?pass.plan, "this kernel has no use for this source");
            self.picker.withdraw(pass.plan.source);
        }
        let (suspicious, unknown) = self.suspect(report.unknown);
        let finding = Finding { coverage: pass.plan.coverage, dirty: report.dirty, unknown, suspicious };
        self.picker.done(now, pass.plan, finding, self.size(), pass.cost);
        self.desk.pass_done();
        tracing::debug!(?report, plan = ?pass.plan, cost = ?pass.cost, "pass");
    }
}

/// Hands on the entries of a dump, or of answers. Returns how many are assured, and whether others are not.
fn dumped(bytes: &[u8], mut each: impl FnMut(&CtMessage<'_>)) -> (u64, bool) {
    let (mut messages, mut ct) = (nfnetlink::messages(bytes), CtMessage::default());
    let (mut assured, mut others) = (0, false);
    while let Some(read) = messages.next_into(&mut ct) {
        match read {
            Ok((_, Read::Entry)) => {
                if ct.has(Status::ASSURED) {
                    assured += 1;
                } else {
                    others = true;
                }
                each(&ct);
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "an entry is left out"),
        }
    }
    (assured, others)
}
