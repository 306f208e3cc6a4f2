//! Groups of flows.

use super::{Board, Scene};
use crate::tui::action::Motion;
use crate::tui::screen::Table;

/// Groups of flows.
#[derive(Default)]
pub(crate) struct Groups;

impl Board for Groups {
    fn table(&mut self, _scene: &Scene<'_>) -> Table {
        Table::default()
    }

    fn step(&mut self, _motion: Motion, _height: usize) {}
}
