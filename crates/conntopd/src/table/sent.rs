//! New flows that a cursor which lags has sent already.
//!
//! A flow that was created after S goes out whole, and S stands still while a cursor lags: a flow that
//! goes on changing would go out whole each time that the walk meets it. What was sent of it is kept
//! here, so that from then on its changed columns do. Nothing is kept of a cursor in step.

use std::collections::HashMap;
use std::sync::Arc;

use conntop_proto::flow::FlowId;
use foldhash::fast::RandomState;

/// Chunks that a cursor may lag before anything is kept: more than a tick brings to a client that reads.
const SOON: u32 = 32;
/// Most flows of a cursor: 140 KB of a client's memory. The others go out whole again.
const MOST: usize = 7000;

/// With each flow the change up to which it was sent. Copied when it is changed, as cursors in step with
/// each other share it.
#[derive(Clone, Default)]
pub(super) struct Sent {
    flows: Option<Arc<HashMap<u64, u64, RandomState>>>,
    chunks: u32,
    version: u64,
    /// The version after the next change.
    next: u64,
}

impl Sent {
    /// Equal versions of cursors in the same place are the same flows.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// One more chunk follows while the cursor lags; `version` is one that no other has.
    pub(super) fn lag(&mut self, version: u64) {
        self.chunks = self.chunks.saturating_add(1);
        self.next = version;
    }

    /// The cursor is in step, or begins anew.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Up to which change a flow was sent.
    pub(super) fn of(&self, id: FlowId) -> Option<u64> {
        self.flows.as_ref()?.get(&id.0).copied()
    }

    /// A flow is sent as it is after this change.
    pub(super) fn note(&mut self, id: FlowId, change: u64) {
        let known = self.of(id).is_some();
        let full = self.flows.as_ref().is_some_and(|flows| flows.len() >= MOST);
        if self.chunks > SOON && (known || !full) {
            Arc::make_mut(self.flows.get_or_insert_default()).insert(id.0, change);
            self.version = self.next;
        }
    }

    /// The end of a flow is sent.
    pub(super) fn forget(&mut self, id: FlowId) {
        if self.of(id).is_some()
            && let Some(flows) = &mut self.flows
        {
            Arc::make_mut(flows).remove(&id.0);
            self.version = self.next;
        }
    }
}
