//! What somebody looks at: flows that are to be fresh, hosts that are to have names, and what collectors
//! are to tell besides flows: only what is on the screen.

use std::net::IpAddr;

use conntop_proto::message::{ServerHello, Sight};

use super::App;
use super::layers::Open;
use crate::flow::{FlowKey, NodeId};
use crate::tui::pane::Pane;

/// Lines of a terminal from which on there is room for notes.
const NOTES_FROM: u16 = 14;

/// What a collector calls the ability to read some flows more often than its passes come by.
const FOCUS: &str = "focus";
/// Flows that the protocol lets a client look at: more rows than any terminal has.
const MOST_FOCUSED: usize = 1_000;

impl App {
    /// Flows that the collector is to keep fresh: those whose rows are in view, none while the screen
    /// stands or where the collector cannot do it.
    #[must_use]
    pub fn focus(&self) -> Vec<FlowKey> {
        if self.paused.is_some() {
            return Vec::new();
        }
        let has = |hello: &ServerHello| hello.features.iter().any(|feature| feature == FOCUS);
        let able = |key: &FlowKey| {
            self.nodes.get(key.node()).is_some_and(|node| node.engine().hello().is_some_and(has))
        };
        let flows: &[FlowKey] = match self.layers.last() {
            Some(Open::Help { .. } | Open::Whois(_)) => &[],
            Some(Open::Details { id, .. }) => std::slice::from_ref(id),
            _ => &self.visible,
        };
        flows.iter().copied().filter(able).take(MOST_FOCUSED).collect()
    }

    /// Hosts that somebody looks at and wants to see by their names.
    #[must_use]
    pub fn hosts(&self) -> Vec<(NodeId, IpAddr)> {
        let open = match self.layers.last() {
            Some(Open::Details { id, .. }) => Some(*id),
            _ => None,
        };
        let rows = self.visible.iter().copied().filter(|_| self.names).take(MOST_FOCUSED);
        let flow = |key: FlowKey| self.nodes.get(key.node())?.engine().mirror().get(key.id());
        let both = |key: FlowKey| Some((key.node(), flow(key)?.orig()));
        let of_rows = self.visible_hosts.iter().copied().filter(|_| self.names).take(MOST_FOCUSED);
        let mut hosts: Vec<_> = open
            .into_iter()
            .chain(rows)
            .filter_map(both)
            .flat_map(|(node, orig)| [(node, orig.src), (node, orig.dst)])
            .chain(of_rows)
            .filter(|(node, host)| self.nodes.enricher().is_nameless(*node, *host))
            .collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }

    /// Puts something else together in the rows of a board.
    pub(super) fn regroup(&mut self) {
        if let Some(board) = self.boards.of(self.pane) {
            board.regroup();
        }
    }

    /// Lines above the headings, where there are lines enough.
    pub(super) fn notes(&self) -> u16 {
        if self.size.1 < NOTES_FROM { 0 } else { self.boards.notes(self.pane) }
    }

    /// What is looked at besides flows.
    #[must_use]
    pub fn look(&self) -> Vec<Sight> {
        match self.pane {
            Pane::Listeners => vec![Sight::Listeners],
            Pane::Interfaces => vec![Sight::Interfaces],
            Pane::Flows | Pane::Groups | Pane::Table => Vec::new(),
        }
    }

    /// The collectors were told of this.
    pub fn looked(&mut self, at: &[Sight]) {
        self.nodes.engines_mut().for_each(|engine| engine.set_look(at));
    }
}
