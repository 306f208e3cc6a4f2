//! Many clients on one thread, each conntop's own way from the socket to the mirror. They reconnect
//! as conntop does, and run only while one of the waits here runs.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use conntop::engine::{Connection, Engine};
use conntop::mirror::{Limits, Mirror};
use conntop::source::{RemoteConfig, Security, Source, SourceEvent, Target, remote};
use conntop_proto::codec::Validate;
use conntop_proto::message::{Codec, ServerMessage, Subscribe};
use conntop_tests::Namespace;
use conntop_tests::judge::{Reading, Seen, judge, uptime_ms};
use tokio::runtime::Runtime;

use crate::patience;

/// How often a condition is asked for when no client hears anything.
const TURN: Duration = Duration::from_millis(50);

/// One client.
pub(crate) struct Member {
    source: Source,
    over: bool,
    pub(crate) engine: Engine,
    /// How often it had to begin anew.
    pub(crate) resets: usize,
    /// Rows of flows that it was told as new.
    pub(crate) told: usize,
    /// Why connections of it were lost, in order.
    pub(crate) lost: Vec<String>,
}

impl Member {
    pub(crate) fn mirror(&self) -> &Mirror {
        self.engine.mirror()
    }

    pub(crate) fn is_live(&self) -> bool {
        *self.engine.connection() == Connection::Live
    }

    pub(crate) fn is_stale(&self) -> bool {
        matches!(self.engine.connection(), Connection::Stale { .. })
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.is_live() && self.mirror().position().synced
    }

    /// Whether it knows of no loss that is not repaired, and of nothing that is still to come.
    pub(crate) fn is_whole(&self) -> bool {
        let position = self.mirror().position();
        let repaired = self.engine.lost().is_none_or(|lost| lost.since.is_none());
        self.is_synced() && position.in_step && !position.pass.dirty && repaired
    }

    fn take(&mut self, event: SourceEvent) {
        match &event {
            SourceEvent::Messages(messages) => {
                for message in messages.as_slice() {
                    match message {
                        ServerMessage::Reset(_) => self.resets += 1,
                        ServerMessage::Delta(delta) => self.told += delta.new.id.len(),
                        _ => {}
                    }
                }
            }
            SourceEvent::Stale { cause, .. } => self.lost.push(cause.clone()),
            SourceEvent::Connected(_)
            | SourceEvent::Playing(_)
            | SourceEvent::Rewound
            | SourceEvent::Ended(_) => {}
        }
        self.engine.apply(event, Instant::now()).expect("a message that does not contradict itself");
    }

    fn describe(&self) -> String {
        let (mirror, lost) = (self.mirror(), self.engine.lost());
        let (connection, position) = (self.engine.connection(), mirror.position());
        format!("{} flows, {position:?}, lost {lost:?}, {connection:?}", mirror.len())
    }
}

/// Clients.
pub(crate) struct Crowd {
    runtime: Runtime,
    security: Security,
    pub(crate) members: Vec<Member>,
}

impl Crowd {
    pub(crate) fn new() -> Self {
        Crowd::with(Security::default())
    }

    /// Clients that know a token.
    pub(crate) fn with(security: Security) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Crowd { runtime: runtime.expect("a runtime"), security, members: Vec::new() }
    }

    /// One more, who connects at the next wait, from the namespace of the thread that waits.
    pub(crate) fn join(&mut self, target: &str) {
        let config = RemoteConfig {
            target: target.parse::<Target>().expect("a target"),
            name: format!("crowd {}", self.members.len()),
            subscribe: Subscribe { interval_ms: None, columns: None, filter: None },
            codec: Codec::Zstd,
            validate: Validate::Control,
            security: self.security.clone(),
        };
        let _inside = self.runtime.enter();
        let source = remote(config);
        let engine = Engine::new(Limits::default());
        self.members.push(Member { source, over: false, engine, resets: 0, told: 0, lost: Vec::new() });
    }

    /// Takes in what has come, and waits shortly if that is nothing.
    pub(crate) fn turn(&mut self) {
        let members = &mut self.members;
        let events = poll_fn(|context| {
            let mut some = false;
            for member in members.iter_mut() {
                while !member.over {
                    let polled = pin!(member.source.next()).poll(context);
                    match polled {
                        Poll::Ready(Some(event)) => member.take(event),
                        Poll::Ready(None) => member.over = true,
                        Poll::Pending => break,
                    }
                    some = true;
                }
            }
            if some { Poll::Ready(()) } else { Poll::Pending }
        });
        // Nothing is a turn, too.
        let _ = self.runtime.block_on(async { tokio::time::timeout(TURN, events).await });
    }

    /// Goes on until the condition holds.
    pub(crate) fn until(&mut self, what: &str, mut condition: impl FnMut(&[Member]) -> bool) {
        let deadline = Instant::now() + patience();
        while !condition(&self.members) {
            if Instant::now() > deadline {
                let unwell = self.members.iter().find(|member| !member.is_whole());
                let unwell = unwell.or(self.members.first()).map(Member::describe);
                panic!("{:?} were not enough for: {what}; one of the clients: {unwell:?}", patience());
            }
            self.turn();
        }
    }

    /// Goes on for this time, which is a part of the scenario.
    pub(crate) fn go_on(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.turn();
        }
    }

    /// Waits until each has heard of a pass that began after now and has ended, of no loss, and has
    /// nothing left to hear.
    pub(crate) fn settle(&mut self) {
        let now = uptime_ms().unwrap();
        let mut begun = vec![None; self.members.len()];
        self.until("a pass begun after now, and no loss", |members| {
            let mut settled = 0;
            for (member, begun) in members.iter().zip(&mut begun) {
                let pass = member.mirror().position().pass;
                if begun.is_none() && pass.started.0 > now {
                    *begun = Some(pass.number);
                }
                let over = begun.is_some_and(|number| pass.number > number || pass.finished.is_some());
                settled += usize::from(over && member.is_whole());
            }
            settled == members.len()
        });
    }

    /// Settles, and holds everybody against the oracle. Returns how many flows were compared for each.
    pub(crate) fn equal(&mut self, router: &Namespace, when: &str) -> usize {
        let before = Reading::take(router).unwrap();
        self.settle();
        let after = Reading::take(router).unwrap();
        let mut compared = 0;
        let mut first: Option<&Mirror> = None;
        for (number, member) in self.members.iter().enumerate() {
            let mirror = member.mirror();
            // Whoever has the same as somebody who is right is right.
            if first.is_some_and(|first| is_same(first, mirror)) {
                continue;
            }
            let seen: Vec<Seen> = mirror.flows().map(|(_, flow)| Seen::from_mirror(flow)).collect();
            let verdict = judge(&before, &seen, &after);
            assert!(verdict.is_clean(), "{when}, client {number}: {verdict}");
            compared = verdict.compared;
            first.get_or_insert(mirror);
        }
        compared
    }
}

/// Whether two clients of one epoch know the same.
fn is_same(one: &Mirror, other: &Mirror) -> bool {
    let position = |mirror: &Mirror| (mirror.position().epoch, mirror.len());
    position(one) == position(other)
        && one.flows().all(|(_, flow)| {
            other.get(flow.id()).is_some_and(|same| {
                (flow.orig(), flow.reply(), flow.zone(), flow.reply_zone(), flow.ct_id())
                    == (same.orig(), same.reply(), same.zone(), same.reply_zone(), same.ct_id())
                    && (flow.state(), flow.status(), flow.mark(), flow.helper())
                        == (same.state(), same.status(), same.mark(), same.helper())
                    && (flow.orig_counters(), flow.reply_counters(), flow.expires())
                        == (same.orig_counters(), same.reply_counters(), same.expires())
            })
        })
}
