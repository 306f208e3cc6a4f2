//! The two lines at the top.

use ratatui::layout::Rect;

use super::Canvas;
use super::bar::{self, Item, Side};
use crate::tui::action::Action;
use crate::tui::format;
use crate::tui::glyphs::{DOT, spark};
use crate::tui::pane::Pane;
use crate::tui::screen::{Footer, Header, Seen, Span, Spans};
use crate::tui::theme::Role;
use crate::tui::wrap::cut;

/// Cells of the fill bar between its brackets.
const BAR: usize = 12;
/// Cells of the sparkline: half a minute at one tick a second.
const SPARKLINE: usize = 30;
/// A shorter one says nothing.
const SHORTEST: usize = 8;
/// Longest name of a node that is shown whole.
const NODE: u16 = 24;

pub(super) fn first(canvas: &mut Canvas<'_>, line: Rect, header: &Header) {
    let node = cut(&header.node, NODE.min(line.width));
    let mut items = vec![Item::new(vec![Span::new(node, Role::Title)], 250, Side::Left)];
    if !header.source.is_empty() {
        let source = vec![Span::new(format!("{DOT} {}", header.source), Role::Label)];
        let source = match header.replayed {
            // Before the window and the clock, for it says where one is; its name may lose its end.
            true => Item::new(source, 125, Side::Left).flexible(),
            false => Item::new(source, 100, Side::Left),
        };
        items.push(source);
    }
    for (word, rate, rank) in [(header.words.0, &header.input, 200), (header.words.1, &header.output, 199)] {
        if let Some(rate) = rate {
            items.push(Item::new(labelled(word, rate), rank, Side::Right));
        }
    }
    let most = if header.quiet_outside { 150u8 } else { 70 };
    for (rank, (word, rate)) in (0u8..).zip(&header.others) {
        items.push(Item::new(labelled(word, rate), most.saturating_sub(rank), Side::Right));
    }
    if !header.window.is_empty() {
        items.push(Item::new(labelled("rates", &header.window), 120, Side::Right));
    }
    if let Some(clock) = &header.clock {
        items.push(Item::new(vec![Span::new(clock.clone(), Role::Label)], 80, Side::Right));
    }
    let room = usize::from(bar::room(line, &items)).min(SPARKLINE);
    if room >= SHORTEST && !header.history.is_empty() {
        let text = spark(&header.history, room);
        let place = items.iter().position(|item| item.is(Side::Right)).map_or(0, |first| first + 2);
        let item = Item::new(vec![Span::new(text, Role::Accent)], 50, Side::Right);
        items.insert(place.min(items.len()), item);
    }
    bar::draw(canvas, line, items);
}

/// The names of the screens with their digits; where they do not fit, that of the shown one and its
/// neighbours. What was seen stands at the right, where there is room for it.
pub(super) fn panes(shown: Pane, seen: Option<&Seen>) -> Vec<Item> {
    let item = |pane: &Pane| {
        let (rank, role) = match *pane == shown {
            true => (u8::MAX, Role::Shown),
            false => (100u8.saturating_sub(u8::try_from(pane.digit()).unwrap_or(u8::MAX)), Role::Label),
        };
        let digit = Span::new(pane.digit().to_string(), Role::Key);
        Item::new(vec![digit, Span::new(format!(" {}", pane.title()), role)], rank, Side::Left)
            .asks(Action::Pane(*pane))
    };
    let mut items: Vec<Item> = Pane::ALL.iter().map(item).collect();
    if let Some(Seen { word, span, parts }) = seen {
        // One item: without its word it would be taken for rates.
        let mut seen = vec![Span::new(*word, Role::Label)];
        for (word, amount) in parts {
            seen.push(Span::new(format!(" {word} "), Role::Label));
            seen.push(Span::new(amount.clone(), Role::Text));
        }
        items.push(Item::new(seen, 60, Side::Right));
        items.push(Item::new(labelled("over", span), 40, Side::Right));
    }
    items
}

pub(super) fn second(canvas: &mut Canvas<'_>, line: Rect, header: &Header, footer: &Footer) {
    let mut items = Vec::new();
    let narrow = line.width < 40;
    if let Some(count) = header.flows {
        let mut flows = labelled("flows", &format::grouped(count));
        if let Some(max) = header.max.filter(|_| !narrow) {
            flows.push(Span::new(format!(" / {}", format::grouped(max)), Role::Label));
        }
        items.push(Item::new(flows, 250, Side::Left));
        if let Some(max) = header.max.filter(|max| *max > 0) {
            items.push(Item::new(fill(count, max), 60, Side::Left));
        }
    }
    for (word, rate, rank) in [("new", header.begun, 90), ("ended", header.ended, 80)] {
        if let Some(rate) = rate {
            items.push(Item::new(labelled(word, &format::per_second(rate)), rank, Side::Left));
        }
    }
    for (rank, fact) in (0u8..).zip(&header.abnormal) {
        let item = Item::new(vec![fact.clone()], 240u8.saturating_sub(rank), Side::Right);
        items.push(item.flexible());
    }
    if narrow && header.abnormal.is_empty() {
        // There may be no footer, and the state is worth more than the rest.
        items.push(Item::new(vec![footer.state.clone()], 245, Side::Right));
    }
    bar::draw(canvas, line, items);
}

fn labelled(label: &str, value: &str) -> Spans {
    vec![Span::new(format!("{label} "), Role::Label), Span::new(value, Role::Text)]
}

/// `[|||       5%]`, a warning when nearly full.
fn fill(count: u64, max: u64) -> Spans {
    let percent = count.saturating_mul(100).checked_div(max).unwrap_or(0).min(100);
    let filled = usize::try_from(percent).unwrap_or(0) * BAR / 100;
    let filled = if count > 0 { filled.max(1) } else { filled };
    let label = format!("{percent}%");
    let free = BAR.saturating_sub(filled);
    let bar: String = std::iter::repeat_n('|', filled)
        .chain(std::iter::repeat_n(' ', free))
        .take(BAR.saturating_sub(label.len()))
        .collect();
    let role = match percent {
        90.. => Role::Error,
        75..90 => Role::Warning,
        _ => Role::Accent,
    };
    vec![
        Span::new("[", Role::Label),
        Span::new(bar, role),
        Span::new(label, role),
        Span::new("]", Role::Label),
    ]
}
