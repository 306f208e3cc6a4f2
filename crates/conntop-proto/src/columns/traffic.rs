//! Counters and timeouts of many flows. `timeout` and `lag` are relative to the delta's `at`, so
//! that they stay small and are left out where every counter was read when the delta was made.

use serde::{Deserialize, Serialize};

use super::{Column, ColumnsError, before, thin};
use crate::flow::{BootMillis, Counters, MAX_SAFE_INTEGER, TrafficRow};

/// Counters and timeouts of many flows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TrafficColumns {
    /// Packets of the original direction since the flow began; null when the flow is not
    /// accounted or was not sampled yet. The four counters are null together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orig_packets: Vec<Option<u64>>,
    /// IP bytes of the original direction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orig_bytes: Vec<Option<u64>>,
    /// Packets of the reply direction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reply_packets: Vec<Option<u64>>,
    /// IP bytes of the reply direction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reply_bytes: Vec<Option<u64>>,
    /// How often the kernel's counters fell (somebody zeroed them); left out when all are 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resets: Vec<u32>,
    /// Whole seconds from the delta's `at` until the entry expires, rounded; null when the kernel
    /// gives no timeout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeout: Vec<Option<u32>>,
    /// Milliseconds from the reading of these counters to the delta's `at`; left out when all are
    /// 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lag: Vec<u64>,
}

impl TrafficColumns {
    /// Whether every column is left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn collect<'a>(rows: impl Iterator<Item = &'a TrafficRow> + Clone, at: BootMillis) -> Self {
        let packets = |c: Option<Counters>| c.map(|c| c.packets.min(MAX_SAFE_INTEGER));
        let bytes = |c: Option<Counters>| c.map(|c| c.bytes.min(MAX_SAFE_INTEGER));
        Self {
            orig_packets: thin(rows.clone().map(|r| packets(r.orig))),
            orig_bytes: thin(rows.clone().map(|r| bytes(r.orig))),
            reply_packets: thin(rows.clone().map(|r| packets(r.reply))),
            reply_bytes: thin(rows.clone().map(|r| bytes(r.reply))),
            resets: thin(rows.clone().map(|r| r.resets)),
            timeout: thin(rows.clone().map(|r| r.expires.map(|e| seconds(e.since(at))))),
            lag: thin(rows.map(|r| at.since(r.sampled))),
        }
    }

    pub(crate) fn rows(&self, n: usize, at: BootMillis) -> Result<Vec<TrafficRow>, ColumnsError> {
        let orig_packets = Column::new("traffic.orig_packets", &self.orig_packets, n)?;
        let orig_bytes = Column::new("traffic.orig_bytes", &self.orig_bytes, n)?;
        let reply_packets = Column::new("traffic.reply_packets", &self.reply_packets, n)?;
        let reply_bytes = Column::new("traffic.reply_bytes", &self.reply_bytes, n)?;
        let resets = Column::new("traffic.resets", &self.resets, n)?;
        let timeout = Column::new("traffic.timeout", &self.timeout, n)?;
        let lag = Column::new("traffic.lag", &self.lag, n)?;
        (0..n)
            .map(|i| {
                let counters =
                    (orig_packets.get(i), orig_bytes.get(i), reply_packets.get(i), reply_bytes.get(i));
                let (orig, reply) = match counters {
                    (None, None, None, None) => (None, None),
                    (Some(op), Some(ob), Some(rp), Some(rb)) => {
                        (Some(Counters { packets: op, bytes: ob }), Some(Counters { packets: rp, bytes: rb }))
                    }
                    _ => return Err(ColumnsError::Counters { column: "traffic", row: i }),
                };
                Ok(TrafficRow {
                    orig,
                    reply,
                    resets: resets.get(i),
                    expires: timeout.get(i).map(|s| BootMillis(at.0.saturating_add(u64::from(s) * 1000))),
                    sampled: before("traffic.lag", i, at, lag.get(i))?,
                })
            })
            .collect()
    }
}

fn seconds(ms: u64) -> u32 {
    u32::try_from(ms.saturating_add(500) / 1000).unwrap_or(u32::MAX)
}
