//! All that a front end reads: the mirror, the state of the connection, the facts about the kernel.
//! Changed only by [`Engine::apply`]; time is an argument.

mod notice;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use conntop_proto::columns::Ids;
use conntop_proto::flow::BootMillis;
use conntop_proto::message::{
    Bye, Clock, Host, KernelFacts, Lost, ServerHello, ServerMessage, Sight, TableStats,
};
use hashbrown::HashSet;

use crate::machine::Machine;
use crate::mirror::{Class, Classify, Flow, Limits, Mirror, MirrorError};
use crate::orient::{LocalNets, Net, Orientation};
use crate::source::{Playing, SourceEnd, SourceEvent};

pub use self::notice::{Notice, NoticeKind};

/// State of the way to the collector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// No hello yet.
    #[default]
    Connecting,
    /// Messages come.
    Live,
    /// Lost; what is shown is as old as `since`.
    Stale {
        /// What happened.
        cause: String,
        /// When it was noticed.
        since: Instant,
        /// When the next attempt begins.
        retry_at: Instant,
    },
    /// Over.
    Ended(SourceEnd),
}

/// Flows that are asked where they end; as many as are read in a moment, and enough to know.
const ASKED: usize = 10_000;

/// The state behind every front end.
pub struct Engine {
    mirror: Mirror,
    connection: Connection,
    hello: Option<Box<ServerHello>>,
    host: Host,
    nets: LocalNets,
    table: Option<TableStats>,
    machine: Machine,
    lost: Option<Lost>,
    bye: Option<Bye>,
    clock: Option<(BootMillis, Instant)>,
    playing: Option<Playing>,
    generation: u64,
}

impl Default for Engine {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Engine {
    /// An engine that has heard nothing yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self::with_nets(limits, LocalNets::default())
    }

    /// An engine that has heard nothing yet, with networks that are local in any case.
    #[must_use]
    pub fn with_nets(limits: Limits, nets: LocalNets) -> Self {
        let mut mirror = Mirror::new(limits);
        mirror.set_classify(classify(&nets));
        Self {
            mirror,
            connection: Connection::default(),
            hello: None,
            host: Host::default(),
            nets,
            table: None,
            machine: Machine::default(),
            lost: None,
            bye: None,
            clock: None,
            playing: None,
            generation: 0,
        }
    }

    /// Networks that are local in any case.
    pub fn set_local(&mut self, nets: Vec<Net>) {
        self.generation += 1;
        self.nets.configure(nets);
        self.mirror.set_classify(classify(&self.nets));
    }

    /// Takes in what the source told at `now`.
    ///
    /// # Errors
    /// When a message contradicts itself; the source is not to be trusted any more.
    pub fn apply(&mut self, event: SourceEvent, now: Instant) -> Result<(), MirrorError> {
        self.generation += 1;
        match event {
            SourceEvent::Connected(hello) => {
                self.tick(hello.clock.boot, now);
                self.hello = Some(hello);
                self.connection = Connection::Live;
            }
            SourceEvent::Messages(messages) => {
                for message in messages.as_slice() {
                    self.apply_message(message, now)?;
                }
            }
            SourceEvent::Stale { cause, retry_in } => {
                let since = match self.connection {
                    Connection::Stale { since, .. } => since,
                    _ => now,
                };
                self.connection = Connection::Stale { cause, since, retry_at: now + retry_in };
            }
            SourceEvent::Playing(playing) => {
                self.tick(playing.boot, now);
                self.playing = Some(playing);
            }
            SourceEvent::Rewound => {
                self.mirror.begin_again();
                self.machine.begin_again();
                self.table = None;
                self.lost = None;
                self.bye = None;
                self.clock = None;
            }
            SourceEvent::Ended(end) => self.connection = Connection::Ended(end),
        }
        Ok(())
    }

    /// Takes in one message of the stream, for those who look at the state after each.
    ///
    /// # Errors
    /// As [`Engine::apply`].
    pub fn apply_message(&mut self, message: &ServerMessage, now: Instant) -> Result<(), MirrorError> {
        self.generation += 1;
        self.machine.apply(message);
        match message {
            ServerMessage::Hello(hello) => self.hello = Some(hello.clone()),
            ServerMessage::Host(host) => {
                self.host = host.clone();
                if self.nets.set_host(host) {
                    self.mirror.set_classify(classify(&self.nets));
                }
            }
            ServerMessage::Delta(delta) => self.tick(delta.at, now),
            ServerMessage::Table(table) => {
                self.mirror.expect(table.count.unwrap_or(0).max(table.flows));
                self.table = Some(*table);
            }
            ServerMessage::Lost(lost) => self.lost = Some(*lost),
            ServerMessage::Bye(bye) => self.bye = Some(bye.clone()),
            ServerMessage::Challenge(_)
            | ServerMessage::Proof(_)
            | ServerMessage::Reset(_)
            | ServerMessage::Synced(_)
            | ServerMessage::Terminated(_)
            | ServerMessage::Interfaces(_)
            | ServerMessage::Listeners(_)
            | ServerMessage::Ping(_)
            | ServerMessage::Pong(_) => {}
        }
        self.mirror.apply(message)
    }

    /// Changes whenever anything that can be read here has changed.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.wrapping_add(self.mirror.generation())
    }

    /// The flows.
    #[must_use]
    pub fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// From now on holds at most so many flows; others are held elsewhere.
    pub fn set_most(&mut self, flows: usize) {
        self.mirror.set_most(flows);
    }

    /// Wishes another window for the rates: 2, 10 or 40 seconds.
    pub fn set_window(&mut self, length: Duration) {
        self.mirror.set_window(length);
        self.machine.set_window(length);
    }

    /// From whose side directions are told; to be said before anything is heard.
    pub fn set_orientation(&mut self, orientation: Orientation) {
        self.mirror.set_orientation(orientation);
    }

    /// Sets the mark: what is seen counts from now on.
    pub fn mark(&mut self) {
        self.mirror.mark();
    }

    /// Looks at these flows, which the collector was asked to read more often.
    pub fn set_focus(&mut self, flows: &Ids) {
        self.mirror.set_focus(flows);
    }

    /// Where the recording stands, if this is one that plays.
    #[must_use]
    pub fn playing(&self) -> Option<&Playing> {
        self.playing.as_ref()
    }

    /// Somebody looks at these besides flows.
    pub fn set_look(&mut self, at: &[Sight]) {
        // A recording has it anyway.
        if self.playing.is_none() {
            self.machine.look(at);
        }
    }

    /// What is known of the collector's machine besides its flows and addresses.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Whether the collector can tell of this.
    #[must_use]
    pub fn shows(&self, sight: Sight) -> bool {
        self.hello().is_some_and(|hello| hello.features.iter().any(|word| word == sight.feature()))
    }

    /// State of the way to the collector.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The latest hello.
    #[must_use]
    pub fn hello(&self) -> Option<&ServerHello> {
        self.hello.as_deref()
    }

    /// What the collector's kernel gives.
    #[must_use]
    pub fn kernel(&self) -> Option<&KernelFacts> {
        self.hello().map(|hello| &hello.kernel)
    }

    /// Whether something makes the kernel track connections, as far as is known by now.
    #[must_use]
    pub fn tracking(&self) -> Option<bool> {
        // The hello is as old as the connection, and a flow proves that something was tracked since.
        let greeted = || self.kernel()?.tracking.filter(|tracking| *tracking || self.mirror.is_empty());
        self.table().and_then(|table| table.tracking).or_else(greeted)
    }

    /// The collector's addresses, networks and interfaces.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Whether at least half of the flows, or of the first of very many, end at the collector's own
    /// addresses: it is a workstation or a server rather than a router.
    #[must_use]
    pub fn ends_here(&self) -> bool {
        let own: HashSet<IpAddr, foldhash::fast::FixedState> =
            self.host.addresses.iter().map(|a| a.address).collect();
        let is_own = |address: IpAddr| address.is_loopback() || own.contains(&address);
        let here = |flow: &Flow| is_own(flow.orig().src) || is_own(flow.reply().src);
        let asked = || self.mirror.flows().take(ASKED).map(|(_, flow)| flow);
        let ending = asked().filter(|flow| here(flow)).count();
        ending > 0 && ending >= asked().count() / 2
    }

    /// What is local.
    #[must_use]
    pub fn local_nets(&self) -> &LocalNets {
        &self.nets
    }

    /// The kernel's table as a whole.
    #[must_use]
    pub fn table(&self) -> Option<&TableStats> {
        self.table.as_ref()
    }

    /// Events that the kernel could not deliver.
    #[must_use]
    pub fn lost(&self) -> Option<&Lost> {
        self.lost.as_ref()
    }

    /// Why the server closed the latest connection, if it said so.
    #[must_use]
    pub fn bye(&self) -> Option<&Bye> {
        self.bye.as_ref()
    }

    /// The collector's clock at `now`, from its latest message and the time since then; stands still
    /// while the connection is not live.
    #[must_use]
    pub fn collector_time(&self, now: Instant) -> BootMillis {
        let Some((boot, heard)) = self.clock else { return BootMillis(0) };
        let until = match &self.connection {
            Connection::Stale { since, .. } => (*since).min(now),
            Connection::Ended(_) => heard,
            _ => now,
        };
        let passed = until.saturating_duration_since(heard);
        let passed = match &self.playing {
            None => passed,
            Some(playing) if playing.paused => Duration::ZERO,
            Some(playing) => playing.speed.passes(passed),
        };
        let passed = passed.as_millis();
        BootMillis(boot.0.saturating_add(u64::try_from(passed).unwrap_or(0)))
    }

    /// The collector's clock at its latest message.
    #[must_use]
    pub fn last_word(&self) -> BootMillis {
        self.clock.map_or(BootMillis(0), |(boot, _)| boot)
    }

    /// How long nothing has been heard of a collector that is no longer there; `None` while the connection
    /// is live, and before the first message.
    #[must_use]
    pub fn silent(&self, now: Instant) -> Option<Duration> {
        let (_, heard) = self.clock?;
        match &self.connection {
            Connection::Stale { .. } | Connection::Ended(SourceEnd::Failed(_)) => {
                Some(now.saturating_duration_since(heard))
            }
            Connection::Connecting | Connection::Live | Connection::Ended(SourceEnd::Finished) => None,
        }
    }

    /// Microseconds since 1970 by the collector's wall clock at a time of its own; `None` before the
    /// first hello.
    #[must_use]
    pub fn wall_micros(&self, at: BootMillis) -> Option<u64> {
        let Clock { boot, wall_ms } = self.hello()?.clock;
        let millis = wall_ms.saturating_add(at.0).checked_sub(boot.0)?;
        millis.checked_mul(1000)
    }

    /// What a person has to know to read the rest right, most important first.
    #[must_use]
    pub fn notices(&self) -> Vec<Notice> {
        notice::notices(self)
    }

    fn tick(&mut self, boot: BootMillis, now: Instant) {
        self.clock = Some((boot, now));
    }
}

fn classify(nets: &LocalNets) -> Classify {
    let nets = nets.clone();
    Box::new(move |orig, reply| Class::from(nets.orient(orig, reply)))
}
