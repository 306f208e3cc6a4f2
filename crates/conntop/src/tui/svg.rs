//! A finished screen as an SVG picture, for the README.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

const CELL_WIDTH: f32 = 8.4;
const CELL_HEIGHT: f32 = 18.0;
const MARGIN: f32 = 14.0;
const FOREGROUND: &str = "#d8dee9";
const BACKGROUND: &str = "#1b1f27";

/// Runs of equal style become one text element each; columns stay exact by `textLength`.
#[must_use]
pub fn render(buffer: &Buffer) -> String {
    let (columns, rows) = (f32::from(buffer.area.width), f32::from(buffer.area.height));
    let width = columns.mul_add(CELL_WIDTH, 2.0 * MARGIN);
    let height = rows.mul_add(CELL_HEIGHT, 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace\" \
         font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n"
    );
    for y in buffer.area.top()..buffer.area.bottom() {
        let mut x = buffer.area.left();
        while x < buffer.area.right() {
            let Some(first) = buffer.cell((x, y)) else { break };
            let mut text = String::new();
            let start = x;
            while let Some(cell) = buffer.cell((x, y)).filter(|c| look(c) == look(first)) {
                text.push_str(cell.symbol());
                x += 1;
                if x >= buffer.area.right() {
                    break;
                }
            }
            run(&mut out, (start, y), x - start, &text, first);
        }
    }
    out.push_str("</svg>\n");
    out
}

type Look = (Color, Color, Modifier);

fn look(cell: &Cell) -> Look {
    (cell.fg, cell.bg, cell.modifier)
}

fn run(out: &mut String, (x, y): (u16, u16), cells: u16, text: &str, cell: &Cell) {
    let left = f32::from(x).mul_add(CELL_WIDTH, MARGIN);
    let top = f32::from(y).mul_add(CELL_HEIGHT, MARGIN);
    let width = f32::from(cells) * CELL_WIDTH;
    let mut ink = colour(cell.fg).unwrap_or(FOREGROUND);
    let mut paper = colour(cell.bg);
    if cell.modifier.contains(Modifier::REVERSED) {
        (ink, paper) = (paper.unwrap_or(BACKGROUND), Some(ink));
    }
    if let Some(fill) = paper {
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{CELL_HEIGHT}\" fill=\"{fill}\"/>"
        );
    }
    if text.trim().is_empty() {
        return;
    }
    let bold = if cell.modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
    let dim = if cell.modifier.contains(Modifier::DIM) { " opacity=\"0.55\"" } else { "" };
    let base = top + CELL_HEIGHT * 0.75;
    let _ = writeln!(
        out,
        "<text x=\"{left:.1}\" y=\"{base:.1}\" fill=\"{ink}\"{bold}{dim} xml:space=\"preserve\" \
         textLength=\"{width:.1}\" lengthAdjust=\"spacingAndGlyphs\">{}</text>",
        escape(text)
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn colour(colour: Color) -> Option<&'static str> {
    Some(match colour {
        Color::Black => "#2e3440",
        Color::Red | Color::LightRed => "#e06c75",
        Color::Green | Color::LightGreen => "#98c379",
        Color::Yellow | Color::LightYellow => "#e5c07b",
        Color::Blue | Color::LightBlue => "#61afef",
        Color::Magenta | Color::LightMagenta => "#c678dd",
        Color::Cyan | Color::LightCyan => "#56b6c2",
        Color::Gray | Color::White => "#d8dee9",
        Color::DarkGray => "#5c6370",
        _ => return None,
    })
}
