//! The flow table: what the kernel tells in, what changed since a cursor out. Pure state; time is an
//! argument.
//!
//! Identity. A flow is one incarnation of a key: (zone of the original direction, protocols,
//! original tuple). A NEW event, another CTA_ID, start time or reply tuple begins another one with
//! another [`FlowId`](conntop_proto::flow::FlowId), which is never used again in an epoch.
//!
//! Merging a dump with the events that come meanwhile is the hard part (`merge`, `pass`): an entry
//! may have been read before an event that was applied earlier. Ended flows therefore stay as
//! tombstones until the pass is done, and what was read before a NEW was received is not believed.
//! Only a pass that read the whole table ends flows that it did not find.
//!
//! Order. Each change takes the next number of the *head* and moves the flow to the tail of one
//! list; ended records stay in it for a while. A cursor (`cursor`) walks the slots once, then that
//! list, so that whoever is slow skips what happened in between.
//!
//! Invariants
//! - Totals never fall in an incarnation; what the kernel zeroed is added up, the reset counted.
//! - What the kernel did not tell is `None`, never 0.
//! - Memory is bounded by [`Limits`]; at the cap the table says that it is truncated.
//! - A flow takes about 170 bytes (`slot`, `store`), and a table that is as large as it was before
//!   allocates nothing.

mod cursor;
mod ended;
mod filter;
mod handle;
mod index;
mod key;
mod list;
mod merge;
mod narrow;
mod pass;
mod segments;
mod sent;
mod slot;
mod store;
mod target;
mod values;

use std::collections::{HashMap, HashSet};

use conntop_proto::flow::{BootMillis, FlowRow};
use conntop_proto::message::{Lost, Pass};
use foldhash::fast::RandomState;
use nfnetlink::ct::FlowRef;

use self::cursor::Cursor;
pub use self::cursor::{Chunk, CursorId, CursorKey, How};
pub use self::filter::{Filter, FilterError, Interest};
pub use self::handle::Handle;
use self::key::Key;
use self::list::ChangeList;
pub use self::merge::{Origin, ReadSpan};
use self::pass::Running;
pub use self::pass::{Outcome, PassReport};
use self::store::Store;
pub use self::target::Target;

/// Most flows that a table holds unless configured otherwise: about 350 MB.
pub const MAX_FLOWS: usize = 2_000_000;
/// Most records of ended flows, however slow a client is: at 100,000 ends a second the window to resume
/// is still 2.6 s.
pub const MAX_ENDED: usize = 262_144;
/// Records of ended flows that stay besides an eighth of the live ones once every client has them: 136
/// ends a second for a minute. More would make a table that churns cost twice its memory.
const FEW_ENDED: usize = 8192;
/// Most keys that a pass remembers as ended though the table never knew them.
pub const MAX_TOMBSTONES: usize = 262_144;
/// Most flows of a pass over the known ones that are remembered because the table does not know them.
pub const MAX_STRANGERS: usize = 1000;
/// How long an ended flow is remembered for clients that come back.
pub const ENDED_MILLIS: u64 = 60_000;
/// Most rows of a chunk.
pub const CHUNK_ROWS: usize = conntop_proto::limits::MAX_CHUNK_FLOWS;

/// Bounds of a table.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most live flows; more than 16 million there never are.
    pub flows: usize,
    /// Most records of ended flows.
    pub ended: usize,
    /// Most tombstones of unknown keys in a pass.
    pub tombstones: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { flows: MAX_FLOWS, ended: MAX_ENDED, tombstones: MAX_TOMBSTONES }
    }
}

/// What the table knows about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Live flows.
    pub flows: usize,
    /// Live flows last known as assured.
    pub assured: usize,
    /// Records of ended flows.
    pub ended: usize,
    /// Whether flows were left out because of the limit.
    pub truncated: bool,
}

/// All flows of one epoch.
pub struct FlowTable {
    epoch: u64,
    limits: Limits,
    head: u64,
    next_id: u64,
    store: Store,
    list: ChangeList,
    live: usize,
    /// Live flows last known as assured.
    assured: usize,
    truncated: bool,
    pass: Pass,
    /// The pass before the latest one.
    before: Pass,
    /// Passes begun, of which not all were done.
    begun: u64,
    /// How many had been begun with the last whole pass that was done.
    whole: u64,
    /// How many had been begun when the table was left alone.
    slept: u64,
    running: Option<Running>,
    stamp: u32,
    /// The latest pass read a part of the table and missed flows.
    suspicious: bool,
    /// Flows that the latest pass over the known ones found and the table does not know.
    strangers: Vec<FlowRef>,
    /// The latest dump said that it was interrupted.
    interrupted: bool,
    tombstones: HashSet<Key, RandomState>,
    lost: Lost,
    cursors: HashMap<u64, Cursor>,
    next_cursor: u64,
    /// Chunks made so far, of all cursors.
    chunks: u64,
    /// Number of the newest change that was forgotten.
    horizon: u64,
}

impl std::fmt::Debug for FlowTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlowTable")
            .field("epoch", &self.epoch)
            .field("head", &self.head)
            .field("flows", &self.live)
            .finish_non_exhaustive()
    }
}

impl FlowTable {
    /// An empty table.
    #[must_use]
    pub fn new(epoch: u64, limits: Limits) -> Self {
        let ended = limits.ended.min(MAX_ENDED);
        let limits = Limits { flows: limits.flows.min(index::SLOTS - MAX_ENDED - 2), ended, ..limits };
        Self {
            epoch,
            limits,
            head: 0,
            next_id: 1,
            store: Store::default(),
            list: ChangeList::default(),
            live: 0,
            assured: 0,
            truncated: false,
            pass: Pass::default(),
            before: Pass::default(),
            begun: 0,
            whole: 0,
            slept: 0,
            running: None,
            stamp: 0,
            suspicious: false,
            strangers: Vec::new(),
            interrupted: false,
            tombstones: HashSet::default(),
            lost: Lost::default(),
            cursors: HashMap::new(),
            next_cursor: 0,
            chunks: 0,
            horizon: 0,
        }
    }

    /// Names this life of the table.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Number of the latest change.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The latest pass, which may still run.
    #[must_use]
    pub fn pass(&self) -> Pass {
        self.pass
    }

    /// Events lost so far.
    #[must_use]
    pub fn lost_events(&self) -> Lost {
        self.lost
    }

    /// What the table knows about itself.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (flows, ended) = (self.live, self.store.ends.len());
        Stats { flows, assured: self.assured, ended, truncated: self.truncated }
    }

    /// All live flows, in no order.
    pub fn flows(&self) -> impl Iterator<Item = FlowRow> + '_ {
        self.store.live().map(|(_, slot)| slot.row())
    }

    /// Notes that nothing will be read for a while: cursors opened from here on are synced when the next
    /// whole pass is done.
    pub fn rest(&mut self) {
        self.slept = self.begun;
    }

    /// Forgets everything and begins another epoch. Cursors are closed; ids go on, so that a handle
    /// from before names nothing.
    pub fn clear(&mut self, epoch: u64) {
        *self = Self { next_id: self.next_id, ..Self::new(epoch, self.limits) };
    }

    /// The next change number, with the flow moved to the tail of the list.
    fn change(&mut self, slot: u32) -> u64 {
        self.head += 1;
        self.list.push_tail(slot);
        self.head
    }
}

/// Whether `at` lies more than `millis` after `since`.
fn older(since: BootMillis, at: BootMillis, millis: u64) -> bool {
    at.since(since) > millis
}
