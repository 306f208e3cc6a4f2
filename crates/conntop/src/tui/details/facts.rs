//! Words for the kernel's bits, numbers and times.

use std::net::IpAddr;
use std::time::Duration;

use conntop_proto::flow::{FlowRow, State, Status};

use crate::tui::glyphs::DOT;
use crate::tui::zone::Zone;
use crate::units::civil;

/// `address:port`, IPv6 in brackets when a port follows.
pub(super) fn endpoint(address: IpAddr, port: Option<u16>) -> String {
    match (address, port) {
        (address, None) => address.to_string(),
        (IpAddr::V4(v4), Some(port)) => format!("{v4}:{port}"),
        (IpAddr::V6(v6), Some(port)) => format!("[{v6}]:{port}"),
    }
}

pub(super) fn state_word(state: State) -> &'static str {
    match state {
        State::Unknown => "n/a",
        State::SynSent => "SYN sent",
        State::SynRecv => "SYN and ACK seen",
        State::Established => "established",
        State::FinWait => "first FIN seen",
        State::CloseWait => "waits for the second close",
        State::LastAck => "waits for the last ACK",
        State::TimeWait => "closed, waiting for stragglers",
        State::Close => "closed or reset",
        State::SynSent2 => "SYN seen in both directions",
        State::Closed => "closed",
        State::CookieWait => "INIT seen",
        State::CookieEchoed => "COOKIE ECHO seen",
        State::ShutdownSent => "shutdown sent",
        State::ShutdownRecd => "shutdown received",
        State::ShutdownAckSent => "shutdown acknowledged",
        State::HeartbeatSent => "heartbeat on a secondary path",
        State::Request => "request seen",
        State::Respond => "response seen",
        State::Partopen => "handshake nearly done",
        State::Open => "open",
        State::Closereq => "close requested",
        State::Closing => "closing",
        State::Unreplied => "no answer seen",
        State::Replied => "answered",
        State::Assured => "answered more than once",
    }
}

const STATUS: &[(Status, &str)] = &[
    (Status::EXPECTED, "expected by a helper"),
    (Status::SEEN_REPLY, "seen reply"),
    (Status::ASSURED, "assured"),
    (Status::CONFIRMED, "confirmed"),
    (Status::SRC_NAT, "source NAT"),
    (Status::DST_NAT, "destination NAT"),
    (Status::SEQ_ADJUST, "sequence numbers adjusted"),
    (Status::DYING, "dying"),
    (Status::FIXED_TIMEOUT, "fixed timeout"),
    (Status::TEMPLATE, "template"),
    (Status::HELPER, "helper"),
    (Status::OFFLOAD, "offloaded"),
    (Status::HW_OFFLOAD, "offloaded to hardware"),
];

/// The state, and what the status bits say.
pub(super) fn state_and_status(row: &FlowRow) -> String {
    let status = row.state.status;
    let mut words: Vec<&str> =
        STATUS.iter().filter(|(bit, _)| status.has(*bit)).map(|(_, word)| *word).collect();
    // Sockets have no status at all.
    if status != Status::default() && !status.has(Status::SEEN_REPLY) {
        words.insert(0, "no reply seen");
    }
    if words.is_empty() {
        return state_word(row.state.state).to_owned();
    }
    format!("{} {DOT} {}", state_word(row.state.state), words.join(", "))
}

/// Numbers of the label bits.
pub(super) fn labels(bits: u128) -> String {
    let set: Vec<String> =
        (0..128u32).filter(|bit| bits >> bit & 1 == 1).map(|bit| bit.to_string()).collect();
    if set.is_empty() { "none".to_owned() } else { format!("bits {}", set.join(", ")) }
}

/// A time as [`duration`] takes it.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Two units at most: `3.2 s`, `12 min 3 s`, `5 d 4 h`.
pub(super) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    let (d, h, m, s) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (d, h, m) {
        (0, 0, 0) if seconds < 10 => format!("{s}.{} s", ms % 1000 / 100),
        (0, 0, 0) => format!("{s} s"),
        (0, 0, m) => format!("{m} min {s} s"),
        (0, h, m) => format!("{h} h {m} min"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

/// Milliseconds since 1970 as a date and time of the zone.
pub(super) fn timestamp(zone: &Zone, ms: u64) -> String {
    let seconds = zone.local(ms / 1000);
    let (year, month, day) = civil(seconds / 86_400);
    let (h, m, s) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year}-{month:02}-{day:02} {h:02}:{m:02}:{s:02}")
}
