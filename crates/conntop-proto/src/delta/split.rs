//! Splits rows so that every delta fits one line. A thousand flows usually do; a thousand IPv6 flows
//! with NAT do not. The size of a row is estimated from above, never measured by encoding.

use std::net::IpAddr;

use super::{DeltaHeader, DeltaRows, EndedRow};
use crate::flow::{Counters, FlowRow, IdentityRow, MetaRow, StateRow, TrafficRow};
use crate::limits::{MAX_CHUNK_FLOWS, MAX_SERVER_LINE};
use crate::message::Delta;
use crate::tuple::{L4, Tuple};

/// What the names of all columns, the header and the brackets of one delta take, from above.
const FRAME: usize = 3 * 1024;

impl DeltaRows {
    /// Like [`DeltaRows::into_delta`], but as many deltas as their lines need: usually one. The
    /// parts keep their order; only the last delta has the header's `in_step`, the others have
    /// false.
    #[must_use]
    pub fn into_deltas(mut self, header: DeltaHeader) -> Vec<Delta> {
        self.sort();
        if self.fit_a_line() {
            return vec![self.into_delta(header)];
        }
        let mut split = Split { header, done: Vec::new(), rows: Self::default(), bytes: 0 };
        for row in self.ended {
            split.room(ended(&row), |rows| rows.ended.len()).ended.push(row);
        }
        for row in self.new {
            split.room(flow(&row), |rows| rows.new.len()).new.push(row);
        }
        for (id, row) in self.state {
            split.room(num(id.0) + state(&row), |rows| rows.state.len()).state.push((id, row));
        }
        for (id, row) in self.traffic {
            split.room(num(id.0) + traffic(&row), |rows| rows.traffic.len()).traffic.push((id, row));
        }
        for (id, row) in self.meta {
            split.room(num(id.0) + meta(&row), |rows| rows.meta.len()).meta.push((id, row));
        }
        split.done.push(split.rows.into_delta(header));
        split.done
    }
}

impl DeltaRows {
    /// Whether all rows fit one line, as nearly always. A tick's changes do whatever they are, and need
    /// not be measured row by row.
    fn fit_a_line(&self) -> bool {
        let parts = [self.ended.len(), self.new.len(), self.state.len(), self.traffic.len(), self.meta.len()];
        let changes = self.state.len() * LONGEST_STATE + self.traffic.len() * LONGEST_TRAFFIC;
        let others = self.ended.iter().map(ended).chain(self.new.iter().map(flow));
        let others = others.chain(self.meta.iter().map(|(id, row)| num(id.0) + meta(row)));
        parts.iter().all(|&rows| rows <= MAX_CHUNK_FLOWS)
            && others.sum::<usize>() + changes <= MAX_SERVER_LINE - FRAME
    }
}

/// A number of 2^53-1 and one of 2^32-1, each with a comma.
const LONGEST_NUMBER: usize = 17;
const LONGEST_U32: usize = 11;
/// Id, state, status.
const LONGEST_STATE: usize = LONGEST_NUMBER + LONGEST_NAME + LONGEST_U32;
/// Id, four counters and lag; resets and timeout.
const LONGEST_TRAFFIC: usize = 6 * LONGEST_NUMBER + 2 * LONGEST_U32;
const LONGEST_NAME: usize = r#""shutdown_ack_sent","#.len();

struct Split {
    header: DeltaHeader,
    done: Vec<Delta>,
    rows: DeltaRows,
    bytes: usize,
}

impl Split {
    /// Where to put the next row, which takes so many bytes, in a part of so many rows.
    fn room(&mut self, bytes: usize, part: impl Fn(&DeltaRows) -> usize) -> &mut DeltaRows {
        if self.bytes + bytes > MAX_SERVER_LINE - FRAME || part(&self.rows) >= MAX_CHUNK_FLOWS {
            let header = DeltaHeader { in_step: false, ..self.header };
            self.done.push(std::mem::take(&mut self.rows).into_delta(header));
            self.bytes = 0;
        }
        self.bytes += bytes;
        &mut self.rows
    }
}

// Bytes of values in JSON, each with its comma, from above.

fn num(n: u64) -> usize {
    n.checked_ilog10().map_or(2, |log| log as usize + 2)
}

fn opt(n: Option<impl Into<u64>>) -> usize {
    n.map_or(5, |n| num(n.into()))
}

fn address(a: IpAddr) -> usize {
    // Quotes, comma and the longest form of the family.
    if a.is_ipv4() { 3 + 15 } else { 3 + 39 }
}

fn tuple(t: &Tuple) -> usize {
    let ports = if t.l4 == L4::None { 10 } else { 12 };
    4 + address(t.src) + address(t.dst) + ports
}

fn identity(r: &IdentityRow) -> usize {
    const ROW: usize = 5;
    const ZONE: usize = 6;
    const BORN: usize = 6;
    let nat = r.reply != r.orig.inverse() || r.reply_zone != r.zone;
    let reply = if nat { ROW + ZONE + tuple(&r.reply) } else { 0 };
    let master = r.master.as_ref().map_or(0, |m| ROW + tuple(m));
    let times = opt(r.start) + num(r.first_seen.0);
    num(r.id.0) + ZONE + tuple(&r.orig) + reply + opt(r.ct_id) + times + BORN + master
}

fn state(r: &StateRow) -> usize {
    LONGEST_NAME + num(r.status.0.into())
}

fn traffic(r: &TrafficRow) -> usize {
    let counters = |c: Option<Counters>| c.map_or(10, |c| num(c.packets) + num(c.bytes));
    let relative = opt(r.expires.map(|e| e.0)).max(11) + num(r.sampled.0).max(17);
    counters(r.orig) + counters(r.reply) + num(r.resets.into()) + relative
}

fn meta(r: &MetaRow) -> usize {
    const ROW: usize = 5;
    let labels = r.labels.map_or(0, |_| ROW + 35);
    // A character takes at most six times its size as an escape.
    let helper = r.helper.as_ref().map_or(0, |h| ROW + 3 + 6 * h.len());
    num(r.mark.into()) + labels + helper
}

fn flow(r: &FlowRow) -> usize {
    identity(&r.identity) + state(&r.state) + traffic(&r.traffic) + meta(&r.meta)
}

fn ended(r: &EndedRow) -> usize {
    const REASON: usize = r#""destroyed","#.len();
    let short = r.short.as_ref().map_or(0, |f| identity(&f.identity) + state(&f.state) + meta(&f.meta));
    num(r.id.0) + num(r.at.0) + REASON + opt(r.stop) + traffic(&r.traffic) + short
}
