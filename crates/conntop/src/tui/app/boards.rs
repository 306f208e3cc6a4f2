//! Screens whose rows are no flows. Each is a [`Board`] with rows, an order and a cursor of its own;
//! the application does not know more of them.

pub(super) mod groups;
mod interfaces;
mod listeners;
mod occupancy;
mod sheet;
mod words;

use std::net::IpAddr;

use self::groups::Groups;
use self::interfaces::Interfaces;
use self::listeners::Listeners;
use self::occupancy::Occupancy;
use super::listing::Ask;
use crate::flow::{FlowKey, NodeId, Source};
use crate::groups::{GroupSort, Grouping};
use crate::nodes::Nodes;
use crate::tui::action::Motion;
use crate::tui::pane::Pane;
use crate::tui::screen::Table;

/// What a board is made from.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) nodes: &'a Nodes,
    /// What is asked for: filter, units, names, the moment, width of the terminal.
    pub(crate) ask: &'a Ask,
    /// Rows that have room.
    pub(crate) height: usize,
}

/// A change of the order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reorder {
    /// By the column so many further to the right.
    Beside(isize),
    /// The other way round.
    Invert,
}

/// What taking a row leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// Nothing, or something within the board.
    Here,
    /// Everything about this flow.
    Flow(FlowKey),
    /// The flows that this filter shows.
    Flows(String),
}

/// What stands on the screen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Visible {
    pub(crate) flows: Vec<FlowKey>,
    pub(crate) hosts: Vec<(NodeId, IpAddr)>,
}

/// Rows that are no flows.
pub(crate) trait Board {
    /// Begins to bring the rows up to date.
    fn begin(&mut self, _scene: &Scene<'_>) {}

    /// Goes on with that, by so many flows; true when they are up to date.
    fn advance(&mut self, _sources: &[Source<'_>], _flows: usize) -> bool {
        true
    }

    /// Headings and the rows in view.
    fn table(&mut self, scene: &Scene<'_>) -> Table;

    /// Lines of its own above the headings.
    fn notes(&self) -> u16 {
        0
    }

    /// What of the rows can be read more often, or be called by a name.
    fn visible(&self) -> Visible {
        Visible::default()
    }

    /// Moves the selection, in so many lines; true when rows are to hold still for a moment.
    fn step(&mut self, motion: Motion, height: usize) -> bool;

    /// Takes the selected row.
    fn choose(&mut self) -> Chosen {
        Chosen::Here
    }

    /// Closes something within it; false when there is nothing to close.
    fn close(&mut self) -> bool {
        false
    }

    /// Orders the rows differently.
    fn reorder(&mut self, _how: Reorder) {}

    /// Puts something else together in a row.
    fn regroup(&mut self) {}
}

/// All of them.
#[derive(Default)]
pub(crate) struct Boards {
    pub(crate) groups: Groups,
    listeners: Listeners,
    interfaces: Interfaces,
    occupancy: Occupancy,
}

impl Boards {
    /// With groups of these keys.
    pub(crate) fn beginning_with(group: Option<(Grouping, Option<GroupSort>)>) -> Self {
        let groups = group.map(|(grouping, sort)| Groups::new(grouping, sort.unwrap_or_default()));
        Self { groups: groups.unwrap_or_default(), ..Self::default() }
    }

    /// Lines that a screen has above its headings.
    pub(crate) fn notes(&self, pane: Pane) -> u16 {
        match pane {
            Pane::Flows => 0,
            Pane::Groups => self.groups.notes(),
            Pane::Listeners => self.listeners.notes(),
            Pane::Interfaces => self.interfaces.notes(),
            Pane::Table => self.occupancy.notes(),
        }
    }

    /// That of a screen; flows are none.
    pub(crate) fn of(&mut self, pane: Pane) -> Option<&mut dyn Board> {
        match pane {
            Pane::Flows => None,
            Pane::Groups => Some(&mut self.groups),
            Pane::Listeners => Some(&mut self.listeners),
            Pane::Interfaces => Some(&mut self.interfaces),
            Pane::Table => Some(&mut self.occupancy),
        }
    }
}
