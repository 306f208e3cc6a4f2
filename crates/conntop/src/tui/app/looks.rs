//! How flows are looked at: columns, order, units, window, names; and what of it is remembered.

use std::time::Duration;

use super::boards::Reorder;
use super::layers::Open;
use super::{App, WINDOWS};
use crate::columns::{self, COLUMNS, Column, Preset};
use crate::orient::Orientation;
use crate::sort::Sort;
use crate::tui::action::Effect;
use crate::tui::outlook::Outlook;
use crate::units::RateUnit;

impl App {
    /// How flows are looked at now.
    #[must_use]
    pub fn outlook(&self) -> Outlook {
        Outlook {
            columns: Some(self.picked.clone()),
            view: Some(self.preset),
            sort: Some(self.sort),
            units: Some(self.unit),
            window: Some(self.window_seconds()),
            names: Some(self.names),
            services: Some(self.services),
            group: Some(self.grouping()),
        }
    }

    /// What is to be remembered, if that has changed since the last time.
    pub(super) fn remember(&mut self) -> Option<Effect> {
        let outlook = self.outlook().changes(&self.start, &self.options.remembered);
        if outlook == self.remembered {
            return None;
        }
        self.remembered = outlook;
        Some(Effect::Remember(self.remembered.text()))
    }

    /// The default columns were chosen by the flows, not by a person.
    pub(super) fn suit(&mut self, preset: Preset) {
        self.preset = preset;
        self.start.view = Some(preset);
    }

    /// The default columns of the other kind of machine.
    pub(super) fn next_preset(&mut self) {
        self.suits = false;
        self.preset = match self.preset {
            Preset::Router => Preset::Workstation,
            Preset::Workstation => Preset::Router,
        };
        self.picked.clear();
    }

    pub(super) fn next_unit(&mut self) {
        self.unit = match self.unit {
            RateUnit::Bits => RateUnit::Bytes,
            RateUnit::Bytes => RateUnit::Bits,
        };
    }

    pub(super) fn sort_beside(&mut self, step: isize) {
        if let Some(board) = self.boards.of(self.pane) {
            return board.reorder(Reorder::Beside(step));
        }
        let columns = &self.screen.table.columns;
        let here = columns.iter().position(|column| column.key == self.sort.column.key);
        let last = columns.len().saturating_sub(1);
        let to = here.map_or(0, |at| at.saturating_add_signed(step).min(last));
        let key = columns.get(to).filter(|_| here != Some(to)).map(|column| column.key);
        if let Some(column) = key.and_then(|key| columns::find(key).ok()) {
            self.sort_by(column);
        }
    }

    pub(super) fn sort_by(&mut self, column: &'static Column) {
        self.sort = Sort::by(column);
        self.resort();
    }

    pub(super) fn invert(&mut self) {
        if matches!(self.layers.last(), Some(Open::Choice(_))) {
            // What is chosen there has no order.
            return;
        }
        if let Some(board) = self.boards.of(self.pane) {
            return board.reorder(Reorder::Invert);
        }
        self.sort.order = self.sort.order.inverse();
        self.resort();
    }

    /// Another order was asked for: nothing holds the old one.
    fn resort(&mut self) {
        self.hold_until = None;
        self.frozen = false;
    }

    /// What the two directions are called in the header.
    pub(super) fn words(&self) -> (&'static str, &'static str) {
        match self.nodes.orientation() {
            Orientation::Local => ("in", "out"),
            Orientation::Initiator => ("reply", "orig"),
        }
    }

    pub(super) fn window_seconds(&self) -> u64 {
        WINDOWS.get(self.window).copied().unwrap_or(2)
    }

    pub(super) fn next_window(&mut self) {
        self.window = (self.window + 1) % WINDOWS.len();
        self.set_window();
    }

    pub(super) fn set_window(&mut self) {
        self.nodes.set_window(Duration::from_secs(self.window_seconds()));
    }
}

/// Place of a window among those that can be chosen; the first when it is none of them.
pub(super) fn window(seconds: u64) -> usize {
    WINDOWS.iter().position(|window| *window == seconds).unwrap_or(0)
}

/// Those who transfer most at the moment first.
pub(super) fn default_sort() -> Sort {
    #[expect(clippy::indexing_slicing, reason = "the table of columns is never empty")]
    let fallback = &COLUMNS[0];
    Sort::by(columns::find("rate").unwrap_or(fallback))
}
