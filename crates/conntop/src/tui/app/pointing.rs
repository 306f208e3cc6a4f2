//! What the mouse does: a click selects a row or takes an item, a second one opens, a heading sorts, the wheel scrolls, and what
//! names a key or a screen does what it says. Pure; where things stand is asked from what draws them.

use std::time::{Duration, Instant};

use ratatui::layout::{Position, Rect};

use super::App;
use crate::tui::action::{Action, Choose, Effect, Motion};
use crate::tui::bindings::Context;
use crate::tui::draw::{self, Spot};
use crate::tui::pane::Pane;
use crate::tui::screen::Layer;

/// Two clicks at one place within this time are one double click.
const DOUBLE: Duration = Duration::from_millis(400);
/// Lines that one notch of the wheel moves.
const NOTCH: usize = 3;

/// What the mouse did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gesture {
    /// The first button was pressed there.
    Press(Position),
    /// The wheel was turned away from the person.
    WheelUp,
    /// The wheel was turned towards the person.
    WheelDown,
}

/// The last click, for the next one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pointer {
    last: Option<(Position, Instant)>,
}

impl Pointer {
    /// Whether a click there is the second of two.
    fn is_second(&mut self, at: Position, now: Instant) -> bool {
        let second = self.last.is_some_and(|(place, then)| {
            place.y == at.y && place.x.abs_diff(at.x) <= 1 && now.saturating_duration_since(then) < DOUBLE
        });
        self.last = (!second).then_some((at, now));
        second
    }
}

impl App {
    /// Does what the mouse asks.
    pub fn point(&mut self, gesture: Gesture, now: Instant) -> Vec<Effect> {
        match gesture {
            Gesture::WheelUp => self.roll(Motion::Up, now),
            Gesture::WheelDown => self.roll(Motion::Down, now),
            Gesture::Press(at) => return self.press(at, now),
        }
        Vec::new()
    }

    fn roll(&mut self, motion: Motion, now: Instant) {
        if self.context() == Context::Prompt {
            return;
        }
        for _ in 0..NOTCH {
            self.step(motion, now);
        }
    }

    fn press(&mut self, at: Position, now: Instant) -> Vec<Effect> {
        let (columns, lines) = self.size;
        let spot = draw::spot(&self.screen, Rect::new(0, 0, columns, lines), at);
        let second = self.pointer.is_second(at, now);
        match spot {
            // What is asked or typed is answered before anything else.
            Spot::Button(Action::Pane(pane)) => match self.context() {
                Context::Dialog | Context::Ending | Context::Prompt => Vec::new(),
                _ => {
                    self.layers.clear();
                    self.update(Action::Pane(pane), now)
                }
            },
            Spot::Button(action) => self.update(action, now),
            _ if self.filtering.open => Vec::new(),
            Spot::Heading(column) => {
                self.sort_at(column);
                Vec::new()
            }
            Spot::Row(row) => {
                self.select_row(row, now);
                match (second, self.pane) {
                    (false, _) => Vec::new(),
                    (true, Pane::Flows) => self.update(Action::Details, now),
                    (true, _) => self.update(Action::Accept, now),
                }
            }
            Spot::Item(item) => {
                self.select_item(item);
                let takes = match self.context() {
                    Context::Columns => Action::Choose(Choose::Toggle),
                    _ => Action::Accept,
                };
                self.update(takes, now)
            }
            Spot::Nothing => Vec::new(),
        }
    }

    /// Sorts by the column of that number on the screen; again: the other way round.
    fn sort_at(&mut self, column: usize) {
        let columns = &self.screen.table.columns;
        let sorted = columns.iter().position(|column| column.sorted.is_some());
        match (sorted, self.pane) {
            (Some(sorted), _) if sorted == column => self.invert(),
            (None, Pane::Flows) => {
                let found = columns.get(column).and_then(|column| crate::columns::find(column.key).ok());
                if let Some(column) = found {
                    self.sort_by(column);
                }
            }
            (sorted, _) => {
                let here = isize::try_from(sorted.unwrap_or(0)).unwrap_or(0);
                let there = isize::try_from(column).unwrap_or(0);
                self.sort_beside(there - here);
            }
        }
    }

    fn select_row(&mut self, row: usize, now: Instant) {
        if self.pane == Pane::Flows {
            let height = usize::from(self.areas().body.height);
            return self.cursor.select(&mut self.listing, height, self.cursor.top.saturating_add(row));
        }
        // Boards know steps only. The first one selects something.
        let selected = |app: &Self| app.screen.table.rows.iter().position(|row| row.selected);
        if selected(self).is_none() {
            self.step(Motion::Down, now);
            self.show(now);
        }
        let Some(from) = selected(self) else { return };
        let motion = if row < from { Motion::Up } else { Motion::Down };
        for _ in 0..row.abs_diff(from) {
            self.step(motion, now);
        }
    }

    fn select_item(&mut self, item: usize) {
        let Some(Layer::Menu { at, .. } | Layer::Picker { at, .. }) = &self.screen.layer else { return };
        let (motion, steps) = (if item < *at { Motion::Up } else { Motion::Down }, item.abs_diff(*at));
        for _ in 0..steps {
            self.step_layer(motion);
        }
    }
}
