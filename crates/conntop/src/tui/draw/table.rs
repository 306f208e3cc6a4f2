//! Headings and rows.

use ratatui::layout::{Alignment, Rect};
use ratatui::style::Modifier;

use super::{Canvas, line_of};
use crate::tui::glyphs::{ASCENDING, DESCENDING};
use crate::tui::screen::{Align, Column, Order, Row, Table};
use crate::tui::theme::Role;
use crate::tui::wrap::{cut, width, wrap};

/// Blanks between two columns.
const GAP: u16 = 1;

pub(super) fn notes(canvas: &mut Canvas<'_>, area: Rect, table: &Table) {
    for (index, note) in (0..area.height).zip(&table.notes) {
        let line = line_of(area, index);
        canvas.spans(line, line.x, note);
    }
}

pub(super) fn headings(canvas: &mut Canvas<'_>, line: Rect, table: &Table) {
    canvas.paint(line, canvas.style(Role::Heading));
    for (place, column) in places(line, &table.columns) {
        let (role, sign) = match column.sorted {
            None => (Role::Heading, ""),
            Some(Order::Ascending) => (Role::SortedHeading, ASCENDING),
            Some(Order::Descending) => (Role::SortedHeading, DESCENDING),
        };
        let title = head(&column.title, place.width.saturating_sub(width(sign)));
        let text = format!("{title}{sign}");
        let x = start(place, column.align, &text);
        canvas.text(place, x, &text, canvas.style(role));
    }
}

/// What fits of a heading; a sign for the rest would say less than the letter it takes.
fn head(title: &str, room: u16) -> String {
    title.chars().take(usize::from(room)).collect()
}

pub(super) fn rows(canvas: &mut Canvas<'_>, body: Rect, table: &Table) {
    if table.rows.is_empty() {
        return empty(canvas, body, table);
    }
    for (index, row) in (0..body.height).zip(&table.rows) {
        draw_row(canvas, line_of(body, index), &table.columns, row);
    }
}

fn draw_row(canvas: &mut Canvas<'_>, line: Rect, columns: &[Column], row: &Row) {
    let columns = row.columns.as_deref().unwrap_or(columns);
    for ((place, column), cell) in places(line, columns).zip(&row.cells) {
        let role = if row.ghost { Role::Dim } else { cell.role };
        let text = cut(&cell.text, place.width);
        let x = start(place, column.align, &text);
        canvas.text(place, x, &text, canvas.style(role));
    }
    if row.selected {
        canvas.paint(line, canvas.style(Role::Selected).remove_modifier(Modifier::DIM));
    }
}

/// Places of the columns that fit.
fn places(line: Rect, columns: &[Column]) -> impl Iterator<Item = (Rect, &Column)> {
    let mut x = line.x;
    columns.iter().map_while(move |column| {
        let room = line.right().saturating_sub(x);
        if room == 0 {
            return None;
        }
        let place = Rect { x, y: line.y, width: column.width.min(room), height: line.height };
        x = x.saturating_add(column.width).saturating_add(GAP);
        Some((place, column))
    })
}

/// The column that stands there.
pub(super) fn column_at(line: Rect, columns: &[Column], x: u16) -> Option<usize> {
    places(line, columns).position(|(place, _)| (place.x..place.right()).contains(&x))
}

fn start(place: Rect, align: Align, text: &str) -> u16 {
    match align {
        Align::Left => place.x,
        Align::Right => place.right().saturating_sub(width(text)).max(place.x),
    }
}

fn empty(canvas: &mut Canvas<'_>, body: Rect, table: &Table) {
    let lines = wrap(&table.empty, body.width.saturating_sub(2).max(1), 0);
    let above = u16::try_from(lines.len()).map_or(0, |n| body.height.saturating_sub(n) / 3);
    for (index, line) in (above..body.height).zip(&lines) {
        let place = line_of(body, index);
        let used: u16 = line.iter().map(|span| width(&span.text)).sum();
        let x = align(place, used, Alignment::Center);
        canvas.spans(place, x, line);
    }
}

fn align(place: Rect, used: u16, alignment: Alignment) -> u16 {
    let free = place.width.saturating_sub(used);
    match alignment {
        Alignment::Left => place.x,
        Alignment::Center => place.x + free / 2,
        Alignment::Right => place.x + free,
    }
}
