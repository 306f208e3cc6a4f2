//! What the kernel gives, said in lines for the log: each fact that costs the user something names
//! what to do about it.

use conntop_proto::message::KernelFacts;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// As it should be.
    Info,
    /// Something is missing.
    Warning,
}

/// The lines about `kernel`, the most important first.
#[must_use]
pub fn lines(kernel: &KernelFacts) -> Vec<(Weight, String)> {
    let mut lines = Vec::new();
    let mut say = |weight, text: String| lines.push((weight, text));
    match kernel.tracking {
        Some(true) => {}
        Some(false) => say(
            Weight::Warning,
            "connection tracking is not active in this namespace: no flow will be seen until a rule or \
             NAT uses it. To activate it: nft 'add table inet t; add chain inet t c { type filter hook \
             prerouting priority 0; }; add rule inet t c ct state new', or conntop --activate"
                .into(),
        ),
        None => say(
            Weight::Warning,
            "the table is empty: no traffic yet, or no rule or NAT uses connection tracking in this \
             namespace (conntop --activate adds one)"
                .into(),
        ),
    }
    match kernel.acct {
        Some(true) => say(Weight::Info, "accounting is on".into()),
        Some(false) => say(
            Weight::Warning,
            "accounting is off: no bytes, packets and rates. For flows that begin from then on: \
             sysctl -w net.netfilter.nf_conntrack_acct=1"
                .into(),
        ),
        None => say(Weight::Warning, "whether accounting is on is not known".into()),
    }
    match kernel.timestamp {
        Some(true) => say(Weight::Info, "timestamps are on".into()),
        Some(false) => say(
            Weight::Info,
            "timestamps are off: the age of flows that began earlier is not known. For flows that begin \
             from then on: sysctl -w net.netfilter.nf_conntrack_timestamp=1"
                .into(),
        ),
        None => {}
    }
    if !kernel.listening {
        say(
            Weight::Warning,
            "not listening to events: flows that begin and end between two passes are missed".into(),
        );
    } else if kernel.events == Some(0) {
        say(
            Weight::Warning,
            "the kernel sends no events: flows that begin and end between two passes are missed. \
             For flows that begin from then on: sysctl -w net.netfilter.nf_conntrack_events=2"
                .into(),
        );
    } else if let Some(bytes) = kernel.event_buffer {
        say(
            Weight::Info,
            format!("event buffer {bytes} bytes, room for about {} events", bytes / EVENT_BYTES),
        );
    }
    if let (Some(max), Some(buckets)) = (kernel.max, kernel.buckets) {
        say(Weight::Info, format!("at most {max} flows in {buckets} hash buckets, for the whole machine"));
    }
    lines
}

/// What one queued event takes of the socket's buffer, as the kernel charges it.
const EVENT_BYTES: u64 = 1280;
