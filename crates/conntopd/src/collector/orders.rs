//! Orders to end flows, as the table's thread keeps them: whether one may be carried out at all, which
//! flow it means, and what came of it, for the client and for the log.
//!
//! Invariants: an order names one incarnation, by an id that is never used again within its epoch; each
//! order is answered once and leaves one line in the log; `ct-requests` gets no more than
//! [`AT_ONCE`] and then one each [`EARN`], whoever asks.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use conntop_proto::message::{Act, Outcome, Terminate, Terminated};
use conntop_proto::tuple::{L4, Tuple};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Acts;
use crate::table::{FlowTable, Target};

/// Orders at once: more than a person gives who looks at each flow.
const AT_ONCE: u32 = 10;
/// Time that earns another one.
const EARN: Duration = Duration::from_secs(1);

/// Where answers go.
pub type Answer = mpsc::Sender<Answered>;

/// What came of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// For the client.
    pub terminated: Terminated,
    /// The line that the log got, for those whose log is another.
    pub line: String,
}

/// Somebody wants a flow to end.
#[derive(Clone, Debug)]
pub struct Order {
    /// Which one, and how.
    pub terminate: Terminate,
    /// Who wants it, for the log; sanitized.
    pub who: String,
    /// Where the answer goes. One that finds no room is dropped.
    pub answer: Answer,
}

impl Order {
    /// Somebody gave it who may not. Said in the log only to the first, or they could fill it.
    pub(crate) fn refuse(&self, said: Said) {
        let done = Done::of(Outcome::Refused);
        let line = self.line(None, &done);
        if said == Said::Not {
            tracing::info!("{line}");
        }
        self.answer(done, line);
    }

    /// Answers it, and leaves a line in the log.
    fn close(&self, target: Option<&Target>, done: Done) {
        // Whoever orders too much could fill it.
        let line = self.line(target, &done);
        if done.outcome != Outcome::Limit {
            tracing::info!("{line}");
        }
        self.answer(done, line);
    }

    fn line(&self, target: Option<&Target>, done: &Done) -> String {
        let Terminate { id, act, .. } = self.terminate;
        let flow = Named { id: id.0, target };
        let (who, outcome, text) = (&self.who, word(done.outcome), &done.text);
        let because = if text.is_empty() { "" } else { ": " };
        format!("terminate: {who}: {} {flow}: {outcome}{because}{text}", verb(act))
    }

    fn answer(&self, done: Done, line: String) {
        let Terminate { request, id, .. } = self.terminate;
        let Done { outcome, text } = done;
        let terminated = Terminated { request, id, outcome, text };
        // Nobody waits for it if the client has left.
        let _ = self.answer.try_send(Answered { terminated, line });
    }
}

/// Whether the log has it that somebody may not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Said {
    /// Not yet.
    #[default]
    Not,
    /// It has.
    Already,
}

/// What came of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(super) outcome: Outcome,
    /// For people.
    pub(super) text: String,
}

impl Done {
    pub(super) fn of(outcome: Outcome) -> Self {
        Self { outcome, text: String::new() }
    }

    pub(super) fn because(outcome: Outcome, text: impl Into<String>) -> Self {
        Self { outcome, text: text.into() }
    }
}

pub(super) struct Orders {
    acts: Acts,
    left: u32,
    /// Up to when `left` was earned.
    at: Instant,
    /// Those that `ct-requests` has, in the order in which it answers.
    waiting: VecDeque<(Order, Target)>,
}

impl Orders {
    pub(super) fn new(acts: Acts, now: Instant) -> Self {
        Self { acts, left: AT_ONCE, at: now, waiting: VecDeque::new() }
    }

    /// What is to be done, if anything; otherwise the order has been answered.
    pub(super) fn take(&mut self, order: Order, table: &FlowTable, now: Instant) -> Option<(Target, Act)> {
        let Terminate { epoch, id, act, .. } = order.terminate;
        let target = if epoch == table.epoch() { table.target(id) } else { None };
        let refused = match &target {
            _ if !self.earned(now) => Some(Outcome::Limit),
            _ if self.acts == Acts::None => Some(Outcome::Refused),
            None => Some(Outcome::Gone),
            Some(_) => None,
        };
        match (refused, target) {
            (None, Some(target)) => {
                self.waiting.push_back((order, target.clone()));
                Some((target, act))
            }
            (refused, target) => {
                order.close(target.as_ref(), Done::of(refused.unwrap_or(Outcome::Gone)));
                None
            }
        }
    }

    /// The oldest one is done.
    pub(super) fn done(&mut self, done: Done) {
        if let Some((order, target)) = self.waiting.pop_front() {
            order.close(Some(&target), done);
        }
    }

    fn earned(&mut self, now: Instant) -> bool {
        let seconds = now.saturating_duration_since(self.at).as_secs() / EARN.as_secs();
        let earned = u32::try_from(seconds).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(earned).min(AT_ONCE);
        self.at = if self.left == AT_ONCE { now } else { self.at + EARN.saturating_mul(earned) };
        let any = self.left > 0;
        self.left = self.left.saturating_sub(1);
        any
    }
}

/// A flow for the log: numbers and addresses, nothing that somebody else chose.
struct Named<'a> {
    id: u64,
    target: Option<&'a Target>,
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Target { orig: Tuple { src, dst, proto, l4 }, flow, .. }) = self.target else {
            return write!(f, "flow {}", self.id);
        };
        match proto.name() {
            Some(name) => write!(f, "flow {}, {name} ", self.id)?,
            None => write!(f, "flow {}, protocol {} ", self.id, proto.0)?,
        }
        match *l4 {
            L4::Ports { src: sport, dst: dport } => {
                write!(f, "{} to {}", SocketAddr::new(*src, sport), SocketAddr::new(*dst, dport))?;
            }
            L4::Icmp { id, .. } => write!(f, "{src} to {dst} id {id}")?,
            L4::None => write!(f, "{src} to {dst}")?,
        }
        if flow.zone == 0 { Ok(()) } else { write!(f, " zone {}", flow.zone) }
    }
}

fn verb(act: Act) -> &'static str {
    match act {
        Act::Forget => "forget",
        Act::Close => "close the socket of",
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Gone => "it has ended already",
        Outcome::Replaced => "another flow has taken its place",
        Outcome::NoSocket => "no socket",
        Outcome::Denied => "not permitted",
        Outcome::Refused => "refused",
        Outcome::Limit => "too many orders",
        Outcome::Unsupported => "this kernel cannot",
        Outcome::Failed => "failed",
    }
}
