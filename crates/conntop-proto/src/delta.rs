//! Deltas as rows: what the flow table fills and the mirror applies. [`DeltaRows::into_delta`] sorts
//! by id and lays the rows out as columns; [`Delta::rows`] checks the columns and gives the rows
//! back. What the wire rounds: `expires` to whole seconds from `sampled`; where many rows were sampled
//! at many times, `sampled` to about a hundredth of the longest lag; times after `at` become `at`;
//! numbers above 2^53-1 become 2^53-1. A sender wants [`DeltaRows::into_deltas`],
//! which makes as many deltas as fit lines.

mod split;

use crate::columns::{
    Column, ColumnsError, EndedFlows, IdentityColumns, Ids, MetaChanges, MetaColumns, NewFlows, ShortFlows,
    StateChanges, StateColumns, TrafficChanges, TrafficColumns, before,
};
use crate::flow::{BootMillis, EndReason, FlowId, FlowRow, MAX_SAFE_INTEGER, MetaRow, StateRow, TrafficRow};
pub use crate::message::Delta;
use crate::message::{Pass, PassAgo};

/// One change of each kind, as rows. To be applied in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeltaRows {
    /// Flows that ended.
    pub ended: Vec<EndedRow>,
    /// Flows that the client does not know yet; a row of a known id replaces it.
    pub new: Vec<FlowRow>,
    /// Changed states.
    pub state: Vec<(FlowId, StateRow)>,
    /// Changed counters and timeouts.
    pub traffic: Vec<(FlowId, TrafficRow)>,
    /// Changed marks, labels, helpers.
    pub meta: Vec<(FlowId, MetaRow)>,
}

/// A flow that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedRow {
    /// Which.
    pub id: FlowId,
    /// When the collector learned of the end.
    pub at: BootMillis,
    /// Why.
    pub reason: EndReason,
    /// Microseconds since 1970 by the router's wall clock; `None` when the kernel gave no time.
    pub stop: Option<u64>,
    /// Final totals; `expires` is `None`.
    pub traffic: TrafficRow,
    /// Everything about a flow that the client never got; its `traffic` is the one above.
    pub short: Option<Box<FlowRow>>,
}

/// What a delta says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeltaHeader {
    /// Position in the stream of changes that the delta reaches.
    pub cursor: u64,
    /// Whether nothing was pending after it.
    pub in_step: bool,
    /// When the delta was made.
    pub at: BootMillis,
    /// The pass over the table that the counters come from.
    pub pass: Pass,
}

impl DeltaRows {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows of all parts together.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ended.len() + self.new.len() + self.state.len() + self.traffic.len() + self.meta.len()
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.ended.clear();
        self.new.clear();
        self.state.clear();
        self.traffic.clear();
        self.meta.clear();
    }

    /// Sorts every part by id, as the wire has them. Rows of equal ids keep only the last.
    pub fn sort(&mut self) {
        sort_by_id(&mut self.ended, |r| r.id);
        sort_by_id(&mut self.new, |r| r.identity.id);
        sort_by_id(&mut self.state, |r| r.0);
        sort_by_id(&mut self.traffic, |r| r.0);
        sort_by_id(&mut self.meta, |r| r.0);
    }

    /// Lays the rows out as columns.
    #[must_use]
    pub fn into_delta(mut self, header: DeltaHeader) -> Delta {
        self.to_delta(header)
    }

    /// Like [`DeltaRows::into_delta`], leaving the (sorted) rows to be cleared and filled again.
    #[must_use]
    pub fn to_delta(&mut self, header: DeltaHeader) -> Delta {
        self.sort();
        let at = header.at;
        let new = &self.new;
        Delta {
            cursor: header.cursor,
            in_step: header.in_step,
            at,
            pass: PassAgo::new(header.pass, at),
            ended: ended_columns(&self.ended, at),
            new: NewFlows {
                id: new.iter().map(|r| r.identity.id).collect(),
                identity: IdentityColumns::collect(new.iter().map(|r| &r.identity), at),
                state: StateColumns::collect(new.iter().map(|r| &r.state)),
                traffic: TrafficColumns::collect(new.iter().map(|r| &r.traffic), at),
                meta: MetaColumns::collect(new.iter().map(|r| &r.meta)),
            },
            state: StateChanges {
                id: self.state.iter().map(|r| r.0).collect(),
                values: StateColumns::collect(self.state.iter().map(|r| &r.1)),
            },
            traffic: TrafficChanges {
                id: self.traffic.iter().map(|r| r.0).collect(),
                values: TrafficColumns::collect(self.traffic.iter().map(|r| &r.1), at),
            },
            meta: MetaChanges {
                id: self.meta.iter().map(|r| r.0).collect(),
                values: MetaColumns::collect(self.meta.iter().map(|r| &r.1)),
            },
        }
    }
}

impl Delta {
    /// What the delta says about itself.
    #[must_use]
    pub fn header(&self) -> DeltaHeader {
        let pass = self.pass.absolute(self.at);
        DeltaHeader { cursor: self.cursor, in_step: self.in_step, at: self.at, pass }
    }

    /// The rows, sorted by id.
    ///
    /// # Errors
    /// When columns contradict each other.
    pub fn rows(&self) -> Result<DeltaRows, ColumnsError> {
        let PassAgo { took, lag, .. } = self.pass;
        before("pass.lag", 0, self.at, lag)?;
        if let Some(took) = took.filter(|&took| took > lag) {
            return Err(ColumnsError::Pass { took, lag });
        }
        Ok(DeltaRows {
            ended: ended_rows(&self.ended, self.at)?,
            new: self.new.rows(self.at)?,
            state: pair(&self.state.id, self.state.values.rows(self.state.len())?),
            traffic: pair(&self.traffic.id, self.traffic.values.rows(self.traffic.len(), self.at)?),
            meta: pair(&self.meta.id, self.meta.values.rows(self.meta.len())?),
        })
    }
}

impl NewFlows {
    fn rows(&self, at: BootMillis) -> Result<Vec<FlowRow>, ColumnsError> {
        let n = self.len();
        let identity = self.identity.rows(&self.id, at)?;
        let state = self.state.rows(n)?;
        let traffic = self.traffic.rows(n, at)?;
        let meta = self.meta.rows(n)?;
        let rows = identity.into_iter().zip(state).zip(traffic).zip(meta);
        Ok(rows
            .map(|(((identity, state), traffic), meta)| FlowRow { identity, state, traffic, meta })
            .collect())
    }
}

fn ended_columns(rows: &[EndedRow], at: BootMillis) -> EndedFlows {
    let short = rows.iter().filter_map(|r| r.short.as_deref());
    EndedFlows {
        id: rows.iter().map(|r| r.id).collect(),
        ago: Column::collect(rows.iter().map(|r| at.since(r.at))),
        reason: Column::collect(rows.iter().map(|r| r.reason)),
        stop: Column::collect(rows.iter().map(|r| r.stop.map(|t| t.min(MAX_SAFE_INTEGER)))),
        traffic: TrafficColumns::collect(rows.iter().map(|r| &r.traffic), at),
        short: ShortFlows {
            id: short.clone().map(|r| r.identity.id).collect(),
            identity: IdentityColumns::collect(short.clone().map(|r| &r.identity), at),
            state: StateColumns::collect(short.clone().map(|r| &r.state)),
            meta: MetaColumns::collect(short.map(|r| &r.meta)),
        },
    }
}

fn ended_rows(ended: &EndedFlows, at: BootMillis) -> Result<Vec<EndedRow>, ColumnsError> {
    let n = ended.len();
    let ago = ended.ago.values("ended.ago", n)?;
    let reason = ended.reason.values("ended.reason", n)?;
    let stop = ended.stop.values("ended.stop", n)?;
    let traffic = ended.traffic.rows(n, at)?;
    let short = &ended.short;
    let identity = short.identity.rows(&short.id, at)?;
    let state = short.state.rows(short.len())?;
    let meta = short.meta.rows(short.len())?;
    let mut shorts = identity.into_iter().zip(state).zip(meta).peekable();
    let mut rows = Vec::with_capacity(n);
    for (i, (id, traffic)) in ended.id.iter().zip(traffic).enumerate() {
        let ended_at = before("ended.ago", i, at, ago.get(i))?;
        let short = shorts.next_if(|((identity, _), _)| identity.id == id);
        let short =
            short.map(|((identity, state), meta)| Box::new(FlowRow { identity, state, traffic, meta }));
        rows.push(EndedRow { id, at: ended_at, reason: reason.get(i), stop: stop.get(i), traffic, short });
    }
    match shorts.next() {
        None => Ok(rows),
        Some(((identity, _), _)) => Err(ColumnsError::Short(identity.id.0)),
    }
}

fn pair<T>(ids: &Ids, rows: impl IntoIterator<Item = T>) -> Vec<(FlowId, T)> {
    ids.iter().zip(rows).collect()
}

fn sort_by_id<T>(rows: &mut Vec<T>, id: impl Fn(&T) -> FlowId) {
    if rows.is_sorted_by(|a, b| id(a) < id(b)) {
        return;
    }
    rows.sort_by_key(&id);
    rows.reverse();
    rows.dedup_by_key(|r| id(r));
    rows.reverse();
}
