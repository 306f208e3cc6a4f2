//! Sockets that wait for connections.

use super::{Board, Scene};
use crate::tui::action::Motion;
use crate::tui::screen::Table;

/// Sockets that wait for connections.
#[derive(Default)]
pub(crate) struct Listeners;

impl Board for Listeners {
    fn table(&mut self, _scene: &Scene<'_>) -> Table {
        Table::default()
    }

    fn step(&mut self, _motion: Motion, _height: usize) -> bool {
        false
    }
}
