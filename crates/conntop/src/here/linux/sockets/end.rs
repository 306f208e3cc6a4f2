//! One socket of a flow, and what two of them say together.
//!
//! Where both ends of a connection are on this machine each direction is counted twice, a moment apart:
//! the larger number holds. So totals never fall.

use conntop_proto::flow::{BootMillis, Counters, MAX_SAFE_INTEGER, State, StateRow, Status, TrafficRow};
use nfnetlink::diag::{SocketInfo, SocketState, TcpInfo, Transport};

use super::doors::Side;

/// One socket of a flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    cookie: u64,
    /// Pass that found it last.
    pub(super) seen: u64,
    state: State,
    totals: Option<Totals>,
}

/// What one socket has counted.
#[derive(Clone, Copy, Debug)]
struct Totals {
    sent: Counters,
    received: Counters,
    /// The kernel's numbers of segments, which wrap.
    segments: (u32, u32),
}

impl End {
    pub(super) fn new(transport: Transport, side: Side, socket: &SocketInfo, pass: u64) -> Self {
        let totals = counted(side, socket).as_ref().and_then(Totals::new);
        Self { cookie: socket.cookie, seen: pass, state: state(transport, socket.state), totals }
    }

    pub(super) fn cookie(&self) -> u64 {
        self.cookie
    }

    /// Whether it is this socket.
    pub(super) fn is(&self, socket: &SocketInfo) -> bool {
        self.cookie == socket.cookie
    }

    pub(super) fn observe(&mut self, transport: Transport, side: Side, socket: &SocketInfo, pass: u64) {
        self.cookie = socket.cookie;
        self.seen = pass;
        self.state = state(transport, socket.state);
        let Some(tcp) = &counted(side, socket) else { return };
        match &mut self.totals {
            Some(totals) => totals.observe(tcp),
            totals @ None => *totals = Totals::new(tcp),
        }
    }
}

/// What TCP counts, without the numbers of the sequence that a SYN and a FIN take: they are no bytes.
fn counted(side: Side, socket: &SocketInfo) -> Option<TcpInfo> {
    let tcp = socket.tcp?;
    let syn = u64::from(side == Side::Client);
    let fin_acked = u64::from(socket.state == SocketState::FIN_WAIT2);
    let over = [SocketState::CLOSE_WAIT, SocketState::LAST_ACK, SocketState::CLOSING];
    let fin_received = u64::from(over.contains(&socket.state));
    Some(TcpInfo {
        bytes_acked: tcp.bytes_acked.map(|bytes| bytes.saturating_sub(syn + fin_acked)),
        bytes_received: tcp.bytes_received.map(|bytes| bytes.saturating_sub(fin_received)),
        ..tcp
    })
}

impl Totals {
    /// `None` where the kernel does not count.
    fn new(tcp: &TcpInfo) -> Option<Self> {
        let (sent, received) = tcp.bytes_acked.zip(tcp.bytes_received)?;
        let segments = (tcp.segs_out?, tcp.segs_in?);
        let counters = |packets: u32, bytes: u64| Counters { packets: packets.into(), bytes };
        Some(Self { sent: counters(segments.0, sent), received: counters(segments.1, received), segments })
    }

    fn observe(&mut self, tcp: &TcpInfo) {
        let Some(now) = Self::new(tcp) else { return };
        let add = |total: &mut Counters, now: Counters, before: u32, segments: u32| {
            total.packets += u64::from(segments.wrapping_sub(before));
            total.bytes = total.bytes.max(now.bytes);
        };
        add(&mut self.sent, now.sent, self.segments.0, now.segments.0);
        add(&mut self.received, now.received, self.segments.1, now.segments.1);
        self.segments = now.segments;
    }
}

/// State and traffic of a flow with these ends, of which `before` was told.
pub(super) fn together(
    client: Option<&End>,
    server: Option<&End>,
    before: &TrafficRow,
    at: BootMillis,
) -> (StateRow, TrafficRow) {
    let orig =
        [client.and_then(|end| Some(end.totals?.sent)), server.and_then(|end| Some(end.totals?.received))];
    let reply =
        [client.and_then(|end| Some(end.totals?.received)), server.and_then(|end| Some(end.totals?.sent))];
    let orig = orig.into_iter().chain([before.orig]).flatten().reduce(larger);
    let reply = reply.into_iter().chain([before.reply]).flatten().reduce(larger);
    // That of who opened it, unless only the other has more than a rest.
    let lives = |end: &&End| end.state != State::TimeWait;
    let speaker = client.filter(lives).or(server.filter(lives)).or(client).or(server);
    let state = speaker.map_or(State::Unknown, |end| end.state);
    let state = StateRow { state, status: Status::default() };
    (state, TrafficRow { orig, reply, resets: 0, expires: None, sampled: at })
}

fn larger(one: Counters, other: Counters) -> Counters {
    Counters {
        packets: one.packets.max(other.packets).min(MAX_SAFE_INTEGER),
        bytes: one.bytes.max(other.bytes).min(MAX_SAFE_INTEGER),
    }
}

/// Connection tracking has no word for both sides closing at once. Of UDP it says whether an answer was
/// seen, which a socket does not know.
fn state(transport: Transport, state: SocketState) -> State {
    match state {
        _ if transport == Transport::Udp => State::Unknown,
        SocketState::ESTABLISHED => State::Established,
        SocketState::SYN_SENT => State::SynSent,
        SocketState::SYN_RECV | SocketState::NEW_SYN_RECV => State::SynRecv,
        SocketState::FIN_WAIT1 | SocketState::FIN_WAIT2 => State::FinWait,
        SocketState::TIME_WAIT => State::TimeWait,
        SocketState::CLOSE => State::Close,
        SocketState::CLOSE_WAIT => State::CloseWait,
        SocketState::LAST_ACK | SocketState::CLOSING => State::LastAck,
        _ => State::Unknown,
    }
}
