//! Facts that change how the rest is to be read, each with its repair.

use std::fmt;

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
    if let Some(kernel) = engine.kernel() {
        let empty = engine.mirror().is_empty() && engine.mirror().position().synced;
        if kernel.tracking == Some(false) || (kernel.tracking.is_none() && empty) {
            tell(
                NoticeKind::TrackingOff,
                "connection tracking is not active in this namespace: no flows to show".to_owned(),
                "press A, or start with --activate, to add an own nft table that activates it",
            );
        }
        if kernel.acct == Some(false) {
            tell(
                NoticeKind::AcctOff,
                "accounting is off: new flows get no counters and no rates".to_owned(),
                "press A, start with --activate, or sysctl -w net.netfilter.nf_conntrack_acct=1 \
                 (flows that exist already get none)",
            );
        }
        if !kernel.listening {
            let text = "the collector does not listen to events: short flows are missed";
            tell(NoticeKind::NotListening, text.to_owned(), "start conntopd without --no-events");
        }
    }
    if let Some(lost) = engine.lost().filter(|lost| lost.since.is_some()) {
        let events = lost.events.map_or_else(|| "some".to_owned(), |n| n.to_string());
        let text = format!("{events} events were lost; the table is being repaired");
        tell(NoticeKind::Lost, text, "a larger --event-buffer loses fewer");
    }
    let short = engine.table().is_some_and(|table| table.truncated);
    if engine.mirror().truncated() || short {
        tell(NoticeKind::Truncated, "truncated: there are more flows than are held".to_owned(), "");
    }
    notices
}
