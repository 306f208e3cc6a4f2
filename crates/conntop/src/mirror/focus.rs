//! Rates of the flows that somebody looks at.
//!
//! The collector reads them more often than its passes come by. Each keeps the points at which its
//! totals were known: its own samples, and the passes that vouch for the latest of them. Its rate is
//! that of its own window, which ends with the latest point and is as long as was wished for. That
//! is shown when it says more than the common window does: when its latest point is newer than the
//! last pass, or when passes take so long that the common window is no window of the wished length.
//! A flow that stops is still read for a while, so it falls to 0 by its own samples; later the passes
//! say so too. A flow that is not looked at any more has no points and thus the common window.

use std::collections::VecDeque;

use conntop_proto::columns::Ids;
use conntop_proto::flow::{BootMillis, FlowId};
use hashbrown::HashMap;

use super::flow::Flow;
use super::rate::{Passes, Rates, Sample};
use super::slab::Slab;

/// Points older than the longest window are of no use, milliseconds.
const KEPT: u64 = 48_000;
/// Points closer than this are one, milliseconds: so at most 120 are kept of a flow.
const SPACING: u64 = 400;

/// The flows that somebody looks at: those of a screen.
#[derive(Debug, Default)]
pub(super) struct Focus {
    tracks: HashMap<FlowId, Track>,
}

/// Known totals of one flow, ascending in time.
#[derive(Debug, Default)]
struct Track {
    points: VecDeque<Sample>,
}

impl Focus {
    /// Looks at these flows and at no others.
    pub(super) fn set(&mut self, ids: &Ids, flows: &mut Slab, passes: &Passes) {
        self.tracks.retain(|id, _| ids.contains(*id));
        for id in ids.iter().filter(|id| !self.tracks.contains_key(id)).collect::<Vec<_>>() {
            if let Some(flow) = flows.find(id).and_then(|slot| flows.at_mut(slot)) {
                flow.watch();
                self.tracks.insert(id, Track::begin(flow, passes));
            }
        }
    }

    /// The flow was read at that time, with the counters that it has now.
    pub(super) fn note(&mut self, flow: &Flow, at: BootMillis) {
        if let Some(track) = self.tracks.get_mut(&flow.id()) {
            track.push(flow, at);
        }
    }

    /// A pass is complete; it vouches for what has not changed.
    pub(super) fn vouch(&mut self, flows: &Slab, passes: &Passes) {
        self.tracks.retain(|id, track| {
            let Some(flow) = flows.find(*id).and_then(|slot| flows.at(slot)) else { return false };
            if let Some(at) = passes.vouched(flow) {
                track.push(flow, at);
            }
            true
        });
    }

    pub(super) fn clear(&mut self) {
        self.tracks.clear();
    }

    /// Rates by the flow's own points, if they say more than the common window.
    pub(super) fn rates(&self, flow: &Flow, passes: &Passes) -> Option<Rates> {
        let points = &self.tracks.get(&flow.id())?.points;
        let last = points.back()?;
        if passes.end_in_time(flow).is_some_and(|end| last.at <= end) {
            return None;
        }
        let first = points.iter().rev().find(|point| last.at.since(point.at) >= passes.least());
        match first {
            Some(first) => Some(last.rates_since(first, 1)),
            // Its whole life is shorter than the window.
            None if flow.born() && last.at.since(flow.first_seen()) <= passes.least() => {
                let birth = Sample { at: flow.first_seen(), orig: 0, reply: 0 };
                Some(last.rates_since(&birth, passes.least()))
            }
            None => None,
        }
    }
}

impl Track {
    fn begin(flow: &Flow, passes: &Passes) -> Self {
        let mut points: VecDeque<Sample> = VecDeque::new();
        points.extend(flow.samples());
        let mut track = Self { points };
        track.push(flow, flow.sampled());
        if let Some(at) = passes.vouched(flow) {
            track.push(flow, at);
        }
        track
    }

    fn push(&mut self, flow: &Flow, at: BootMillis) {
        let Some(sample) = Sample::of(flow) else { return };
        if self.points.back().is_some_and(|last| at < last.at) {
            return;
        }
        let mut latest = self.points.iter().rev();
        if let (Some(last), Some(before)) = (latest.next(), latest.next())
            && last.at.since(before.at) < SPACING
        {
            self.points.pop_back();
        }
        if self.points.back().is_some_and(|last| last.at == at) {
            self.points.pop_back();
        }
        self.points.push_back(Sample { at, ..sample });
        while self.points.get(1).is_some_and(|second| at.since(second.at) > KEPT) {
            self.points.pop_front();
        }
    }
}
