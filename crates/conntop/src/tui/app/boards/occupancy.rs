//! Who fills the table: flows by source and state, and what the table refuses.

mod heads;
mod notes;
mod tally;

use std::net::IpAddr;

use conntop_proto::flow::State;

use self::heads::HEADS;
use self::tally::Tally;
use super::listeners::of_node;
use super::sheet::Sheet;
use super::{Board, Chosen, Reorder, Scene, Visible};
use crate::columns::{state_rank, state_short};
use crate::flow::Source;
use crate::nodes::NodeId;
use crate::tui::action::Motion;
use crate::tui::screen::{Span, Table};
use crate::tui::theme::Role;

/// What stands together in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum By {
    /// Source and state.
    #[default]
    Both,
    /// Source alone.
    Source,
    /// State alone.
    State,
}

impl By {
    fn next(self) -> Self {
        match self {
            Self::Both => Self::Source,
            Self::Source => Self::State,
            Self::State => Self::Both,
        }
    }
}

/// What a row is of; a part that all have in common is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    node: NodeId,
    source: Option<IpAddr>,
    /// The first state that has its word.
    state: Option<(u64, &'static str)>,
}

impl Key {
    fn of(node: NodeId, source: IpAddr, state: State, by: By) -> Self {
        let state = (by != By::Source).then(|| (state_rank(state), state_short(state)));
        Self { node, source: (by != By::State).then_some(source), state }
    }

    /// The filter that shows exactly these flows.
    fn filter(&self, node: Option<&str>) -> String {
        let state = self.state.map(|(_, word)| match word {
            "?" => "state = unknown".to_owned(),
            word => format!("state {word}"),
        });
        let source = self.source.map(|source| format!("src {source}"));
        let parts: Vec<String> = source.into_iter().chain(state).collect();
        format!("{}{}", parts.join(" and "), node.map_or_else(String::new, of_node))
    }
}

/// One row.
pub(super) struct Item {
    key: Key,
    node_name: String,
    /// Name of the source, where one is known and wanted.
    name: Option<String>,
    flows: u64,
    /// The most that the table takes.
    max: Option<u64>,
    /// Half of the flows expire within so many milliseconds if nothing more is seen.
    timeout: Option<u64>,
}

/// Who fills the table.
pub(crate) struct Occupancy {
    sheet: Sheet<Item, Key>,
    by: By,
    tally: Tally,
}

impl Default for Occupancy {
    fn default() -> Self {
        let sheet = Sheet::new(HEADS, |item| item.key, "flows");
        Self { sheet, by: By::default(), tally: Tally::default() }
    }
}

impl Board for Occupancy {
    fn begin(&mut self, scene: &Scene<'_>) {
        self.tally.begin(self.by, &scene.ask.now);
    }

    fn advance(&mut self, sources: &[Source<'_>], flows: usize) -> bool {
        self.tally.advance(sources, flows)
    }

    fn notes(&self) -> u16 {
        2
    }

    fn table(&mut self, scene: &Scene<'_>) -> Table {
        if let Some(groups) = self.tally.take() {
            self.sheet.set(groups.into_iter().map(|group| item(scene, &group)).collect());
        }
        let (columns, rows) = self.sheet.table(scene);
        let empty = match rows.is_empty() {
            true => vec![vec![Span::new("no flows", Role::Dim)]],
            false => Vec::new(),
        };
        Table { columns, rows, empty, notes: notes::lines(scene) }
    }

    fn visible(&self) -> Visible {
        let host = |key: &Key| Some((key.node, key.source?));
        Visible { hosts: self.sheet.visible().iter().filter_map(host).collect(), ..Visible::default() }
    }

    fn step(&mut self, motion: Motion, height: usize) -> bool {
        self.sheet.step(motion, height);
        true
    }

    fn choose(&mut self) -> Chosen {
        let filter = |item: &Item| {
            let several = !item.node_name.is_empty();
            Chosen::Flows(item.key.filter(several.then_some(item.node_name.as_str())))
        };
        self.sheet.selected().map_or(Chosen::Here, filter)
    }

    fn reorder(&mut self, how: Reorder) {
        self.sheet.reorder(how);
    }

    fn regroup(&mut self) {
        self.by = self.by.next();
    }
}

fn item(scene: &Scene<'_>, group: &tally::Group) -> Item {
    let key = group.key;
    let node = scene.nodes.get(key.node);
    let engine = node.map(|node| node.engine());
    let max = engine.and_then(|engine| {
        engine.table().and_then(|table| table.max).or(engine.kernel().and_then(|kernel| kernel.max))
    });
    let name = key
        .source
        .filter(|_| scene.ask.names)
        .and_then(|source| scene.nodes.enricher().name(key.node, source).map(|name| name.text.to_owned()));
    Item {
        key,
        node_name: match node {
            Some(node) if scene.nodes.several() => node.name().to_owned(),
            _ => String::new(),
        },
        name,
        flows: group.flows,
        max,
        timeout: group.timeout,
    }
}
