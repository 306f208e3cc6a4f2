//! The client's copy of the collector's table, made by applying messages in order.
//!
//! Applying is idempotent: values are absolute, a row of a known id replaces it, the end of an
//! unknown flow is nothing. A `reset` is mark and sweep: what was there stays visible until
//! `synced`, then flows that were not sent again are dropped; the screen is never blank. When a
//! reset brings a new epoch, ids mean other flows, so old flows are recognized by their tuple.
//!
//! Bounded: at most [`Limits::flows`] flows (then [`Mirror::truncated`]), at most
//! [`Limits::ended`] ended ones for [`Limits::ghost`]. Local sessions, remote ones and recordings
//! end in the same mirror.

mod ended;
mod flow;
mod focus;
mod ledger;
mod orphans;
mod pair;
mod rate;
mod slab;

use std::ops::Range;
use std::time::Duration;

use conntop_proto::columns::{ColumnsError, Ids};
use conntop_proto::flow::{BootMillis, FlowId, FlowRow, TrafficRow};
use conntop_proto::message::{Delta, Pass, Reset, Resume, ServerMessage};
use conntop_proto::tuple::Tuple;

use self::ended::Ended;
pub use self::ended::EndedFlow;
pub use self::flow::Flow;
use self::focus::Focus;
pub use self::ledger::{Class, Ledger};
use self::orphans::Orphans;
use self::rate::{History, Passes, Sums};
pub use self::rate::{Rates, Window};
use self::slab::Slab;
pub use self::slab::Slot;

/// How much a mirror may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Live flows; the rest of the table is not shown and [`Mirror::truncated`] says so.
    pub flows: usize,
    /// Ended flows; the oldest go first.
    pub ended: usize,
    /// How long ended flows stay.
    pub ghost: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { flows: 1_000_000, ended: 20_000, ghost: Duration::from_secs(10) }
    }
}

/// A message that contradicts itself; the connection is not to be trusted any more.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// Columns of a delta do not fit together.
    #[error("delta at cursor {cursor}: {source}")]
    Columns {
        /// Cursor of the delta.
        cursor: u64,
        /// What is wrong.
        source: ColumnsError,
    },
}

/// Where the stream stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Epoch of the collector's table; `None` before the first hello.
    pub epoch: Option<u64>,
    /// Cursor of the latest delta.
    pub cursor: u64,
    /// Whether nothing was pending after it.
    pub in_step: bool,
    /// Whether the first full transfer (since the latest reset) is complete.
    pub synced: bool,
    /// When the latest delta was made.
    pub at: BootMillis,
    /// The pass over the kernel's table that it belongs to.
    pub pass: Pass,
}

/// Flows that another rule is applied to with one message, so that nobody waits while a router of a
/// million flows gets an address.
const CLASSIFIED_AT_ONCE: usize = 200_000;

/// Decides how a flow counts in the header, by its two tuples.
pub type Classify = Box<dyn Fn(&Tuple, &Tuple) -> Class + Send>;

/// The client's copy of the collector's table.
pub struct Mirror {
    limits: Limits,
    flows: Slab,
    ended: Ended,
    active: Vec<Slot>,
    passes: Passes,
    focus: Focus,
    sums: Sums,
    classify: Classify,
    position: Position,
    resume: Option<Resume>,
    stamp: u16,
    /// Flows of an earlier epoch, until `synced`.
    orphans: Orphans,
    /// Slots below this count as `classify` says.
    classified: usize,
    truncated: bool,
    generation: u64,
}

impl Default for Mirror {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Mirror {
    /// An empty mirror.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            flows: Slab::default(),
            ended: Ended::default(),
            active: Vec::new(),
            passes: Passes::default(),
            focus: Focus::default(),
            sums: Sums::default(),
            classify: Box::new(|_, _| Class::Transit),
            position: Position::default(),
            resume: None,
            stamp: 0,
            orphans: Orphans::default(),
            classified: 0,
            truncated: false,
            generation: 0,
        }
    }

    /// Applies the next message of the stream. Messages that say nothing about flows are ignored.
    ///
    /// # Errors
    /// When the message contradicts itself. The mirror is unchanged then.
    pub fn apply(&mut self, message: &ServerMessage) -> Result<(), MirrorError> {
        if self.classified < self.flows.slots() {
            self.reclassify();
        }
        match message {
            ServerMessage::Hello(hello) => {
                self.position.epoch.get_or_insert(hello.epoch);
            }
            ServerMessage::Reset(reset) => self.reset(reset),
            ServerMessage::Delta(delta) => self.delta(delta)?,
            ServerMessage::Synced(_) => self.synced(),
            _ => return Ok(()),
        }
        self.generation += 1;
        Ok(())
    }

    /// Changes whenever anything that can be read here has changed.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// How many flows are live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Whether there is no live flow.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Live flows with their slots, in the order of the slots.
    pub fn flows(&self) -> impl Iterator<Item = (Slot, &Flow)> {
        self.flows.iter()
    }

    /// Live flows in some slots, in their order.
    pub fn flows_in(&self, slots: Range<usize>) -> impl Iterator<Item = (Slot, &Flow)> {
        self.flows.range(slots)
    }

    /// Slots are below this number.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.flows.slots()
    }

    /// The flow in a slot.
    #[must_use]
    pub fn at(&self, slot: Slot) -> Option<&Flow> {
        self.flows.at(slot)
    }

    /// The slot of a live flow.
    #[must_use]
    pub fn find(&self, id: FlowId) -> Option<Slot> {
        self.flows.find(id)
    }

    /// A live flow.
    #[must_use]
    pub fn get(&self, id: FlowId) -> Option<&Flow> {
        self.at(self.find(id)?)
    }

    /// Flows that ended within [`Limits::ghost`], in the order in which they did.
    pub fn ended(&self) -> impl DoubleEndedIterator<Item = &EndedFlow> {
        self.ended.iter()
    }

    /// Flows that were seen to begin and to end since the mirror began, as (begun, ended).
    #[must_use]
    pub fn turnover(&self) -> (u64, u64) {
        (self.sums.all.begun, self.sums.all.ended)
    }

    /// Rates of a flow in the common window; `None` when not known: not accounted, one sample only,
    /// no two passes yet.
    #[must_use]
    pub fn rates(&self, flow: &Flow) -> Option<Rates> {
        self.passes.rates(flow)
    }

    /// Rates of a flow for those who look at it: by its own samples where these say more than the
    /// common window, else as [`Mirror::rates`].
    #[must_use]
    pub fn own_rates(&self, flow: &Flow) -> Option<Rates> {
        let own = if flow.is_watched() { self.focus.rates(flow, &self.passes) } else { None };
        own.or_else(|| self.rates(flow))
    }

    /// Looks at these flows: the collector reads them more often, and [`Mirror::own_rates`] tells.
    pub fn set_focus(&mut self, ids: &Ids) {
        self.focus.set(ids, &mut self.flows, &self.passes);
    }

    /// Since when every counter has been read again, as far as is known: the beginning of the latest
    /// complete pass over all flows; `None` before.
    #[must_use]
    pub fn covered_since(&self) -> Option<BootMillis> {
        self.passes.covered_since()
    }

    /// The window that all rates refer to; `None` before two passes are complete.
    #[must_use]
    pub fn window(&self) -> Option<Window> {
        self.passes.window()
    }

    /// Wishes another length for the window: 2, 10 or 40 seconds.
    pub fn set_window(&mut self, length: Duration) {
        self.passes.set_window(length);
        self.generation += 1;
    }

    /// Bytes per second of all flows together in the common window, ended ones included; flows that
    /// began and ended per second.
    #[must_use]
    pub fn total_rates(&self) -> Option<Ledger> {
        self.passes.volume()
    }

    /// Bytes of all flows together since the mirror began to look, and how many began and ended.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.sums.all
    }

    /// Where the stream stands.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Where a new connection can go on, if there is such a point.
    #[must_use]
    pub fn resume(&self) -> Option<Resume> {
        self.resume
    }

    /// Whether flows were left out because of [`Limits::flows`].
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// The collector's table has so many flows: room is made for them at once, as far as they will be
    /// held, rather than again and again.
    pub fn expect(&mut self, flows: u64) {
        self.flows.expect(usize::try_from(flows).unwrap_or(usize::MAX).min(self.limits.flows));
    }

    /// Sets how flows count in the header from now on.
    pub fn set_classify(&mut self, classify: Classify) {
        self.classify = classify;
        for flow in self.ended.iter_mut() {
            flow.set_class((self.classify)(&flow.orig(), &flow.reply()));
        }
        self.classified = 0;
        self.reclassify();
        self.generation += 1;
    }

    /// Asks some of the flows again that have not been asked by the present rule.
    fn reclassify(&mut self) {
        let from = self.classified;
        let to = from.saturating_add(CLASSIFIED_AT_ONCE);
        for flow in self.flows.range_mut(from..to) {
            flow.set_class((self.classify)(&flow.orig(), &flow.reply()));
        }
        // Flows that come later are asked as they come.
        self.classified = if to < self.flows.slots() { to } else { usize::MAX };
    }

    fn reset(&mut self, reset: &Reset) {
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
        }
        self.position.synced = false;
        self.position.in_step = false;
    }

    fn synced(&mut self) {
        let stamp = self.stamp;
        let gone: Vec<Slot> =
            self.flows.iter().filter(|(_, flow)| flow.stamp != stamp).map(|(slot, _)| slot).collect();
        for slot in gone {
            self.flows.remove(slot);
        }
        self.orphans = Orphans::default();
        self.position.synced = true;
        self.note_resume();
    }

    fn delta(&mut self, delta: &Delta) -> Result<(), MirrorError> {
        let rows = delta.rows().map_err(|source| MirrorError::Columns { cursor: delta.cursor, source })?;
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
        if delta.in_step && self.passes.note(&pass, delta.at, self.sums) {
            self.rest();
            self.focus.vouch(&self.flows, &self.passes);
        }
        self.ended.expire(delta.at, &self.limits);
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
            flow.history = old.history.take();
            flow.set_sampled(old.sampled());
            if old.is_watched() {
                flow.watch();
            }
            *old = flow;
            return;
        }
        let flow = self.make(row);
        if let Some(slot) = self.orphans.take(&self.flows, &flow) {
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
            // It was read again and has not moved: its latest sample stays what it is.
            flow.set_traffic(&TrafficRow { sampled: before.sampled, ..*row });
            if flow.is_watched() {
                self.focus.note(flow, row.sampled);
            }
            return;
        }
        let mut history = flow.history.take().unwrap_or_else(|| {
            self.active.push(slot);
            Box::new(History::begin(flow))
        });
        flow.set_traffic(row);
        history.push(flow, &self.passes);
        flow.history = Some(history);
        if let Some(flow) = self.flows.at(slot) {
            if flow.is_watched() {
                self.focus.note(flow, row.sampled);
            }
            let (orig, reply) = growth(&before, row, flow.born());
            self.sums.add(flow, orig, reply);
        }
    }

    fn end(&mut self, row: conntop_proto::delta::EndedRow) {
        let known = self.flows.find(row.id);
        if let Some(slot) = known.filter(|_| row.traffic.orig.is_some()) {
            self.traffic(slot, &row.traffic);
        }
        let flow = match (known.and_then(|slot| self.flows.remove(slot)), row.short) {
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
        self.ended.push(EndedFlow::new(flow, row.at, row.reason, row.stop), &self.limits);
    }

    fn make(&self, row: FlowRow) -> Flow {
        let mut flow = Flow::from_row(row);
        flow.stamp = self.stamp;
        flow.set_class((self.classify)(&flow.orig(), &flow.reply()));
        flow
    }

    /// Counts a flow that comes for the first time, if it began before our eyes.
    fn begin(&mut self, flow: &Flow) {
        if flow.born() {
            self.sums.all.begun += 1;
            let (orig, reply) = growth(&TrafficRow::default(), &flow.traffic(), true);
            self.sums.add(flow, orig, reply);
        }
    }

    /// Flows that are idle in every window keep no samples.
    fn rest(&mut self) {
        let horizon = self.passes.horizon();
        let flows = &mut self.flows;
        self.active.sort_unstable();
        self.active.dedup();
        self.active.retain(|&slot| {
            let Some(flow) = flows.at_mut(slot) else { return false };
            if flow.history.is_some() && flow.sampled() < horizon {
                flow.history = None;
            }
            flow.history.is_some()
        });
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
