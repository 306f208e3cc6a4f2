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

mod apply;
mod ended;
mod flow;
mod focus;
mod ledger;
mod orphans;
mod pair;
mod past;
mod rate;
mod seen;
mod slab;

use std::ops::Range;
use std::time::Duration;

use conntop_proto::columns::{ColumnsError, Ids};
use conntop_proto::flow::{BootMillis, FlowId};
use conntop_proto::message::{Pass, Resume, ServerMessage};
use conntop_proto::tuple::Tuple;

use self::ended::Ended;
pub use self::ended::EndedFlow;
pub use self::flow::Flow;
use self::focus::Focus;
pub use self::ledger::{Class, Ledger, Orientation};
use self::orphans::Orphans;
use self::past::Past;
pub use self::past::{Forgotten, PastFlow};
use self::rate::{Passes, Sums};
pub use self::rate::{Rates, Window};
pub use self::seen::Seen;
use self::seen::Since;
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

/// Flows beyond those that have come for which a promise of more is believed, sixteen times over.
const BELIEVED: usize = 4_096;

/// Decides how a flow counts in the header, by its two tuples.
pub type Classify = Box<dyn Fn(&Tuple, &Tuple) -> Class + Send>;

/// The client's copy of the collector's table.
pub struct Mirror {
    limits: Limits,
    flows: Slab,
    ended: Ended,
    /// Flows with a history, and how many of them have been asked since the latest pass.
    active: Vec<(Slot, FlowId)>,
    rested: usize,
    passes: Passes,
    focus: Focus,
    sums: Sums,
    /// From when on flows are counted as seen, and those of them that have ended.
    since: Since,
    past: Past,
    classify: Classify,
    position: Position,
    resume: Option<Resume>,
    stamp: u8,
    /// Flows of an earlier epoch, until `synced`.
    orphans: Orphans,
    /// Slots below this count as `classify` says.
    classified: usize,
    truncated: bool,
    /// Flows that the collector says it has, as far as they will be held.
    promised: usize,
    /// No counter has moved after this.
    moved: BootMillis,
    generation: u64,
    revision: u64,
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
            rested: 0,
            passes: Passes::default(),
            focus: Focus::default(),
            sums: Sums::default(),
            since: Since::default(),
            past: Past::default(),
            classify: Box::new(|_, _| Class::Transit),
            position: Position::default(),
            resume: None,
            stamp: 0,
            orphans: Orphans::default(),
            classified: 0,
            truncated: false,
            promised: 0,
            moved: BootMillis(0),
            generation: 0,
            revision: 0,
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

    /// Forgets every flow, as if nothing had been heard yet; what was wished stays.
    pub fn begin_again(&mut self) {
        let mut fresh = Self::new(self.limits);
        fresh.passes.set_window(self.passes.wished());
        std::mem::swap(&mut fresh.classify, &mut self.classify);
        (fresh.generation, fresh.revision) = (self.generation + 1, self.revision + 1);
        *self = fresh;
    }

    /// Changes whenever anything that can be read here has changed.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Changes whenever a flow, its rate in the common window, or the list of ended flows may have
    /// changed. What time alone changes (age, idle, timeout) does not count, nor where the stream stands:
    /// messages about nothing new leave it as it is.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    fn touch(&mut self) {
        self.revision += 1;
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

    /// What is kept of a flow's past: both totals at moments, ascending.
    pub fn samples(&self, flow: &Flow) -> impl Iterator<Item = (BootMillis, u64, u64)> {
        flow.samples().iter().map(|sample| (sample.at, sample.orig, sample.reply))
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
        self.touch();
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

    /// The collector's table has so many flows: room is made for them early, as far as they will be
    /// held, rather than again and again; but not on one word of a stranger, only for several times of
    /// what has come.
    pub fn expect(&mut self, flows: u64) {
        self.promised = usize::try_from(flows).unwrap_or(usize::MAX).min(self.limits.flows);
        self.make_room();
    }

    fn make_room(&mut self) {
        let believed = self.flows.len().saturating_add(BELIEVED).saturating_mul(16);
        self.flows.expect(self.promised.min(believed));
    }

    /// From whose side directions are told; to be said before anything is heard.
    pub fn set_orientation(&mut self, orientation: Orientation) {
        self.sums.orientation = orientation;
    }

    /// From whose side directions are told.
    #[must_use]
    #[inline]
    pub fn orientation(&self) -> Orientation {
        self.sums.orientation
    }

    /// From now on takes no more flows than these.
    pub fn set_most(&mut self, flows: usize) {
        self.limits.flows = flows;
    }

    /// Sets how flows count in the header from now on.
    pub fn set_classify(&mut self, classify: Classify) {
        self.classify = classify;
        for flow in self.ended.iter_mut().chain(self.past.entries_mut()) {
            flow.set_class((self.classify)(&flow.orig(), &flow.reply()));
        }
        self.classified = 0;
        self.reclassify();
        self.generation += 1;
    }

    /// Asks some of the flows again that have not been asked by the present rule.
    fn reclassify(&mut self) {
        self.touch();
        let from = self.classified;
        let to = from.saturating_add(CLASSIFIED_AT_ONCE);
        for flow in self.flows.range_mut(from..to) {
            flow.set_class((self.classify)(&flow.orig(), &flow.reply()));
        }
        // Flows that come later are asked as they come.
        self.classified = if to < self.flows.slots() { to } else { usize::MAX };
    }
}
