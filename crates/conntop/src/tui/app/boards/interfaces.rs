//! Interfaces and what passes them.

use super::{Board, Scene};
use crate::tui::action::Motion;
use crate::tui::screen::Table;

/// Interfaces and what passes them.
#[derive(Default)]
pub(crate) struct Interfaces;

impl Board for Interfaces {
    fn table(&mut self, _scene: &Scene<'_>) -> Table {
        Table::default()
    }

    fn step(&mut self, _motion: Motion, _height: usize) -> bool {
        false
    }
}
