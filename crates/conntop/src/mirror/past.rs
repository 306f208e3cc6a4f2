//! What flows carried that have ended since conntop began, or since the mark.
//!
//! A browser or a resolver makes flows that differ in nothing but the port of who opened them, so
//! these share an entry: a day of them takes few. Bounded: beyond [`MOST`] entries the half that
//! carried least is forgotten, and [`Past::forgotten`] says how much that was. Nothing is ever
//! counted twice, so entries, forgotten ones and live flows together are the ledger since the mark.

use std::hash::BuildHasher;
use std::net::IpAddr;

use conntop_proto::tuple::{L4, Proto, Tuple};
use hashbrown::HashTable;

use super::flow::Flow;
use super::seen::Seen;

/// Entries, about 10 MB of them: what a router meets in an hour, as ports of openers do not count.
const MOST: usize = 50_000;

/// Ended flows that differ in the opener's port only.
#[derive(Clone, Debug)]
pub struct PastFlow {
    /// The first of them. Of its values only those that all have in common say something.
    pub flow: Flow,
    /// How many there were.
    pub flows: u64,
    /// How many of them began since conntop did or since the mark.
    pub begun: u64,
    /// What they carried since then; of flows without counters nothing is known.
    pub seen: Seen,
}

/// What was forgotten of the past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Flows.
    pub flows: u64,
    /// How many of them began since conntop did or since the mark.
    pub begun: u64,
    /// What they carried since then.
    pub seen: Seen,
}

#[derive(Default)]
pub(super) struct Past {
    entries: Vec<PastFlow>,
    index: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    forgotten: Forgotten,
}

impl Past {
    pub(super) fn entries(&self) -> &[PastFlow] {
        &self.entries
    }

    pub(super) fn entries_mut(&mut self) -> impl Iterator<Item = &mut Flow> {
        self.entries.iter_mut().map(|entry| &mut entry.flow)
    }

    pub(super) fn forgotten(&self) -> &Forgotten {
        &self.forgotten
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds a flow that ended, which carried that much.
    pub(super) fn add(&mut self, flow: &Flow, begun: bool, seen: Seen) {
        let begun = u64::from(begun);
        let key = Key::of(flow);
        let hash = self.hasher.hash_one(key);
        let Self { entries, index, hasher, .. } = self;
        let at = |slot: u32| entries.get(slot as usize);
        if let Some(slot) = index.find(hash, |slot| at(*slot).is_some_and(|e| Key::of(&e.flow) == key)) {
            if let Some(entry) = entries.get_mut(*slot as usize) {
                entry.flows += 1;
                entry.begun += begun;
                entry.seen.add(seen);
            }
            return;
        }
        let Ok(slot) = u32::try_from(entries.len()) else { return };
        index.insert_unique(hash, slot, |slot| at(*slot).map_or(0, |e| hasher.hash_one(Key::of(&e.flow))));
        entries.push(PastFlow { flow: flow.clone(), flows: 1, begun, seen });
        if self.entries.len() > MOST {
            self.forget();
        }
    }

    /// Forgets the half that carried least.
    fn forget(&mut self) {
        let Self { entries, index, hasher, forgotten } = self;
        let keep = MOST / 2;
        entries.select_nth_unstable_by_key(keep, |entry| std::cmp::Reverse(entry.seen.both()));
        for entry in entries.drain(keep..) {
            forgotten.flows += entry.flows;
            forgotten.begun += entry.begun;
            forgotten.seen.add(entry.seen);
        }
        index.clear();
        for (slot, entry) in (0..).zip(entries.iter()) {
            let of =
                |slot: &u32| entries.get(*slot as usize).map_or(0, |e| hasher.hash_one(Key::of(&e.flow)));
            index.insert_unique(hasher.hash_one(Key::of(&entry.flow)), slot, of);
        }
    }
}

/// What flows of one entry have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    zone: u16,
    mark: u32,
    proto: Proto,
    orig: (IpAddr, IpAddr, Option<u16>),
    reply: (IpAddr, IpAddr, Option<u16>),
}

impl Key {
    fn of(flow: &Flow) -> Self {
        let (orig, reply) = (flow.orig(), flow.reply());
        Self {
            zone: flow.zone(),
            mark: flow.mark(),
            proto: orig.proto,
            orig: (orig.src, orig.dst, ports(&orig).map(|(_, dst)| dst)),
            reply: (reply.src, reply.dst, ports(&reply).map(|(src, _)| src)),
        }
    }
}

fn ports(tuple: &Tuple) -> Option<(u16, u16)> {
    match tuple.l4 {
        L4::Ports { src, dst } => Some((src, dst)),
        L4::None | L4::Icmp { .. } => None,
    }
}
