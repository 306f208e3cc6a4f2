//! Dumps by ctnetlink, of the whole table or of the assured flows only.

use conntop_proto::message::Coverage;
use nfnetlink::ct::{DumpFilter, FlowRef, Status, StatusFilter};
use nfnetlink::{DumpState, RequestSocket, Result};

use super::super::clock;
use super::super::cost::Cost;
use super::{Form, Means, Offer, Part, Reach, Source};
use crate::table::ReadSpan;

/// As measured; the table's share is in the price of a flow.
const WHOLE: Cost = Cost { bucket: 40.0, flow: 2500.0, passed: 0.0 };
const ASSURED: Cost = Cost { bucket: 40.0, flow: 2500.0, passed: 200.0 };

/// What the kernel made within this time may share a part. What it made before a rest does not.
const PART_MILLIS: u64 = 4;

/// One dump after the other.
pub(in super::super) struct DumpSource {
    socket: RequestSocket,
    coverage: Coverage,
    filter: DumpFilter,
    dump: Option<DumpState>,
    /// The call before: what a call returns was put together by the kernel in the one before it.
    before: ReadSpan,
}

impl DumpSource {
    /// All flows.
    pub(in super::super) fn whole() -> Result<Self> {
        Self::new(Coverage::Whole, DumpFilter::default())
    }

    /// The assured ones. A kernel before 5.15 ignores the filter, which its answers show.
    pub(in super::super) fn assured() -> Result<Self> {
        let status = Some(StatusFilter { bits: Status::ASSURED, mask: Status::ASSURED });
        Self::new(Coverage::Assured, DumpFilter { status, ..DumpFilter::default() })
    }

    fn new(coverage: Coverage, filter: DumpFilter) -> Result<Self> {
        let socket = RequestSocket::open()?;
        Ok(Self { socket, coverage, filter, dump: None, before: ReadSpan::default() })
    }
}

impl Source for DumpSource {
    fn offer(&self) -> Offer {
        let cost = if self.coverage == Coverage::Assured { ASSURED } else { WHOLE };
        Offer { reach: Reach::Pass(self.coverage), means: Means::Dump, cost }
    }

    fn begin(&mut self, _: &[FlowRef]) -> Result<()> {
        let from = clock::now();
        self.dump = Some(self.socket.begin(&self.filter)?);
        self.before = ReadSpan { from, to: clock::now() };
        Ok(())
    }

    fn read(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Part>> {
        let Some(dump) = &mut self.dump else { return Ok(None) };
        let (mut len, mut span) = (0, None::<ReadSpan>);
        while let Some(room) = buffer.get_mut(len..).filter(|room| room.len() >= RequestSocket::CHUNK) {
            let from = clock::now();
            let Some(chunk) = self.socket.next_chunk(dump, room)? else { break };
            len += chunk.len();
            let made = std::mem::replace(&mut self.before, ReadSpan { from, to: clock::now() });
            let from = span.map_or(made.from, |span| span.from);
            span = Some(ReadSpan { from, to: made.to });
            if self.before.to.since(from) >= PART_MILLIS {
                break;
            }
        }
        Ok(span.map(|span| Part { len, form: Form::Dump, span }))
    }

    fn interrupted(&self) -> bool {
        self.dump.is_some_and(|dump| dump.interrupted())
    }

    fn abandon(&mut self) {
        self.dump = None;
    }
}
