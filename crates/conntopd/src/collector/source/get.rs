//! Flows asked for one by one, many requests in one call.

use nfnetlink::ct::{FlowRef, Requests};
use nfnetlink::{Error, RequestSocket, Result};

use super::super::clock;
use super::super::cost::Cost;
use super::{Form, Means, Offer, Part, Reach, Source};
use crate::table::ReadSpan;

/// Requests in one call: their answers fit into a buffer unless they are unusually long.
const BATCH: usize = RequestSocket::BATCH;
/// How often a batch is asked again whose answers were lost.
const TRIES: u32 = 3;
/// As measured.
const COST: Cost = Cost { bucket: 0.0, flow: 4500.0, passed: 0.0 };

/// Asks on a socket of its own: answers share a queue with a dump that runs on the same one.
pub(in super::super) struct GetSource {
    socket: RequestSocket,
    requests: Requests,
    flows: Vec<FlowRef>,
    /// Number of the next flow.
    next: usize,
}

impl GetSource {
    pub(in super::super) fn open() -> Result<Self> {
        let socket = RequestSocket::open()?;
        Ok(Self { socket, requests: Requests::new(), flows: Vec::new(), next: 0 })
    }
}

impl Source for GetSource {
    fn offer(&self) -> Offer {
        Offer { reach: Reach::Named, means: Means::Get, cost: COST }
    }

    fn begin(&mut self, flows: &[FlowRef]) -> Result<()> {
        self.flows.clear();
        self.flows.extend_from_slice(flows);
        self.next = 0;
        Ok(())
    }

    fn read(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Part>> {
        let flow = self.next;
        let batch = self.flows.get(flow..).unwrap_or_default();
        let batch = batch.get(..BATCH).unwrap_or(batch);
        if batch.is_empty() {
            return Ok(None);
        }
        self.next += batch.len();
        let mut tries = 1;
        loop {
            let from = clock::now();
            buffer.clear();
            self.requests.clear();
            let mut first = None;
            for flow in batch {
                let seq = self.requests.get(flow);
                first.get_or_insert(seq);
            }
            let answers = |answer: &[u8]| buffer.extend_from_slice(answer);
            match self.socket.exchange("asking for flows", &mut self.requests, answers) {
                Err(Error::Lost { .. } | Error::Silent { .. }) if tries < TRIES => tries += 1,
                Err(error) => return Err(error),
                Ok(()) => {
                    let span = ReadSpan { from, to: clock::now() };
                    let form = Form::Answers { first: first.unwrap_or_default(), flow };
                    return Ok(Some(Part { len: buffer.len(), form, span }));
                }
            }
        }
    }

    fn abandon(&mut self) {
        self.next = self.flows.len();
    }
}
