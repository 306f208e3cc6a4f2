//! The collectors that are looked at together. Each has an [`Engine`] of its own, so what happens to
//! one (a lost connection, a reset, nonsense) never touches the others; what they share is the number
//! of flows that are held, and the screen.

use std::time::{Duration, Instant};

use conntop_proto::message::ServerMessage;

use crate::columns::Offers;
use crate::engine::{Connection, Engine};
use crate::enrich::{Enricher, Learned};
use crate::flow::{FlowKey, Now, Source};
use crate::mirror::{Limits, MirrorError};
use crate::orient::{Net, Orientation};
pub use crate::source::NodeId;
use crate::source::{SourceEnd, SourceEvent};

/// One collector.
pub struct Node {
    engine: Engine,
    /// Where it is, for people.
    place: String,
    /// What it is called.
    name: String,
    /// Why its stream cannot be trusted any more.
    failure: Option<String>,
}

/// How a node is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not heard of yet.
    Connecting,
    /// What is shown is true.
    Live,
    /// What is shown is old.
    Stale,
    /// Nothing more will come.
    Ended,
}

impl Node {
    /// What is known of it.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What it is called: its own name, or where it is while that is unknown or another's as well.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is, for people.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Why its stream cannot be trusted any more, if so.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// How it is.
    #[must_use]
    pub fn health(&self) -> Health {
        match self.engine.connection() {
            _ if self.failure.is_some() => Health::Ended,
            Connection::Connecting => Health::Connecting,
            Connection::Stale { .. } if self.engine.hello().is_none() => Health::Connecting,
            Connection::Stale { .. } => Health::Stale,
            Connection::Live | Connection::Ended(SourceEnd::Finished) => Health::Live,
            Connection::Ended(SourceEnd::Failed(_)) => Health::Ended,
        }
    }

    /// What is wrong with it, for people.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        match self.engine.connection() {
            _ if self.failure.is_some() => self.failure(),
            Connection::Stale { cause, .. } => Some(cause),
            Connection::Ended(SourceEnd::Failed(error)) => Some(&error.text),
            _ => None,
        }
    }
}

/// All of them; at least one.
pub struct Nodes {
    first: Node,
    others: Vec<Node>,
    /// Flows that they may hold together.
    most: usize,
    /// What is known beside their flows.
    enricher: Enricher,
    /// Networks that are local in any case.
    local: Vec<Net>,
    orientation: Orientation,
}

impl Nodes {
    /// A single one.
    #[must_use]
    pub fn one(engine: Engine, place: impl Into<String>) -> Self {
        let place = place.into();
        let first = Node { engine, name: place.clone(), place, failure: None };
        Self {
            first,
            others: Vec::new(),
            most: usize::MAX,
            enricher: Enricher::default(),
            local: Vec::new(),
            orientation: Orientation::Local,
        }
    }

    /// Those at these places, [`FlowKey::NODES`] at most, which hold as many flows together as the
    /// limits say.
    #[must_use]
    pub fn at(places: impl IntoIterator<Item = String>, limits: Limits) -> Option<Self> {
        let mut places = places.into_iter().take(FlowKey::NODES);
        let node =
            |place: String| Node { engine: Engine::new(limits), name: place.clone(), place, failure: None };
        let first = node(places.next()?);
        let others = places.map(node).collect();
        let enricher = Enricher::default();
        Some(Self {
            first,
            others,
            most: limits.flows,
            enricher,
            local: Vec::new(),
            orientation: Orientation::Local,
        })
    }

    /// The same with networks that are local to each in any case.
    #[must_use]
    pub fn with_local(mut self, nets: &[Net]) -> Self {
        self.local = nets.to_vec();
        self.engines_mut().for_each(|engine| engine.set_local(nets.to_vec()));
        self
    }

    /// The same with directions told from that side.
    #[must_use]
    pub fn seen_from(mut self, orientation: Orientation) -> Self {
        self.orientation = orientation;
        self.engines_mut().for_each(|engine| engine.set_orientation(orientation));
        self
    }

    /// From whose side directions are told.
    #[must_use]
    pub fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// The same with something known beside their flows.
    #[must_use]
    pub fn with(self, enricher: Enricher) -> Self {
        Self { enricher, ..self }
    }

    /// What is known beside their flows.
    #[must_use]
    pub fn enricher(&self) -> &Enricher {
        &self.enricher
    }

    /// Takes in what was found out.
    pub fn learn(&mut self, learned: Learned) {
        self.enricher.learn(learned);
    }

    /// How many there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        1 + self.others.len()
    }

    /// Whether there are several.
    #[must_use]
    pub fn several(&self) -> bool {
        !self.others.is_empty()
    }

    /// The first, which is often the only one.
    #[must_use]
    pub fn first(&self) -> &Node {
        &self.first
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: NodeId) -> Option<&Node> {
        match usize::from(id.0).checked_sub(1) {
            None => Some(&self.first),
            Some(at) => self.others.get(at),
        }
    }

    fn get_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        match usize::from(id.0).checked_sub(1) {
            None => Some(&mut self.first),
            Some(at) => self.others.get_mut(at),
        }
    }

    /// All with their places in the row.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> + Clone {
        (0..).map(NodeId).zip(std::iter::once(&self.first).chain(&self.others))
    }

    /// What is known of each.
    pub fn engines(&self) -> impl Iterator<Item = &Engine> + Clone {
        self.iter().map(|(_, node)| &node.engine)
    }

    /// What is known of each, to be changed.
    pub fn engines_mut(&mut self) -> impl Iterator<Item = &mut Engine> {
        std::iter::once(&mut self.first).chain(&mut self.others).map(|node| &mut node.engine)
    }

    /// What is known of one, to be changed.
    pub fn engine_mut(&mut self, id: NodeId) -> Option<&mut Engine> {
        self.get_mut(id).map(|node| &mut node.engine)
    }

    /// What can be known of their flows beside what the kernels say.
    #[must_use]
    pub fn offers(&self) -> Offers {
        Offers {
            places: !self.enricher.geo().is_empty(),
            processes: self.enricher.processes().is_some(),
            nodes: self.several(),
        }
    }

    /// Flows of all.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.engines().map(|engine| engine.mirror().len()).sum()
    }

    /// Takes in what a node's source told at `now`.
    ///
    /// # Errors
    /// When a message contradicts itself; that source is not to be trusted any more.
    pub fn apply(&mut self, id: NodeId, event: SourceEvent, now: Instant) -> Result<(), MirrorError> {
        if let SourceEvent::Messages(messages) = &event {
            return messages.as_slice().iter().try_for_each(|message| self.apply_message(id, message, now));
        }
        let names = matches!(event, SourceEvent::Connected(_));
        let Some(node) = self.get_mut(id) else { return Ok(()) };
        node.engine.apply(event, now)?;
        if names {
            self.call();
        }
        Ok(())
    }

    /// Takes in one message of a node's stream.
    ///
    /// # Errors
    /// As [`Nodes::apply`].
    pub fn apply_message(
        &mut self,
        id: NodeId,
        message: &ServerMessage,
        now: Instant,
    ) -> Result<(), MirrorError> {
        if self.several() && matches!(message, ServerMessage::Delta(_) | ServerMessage::Table(_)) {
            let all = self.flows();
            let most = self.most;
            if let Some(engine) = self.engine_mut(id) {
                let others = all.saturating_sub(engine.mirror().len());
                engine.set_most(most.saturating_sub(others));
            }
        }
        let Some(node) = self.get_mut(id) else { return Ok(()) };
        node.engine.apply_message(message, now)?;
        match message {
            ServerMessage::Hello(_) => self.call(),
            ServerMessage::Host(host) => self.enricher.set_host(id, host),
            _ => {}
        }
        Ok(())
    }

    /// A node's stream cannot be trusted any more.
    pub fn fail(&mut self, id: NodeId, text: String) {
        if let Some(node) = self.get_mut(id) {
            node.failure = Some(text);
        }
    }

    /// Forgets what is known of a node but its name.
    pub fn forget(&mut self, id: NodeId) {
        let (local, orientation) = (self.local.clone(), self.orientation);
        if let Some(node) = self.get_mut(id) {
            node.engine = Engine::default();
            node.engine.set_local(local);
            node.engine.set_orientation(orientation);
        }
    }

    /// Wishes another window for the rates.
    pub fn set_window(&mut self, length: Duration) {
        self.engines_mut().for_each(|engine| engine.set_window(length));
    }

    /// Sets the mark: what is seen counts from now on.
    pub fn mark(&mut self) {
        self.engines_mut().for_each(Engine::mark);
    }

    /// The moment by the clocks of each.
    #[must_use]
    pub fn now(&self, now: Instant) -> Vec<Now> {
        let of = |engine: &Engine| {
            let boot = engine.collector_time(now);
            Now { boot, wall: engine.wall_micros(boot) }
        };
        self.engines().map(of).collect()
    }

    /// What rows are made from, at a moment that [`Nodes::now`] gave; without one at no moment.
    #[must_use]
    pub fn sources(&self, now: &[Now]) -> Vec<Source<'_>> {
        let now = now.iter().copied().chain(std::iter::repeat(Now::default()));
        self.iter()
            .zip(now)
            .map(|((id, node), now)| Source {
                mirror: node.engine.mirror(),
                now,
                node: id,
                name: &node.name,
                known: &self.enricher,
            })
            .collect()
    }

    /// Names each: by its own name where that is known and nobody else's.
    fn call(&mut self) {
        let own = |node: &Node| node.engine.hello().map(|hello| hello.name.clone()).filter(|n| !n.is_empty());
        let known: Vec<Option<String>> = self.iter().map(|(_, node)| own(node)).collect();
        for (at, name) in known.iter().enumerate() {
            let alone = name.as_ref().filter(|_| known.iter().filter(|other| *other == name).count() == 1);
            if let Some(node) = u16::try_from(at).ok().and_then(|at| self.get_mut(NodeId(at))) {
                node.name = alone.cloned().unwrap_or_else(|| node.place.clone());
            }
        }
    }
}
