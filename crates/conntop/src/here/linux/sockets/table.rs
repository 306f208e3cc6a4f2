//! Sockets as flows: pure state, time is an argument.
//!
//! A connection between two sockets of this machine is one flow with two ends. A flow ends when a whole
//! pass finds no socket of it any more; its id is never used again.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use conntop_proto::delta::{DeltaRows, EndedRow};
use conntop_proto::flow::{
    BootMillis, EndReason, FlowId, FlowRow, IdentityRow, MAX_SAFE_INTEGER, MetaRow, StateRow, TrafficRow,
};
use conntop_proto::tuple::{L4, Proto, Tuple};
use hashbrown::HashMap;
use nfnetlink::diag::{SocketInfo, SocketState, Transport};

use super::doors::{Doors, Side};
use super::end::{self, End};

/// One socket and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) transport: Transport,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) cookie: u64,
}

/// The machine's connections.
#[derive(Debug)]
pub(super) struct SocketTable {
    /// By original tuple.
    flows: HashMap<Tuple, Flow, foldhash::fast::RandomState>,
    doors: Doors,
    /// Sockets of this pass that are no end of a known flow.
    strangers: Vec<(Transport, SocketInfo)>,
    next: u64,
    pass: u64,
    /// A pass has seen everything: what appears from then on has just begun.
    complete: bool,
    most: usize,
    truncated: bool,
    began: BootMillis,
}

#[derive(Debug)]
struct Flow {
    id: FlowId,
    client: Option<End>,
    server: Option<End>,
    /// What was told; nothing yet of a flow that this pass found.
    told: Option<(StateRow, TrafficRow)>,
}

impl SocketTable {
    /// An empty one that holds at most so many flows.
    pub(super) fn new(most: usize) -> Self {
        Self {
            flows: HashMap::default(),
            doors: Doors::default(),
            strangers: Vec::new(),
            next: 1,
            pass: 0,
            complete: false,
            most,
            truncated: false,
            began: BootMillis(0),
        }
    }

    /// A pass begins. Ports in this range are given to those who open connections.
    pub(super) fn begin(&mut self, at: BootMillis, ephemeral: RangeInclusive<u16>) {
        self.pass += 1;
        self.began = at;
        self.truncated = false;
        self.doors = Doors::new(ephemeral);
        self.strangers.clear();
    }

    /// A socket was found.
    pub(super) fn observe(&mut self, transport: Transport, socket: &SocketInfo) {
        if socket.state == SocketState::LISTEN || !socket.is_connected() {
            return self.doors.open(transport, socket.local);
        }
        let (own, pass) = (tuple(transport, socket), self.pass);
        for (orig, side) in [(own, Side::Client), (own.inverse(), Side::Server)] {
            if let Some(flow) = self.flows.get_mut(&orig)
                && let Some(end) = flow.end(side)
                && end.is(socket)
            {
                end.observe(transport, side, socket, pass);
                return;
            }
        }
        if self.strangers.len() < self.most {
            self.strangers.push((transport, *socket));
        } else {
            self.truncated = true;
        }
    }

    /// The pass has seen everything: what changed by it.
    pub(super) fn finish(&mut self) -> DeltaRows {
        let mut rows = DeltaRows::default();
        let mut new = Vec::new();
        let (pass, at) = (self.pass, self.began);
        for (transport, socket) in std::mem::take(&mut self.strangers) {
            self.place(transport, &socket, &mut rows, &mut new);
        }
        self.flows.retain(|_, flow| {
            for end in [&mut flow.client, &mut flow.server] {
                *end = end.filter(|end| end.seen == pass);
            }
            if flow.client.is_none() && flow.server.is_none() {
                rows.ended.push(flow.ended(at, EndReason::Missing));
                return false;
            }
            flow.tell_changes(at, &mut rows);
            true
        });
        for orig in new {
            if let Some(flow) = self.flows.get_mut(&orig) {
                rows.new.push(flow.tell_all(orig, at, self.complete));
            }
        }
        self.complete = true;
        rows
    }

    /// Makes a stranger an end of a flow.
    fn place(
        &mut self,
        transport: Transport,
        socket: &SocketInfo,
        rows: &mut DeltaRows,
        new: &mut Vec<Tuple>,
    ) {
        let own = tuple(transport, socket);
        let known = [(own, Side::Client), (own.inverse(), Side::Server)];
        let known = known.into_iter().find(|(orig, _)| self.flows.contains_key(orig));
        let (orig, side) = known.unwrap_or_else(|| match self.doors.side(transport, socket) {
            Side::Client => (own, Side::Client),
            Side::Server => (own.inverse(), Side::Server),
        });
        let (pass, full) = (self.pass, self.flows.len() >= self.most);
        if let Some(flow) = self.flows.get_mut(&orig) {
            match flow.end(side) {
                // The same ends twice, on different interfaces: the first stands for both.
                Some(end) if end.seen == pass => return,
                // What is left of a socket may be another one for the kernel.
                Some(end) if socket.state == SocketState::TIME_WAIT => {
                    return end.observe(transport, side, socket, pass);
                }
                None => return flow.set_end(side, End::new(transport, side, socket, pass)),
                // The one that had these ends is gone, and with it the flow.
                Some(_) => rows.ended.push(flow.ended(self.began, EndReason::Replaced)),
            }
        } else if full {
            self.truncated = true;
            return;
        }
        let mut flow = Flow { id: FlowId(self.next), client: None, server: None, told: None };
        self.next = self.next.saturating_add(1).min(MAX_SAFE_INTEGER);
        flow.set_end(side, End::new(transport, side, socket, pass));
        self.flows.insert(orig, flow);
        new.push(orig);
    }

    /// What names the socket of a flow: that of its opener, or the other one.
    pub(super) fn named(&self, id: FlowId) -> Option<Named> {
        let (orig, flow) = self.flows.iter().find(|(_, flow)| flow.id == id)?;
        let (tuple, end) = match (&flow.client, &flow.server) {
            (Some(end), _) => (*orig, end),
            (None, Some(end)) => (orig.inverse(), end),
            (None, None) => return None,
        };
        let L4::Ports { src, dst } = tuple.l4 else { return None };
        Some(Named {
            transport: if tuple.proto == Proto::TCP { Transport::Tcp } else { Transport::Udp },
            local: SocketAddr::new(tuple.src, src),
            remote: SocketAddr::new(tuple.dst, dst),
            cookie: end.cookie(),
        })
    }

    /// Flows that are held.
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    /// Whether there are more than may be held.
    pub(super) fn truncated(&self) -> bool {
        self.truncated
    }
}

impl Flow {
    fn end(&mut self, side: Side) -> Option<&mut End> {
        match side {
            Side::Client => self.client.as_mut(),
            Side::Server => self.server.as_mut(),
        }
    }

    fn set_end(&mut self, side: Side, end: End) {
        match side {
            Side::Client => self.client = Some(end),
            Side::Server => self.server = Some(end),
        }
    }

    fn now(&self, at: BootMillis) -> (StateRow, TrafficRow) {
        let before = self.told.map(|(_, traffic)| traffic).unwrap_or_default();
        end::together(self.client.as_ref(), self.server.as_ref(), &before, at)
    }

    fn tell_changes(&mut self, at: BootMillis, rows: &mut DeltaRows) {
        let Some((told_state, told_traffic)) = self.told else { return };
        let (state, mut traffic) = self.now(at);
        if state != told_state {
            rows.state.push((self.id, state));
        }
        if (traffic.orig, traffic.reply) == (told_traffic.orig, told_traffic.reply) {
            traffic = told_traffic;
        } else {
            rows.traffic.push((self.id, traffic));
        }
        self.told = Some((state, traffic));
    }

    fn tell_all(&mut self, orig: Tuple, at: BootMillis, born: bool) -> FlowRow {
        let (state, traffic) = self.now(at);
        self.told = Some((state, traffic));
        let identity = IdentityRow {
            id: self.id,
            zone: 0,
            orig,
            reply: orig.inverse(),
            reply_zone: 0,
            ct_id: None,
            start: None,
            first_seen: at,
            born,
            master: None,
        };
        FlowRow { identity, state, traffic, meta: MetaRow::default() }
    }

    fn ended(&self, at: BootMillis, reason: EndReason) -> EndedRow {
        let traffic = self.told.map(|(_, traffic)| traffic).unwrap_or_default();
        EndedRow { id: self.id, at, reason, stop: None, traffic, short: None }
    }
}

fn tuple(transport: Transport, socket: &SocketInfo) -> Tuple {
    let (local, remote) = (socket.local, socket.remote);
    Tuple {
        src: local.ip(),
        dst: remote.ip(),
        proto: Proto(transport.number()),
        l4: L4::Ports { src: local.port(), dst: remote.port() },
    }
}
