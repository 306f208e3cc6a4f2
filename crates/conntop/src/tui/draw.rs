//! Draws a [`Screen`]. Pure: the same screen and size always give the same buffer; no I/O, no lock,
//! no lookup, no change of what is drawn.
//!
//! Any size is fine: what has no room is left out, by the order of [`Areas::of`] for lines and by
//! rank within a line.

mod bar;
mod header;
mod layers;
mod table;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use self::bar::{Item, Side};
use super::action::Action;
use super::glyphs::{self, Charset};
use super::screen::{Candidates, FilterLine, Footer, Screen, Span};
use super::theme::{Background, Role, Theme};
use super::wrap::{cut, width};

/// How a screen is to look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// Colours.
    pub theme: Theme,
    /// What they are drawn on.
    pub background: Background,
    /// Signs.
    pub charset: Charset,
}

/// Where the parts of the screen are; parts without room are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    /// Node, source and rates.
    pub first: Rect,
    /// Flows and abnormal facts.
    pub second: Rect,
    /// The screens that one can go to.
    pub panes: Rect,
    /// Filter and the line below it while it is typed.
    pub filter: Rect,
    /// Headings of the columns.
    pub heading: Rect,
    /// Rows, and whatever lies on them.
    pub body: Rect,
    /// Keys.
    pub footer: Rect,
}

impl Areas {
    /// Shares out the lines of the screen: one row first, then headings, the filter, the footer and
    /// the header, and the names of the screens, each only if rows are left.
    #[must_use]
    pub fn of(area: Rect, filter_lines: u16) -> Self {
        let height = area.height;
        let filter = match filter_lines {
            0 => 0,
            wanted => wanted.min(height.saturating_sub(1)),
        };
        let left = height.saturating_sub(filter);
        let heading = u16::from(left >= 2);
        let second = u16::from(left >= 3);
        let footer = u16::from(left >= 6);
        let first = u16::from(left >= 7);
        let panes = u16::from(left >= 12);
        let above = first + second + panes + filter + heading;
        let body = height.saturating_sub(above + footer);
        let mut y = area.y;
        let mut next = |lines: u16| {
            let rect = Rect { x: area.x, y, width: area.width, height: lines };
            y = y.saturating_add(lines);
            rect
        };
        Self {
            first: next(first),
            second: next(second),
            panes: next(panes),
            filter: next(filter),
            heading: next(heading),
            body: next(body),
            footer: next(footer),
        }
    }

    /// Where layers lie.
    #[must_use]
    pub fn layer(&self) -> Rect {
        self.heading.union(self.body)
    }

    /// Lines of a scrolling text that fit there.
    #[must_use]
    pub fn text_lines(&self) -> usize {
        usize::from(self.layer().height.saturating_sub(1))
    }
}

/// Lines that the filter takes on the screen.
#[must_use]
pub fn filter_lines(filter: Option<&FilterLine>) -> u16 {
    match filter {
        None => 0,
        Some(line) if line.cursor.is_some() => 2,
        Some(_) => 1,
    }
}

/// Lines between the names of the screens and the headings.
fn lines_above(screen: &Screen) -> u16 {
    match &screen.filter {
        Some(line) => filter_lines(Some(line)),
        None => u16::try_from(screen.table.notes.len()).unwrap_or(u16::MAX),
    }
}

/// Draws the screen on a frame.
pub fn frame(screen: &Screen, look: Look, frame: &mut Frame<'_>) {
    let area = frame.area();
    let cursor = draw(screen, look, area, frame.buffer_mut());
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
}

/// Draws the screen on a buffer; gives the place of the cursor while something is typed.
pub fn draw(screen: &Screen, look: Look, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let area = area.intersection(buffer.area);
    if area.is_empty() {
        return None;
    }
    let mut canvas = Canvas { buffer, look };
    let areas = Areas::of(area, lines_above(screen));
    header::first(&mut canvas, areas.first, &screen.header);
    header::second(&mut canvas, areas.second, &screen.header, &screen.footer);
    let panes = header::panes(screen.pane, screen.header.seen.as_ref());
    bar::draw(&mut canvas, areas.panes, panes);
    let cursor = screen.filter.as_ref().and_then(|line| filter(&mut canvas, areas.filter, line));
    if screen.filter.is_none() {
        table::notes(&mut canvas, areas.filter, &screen.table);
    }
    table::headings(&mut canvas, areas.heading, &screen.table);
    table::rows(&mut canvas, areas.body, &screen.table);
    if let Some(layer) = &screen.layer {
        layers::draw(&mut canvas, areas.layer(), layer);
    }
    bar::draw(&mut canvas, areas.footer, footer(&screen.footer));
    glyphs::sanitize(canvas.buffer, look.charset);
    cursor
}

/// The buffer with its theme, and the only ways in which text gets into it.
struct Canvas<'a> {
    buffer: &'a mut Buffer,
    look: Look,
}

impl Canvas<'_> {
    /// Writes a text from `x` on, at most to the right end of `line`; gives the next free column.
    fn text(&mut self, line: Rect, x: u16, text: &str, style: Style) -> u16 {
        let line = line.intersection(self.buffer.area);
        if line.is_empty() || x < line.x || x >= line.right() {
            return x;
        }
        let room = usize::from(line.right() - x);
        self.buffer.set_stringn(x, line.y, text, room, style).0
    }

    fn spans(&mut self, line: Rect, x: u16, spans: &[Span]) -> u16 {
        spans.iter().fold(x, |x, span| self.text(line, x, &span.text, self.style(span.role)))
    }

    fn style(&self, role: Role) -> Style {
        self.look.theme.style(role, self.look.background)
    }

    /// Patches the style of a whole area.
    fn paint(&mut self, area: Rect, style: Style) {
        self.buffer.set_style(area.intersection(self.buffer.area), style);
    }

    /// Empties an area.
    fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        for position in area.positions() {
            if let Some(cell) = self.buffer.cell_mut(position) {
                cell.reset();
            }
        }
    }
}

fn line_of(area: Rect, index: u16) -> Rect {
    let y = area.y.saturating_add(index);
    Rect { x: area.x, y, width: area.width, height: 1 }.intersection(area)
}

fn filter(canvas: &mut Canvas<'_>, area: Rect, line: &FilterLine) -> Option<Position> {
    if area.is_empty() {
        return None;
    }
    let top = line_of(area, 0);
    let label = format!("{}: ", line.label);
    let text_x = canvas.text(top, area.x, &label, canvas.style(Role::Label));
    match line.cursor {
        None => {
            accepted(canvas, top, text_x, line);
            None
        }
        Some(cursor) => Some(typed(canvas, area, text_x, cursor, line)),
    }
}

/// The whole expression first, then as many of the totals as fit.
fn accepted(canvas: &mut Canvas<'_>, line: Rect, text_x: u16, filter: &FilterLine) {
    let room = line.right().saturating_sub(text_x);
    let text = cut(&filter.text, room);
    canvas.text(line, text_x, &text, canvas.style(Role::Accent));
    let mut free = room.saturating_sub(width(&text));
    let totals: Vec<&Span> = filter
        .totals
        .iter()
        .map_while(|part| {
            free = free.checked_sub(width(&part.text).saturating_add(2))?;
            Some(part)
        })
        .collect();
    let mut x = line.right();
    for part in totals.into_iter().rev() {
        x = x.saturating_sub(width(&part.text));
        canvas.text(line, x, &part.text, canvas.style(part.role));
        x = x.saturating_sub(2);
    }
}

/// The expression with its cursor, and below it the mistake or the totals.
fn typed(canvas: &mut Canvas<'_>, area: Rect, text_x: u16, cursor: usize, line: &FilterLine) -> Position {
    let (top, below) = (line_of(area, 0), line_of(area, 1));
    let room = usize::from(area.right().saturating_sub(text_x)).saturating_sub(1);
    let hidden = cursor.saturating_sub(room);
    canvas.text(top, text_x, &skip(&line.text, hidden), canvas.style(Role::Text));
    let place = |column: usize| {
        let column = u16::try_from(column.saturating_sub(hidden)).unwrap_or(u16::MAX);
        text_x.saturating_add(column).min(area.right())
    };
    if let Some(candidates) = &line.candidates {
        choices(canvas, below, candidates);
        return Position { x: place(cursor).min(area.right().saturating_sub(1)), y: top.y };
    }
    match &line.error {
        // Nothing is wrong yet, so nothing is marked.
        Some(error) if error.unfinished => {
            let message = cut(&error.message, below.width);
            canvas.text(below, below.x, &message, canvas.style(Role::Dim));
        }
        Some(error) => {
            let (from, to) = (place(error.from), place(error.to));
            let wrong = Rect { x: from, width: to.saturating_sub(from), ..top };
            canvas.paint(wrong, canvas.style(Role::Error).add_modifier(Modifier::UNDERLINED));
            mistake(canvas, below, from, to, &error.message);
        }
        None => {
            let mut x = below.x;
            for part in &line.totals {
                x = canvas.text(below, x, &part.text, canvas.style(part.role)).saturating_add(2);
            }
        }
    }
    Position { x: place(cursor).min(area.right().saturating_sub(1)), y: top.y }
}

/// Words to choose from, with the chosen one in view.
fn choices(canvas: &mut Canvas<'_>, line: Rect, Candidates { words, at }: &Candidates) {
    let count = match at {
        Some(at) => format!("{}/{}", at + 1, words.len()),
        None => words.len().to_string(),
    };
    let room = line.width.saturating_sub(width(&count).saturating_add(2));
    let chosen = at.unwrap_or(0);
    // The first word that leaves room for the chosen one.
    let mut taken: u16 = 0;
    let first = words.iter().enumerate().take(chosen + 1).rev().find(|(_, word)| {
        taken = taken.saturating_add(width(word).saturating_add(2));
        taken > room.saturating_add(2)
    });
    let first = first.map_or(0, |(index, _)| (index + 1).min(chosen));
    let words_line = Rect { width: room, ..line };
    let mut x = line.x;
    for (index, word) in words.iter().enumerate().skip(first) {
        let free = words_line.right().saturating_sub(x);
        if free < width(word) && index != chosen {
            break;
        }
        let role = if Some(index) == *at { Role::Selected } else { Role::Text };
        x = canvas.text(words_line, x, &cut(word, free), canvas.style(role)).saturating_add(2);
    }
    canvas.text(line, line.right().saturating_sub(width(&count)), &count, canvas.style(Role::Dim));
}

/// Carets and the message beside them: to the right, else to the left, else the message alone.
fn mistake(canvas: &mut Canvas<'_>, line: Rect, from: u16, to: u16, message: &str) {
    let style = canvas.style(Role::Error);
    let carets = "^".repeat(usize::from(to.saturating_sub(from)).clamp(1, 20));
    let (wide, marks) = (width(message), width(&carets));
    if from.saturating_add(marks + 1 + wide) <= line.right() {
        let x = canvas.text(line, from, &carets, style);
        canvas.text(line, x.saturating_add(1), message, style);
    } else if line.x.saturating_add(wide) < from && from < line.right() {
        canvas.text(line, from - wide - 1, message, style);
        canvas.text(line, from, &carets, style);
    } else {
        canvas.text(line, line.x, &cut(message, line.width), style);
    }
}

/// The text without its first columns.
fn skip(text: &str, columns: usize) -> String {
    let mut gone = 0;
    text.graphemes(true)
        .skip_while(|grapheme| {
            let skipped = gone < columns;
            gone += grapheme.width();
            skipped
        })
        .collect()
}

fn footer(footer: &Footer) -> Vec<Item> {
    let mut items = vec![
        Item::new(vec![footer.order.clone()], 245, Side::Right),
        Item::new(vec![footer.state.clone()], u8::MAX, Side::Right),
    ];
    for (rank, hint) in (0u8..).zip(&footer.keys) {
        let leaves = matches!(hint.action, Action::Quit | Action::Close);
        let rank = if leaves { 250 } else { 200u8.saturating_sub(rank) };
        let word = Span::new(format!(" {}", hint.word), Role::Text);
        let spans = vec![Span::new(hint.key.clone(), Role::Key), word];
        items.push(Item::new(spans, rank, Side::Left).asks(hint.action.clone()));
    }
    items
}

/// What stands at a place of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    /// Something that asks for this when it is clicked.
    Button(Action),
    /// The heading of a column, by its number.
    Heading(usize),
    /// A row, by its number from the top of the screen.
    Row(usize),
    /// An item of the menu on top.
    Item(usize),
    /// Nothing that can be clicked.
    Nothing,
}

/// What of a screen of that size stands there.
#[must_use]
pub fn spot(screen: &Screen, area: Rect, at: Position) -> Spot {
    let areas = Areas::of(area, lines_above(screen));
    let button = |line: Rect, items: Vec<Item>| bar::action_at(line, items, at.x);
    let found = if areas.footer.contains(at) {
        button(areas.footer, footer(&screen.footer)).map(Spot::Button)
    } else if areas.panes.contains(at) {
        let items = header::panes(screen.pane, screen.header.seen.as_ref());
        button(areas.panes, items).map(Spot::Button)
    } else if let Some(layer) = &screen.layer {
        layers::item_at(areas.layer(), layer, at).map(Spot::Item)
    } else if areas.heading.contains(at) {
        table::column_at(areas.heading, &screen.table.columns, at.x).map(Spot::Heading)
    } else if areas.body.contains(at) {
        let row = usize::from(at.y - areas.body.y);
        (row < screen.table.rows.len()).then_some(Spot::Row(row))
    } else {
        None
    };
    found.unwrap_or(Spot::Nothing)
}
