//! Many flows as one [`Column`] per field. The columns of one struct are all as long as its `id`; the
//! sparse parts name their rows by index. A column that holds only its default (0, false, null,
//! `unknown`, `destroyed`) is left out.
//!
//! The structs are what serde sees. Rows become columns in [`crate::delta::DeltaRows::into_delta`]
//! and rows again in [`crate::delta::Delta::rows`], which is where lengths, families and references
//! are checked ([`ColumnsError`]). Values that the wire gives relative to the delta (`lag`, `age`,
//! `ago`, `timeout`) need its `at`.

mod column;
mod identity;
mod ids;
mod meta;
mod traffic;

use serde::{Deserialize, Serialize};

pub use self::column::Column;
pub(crate) use self::column::Values;
pub use self::identity::{IdentityColumns, MasterColumns, ReplyColumns};
pub use self::ids::{Ids, IdsError};
pub use self::meta::{HelperColumns, LabelColumns, Labels, MetaColumns};
pub use self::traffic::TrafficColumns;
use crate::flow::{BootMillis, EndReason, State, StateRow, Status};

/// Columns that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColumnsError {
    /// A column is neither left out nor as long as the ids.
    #[error("column `{column}` has {len} rows, its ids are {rows}")]
    Length {
        /// Path of the column within its part of the delta.
        column: &'static str,
        /// How many rows there should be.
        rows: usize,
        /// How many there are.
        len: usize,
    },
    /// A row index of a sparse part does not ascend or points beyond the last row.
    #[error("`{column}` names row {row}, which is not above the one before it and below {rows}")]
    Row {
        /// Path of the column within its part of the delta.
        column: &'static str,
        /// The index.
        row: u32,
        /// How many rows there are.
        rows: usize,
    },
    /// The addresses of a flow belong to different families.
    #[error("`{column}` row {row} mixes IPv4 and IPv6 addresses")]
    Family {
        /// Path within its part of the delta.
        column: &'static str,
        /// Row of the part.
        row: usize,
    },
    /// One port without the other.
    #[error("`{column}` row {row} has one of the two ports only")]
    Ports {
        /// Path within its part of the delta.
        column: &'static str,
        /// Row of the part.
        row: usize,
    },
    /// One direction's counters without the other's, or packets without bytes.
    #[error("`{column}` row {row} has some of the four counters only")]
    Counters {
        /// Path within its part of the delta.
        column: &'static str,
        /// Row of the part.
        row: usize,
    },
    /// `ended.short` describes a flow that `ended` does not list.
    #[error("`ended.short` describes flow {0}, which did not end in this delta")]
    Short(u64),
    /// A pass took longer than there was time since it began.
    #[error("the pass took {took} ms, but began only {lag} ms before the delta")]
    Pass {
        /// Milliseconds.
        took: u64,
        /// Milliseconds.
        lag: u64,
    },
    /// A time lies before the collector's boot.
    #[error("`{column}` row {row} lies {lag} ms before the delta, which is before the boot")]
    Lag {
        /// Path of the column within its part of the delta.
        column: &'static str,
        /// Row.
        row: usize,
        /// Milliseconds.
        lag: u64,
    },
}

/// Flows that the client does not know yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewFlows {
    /// Their ids.
    pub id: Ids,
    /// What never changes.
    pub identity: IdentityColumns,
    /// State and status; left out when not subscribed.
    #[serde(default, skip_serializing_if = "StateColumns::is_empty")]
    pub state: StateColumns,
    /// Counters and timeouts; left out when not subscribed.
    #[serde(default, skip_serializing_if = "TrafficColumns::is_empty")]
    pub traffic: TrafficColumns,
    /// Marks, labels, helpers; left out when not subscribed.
    #[serde(default, skip_serializing_if = "MetaColumns::is_empty")]
    pub meta: MetaColumns,
}

/// Flows that ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EndedFlows {
    /// Their ids.
    pub id: Ids,
    /// Milliseconds from the moment when the collector learned of the end to the delta's `at`; left
    /// out when all are 0.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub ago: Column<u64>,
    /// Why; left out when all were `destroyed`.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub reason: Column<EndReason>,
    /// Microseconds since 1970 by the router's wall clock; null when the kernel gave no time.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub stop: Column<Option<u64>>,
    /// Final totals; `timeout` means nothing here.
    #[serde(default, skip_serializing_if = "TrafficColumns::is_empty")]
    pub traffic: TrafficColumns,
    /// The flows among them that began and ended since the client's cursor: all that there is to
    /// know besides the totals.
    #[serde(default, skip_serializing_if = "ShortFlows::is_empty")]
    pub short: ShortFlows,
}

/// Ended flows that the client never got.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ShortFlows {
    /// Their ids, all of them in `ended.id` too.
    pub id: Ids,
    /// What never changes.
    pub identity: IdentityColumns,
    /// Last state and status.
    #[serde(default, skip_serializing_if = "StateColumns::is_empty")]
    pub state: StateColumns,
    /// Marks, labels, helpers.
    #[serde(default, skip_serializing_if = "MetaColumns::is_empty")]
    pub meta: MetaColumns,
}

/// Changed states.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StateChanges {
    /// Whose.
    pub id: Ids,
    /// The values that are valid now.
    pub values: StateColumns,
}

/// Changed counters and timeouts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TrafficChanges {
    /// Whose.
    pub id: Ids,
    /// The values that are valid now.
    pub values: TrafficColumns,
}

/// Changed marks, labels, helpers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MetaChanges {
    /// Whose.
    pub id: Ids,
    /// The values that are valid now.
    pub values: MetaColumns,
}

macro_rules! len_by_id {
    ($($name:ident),*) => {$(
        impl $name {
            /// Number of flows.
            #[must_use]
            pub fn len(&self) -> usize {
                self.id.len()
            }

            /// Whether there is none; such a part is left out of its message.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.id.is_empty()
            }
        }
    )*};
}
len_by_id!(NewFlows, EndedFlows, ShortFlows, StateChanges, TrafficChanges, MetaChanges);

/// State and status of many flows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StateColumns {
    /// States; left out when all are `unknown`.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub state: Column<State>,
    /// Status bits of the kernel's `enum ip_conntrack_status`; left out when all are 0.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub status: Column<Status>,
}

impl StateColumns {
    /// Whether every column is left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state.is_left_out() && self.status.is_left_out()
    }

    pub(crate) fn collect<'a>(rows: impl Iterator<Item = &'a StateRow> + Clone) -> Self {
        Self {
            state: Column::collect(rows.clone().map(|r| r.state)),
            status: Column::collect(rows.map(|r| r.status)),
        }
    }

    pub(crate) fn rows(&self, n: usize) -> Result<impl Iterator<Item = StateRow>, ColumnsError> {
        let state = self.state.values("state.state", n)?;
        let status = self.status.values("state.status", n)?;
        Ok((0..n).map(move |i| StateRow { state: state.get(i), status: status.get(i) }))
    }
}

/// Whether an array that must not be left out has its `rows`.
pub(crate) fn check_len(column: &'static str, len: usize, rows: usize) -> Result<(), ColumnsError> {
    if len == rows { Ok(()) } else { Err(ColumnsError::Length { column, rows, len }) }
}

/// Whether the row indices of a sparse part ascend and stay below `rows`.
pub(crate) fn check_rows(column: &'static str, indices: &[u32], rows: usize) -> Result<(), ColumnsError> {
    let mut least = 0_usize;
    for &row in indices {
        let index = usize::try_from(row).unwrap_or(usize::MAX);
        if index < least || index >= rows {
            return Err(ColumnsError::Row { column, row, rows });
        }
        least = index + 1;
    }
    Ok(())
}

/// Index of a row on the wire.
pub(crate) fn index(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}

/// Reads a time that the wire gives as milliseconds before the delta.
pub(crate) fn before(
    column: &'static str,
    row: usize,
    at: BootMillis,
    lag: u64,
) -> Result<BootMillis, ColumnsError> {
    at.0.checked_sub(lag).map(BootMillis).ok_or(ColumnsError::Lag { column, row, lag })
}
