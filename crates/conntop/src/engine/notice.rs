//! Facts that change how the rest is to be read, each with its repair.

use std::fmt;

use conntop_proto::message::Origin;

use super::{Connection, Engine};

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// For programs.
    pub kind: NoticeKind,
    /// What is so and what it costs, one line.
    pub text: String,
    /// What to do about it; empty when nothing can be done.
    pub repair: String,
}

/// Facts, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// Nothing in the namespace makes the kernel track connections.
    TrackingOff,
    /// Only the sockets of the machine are seen.
    Sockets,
    /// There is no flow, for a reason that is not known or not needed.
    Empty,
    /// New flows get no counters.
    AcctOff,
    /// The collector does not hear events.
    NotListening,
    /// Events were lost and the table is being repaired.
    Lost,
    /// More flows than this program holds.
    Truncated,
    /// The connection is lost.
    Stale,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if self.repair.is_empty() { Ok(()) } else { write!(f, "; {}", self.repair) }
    }
}

pub(super) fn notices(engine: &Engine) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut tell = |kind, text: String, repair: &str| {
        notices.push(Notice { kind, text, repair: repair.to_owned() });
    };
    if let Connection::Stale { cause, .. } = engine.connection() {
        tell(NoticeKind::Stale, format!("stale: {cause}"), "");
    }
    if let Some(kernel) = engine.kernel().filter(|kernel| kernel.origin == Origin::Sockets) {
        let shown = "these are the sockets of this machine: bytes of TCP as programs see them, none of UDP, no \
                     forwarded flows";
        let (text, repair) = match kernel.tracking {
            Some(false) => (
                format!("connection tracking is not active in this namespace; {shown}"),
                "`conntop --activate`, or key A on the screen, makes the kernel track connections while it runs",
            ),
            Some(true) => (
                shown.to_owned(),
                "without --source sockets the connection tracking table is read, which has all of it",
            ),
            None => (
                shown.to_owned(),
                "root, or who has CAP_NET_ADMIN, sees the connection tracking table, which has all of it",
            ),
        };
        tell(NoticeKind::Sockets, text, repair);
    } else if let Some(kernel) = engine.kernel() {
        let empty = engine.mirror().is_empty();
        let (tracking, synced) = (engine.tracking(), engine.mirror().position().synced);
        if tracking == Some(false) {
            let text = if empty {
                "connection tracking is not active in this namespace: no flow will be seen until a rule or \
                 NAT uses it"
            } else {
                "connection tracking is not active any more in this namespace: the flows that are left run \
                 out, and no new one will be seen until a rule or NAT uses it"
            };
            tell(
                NoticeKind::TrackingOff,
                text.to_owned(),
                "`conntop --activate` there, or key A on the screen, adds a rule while it runs",
            );
        } else if empty && synced && tracking.is_none() {
            tell(
                NoticeKind::Empty,
                "the table is empty: no traffic yet, or no rule or NAT uses connection tracking in this \
                 namespace"
                    .to_owned(),
                "`conntop --activate` there, or key A on the screen, adds a rule while it runs",
            );
        } else if empty && synced {
            tell(NoticeKind::Empty, "the table is empty: no traffic yet".to_owned(), "");
        }
        if kernel.acct == Some(false) {
            tell(
                NoticeKind::AcctOff,
                "accounting is off: no bytes, packets and rates".to_owned(),
                "for flows that begin from then on: sysctl -w net.netfilter.nf_conntrack_acct=1, or \
                 `conntop --activate`, or key A on the screen",
            );
        }
        if !kernel.listening {
            let text = "not listening to events: flows that begin and end between two passes are missed";
            tell(NoticeKind::NotListening, text.to_owned(), "start conntopd without --no-events");
        }
    }
    if let Some(lost) = engine.lost().filter(|lost| lost.since.is_some()) {
        let events = lost.events.map_or_else(|| "some".to_owned(), |n| n.to_string());
        let text = format!("{events} events were lost; the table is being repaired");
        tell(NoticeKind::Lost, text, "a larger --event-buffer loses fewer");
    }
    if engine.table().is_some_and(|table| table.truncated) {
        let text = "truncated: there are more flows than the collector holds";
        tell(NoticeKind::Truncated, text.to_owned(), "");
    } else if engine.mirror().truncated() {
        let text = "truncated: there are more flows than are held here";
        tell(NoticeKind::Truncated, text.to_owned(), "start conntop with a larger --max-flows");
    }
    notices
}
