//! Ending one flow: the only thing on the screen that changes other people's connections.
//!
//! Invariants
//! - The dialog holds the flow that was selected when it opened, by node, epoch and id; whatever moves
//!   below, nothing else can be hit, and a flow that has ended meanwhile is left alone.
//! - It asks once, for one flow. Every key but two leaves the flow as it is, and those two do nothing
//!   before a person can have read the question ([`READ`]): what was typed ahead answers nothing.
//! - What comes of it is told by the flows themselves: gone, or come back.

mod words;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use conntop_proto::flow::{BootMillis, FlowRow, IdentityRow};
use conntop_proto::message::{Act, Delta, Origin, Outcome, ServerMessage, Terminate, Terminated};
use conntop_proto::tuple::{L4, Proto, Tuple};

use self::words::Keys;
use super::App;
use super::layers::Open;
use crate::enrich::Fact;
use crate::flow::{FlowKey, NodeId};
use crate::nodes::{Health, Node};
use crate::orient;
use crate::tui::action::{Action, Effect};
use crate::tui::bindings::Context;

/// What a collector calls the ability to end flows.
const TERMINATE: &str = "terminate";
/// Before this nobody has read the question.
const READ: Duration = Duration::from_millis(400);
/// How long an order may wait on its way, and how long the answer is waited for.
const ON_ITS_WAY: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(6);
/// How long it is watched whether the flow comes back.
const WATCH: Duration = Duration::from_secs(10);

/// Smallest screen that shows the question with its flow.
const LEAST: (u16, u16) = (50, 16);

const TITLE: &str = "End the flow";

/// What the program itself and the person before it are connected by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Own and other ends of the program's connections, those of its ssh included.
    pub ours: Vec<(SocketAddr, SocketAddr)>,
    /// Both ends of the login.
    pub login: Option<(SocketAddr, SocketAddr)>,
}

/// The dialog, from the question to what came of it.
pub(crate) struct Ending {
    key: FlowKey,
    epoch: u64,
    row: Box<FlowRow>,
    /// Whose table it is in, if there are several.
    node: Option<String>,
    /// Process at this machine's end, for people.
    process: Option<String>,
    /// What there is to be careful about.
    warnings: Vec<String>,
    /// Whether the entry can be removed, or why not.
    forget: Result<(), &'static str>,
    /// The same of a socket.
    close: Result<(), &'static str>,
    opened: Instant,
    phase: Phase,
    /// When the flow ended, by the collector's clock.
    ended: Option<BootMillis>,
    /// When one with the same ends began after that.
    back: Option<BootMillis>,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Asking,
    Ordered { act: Act, request: u32, at: Instant },
    Answered { act: Act, outcome: Outcome, text: String, at: Instant },
}

impl Ending {
    /// Whether it waits for an answer of the person.
    pub(crate) fn asks(&self) -> bool {
        self.phase == Phase::Asking
    }

    fn has_ends(&self, identity: &IdentityRow) -> bool {
        let ours = &self.row.identity;
        (ours.zone, ours.orig) == (identity.zone, identity.orig) && ours.id != identity.id
    }

    /// Takes in what a delta says of the flow and of others with its ends.
    fn hear(&mut self, delta: &Delta) {
        let Ok(rows) = delta.rows() else { return };
        let id = self.key.id();
        if let Some(end) = rows.ended.iter().find(|ended| ended.id == id) {
            self.ended.get_or_insert(end.at);
        }
        let short = rows.ended.iter().filter_map(|ended| ended.short.as_deref());
        let begun = rows.new.iter().chain(short).find(|row| self.has_ends(&row.identity));
        if let Some(row) = begun.filter(|_| !self.asks()) {
            self.back.get_or_insert(row.identity.first_seen);
        }
    }

    /// When the screen says something else though nothing happens.
    pub(crate) fn due(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Asking => None,
            Phase::Ordered { at, .. } => Some(*at + ANSWER),
            Phase::Answered { outcome: Outcome::Done, at, .. } => Some(*at + WATCH),
            Phase::Answered { .. } => None,
        }
    }
}

impl App {
    /// Opens the dialog about the flow that is selected, or says why there is none.
    pub(super) fn begin_ending(&mut self, now: Instant) -> Option<Effect> {
        match self.ending(now) {
            Ok(ending) => {
                self.layers.push(Open::Ending(Box::new(ending)));
                Some(Effect::LookAround)
            }
            Err(why) => {
                self.report(TITLE, why);
                None
            }
        }
    }

    /// Whether there is anything that the question could be about.
    pub(super) fn may_end(&self) -> bool {
        !self.options.read_only && !self.options.recording
    }

    fn ending(&self, now: Instant) -> Result<Ending, String> {
        let no = |why: &str| Err(why.to_owned());
        if self.options.read_only {
            return no("This conntop was started with --read-only: it ends nothing.");
        }
        if self.options.recording || self.engine().playing().is_some() {
            return no("This is a recording: what it shows is over.");
        }
        if self.paused.is_some() {
            return no("The display is paused, and what it shows may be over. Go on first, then look again.");
        }
        if self.size.0 < LEAST.0 || self.size.1 < LEAST.1 {
            return no("The screen is too small to ask about it: make it larger.");
        }
        let key = match self.layers.last() {
            Some(Open::Details { id, .. }) => Some(*id),
            _ => self.cursor.selected,
        };
        let Some(key) = key else { return no("Select a flow first.") };
        let over = "This flow has ended already.";
        let Some(node) = self.nodes.get(key.node()) else { return no(over) };
        if node.health() != Health::Live {
            return Err(format!(
                "Nothing is heard of {} at the moment, so nothing can be ended there.",
                node.name()
            ));
        }
        let able = node.engine().hello().is_some_and(|hello| hello.features.iter().any(|f| f == TERMINATE));
        if !able {
            return no(words::unable(self.options.local));
        }
        let mirror = node.engine().mirror();
        let (Some(flow), Some(epoch)) = (mirror.get(key.id()), mirror.position().epoch) else {
            return no(over);
        };
        let row = flow.row();
        let identity = &row.identity;
        let process = match self.nodes.enricher().process(&identity.orig, &identity.reply) {
            Fact::Known(process) if self.options.local => words::process(process),
            _ => None,
        };
        Ok(Ending {
            key,
            epoch,
            node: self.nodes.several().then(|| node.name().to_owned()),
            process,
            warnings: Vec::new(),
            forget: forgettable(node),
            close: closable(node, identity),
            opened: now,
            phase: Phase::Asking,
            ended: None,
            back: None,
            row: Box::new(row),
        })
    }

    /// Says what the program and the person are connected by, so that the open question can warn.
    pub fn look_around(&mut self, around: &Surroundings) {
        let (local, names) = (self.options.local, self.nodes.enricher().names());
        let Some(Open::Ending(ending)) = self.layers.last_mut() else { return };
        let identity = &ending.row.identity;
        let mut warnings = around.warnings(identity, local);
        if local && names.is_own(&identity.orig) {
            warnings.push("This is one of conntop's own questions for names.".to_owned());
        }
        if warnings.is_empty() && words::is_login(&identity.orig) && ending.close.is_ok() {
            warnings.push("A login by ssh ends with it, perhaps yours.".to_owned());
        }
        ending.warnings = warnings;
    }

    pub(super) fn ending_keys(&self) -> Keys {
        let key = |action| {
            let key = self.options.keymap.key_for(Context::Ending, &action);
            key.unwrap_or_else(|| "-".to_owned())
        };
        Keys { forget: key(Action::Forget), close: key(Action::CloseSocket), no: key(Action::No) }
    }

    /// The person has chosen.
    pub(super) fn order_end(&mut self, act: Act, now: Instant) -> Option<Effect> {
        let request = self.orders.wrapping_add(1);
        let Some(Open::Ending(ending)) = self.layers.last_mut() else { return None };
        let possible = match act {
            Act::Forget => ending.forget.is_ok(),
            Act::Close => ending.close.is_ok(),
        };
        if !ending.asks() || !possible || now.saturating_duration_since(ending.opened) < READ {
            return None;
        }
        let (key, epoch) = (ending.key, ending.epoch);
        let mirror = self.nodes.get(key.node())?.engine().mirror();
        if mirror.position().epoch != Some(epoch) || mirror.get(key.id()).is_none() {
            let (outcome, text) = (Outcome::Gone, String::new());
            ending.phase = Phase::Answered { act, outcome, text, at: now };
            return None;
        }
        self.orders = request;
        ending.phase = Phase::Ordered { act, request, at: now };
        let terminate = Terminate { request, epoch, id: key.id(), act };
        Some(Effect::Terminate { node: key.node(), terminate, until: now + ON_ITS_WAY })
    }

    /// Takes in what a node says of the flow that is being ended.
    pub(super) fn hear_of_end(&mut self, node: NodeId, message: &ServerMessage, now: Instant) {
        let of_node = |layer: &&mut Open| matches!(layer, Open::Ending(ending) if ending.key.node() == node);
        let Some(Open::Ending(ending)) = self.layers.iter_mut().rev().find(of_node) else { return };
        match message {
            ServerMessage::Delta(delta) => ending.hear(delta),
            ServerMessage::Terminated(Terminated { request, id, outcome, text }) => match ending.phase {
                Phase::Ordered { act, request: ours, .. } if ours == *request && ending.key.id() == *id => {
                    let (outcome, text) = (*outcome, text.clone());
                    ending.phase = Phase::Answered { act, outcome, text, at: now };
                }
                _ => {}
            },
            _ => {}
        }
    }
}

fn forgettable(node: &Node) -> Result<(), &'static str> {
    match node.engine().kernel().map(|kernel| kernel.origin) {
        Some(Origin::Sockets) => Err("there is no entry: sockets are read here, not connection tracking"),
        _ => Ok(()),
    }
}

/// Whether the collector's machine may have a socket of the flow.
fn closable(node: &Node, identity: &IdentityRow) -> Result<(), &'static str> {
    let IdentityRow { orig, reply, zone, .. } = identity;
    let own = &node.engine().host().addresses;
    let is_own = |end: orient::End| {
        end.address.is_loopback() || own.iter().any(|address| address.address == end.address)
    };
    match orig.l4 {
        L4::Ports { .. } if ![Proto::TCP, Proto::UDP].contains(&orig.proto) => {
            Err("only sockets of TCP and UDP can be closed")
        }
        L4::None | L4::Icmp { .. } => Err("this protocol has no sockets"),
        L4::Ports { .. } if *zone != 0 => Err("sockets know no zones"),
        L4::Ports { .. } if is_own(orient::source(orig)) || is_own(orient::source(reply)) => Ok(()),
        L4::Ports { .. } => Err("both its ends are other machines"),
    }
}

impl Surroundings {
    /// What makes a flow one that the person or the program needs.
    fn warnings(&self, identity: &IdentityRow, local: bool) -> Vec<String> {
        let mut warnings = Vec::new();
        let is = |ends: &(SocketAddr, SocketAddr)| {
            [&identity.orig, &identity.reply].into_iter().any(|tuple| is_between(tuple, ends))
        };
        if self.login.as_ref().is_some_and(is) {
            warnings.push("You sit on this connection: your login ends with it.".to_owned());
        }
        if self.ours.iter().any(is) {
            warnings.push(match local {
                true => "This is a connection of conntop itself.".to_owned(),
                false => "conntop looks through this connection: it will have to connect again.".to_owned(),
            });
        } else if !local && self.ours.iter().any(|(_, there)| ends_at(identity, *there)) {
            warnings.push("This may be the connection that conntop looks through.".to_owned());
        }
        warnings
    }
}

/// Whether a direction is between these two, either way.
fn is_between(tuple: &Tuple, (one, other): &(SocketAddr, SocketAddr)) -> bool {
    let L4::Ports { src, dst } = tuple.l4 else { return false };
    let (from, to) = (SocketAddr::new(tuple.src, src), SocketAddr::new(tuple.dst, dst));
    tuple.proto == Proto::TCP && ((from, to) == (*one, *other) || (from, to) == (*other, *one))
}

/// Whether it was opened to there, whoever it comes from: addresses are translated on the way.
fn ends_at(identity: &IdentityRow, there: SocketAddr) -> bool {
    let ends = [orient::destination(&identity.orig), orient::source(&identity.reply)];
    ends.into_iter().any(|end| (end.address, end.port) == (there.ip(), Some(there.port())))
}
