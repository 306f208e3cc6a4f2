//! Which flows somebody looks at. The wishes of all subscribers are united; when they are more than
//! can be asked for, each subscriber gets its turn for one flow after the other, and goes on with
//! its next ones at the next tick.

use std::collections::BTreeMap;

use conntop_proto::columns::Ids;
use conntop_proto::flow::{BootMillis, FlowId};

use crate::table::{FlowTable, Handle};

/// Most flows of one subscriber.
const OF_ONE: usize = 1000;
/// Most flows of all that are kept in mind: those of a few dozen full screens.
const OF_ALL: usize = 16_384;
/// How long after a flow moved its sample times go out. Then silence says that it stands still.
const MOVED_MILLIS: u64 = 45_000;
/// When the second sample of a flow that was never seen to move goes out, counted from the first one: a
/// client's window of 2 s takes the two for one of its length, so the rate is known to be 0. A third one
/// would say nothing new.
const SECOND_MILLIS: u64 = 1700;

#[derive(Default)]
pub(super) struct Focus {
    wishes: BTreeMap<u64, Wish>,
    /// All of them, by id.
    flows: Vec<Looked>,
    /// The wishes changed since `flows` was made.
    stale: bool,
    /// The subscriber whose turn comes first.
    first: u64,
}

struct Wish {
    ids: Vec<FlowId>,
    /// Position of the next one that is its turn.
    next: usize,
}

#[derive(Clone, Copy)]
struct Looked {
    handle: Handle,
    /// Every sample time goes out.
    lively_until: BootMillis,
    /// One does, from here on.
    once_from: Option<BootMillis>,
    picked: bool,
}

impl Looked {
    fn new(handle: Handle, table: &FlowTable) -> Self {
        let looked = Self { handle, lively_until: BootMillis(0), once_from: None, picked: false };
        match (table.moved(handle), table.first_seen(handle)) {
            (Some(moved), _) => Self { lively_until: after(moved, MOVED_MILLIS), ..looked },
            (None, first) => Self { once_from: first.map(|first| after(first, SECOND_MILLIS)), ..looked },
        }
    }
}

fn after(at: BootMillis, millis: u64) -> BootMillis {
    BootMillis(at.0.saturating_add(millis))
}

impl Focus {
    /// What a subscriber looks at now.
    pub(super) fn wish(&mut self, subscriber: u64, ids: &Ids) {
        let same = match self.wishes.get(&subscriber) {
            Some(wish) => wish.ids == ids.as_slice(),
            None => ids.is_empty(),
        };
        if same {
            return;
        }
        self.stale = true;
        if ids.is_empty() {
            self.wishes.remove(&subscriber);
        } else {
            let ids = ids.iter().take(OF_ONE).collect();
            self.wishes.insert(subscriber, Wish { ids, next: 0 });
        }
    }

    pub(super) fn forget(&mut self, subscriber: u64) {
        self.stale |= self.wishes.remove(&subscriber).is_some();
    }

    /// Looks the flows up if the wishes changed.
    pub(super) fn resolve(&mut self, table: &FlowTable) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        let share = (OF_ALL / self.wishes.len().max(1)).max(1);
        let wished = self.wishes.values().flat_map(|wish| wish.ids.iter().take(share));
        let mut ids: Vec<FlowId> = wished.take(OF_ALL).copied().collect();
        ids.sort_unstable();
        ids.dedup();
        let before = std::mem::take(&mut self.flows);
        let known = |id| before.binary_search_by_key(&id, |looked: &Looked| looked.handle.id()).ok();
        let look = |handle: Handle| {
            let known = known(handle.id()).and_then(|at| before.get(at)).copied();
            known.unwrap_or_else(|| Looked::new(handle, table))
        };
        self.flows = table.handles(&ids).into_iter().map(look).collect();
    }

    /// The flows whose turn it is, at most `most`.
    pub(super) fn pick(&mut self, most: usize, mut each: impl FnMut(Handle)) {
        if self.flows.len() <= most {
            self.flows.iter().for_each(|looked| each(looked.handle));
            return;
        }
        self.flows.iter_mut().for_each(|looked| looked.picked = false);
        let after = self.wishes.range(self.first..).map(|(id, _)| *id);
        let order: Vec<u64> = after.chain(self.wishes.range(..self.first).map(|(id, _)| *id)).collect();
        self.first = order.get(1).or(order.first()).copied().unwrap_or_default();
        let mut left = most;
        let mut steps = vec![0; order.len()];
        while left > 0 {
            let mut anything = false;
            for (id, steps) in order.iter().zip(&mut steps) {
                let Some(wish) = self.wishes.get_mut(id).filter(|_| left > 0) else { continue };
                if let Some(handle) = turn(&mut self.flows, wish, steps) {
                    each(handle);
                    left -= 1;
                    anything = true;
                }
            }
            if !anything {
                return;
            }
        }
    }

    /// Whether the sample time of a flow that was read now goes out even if it did not move; taken as
    /// sent.
    pub(super) fn is_lively(&mut self, handle: Handle, now: BootMillis) -> bool {
        let Some(looked) = self.find(handle).and_then(|at| self.flows.get_mut(at)) else { return false };
        now <= looked.lively_until || looked.once_from.take_if(|from| now >= *from).is_some()
    }

    /// A flow moved.
    pub(super) fn moved(&mut self, handle: Handle, now: BootMillis) {
        if let Some(looked) = self.find(handle).and_then(|at| self.flows.get_mut(at)) {
            (looked.lively_until, looked.once_from) = (after(now, MOVED_MILLIS), None);
        }
    }

    fn find(&self, handle: Handle) -> Option<usize> {
        self.flows.binary_search_by_key(&handle.id(), |looked| looked.handle.id()).ok()
    }
}

/// The next flow of a wish that nobody has picked in this round.
fn turn(flows: &mut [Looked], wish: &mut Wish, steps: &mut usize) -> Option<Handle> {
    while *steps < wish.ids.len() {
        *steps += 1;
        let id = *wish.ids.get(wish.next % wish.ids.len())?;
        wish.next = (wish.next + 1) % wish.ids.len();
        let at = flows.binary_search_by_key(&id, |looked| looked.handle.id()).ok();
        if let Some(looked) = at.and_then(|at| flows.get_mut(at)).filter(|looked| !looked.picked) {
            looked.picked = true;
            return Some(looked.handle);
        }
    }
    None
}
