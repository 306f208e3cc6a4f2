//! What of the messages a filter lets through: flows from the moment at which they match until they
//! end. A flow that matches later than it began is told as a new one then, with all that it has.

use std::time::Instant;

use conntop_proto::delta::{Delta, DeltaRows, EndedRow};
use conntop_proto::flow::FlowId;
use conntop_proto::message::ServerMessage;
use hashbrown::HashSet;

use crate::flow::{FlowView, Source};
use crate::nodes::{NodeId, Nodes};
use crate::output::rows::Query;

/// Follows the messages of one collector.
pub(super) struct Sieve {
    query: Query,
    /// Flows that were told of and have not ended.
    kept: HashSet<FlowId, foldhash::fast::FixedState>,
    epoch: u64,
}

impl Sieve {
    pub(super) fn new(query: Query) -> Self {
        Self { query, kept: HashSet::default(), epoch: 0 }
    }

    /// What of a message is to be recorded; it has been applied already.
    pub(super) fn take(
        &mut self,
        nodes: &Nodes,
        node: NodeId,
        message: &ServerMessage,
        out: &mut Vec<ServerMessage>,
    ) {
        match message {
            ServerMessage::Delta(delta) => {
                let sources = nodes.sources(&nodes.now(Instant::now()));
                // A source has checked its columns; what does not fit is not recorded.
                let (Some(source), Ok(rows)) = (sources.get(usize::from(node.0)), delta.rows()) else {
                    return;
                };
                out.extend(
                    self.delta(source, delta, rows)
                        .into_iter()
                        .map(|delta| ServerMessage::Delta(Box::new(delta))),
                );
            }
            ServerMessage::Reset(reset) => {
                if reset.epoch != self.epoch {
                    self.kept.clear();
                    self.epoch = reset.epoch;
                }
                out.push(message.clone());
            }
            _ => out.push(message.clone()),
        }
    }

    fn delta(&mut self, source: &Source<'_>, delta: &Delta, rows: DeltaRows) -> Vec<Delta> {
        let mut kept = DeltaRows::default();
        for row in rows.ended {
            kept.ended.extend(self.ended(source, row));
        }
        for row in rows.new {
            let id = row.identity.id;
            if self.kept.contains(&id) || self.begins(source, id).is_some() {
                kept.new.push(row);
            }
        }
        let DeltaRows { new, state, traffic, meta, .. } = &mut kept;
        let mut late = Vec::new();
        let mut changed = |sieve: &mut Self, id: FlowId| {
            let known = sieve.kept.contains(&id);
            if !known && let Some(view) = sieve.begins(source, id) {
                late.push(view.flow.row());
            }
            known
        };
        state.extend(rows.state.into_iter().filter(|(id, _)| changed(self, *id)));
        traffic.extend(rows.traffic.into_iter().filter(|(id, _)| changed(self, *id)));
        meta.extend(rows.meta.into_iter().filter(|(id, _)| changed(self, *id)));
        new.append(&mut late);
        kept.into_deltas(delta.header())
    }

    /// A flow that is not in the recording yet, if it belongs there from now on.
    fn begins<'a>(&mut self, source: &Source<'a>, id: FlowId) -> Option<FlowView<'a>> {
        let view = source.get(id).filter(|view| view.ended.is_none() && self.query.matches(view))?;
        self.kept.insert(id);
        Some(view)
    }

    /// The end of a flow; of one that is not in the recording only if it belongs there for what it was at
    /// its end.
    fn ended(&mut self, source: &Source<'_>, row: EndedRow) -> Option<EndedRow> {
        if self.kept.remove(&row.id) {
            return Some(row);
        }
        let view = source.look_at(row.id).filter(|view| self.query.matches(view))?;
        let whole = row.short.unwrap_or_else(|| Box::new(view.flow.row()));
        Some(EndedRow { short: Some(whole), ..row })
    }
}
