//! Counts the flows that lead to each listener, in as many parts as its owner likes.
//!
//! A flow leads to a listener if the end that serves it, behind any translation, is an own address of the
//! machine. The nearest socket takes it: one bound to the address, then one bound to none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use conntop_proto::tuple::{L4, Tuple};
use hashbrown::{HashMap, HashSet};

use super::super::Scene;
use super::{Place, place};
use crate::flow::{FlowView, Source};
use crate::nodes::NodeId;

/// Flows to one listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) flows: u64,
    /// Bytes per second that come to it and that it sends, as far as they are known.
    pub(super) rates: Option<(u64, u64)>,
}

type Ends = HashMap<(NodeId, u8, u16, IpAddr), Place>;

/// Counts in the making, and those that were finished last.
#[derive(Debug, Default)]
pub(super) struct Counting {
    done: HashMap<Place, Count>,
    making: HashMap<Place, Count>,
    ends: Ends,
    own: HashSet<(NodeId, IpAddr)>,
    /// The node and its next slot; `None` while nothing is under way.
    next: Option<(usize, usize)>,
}

impl Counting {
    /// Begins anew, unless it is under way.
    pub(super) fn begin(&mut self, scene: &Scene<'_>, own: &[(NodeId, IpAddr)]) {
        if self.next.is_some() {
            return;
        }
        self.ends.clear();
        for (id, node) in scene.nodes.iter() {
            let told = node.engine().machine().listeners().map_or(&[][..], |told| told.list.as_slice());
            for one in told {
                self.ends.entry((id, one.proto, one.port, one.address)).or_insert_with(|| place(id, one));
            }
            // Behind those of IPv4 alone.
            let any = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
            for one in told.iter().filter(|one| one.address == any && !one.v6_only) {
                let end = (id, one.proto, one.port, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
                self.ends.entry(end).or_insert_with(|| place(id, one));
            }
        }
        self.own = own.iter().copied().collect();
        self.making.clear();
        self.next = Some((0, 0));
    }

    /// Goes on, by so many flows; true when all were asked.
    pub(super) fn advance(&mut self, sources: &[Source<'_>], flows: usize) -> bool {
        let Some((at, slot)) = self.next else { return true };
        let Some(source) = sources.get(at) else {
            self.next = None;
            std::mem::swap(&mut self.done, &mut self.making);
            return true;
        };
        let to = slot.saturating_add(flows).min(source.mirror.slots());
        for (_, view) in source.live_in(slot..to) {
            if let Some(place) = self.served_by(source.node, &view) {
                self.making.entry(place).or_default().add(&view);
            }
        }
        self.next = Some(if to < source.mirror.slots() { (at, to) } else { (at + 1, 0) });
        false
    }

    fn served_by(&self, node: NodeId, view: &FlowView<'_>) -> Option<Place> {
        let Tuple { src, proto, l4, .. } = view.reply();
        let L4::Ports { src: port, .. } = l4 else { return None };
        let address = src.to_canonical();
        if !(address.is_loopback() || self.own.contains(&(node, address))) {
            return None;
        }
        let any = match address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let of = |address| self.ends.get(&(node, proto.0, port, address));
        of(address).or_else(|| of(any)).copied()
    }

    /// What was counted last.
    pub(super) fn of(&self, place: &Place) -> Count {
        // Where there are no flows, nothing comes and goes.
        self.done.get(place).copied().unwrap_or(Count { flows: 0, rates: Some((0, 0)) })
    }
}

impl Count {
    fn add(&mut self, view: &FlowView<'_>) {
        self.flows += 1;
        if let Some(rates) = view.rates {
            let (come, go) = self.rates.unwrap_or_default();
            self.rates = Some((come.saturating_add(rates.orig), go.saturating_add(rates.reply)));
        }
    }
}
