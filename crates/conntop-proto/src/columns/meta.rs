//! Marks, labels and helpers of many flows; labels and helpers are sparse.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Column, ColumnsError, check_len, check_rows, index};
use crate::flow::MetaRow;

/// Marks, labels and helpers of many flows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MetaColumns {
    /// Marks; left out when all are 0.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub mark: Column<u32>,
    /// Labels of the flows that have any.
    #[serde(default, skip_serializing_if = "LabelColumns::is_empty")]
    pub labels: LabelColumns,
    /// Helpers of the flows that have one.
    #[serde(default, skip_serializing_if = "HelperColumns::is_empty")]
    pub helper: HelperColumns,
}

/// Labels, sparse.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LabelColumns {
    /// Index of the flow, from 0, ascending. A flow that is not listed has none.
    pub row: Vec<u32>,
    /// Their bits.
    pub bits: Vec<Labels>,
}

impl LabelColumns {
    /// Whether no row is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.row.is_empty()
    }
}

/// Helpers, sparse.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HelperColumns {
    /// Index of the flow, from 0, ascending. A flow that is not listed has none.
    pub row: Vec<u32>,
    /// Their names.
    pub name: Vec<Box<str>>,
}

impl HelperColumns {
    /// Whether no row is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.row.is_empty()
    }
}

/// 128 label bits; on the wire 32 lower-case hexadecimal digits, label n is bit n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Labels(pub u128);

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let digits = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let value = digits.then(|| u128::from_str_radix(&text, 16).ok()).flatten();
        value.map(Self).ok_or_else(|| serde::de::Error::custom("labels are 32 lower-case hexadecimal digits"))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Labels {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Labels".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "128 label bits as hexadecimal digits; label n is bit n.",
            "type": "string",
            "pattern": "^[0-9a-f]{32}$"
        })
    }
}

impl MetaColumns {
    /// Whether every column is left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mark.is_left_out() && self.labels.is_empty() && self.helper.is_empty()
    }

    pub(crate) fn collect<'a>(rows: impl Iterator<Item = &'a MetaRow> + Clone) -> Self {
        let mark = Column::collect(rows.clone().map(|r| r.mark));
        let mut labels = LabelColumns::default();
        let mut helper = HelperColumns::default();
        for (i, row) in rows.enumerate() {
            if let Some(bits) = row.labels {
                labels.row.push(index(i));
                labels.bits.push(Labels(bits));
            }
            if let Some(name) = &row.helper {
                helper.row.push(index(i));
                helper.name.push(name.clone());
            }
        }
        Self { mark, labels, helper }
    }

    pub(crate) fn rows(&self, n: usize) -> Result<Vec<MetaRow>, ColumnsError> {
        let mark = self.mark.values("meta.mark", n)?;
        check_rows("meta.labels.row", &self.labels.row, n)?;
        check_len("meta.labels.bits", self.labels.bits.len(), self.labels.row.len())?;
        check_rows("meta.helper.row", &self.helper.row, n)?;
        check_len("meta.helper.name", self.helper.name.len(), self.helper.row.len())?;
        let mut rows: Vec<MetaRow> =
            (0..n).map(|i| MetaRow { mark: mark.get(i), ..MetaRow::default() }).collect();
        for (&row, bits) in self.labels.row.iter().zip(&self.labels.bits) {
            if let Some(flow) = rows.get_mut(row as usize) {
                flow.labels = Some(bits.0);
            }
        }
        for (&row, name) in self.helper.row.iter().zip(&self.helper.name) {
            if let Some(flow) = rows.get_mut(row as usize) {
                flow.helper = Some(name.clone());
            }
        }
        Ok(rows)
    }
}
