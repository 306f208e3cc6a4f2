//! Drawing at every size, in every mode, with the worst of texts.

use conntop::tui::bindings::Context;
use conntop::tui::draw::{self, Look};
use conntop::tui::glyphs::Charset;
use conntop::tui::keymap::Keymap;
use conntop::tui::screen::{
    Align, Caret, Column, FilterLine, Footer, Header, Layer, Order, Row, Screen, Span, Table,
};
use conntop::tui::theme::{Role, Theme};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

const HOSTILE: &str = "a\x1b]0;owned\x07\u{202e}b\u{200b}\r\n\u{9b}c 한국어 e\u{301} 👩‍👩‍👧";

fn screens(text: &str) -> Vec<Screen> {
    let cell = |role| Span::new(text, role);
    let table = Table {
        notes: Vec::new(),
        columns: (0..12)
            .map(|n| Column {
                key: "key",
                title: text.to_owned(),
                width: n * 3 + 1,
                align: if n % 2 == 0 { Align::Left } else { Align::Right },
                sorted: match n % 3 {
                    0 => None,
                    1 => Some(Order::Ascending),
                    _ => Some(Order::Descending),
                },
            })
            .collect(),
        rows: (0..40)
            .map(|n| Row {
                cells: vec![cell(Role::Text); 12],
                ghost: n % 3 == 0,
                selected: n == 5,
                columns: None,
            })
            .collect(),
        empty: Vec::new(),
    };
    let base = Screen {
        header: Header {
            node: text.to_owned(),
            source: text.to_owned(),
            replayed: true,
            input: Some("84.2 Mbit/s".into()),
            output: Some("9.10 Mbit/s".into()),
            words: ("in", "out"),
            history: (0..50).map(f64::from).collect(),
            quiet_outside: false,
            others: vec![("transit", "1.00 Gbit/s".into())],
            window: "2s".into(),
            clock: Some("12:04:31".into()),
            flows: Some(12_041),
            max: Some(262_144),
            begun: Some(132.0),
            ended: Some(128.4),
            seen: None,
            abnormal: vec![cell(Role::Warning), cell(Role::Error)],
        },
        pane: conntop::tui::pane::Pane::Flows,
        filter: None,
        table,
        layer: None,
        footer: Footer {
            keys: Keymap::default().footer(Context::Flows),
            order: Span::new(text, Role::Label),
            state: Span::new("live", Role::Label),
        },
    };
    let with_filter = |cursor, error| Screen {
        filter: Some(FilterLine {
            candidates: None,
            label: "filter",
            text: text.repeat(3),
            cursor,
            totals: vec![cell(Role::Label)],
            error,
        }),
        ..base.clone()
    };
    let caret = |from, to| Some(Caret { from, to, message: text.to_owned(), unfinished: false });
    let with_layer = |layer| Screen { layer: Some(layer), ..base.clone() };
    let lines = vec![vec![cell(Role::Label), cell(Role::Text)]; 30];
    vec![
        Screen {
            table: Table { rows: Vec::new(), empty: lines.clone(), ..base.table.clone() },
            ..base.clone()
        },
        Screen::default(),
        with_filter(None, None),
        with_filter(Some(7), None),
        with_filter(Some(200), caret(3, 9)),
        with_filter(Some(0), caret(180, 500)),
        with_layer(Layer::Text { title: text.to_owned(), lines: lines.clone(), top: 3 }),
        with_layer(Layer::Text { title: text.to_owned(), lines: lines.clone(), top: 900 }),
        with_layer(Layer::Menu { title: text.to_owned(), items: vec![text.to_owned(); 30], at: 20 }),
        with_layer(Layer::Picker {
            title: text.to_owned(),
            items: vec![text.to_owned(); 30],
            at: 20,
            note: text.to_owned(),
        }),
        with_layer(Layer::Dialog { title: text.to_owned(), text: lines }),
        base,
    ]
}

fn draw(screen: &Screen, look: Look, width: u16, height: u16) -> Buffer {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    let cursor = draw::draw(screen, look, area, &mut buffer);
    assert!(cursor.is_none_or(|at| area.contains(at)), "cursor {cursor:?} outside {area:?}");
    buffer
}

#[test]
fn no_size_panics_and_nothing_dangerous_reaches_the_terminal() {
    let screens = screens(HOSTILE);
    let widths = (1..=24).chain([39, 59, 80, 120, 220]);
    for width in widths {
        for height in (1..=8).chain([24, 70]) {
            for screen in &screens {
                for charset in [Charset::Unicode, Charset::Ascii] {
                    let look = Look { charset, ..Look::default() };
                    let buffer = draw(screen, look, width, height);
                    for cell in &buffer.content {
                        let bad = |ch: char| {
                            ch.is_control()
                                || matches!(ch, '\u{200b}' | '\u{202e}')
                                || (charset == Charset::Ascii && !ch.is_ascii())
                        };
                        assert!(!cell.symbol().chars().any(bad), "{:?} at {width}x{height}", cell.symbol());
                    }
                }
            }
        }
    }
}

#[test]
fn monochrome_has_no_colour() {
    let look = Look { theme: Theme::Monochrome, ..Look::default() };
    for screen in screens("text") {
        for cell in &draw(&screen, look, 100, 30).content {
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
        }
    }
}
