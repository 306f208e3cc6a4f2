//! What is not as it should be, in a few words; and why there are no rows, and what to do.

use std::time::Instant;

use conntop_proto::message::Coverage;

use super::App;
use crate::engine::{Connection, Engine, Notice, NoticeKind};
use crate::nodes::{Health, Node, NodeId};
use crate::source::SourceEnd;
use crate::tui::action::Action;
use crate::tui::bindings::Context;
use crate::tui::format::grouped;
use crate::tui::screen::{Span, Spans};
use crate::tui::theme::Role;

/// Age of what is shown that is worth telling: the widest of the usual intervals, twice.
const OLD_PASS_MS: u64 = 10_000;

impl App {
    /// Abnormal facts, most important first.
    pub(super) fn abnormal(&self, now: Instant) -> Vec<Span> {
        let mut facts: Vec<Span> = Vec::new();
        for (_, node) in self.nodes.iter() {
            let mut of_node = self.abnormal_of(node, now);
            if self.nodes.several() {
                of_node.iter_mut().for_each(|fact| fact.text = format!("{}: {}", node.name(), fact.text));
            }
            facts.append(&mut of_node);
        }
        if let Some(trouble) = self.nodes.enricher().names().trouble().filter(|_| self.names) {
            facts.push(Span::new(trouble.word(), Role::Warning));
        }
        // What is wrong stands before what is only odd, whoever's it is.
        facts.sort_by_key(|fact| fact.role != Role::Error);
        if self.nodes.enricher().geo().problems().next().is_some() {
            facts.push(Span::new("geoip: bad file", Role::Warning));
        }
        if self.nodes.enricher().processes().is_some_and(|processes| processes.hidden().others) {
            facts.push(Span::new("own processes only", Role::Dim));
        }
        if self.hide_local {
            facts.push(Span::new("local hidden", Role::Accent));
        }
        facts.extend(self.download.clone().map(|words| Span::new(words, Role::Accent)));
        facts
    }

    fn abnormal_of(&self, node: &Node, now: Instant) -> Vec<Span> {
        let engine = node.engine();
        let mut facts: Vec<Span> = Vec::new();
        if let Some(text) = node.failure() {
            facts.push(Span::new(text.to_owned(), Role::Error));
        }
        if let Connection::Ended(SourceEnd::Failed(error)) = engine.connection() {
            facts.push(Span::new(error.text.clone(), Role::Error));
        }
        for notice in self.notices(engine) {
            facts.extend(self.short(engine, notice.kind, now));
        }
        facts.extend(pass(engine));
        facts
    }

    /// What the engine tells, without what has been repaired from here.
    fn notices(&self, engine: &Engine) -> Vec<Notice> {
        let repaired = |kind| self.activated && matches!(kind, NoticeKind::TrackingOff | NoticeKind::AcctOff);
        engine.notices().into_iter().filter(|notice| !repaired(notice.kind)).collect()
    }

    /// The key that does this where the flows are.
    fn key_for(&self, action: &Action) -> String {
        self.options.keymap.key_for(Context::Flows, action).unwrap_or_else(|| "no key".to_owned())
    }

    fn short(&self, engine: &Engine, kind: NoticeKind, now: Instant) -> Option<Span> {
        let text = match kind {
            NoticeKind::TrackingOff if self.options.local => {
                format!("tracking inactive: {}", self.key_for(&Action::Activate))
            }
            NoticeKind::TrackingOff => "tracking inactive".to_owned(),
            NoticeKind::Sockets => match engine.kernel().and_then(|kernel| kernel.tracking) {
                Some(true) => "sockets only, as asked for".to_owned(),
                Some(false) if self.options.local => {
                    format!("sockets only, {}: all flows", self.key_for(&Action::Activate))
                }
                Some(false) => "sockets only, nothing is tracked".to_owned(),
                // In a container root is not what it seems.
                None if self.options.root => "sockets only, no CAP_NET_ADMIN".to_owned(),
                None => "sockets only, root sees all".to_owned(),
            },
            NoticeKind::Empty => "table empty".to_owned(),
            NoticeKind::AcctOff if self.options.local => "acct off: A".to_owned(),
            NoticeKind::AcctOff => "acct off".to_owned(),
            NoticeKind::NotListening => "no events".to_owned(),
            NoticeKind::Lost => match engine.lost().and_then(|lost| lost.events) {
                Some(events) => format!("lost {}", grouped(events)),
                None => "events lost".to_owned(),
            },
            NoticeKind::Truncated => "truncated".to_owned(),
            NoticeKind::Stale => {
                let Connection::Stale { cause, since, .. } = engine.connection() else {
                    return None;
                };
                let age = now.saturating_duration_since(*since).as_secs();
                match engine.hello() {
                    None if self.nodes.several() => cause.clone(),
                    Some(_) => format!("stale {age}s: {cause}"),
                    // The empty table says it already.
                    None => return None,
                }
            }
        };
        let role = match kind {
            NoticeKind::Stale | NoticeKind::TrackingOff => Role::Error,
            _ => Role::Warning,
        };
        Some(Span::new(text, role))
    }

    /// Why there are no rows, and what to do.
    pub(super) fn emptiness(&self, now: Instant) -> Vec<Spans> {
        let line = |text: String, role| vec![Span::new(text, role)];
        let key = |action| Span::new(self.key_for(&action), Role::Key);
        let flows = self.nodes.flows();
        let heard = |(_, node): (NodeId, &Node)| node.health() == Health::Live;
        let unheard = |node: &Node| match node.cause() {
            Some(cause) => line(cause.to_owned(), Role::Error),
            None => line(format!("connecting to {} …", node.place()), Role::Text),
        };
        let several = self.nodes.several();
        match self.engine().connection() {
            _ if several && self.nodes.iter().any(heard) => {}
            _ if several => return self.nodes.iter().map(|(_, node)| unheard(node)).collect(),
            Connection::Connecting => return vec![unheard(self.nodes.first())],
            Connection::Stale { cause, retry_at, .. } => {
                let wait = retry_at.saturating_duration_since(now).as_secs();
                return vec![
                    line(cause.clone(), Role::Error),
                    line(
                        format!("trying again in {wait} s; {} quits", self.key_for(&Action::Quit)),
                        Role::Text,
                    ),
                ];
            }
            Connection::Ended(SourceEnd::Failed(error)) => {
                return vec![line(error.text.clone(), Role::Error)];
            }
            Connection::Live | Connection::Ended(SourceEnd::Finished) => {}
        }
        if flows > 0 && !self.answered() {
            return Vec::new();
        }
        if flows > 0 && self.filtering.filter().is_some() {
            return vec![
                line(format!("None of the {} flows matches the filter.", grouped64(flows)), Role::Text),
                vec![
                    key(Action::Close),
                    Span::new(" clears it, ", Role::Text),
                    key(Action::Filter),
                    Span::new(" changes it.", Role::Text),
                ],
            ];
        }
        if flows > 0 && self.hide_local {
            return vec![
                line(format!("All {} flows are within the local networks.", grouped64(flows)), Role::Text),
                vec![key(Action::HideLocal), Span::new(" shows them.", Role::Text)],
            ];
        }
        if !self.nodes.engines().any(|engine| engine.mirror().position().synced) {
            return vec![line("reading the table …".to_owned(), Role::Text)];
        }
        let notices: Vec<Notice> = self.nodes.engines().flat_map(|engine| self.notices(engine)).collect();
        let off = |n: &&Notice| {
            matches!(n.kind, NoticeKind::TrackingOff | NoticeKind::Empty) && !n.repair.is_empty()
        };
        if let Some(off) = notices.iter().find(off) {
            let mut lines = vec![line(off.text.clone(), Role::Warning)];
            if self.options.local {
                lines.push(vec![
                    key(Action::Activate),
                    Span::new(" makes the kernel track connections here (it asks first).", Role::Text),
                ]);
            } else {
                lines.push(line("Start conntop --activate on that machine.".to_owned(), Role::Text));
            }
            return lines;
        }
        if notices.iter().any(|notice| notice.kind == NoticeKind::Sockets) {
            return vec![
                line("No socket of this machine is connected right now.".to_owned(), Role::Text),
                line("They appear here as soon as there are some.".to_owned(), Role::Dim),
            ];
        }
        vec![
            line("The table is empty: no connection is being tracked right now.".to_owned(), Role::Text),
            line("Flows appear here as soon as there are some.".to_owned(), Role::Dim),
        ]
    }
}

/// How old what is shown may be, if that is old: since when everything has been read again. It is
/// told as of the latest message, so that it ages without a clock of its own.
fn pass(engine: &Engine) -> Option<Span> {
    let mirror = engine.mirror();
    let position = mirror.position();
    let pass = position.pass;
    // The first pass runs: nothing is older than its beginning.
    let since = mirror.covered_since().or((pass.number > 0).then_some(pass.started))?;
    let age = position.at.since(since);
    let text = match pass.coverage {
        _ if age <= OLD_PASS_MS => return None,
        Coverage::Whole | Coverage::Known => format!("pass {}s", age / 1000),
        Coverage::Assured => {
            let assured = position.at.since(pass.finished.unwrap_or(pass.started));
            format!("pass {}s (assured {}s)", age / 1000, assured / 1000)
        }
    };
    Some(Span::new(text, Role::Warning))
}

fn grouped64(number: usize) -> String {
    grouped(u64::try_from(number).unwrap_or(u64::MAX))
}
