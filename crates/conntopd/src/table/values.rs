//! Values of a message into the flow that it describes: state, counters, timeout, mark and the rest.
//! What did not change is not numbered.

use conntop_proto::text;
use nfnetlink::ct::{CtMessage, Status};
use nfnetlink::proc;

use super::narrow::U48;
use super::slot::{COUNTERS, CT_ID, LABELLED, TIMEOUT, state_of};
use super::{FlowTable, ReadSpan};

/// Which columns changed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct News {
    state: bool,
    traffic: bool,
    meta: bool,
    identity: bool,
}

impl FlowTable {
    /// Takes the values of a message that describes this very flow.
    /// Returns whether the counters moved.
    pub(super) fn merge(&mut self, slot: u32, read: ReadSpan, message: &CtMessage<'_>) -> bool {
        if self.is_outdated(slot, read, message) {
            return false;
        }
        let (news, moved) = self.fill(slot, read, message);
        self.note(slot, read, news);
        moved
    }

    /// Takes all values; returns what changed, and whether the counters did.
    pub(super) fn fill(&mut self, slot: u32, read: ReadSpan, message: &CtMessage<'_>) -> (News, bool) {
        let (traffic, moved) = self.merge_traffic(slot, read, message);
        let news = News {
            state: self.merge_state(slot, message, message.status.map(|status| status.0)),
            traffic,
            meta: self.merge_meta(slot, message),
            identity: self.merge_identity(slot, message),
        };
        (news, moved)
    }

    /// Takes the values of a message that tells only a part of the status and nothing of labels,
    /// helper and identity.
    pub(super) fn merge_known(&mut self, slot: u32, read: ReadSpan, message: &CtMessage<'_>) {
        if self.is_outdated(slot, read, message) {
            return;
        }
        let known = self.store.hot(slot).status;
        let status = message.status.map(|status| {
            let told = proc::told(status).0;
            known & !told | status.0 & told
        });
        let (traffic, _) = self.merge_traffic(slot, read, message);
        let news = News {
            state: self.merge_state(slot, message, status),
            traffic,
            meta: message.mark.is_some_and(|mark| self.merge_mark(slot, mark)),
            identity: false,
        };
        self.note(slot, read, news);
    }

    /// Whether a message was read before what is known: GETs overtake passes and the other way round.
    /// Where both may have been read at the same time, counters that are lower are the older ones, and
    /// nobody zeroed them.
    fn is_outdated(&self, slot: u32, read: ReadSpan, message: &CtMessage<'_>) -> bool {
        let hot = self.store.hot(slot);
        let (Some(orig), reply) = (message.counters_orig, message.counters_reply.unwrap_or_default()) else {
            return false;
        };
        let [p0, b0, p1, b1] = hot.raw;
        if !hot.has(COUNTERS) || [orig.packets, orig.bytes, reply.packets, reply.bytes] == hot.raw {
            return false;
        }
        let fell = orig.packets < p0 || orig.bytes < b0 || reply.packets < p1 || reply.bytes < b1;
        let sampled = self.store.cold(slot).sampled.get();
        read.to.0 < sampled || fell && read.from.0 <= sampled
    }

    /// Numbers what changed.
    fn note(&mut self, slot: u32, read: ReadSpan, news: News) {
        if news == News::default() {
            return;
        }
        let seq = U48::new(self.change(slot));
        let cold = self.store.cold_mut(slot);
        if news.state {
            cold.state_seq = seq;
        }
        if news.traffic {
            cold.traffic_seq = seq;
            cold.sampled = U48::new(read.to.0);
        }
        if news.identity {
            // Goes out whole again: the identity has no columns of changes.
            cold.created = seq;
        } else if news.meta {
            self.store.rare(slot).meta_seq = seq.get();
        }
    }

    fn merge_state(&mut self, slot: u32, message: &CtMessage<'_>, status: Option<u32>) -> bool {
        let hot = self.store.hot_mut(slot);
        let state = state_of(message).unwrap_or(hot.state);
        let status = status.unwrap_or(hot.status);
        if state == hot.state && status == hot.status {
            return false;
        }
        let was = std::mem::replace(&mut hot.status, status);
        hot.state = state;
        self.assured = self.assured + assured(status) - assured(was);
        true
    }

    /// Whether anything changed, and whether the counters did.
    fn merge_traffic(&mut self, slot: u32, read: ReadSpan, message: &CtMessage<'_>) -> (bool, bool) {
        let counted = self.count(slot, message);
        let hot = self.store.hot_mut(slot);
        let changed = match message.timeout {
            Some(left) => {
                // The kernel cuts the seconds off: the end lies in [low, high].
                let low = read.from.0 + u64::from(left) * 1000;
                let high = read.to.0 + (u64::from(left) + 1) * 1000;
                let fits = hot.has(TIMEOUT) && hot.expires.get() <= high && low <= hot.expires.get() + 1000;
                if counted || !fits {
                    hot.expires = U48::new(low);
                    hot.flags |= TIMEOUT;
                }
                counted || !fits
            }
            None if message.has(Status::OFFLOAD) && hot.has(TIMEOUT) => {
                hot.flags &= !TIMEOUT;
                true
            }
            None => counted,
        };
        (changed, counted)
    }

    /// Takes the counters. One that fell was zeroed by somebody: what it had is kept aside.
    pub(super) fn count(&mut self, slot: u32, message: &CtMessage<'_>) -> bool {
        let (Some(orig), reply) = (message.counters_orig, message.counters_reply.unwrap_or_default()) else {
            return false;
        };
        let raw = [orig.packets, orig.bytes, reply.packets, reply.bytes];
        let hot = self.store.hot_mut(slot);
        let known = hot.has(COUNTERS);
        let old = std::mem::replace(&mut hot.raw, raw);
        hot.flags |= COUNTERS;
        if !known || old == raw {
            return !known;
        }
        let [p0, b0, p1, b1] = old;
        let fell = [orig.packets < p0 || orig.bytes < b0, reply.packets < p1 || reply.bytes < b1];
        if fell == [false, false] {
            return true;
        }
        let rare = self.store.rare(slot);
        let [fell_orig, fell_reply] = fell;
        let kept = [fell_orig, fell_orig, fell_reply, fell_reply];
        for ((base, old), kept) in rare.base.iter_mut().zip(old).zip(kept) {
            if kept {
                *base = base.saturating_add(old);
            }
        }
        rare.resets = rare.resets.saturating_add(1);
        true
    }

    fn merge_mark(&mut self, slot: u32, mark: u32) -> bool {
        std::mem::replace(&mut self.store.hot_mut(slot).mark, mark) != mark
    }

    fn merge_meta(&mut self, slot: u32, message: &CtMessage<'_>) -> bool {
        // Events leave a mark of 0 out.
        let marked = self.merge_mark(slot, message.mark.unwrap_or(0));
        let hot = self.store.hot_mut(slot);
        if message.labels.is_none() && message.helper.is_none() && !hot.has(LABELLED) {
            return marked;
        }
        let labels = message.labels.map(label_bits).filter(|&bits| bits != 0);
        let helper = message.helper.map(text::sanitize_bytes).filter(|name| !name.is_empty());
        let rare = self.store.rare(slot);
        let same = rare.labels == labels && rare.helper.as_deref() == helper.as_deref();
        if !same {
            rare.labels = labels;
            rare.helper = helper.map(String::into_boxed_str);
            self.store.hot_mut(slot).flags |= LABELLED;
        }
        marked || !same
    }

    fn merge_identity(&mut self, slot: u32, message: &CtMessage<'_>) -> bool {
        let hot = self.store.hot_mut(slot);
        let mut learned = false;
        if let Some(id) = message.id.filter(|_| !hot.has(CT_ID)) {
            hot.ct_id = id;
            hot.flags |= CT_ID;
            learned = true;
        }
        if let Some(ns) = message.start.filter(|&ns| hot.start == 0 && ns >= 1000) {
            hot.start = ns / 1000;
            learned = true;
        }
        learned
    }
}

/// 1 for a flow that is assured.
pub(super) fn assured(status: u32) -> usize {
    usize::from(Status(status).contains(Status::ASSURED))
}

/// Label bits as a number: bit n of the kernel's bitmap is bit n. The bitmap is of words in the machine's
/// order, taken to be as long as the program's own: only on little-endian machines does their length not matter.
fn label_bits(bytes: &[u8]) -> u128 {
    let words = bytes.chunks(size_of::<usize>()).take(size_of::<u128>() / size_of::<usize>());
    words.zip((0..).step_by(usize::BITS as usize)).fold(0, |all, (bytes, at)| {
        let mut word = [0; size_of::<usize>()];
        for (to, from) in word.iter_mut().zip(bytes) {
            *to = *from;
        }
        all | u128::try_from(usize::from_ne_bytes(word)).unwrap_or_default() << at
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel's `__set_bit` makes it, in whatever order this machine has its bytes.
    fn bitmap(bit: usize) -> Vec<u8> {
        let mut words = vec![0_usize; 128 / usize::BITS as usize];
        words[bit / usize::BITS as usize] = 1 << (bit % usize::BITS as usize);
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn label_n_is_bit_n() {
        for bit in [0, 5, 8, 31, 32, 63, 64, 100, 127] {
            assert_eq!(label_bits(&bitmap(bit)), 1 << bit, "label {bit}");
        }
        assert_eq!(label_bits(&bitmap(5)[..8]), 1 << 5, "a short bitmap");
        assert_eq!(label_bits(&[]), 0);
    }
}
