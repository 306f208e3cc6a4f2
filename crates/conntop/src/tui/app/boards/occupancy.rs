//! Who fills the table.

use super::{Board, Scene};
use crate::tui::action::Motion;
use crate::tui::screen::Table;

/// Who fills the table.
#[derive(Default)]
pub(crate) struct Occupancy;

impl Board for Occupancy {
    fn table(&mut self, _scene: &Scene<'_>) -> Table {
        Table::default()
    }

    fn step(&mut self, _motion: Motion, _height: usize) -> bool {
        false
    }
}
