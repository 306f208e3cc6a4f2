//! Slots by key: chains through the slots, from heads by hash.
//!
//! Flows come and go by the million, and this index has no traces of what was removed: it never has
//! to be built again, and grows only with the number of flows. A hash table with open addressing
//! fills up with such traces and doubles.
//!
//! A link is the number of a slot and eight bits of its hash, so that a slot with another key is
//! mostly passed over without a look at it, which would come from far memory.
//!
//! Invariant: a slot is in at most one chain, that of its hash; the number of heads is a power of two.

use super::segments::{NONE, Segments};

/// Most slots that there can be.
pub(super) const SLOTS: usize = 1 << BITS;
const BITS: u32 = 24;
/// Heads to begin with.
const FIRST: usize = 1024;

/// A slot and bits of its hash, or the end of a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Link(u32);

impl Link {
    const END: Self = Self(NONE);

    #[inline]
    fn new(hash: u64, slot: u32) -> Self {
        Self(tag(hash) | slot)
    }

    #[inline]
    fn slot(self) -> Option<u32> {
        (self != Self::END).then_some(self.0 & !(u32::MAX << BITS))
    }

    #[inline]
    fn may_be(self, hash: u64) -> bool {
        self.0 & u32::MAX << BITS == tag(hash)
    }
}

/// Other bits than those that choose the head.
#[inline]
fn tag(hash: u64) -> u32 {
    let [highest, ..] = hash.to_be_bytes();
    u32::from(highest) << BITS
}

/// The heads, and behind each slot the next one of its chain.
#[derive(Default)]
pub(super) struct Index {
    heads: Vec<Link>,
    next: Segments<Link>,
    len: usize,
}

impl Index {
    /// Makes room for one more slot, the number of which is the count before.
    pub(super) fn grow(&mut self) {
        self.next.push(Link::END);
    }

    #[inline]
    fn head(&self, hash: u64) -> Option<usize> {
        // The lower half has all the bits that are needed, also where that is all of a word.
        #[expect(clippy::cast_possible_truncation, reason = "as many bits as there are")]
        Some(hash as usize & self.heads.len().checked_sub(1)?)
    }

    #[inline]
    fn first(&self, hash: u64) -> Link {
        self.head(hash).and_then(|head| self.heads.get(head)).copied().unwrap_or(Link::END)
    }

    /// The slot with this hash that `is` the one.
    #[inline]
    pub(super) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mut link = self.first(hash);
        while let Some(slot) = link.slot() {
            if link.may_be(hash) && is(slot) {
                return Some(slot);
            }
            link = *self.next.at(slot);
        }
        None
    }

    /// Puts a slot in that is not there. When the heads have to be doubled, `hash_of` tells of each
    /// slot whether it is in the index, and its hash.
    pub(super) fn insert(&mut self, hash: u64, slot: u32, hash_of: impl Fn(u32) -> Option<u64>) {
        if self.len >= self.heads.len() {
            self.double(hash_of);
        }
        self.len += 1;
        self.link(hash, slot);
    }

    /// Takes a slot out if it is there.
    pub(super) fn remove(&mut self, hash: u64, slot: u32) {
        let next = *self.next.at(slot);
        let mut link = self.first(hash);
        if link.slot() == Some(slot) {
            self.set_first(hash, next);
        } else {
            let before = loop {
                let Some(before) = link.slot() else { return };
                link = *self.next.at(before);
                if link.slot() == Some(slot) {
                    break before;
                }
            };
            *self.next.at_mut(before) = next;
        }
        *self.next.at_mut(slot) = Link::END;
        self.len -= 1;
    }

    fn link(&mut self, hash: u64, slot: u32) {
        *self.next.at_mut(slot) = self.first(hash);
        self.set_first(hash, Link::new(hash, slot));
    }

    fn set_first(&mut self, hash: u64, link: Link) {
        if let Some(head) = self.head(hash).and_then(|head| self.heads.get_mut(head)) {
            *head = link;
        }
    }

    /// Twice the heads. All is linked anew in the order of the slots, which lie in memory like that:
    /// from chain to chain it would take ten times as long.
    fn double(&mut self, hash_of: impl Fn(u32) -> Option<u64>) {
        let len = (self.heads.len() * 2).max(FIRST);
        self.heads.clear();
        self.heads.reserve_exact(len);
        self.heads.resize(len, Link::END);
        for slot in 0..self.next.len() {
            *self.next.at_mut(slot) = Link::END;
            if let Some(hash) = hash_of(slot) {
                self.link(hash, slot);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Many slots with few heads and tags.
    fn hash(slot: u32) -> u64 {
        u64::from(slot / 2).wrapping_mul(0x9e37_79b9_7f4a_7c15) & 0x0700_0000_0000_0fff
    }

    #[test]
    fn what_was_put_in_is_found_until_it_is_taken_out() {
        let mut index = Index::default();
        let mut there = BTreeSet::new();
        for slot in 0..5_000 {
            index.grow();
            index.insert(hash(slot), slot, |other| there.contains(&other).then(|| hash(other)));
            there.insert(slot);
            if slot % 3 == 0 {
                let gone = slot / 2;
                index.remove(hash(gone), gone);
                index.remove(hash(gone), gone);
                there.remove(&gone);
            }
            assert_eq!(index.len, there.len());
        }
        let heads = index.heads.len();
        for slot in 0..5_000 {
            let found = index.find(hash(slot), |other| other == slot);
            assert_eq!(found, there.contains(&slot).then_some(slot));
        }
        for round in 0..100 {
            for &slot in &there {
                index.remove(hash(slot), slot);
                index.insert(hash(slot), slot, |_| panic!("the index is as large as before"));
            }
            assert_eq!((index.len, index.heads.len()), (there.len(), heads), "round {round}");
        }
    }
}
