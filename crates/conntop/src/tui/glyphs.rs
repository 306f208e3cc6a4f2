//! The signs that are not letters, for terminals with and without Unicode.
//!
//! Drawing always uses the Unicode set; [`sanitize`] turns a finished buffer into ASCII where the
//! locale asks for it, so no widget has to know. The same pass removes every control character:
//! whatever a text brought along, no escape sequence leaves through the buffer.

use ratatui::buffer::Buffer;

/// Levels of the sparkline, lowest first.
pub const SPARK: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Between two words of a title.
pub const DOT: &str = "·";
/// Mark of a column that is sorted upwards.
pub const ASCENDING: &str = "▲";
/// Mark of a column that is sorted downwards.
pub const DESCENDING: &str = "▼";
/// Where something was cut off.
pub const CUT: &str = "…";

/// What the terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// Everything.
    #[default]
    Unicode,
    /// ASCII only.
    Ascii,
}

impl Charset {
    /// The character set of a locale, the first of LC_ALL, LC_CTYPE and LANG that says anything.
    #[must_use]
    pub fn of_locale(names: [Option<&str>; 3]) -> Self {
        let locale = names.into_iter().flatten().find(|name| !name.is_empty()).unwrap_or("C");
        let upper = locale.to_ascii_uppercase();
        if upper.contains("UTF-8") || upper.contains("UTF8") { Self::Unicode } else { Self::Ascii }
    }
}

const PLAIN: &[(&str, &str)] = &[
    ("▁", "_"),
    ("▂", "_"),
    ("▃", "."),
    ("▄", "."),
    ("▅", "o"),
    ("▆", "o"),
    ("▇", "#"),
    ("█", "#"),
    ("▲", "^"),
    ("▼", "v"),
    ("·", "-"),
    ("…", "~"),
    ("→", ">"),
    ("←", "<"),
    ("─", "-"),
    ("│", "|"),
    ("┌", "+"),
    ("┐", "+"),
    ("└", "+"),
    ("┘", "+"),
    ("├", "+"),
    ("┤", "+"),
    ("╭", "+"),
    ("╮", "+"),
    ("╰", "+"),
    ("╯", "+"),
    ("×", "x"),
    ("–", "-"),
];

/// Makes a finished buffer fit for the terminal.
pub fn sanitize(buffer: &mut Buffer, charset: Charset) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        if symbol.bytes().all(|b| (b' '..0x7f).contains(&b)) {
            continue;
        }
        if symbol.chars().any(unsafe_on_terminals) {
            cell.set_symbol("?");
        } else if charset == Charset::Ascii {
            let plain = PLAIN.iter().find(|(from, _)| *from == symbol).map_or("?", |(_, to)| to);
            cell.set_symbol(plain);
        }
    }
}

/// Control characters and those that turn the direction of the text around.
fn unsafe_on_terminals(ch: char) -> bool {
    ch.is_control()
        || matches!(ch, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// The newest values at the right, scaled to the largest in view.
#[must_use]
pub fn spark(history: &[f64], cells: usize) -> String {
    let newest = history.get(history.len().saturating_sub(cells)..).unwrap_or(history);
    let largest = newest.iter().copied().fold(0.0_f64, f64::max);
    let levels = newest.iter().map(|value| level(*value, largest));
    std::iter::repeat_n(' ', cells.saturating_sub(newest.len())).chain(levels).collect()
}

fn level(value: f64, largest: f64) -> char {
    let share = if largest > 0.0 { (value / largest).clamp(0.0, 1.0) } else { 0.0 };
    let step = SPARK.iter().zip(1u8..).find(|(_, step)| share <= f64::from(*step) / 8.0);
    step.map_or('█', |(ch, _)| *ch)
}
