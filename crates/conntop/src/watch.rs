//! `watch`: what happens, one JSON object a line.
//!
//! Until the first whole pass over the table is done, flows that are merely found are the initial
//! table, not events. A lost connection is tried again; its time is told on stderr and what was
//! missed comes out when it is back. Lost events are a line of their own.

use std::collections::HashSet;
use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use conntop_proto::flow::FlowId;
use conntop_proto::message::{Lost, ServerMessage};
use serde::Serialize;

use crate::cli::{Common, EventKind, Session, WatchArgs, open};
use crate::engine::Engine;
use crate::flow::FlowView;
use crate::list::{Completeness, completeness};
use crate::nodes::{Node, Nodes};
use crate::output::exit::{Failure, LOST, write_failure};
use crate::output::json::FlowJson;
use crate::output::rows::{self, Query};
use crate::output::say;
use crate::source::{NodeId, SourceEnd, SourceEvent};

/// How long a line may wait for names.
const NAMES_TIME: Duration = Duration::from_secs(1);

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    /// Microseconds since 1970 by the collector's clock.
    time: Option<u64>,
    #[serde(flatten)]
    flow: FlowJson<'a>,
}

/// A line about lost events.
#[derive(Serialize)]
struct LostLine<'a> {
    event: &'static str,
    time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    #[serde(flatten)]
    lost: &'a Lost,
}

/// Prints events until the time is over, the reader is gone or the source ends.
///
/// # Errors
/// Wrong arguments, a source that cannot be opened, a failing writer.
pub async fn run(common: &Common, args: &WatchArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let query = Query::parse(common)?;
    let mut session = open(common).await?;
    session.announce();
    session.know_places().await;
    let deadline = args.time.map(|time| Instant::now() + time);
    let of_nodes = session.nodes.iter().map(|_| OfNode { initial: true, ..OfNode::default() }).collect();
    let mut watch = Watch { args, query, of_nodes, told: HashSet::new() };
    loop {
        let Some((node, event)) = session.peek(deadline).await? else { break };
        if args.names {
            let hosts = begun(node, &event);
            let _unasked = session.find_names(hosts, NAMES_TIME).await;
        }
        match watch.take(&mut session, node, event, out) {
            Ok(true) => {}
            Ok(false) => break,
            Err(Halt::Failure(failure)) => return Err(failure),
            Err(Halt::Write(error)) => {
                write_failure(&error).map_or(Ok(()), Err)?;
                break;
            }
        }
    }
    session.close()
}

/// The hosts of flows that begin with an event.
fn begun(node: NodeId, event: &SourceEvent) -> Vec<(NodeId, IpAddr)> {
    let SourceEvent::Messages(messages) = event else { return Vec::new() };
    let rows = messages.as_slice().iter().filter_map(|message| match message {
        ServerMessage::Delta(delta) => Some(delta.rows().ok()?.new),
        _ => None,
    });
    let ends = rows.flatten().flat_map(|row| [row.identity.orig.src, row.identity.orig.dst]);
    ends.map(|host| (node, host)).collect()
}

enum Halt {
    Failure(Failure),
    Write(std::io::Error),
}

impl From<std::io::Error> for Halt {
    fn from(error: std::io::Error) -> Self {
        Self::Write(error)
    }
}

struct Watch<'a> {
    args: &'a WatchArgs,
    query: Query,
    of_nodes: Vec<OfNode>,
    /// Notices that were said.
    told: HashSet<String>,
}

/// What is known of one node.
#[derive(Clone, Copy, Debug, Default)]
struct OfNode {
    /// Whether flows that are found belong to the table as it was.
    initial: bool,
    connected: bool,
    over: bool,
}

/// What an event brings, as ids.
#[derive(Default)]
struct Brought {
    new: Vec<FlowId>,
    /// Ended flows that were not known.
    short: HashSet<FlowId>,
    changed: Vec<FlowId>,
    lost: Option<Lost>,
    reset: bool,
}

/// What a message has brought, and what it did.
struct Told {
    brought: Brought,
    /// How many flows it ended.
    gone: u64,
    /// Whether flows that it brought belong to the table as it was.
    initial: bool,
}

impl Watch<'_> {
    /// Whether to go on.
    fn take(
        &mut self,
        session: &mut Session,
        node: NodeId,
        event: SourceEvent,
        out: &mut dyn Write,
    ) -> Result<bool, Halt> {
        let several = session.nodes.several();
        let of_node = self.of_nodes.get_mut(usize::from(node.0));
        match (&event, of_node) {
            (SourceEvent::Stale { cause, retry_in }, Some(of_node)) => {
                if !of_node.connected && !several {
                    return Err(Halt::Failure(Failure::new(LOST, cause.clone())));
                }
                if session.recording {
                    say(&format_args!("{cause}, while it was recorded"));
                } else {
                    say(&format_args!("{cause}; next attempt in {:.1} s", retry_in.as_secs_f64()));
                }
            }
            (SourceEvent::Ended(SourceEnd::Finished), _) => return Ok(false),
            (SourceEvent::Ended(end), _) => return self.end(session, node, end.clone().into()),
            (SourceEvent::Connected(_), Some(of_node)) => of_node.connected = true,
            _ => {}
        }
        match event {
            SourceEvent::Messages(messages) => {
                for message in messages.as_slice() {
                    match self.message(session, node, message, out) {
                        Err(Halt::Failure(failure)) => return self.end(session, node, failure),
                        other => other?,
                    }
                }
            }
            event => session.apply(node, event).map_err(Halt::Failure)?,
        }
        out.flush()?;
        Ok(true)
    }

    /// A node is over; whether to go on with the others.
    fn end(&mut self, session: &mut Session, node: NodeId, failure: Failure) -> Result<bool, Halt> {
        session.sources.end(node);
        if let Some(of_node) = self.of_nodes.get_mut(usize::from(node.0)) {
            of_node.over = true;
        }
        if self.of_nodes.iter().all(|of_node| of_node.over) {
            return Err(Halt::Failure(failure));
        }
        let name = session.nodes.get(node).map_or("", |node| node.name());
        say(&format_args!("{name} is left out from now on: {failure}"));
        Ok(true)
    }

    fn message(
        &mut self,
        session: &mut Session,
        id: NodeId,
        message: &ServerMessage,
        out: &mut dyn Write,
    ) -> Result<(), Halt> {
        let nodes = &mut session.nodes;
        let Some(engine) = nodes.get(id).map(Node::engine) else { return Ok(()) };
        let brought = self.brought(engine, message);
        let gone = engine.mirror().ledger().ended;
        nodes.apply_message(id, message, Instant::now()).map_err(|e| Halt::Failure(e.into()))?;
        let Some(engine) = nodes.get(id).map(Node::engine) else { return Ok(()) };
        let Some(mut of_node) = self.of_nodes.get(usize::from(id.0)).copied() else { return Ok(()) };
        of_node.initial |= brought.reset;
        let gone = engine.mirror().ledger().ended - gone;
        self.print(nodes, id, &Told { brought, gone, initial: of_node.initial }, out)?;
        let complete = of_node.initial && completeness(engine) >= Completeness::Complete;
        of_node.initial &= !complete;
        if let Some(place) = self.of_nodes.get_mut(usize::from(id.0)) {
            *place = of_node;
        }
        if complete {
            for notice in session.notices_of(id) {
                if self.told.insert(notice.text.clone()) {
                    say(&notice);
                }
            }
        }
        Ok(())
    }

    fn brought(&self, engine: &Engine, message: &ServerMessage) -> Brought {
        let mut brought = Brought::default();
        let unknown = |id: FlowId| engine.mirror().find(id).is_none();
        match message {
            ServerMessage::Delta(delta) => {
                brought.new.extend(delta.new.id.iter().filter(|&id| unknown(id)));
                brought.short.extend(delta.ended.short.id.iter().filter(|&id| unknown(id)));
                if self.args.events.contains(&EventKind::Changed) {
                    let ids = delta.state.id.iter().chain(delta.traffic.id.iter());
                    brought.changed.extend(ids.chain(delta.meta.id.iter()));
                }
            }
            ServerMessage::Lost(lost) => brought.lost = Some(*lost),
            ServerMessage::Reset(_) => brought.reset = true,
            _ => {}
        }
        brought.changed.sort_unstable();
        brought.changed.dedup();
        brought
    }

    fn print(&self, nodes: &Nodes, id: NodeId, told: &Told, out: &mut dyn Write) -> Result<(), Halt> {
        let Told { brought, gone, initial } = told;
        let wants = |kind| self.args.events.contains(&kind);
        let (Some(node), Some(source)) =
            (nodes.get(id), rows::sources(nodes, Instant::now()).get(usize::from(id.0)).copied())
        else {
            return Ok(());
        };
        let engine = node.engine();
        let time = source.now.wall;
        let mut tell = |event, time, view: FlowView<'_>| match self.query.matches(&view) {
            true => line(out, &Line { event, time, flow: FlowJson::new(view, self.query.columns()) }),
            false => Ok(()),
        };
        let live = |id: &FlowId| source.get(*id).filter(|view| view.ended.is_none());
        for view in brought.new.iter().filter_map(live) {
            match (*initial && !view.flow.born(), self.args.initial) {
                (true, true) => tell("initial", time, view)?,
                (false, _) if wants(EventKind::New) => tell("new", time, view)?,
                _ => {}
            }
        }
        for view in brought.changed.iter().filter_map(live) {
            tell("changed", time, view)?;
        }
        let gone = usize::try_from(*gone).unwrap_or(usize::MAX);
        let first = engine.mirror().ended().count().saturating_sub(gone);
        for view in source.ended().skip(first) {
            let id = view.flow.id();
            if wants(EventKind::New) && brought.short.contains(&id) {
                tell("new", time, view)?;
            }
            if wants(EventKind::Ended) {
                tell("ended", engine.wall_micros(view.now.boot), view)?;
            }
        }
        if let Some(lost) = &brought.lost {
            let node = nodes.several().then(|| node.name());
            line(out, &LostLine { event: "lost", time, node, lost })?;
        }
        Ok(())
    }
}

fn line(out: &mut dyn Write, value: &impl Serialize) -> Result<(), Halt> {
    serde_json::to_writer(&mut *out, value).map_err(std::io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}
