//! Counters and timeouts of many flows. `timeout` is relative to the moment at which the row was read
//! and `lag` to the delta, so that few different values remain: the kernel sets a timeout to its
//! protocol's value at every packet.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{Column, ColumnsError, before};
use crate::flow::{BootMillis, Counters, MAX_SAFE_INTEGER, TrafficRow};
use crate::limits::MAX_STRING;

/// Counters and timeouts of many flows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TrafficColumns {
    /// Packets of the original direction since the flow began; null when the flow is not
    /// accounted or was not sampled yet. The four counters are null together.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub orig_packets: Column<Option<u64>>,
    /// IP bytes of the original direction.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub orig_bytes: Column<Option<u64>>,
    /// Packets of the reply direction.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub reply_packets: Column<Option<u64>>,
    /// IP bytes of the reply direction.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub reply_bytes: Column<Option<u64>>,
    /// How often the kernel's counters fell (somebody zeroed them); left out when all are 0.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub resets: Column<u32>,
    /// Whole seconds from the reading of the row (`at` - `lag`) until the entry expires, rounded;
    /// null when the kernel gives no timeout.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub timeout: Column<Option<u32>>,
    /// Milliseconds from the reading of these counters to the delta's `at`, where they are many
    /// rounded to about a hundredth of the longest; left out when all are 0.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub lag: Column<u64>,
}

impl TrafficColumns {
    /// Whether every column is left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lag.is_left_out()
            && self.timeout.is_left_out()
            && self.resets.is_left_out()
            && self.orig_packets.is_left_out()
            && self.orig_bytes.is_left_out()
            && self.reply_packets.is_left_out()
            && self.reply_bytes.is_left_out()
    }

    pub(crate) fn collect<'a>(rows: impl Iterator<Item = &'a TrafficRow> + Clone, at: BootMillis) -> Self {
        let packets = |c: Option<Counters>| c.map(|c| c.packets.min(MAX_SAFE_INTEGER));
        let bytes = |c: Option<Counters>| c.map(|c| c.bytes.min(MAX_SAFE_INTEGER));
        let timeout = |r: &TrafficRow| r.expires.map(|e| seconds(e.since(r.sampled.min(at))));
        Self {
            orig_packets: Column::collect(rows.clone().map(|r| packets(r.orig))),
            orig_bytes: Column::collect(rows.clone().map(|r| bytes(r.orig))),
            reply_packets: Column::collect(rows.clone().map(|r| packets(r.reply))),
            reply_bytes: Column::collect(rows.clone().map(|r| bytes(r.reply))),
            resets: Column::collect(rows.clone().map(|r| r.resets)),
            timeout: Column::collect(rows.clone().map(timeout)),
            lag: lags(rows.map(|r| at.since(r.sampled))),
        }
    }

    pub(crate) fn rows(&self, n: usize, at: BootMillis) -> Result<Vec<TrafficRow>, ColumnsError> {
        let orig_packets = self.orig_packets.values("traffic.orig_packets", n)?;
        let orig_bytes = self.orig_bytes.values("traffic.orig_bytes", n)?;
        let reply_packets = self.reply_packets.values("traffic.reply_packets", n)?;
        let reply_bytes = self.reply_bytes.values("traffic.reply_bytes", n)?;
        let resets = self.resets.values("traffic.resets", n)?;
        let timeout = self.timeout.values("traffic.timeout", n)?;
        let lag = self.lag.values("traffic.lag", n)?;
        let mut rows = Vec::with_capacity(n);
        for i in 0..n {
            let counters = (orig_packets.get(i), orig_bytes.get(i), reply_packets.get(i), reply_bytes.get(i));
            let (orig, reply) = match counters {
                (None, None, None, None) => (None, None),
                (Some(op), Some(ob), Some(rp), Some(rb)) => {
                    (Some(Counters { packets: op, bytes: ob }), Some(Counters { packets: rp, bytes: rb }))
                }
                _ => return Err(ColumnsError::Counters { column: "traffic", row: i }),
            };
            let sampled = before("traffic.lag", i, at, lag.get(i))?;
            rows.push(TrafficRow {
                orig,
                reply,
                resets: resets.get(i),
                expires: timeout.get(i).map(|s| BootMillis(sampled.0 + u64::from(s) * 1000)),
                sampled,
            });
        }
        Ok(rows)
    }
}

fn seconds(ms: u64) -> u32 {
    u32::try_from(ms.saturating_add(500) / 1000).unwrap_or(u32::MAX)
}

/// Steps of a rounded lag, as many as a column can tell apart with one character each.
const STEPS: u64 = 90;
/// Rows whose lags are worth rounding: fewer are cheap, and more have no short form.
const ROUNDED_ROWS: RangeInclusive<usize> = 200..=MAX_STRING;
/// Samples of the last second keep half of the steps for themselves: what is read every second needs
/// them, while a flow that is read once in a long pass does not.
const RECENT: u64 = 1000;

/// Exact where that costs little; else in steps, the middle of each standing for it.
fn lags(exact: impl Iterator<Item = u64> + Clone) -> Column<u64> {
    let column = Column::collect(exact.clone());
    if !column.is_each() || !ROUNDED_ROWS.contains(&exact.clone().count()) {
        return column;
    }
    let longest = exact.clone().max().unwrap_or(0);
    let step = |lag: u64, width: u64| lag / width * width + (width - 1) / 2;
    let width = |span: u64, steps: u64| (span + 1).div_ceil(steps).max(1);
    if longest <= 2 * RECENT {
        let width = width(longest, STEPS);
        return Column::collect(exact.map(|lag| step(lag, width).min(longest)));
    }
    let (near, far) = (width(RECENT, STEPS / 2), width(longest - RECENT, STEPS / 2));
    Column::collect(exact.map(|lag| match lag.checked_sub(RECENT) {
        None => step(lag, near),
        Some(more) => RECENT + step(more, far).min(longest - RECENT),
    }))
}
