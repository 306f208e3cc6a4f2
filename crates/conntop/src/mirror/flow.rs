//! One flow as the mirror keeps it: a compact record (144 bytes; a million flows are the target)
//! read through accessors that speak the protocol's types.

use conntop_proto::flow::{
    BootMillis, Counters, FlowId, FlowRow, IdentityRow, MetaRow, State, StateRow, Status, TrafficRow,
};
use conntop_proto::tuple::Tuple;

use super::ledger::Class;
use super::pair::Pair;
use super::rate::{History, Sample};
use super::seen::{MarkNumber, Seen};

/// A flow. Values are the collector's: totals per incarnation, times of its CLOCK_BOOTTIME.
#[derive(Clone, Debug)]
pub struct Flow {
    id: FlowId,
    tuples: Pair,
    zone: u16,
    reply_zone: u16,
    flags: u8,
    state: State,
    status: Status,
    mark: u32,
    ct_id: u32,
    resets: u32,
    orig_counters: Counters,
    reply_counters: Counters,
    start: u64,
    first_seen: BootMillis,
    expires: BootMillis,
    sampled: BootMillis,
    rare: Option<Box<Rare>>,
    history: Option<Box<History>>,
    pub(super) stamp: u8,
    /// The mark that its base is of.
    pub(super) counted: MarkNumber,
}

/// What few flows have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rare {
    master: Option<Tuple>,
    labels: Option<u128>,
    helper: Option<Box<str>>,
}

const ACCOUNTED: u8 = 1;
const EXPIRES: u8 = 1 << 1;
const START: u8 = 1 << 2;
const CT_ID: u8 = 1 << 3;
const BORN: u8 = 1 << 4;
/// The class: which ends are local.
const OPENED_HERE: u8 = 1 << 5;
const ENDS_HERE: u8 = 1 << 6;
/// Somebody looks at it, or did.
const WATCHED: u8 = 1 << 7;

impl Flow {
    /// Identity, unique in the collector's epoch.
    #[must_use]
    #[inline]
    pub fn id(&self) -> FlowId {
        self.id
    }

    /// Original direction: who opened the flow to whom.
    #[must_use]
    #[inline]
    pub fn orig(&self) -> Tuple {
        self.tuples.orig()
    }

    /// Reply direction.
    #[must_use]
    #[inline]
    pub fn reply(&self) -> Tuple {
        self.tuples.reply()
    }

    /// Zone of the original direction, 0 when none.
    #[must_use]
    pub fn zone(&self) -> u16 {
        self.zone
    }

    /// Zone of the reply direction, 0 when none.
    #[must_use]
    pub fn reply_zone(&self) -> u16 {
        self.reply_zone
    }

    /// State.
    #[must_use]
    #[inline]
    pub fn state(&self) -> State {
        self.state
    }

    /// Status bits as the kernel gives them.
    #[must_use]
    #[inline]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Mark, 0 when none.
    #[must_use]
    pub fn mark(&self) -> u32 {
        self.mark
    }

    /// The kernel's own id, not unique.
    #[must_use]
    pub fn ct_id(&self) -> Option<u32> {
        self.has(CT_ID).then_some(self.ct_id)
    }

    /// How often the kernel's counters fell.
    #[must_use]
    pub fn resets(&self) -> u32 {
        self.resets
    }

    /// Totals of the original direction; `None` when not accounted or not sampled yet.
    #[must_use]
    #[inline]
    pub fn orig_counters(&self) -> Option<Counters> {
        self.has(ACCOUNTED).then_some(self.orig_counters)
    }

    /// Totals of the reply direction; present exactly when the original's are.
    #[must_use]
    #[inline]
    pub fn reply_counters(&self) -> Option<Counters> {
        self.has(ACCOUNTED).then_some(self.reply_counters)
    }

    /// Bytes of the original and the reply direction; `None` as above.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> Option<(u64, u64)> {
        self.has(ACCOUNTED).then_some((self.orig_counters.bytes, self.reply_counters.bytes))
    }

    /// Microseconds since 1970 by the router's wall clock; `None` without timestamps.
    #[must_use]
    pub fn start(&self) -> Option<u64> {
        self.has(START).then_some(self.start)
    }

    /// When the collector first saw it.
    #[must_use]
    #[inline]
    pub fn first_seen(&self) -> BootMillis {
        self.first_seen
    }

    /// Whether the collector saw it begin, so that `first_seen` is its birth.
    #[must_use]
    #[inline]
    pub fn born(&self) -> bool {
        self.has(BORN)
    }

    /// When the entry will expire if nothing more is seen; `None` when the kernel gives no timeout.
    #[must_use]
    pub fn expires(&self) -> Option<BootMillis> {
        self.has(EXPIRES).then_some(self.expires)
    }

    /// When the counters last changed or were first read, by their sample's time.
    #[must_use]
    #[inline]
    pub fn sampled(&self) -> BootMillis {
        self.sampled
    }

    /// Original tuple of the flow that this one belongs to.
    #[must_use]
    pub fn master(&self) -> Option<&Tuple> {
        self.rare.as_ref()?.master.as_ref()
    }

    /// Label bits, `None` when none is set.
    #[must_use]
    pub fn labels(&self) -> Option<u128> {
        self.rare.as_ref()?.labels
    }

    /// Name of the helper.
    #[must_use]
    pub fn helper(&self) -> Option<&str> {
        self.rare.as_ref()?.helper.as_deref()
    }

    /// How it counts in the header: who opened it, seen from the local end.
    #[must_use]
    #[inline]
    pub fn class(&self) -> Class {
        match (self.has(OPENED_HERE), self.has(ENDS_HERE)) {
            (true, true) => Class::Internal,
            (true, false) => Class::Out,
            (false, true) => Class::In,
            (false, false) => Class::Transit,
        }
    }

    /// Samples while it is active, ascending in time.
    #[inline]
    pub(super) fn samples(&self) -> &[Sample] {
        self.history.as_ref().map_or(&[], |history| history.samples())
    }

    /// Its samples, to be put back after a change.
    pub(super) fn take_history(&mut self) -> Option<Box<History>> {
        self.history.take()
    }

    pub(super) fn set_history(&mut self, history: Option<Box<History>>) {
        self.history = history;
    }

    /// It is idle: no window needs its samples.
    pub(super) fn rest(&mut self) {
        if let Some(history) = self.history.take() {
            self.history = history.without_samples().map(Box::new);
        }
    }

    /// What it had carried when counting began, as far as that is not nothing.
    #[inline]
    pub(super) fn base(&self) -> Seen {
        self.history.as_ref().map_or_else(Seen::default, |history| history.base())
    }

    pub(super) fn set_base(&mut self, base: Seen) {
        if let Some(history) = &mut self.history {
            history.set_base(base);
        } else if base != Seen::default() {
            self.history = Some(Box::new(History::of_base(base)));
        }
    }

    pub(super) fn set_class(&mut self, class: Class) {
        self.flag(OPENED_HERE, matches!(class, Class::Out | Class::Internal));
        self.flag(ENDS_HERE, matches!(class, Class::In | Class::Internal));
    }

    /// Its counters were read again at other times, and have not moved since this one.
    pub(super) fn set_sampled(&mut self, at: BootMillis) {
        self.sampled = at;
    }

    pub(super) fn watch(&mut self) {
        self.flag(WATCHED, true);
    }

    pub(super) fn is_watched(&self) -> bool {
        self.has(WATCHED)
    }

    /// The flow as the protocol has it.
    #[must_use]
    pub fn row(&self) -> FlowRow {
        FlowRow {
            identity: IdentityRow {
                id: self.id,
                zone: self.zone,
                orig: self.orig(),
                reply: self.reply(),
                reply_zone: self.reply_zone,
                ct_id: self.ct_id(),
                start: self.start(),
                first_seen: self.first_seen,
                born: self.born(),
                master: self.master().copied(),
            },
            state: StateRow { state: self.state, status: self.status },
            traffic: self.traffic(),
            meta: MetaRow { mark: self.mark, labels: self.labels(), helper: self.helper().map(Box::from) },
        }
    }

    /// Counters and timeout as the protocol has them.
    #[must_use]
    pub fn traffic(&self) -> TrafficRow {
        TrafficRow {
            orig: self.orig_counters(),
            reply: self.reply_counters(),
            resets: self.resets,
            expires: self.expires(),
            sampled: self.sampled,
        }
    }

    pub(super) fn from_row(row: FlowRow) -> Self {
        let FlowRow { identity, state, traffic, meta } = row;
        let mut flow = Self {
            id: identity.id,
            tuples: Pair::new(identity.orig, identity.reply),
            zone: identity.zone,
            reply_zone: identity.reply_zone,
            flags: 0,
            state: State::Unknown,
            status: Status(0),
            mark: 0,
            ct_id: identity.ct_id.unwrap_or(0),
            resets: 0,
            orig_counters: Counters::default(),
            reply_counters: Counters::default(),
            start: identity.start.unwrap_or(0),
            first_seen: identity.first_seen,
            expires: BootMillis(0),
            sampled: BootMillis(0),
            rare: None,
            history: None,
            stamp: 0,
            counted: MarkNumber::NEVER,
        };
        flow.flag(CT_ID, identity.ct_id.is_some());
        flow.flag(START, identity.start.is_some());
        flow.flag(BORN, identity.born);
        if identity.master.is_some() {
            flow.rare = Some(Box::new(Rare { master: identity.master, ..Rare::default() }));
        }
        flow.set_state(state);
        flow.set_traffic(&traffic);
        flow.set_meta(meta);
        flow
    }

    pub(super) fn set_state(&mut self, row: StateRow) {
        self.state = row.state;
        self.status = row.status;
    }

    pub(super) fn set_traffic(&mut self, row: &TrafficRow) {
        let counters = row.orig.zip(row.reply);
        self.flag(ACCOUNTED, counters.is_some());
        (self.orig_counters, self.reply_counters) = counters.unwrap_or_default();
        self.flag(EXPIRES, row.expires.is_some());
        self.expires = row.expires.unwrap_or_default();
        self.resets = row.resets;
        self.sampled = row.sampled;
    }

    pub(super) fn set_meta(&mut self, row: MetaRow) {
        self.mark = row.mark;
        let rare = Rare { master: self.master().copied(), labels: row.labels, helper: row.helper };
        self.rare = (rare != Rare::default()).then(|| Box::new(rare));
    }

    #[inline]
    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn flag(&mut self, flag: u8, on: bool) {
        self.flags = if on { self.flags | flag } else { self.flags & !flag };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_fit() {
        assert!(size_of::<Option<Flow>>() <= 144, "{}", size_of::<Option<Flow>>());
    }
}
