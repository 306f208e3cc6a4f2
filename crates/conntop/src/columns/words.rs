//! Words for what the kernel gives as numbers, shared by columns and filters.

use conntop_proto::flow::{EndReason, State, Status};

/// Words of a state.
#[derive(Clone, Copy, Debug)]
pub struct StateWords {
    /// State.
    pub state: State,
    /// At most five letters, for the column and for filters; several states may share it.
    pub short: &'static str,
    /// Unique, for JSON and filters.
    pub long: &'static str,
}

const fn words(state: State, short: &'static str, long: &'static str) -> StateWords {
    StateWords { state, short, long }
}

/// Words of all states but the unknown one, in the order of a connection's life.
pub const STATES: &[StateWords] = &[
    words(State::SynSent, "SYN", "syn_sent"),
    words(State::SynSent2, "SYN", "syn_sent2"),
    words(State::SynRecv, "SYNR", "syn_recv"),
    words(State::Established, "EST", "established"),
    words(State::FinWait, "FIN", "fin_wait"),
    words(State::CloseWait, "CLOSW", "close_wait"),
    words(State::LastAck, "LASTA", "last_ack"),
    words(State::TimeWait, "TIMEW", "time_wait"),
    words(State::Close, "CLOSE", "close"),
    words(State::Closed, "CLOSE", "closed"),
    words(State::CookieWait, "COOKW", "cookie_wait"),
    words(State::CookieEchoed, "COOKE", "cookie_echoed"),
    words(State::ShutdownSent, "SHUTS", "shutdown_sent"),
    words(State::ShutdownRecd, "SHUTR", "shutdown_recd"),
    words(State::ShutdownAckSent, "SHUTA", "shutdown_ack_sent"),
    words(State::HeartbeatSent, "HBEAT", "heartbeat_sent"),
    words(State::Request, "REQ", "request"),
    words(State::Respond, "RESP", "respond"),
    words(State::Partopen, "PARTO", "partopen"),
    words(State::Open, "OPEN", "open"),
    words(State::Closereq, "CLREQ", "closereq"),
    words(State::Closing, "CLSNG", "closing"),
    words(State::Unreplied, "UNREP", "unreplied"),
    words(State::Replied, "REPL", "replied"),
    words(State::Assured, "ASSUR", "assured"),
];

fn entry(state: State) -> Option<&'static StateWords> {
    STATES.iter().find(|w| w.state == state)
}

/// Short word of a state; `?` when it is unknown.
#[must_use]
pub fn state_short(state: State) -> &'static str {
    entry(state).map_or("?", |w| w.short)
}

/// Unique word of a state; `None` when it is unknown.
#[must_use]
pub fn state_long(state: State) -> Option<&'static str> {
    entry(state).map(|w| w.long)
}

/// Place of a state in the order of a connection's life.
#[must_use]
pub fn state_rank(state: State) -> u64 {
    let place = STATES.iter().position(|w| w.state == state);
    place.and_then(|p| u64::try_from(p).ok()).unwrap_or(u64::MAX)
}

/// Words of the status bits.
pub const STATUSES: &[(Status, &str)] = &[
    (Status::EXPECTED, "expected"),
    (Status::SEEN_REPLY, "seen_reply"),
    (Status::ASSURED, "assured"),
    (Status::CONFIRMED, "confirmed"),
    (Status::SRC_NAT, "src_nat"),
    (Status::DST_NAT, "dst_nat"),
    (Status::SEQ_ADJUST, "seq_adjust"),
    (Status(1 << 7), "src_nat_done"),
    (Status(1 << 8), "dst_nat_done"),
    (Status::DYING, "dying"),
    (Status::FIXED_TIMEOUT, "fixed_timeout"),
    (Status::TEMPLATE, "template"),
    (Status(1 << 12), "nat_clash"),
    (Status::HELPER, "helper"),
    (Status::OFFLOAD, "offload"),
    (Status::HW_OFFLOAD, "hw_offload"),
];

/// Word for why a flow ended.
#[must_use]
pub fn end_reason(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Destroyed => "destroyed",
        EndReason::Missing => "missing",
        EndReason::Replaced => "replaced",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_fit_and_are_those_of_the_protocol() {
        for words in STATES {
            assert!(words.short.len() <= 5, "{words:?}");
            let wire = serde_json::to_value(words.state).unwrap();
            assert_eq!(wire, words.long);
        }
        for reason in [EndReason::Destroyed, EndReason::Missing, EndReason::Replaced] {
            assert_eq!(serde_json::to_value(reason).unwrap(), end_reason(reason));
        }
    }
}
