//! Slots by key: chains through the slots, from heads by hash.
//!
//! Flows come and go by the million, and this index has no traces of what was removed: it never has
//! to be built again, and grows only with the number of flows. A hash table with open addressing
//! fills up with such traces and doubles.
//!
//! Invariant: a slot is in at most one chain, that of its hash; the number of heads is a power of two.

use super::segments::{NONE, Segments};

/// Heads to begin with.
const FIRST: usize = 1024;

/// The heads, and behind each slot the next one of its chain.
#[derive(Default)]
pub(super) struct Index {
    heads: Vec<u32>,
    next: Segments<u32>,
    len: usize,
}

impl Index {
    /// Makes room for one more slot, the number of which is the count before.
    pub(super) fn grow(&mut self) {
        self.next.push(NONE);
    }

    #[inline]
    fn head(&self, hash: u64) -> Option<usize> {
        // The lower half has all the bits that are needed, also where that is all of a word.
        #[expect(clippy::cast_possible_truncation, reason = "as many bits as there are")]
        Some(hash as usize & self.heads.len().checked_sub(1)?)
    }

    #[inline]
    fn first(&self, hash: u64) -> u32 {
        self.head(hash).and_then(|head| self.heads.get(head)).copied().unwrap_or(NONE)
    }

    /// The slot with this hash that `is` the one.
    #[inline]
    pub(super) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mut slot = self.first(hash);
        while slot != NONE {
            if is(slot) {
                return Some(slot);
            }
            slot = *self.next.at(slot);
        }
        None
    }

    /// Puts a slot in that is not there.
    pub(super) fn insert(&mut self, hash: u64, slot: u32, hash_of: impl Fn(u32) -> u64) {
        if self.len >= self.heads.len() {
            self.double(hash_of);
        }
        self.len += 1;
        self.link(hash, slot);
    }

    /// Takes a slot out if it is there.
    pub(super) fn remove(&mut self, hash: u64, slot: u32) {
        let next = *self.next.at(slot);
        if self.first(hash) == slot {
            self.set_first(hash, next);
        } else if let Some(before) = self.find(hash, |other| *self.next.at(other) == slot) {
            *self.next.at_mut(before) = next;
        } else {
            return;
        }
        *self.next.at_mut(slot) = NONE;
        self.len -= 1;
    }

    fn link(&mut self, hash: u64, slot: u32) {
        *self.next.at_mut(slot) = self.first(hash);
        self.set_first(hash, slot);
    }

    fn set_first(&mut self, hash: u64, slot: u32) {
        if let Some(head) = self.head(hash).and_then(|head| self.heads.get_mut(head)) {
            *head = slot;
        }
    }

    /// Twice the heads; each chain goes to two of them.
    fn double(&mut self, hash_of: impl Fn(u32) -> u64) {
        let old = self.heads.len();
        self.heads.reserve_exact(old.max(FIRST));
        self.heads.resize((old * 2).max(FIRST), NONE);
        for head in 0..old {
            let chain = self.heads.get_mut(head).map_or(NONE, |head| std::mem::replace(head, NONE));
            let mut slot = chain;
            while slot != NONE {
                let next = *self.next.at(slot);
                self.link(hash_of(slot), slot);
                slot = next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Many slots with few hashes.
    fn hash(slot: u32) -> u64 {
        u64::from(slot).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52
    }

    #[test]
    fn what_was_put_in_is_found_until_it_is_taken_out() {
        let mut index = Index::default();
        let mut there = BTreeSet::new();
        for slot in 0..5_000 {
            index.grow();
            index.insert(hash(slot), slot, hash);
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
                index.insert(hash(slot), slot, hash);
            }
            assert_eq!((index.len, index.heads.len()), (there.len(), heads), "round {round}");
        }
    }
}
