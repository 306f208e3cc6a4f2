//! What the table keeps of one flow, in two parts: what a pass compares, and the rest. Rare things
//! (resets, masters, helpers, labels, late marks) and ends lie aside.

use conntop_proto::flow::{
    BootMillis, Counters, FlowId, FlowRow, IdentityRow, MetaRow, State, StateRow, Status, TrafficRow,
};
use conntop_proto::tuple::Tuple;
use nfnetlink::ct::{CtMessage, ProtoState};

use super::ended::End;
use super::key::{Packed, Wide};
use super::narrow::U48;

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
/// There are labels or a helper.
pub(super) const LABELLED: u8 = 64;

/// The index knows the slot: no newer flow has its key.
pub(super) const INDEXED: u8 = 128;

/// What every entry of a pass is compared with.
pub(super) struct Hot {
    pub(super) orig: Packed,
    pub(super) reply: Packed,
    /// The kernel's counters as last read: packets, bytes of the original direction, of the reply.
    pub(super) raw: [u64; 4],
    /// Microseconds of the wall clock, 0 when not known.
    pub(super) start: u64,
    /// Lower bound of when the entry expires, milliseconds; of an ended record: its number among the
    /// ends.
    pub(super) expires: U48,
    pub(super) state: State,
    pub(super) flags: u8,
    pub(super) ct_id: u32,
    pub(super) status: u32,
    pub(super) mark: u32,
    /// The pass that last found the flow alive; of an ended record: the pass it is a tombstone for.
    pub(super) stamp: u32,
    /// The slot that followed this one in the last pass: a guess that saves the hash.
    pub(super) follower: u32,
    /// Where the rare things are, or `NONE`; of an empty slot: the next empty one.
    pub(super) rare: u32,
}

/// What is read only when something changed.
pub(super) struct Cold {
    pub(super) id: U48,
    /// Change number of the birth, or of the moment when the identity became complete.
    pub(super) created: U48,
    pub(super) state_seq: U48,
    pub(super) traffic_seq: U48,
    pub(super) first_seen: U48,
    pub(super) sampled: U48,
}

#[derive(Default)]
pub(super) struct Rare {
    /// What was counted before the resets.
    pub(super) base: [u64; 4],
    pub(super) resets: u32,
    pub(super) master: Option<Tuple>,
    pub(super) helper: Option<Box<str>>,
    pub(super) labels: Option<u128>,
    /// Of a change after the birth.
    pub(super) meta_seq: u64,
}

// Each byte here is a megabyte in a table of a million flows.
const _: () = assert!(size_of::<Hot>() <= 104 && size_of::<Cold>() <= 36);

impl Hot {
    pub(super) fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }
}

/// A slot's parts, for reading.
#[derive(Clone, Copy)]
pub(super) struct Slot<'a> {
    pub(super) hot: &'a Hot,
    pub(super) cold: &'a Cold,
    pub(super) rare: Option<&'a Rare>,
    pub(super) end: Option<&'a End>,
    pub(super) wide: &'a Wide,
}

impl Slot<'_> {
    pub(super) fn id(self) -> FlowId {
        FlowId(self.cold.id.get())
    }

    pub(super) fn zone(self) -> u16 {
        self.hot.orig.zone()
    }

    pub(super) fn orig(self) -> Tuple {
        self.hot.orig.tuple(self.wide)
    }

    pub(super) fn reply(self) -> Tuple {
        self.hot.reply.tuple(self.wide)
    }

    pub(super) fn meta_seq(self) -> u64 {
        self.rare.map_or(0, |rare| rare.meta_seq)
    }

    /// Number of the last change.
    pub(super) fn changed(self) -> u64 {
        let Cold { created, state_seq, traffic_seq, .. } = self.cold;
        let ended = self.end.map_or(0, |end| end.seq);
        created.get().max(state_seq.get()).max(traffic_seq.get()).max(self.meta_seq()).max(ended)
    }

    pub(super) fn state(self) -> StateRow {
        StateRow { state: self.hot.state, status: Status(self.hot.status) }
    }

    pub(super) fn traffic(self) -> TrafficRow {
        let base = self.rare.map_or([0; 4], |rare| rare.base);
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
            resets: self.rare.map_or(0, |rare| rare.resets),
            expires: self.hot.has(TIMEOUT | LIVE).then_some(BootMillis(self.hot.expires.get())),
            sampled: BootMillis(self.cold.sampled.get()),
        }
    }

    pub(super) fn meta(self) -> MetaRow {
        MetaRow {
            mark: self.hot.mark,
            labels: self.rare.and_then(|rare| rare.labels),
            helper: self.rare.and_then(|rare| rare.helper.clone()),
        }
    }

    pub(super) fn identity(self) -> IdentityRow {
        IdentityRow {
            id: self.id(),
            zone: self.zone(),
            orig: self.orig(),
            reply: self.reply(),
            reply_zone: self.hot.reply.zone(),
            ct_id: self.hot.has(CT_ID).then_some(self.hot.ct_id),
            start: (self.hot.start != 0).then_some(self.hot.start),
            first_seen: BootMillis(self.cold.first_seen.get()),
            born: self.hot.has(BORN),
            master: self.rare.and_then(|rare| rare.master),
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
