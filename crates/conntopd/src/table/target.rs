//! What names one incarnation of a flow to the kernel, for whoever is about to end it.

use conntop_proto::flow::FlowId;
use conntop_proto::tuple::Tuple;
use nfnetlink::ct::{self, CtMessage, FlowRef, Status};

use super::FlowTable;
use super::slot::{COUNTERS, Slot};

/// All that is known of a flow and must still be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Original tuple, zone, and the kernel's id.
    pub flow: FlowRef,
    /// Reply tuple.
    pub reply: ct::Tuple,
    /// Zone of the reply tuple.
    reply_zone: u16,
    /// Original tuple, for people.
    pub orig: Tuple,
    /// Start by the router's wall clock, microseconds; 0 when not known.
    start: u64,
    /// Packets and bytes of both directions as the kernel told them last.
    counted: Option<[u64; 4]>,
}

impl FlowTable {
    /// What names a flow that lives.
    #[must_use]
    pub fn target(&self, id: FlowId) -> Option<Target> {
        let handle = self.handles(&[id]).pop()?;
        self.named(handle).map(|slot| Target::new(&slot, self.request(handle)))?
    }
}

impl Target {
    fn new(slot: &Slot<'_>, flow: Option<FlowRef>) -> Option<Self> {
        Some(Self {
            flow: flow?,
            reply: slot.hot.reply.kernel_tuple(slot.wide),
            reply_zone: slot.hot.reply.zone(),
            orig: slot.orig(),
            start: slot.hot.start,
            counted: slot.hot.has(COUNTERS).then_some(slot.hot.raw),
        })
    }

    /// Whether an entry that the kernel has now is this flow, as far as can be told. In doubt it is not:
    /// counters that fell may be another flow's, or zeroed, and then a later pass knows the new ones.
    #[must_use]
    pub fn is_still(&self, entry: &CtMessage<'_>) -> bool {
        let plain = |tuple: &ct::Tuple| ct::Tuple { zone: None, ..*tuple };
        let same = plain(&entry.orig) == self.flow.orig
            && plain(&entry.reply) == self.reply
            && (entry.orig_zone(), entry.reply_zone()) == (self.flow.zone, self.reply_zone);
        let id = self.flow.id.is_none_or(|id| entry.id == Some(id));
        let start = self.start == 0 || entry.start.is_some_and(|ns| ns / 1000 == self.start);
        let counted = self.counted.is_none_or(|before| match (entry.counters_orig, entry.counters_reply) {
            (Some(orig), Some(reply)) => {
                let now = [orig.packets, orig.bytes, reply.packets, reply.bytes];
                before.iter().zip(now).all(|(before, now)| *before <= now)
            }
            _ => false,
        });
        same && id && start && counted && !entry.has(Status::DYING)
    }
}
