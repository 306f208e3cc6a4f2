//! What never changes in a flow, as columns. The reply tuple stands in a sparse part only where it
//! is not the inverse of the original one (NAT) or belongs to another zone.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Column, ColumnsError, Ids, check_len, check_rows, index, thin};
use crate::flow::{BootMillis, IdentityRow, MAX_SAFE_INTEGER};
use crate::tuple::{L4, Proto, Tuple};

/// What never changes in many flows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IdentityColumns {
    /// Zone of the original direction; left out when all are 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zone: Vec<u16>,
    /// IP protocol numbers.
    pub proto: Vec<Proto>,
    /// Senders of the original direction.
    pub src: Vec<IpAddr>,
    /// Receivers of the original direction, of the same family.
    pub dst: Vec<IpAddr>,
    /// Source port of the original direction; ICMP: identifier of the query; GRE: key; null when
    /// the protocol has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sport: Vec<Option<u16>>,
    /// Destination port; ICMP: type x 256 + code; GRE: key; null exactly when `sport` is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dport: Vec<Option<u16>>,
    /// Reply tuples that are not the inverse of the original ones.
    #[serde(default, skip_serializing_if = "ReplyColumns::is_empty")]
    pub reply: ReplyColumns,
    /// The kernel's ids (CTA_ID), not unique; null when it gave none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ct_id: Vec<Option<u32>>,
    /// Microseconds since 1970 by the router's wall clock; null unless nf_conntrack_timestamp was
    /// on when the flow began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<Option<u64>>,
    /// When the collector first saw the flow, milliseconds of its CLOCK_BOOTTIME.
    pub first_seen: Vec<BootMillis>,
    /// Whether the collector saw the flow begin; left out when it found all of them in the table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub born: Vec<bool>,
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
    /// Senders.
    pub src: Vec<IpAddr>,
    /// Receivers.
    pub dst: Vec<IpAddr>,
    /// Like `sport` of the original direction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sport: Vec<Option<u16>>,
    /// Like `dport` of the original direction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dport: Vec<Option<u16>>,
    /// Zone of the reply direction; null when it is that of the original direction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zone: Vec<Option<u16>>,
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
    pub proto: Vec<Proto>,
    /// Senders.
    pub src: Vec<IpAddr>,
    /// Receivers.
    pub dst: Vec<IpAddr>,
    /// Like `sport` of the flow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sport: Vec<Option<u16>>,
    /// Like `dport` of the flow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dport: Vec<Option<u16>>,
}

impl MasterColumns {
    /// Whether no row is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.row.is_empty()
    }
}

impl IdentityColumns {
    pub(crate) fn collect<'a>(rows: impl Iterator<Item = &'a IdentityRow> + Clone) -> Self {
        let pairs = rows.clone().map(|r| r.orig.l4.to_pair());
        Self {
            zone: thin(rows.clone().map(|r| r.zone)),
            proto: rows.clone().map(|r| r.orig.proto).collect(),
            src: rows.clone().map(|r| r.orig.src).collect(),
            dst: rows.clone().map(|r| r.orig.dst).collect(),
            sport: thin(pairs.clone().map(|p| p.0)),
            dport: thin(pairs.map(|p| p.1)),
            reply: ReplyColumns::collect(rows.clone()),
            ct_id: thin(rows.clone().map(|r| r.ct_id)),
            start: thin(rows.clone().map(|r| r.start.map(|t| t.min(MAX_SAFE_INTEGER)))),
            first_seen: rows.clone().map(|r| r.first_seen).collect(),
            born: thin(rows.clone().map(|r| r.born)),
            master: MasterColumns::collect(rows),
        }
    }

    pub(crate) fn rows(&self, ids: &Ids) -> Result<Vec<IdentityRow>, ColumnsError> {
        let n = ids.len();
        let zone = Column::new("identity.zone", &self.zone, n)?;
        check_len("identity.proto", self.proto.len(), n)?;
        let tuples = Tuples {
            part: "identity",
            names: ["identity.src", "identity.dst", "identity.sport", "identity.dport"],
            src: &self.src,
            dst: &self.dst,
            sport: &self.sport,
            dport: &self.dport,
        };
        let tuples = tuples.rows(self.proto.iter().copied())?;
        let ct_id = Column::new("identity.ct_id", &self.ct_id, n)?;
        let start = Column::new("identity.start", &self.start, n)?;
        check_len("identity.first_seen", self.first_seen.len(), n)?;
        let born = Column::new("identity.born", &self.born, n)?;
        let mut rows: Vec<IdentityRow> = ids
            .iter()
            .zip(tuples)
            .zip(&self.first_seen)
            .enumerate()
            .map(|(i, ((id, orig), &first_seen))| IdentityRow {
                id,
                zone: zone.get(i),
                orig,
                reply: orig.inverse(),
                reply_zone: zone.get(i),
                ct_id: ct_id.get(i),
                start: start.get(i),
                first_seen,
                born: born.get(i),
                master: None,
            })
            .collect();
        self.reply.fill(&mut rows)?;
        self.master.fill(&mut rows)?;
        Ok(rows)
    }
}

impl ReplyColumns {
    fn collect<'a>(rows: impl Iterator<Item = &'a IdentityRow> + Clone) -> Self {
        let sparse = rows.enumerate().filter(|(_, r)| r.reply != r.orig.inverse() || r.reply_zone != r.zone);
        let pairs = sparse.clone().map(|(_, r)| r.reply.l4.to_pair());
        Self {
            row: sparse.clone().map(|(i, _)| index(i)).collect(),
            src: sparse.clone().map(|(_, r)| r.reply.src).collect(),
            dst: sparse.clone().map(|(_, r)| r.reply.dst).collect(),
            sport: thin(pairs.clone().map(|p| p.0)),
            dport: thin(pairs.map(|p| p.1)),
            zone: thin(sparse.map(|(_, r)| (r.reply_zone != r.zone).then_some(r.reply_zone))),
        }
    }

    fn fill(&self, rows: &mut [IdentityRow]) -> Result<(), ColumnsError> {
        check_rows("identity.reply.row", &self.row, rows.len())?;
        let zone = Column::new("identity.reply.zone", &self.zone, self.row.len())?;
        let tuples = Tuples {
            part: "identity.reply",
            names: [
                "identity.reply.src",
                "identity.reply.dst",
                "identity.reply.sport",
                "identity.reply.dport",
            ],
            src: &self.src,
            dst: &self.dst,
            sport: &self.sport,
            dport: &self.dport,
        };
        let proto = |&row: &u32| rows.get(row as usize).map_or(Proto(0), |r| r.orig.proto);
        let replies = tuples.rows(self.row.iter().map(proto))?;
        for (i, (&row, reply)) in self.row.iter().zip(replies).enumerate() {
            if let Some(flow) = rows.get_mut(row as usize) {
                if flow.orig.src.is_ipv4() != reply.src.is_ipv4() {
                    return Err(ColumnsError::Family { column: "identity.reply", row: i });
                }
                flow.reply = reply;
                flow.reply_zone = zone.get(i).unwrap_or(flow.zone);
            }
        }
        Ok(())
    }
}

impl MasterColumns {
    fn collect<'a>(rows: impl Iterator<Item = &'a IdentityRow> + Clone) -> Self {
        let sparse = rows.enumerate().filter_map(|(i, r)| r.master.map(|m| (index(i), m)));
        let pairs = sparse.clone().map(|(_, m)| m.l4.to_pair());
        Self {
            row: sparse.clone().map(|(i, _)| i).collect(),
            proto: sparse.clone().map(|(_, m)| m.proto).collect(),
            src: sparse.clone().map(|(_, m)| m.src).collect(),
            dst: sparse.map(|(_, m)| m.dst).collect(),
            sport: thin(pairs.clone().map(|p| p.0)),
            dport: thin(pairs.map(|p| p.1)),
        }
    }

    fn fill(&self, rows: &mut [IdentityRow]) -> Result<(), ColumnsError> {
        check_rows("identity.master.row", &self.row, rows.len())?;
        check_len("identity.master.proto", self.proto.len(), self.row.len())?;
        let tuples = Tuples {
            part: "identity.master",
            names: [
                "identity.master.src",
                "identity.master.dst",
                "identity.master.sport",
                "identity.master.dport",
            ],
            src: &self.src,
            dst: &self.dst,
            sport: &self.sport,
            dport: &self.dport,
        };
        for (&row, master) in self.row.iter().zip(tuples.rows(self.proto.iter().copied())?) {
            if let Some(flow) = rows.get_mut(row as usize) {
                flow.master = Some(master);
            }
        }
        Ok(())
    }
}

/// The columns that three parts have in common.
struct Tuples<'a> {
    part: &'static str,
    /// Paths of the four columns.
    names: [&'static str; 4],
    src: &'a [IpAddr],
    dst: &'a [IpAddr],
    sport: &'a [Option<u16>],
    dport: &'a [Option<u16>],
}

impl Tuples<'_> {
    /// One tuple for each protocol number.
    fn rows(&self, protos: impl ExactSizeIterator<Item = Proto>) -> Result<Vec<Tuple>, ColumnsError> {
        let n = protos.len();
        let [src, dst, sport, dport] = self.names;
        check_len(src, self.src.len(), n)?;
        check_len(dst, self.dst.len(), n)?;
        let sport = Column::new(sport, self.sport, n)?;
        let dport = Column::new(dport, self.dport, n)?;
        let mut tuples = Vec::with_capacity(n);
        for (row, (proto, (&src, &dst))) in protos.zip(self.src.iter().zip(self.dst)).enumerate() {
            if src.is_ipv4() != dst.is_ipv4() {
                return Err(ColumnsError::Family { column: self.part, row });
            }
            let l4 = L4::from_pair(proto, (sport.get(row), dport.get(row)))
                .ok_or(ColumnsError::Ports { column: self.part, row })?;
            tuples.push(Tuple { src, dst, proto, l4 });
        }
        Ok(tuples)
    }
}
