//! Sorted ids. On the wire the first one, then the gaps: `[1000,1,3]` is 1000, 1001, 1004. Gaps are
//! at least 1 and no id is above [`MAX_SAFE_INTEGER`].

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::flow::{FlowId, MAX_SAFE_INTEGER};
use crate::limits::MAX_ARRAY;

/// Ids of flows, strictly ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ids(Vec<FlowId>);

/// Numbers that are no ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdsError {
    /// The same id twice.
    #[error("gap 0 after id {0}: ids ascend strictly")]
    Gap(u64),
    /// An id above [`MAX_SAFE_INTEGER`].
    #[error("id above 2^53-1")]
    Range,
    /// More than [`MAX_ARRAY`].
    #[error("more than {MAX_ARRAY} ids")]
    Many,
}

impl Ids {
    /// Sorts the ids and drops repetitions.
    #[must_use]
    pub fn new(mut ids: Vec<FlowId>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        Self(ids)
    }

    /// Number of ids.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = FlowId> + '_ {
        self.0.iter().copied()
    }

    /// Ascending.
    #[must_use]
    pub fn as_slice(&self) -> &[FlowId] {
        &self.0
    }

    /// Whether `id` is among them.
    #[must_use]
    pub fn contains(&self, id: FlowId) -> bool {
        self.0.binary_search(&id).is_ok()
    }

    fn push_gap(&mut self, gap: u64) -> Result<(), IdsError> {
        let id = match self.0.last() {
            None => gap,
            Some(last) if gap == 0 => return Err(IdsError::Gap(last.0)),
            Some(last) => last.0.checked_add(gap).ok_or(IdsError::Range)?,
        };
        if id > MAX_SAFE_INTEGER {
            return Err(IdsError::Range);
        }
        if self.0.len() >= MAX_ARRAY {
            return Err(IdsError::Many);
        }
        self.0.push(FlowId(id));
        Ok(())
    }
}

impl FromIterator<FlowId> for Ids {
    fn from_iter<I: IntoIterator<Item = FlowId>>(ids: I) -> Self {
        Self::new(ids.into_iter().collect())
    }
}

impl Serialize for Ids {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut before = 0;
        serializer.collect_seq(self.0.iter().map(|id| {
            let gap = id.0 - before;
            before = id.0;
            gap
        }))
    }
}

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Gaps;
        impl<'de> Visitor<'de> for Gaps {
            type Value = Ids;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of the first id and the gaps to the next ones")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Ids, A::Error> {
                let mut ids = Ids::default();
                while let Some(gap) = seq.next_element()? {
                    ids.push_gap(gap).map_err(A::Error::custom)?;
                }
                Ok(ids)
            }
        }
        deserializer.deserialize_seq(Gaps)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Ids {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ids".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Ids of flows, ascending: the first one, then the gap to each next one, \
                            at least 1. No sum exceeds 2^53-1.",
            "type": "array",
            "items": { "type": "integer", "minimum": 0 }
        })
    }
}
