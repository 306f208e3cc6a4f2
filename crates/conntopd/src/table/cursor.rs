//! Cursors: what one subscriber has got so far, and the next chunk for it.
//!
//! A new cursor first walks the slots once and takes what lived at its subscription (head H); then it
//! is at S = H, and walks the list of changes from there. S moves to the head whenever nothing is
//! pending. Flows created after S go out whole (once: `sent`), others by the column groups that changed
//! after S.
//! The walk over slots comes first because a walk in order of changes never ends while flows change
//! faster than the subscriber takes them.
//!
//! As long as the first whole pass runs, of an epoch or after a sleep, what is there to walk over is not the
//! kernel's table: the cursor lives from changes alone, and is synced when that pass is done.

use std::sync::Arc;

use conntop_proto::delta::{DeltaRows, EndedRow};
use conntop_proto::flow::{FlowRow, MetaRow, StateRow, TrafficRow};
use conntop_proto::limits::MAX_SERVER_LINE;

use super::FlowTable;
use super::filter::Interest;
use super::list::Marker;
use super::sent::Sent;
use super::slot::{ENDED, LIVE, Slot};

/// Slots or list nodes looked at for one chunk: about a millisecond, so that a filter that matches
/// nothing stops nobody.
const CHUNK_STEPS: usize = 65_536;
/// Estimated bytes of a chunk: a line less the frame around the rows.
const CHUNK_BYTES: usize = MAX_SERVER_LINE - 4096;

/// Names a cursor of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CursorId(u64);

/// How a cursor began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Where the subscriber had been.
    Resumed,
    /// From the beginning: the subscriber has to be told.
    Reset,
}

/// What a chunk says besides its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Position in the stream of changes that it reaches.
    pub cursor: u64,
    /// Nothing was pending after it.
    pub in_step: bool,
    /// Everything that lived at the head given here has been delivered with this chunk.
    pub synced: Option<u64>,
    /// Ended flows had been forgotten; everything follows anew, beginning with this chunk.
    pub reset: bool,
}

/// Cursors with equal keys get equal chunks as long as the head stands still.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CursorKey {
    phase: Phase,
    synced: u64,
    reached: u64,
    next: Option<u32>,
    unsynced: bool,
    sent: u64,
    interest: Arc<Interest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// The walk over the slots, from `next`.
    Snapshot { next: u32 },
    /// The walk over the changes.
    Live,
}

#[derive(Clone)]
pub(super) struct Cursor {
    phase: Phase,
    /// S: everything up to here has been delivered (after the snapshot).
    s: u64,
    /// Changes up to here have been passed.
    reached: u64,
    marker: Marker,
    /// `synced` has still to be said.
    unsynced: bool,
    /// Flows created after S that it has sent.
    sent: Sent,
    interest: Arc<Interest>,
    /// The head when it began: what ended before is no news.
    floor: u64,
}

/// What may still be taken into a chunk.
struct Room {
    rows: usize,
    bytes: usize,
    steps: usize,
}

impl Room {
    fn step(&mut self) -> bool {
        let more = self.rows > 0 && self.bytes > 0 && self.steps > 0;
        self.steps = self.steps.saturating_sub(1);
        more
    }

    fn take(&mut self, bytes: usize) {
        self.rows = self.rows.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl FlowTable {
    /// Opens a cursor, where the subscriber was if that is still known.
    pub fn open_cursor(&mut self, resume: Option<u64>, interest: Arc<Interest>) -> (CursorId, How) {
        let known = resume.filter(|&s| s <= self.head && s >= self.horizon && s > 0);
        let (cursor, how) = match known {
            Some(s) => {
                let marker = self.mark_after(s);
                let (unsynced, sent, floor) = (true, Sent::default(), s);
                (
                    Cursor { phase: Phase::Live, s, reached: s, marker, unsynced, sent, interest, floor },
                    How::Resumed,
                )
            }
            None => {
                let marker = self.list.mark_tail();
                (self.fresh(marker, interest), How::Reset)
            }
        };
        let id = self.next_cursor;
        self.next_cursor += 1;
        self.cursors.insert(id, cursor);
        (CursorId(id), how)
    }

    /// A cursor at the beginning, with the marker put where it belongs.
    fn fresh(&mut self, marker: Marker, interest: Arc<Interest>) -> Cursor {
        let (unsynced, sent, floor) = (true, Sent::default(), self.head);
        if !self.passed_once() {
            let front = self.list.mark(None);
            self.list.move_to(marker, front);
            self.list.drop_marker(front);
            let (phase, reached) = (Phase::Live, self.horizon);
            return Cursor { phase, s: 0, reached, marker, unsynced, sent, interest, floor };
        }
        self.list.send_to_tail(marker);
        let phase = Phase::Snapshot { next: 0 };
        Cursor { phase, s: self.head, reached: self.head, marker, unsynced, sent, interest, floor }
    }

    /// Whether a whole pass was begun and done since the table was last left alone.
    fn passed_once(&self) -> bool {
        self.whole > self.slept
    }

    /// A marker before the first change after `s`.
    fn mark_after(&mut self, s: u64) -> Marker {
        let mut node = self.list.newest();
        while let Some(flow) = node.filter(|&flow| self.store.slot(flow).changed() > s) {
            node = self.list.before(flow);
        }
        self.list.mark(node)
    }

    /// Closes a cursor.
    pub fn close_cursor(&mut self, id: CursorId) {
        if let Some(cursor) = self.cursors.remove(&id.0) {
            self.list.drop_marker(cursor.marker);
        }
    }

    /// A second cursor in the same state.
    pub fn fork_cursor(&mut self, id: CursorId) -> Option<CursorId> {
        let mut cursor = self.cursors.get(&id.0)?.clone();
        cursor.marker = self.list.mark_at(cursor.marker);
        let fork = self.next_cursor;
        self.next_cursor += 1;
        self.cursors.insert(fork, cursor);
        Some(CursorId(fork))
    }

    /// Puts a cursor into the state of another one.
    pub fn follow_cursor(&mut self, id: CursorId, other: CursorId) {
        let Some(other) = self.cursors.get(&other.0).cloned() else { return };
        if let Some(cursor) = self.cursors.get_mut(&id.0) {
            let marker = cursor.marker;
            self.list.move_to(marker, other.marker);
            *cursor = Cursor { marker, ..other };
        }
    }

    /// What the next chunk of a cursor depends on, besides the head.
    #[must_use]
    pub fn cursor_key(&self, id: CursorId) -> Option<CursorKey> {
        let cursor = self.cursors.get(&id.0)?;
        Some(CursorKey {
            phase: cursor.phase,
            synced: cursor.s,
            reached: cursor.reached,
            next: self.list.after(cursor.marker),
            unsynced: cursor.unsynced,
            sent: cursor.sent.version(),
            interest: cursor.interest.clone(),
        })
    }

    /// Whether there is nothing for a cursor.
    #[must_use]
    pub fn is_in_step(&self, id: CursorId) -> bool {
        self.cursors.get(&id.0).is_none_or(|cursor| {
            cursor.phase == Phase::Live
                && !(cursor.unsynced && self.passed_once())
                && self.list.after(cursor.marker).is_none()
        })
    }

    /// Up to which change every cursor has passed the list.
    pub(super) fn passed_by_all(&self) -> u64 {
        self.cursors.values().map(|cursor| cursor.reached).min().unwrap_or(u64::MAX)
    }

    /// Appends the next rows of a cursor, at most `max` and at most a line.
    pub fn next_chunk(&mut self, id: CursorId, max: usize, rows: &mut DeltaRows) -> Chunk {
        let Some(mut cursor) = self.cursors.remove(&id.0) else {
            return Chunk { in_step: true, ..Chunk::default() };
        };
        let mut chunk = Chunk::default();
        if cursor.reached < self.horizon {
            chunk.reset = true;
            cursor = self.fresh(cursor.marker, cursor.interest);
        }
        self.chunks += 1;
        cursor.sent.lag(self.chunks);
        let mut room = Room { rows: max, bytes: CHUNK_BYTES, steps: CHUNK_STEPS };
        if let Phase::Snapshot { next } = cursor.phase {
            cursor.phase = self.walk_slots(&cursor, next, &mut room, rows);
            if cursor.phase == Phase::Live {
                cursor.unsynced = false;
                chunk.synced = Some(cursor.s);
            }
        }
        if cursor.phase == Phase::Live && chunk.synced.is_none() {
            self.walk_changes(&mut cursor, &mut room, rows);
        }
        if cursor.phase == Phase::Live && self.list.after(cursor.marker).is_none() {
            self.list.send_to_tail(cursor.marker);
            (cursor.s, cursor.reached) = (self.head, self.head);
            cursor.sent.clear();
            chunk.in_step = true;
            if cursor.unsynced && self.passed_once() {
                cursor.unsynced = false;
                chunk.synced = Some(self.head);
            }
        }
        chunk.cursor = cursor.reached;
        self.cursors.insert(id.0, cursor);
        chunk
    }

    fn walk_slots(&self, cursor: &Cursor, mut next: u32, room: &mut Room, rows: &mut DeltaRows) -> Phase {
        while next < self.store.len() {
            if !room.step() {
                return Phase::Snapshot { next };
            }
            let slot = self.store.slot(next);
            if slot.hot.has(LIVE) && slot.cold.created.get() <= cursor.s && matches(&cursor.interest, slot) {
                let row = whole(&cursor.interest, slot);
                room.take(weight(&row));
                rows.new.push(row);
            }
            next += 1;
        }
        Phase::Live
    }

    fn walk_changes(&mut self, cursor: &mut Cursor, room: &mut Room, rows: &mut DeltaRows) {
        let mut last = None;
        let mut node = self.list.after(cursor.marker);
        while let Some(flow) = node.filter(|_| room.step()) {
            let slot = self.store.slot(flow);
            let news = slot.end.is_none_or(|end| end.seq > cursor.floor);
            if news && matches(&cursor.interest, slot) {
                let since = cursor.sent.of(slot.id()).map_or(cursor.s, |sent| sent.max(cursor.s));
                room.take(push_changes(&cursor.interest, since, slot, rows));
                if slot.hot.has(ENDED) {
                    cursor.sent.forget(slot.id());
                } else if slot.cold.created.get() > cursor.s {
                    cursor.sent.note(slot.id(), slot.changed());
                }
            }
            cursor.reached = slot.changed();
            last = Some(flow);
            node = self.list.next(flow);
        }
        if let Some(last) = last {
            self.list.move_after(cursor.marker, last);
        }
    }
}

fn matches(interest: &Interest, slot: Slot<'_>) -> bool {
    interest.filter.is_empty() || interest.filter.matches(slot.zone(), &slot.orig(), &slot.reply())
}

/// Appends what of a flow changed after `s`; returns about how many bytes that is.
fn push_changes(interest: &Interest, s: u64, slot: Slot<'_>, rows: &mut DeltaRows) -> usize {
    let Slot { hot, cold, .. } = slot;
    let unknown = cold.created.get() > s;
    if hot.has(ENDED) {
        let Some(end) = slot.end else { return 0 };
        let traffic = if interest.traffic { slot.traffic() } else { TrafficRow::default() };
        let short = unknown.then(|| Box::new(whole(interest, slot)));
        let bytes = 120 + short.as_deref().map_or(0, weight);
        let (id, at, reason, stop) = (slot.id(), end.at, end.reason, (end.stop != 0).then_some(end.stop));
        rows.ended.push(EndedRow { id, at, reason, stop, traffic, short });
        return bytes;
    }
    if unknown {
        let row = whole(interest, slot);
        let bytes = weight(&row);
        rows.new.push(row);
        return bytes;
    }
    let mut bytes = 0;
    if interest.state && cold.state_seq.get() > s {
        rows.state.push((slot.id(), slot.state()));
        bytes += 32;
    }
    if interest.traffic && cold.traffic_seq.get() > s {
        rows.traffic.push((slot.id(), slot.traffic()));
        bytes += 80;
    }
    if interest.meta && slot.meta_seq() > s {
        rows.meta.push((slot.id(), slot.meta()));
        bytes += 120;
    }
    bytes
}

/// Everything about a flow, with the defaults in column groups that nobody wants.
fn whole(interest: &Interest, slot: Slot<'_>) -> FlowRow {
    FlowRow {
        identity: slot.identity(),
        state: if interest.state { slot.state() } else { StateRow::default() },
        traffic: if interest.traffic { slot.traffic() } else { TrafficRow::default() },
        meta: if interest.meta { slot.meta() } else { MetaRow::default() },
    }
}

/// About how many bytes a whole flow takes on the wire, rather too many.
fn weight(row: &FlowRow) -> usize {
    let id = &row.identity;
    let tuple = if id.orig.src.is_ipv6() { 96 } else { 48 };
    let tuples = 1 + usize::from(id.reply != id.orig.inverse()) + usize::from(id.master.is_some());
    let counters = match (row.traffic.orig, row.traffic.reply) {
        (Some(orig), Some(reply)) => {
            [orig.packets, orig.bytes, reply.packets, reply.bytes].map(digits).iter().sum::<usize>()
        }
        _ => 10,
    };
    let helper = row.meta.helper.as_ref().map_or(0, |name| name.len() + 12);
    let labels = row.meta.labels.map_or(0, |_| 50);
    let start = id.start.map_or(2, |_| 17);
    // id, ct_id, first_seen, born, state, status, timeout, lag, mark
    tuples * tuple
        + counters
        + helper
        + labels
        + start
        + 4
        + 11
        + 10
        + 6
        + 14
        + 6
        + 8
        + 6
        + digits(row.meta.mark.into())
}

/// Digits and a comma.
fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(2, |log| log as usize + 2)
}
