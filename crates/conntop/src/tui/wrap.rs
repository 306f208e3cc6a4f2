//! Breaks lines at blanks.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::glyphs::CUT;
use super::screen::{Span, Spans};
use super::theme::Role;

/// Columns of the screen that a text takes.
#[must_use]
pub fn width(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// The text cut to a width, with a sign where something is missing.
#[must_use]
pub fn cut(text: &str, room: u16) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let next = used + width(grapheme);
        if next.saturating_add(1) > room {
            break;
        }
        out.push_str(grapheme);
        used = next;
    }
    if room > 0 {
        out.push_str(CUT);
    }
    out
}

/// Breaks each line so that it is at most `room` wide; what goes on stands `indent` columns to the
/// right, if that leaves room for words. Each span keeps its role.
#[must_use]
pub fn wrap(lines: &[Spans], room: u16, indent: u16) -> Vec<Spans> {
    let indent = if room >= indent.saturating_add(LEAST) { indent } else { indent.min(2) };
    lines.iter().flat_map(|line| broken(line, room, indent)).collect()
}

/// Narrower, words are better off without an indent.
const LEAST: u16 = 20;

fn broken(line: &Spans, room: u16, indent: u16) -> Vec<Spans> {
    let mut out = Vec::new();
    let mut current: Spans = Vec::new();
    let mut used: u16 = 0;
    // Blanks in front, such as those of a label, are no place to break.
    let mut started = false;
    for span in line {
        for word in span.text.split_inclusive(' ') {
            let bare = width(word.trim_end());
            if started && bare > 0 && used.saturating_add(bare) > room {
                out.push(std::mem::take(&mut current));
                used = indent;
                if indent > 0 {
                    current.push(Span::new(" ".repeat(usize::from(indent)), Role::Text));
                }
            }
            started |= bare > 0;
            let left = room.saturating_sub(used).max(1);
            let word = if bare <= left { word.to_owned() } else { cut(word, left) };
            used = used.saturating_add(width(&word));
            match current.last_mut().filter(|last| last.role == span.role) {
                Some(last) => last.text.push_str(&word),
                None => current.push(Span::new(word, span.role)),
            }
        }
    }
    out.push(current);
    out
}
