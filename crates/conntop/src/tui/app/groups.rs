//! What keys do about groups.

use super::App;
use super::boards::Board as _;
use super::choice::{Choice, Of};
use super::layers::Open;
use crate::columns::Order;
use crate::filter::Filter;
use crate::groups::columns::COLUMNS;
use crate::groups::{By, GroupSort, Grouping, KEYS};
use crate::tui::pane::Pane;

/// What enters and leaves the local networks.
const OUTSIDE: &str = "dir {in, out}";

/// Lines of the menu that were picked: the first and the second key.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    picked: Vec<usize>,
}

impl App {
    /// By what flows are grouped at the moment.
    #[must_use]
    pub fn grouping(&self) -> Grouping {
        self.boards.groups.grouping()
    }

    /// In which order.
    #[must_use]
    pub fn group_sort(&self) -> GroupSort {
        self.boards.groups.sort()
    }

    /// Whether the sums are those of the filter, or those of the one before it still.
    pub(super) fn answered(&self) -> bool {
        let filter = self.filtering.filter();
        match self.pane {
            Pane::Groups => self.boards.groups.answers(filter, self.hide_local),
            _ => self.listing.answers(filter, self.hide_local),
        }
    }

    pub(super) fn open_group_menu(&mut self) {
        let grouping = self.grouping();
        let at = KEYS.iter().position(|key| key.key == grouping.first.key).unwrap_or(0);
        let keys = Keys::default();
        let items = self.key_lines(&keys);
        let title = "Group by (Space: first and second key)".to_owned();
        self.layers.push(Open::Choice(Choice { title, items, at, of: Of::Keys(keys) }));
    }

    /// The lines of the menu: which keys are taken, those of before until one is picked.
    fn key_lines(&self, keys: &Keys) -> Vec<String> {
        let before: Vec<&str> = self.grouping().keys().map(|key| key.key).collect();
        let line = |(at, key): (usize, &crate::groups::GroupKey)| {
            let place = match keys.picked.is_empty() {
                true => before.iter().position(|taken| *taken == key.key),
                false => keys.picked.iter().position(|picked| *picked == at),
            };
            let sign = place.map_or_else(|| " ".to_owned(), |place| (place + 1).to_string());
            format!("{sign} {:<8} {}", key.key, key.help)
        };
        KEYS.iter().enumerate().map(line).collect()
    }

    pub(super) fn pick(&mut self) {
        let Some(Open::Choice(mut choice)) = self.layers.pop_if(|open| matches!(open, Open::Choice(_)))
        else {
            return;
        };
        if let Of::Keys(keys) = &mut choice.of {
            match keys.picked.iter().position(|picked| *picked == choice.at) {
                Some(place) => {
                    keys.picked.remove(place);
                }
                None => {
                    // A third one takes the place of the second.
                    keys.picked.truncate(1);
                    keys.picked.push(choice.at);
                }
            }
            choice.items = self.key_lines(keys);
        }
        self.layers.push(Open::Choice(choice));
    }

    /// Groups by the picked keys, or by the marked one alone.
    pub(super) fn group_by(&mut self, keys: &Keys, marked: usize) {
        let marked = [marked];
        let taken = if keys.picked.is_empty() { &marked[..] } else { &keys.picked };
        let mut taken = taken.iter().filter_map(|at| KEYS.get(*at));
        let Some(first) = taken.next() else { return };
        self.boards.groups.regroup(Grouping { first, second: taken.next() });
        self.go_to(Pane::Groups);
    }

    /// Who uses the uplink.
    pub(super) fn uplink(&mut self) {
        self.boards.groups.regroup(Grouping::default());
        if let Some(up) = COLUMNS.iter().find(|column| column.key == "up") {
            self.boards.groups.sort_by(GroupSort { by: By::Column(up), order: Order::Descending });
        }
        if let Ok(outside) = Filter::parse(OUTSIDE) {
            self.narrow(outside.expr().clone());
        }
        self.go_to(Pane::Groups);
    }

    pub(super) fn fold(&mut self, open: bool) {
        if self.pane != Pane::Groups {
            return;
        }
        if open {
            self.boards.groups.open();
        } else {
            self.boards.groups.close();
        }
    }
}
