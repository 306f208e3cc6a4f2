//! One flow as front ends read it: the mirror's record, seen from the local end, at a moment. Columns,
//! filters, orders and views are made of it; it knows none of them.

#[cfg(test)]
pub(crate) mod testing;

use std::net::IpAddr;
use std::ops::Range;

use conntop_proto::flow::{BootMillis, FlowId, Status};
use conntop_proto::tuple::{L4, Tuple};

use crate::enrich::processes::Process;
use crate::enrich::{Enricher, Fact};
use crate::mirror::{EndedFlow, Flow, Mirror, PastFlow, Rates, Seen, Slot};
use crate::orient::{Dir, End, Orientation, destination, source};
pub use crate::source::NodeId;
use crate::units::Elapsed;

/// A flow among those of all nodes: the node in the upper bits, for the protocol's ids are below
/// 2^53. So a row of a view is no larger for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey(u64);

impl FlowKey {
    /// Bits of a flow's id.
    const ID: u32 = 53;
    /// How many nodes have room in a key.
    pub const NODES: usize = 1 << (u64::BITS - Self::ID);

    /// The key of a node's flow. The node is below [`FlowKey::NODES`].
    #[must_use]
    #[inline]
    pub fn new(node: NodeId, id: FlowId) -> Self {
        Self(u64::from(node.0) << Self::ID | id.0)
    }

    /// Whose flow it is.
    #[must_use]
    #[inline]
    pub fn node(self) -> NodeId {
        NodeId(u16::try_from(self.0 >> Self::ID).unwrap_or(0))
    }

    /// The id that it has there.
    #[must_use]
    #[inline]
    pub fn id(self) -> FlowId {
        FlowId(self.0 & ((1 << Self::ID) - 1))
    }
}

/// A moment by the collector's clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// CLOCK_BOOTTIME.
    pub boot: BootMillis,
    /// Microseconds since 1970 by the wall clock; `None` when that is not known.
    pub wall: Option<u64>,
}

/// What rows are made from: one node at a moment by its own clocks.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Flows.
    pub mirror: &'a Mirror,
    /// When.
    pub now: Now,
    /// Whose.
    pub node: NodeId,
    /// What people call it; empty while nobody knows.
    pub name: &'a str,
    /// What is known beside the flows.
    pub known: &'a Enricher,
}

impl<'a> Source<'a> {
    /// The only node.
    #[must_use]
    pub fn only(mirror: &'a Mirror, now: Now) -> Self {
        Self { mirror, now, node: NodeId::default(), name: "", known: Enricher::none() }
    }

    /// All live flows.
    pub fn live(self) -> impl Iterator<Item = FlowView<'a>> {
        self.mirror.flows().map(move |(_, flow)| self.view(flow))
    }

    /// The live flows of some slots.
    pub fn live_in(self, slots: Range<usize>) -> impl Iterator<Item = (Slot, FlowView<'a>)> {
        self.mirror.flows_in(slots).map(move |(slot, flow)| (slot, self.view(flow)))
    }

    /// Flows that ended a short while ago.
    pub fn ended(self) -> impl DoubleEndedIterator<Item = FlowView<'a>> {
        self.mirror.ended().map(move |ended| self.view_ended(ended))
    }

    /// What flows carried that have ended since conntop began or since the mark. Entries are of flows
    /// that differ in the opener's port only, and of their values only those say something that all of
    /// them have in common: ends, names, places, zone, mark, `seen`. What these entries lack is
    /// [`Mirror::forgotten`].
    pub fn past(self) -> impl Iterator<Item = (&'a PastFlow, FlowView<'a>)> {
        let Self { mirror, now, node, name, known } = self;
        let orientation = mirror.orientation();
        mirror.past().iter().map(move |past| {
            let flow = &past.flow;
            let (dir, seen) = (Dir::from(flow.class()), Some(past.seen));
            (
                past,
                FlowView {
                    flow,
                    dir,
                    rates: None,
                    seen,
                    begun: past.begun > 0,
                    ended: None,
                    now,
                    node,
                    node_name: name,
                    known,
                    orientation,
                },
            )
        })
    }

    /// A live flow, or one that ended a short while ago.
    #[must_use]
    pub fn get(self, id: FlowId) -> Option<FlowView<'a>> {
        match self.mirror.get(id) {
            Some(flow) => Some(self.view(flow)),
            None => self.ended().rev().find(|view| view.flow.id() == id),
        }
    }

    /// The same as somebody sees it who looks at this flow: with rates by its own samples where they
    /// say more than the common window.
    #[must_use]
    pub fn look_at(self, id: FlowId) -> Option<FlowView<'a>> {
        let view = self.get(id)?;
        let rates = if view.ended.is_none() { self.mirror.own_rates(view.flow) } else { None };
        Some(FlowView { rates, ..view })
    }

    #[inline]
    fn view(self, flow: &'a Flow) -> FlowView<'a> {
        let dir = Dir::from(flow.class());
        let Self { mirror, now, node, name, known } = self;
        let (rates, seen, orientation) = (mirror.rates(flow), mirror.seen(flow), mirror.orientation());
        let begun = mirror.began_since(flow);
        FlowView {
            flow,
            dir,
            rates,
            seen,
            begun,
            ended: None,
            now,
            node,
            node_name: name,
            known,
            orientation,
        }
    }

    fn view_ended(self, ended: &'a EndedFlow) -> FlowView<'a> {
        let flow = &ended.flow;
        let dir = Dir::from(flow.class());
        let now = Now { boot: ended.at, wall: ended.stop };
        let Self { mirror, node, name, known, .. } = self;
        let (seen, orientation) = (mirror.seen_of_ended(ended), mirror.orientation());
        let begun = mirror.began_since(flow);
        FlowView {
            flow,
            dir,
            rates: None,
            seen,
            begun,
            ended: Some(ended),
            now,
            node,
            node_name: name,
            known,
            orientation,
        }
    }
}

/// A flow at a moment; for an ended flow, the moment of its end.
#[derive(Clone, Copy)]
pub struct FlowView<'a> {
    /// The mirror's record.
    pub flow: &'a Flow,
    /// Direction, seen from the local end.
    pub dir: Dir,
    /// Bytes per second; `None` when not known, and of ended flows.
    pub rates: Option<Rates>,
    /// Bytes since conntop began or since the mark; `None` without counters.
    pub seen: Option<Seen>,
    /// Whether it began since conntop did or since the mark.
    pub begun: bool,
    /// How it ended, if it did.
    pub ended: Option<&'a EndedFlow>,
    /// The moment.
    pub now: Now,
    /// Whose flow it is.
    pub node: NodeId,
    /// What people call that.
    pub node_name: &'a str,
    /// What is known beside the flows.
    pub known: &'a Enricher,
    /// From whose side directions are told.
    pub orientation: Orientation,
}

/// Slack between the two clocks of a collector, milliseconds.
const SLACK: u64 = 2_000;

impl<'a> FlowView<'a> {
    /// What names it among the flows of all nodes.
    #[must_use]
    #[inline]
    pub fn key(&self) -> FlowKey {
        FlowKey::new(self.node, self.flow.id())
    }

    /// Original tuple.
    #[must_use]
    #[inline]
    pub fn orig(&self) -> Tuple {
        self.flow.orig()
    }

    /// Reply tuple.
    #[must_use]
    #[inline]
    pub fn reply(&self) -> Tuple {
        self.flow.reply()
    }

    /// Who opened the flow.
    #[must_use]
    pub fn src(&self) -> End {
        source(&self.orig())
    }

    /// To whom, as the opener addressed it.
    #[must_use]
    pub fn dst(&self) -> End {
        destination(&self.orig())
    }

    /// The local end (see [`Dir::local`]).
    #[must_use]
    pub fn local(&self) -> End {
        self.dir.local(&self.orig(), &self.reply())
    }

    /// The other end.
    #[must_use]
    pub fn remote(&self) -> End {
        self.dir.remote(&self.orig())
    }

    /// What one of its hosts is called.
    #[must_use]
    pub fn name(&self, address: IpAddr) -> Option<&'a str> {
        self.known.name(self.node, address).map(|name| name.text)
    }

    /// Whether it is one of conntop's own questions for names.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.known.names().is_own(&self.orig())
    }

    /// What its destination port serves by its number.
    #[must_use]
    pub fn service(&self) -> Fact<&'a str> {
        match self.dst().port {
            Some(port) => self.known.service(self.orig().proto, port).into(),
            None => Fact::Absent,
        }
    }

    /// The process at this machine's end.
    #[must_use]
    pub fn process(&self) -> Fact<&'a Process> {
        self.known.process(&self.orig(), &self.reply())
    }

    /// The source as the other side sees it, if it is translated.
    #[must_use]
    pub fn translated_source(&self) -> Option<End> {
        let seen = destination(&self.reply());
        let differs = seen != self.src() || self.icmp_id_differs();
        (differs || self.flow.status().has(Status::SRC_NAT)).then_some(seen)
    }

    /// The real destination, if the addressed one is translated.
    #[must_use]
    pub fn translated_destination(&self) -> Option<End> {
        let real = source(&self.reply());
        (real != self.dst() || self.flow.status().has(Status::DST_NAT)).then_some(real)
    }

    fn icmp_id_differs(&self) -> bool {
        match (self.orig().l4, self.reply().l4) {
            (L4::Icmp { id: a, .. }, L4::Icmp { id: b, .. }) => a != b,
            _ => false,
        }
    }

    /// Bytes per second (down, up).
    #[must_use]
    #[inline]
    pub fn down_up(&self) -> Option<(u64, u64)> {
        self.rates.map(|rates| self.orientation.down_up(self.dir, rates.orig, rates.reply))
    }

    /// Total bytes (down, up).
    #[must_use]
    #[inline]
    pub fn bytes_down_up(&self) -> Option<(u64, u64)> {
        let (orig, reply) = self.flow.bytes()?;
        Some(self.orientation.down_up(self.dir, orig, reply))
    }

    /// Bytes since conntop began or since the mark (down, up).
    #[must_use]
    #[inline]
    pub fn seen(&self) -> Option<(u64, u64)> {
        self.seen.map(|seen| self.orientation.down_up(self.dir, seen.orig, seen.reply))
    }

    /// Packets (down, up).
    #[must_use]
    pub fn packets_down_up(&self) -> Option<(u64, u64)> {
        let (orig, reply) = self.flow.orig_counters().zip(self.flow.reply_counters())?;
        Some(self.orientation.down_up(self.dir, orig.packets, reply.packets))
    }

    /// Time since it began. A start by the wall clock counts only where it agrees with what was
    /// observed: a router without a clock would show decades, a stepped clock anything.
    #[must_use]
    pub fn age(&self) -> Elapsed {
        let observed = self.now.boot.since(self.flow.first_seen());
        let by_wall = self.flow.start().zip(self.now.wall).and_then(|(start, wall)| {
            let age = wall.checked_sub(start)? / 1000;
            let uptime = self.now.boot.0;
            (age <= uptime.saturating_add(SLACK) && age.saturating_add(SLACK) >= observed).then_some(age)
        });
        match by_wall {
            Some(age) => Elapsed::Exact(age),
            None if self.flow.born() => Elapsed::Exact(observed),
            None => Elapsed::AtLeast(observed),
        }
    }

    /// Time since its counters last moved, as far as the passes over the table show it.
    #[must_use]
    pub fn idle(&self) -> Option<Elapsed> {
        let _accounted = self.flow.orig_counters()?;
        let idle = self.now.boot.since(self.flow.sampled());
        let moved = self.flow.born() || self.flow.sampled() > self.flow.first_seen();
        Some(if moved { Elapsed::Exact(idle) } else { Elapsed::AtLeast(idle) })
    }

    /// Milliseconds until the entry expires if nothing more is seen.
    #[must_use]
    pub fn timeout(&self) -> Option<u64> {
        match self.ended {
            Some(_) => None,
            None => self.flow.expires().map(|expires| expires.since(self.now.boot)),
        }
    }

    /// Whether it was seen to begin less than that many milliseconds ago.
    #[must_use]
    pub fn is_new(&self, millis: u64) -> bool {
        self.flow.born() && self.now.boot.since(self.flow.first_seen()) < millis
    }
}
