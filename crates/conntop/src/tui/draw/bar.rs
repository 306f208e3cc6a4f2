//! A line of items to the left and to the right; those of the lowest rank go first when the line is
//! too narrow.

use ratatui::layout::Rect;

use super::Canvas;
use crate::tui::action::Action;
use crate::tui::screen::Spans;
use crate::tui::wrap::{cut, width};

/// Blanks between two items.
const GAP: u16 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

#[derive(Clone, Debug)]
pub(super) struct Item {
    spans: Spans,
    rank: u8,
    side: Side,
    /// Whether it may be cut instead of left out.
    flexible: bool,
    /// What a click on it asks for.
    action: Option<Action>,
}

/// A shorter rest of a text says nothing.
const LEAST: u16 = 12;

impl Item {
    pub(super) fn new(spans: Spans, rank: u8, side: Side) -> Self {
        Self { spans, rank, side, flexible: false, action: None }
    }

    pub(super) fn asks(self, action: Action) -> Self {
        Self { action: Some(action), ..self }
    }

    pub(super) fn flexible(self) -> Self {
        Self { flexible: true, ..self }
    }

    /// Cuts the last text so that the whole takes `room` columns; false when that leaves too little.
    fn shrink(&mut self, room: u16) -> bool {
        let excess = self.width().saturating_sub(room);
        let Some(last) = self.spans.last_mut() else { return false };
        let kept = width(&last.text).saturating_sub(excess);
        if !self.flexible || kept < LEAST {
            return false;
        }
        last.text = cut(&last.text, kept);
        true
    }

    pub(super) fn is(&self, side: Side) -> bool {
        self.side == side
    }

    fn width(&self) -> u16 {
        self.spans.iter().map(|span| width(&span.text)).fold(0, u16::saturating_add)
    }
}

/// Columns that the items take, and the gaps between them.
fn total(items: &[Item]) -> u16 {
    let gaps = u16::try_from(items.len().saturating_sub(1)).unwrap_or(u16::MAX);
    items.iter().map(Item::width).fold(gaps.saturating_mul(GAP), u16::saturating_add)
}

/// Columns that one more item could take.
pub(super) fn room(line: Rect, items: &[Item]) -> u16 {
    line.width.saturating_sub(total(items)).saturating_sub(GAP)
}

pub(super) fn draw(canvas: &mut Canvas<'_>, line: Rect, items: Vec<Item>) {
    for (x, item) in arranged(line, items) {
        canvas.spans(line, x, &item.spans);
    }
}

/// What a click on that column asks for.
pub(super) fn action_at(line: Rect, items: Vec<Item>, column: u16) -> Option<Action> {
    let on = |(x, item): &(u16, Item)| (*x..x.saturating_add(item.width())).contains(&column);
    arranged(line, items).into_iter().find(on)?.1.action
}

/// The items that have room, with the columns at which they begin.
fn arranged(line: Rect, mut items: Vec<Item>) -> Vec<(u16, Item)> {
    if line.is_empty() {
        return Vec::new();
    }
    items.retain(|item| item.width() > 0);
    while items.len() > 1 && total(&items) > line.width {
        let Some(least) = items.iter().enumerate().min_by_key(|(_, item)| item.rank).map(|(index, _)| index)
        else {
            break;
        };
        let excess = total(&items).saturating_sub(line.width);
        let shrunk =
            items.get_mut(least).is_some_and(|item| item.shrink(item.width().saturating_sub(excess)));
        if !shrunk {
            items.remove(least);
        }
    }
    let (left, right): (Vec<Item>, Vec<Item>) = items.into_iter().partition(|item| item.is(Side::Left));
    let from = line.right().saturating_sub(total(&right));
    let mut x = line.x;
    let mut places: Vec<(u16, Item)> = Vec::with_capacity(left.len() + right.len());
    let mut place = |x: &mut u16, item: Item| {
        let next = x.saturating_add(item.width()).min(line.right()).saturating_add(GAP);
        places.push((std::mem::replace(x, next), item));
    };
    left.into_iter().for_each(|item| place(&mut x, item));
    x = from.max(x).max(line.x);
    right.into_iter().for_each(|item| place(&mut x, item));
    places
}
