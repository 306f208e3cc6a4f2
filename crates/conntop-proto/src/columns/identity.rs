//! What never changes in a flow, as columns. The reply tuple stands in a sparse part only where it
//! is not the inverse of the original one (NAT) or belongs to another zone.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::{Column, ColumnsError, Ids, Values, before, check_rows, index};
use crate::flow::{BootMillis, IdentityRow, MAX_SAFE_INTEGER};
use crate::tuple::{L4, Proto, Tuple};

/// What never changes in many flows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IdentityColumns {
    /// Zone of the original direction; left out when all are 0.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub zone: Column<u16>,
    /// IP protocol numbers.
    pub proto: Column<Proto>,
    /// Senders of the original direction.
    pub src: Column<IpAddr>,
    /// Receivers of the original direction, of the same family.
    pub dst: Column<IpAddr>,
    /// Source port of the original direction; ICMP: identifier of the query; GRE: key; null when
    /// the protocol has none.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub sport: Column<Option<u16>>,
    /// Destination port; ICMP: type x 256 + code; GRE: key; null exactly when `sport` is.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub dport: Column<Option<u16>>,
    /// Reply tuples that are not the inverse of the original ones.
    #[serde(default, skip_serializing_if = "ReplyColumns::is_empty")]
    pub reply: ReplyColumns,
    /// The kernel's ids (CTA_ID), not unique; null when it gave none.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub ct_id: Column<Option<u32>>,
    /// Microseconds since 1970 by the router's wall clock; null unless nf_conntrack_timestamp was
    /// on when the flow began.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub start: Column<Option<u64>>,
    /// Milliseconds from the moment when the collector first saw the flow to the delta's `at`; left
    /// out when all are 0.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub age: Column<u64>,
    /// Whether the collector saw the flow begin; left out when it found all of them in the table.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub born: Column<bool>,
    /// Original tuples of the flows that these belong to.
    #[serde(default, skip_serializing_if = "MasterColumns::is_empty")]
    pub master: MasterColumns,
}

/// Reply tuples, sparse. Their protocol is that of the original tuple.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReplyColumns {
    /// Index of the flow, from 0, ascending. A flow that is not listed has the inverse of its
    /// original tuple, in the same zone.
    pub row: Vec<u32>,
    /// Senders; null: as in the inverse.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub src: Column<Option<IpAddr>>,
    /// Receivers; null: as in the inverse.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub dst: Column<Option<IpAddr>>,
    /// Like `sport` of the original direction; null: as in the inverse.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub sport: Column<Option<u16>>,
    /// Like `dport` of the original direction; null: as in the inverse.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub dport: Column<Option<u16>>,
    /// Zone of the reply direction; null when it is that of the original direction.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub zone: Column<Option<u16>>,
}

impl ReplyColumns {
    /// Whether no row is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.row.is_empty()
    }
}

/// Original tuples of other flows, sparse.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MasterColumns {
    /// Index of the flow, from 0, ascending. A flow that is not listed belongs to no other.
    pub row: Vec<u32>,
    /// IP protocol numbers.
    pub proto: Column<Proto>,
    /// Senders.
    pub src: Column<IpAddr>,
    /// Receivers.
    pub dst: Column<IpAddr>,
    /// Like `sport` of the flow.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub sport: Column<Option<u16>>,
    /// Like `dport` of the flow.
    #[serde(default, skip_serializing_if = "Column::is_left_out")]
    pub dport: Column<Option<u16>>,
}

impl MasterColumns {
    /// Whether no row is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.row.is_empty()
    }
}

impl IdentityColumns {
    pub(crate) fn collect<'a>(rows: impl Iterator<Item = &'a IdentityRow> + Clone, at: BootMillis) -> Self {
        let pairs = rows.clone().map(|r| r.orig.l4.to_pair());
        Self {
            zone: Column::collect(rows.clone().map(|r| r.zone)),
            proto: Column::dense(rows.clone().map(|r| r.orig.proto)),
            src: Column::dense(rows.clone().map(|r| r.orig.src)),
            dst: Column::dense(rows.clone().map(|r| r.orig.dst)),
            sport: Column::collect(pairs.clone().map(|p| p.0)),
            dport: Column::collect(pairs.map(|p| p.1)),
            reply: ReplyColumns::collect(rows.clone()),
            ct_id: Column::collect(rows.clone().map(|r| r.ct_id)),
            start: Column::collect(rows.clone().map(|r| r.start.map(|t| t.min(MAX_SAFE_INTEGER)))),
            age: Column::collect(rows.clone().map(|r| at.since(r.first_seen))),
            born: Column::collect(rows.clone().map(|r| r.born)),
            master: MasterColumns::collect(rows),
        }
    }

    pub(crate) fn rows(&self, ids: &Ids, at: BootMillis) -> Result<Vec<IdentityRow>, ColumnsError> {
        let n = ids.len();
        let zone = self.zone.values("identity.zone", n)?;
        let tuples = Tuples {
            part: "identity",
            proto: self.proto.present("identity.proto", n, Proto(0))?,
            src: self.src.present("identity.src", n, UNSPECIFIED)?,
            dst: self.dst.present("identity.dst", n, UNSPECIFIED)?,
            sport: self.sport.values("identity.sport", n)?,
            dport: self.dport.values("identity.dport", n)?,
        };
        let ct_id = self.ct_id.values("identity.ct_id", n)?;
        let start = self.start.values("identity.start", n)?;
        let age = self.age.values("identity.age", n)?;
        let born = self.born.values("identity.born", n)?;
        let mut rows = Vec::with_capacity(n);
        for (i, id) in ids.iter().enumerate() {
            let orig = tuples.get(i)?;
            rows.push(IdentityRow {
                id,
                zone: zone.get(i),
                orig,
                reply: orig.inverse(),
                reply_zone: zone.get(i),
                ct_id: ct_id.get(i),
                start: start.get(i),
                first_seen: before("identity.age", i, at, age.get(i))?,
                born: born.get(i),
                master: None,
            });
        }
        self.reply.fill(&mut rows)?;
        self.master.fill(&mut rows)?;
        Ok(rows)
    }
}

/// Stands where a column has no row, which its length rules out.
const UNSPECIFIED: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// A flow whose reply tuple is not the inverse of the original one, and that inverse.
struct Translated<'a> {
    index: usize,
    row: &'a IdentityRow,
    inverse: Tuple,
}

impl ReplyColumns {
    fn collect<'a>(rows: impl Iterator<Item = &'a IdentityRow> + Clone) -> Self {
        let sparse: Vec<_> = rows
            .enumerate()
            .map(|(index, row)| Translated { index, row, inverse: row.orig.inverse() })
            .filter(|t| t.row.reply != t.inverse || t.row.reply_zone != t.row.zone)
            .collect();
        let pairs = sparse.iter().map(|t| (t.row.reply.l4.to_pair(), t.inverse.l4.to_pair()));
        Self {
            row: sparse.iter().map(|t| index(t.index)).collect(),
            src: Column::collect(sparse.iter().map(|t| differing(t.row.reply.src, t.inverse.src))),
            dst: Column::collect(sparse.iter().map(|t| differing(t.row.reply.dst, t.inverse.dst))),
            sport: Column::collect(pairs.clone().map(|(own, inverse)| own.0.filter(|_| own.0 != inverse.0))),
            dport: Column::collect(pairs.map(|(own, inverse)| own.1.filter(|_| own.1 != inverse.1))),
            zone: Column::collect(sparse.iter().map(|t| differing(t.row.reply_zone, t.row.zone))),
        }
    }

    fn fill(&self, rows: &mut [IdentityRow]) -> Result<(), ColumnsError> {
        check_rows("identity.reply.row", &self.row, rows.len())?;
        let n = self.row.len();
        let src = self.src.values("identity.reply.src", n)?;
        let dst = self.dst.values("identity.reply.dst", n)?;
        let sport = self.sport.values("identity.reply.sport", n)?;
        let dport = self.dport.values("identity.reply.dport", n)?;
        let zone = self.zone.values("identity.reply.zone", n)?;
        for (i, &row) in self.row.iter().enumerate() {
            let Some(flow) = rows.get_mut(row as usize) else { continue };
            let inverse = flow.reply;
            let (inverse_sport, inverse_dport) = inverse.l4.to_pair();
            let pair = (sport.get(i).or(inverse_sport), dport.get(i).or(inverse_dport));
            let reply = Tuple {
                src: src.get(i).unwrap_or(inverse.src),
                dst: dst.get(i).unwrap_or(inverse.dst),
                proto: inverse.proto,
                l4: L4::from_pair(inverse.proto, pair)
                    .ok_or(ColumnsError::Ports { column: "identity.reply", row: i })?,
            };
            let family = flow.orig.src.is_ipv4();
            if reply.src.is_ipv4() != family || reply.dst.is_ipv4() != family {
                return Err(ColumnsError::Family { column: "identity.reply", row: i });
            }
            flow.reply = reply;
            flow.reply_zone = zone.get(i).unwrap_or(flow.zone);
        }
        Ok(())
    }
}

fn differing<T: PartialEq>(own: T, inverse: T) -> Option<T> {
    (own != inverse).then_some(own)
}

impl MasterColumns {
    fn collect<'a>(rows: impl Iterator<Item = &'a IdentityRow> + Clone) -> Self {
        let sparse = rows.enumerate().filter_map(|(i, r)| r.master.map(|m| (index(i), m)));
        let pairs = sparse.clone().map(|(_, m)| m.l4.to_pair());
        Self {
            row: sparse.clone().map(|(i, _)| i).collect(),
            proto: Column::dense(sparse.clone().map(|(_, m)| m.proto)),
            src: Column::dense(sparse.clone().map(|(_, m)| m.src)),
            dst: Column::dense(sparse.map(|(_, m)| m.dst)),
            sport: Column::collect(pairs.clone().map(|p| p.0)),
            dport: Column::collect(pairs.map(|p| p.1)),
        }
    }

    fn fill(&self, rows: &mut [IdentityRow]) -> Result<(), ColumnsError> {
        check_rows("identity.master.row", &self.row, rows.len())?;
        let n = self.row.len();
        let tuples = Tuples {
            part: "identity.master",
            proto: self.proto.present("identity.master.proto", n, Proto(0))?,
            src: self.src.present("identity.master.src", n, UNSPECIFIED)?,
            dst: self.dst.present("identity.master.dst", n, UNSPECIFIED)?,
            sport: self.sport.values("identity.master.sport", n)?,
            dport: self.dport.values("identity.master.dport", n)?,
        };
        for (i, &row) in self.row.iter().enumerate() {
            if let Some(flow) = rows.get_mut(row as usize) {
                flow.master = Some(tuples.get(i)?);
            }
        }
        Ok(())
    }
}

/// The columns of original tuples.
struct Tuples<'a> {
    part: &'static str,
    proto: Values<'a, Proto>,
    src: Values<'a, IpAddr>,
    dst: Values<'a, IpAddr>,
    sport: Values<'a, Option<u16>>,
    dport: Values<'a, Option<u16>>,
}

impl Tuples<'_> {
    fn get(&self, row: usize) -> Result<Tuple, ColumnsError> {
        let (src, dst, proto) = (self.src.get(row), self.dst.get(row), self.proto.get(row));
        if src.is_ipv4() != dst.is_ipv4() {
            return Err(ColumnsError::Family { column: self.part, row });
        }
        let l4 = L4::from_pair(proto, (self.sport.get(row), self.dport.get(row)))
            .ok_or(ColumnsError::Ports { column: self.part, row })?;
        Ok(Tuple { src, dst, proto, l4 })
    }
}
