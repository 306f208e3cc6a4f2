//! What each message does to the mirror.

use conntop_proto::delta::EndedRow;
use conntop_proto::flow::{BootMillis, FlowRow, TrafficRow};
use conntop_proto::message::{Delta, Reset, Resume};

use super::flow::Flow;
use super::orphans::Orphans;
use super::rate::History;
use super::slab::Slot;
use super::{EndedFlow, Mirror, MirrorError, Position};

/// Active flows that are asked with one message whether they have become idle.
const RESTED_AT_ONCE: usize = 10_000;

impl Mirror {
    pub(super) fn reset(&mut self, reset: &Reset) {
        self.touch();
        self.stamp = self.stamp.wrapping_add(1);
        self.resume = None;
        self.truncated = false;
        if self.position.epoch.replace(reset.epoch) != Some(reset.epoch) {
            self.flows.forget_ids();
            self.orphans = Orphans::of(&self.flows);
            // The clock may be another machine's.
            self.passes.clear();
            self.focus.clear();
            self.ended.clear();
            self.since.new_clock();
            self.moved = BootMillis(0);
        }
        self.position.synced = false;
        self.position.in_step = false;
    }

    pub(super) fn synced(&mut self) {
        self.touch();
        let stamp = self.stamp;
        let gone: Vec<Slot> =
            self.flows.iter().filter(|(_, flow)| flow.stamp != stamp).map(|(slot, _)| slot).collect();
        for slot in gone {
            if let Some(mut flow) = self.flows.remove(slot) {
                flow.rest();
                self.becomes_past(&flow);
            }
        }
        self.orphans = Orphans::default();
        self.position.synced = true;
        self.note_resume();
    }

    pub(super) fn delta(&mut self, delta: &Delta) -> Result<(), MirrorError> {
        let rows = delta.rows().map_err(|source| MirrorError::Columns { cursor: delta.cursor, source })?;
        if !(rows.ended.is_empty() && rows.new.is_empty() && rows.state.is_empty() && rows.meta.is_empty()) {
            self.touch();
        }
        self.make_room();
        self.since.begin(delta.at);
        for row in rows.ended {
            self.end(row);
        }
        for row in rows.new {
            self.upsert(row);
        }
        for (id, row) in rows.state {
            if let Some(flow) = self.flows.find(id).and_then(|slot| self.flows.at_mut(slot)) {
                flow.set_state(row);
            }
        }
        for (id, row) in rows.traffic {
            if let Some(slot) = self.flows.find(id) {
                self.traffic(slot, &row);
            }
        }
        for (id, row) in rows.meta {
            if let Some(flow) = self.flows.find(id).and_then(|slot| self.flows.at_mut(slot)) {
                flow.set_meta(row);
            }
        }
        self.position.cursor = delta.cursor;
        self.position.in_step = delta.in_step;
        self.position.at = delta.at;
        let pass = delta.header().pass;
        self.position.pass = pass;
        self.note_resume();
        let still = self.passes.are_still(self.moved);
        if delta.in_step && self.passes.note(&pass, delta.at, self.sums) {
            if !(still && self.passes.are_still(self.moved)) {
                self.touch();
            }
            if self.rested >= self.active.len() {
                self.rested = 0;
            }
            if self.passes.covered_since().is_some() {
                self.since.settle(delta.at);
            }
            self.focus.vouch(&self.flows, &self.passes);
        }
        self.rest();
        if self.ended.expire(delta.at, &self.limits) {
            self.touch();
        }
        Ok(())
    }

    fn note_resume(&mut self) {
        let Position { epoch, cursor, in_step, synced, .. } = self.position;
        if synced && in_step {
            self.resume = epoch.map(|epoch| Resume { epoch, cursor });
        }
    }

    fn upsert(&mut self, row: FlowRow) {
        let id = row.identity.id;
        if let Some(slot) = self.flows.find(id) {
            self.traffic(slot, &row.traffic);
            let mut flow = self.make(row);
            let Some(old) = self.flows.at_mut(slot) else { return };
            flow.set_history(old.take_history());
            flow.counted = old.counted;
            flow.set_sampled(old.sampled());
            if old.is_watched() {
                flow.watch();
            }
            *old = flow;
            return;
        }
        let mut flow = self.make(row);
        if let Some(slot) = self.orphans.take(&self.flows, &flow) {
            self.goes_on(slot, &mut flow);
            self.flows.succeed(slot, flow);
            return;
        }
        if self.flows.len() >= self.limits.flows {
            self.truncated = true;
            return;
        }
        self.begin(&flow);
        let _slot = self.flows.insert(flow);
    }

    fn traffic(&mut self, slot: Slot, row: &TrafficRow) {
        let Some(flow) = self.flows.at_mut(slot) else { return };
        let before = flow.traffic();
        if (before.orig, before.reply) == (row.orig, row.reply) {
            // It was read again and has not moved: its latest sample stays what it is. Of what is new, only
            // the number of resets is not a matter of time.
            self.revision += u64::from(before.resets != row.resets);
            flow.set_traffic(&TrafficRow { sampled: before.sampled, ..*row });
            if flow.is_watched() {
                self.focus.note(flow, row.sampled);
            }
            return;
        }
        self.since.moves(flow);
        if flow.samples().is_empty() {
            self.active.push((slot, flow.id()));
            flow.set_history(Some(Box::new(History::begin(flow))));
        }
        let mut history = flow.take_history().unwrap_or_default();
        self.revision += 1;
        self.moved = self.moved.max(row.sampled);
        flow.set_traffic(row);
        history.push(flow, &self.passes);
        flow.set_history(Some(history));
        if let Some(flow) = self.flows.at(slot) {
            if flow.is_watched() {
                self.focus.note(flow, row.sampled);
            }
            let (orig, reply) = growth(&before, row, flow.born());
            self.sums.add(flow, orig, reply);
        }
    }

    fn end(&mut self, row: EndedRow) {
        let known = self.flows.find(row.id);
        if let Some(slot) = known.filter(|_| row.traffic.orig.is_some()) {
            self.traffic(slot, &row.traffic);
        }
        let mut flow = match (known.and_then(|slot| self.flows.remove(slot)), row.short) {
            (Some(flow), _) => flow,
            (None, Some(short)) => {
                if self.ended.knows(row.id) {
                    return;
                }
                let flow = self.make(*short);
                self.begin(&flow);
                flow
            }
            (None, None) => return,
        };
        self.sums.all.ended += 1;
        flow.rest();
        self.becomes_past(&flow);
        self.ended.push(EndedFlow::new(flow, row.at, row.reason, row.stop), &self.limits);
    }

    fn make(&mut self, row: FlowRow) -> Flow {
        let mut flow = Flow::from_row(row);
        self.moved = self.moved.max(flow.sampled());
        flow.stamp = self.stamp;
        flow.counted = self.since.number_for(&flow);
        flow.set_class((self.classify)(&flow.orig(), &flow.reply()));
        flow
    }

    /// Counts a flow that comes for the first time, if it began before our eyes.
    pub(super) fn begin(&mut self, flow: &Flow) {
        if self.since.includes(flow) {
            self.sums.all.begun += 1;
            let (orig, reply) = growth(&TrafficRow::default(), &flow.traffic(), true);
            self.sums.add(flow, orig, reply);
        }
    }

    /// Flows that are idle in every window keep no samples. After each pass all active ones are asked,
    /// some with each message.
    fn rest(&mut self) {
        let horizon = self.passes.horizon();
        for _ in 0..RESTED_AT_ONCE {
            let Some(&(slot, id)) = self.active.get(self.rested) else { return };
            let flow = self.flows.at_mut(slot).filter(|flow| flow.id() == id);
            let idle = flow.is_none_or(|flow| {
                if flow.sampled() < horizon {
                    flow.rest();
                }
                flow.samples().is_empty()
            });
            if idle {
                self.active.swap_remove(self.rested);
            } else {
                self.rested += 1;
            }
        }
    }
}

/// Bytes that came between two readings; nothing when the first reading of a flow that was found in
/// the table says only what it carried before.
fn growth(before: &TrafficRow, after: &TrafficRow, born: bool) -> (u64, u64) {
    let Some((orig, reply)) = after.orig.zip(after.reply) else { return (0, 0) };
    match before.orig.zip(before.reply) {
        Some((o, r)) => (orig.bytes.saturating_sub(o.bytes), reply.bytes.saturating_sub(r.bytes)),
        None if born => (orig.bytes, reply.bytes),
        None => (0, 0),
    }
}
