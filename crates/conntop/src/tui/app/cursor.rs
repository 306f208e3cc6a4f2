//! Which row is selected and which rows are in view. Pure; rows are named by the flow (or whatever they
//! are of), and ranks are only used to move.
//!
//! Nothing is selected until somebody moves: then the first rows stay in view whatever they are. So
//! they do while a selected flow is among them; further down, it keeps its line of the screen when
//! the order changes around it.

use crate::flow::FlowKey;
use crate::tui::action::Motion;

/// Selection and scroll position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor<K = FlowKey> {
    /// What names the selected row.
    pub(crate) selected: Option<K>,
    /// Its rank when last seen; where the selection goes when the row has gone.
    rank: usize,
    /// Rank of the first row in view.
    pub(crate) top: usize,
}

impl<K> Default for Cursor<K> {
    fn default() -> Self {
        Self { selected: None, rank: 0, top: 0 }
    }
}

/// The rows as they are sorted now.
pub(crate) trait Ranks<K = FlowKey> {
    /// How many there are.
    fn count(&self) -> usize;
    /// Rank of a row, if it is among them.
    fn rank_of(&self, id: K) -> Option<usize>;
    /// The row of that rank.
    fn at(&mut self, rank: usize) -> Option<K>;
}

impl<K: Copy> Cursor<K> {
    /// Rank of the selected row, if one is selected.
    pub(crate) fn rank(&self) -> Option<usize> {
        self.selected.map(|_| self.rank)
    }

    /// Selects nothing and shows the first rows.
    pub(crate) fn release(&mut self) {
        *self = Self::default();
    }

    /// Selects the flow of that rank.
    pub(crate) fn select(&mut self, rows: &mut impl Ranks<K>, height: usize, rank: usize) {
        let last = rows.count().saturating_sub(1);
        self.rank = rank.min(last);
        self.selected = rows.at(self.rank);
        self.show(rows.count(), height);
    }

    /// Moves by one motion.
    pub(crate) fn step(&mut self, rows: &mut impl Ranks<K>, height: usize, motion: Motion) {
        let page = height.max(1);
        let half = (height / 2).max(1);
        let from = match self.selected {
            Some(_) => self.rank,
            // The first motion selects what is at the edge it comes from.
            None if matches!(motion, Motion::Down | Motion::Up) => {
                return self.select(rows, height, self.top);
            }
            None => self.top,
        };
        let to = match motion {
            Motion::Up => from.saturating_sub(1),
            Motion::Down => from.saturating_add(1),
            Motion::PageUp => from.saturating_sub(page),
            Motion::PageDown => from.saturating_add(page),
            Motion::HalfUp => from.saturating_sub(half),
            Motion::HalfDown => from.saturating_add(half),
            Motion::Top => 0,
            Motion::Bottom => usize::MAX,
        };
        match motion {
            Motion::PageUp => self.top = self.top.saturating_sub(page),
            Motion::PageDown => self.top = self.top.saturating_add(page),
            _ => {}
        }
        self.select(rows, height, to);
    }

    /// Finds the selected flow again after the rows have changed.
    pub(crate) fn follow(&mut self, rows: &mut impl Ranks<K>, height: usize) {
        let Some(id) = self.selected else {
            self.top = 0;
            return;
        };
        let line = self.rank.saturating_sub(self.top);
        match rows.rank_of(id) {
            Some(rank) => {
                self.rank = rank;
                if self.top > 0 {
                    self.top = rank.saturating_sub(line);
                }
            }
            None => {
                self.rank = self.rank.min(rows.count().saturating_sub(1));
                self.selected = rows.at(self.rank);
            }
        }
        self.show(rows.count(), height);
    }

    /// Scrolls as little as needed to have the selection in view and no blank lines below the rows.
    fn show(&mut self, count: usize, height: usize) {
        let height = height.max(1);
        self.top = self
            .top
            .min(self.rank)
            .max(self.rank.saturating_add(1).saturating_sub(height))
            .min(count.saturating_sub(height));
    }
}
