//! What the table keeps of one flow, in two parts: what a dump compares, and the rest. Rare things
//! (translated replies, resets, masters, helpers, labels, ends) are boxed.

use conntop_proto::flow::{
    BootMillis, Counters, EndReason, FlowId, FlowRow, IdentityRow, MetaRow, State, StateRow, Status,
    TrafficRow,
};
use conntop_proto::tuple::Tuple;
use nfnetlink::ct::{CtMessage, ProtoState};

use super::key::Key;

/// The slot holds a flow that is in the kernel's table.
pub(super) const LIVE: u8 = 1;
/// The slot holds the record of an ended flow.
pub(super) const ENDED: u8 = 2;
/// `raw` is known.
pub(super) const COUNTERS: u8 = 4;
/// The table saw the flow begin.
pub(super) const BORN: u8 = 8;
/// `ct_id` is known.
pub(super) const CT_ID: u8 = 16;
/// `expires` is known.
pub(super) const TIMEOUT: u8 = 32;
/// There is a boxed reply.
pub(super) const REPLY: u8 = 64;
/// There are boxed labels or a helper.
pub(super) const LABELLED: u8 = 128;

/// What every dump entry is compared with.
pub(super) struct Hot {
    pub(super) key: Key,
    /// The kernel's counters as last read: packets, bytes of the original direction, of the reply.
    pub(super) raw: [u64; 4],
    /// Lower bound of when the entry expires, milliseconds.
    pub(super) expires: u64,
    /// Microseconds of the wall clock, 0 when not known.
    pub(super) start: u64,
    pub(super) ct_id: u32,
    pub(super) status: u32,
    pub(super) mark: u32,
    /// The pass that last found the flow alive; of an ended record: the pass it is a tombstone for.
    pub(super) stamp: u32,
    /// The slot that followed this one in the last dump: a guess that saves the hash.
    pub(super) follower: u32,
    pub(super) state: State,
    pub(super) flags: u8,
}

/// What is read only when something changed.
pub(super) struct Cold {
    pub(super) id: FlowId,
    /// Change number of the birth, or of the moment when the identity became complete.
    pub(super) created: u64,
    pub(super) state_seq: u64,
    pub(super) traffic_seq: u64,
    pub(super) first_seen: BootMillis,
    pub(super) sampled: BootMillis,
    pub(super) reply: Option<Box<Key>>,
    pub(super) rare: Option<Box<Rare>>,
}

#[derive(Default)]
pub(super) struct Rare {
    /// What was counted before the resets.
    pub(super) base: [u64; 4],
    pub(super) resets: u32,
    pub(super) master: Option<Tuple>,
    pub(super) helper: Option<Box<str>>,
    pub(super) labels: Option<u128>,
    pub(super) meta_seq: u64,
    pub(super) ended: Option<Ended>,
}

/// How a flow ended.
#[derive(Clone, Copy)]
pub(super) struct Ended {
    pub(super) seq: u64,
    pub(super) at: BootMillis,
    pub(super) reason: EndReason,
    pub(super) stop: Option<u64>,
}

impl Hot {
    pub(super) fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }
}

impl Cold {
    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(super) fn meta_seq(&self) -> u64 {
        self.rare.as_ref().map_or(0, |rare| rare.meta_seq)
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        self.rare.as_ref().and_then(|rare| rare.ended)
    }

    /// Number of the last change.
    pub(super) fn changed(&self) -> u64 {
        let ended = self.ended().map_or(0, |ended| ended.seq);
        self.created.max(self.state_seq).max(self.traffic_seq).max(self.meta_seq()).max(ended)
    }
}

/// A slot's two parts, for reading.
#[derive(Clone, Copy)]
pub(super) struct Slot<'a> {
    pub(super) hot: &'a Hot,
    pub(super) cold: &'a Cold,
}

impl Slot<'_> {
    pub(super) fn reply(self) -> Key {
        self.cold.reply.as_deref().copied().unwrap_or_else(|| self.hot.key.inverse())
    }

    pub(super) fn state(self) -> StateRow {
        StateRow { state: self.hot.state, status: Status(self.hot.status) }
    }

    pub(super) fn traffic(self) -> TrafficRow {
        let rare = self.cold.rare.as_deref();
        let base = rare.map_or([0; 4], |rare| rare.base);
        let [p0, b0, p1, b1] = self.hot.raw;
        let [q0, c0, q1, c1] = base;
        let counters = |packets: u64, before: u64, bytes: u64, bytes_before: u64| {
            self.hot.has(COUNTERS).then_some(Counters {
                packets: packets.saturating_add(before),
                bytes: bytes.saturating_add(bytes_before),
            })
        };
        TrafficRow {
            orig: counters(p0, q0, b0, c0),
            reply: counters(p1, q1, b1, c1),
            resets: rare.map_or(0, |rare| rare.resets),
            expires: self.hot.has(TIMEOUT | LIVE).then_some(BootMillis(self.hot.expires)),
            sampled: self.cold.sampled,
        }
    }

    pub(super) fn meta(self) -> MetaRow {
        let rare = self.cold.rare.as_deref();
        MetaRow {
            mark: self.hot.mark,
            labels: rare.and_then(|rare| rare.labels),
            helper: rare.and_then(|rare| rare.helper.clone()),
        }
    }

    pub(super) fn identity(self) -> IdentityRow {
        let reply = self.reply();
        IdentityRow {
            id: self.cold.id,
            zone: self.hot.key.zone(),
            orig: self.hot.key.tuple(),
            reply: reply.tuple(),
            reply_zone: reply.zone(),
            ct_id: self.hot.has(CT_ID).then_some(self.hot.ct_id),
            start: (self.hot.start != 0).then_some(self.hot.start),
            first_seen: self.cold.first_seen,
            born: self.hot.has(BORN),
            master: self.cold.rare.as_ref().and_then(|rare| rare.master),
        }
    }

    pub(super) fn row(self) -> FlowRow {
        FlowRow { identity: self.identity(), state: self.state(), traffic: self.traffic(), meta: self.meta() }
    }
}

/// The state that a message tells; `None` when it leaves the state as it was.
pub(super) fn state_of(message: &CtMessage<'_>) -> Option<State> {
    use nfnetlink::ct::Status as S;
    /// `enum tcp_conntrack`
    const TCP: [State; 10] = [
        State::Unknown,
        State::SynSent,
        State::SynRecv,
        State::Established,
        State::FinWait,
        State::CloseWait,
        State::LastAck,
        State::TimeWait,
        State::Close,
        State::SynSent2,
    ];
    /// `enum sctp_conntrack`
    const SCTP: [State; 9] = [
        State::Unknown,
        State::Closed,
        State::CookieWait,
        State::CookieEchoed,
        State::Established,
        State::ShutdownSent,
        State::ShutdownRecd,
        State::ShutdownAckSent,
        State::HeartbeatSent,
    ];
    /// `enum ct_dccp_states`
    const DCCP: [State; 8] = [
        State::Unknown,
        State::Request,
        State::Respond,
        State::Partopen,
        State::Open,
        State::Closereq,
        State::Closing,
        State::TimeWait,
    ];
    let named = |states: &[State], number: u8| states.get(usize::from(number)).copied().unwrap_or_default();
    match message.state {
        Some(ProtoState::Tcp(number)) => Some(named(&TCP, number)),
        Some(ProtoState::Sctp(number)) => Some(named(&SCTP, number)),
        Some(ProtoState::Dccp(number)) => Some(named(&DCCP, number)),
        // Offloaded flows, and transports of which an event tells nothing, keep what they had.
        None if message.has(S::OFFLOAD) || message.status.is_none() => None,
        None if matches!(message.orig.proto, 6 | 33 | 132) => None,
        None if message.has(S::ASSURED) => Some(State::Assured),
        None if message.has(S::SEEN_REPLY) => Some(State::Replied),
        None => Some(State::Unreplied),
    }
}
