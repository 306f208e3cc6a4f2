//! The known flows by /proc/net/nf_conntrack: cheaper than a dump while the table is small, as it
//! takes no lock for each bucket.

use conntop_proto::flow::BootMillis;
use conntop_proto::message::Coverage;
use nfnetlink::Result;
use nfnetlink::ct::FlowRef;
use nfnetlink::proc::ProcTable;

use super::super::clock;
use super::super::cost::Cost;
use super::{Form, Means, Offer, Part, Reach, Source};
use crate::table::ReadSpan;

/// As measured.
const COST: Cost = Cost { bucket: 1.0, flow: 2700.0, passed: 0.0 };

/// Reads the file that was opened at the start, which only root may.
pub(in super::super) struct ProcSource {
    table: ProcTable,
    /// When the call before began: the last line of a part may stem from it.
    before: BootMillis,
}

impl ProcSource {
    pub(in super::super) fn open() -> Result<Self> {
        Ok(Self { table: ProcTable::open()?, before: BootMillis::default() })
    }
}

impl Source for ProcSource {
    fn offer(&self) -> Offer {
        Offer { reach: Reach::Pass(Coverage::Known), means: Means::Lines, cost: COST }
    }

    fn begin(&mut self, _: &[FlowRef]) -> Result<()> {
        self.before = clock::now();
        self.table.rewind()
    }

    fn read(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Part>> {
        let called = clock::now();
        let Some(len) = self.table.read_chunk(buffer)? else { return Ok(None) };
        let span = ReadSpan { from: self.before, to: clock::now() };
        self.before = called;
        Ok(Some(Part { len, form: Form::Lines, span }))
    }
}
