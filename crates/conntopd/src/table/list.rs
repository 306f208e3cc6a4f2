//! The list of all flows and ended records in the order of their last change, with the markers of
//! the cursors standing between them.
//!
//! A flow that changes moves to the tail. A marker stands before everything that its cursor has not
//! seen, so neither moves nor removals of flows concern the cursors.

/// Set in the numbers of markers.
const MARKER: u32 = 1 << 31;
/// In `prev` of a node that is in no list.
const LOOSE: u32 = u32::MAX - 1;

use super::segments::{NONE, Segments};

#[derive(Clone, Copy)]
struct Link {
    prev: u32,
    next: u32,
}

/// A place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marker(u32);

#[derive(Default)]
pub(super) struct ChangeList {
    flows: Segments<Link>,
    markers: Vec<Link>,
    free: Vec<u32>,
    ends: Option<(u32, u32)>,
}

impl ChangeList {
    /// Makes the list know one more flow, the number of which is the count before.
    pub(super) fn grow(&mut self) {
        self.flows.push(Link { prev: LOOSE, next: NONE });
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "numbers of markers come from this list, which never shrinks"
    )]
    fn link(&mut self, node: u32) -> &mut Link {
        if node & MARKER == 0 {
            self.flows.at_mut(node)
        } else {
            &mut self.markers[(node & !MARKER) as usize]
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "numbers of markers come from this list, which never shrinks"
    )]
    fn get(&self, node: u32) -> Link {
        if node & MARKER == 0 { *self.flows.at(node) } else { self.markers[(node & !MARKER) as usize] }
    }

    fn unlink(&mut self, node: u32) {
        let Link { prev, next } = self.get(node);
        if prev == LOOSE {
            return;
        }
        let (mut first, mut last) = self.ends.unwrap_or((NONE, NONE));
        if prev == NONE {
            first = next;
        } else {
            self.link(prev).next = next;
        }
        if next == NONE {
            last = prev;
        } else {
            self.link(next).prev = prev;
        }
        self.ends = (first != NONE).then_some((first, last));
        *self.link(node) = Link { prev: LOOSE, next: NONE };
    }

    /// Puts a loose node behind `before`, at the front when that is `NONE`.
    fn insert_after(&mut self, before: u32, node: u32) {
        let (mut first, mut last) = self.ends.unwrap_or((NONE, NONE));
        let next = if before == NONE { first } else { self.get(before).next };
        *self.link(node) = Link { prev: before, next };
        if before == NONE {
            first = node;
        } else {
            self.link(before).next = node;
        }
        if next == NONE {
            last = node;
        } else {
            self.link(next).prev = node;
        }
        self.ends = Some((first, last));
    }

    fn last(&self) -> u32 {
        self.ends.map_or(NONE, |(_, last)| last)
    }

    /// Moves a flow to the tail, or puts it there.
    pub(super) fn push_tail(&mut self, flow: u32) {
        if self.last() == flow {
            return;
        }
        self.unlink(flow);
        self.insert_after(self.last(), flow);
    }

    pub(super) fn remove(&mut self, flow: u32) {
        self.unlink(flow);
    }

    fn new_marker(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            let number = u32::try_from(self.markers.len()).unwrap_or(NONE) | MARKER;
            self.markers.push(Link { prev: LOOSE, next: NONE });
            number
        })
    }

    /// A marker behind `flow`; at the front when that is `None`.
    pub(super) fn mark(&mut self, flow: Option<u32>) -> Marker {
        let marker = self.new_marker();
        self.insert_after(flow.unwrap_or(NONE), marker);
        Marker(marker)
    }

    /// A marker behind everything.
    pub(super) fn mark_tail(&mut self) -> Marker {
        let marker = self.new_marker();
        self.insert_after(self.last(), marker);
        Marker(marker)
    }

    /// A marker where another one stands.
    pub(super) fn mark_at(&mut self, other: Marker) -> Marker {
        let marker = self.new_marker();
        self.insert_after(other.0, marker);
        Marker(marker)
    }

    pub(super) fn drop_marker(&mut self, marker: Marker) {
        self.unlink(marker.0);
        self.free.push(marker.0);
    }

    /// Moves a marker behind a flow.
    pub(super) fn move_after(&mut self, marker: Marker, flow: u32) {
        self.unlink(marker.0);
        self.insert_after(flow, marker.0);
    }

    /// Moves a marker behind everything.
    pub(super) fn send_to_tail(&mut self, marker: Marker) {
        self.push_tail(marker.0);
    }

    /// Moves a marker to where another one stands.
    pub(super) fn move_to(&mut self, marker: Marker, other: Marker) {
        if marker != other {
            self.unlink(marker.0);
            self.insert_after(other.0, marker.0);
        }
    }

    /// The first flow behind a marker.
    pub(super) fn after(&self, marker: Marker) -> Option<u32> {
        self.flow_from(self.get(marker.0).next, |link| link.next)
    }

    /// The flow behind a flow.
    pub(super) fn next(&self, flow: u32) -> Option<u32> {
        self.flow_from(self.get(flow).next, |link| link.next)
    }

    /// The flow that changed last.
    pub(super) fn newest(&self) -> Option<u32> {
        self.flow_from(self.last(), |link| link.prev)
    }

    /// The flow before a flow.
    pub(super) fn before(&self, flow: u32) -> Option<u32> {
        self.flow_from(self.get(flow).prev, |link| link.prev)
    }

    fn flow_from(&self, mut node: u32, step: impl Fn(Link) -> u32) -> Option<u32> {
        while node != NONE {
            if node & MARKER == 0 {
                return Some(node);
            }
            node = step(self.get(node));
        }
        None
    }
}
