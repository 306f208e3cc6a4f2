//! Dumps by ctnetlink, of the whole table or of the assured flows only.

use conntop_proto::message::Coverage;
use nfnetlink::ct::{DumpFilter, Family, FlowRef, Status, StatusFilter};
use nfnetlink::{DumpState, RequestSocket, Result};

use super::super::clock;
use super::super::cost::Cost;
use super::{Form, Offer, Part, Reach, Source};
use crate::table::ReadSpan;

/// As measured; the table's share is in the price of a flow.
const WHOLE: Cost = Cost { bucket: 40.0, flow: 2500.0, passed: 0.0 };
/// Two dumps, one for each family.
const ASSURED: Cost = Cost { bucket: 80.0, flow: 2500.0, passed: 200.0 };

/// A dump, or one for each of several filters.
pub(in super::super) struct DumpSource {
    socket: RequestSocket,
    coverage: Coverage,
    filters: Vec<DumpFilter>,
    /// Number of the next filter.
    next: usize,
    dump: Option<DumpState>,
    interrupted: bool,
    /// The call before: what a call returns was put together by the kernel in the one before it.
    before: ReadSpan,
}

impl DumpSource {
    /// All flows.
    pub(in super::super) fn whole() -> Result<Self> {
        Self::new(Coverage::Whole, vec![DumpFilter::default()])
    }

    /// The assured ones. The kernel filters by status only if the family is given.
    pub(in super::super) fn assured() -> Result<Self> {
        let status = Some(StatusFilter { bits: Status::ASSURED, mask: Status::ASSURED });
        let of = |family| DumpFilter { family, status, ..DumpFilter::default() };
        Self::new(Coverage::Assured, vec![of(Family::Ipv4), of(Family::Ipv6)])
    }

    fn new(coverage: Coverage, filters: Vec<DumpFilter>) -> Result<Self> {
        let socket = RequestSocket::open()?;
        let before = ReadSpan::default();
        Ok(Self { socket, coverage, filters, next: 0, dump: None, interrupted: false, before })
    }

    /// The dump that is being read, begun if need be; `None` after the last.
    fn current(&mut self) -> Result<Option<DumpState>> {
        if self.dump.is_none()
            && let Some(filter) = self.filters.get(self.next)
        {
            self.next += 1;
            let from = clock::now();
            self.dump = Some(self.socket.begin(filter)?);
            self.before = ReadSpan { from, to: clock::now() };
        }
        Ok(self.dump)
    }
}

impl Source for DumpSource {
    fn offer(&self) -> Offer {
        let cost = if self.coverage == Coverage::Assured { ASSURED } else { WHOLE };
        Offer { reach: Reach::Pass(self.coverage), cost }
    }

    fn begin(&mut self, _: &[FlowRef]) -> Result<()> {
        (self.next, self.dump, self.interrupted) = (0, None, false);
        self.current().map(drop)
    }

    fn read(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Part>> {
        while let Some(mut dump) = self.current()? {
            let from = clock::now();
            let chunk = self.socket.next_chunk(&mut dump, buffer)?.map(<[u8]>::len);
            let span = std::mem::replace(&mut self.before, ReadSpan { from, to: clock::now() });
            self.dump = Some(dump);
            if let Some(len) = chunk {
                return Ok(Some(Part { len, form: Form::Dump, span }));
            }
            self.interrupted |= dump.interrupted();
            self.dump = None;
        }
        Ok(None)
    }

    fn interrupted(&self) -> bool {
        self.interrupted
    }

    fn abandon(&mut self) {
        self.dump = None;
        self.next = self.filters.len();
    }
}
