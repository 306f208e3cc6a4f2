//! Flows asked for one by one, many requests in one call: those that somebody names, or all that the
//! table knows. For a small table that is cheaper than anything that walks the kernel's buckets.

use conntop_proto::message::Coverage;
use nfnetlink::ct::{FlowRef, Requests};
use nfnetlink::{Error, RequestSocket, Result};

use super::super::clock;
use super::super::cost::Cost;
use super::{BUFFER, Form, Means, Offer, Part, Reach, Source};
use crate::table::ReadSpan;

/// Requests in one call: their answers fit into a buffer unless they are unusually long.
const BATCH: usize = RequestSocket::BATCH;
/// How often a batch is asked again whose answers were lost.
const TRIES: u32 = 3;
/// As measured.
const COST: Cost = Cost { bucket: 0.0, flow: 4500.0, passed: 0.0 };

/// Bytes that a buffer of a pass has to spare for the answers to one more batch.
const ROOM: usize = BUFFER / 4;

/// Asks on a socket of its own: answers share a queue with a dump that runs on the same one.
pub(in super::super) struct GetSource {
    reach: Reach,
    socket: RequestSocket,
    requests: Requests,
    flows: Vec<FlowRef>,
    /// Number of the next flow.
    next: usize,
}

impl GetSource {
    /// For flows that are named.
    pub(in super::super) fn named() -> Result<Self> {
        Self::open(Reach::Named)
    }

    /// For passes over all known flows.
    pub(in super::super) fn known() -> Result<Self> {
        Self::open(Reach::Pass(Coverage::Known))
    }

    fn open(reach: Reach) -> Result<Self> {
        let socket = RequestSocket::open()?;
        Ok(Self { reach, socket, requests: Requests::new(), flows: Vec::new(), next: 0 })
    }

    /// Appends the answers to the next batch. Returns the number of its first question.
    fn batch(&mut self, buffer: &mut Vec<u8>) -> Result<u32> {
        let batch = self.flows.get(self.next..).unwrap_or_default();
        let batch = batch.get(..BATCH).unwrap_or(batch);
        let before = buffer.len();
        let mut tries = 1;
        loop {
            buffer.truncate(before);
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
                    self.next += batch.len();
                    return Ok(first.unwrap_or_default());
                }
            }
        }
    }
}

impl Source for GetSource {
    fn offer(&self) -> Offer {
        Offer { reach: self.reach, means: Means::Get, cost: COST }
    }

    fn begin(&mut self, flows: &[FlowRef]) -> Result<()> {
        self.flows.clear();
        self.flows.extend_from_slice(flows);
        self.next = 0;
        Ok(())
    }

    fn read(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Part>> {
        let flow = self.next;
        if flow >= self.flows.len() {
            return Ok(None);
        }
        buffer.clear();
        let from = clock::now();
        let first = self.batch(buffer)?;
        let form = match self.reach {
            Reach::Named => Form::Answers { first, flow },
            _ => Form::Asked,
        };
        while form == Form::Asked && self.next < self.flows.len() && buffer.len() + ROOM <= BUFFER {
            self.batch(buffer)?;
        }
        Ok(Some(Part { len: buffer.len(), form, span: ReadSpan { from, to: clock::now() } }))
    }

    fn abandon(&mut self) {
        self.next = self.flows.len();
    }
}
