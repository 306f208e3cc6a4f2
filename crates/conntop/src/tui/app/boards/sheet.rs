//! Rows of any kind with columns, an order and a selection: what the boards of a machine are made of.
//!
//! A column is one [`Head`]. Rows are named by a key, so the selection follows its row; equal rows stand
//! by that key, so every order is stable. Only rows in view are sorted: the others are told apart in
//! linear time.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::{Reorder, Scene};
use crate::tui::action::Motion;
use crate::tui::screen::{Align, Column, Order, Row, Span};

/// Blanks between two columns.
const GAP: u16 = 1;

/// A value to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value<'a> {
    Number(u128),
    Text(&'a str),
    /// Behind all others, whatever the order.
    Unknown,
}

impl Value<'_> {
    /// A number that may not be known.
    pub(super) fn of(number: Option<u64>) -> Self {
        number.map_or(Self::Unknown, |number| Self::Number(number.into()))
    }

    /// Those of IPv4 before those of IPv6.
    pub(super) fn address(address: IpAddr) -> Self {
        Self::Number(match address {
            IpAddr::V4(v4) => v4.to_bits().into(),
            IpAddr::V6(v6) => v6.to_bits().saturating_add(1 << 33),
        })
    }

    /// A number of things per second.
    pub(super) fn rate(rate: Option<f64>) -> Self {
        // Thousandths are fine enough to sort by, and integers have an order.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "casts of floats saturate, and rates are not negative"
        )]
        let number = |rate: f64| Self::Number((rate * 1000.0) as u128);
        rate.map_or(Self::Unknown, number)
    }
}

/// A column of rows of this kind.
pub(super) struct Head<T: 'static> {
    pub(super) key: &'static str,
    pub(super) title: &'static str,
    /// Cells of the screen that it takes at least, and at most where there is room.
    pub(super) width: (u16, u16),
    /// Those with less are left out first.
    pub(super) priority: u8,
    pub(super) align: Align,
    /// Order in which it is sorted at first.
    pub(super) order: Order,
    /// Whether it says anything here.
    pub(super) offered: fn(&Scene<'_>) -> bool,
    pub(super) value: for<'a> fn(&'a T) -> Value<'a>,
    pub(super) cell: fn(&T, &Scene<'_>) -> Span,
}

/// Rows of a kind `T`, each named by a `K`.
pub(super) struct Sheet<T: 'static, K> {
    heads: &'static [Head<T>],
    name: fn(&T) -> K,
    by: usize,
    order: Order,
    items: Vec<T>,
    selected: Option<K>,
    /// Rank of the selected row when last seen.
    rank: usize,
    /// Rank of the first row in view.
    top: usize,
    /// Rows in view, from the top.
    visible: Vec<K>,
    /// Keys of the columns in view, left to right.
    shown: Vec<&'static str>,
}

impl<T, K: Ord + Clone> Sheet<T, K> {
    /// No rows, sorted by that column.
    pub(super) fn new(heads: &'static [Head<T>], name: fn(&T) -> K, by: &str) -> Self {
        let by = heads.iter().position(|head| head.key == by).unwrap_or(0);
        let order = heads.get(by).map_or(Order::Ascending, |head| head.order);
        let (items, visible, shown) = (Vec::new(), Vec::new(), Vec::new());
        Self { heads, name, by, order, items, selected: None, rank: 0, top: 0, visible, shown }
    }

    /// These are the rows from now on.
    pub(super) fn set(&mut self, items: Vec<T>) {
        self.items = items;
    }

    pub(super) fn items(&self) -> &[T] {
        &self.items
    }

    /// The selected row; the first one while nobody has selected any.
    pub(super) fn selected(&self) -> Option<&T> {
        match &self.selected {
            Some(key) => self.items.iter().find(|item| (self.name)(item) == *key),
            None => self.items.iter().min_by(|a, b| self.compare(a, b)),
        }
    }

    /// Rows in view, from the top.
    pub(super) fn visible(&self) -> &[K] {
        &self.visible
    }

    fn compare(&self, a: &T, b: &T) -> Ordering {
        let by = |head: &Head<T>| match ((head.value)(a), (head.value)(b)) {
            (Value::Unknown, Value::Unknown) => Ordering::Equal,
            (Value::Unknown, _) => Ordering::Greater,
            (_, Value::Unknown) => Ordering::Less,
            (a, b) if self.order == Order::Descending => b.cmp(&a),
            (a, b) => a.cmp(&b),
        };
        let order = self.heads.get(self.by).map_or(Ordering::Equal, by);
        order.then_with(|| (self.name)(a).cmp(&(self.name)(b)))
    }

    /// The item of a rank.
    fn at(&self, rank: usize) -> Option<&T> {
        self.window(rank, 1).into_iter().next()
    }

    /// The rows of these ranks, in order.
    fn window(&self, top: usize, height: usize) -> Vec<&T> {
        let mut all: Vec<&T> = self.items.iter().collect();
        if top >= all.len() {
            return Vec::new();
        }
        all.select_nth_unstable_by(top, |a, b| self.compare(a, b));
        let mut rest = all.split_off(top);
        if height < rest.len() {
            rest.select_nth_unstable_by(height, |a, b| self.compare(a, b));
            rest.truncate(height);
        }
        rest.sort_unstable_by(|a, b| self.compare(a, b));
        rest
    }

    /// Moves the selection.
    pub(super) fn step(&mut self, motion: Motion, height: usize) {
        let (page, half) = (height.max(1), (height / 2).max(1));
        let from = match self.selected {
            Some(_) => self.rank,
            None if matches!(motion, Motion::Down | Motion::Up) => return self.select(self.top, height),
            None => self.top,
        };
        let to = match motion {
            Motion::Top if self.selected.is_some() && from == 0 => {
                // Already there: from now on the top of the list is in view, whatever it is.
                (self.selected, self.top) = (None, 0);
                return;
            }
            Motion::Top => 0,
            Motion::Bottom => usize::MAX,
            Motion::Up => from.saturating_sub(1),
            Motion::Down => from.saturating_add(1),
            Motion::PageUp => from.saturating_sub(page),
            Motion::PageDown => from.saturating_add(page),
            Motion::HalfUp => from.saturating_sub(half),
            Motion::HalfDown => from.saturating_add(half),
        };
        self.select(to, height);
    }

    fn select(&mut self, rank: usize, height: usize) {
        self.rank = rank.min(self.items.len().saturating_sub(1));
        self.selected = self.at(self.rank).map(|item| (self.name)(item));
        self.show(height);
    }

    /// Scrolls as little as needed.
    fn show(&mut self, height: usize) {
        let height = height.max(1);
        let least = self.rank.saturating_add(1).saturating_sub(height);
        self.top = self.top.min(self.rank).max(least).min(self.items.len().saturating_sub(height));
    }

    /// Finds the selected row again after the rows have changed.
    fn follow(&mut self, height: usize) {
        let Some(key) = &self.selected else {
            self.top = 0;
            return;
        };
        match self.items.iter().find(|item| (self.name)(item) == *key) {
            Some(item) => {
                let before = |other: &&T| self.compare(other, item) == Ordering::Less;
                let (line, rank) =
                    (self.rank.saturating_sub(self.top), self.items.iter().filter(before).count());
                self.rank = rank;
                if self.top > 0 {
                    self.top = rank.saturating_sub(line);
                }
                self.show(height);
            }
            None if self.items.is_empty() => self.selected = None,
            None => self.select(self.rank, height),
        }
    }

    /// Orders the rows differently.
    pub(super) fn reorder(&mut self, how: Reorder) {
        match how {
            Reorder::Invert => {
                self.order = match self.order {
                    Order::Ascending => Order::Descending,
                    Order::Descending => Order::Ascending,
                };
            }
            Reorder::Beside(step) => {
                let key = self.heads.get(self.by).map(|head| head.key);
                let here = self.shown.iter().position(|shown| Some(*shown) == key);
                let last = self.shown.len().saturating_sub(1);
                let to = here.map_or(0, |at| at.saturating_add_signed(step).min(last));
                let head = |key: &&str| self.heads.iter().position(|head| head.key == *key);
                if let Some(by) = self.shown.get(to).filter(|_| here != Some(to)).and_then(head) {
                    self.by = by;
                    self.order = self.heads.get(by).map_or(self.order, |head| head.order);
                }
            }
        }
    }

    /// Headings and the rows in view.
    pub(super) fn table(&mut self, scene: &Scene<'_>) -> (Vec<Column>, Vec<Row>) {
        self.follow(scene.height);
        let placed = fit(self.heads, scene);
        self.shown = placed.iter().map(|(head, _)| head.key).collect();
        let sorted = self.heads.get(self.by).map(|head| head.key);
        let heading = |(head, width): &(&Head<T>, u16)| Column {
            key: head.key,
            title: head.title.to_owned(),
            width: *width,
            align: head.align,
            sorted: (Some(head.key) == sorted).then_some(self.order),
        };
        let row = |item: &T| Row {
            cells: placed.iter().map(|(head, _)| (head.cell)(item, scene)).collect(),
            selected: self.selected.as_ref() == Some(&(self.name)(item)),
            ..Row::default()
        };
        let items = self.window(self.top, scene.height);
        let rows = items.iter().map(|item| row(item)).collect();
        let visible = items.into_iter().map(self.name).collect();
        self.visible = visible;
        (placed.iter().map(heading).collect(), rows)
    }
}

/// The columns that have room, with their widths: by priority first, then what is left is shared out.
fn fit<'h, T>(heads: &'h [Head<T>], scene: &Scene<'_>) -> Vec<(&'h Head<T>, u16)> {
    let mut by_priority: Vec<_> = heads.iter().filter(|head| (head.offered)(scene)).collect();
    by_priority.sort_by_key(|head| std::cmp::Reverse(head.priority));
    let mut free = scene.ask.width.saturating_add(GAP);
    let mut taken: Vec<&str> = Vec::new();
    for head in by_priority {
        let wanted = head.width.0.saturating_add(GAP);
        if taken.is_empty() || wanted <= free {
            free = free.saturating_sub(wanted);
            taken.push(head.key);
        }
    }
    let mut placed: Vec<_> =
        heads.iter().filter(|head| taken.contains(&head.key)).map(|head| (head, head.width.0)).collect();
    // By ones, so that no column starves beside another.
    while free > 0 {
        let before = free;
        for (head, width) in &mut placed {
            if *width < head.width.1 && free > 0 {
                *width += 1;
                free -= 1;
            }
        }
        if free == before {
            break;
        }
    }
    placed
}
