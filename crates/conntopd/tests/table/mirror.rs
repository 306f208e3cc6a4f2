//! A client in one map, fed with rows through the wire's form.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use conntop_proto::delta::{DeltaHeader, DeltaRows};
use conntop_proto::flow::{BootMillis, FlowId, FlowRow, TrafficRow};
use conntopd::table::{Chunk, CursorId, FlowTable, How, Interest};

/// A client: what it holds, and where it is.
pub struct Mirror {
    cursor: CursorId,
    pub flows: BTreeMap<FlowId, FlowRow>,
    pub ended: BTreeMap<FlowId, conntop_proto::delta::EndedRow>,
    /// Flows that were not sent again since the last reset.
    stale: Option<BTreeSet<FlowId>>,
    /// The last position from which it could go on.
    pub resume: Option<u64>,
    /// Largest totals ever seen of each id.
    totals: BTreeMap<FlowId, u64>,
    pub synced: bool,
}

impl Mirror {
    pub fn join(table: &mut FlowTable) -> Self {
        let (cursor, how) = table.open_cursor(None, Arc::new(Interest::default()));
        assert_eq!(how, How::Reset);
        Self {
            cursor,
            flows: BTreeMap::new(),
            ended: BTreeMap::new(),
            stale: Some(BTreeSet::new()),
            resume: None,
            totals: BTreeMap::new(),
            synced: false,
        }
    }

    /// Loses its connection and comes back with what it has.
    pub fn reconnect(&mut self, table: &mut FlowTable) {
        table.close_cursor(self.cursor);
        let (cursor, how) = table.open_cursor(self.resume, Arc::new(Interest::default()));
        self.cursor = cursor;
        if how == How::Reset {
            self.reset();
        }
    }

    fn reset(&mut self) {
        self.stale = Some(self.flows.keys().copied().collect());
        self.synced = false;
        self.resume = None;
    }

    /// Takes one chunk.
    pub fn step(&mut self, table: &mut FlowTable, at: u64, max: usize) -> Chunk {
        let mut rows = DeltaRows::default();
        let chunk = table.next_chunk(self.cursor, max, &mut rows);
        if chunk.reset {
            self.reset();
        }
        let header = DeltaHeader {
            cursor: chunk.cursor,
            in_step: chunk.in_step,
            at: BootMillis(at),
            pass: table.pass(),
        };
        let rows = rows.into_delta(header).rows().expect("the table's rows are good");
        self.apply(rows);
        if chunk.in_step {
            self.resume = Some(chunk.cursor);
        }
        if chunk.synced.is_some() {
            self.synced = true;
            for id in self.stale.take().unwrap_or_default() {
                self.flows.remove(&id);
            }
        }
        chunk
    }

    /// Takes chunks until nothing is pending.
    pub fn catch_up(&mut self, table: &mut FlowTable, at: u64) {
        for _ in 0..10_000 {
            if self.step(table, at, 1000).in_step && self.synced {
                return;
            }
        }
        panic!("a cursor never gets in step");
    }

    fn apply(&mut self, rows: DeltaRows) {
        for ended in rows.ended {
            self.grow(ended.id, &ended.traffic);
            self.flows.remove(&ended.id);
            if let Some(stale) = &mut self.stale {
                stale.remove(&ended.id);
            }
            self.ended.insert(ended.id, ended);
        }
        for row in rows.new {
            let id = row.identity.id;
            assert!(!self.ended.contains_key(&id), "{id:?} came back after its end");
            self.grow(id, &row.traffic);
            if let Some(stale) = &mut self.stale {
                stale.remove(&id);
            }
            self.flows.insert(id, row);
        }
        for (id, state) in rows.state {
            if let Some(flow) = self.flows.get_mut(&id) {
                flow.state = state;
            }
        }
        for (id, traffic) in rows.traffic {
            self.grow(id, &traffic);
            if let Some(flow) = self.flows.get_mut(&id) {
                flow.traffic = traffic;
            }
        }
        for (id, meta) in rows.meta {
            if let Some(flow) = self.flows.get_mut(&id) {
                flow.meta = meta;
            }
        }
    }

    fn grow(&mut self, id: FlowId, traffic: &TrafficRow) {
        let (Some(orig), Some(reply)) = (traffic.orig, traffic.reply) else { return };
        let total = orig.bytes + reply.bytes;
        let before = self.totals.insert(id, total).unwrap_or(0);
        assert!(before <= total, "totals of {id:?} fell from {before} to {total}");
    }

    /// What must equal the table's own rows: the wire rounds times.
    pub fn view(&self) -> Vec<FlowRow> {
        self.flows.values().map(plain).collect()
    }
}

/// The table's rows in the same form.
pub fn view(table: &FlowTable) -> Vec<FlowRow> {
    let mut rows: Vec<_> = table.flows().map(|row| plain(&row)).collect();
    rows.sort_by_key(|row| row.identity.id);
    rows
}

fn plain(row: &FlowRow) -> FlowRow {
    let mut row = row.clone();
    row.traffic.expires = None;
    row
}
