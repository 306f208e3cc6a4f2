//! What lies on top of the rows: texts, menus, questions.

use ratatui::layout::{Position, Rect};

use super::{Canvas, line_of};
use crate::tui::screen::{Layer, Span, Spans};
use crate::tui::theme::Role;
use crate::tui::wrap::{cut, width, wrap};

/// Widest question: longer lines are hard to read.
const DIALOG: u16 = 72;

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, layer: &Layer) {
    match layer {
        Layer::Text { title, lines, top } => text(canvas, area, title, lines, *top),
        Layer::Menu { title, items, at } => menu(canvas, area, title, items, *at, None),
        Layer::Picker { title, items, at, note } => menu(canvas, area, title, items, *at, Some(note)),
        Layer::Dialog { title, text } => dialog(canvas, area, title, text),
    }
}

fn text(canvas: &mut Canvas<'_>, area: Rect, title: &str, lines: &[Spans], top: usize) {
    canvas.clear(area);
    let head = line_of(area, 0);
    canvas.paint(head, canvas.style(Role::Heading));
    canvas.text(head, head.x, &cut(title, head.width), canvas.style(Role::Heading));
    let room = usize::from(area.height.saturating_sub(1));
    if lines.len() > room {
        let last = (top + room).min(lines.len());
        let place = format!(" {}-{last}/{} ", top + 1, lines.len());
        let x = head.right().saturating_sub(width(&place));
        if x > head.x.saturating_add(width(title)) {
            canvas.text(head, x, &place, canvas.style(Role::Heading));
        }
    }
    for (index, line) in (1..area.height).zip(lines.iter().skip(top)) {
        let place = line_of(area, index);
        canvas.spans(place, place.x, line);
    }
}

/// Lines that a note takes, with the one that parts it from the list.
const NOTE: u16 = 4;
/// In less room there is none.
const NOTED: u16 = 12;

fn menu(canvas: &mut Canvas<'_>, area: Rect, title: &str, items: &[String], at: usize, note: Option<&str>) {
    let (Frame { outer, inner }, list) = menu_frame(area, title, items, note.is_some());
    border(canvas, title, outer, inner);
    if list != inner {
        let text = vec![vec![Span::new(note.unwrap_or_default(), Role::Label)]];
        let wrapped = wrap(&text, inner.width.saturating_sub(2).max(1), 0);
        for (index, line) in (1..NOTE).zip(&wrapped) {
            let place = line_of(inner, list.height.saturating_add(index));
            canvas.spans(place, place.x.saturating_add(1), line);
        }
    }
    let inner = list;
    let top = first(inner, items, at);
    for (index, (number, item)) in (0..inner.height).zip(items.iter().enumerate().skip(top)) {
        let place = line_of(inner, index);
        let text = cut(item, place.width.saturating_sub(2));
        canvas.text(place, place.x.saturating_add(1), &text, canvas.style(Role::Text));
        if number == at {
            canvas.paint(place, canvas.style(Role::Selected));
        }
    }
}

/// The box, and where in it the list is.
fn menu_frame(area: Rect, title: &str, items: &[String], noted: bool) -> (Frame, Rect) {
    let widest = items.iter().map(|item| width(item)).max().unwrap_or(0).max(width(title));
    let lines = u16::try_from(items.len()).unwrap_or(u16::MAX);
    let below = if noted && area.height >= NOTED { NOTE } else { 0 };
    let size = (widest.saturating_add(2), lines.saturating_add(below));
    let frame = frame(area, size, Place::TopLeft);
    let list = Rect { height: frame.inner.height.saturating_sub(below), ..frame.inner };
    (frame, list)
}

/// The first item in view.
fn first(inner: Rect, items: &[String], at: usize) -> usize {
    let room = usize::from(inner.height);
    let top = at.saturating_sub(room.saturating_sub(1)).max(at.saturating_sub(room / 2));
    top.min(items.len().saturating_sub(room))
}

/// The item of a menu that stands there.
pub(super) fn item_at(area: Rect, layer: &Layer, place: Position) -> Option<usize> {
    let (title, items, at, noted) = match layer {
        Layer::Menu { title, items, at } => (title, items, at, false),
        Layer::Picker { title, items, at, .. } => (title, items, at, true),
        Layer::Text { .. } | Layer::Dialog { .. } => return None,
    };
    let (_, inner) = menu_frame(area, title, items, noted);
    if !inner.contains(place) {
        return None;
    }
    let index = first(inner, items, *at) + usize::from(place.y - inner.y);
    (index < items.len()).then_some(index)
}

fn dialog(canvas: &mut Canvas<'_>, area: Rect, title: &str, text: &[Spans]) {
    let room = DIALOG.min(area.width.saturating_sub(4)).max(1);
    let lines = wrap(text, room, 0);
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let size = (room.saturating_add(2), height);
    let Frame { outer, inner } = frame(area, size, Place::Middle);
    border(canvas, title, outer, inner);
    // The last lines are the question: when there is too little room they stay.
    let hidden = lines.len().saturating_sub(usize::from(inner.height));
    for (index, line) in (0..inner.height).zip(lines.iter().skip(hidden)) {
        let place = line_of(inner, index);
        let x = place.x.saturating_add(u16::from(place.width > room));
        canvas.spans(place, x, line);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    TopLeft,
    Middle,
}

/// A box and what is within its border.
struct Frame {
    outer: Rect,
    inner: Rect,
}

/// A box in the area, with a border if there is room for one.
fn frame(area: Rect, size: (u16, u16), place: Place) -> Frame {
    let bordered = area.width >= 10 && area.height >= 4;
    let edge = u16::from(bordered) * 2;
    // Without a border nothing beside it tells where it ends.
    let wide = if bordered { size.0.saturating_add(edge).min(area.width) } else { area.width };
    let high = size.1.saturating_add(edge).min(area.height);
    let (x, y) = match place {
        Place::TopLeft => (area.x, area.y),
        Place::Middle => (area.x + (area.width - wide) / 2, area.y + (area.height - high) / 3),
    };
    let outer = Rect { x, y, width: wide, height: high };
    let inner = match bordered {
        true => Rect { x: x + 1, y: y + 1, width: wide - 2, height: high - 2 },
        false => outer,
    };
    Frame { outer, inner }
}

/// Clears the box and draws its border, if it has one.
fn border(canvas: &mut Canvas<'_>, title: &str, outer: Rect, inner: Rect) {
    canvas.clear(outer);
    if outer == inner {
        return;
    }
    let Rect { x, width: wide, height: high, .. } = outer;
    let style = canvas.style(Role::Accent);
    let bar = "─".repeat(usize::from(wide.saturating_sub(2)));
    canvas.text(line_of(outer, 0), x, &format!("┌{bar}┐"), style);
    canvas.text(line_of(outer, high - 1), x, &format!("└{bar}┘"), style);
    for index in 1..high.saturating_sub(1) {
        let line = line_of(outer, index);
        canvas.text(line, x, "│", style);
        canvas.text(line, outer.right().saturating_sub(1), "│", style);
    }
    let title = cut(&format!(" {title} "), wide.saturating_sub(4));
    canvas.text(line_of(outer, 0), x.saturating_add(2), &title, canvas.style(Role::Title));
}
