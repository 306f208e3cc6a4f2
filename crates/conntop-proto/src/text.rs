//! THE sanitizer. Text from outside (names from the kernel and the network, strings of the other
//! side, recordings) passes it once at its entrance; after that it can go to a terminal or a log
//! without moving a cursor, turning the reading direction or forging a line.
//!
//! Control characters (C0, DEL, C1) are shown as `\x1b`, invisible and direction-changing ones as
//! `\u{202e}`, bytes that are not UTF-8 as `\xff`; at most [`MAX_TEXT`] bytes remain, cut between
//! characters. Clean text comes out as it went in, so the sanitizer is idempotent.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::limits::MAX_TEXT;

/// Makes text from outside harmless.
#[must_use]
pub fn sanitize(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_TEXT && !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut out = Clean::default();
    let _ = text.chars().all(|c| out.push(c));
    Cow::Owned(out.0)
}

/// Makes bytes from outside harmless text.
#[must_use]
pub fn sanitize_bytes(bytes: &[u8]) -> String {
    let mut out = Clean::default();
    for chunk in bytes.utf8_chunks() {
        let whole = chunk.valid().chars().all(|c| out.push(c));
        if !whole || !chunk.invalid().iter().all(|b| out.piece(format_args!("\\x{b:02x}"))) {
            break;
        }
    }
    out.0
}

/// Whether a character may not reach a terminal.
#[must_use]
pub fn is_hostile(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}'              // C0, DEL, C1
        | '\u{ad}' | '\u{34f}' | '\u{61c}'             // soft hyphen, joiner, Arabic mark
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // fillers that draw nothing
        | '\u{180b}'..='\u{180f}'                      // Mongolian selectors
        | '\u{200b}'..='\u{200f}'                      // zero-width, direction marks
        | '\u{2028}'..='\u{202e}'                      // line separators, bidi embeddings
        | '\u{2060}'..='\u{206f}'                      // word joiner, bidi isolates
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'         // variation selectors, BOM
        | '\u{fff9}'..='\u{fffb}'                      // annotations
        | '\u{e0000}'..='\u{e0fff}'                    // tags
    )
}

/// Text under construction, never longer than [`MAX_TEXT`].
#[derive(Default)]
struct Clean(String);

impl Clean {
    /// Whether the character still found room.
    fn push(&mut self, c: char) -> bool {
        match u32::from(c) {
            _ if !is_hostile(c) => self.piece(format_args!("{c}")),
            code @ 0..=0xff => self.piece(format_args!("\\x{code:02x}")),
            code => self.piece(format_args!("\\u{{{code:x}}}")),
        }
    }

    fn piece(&mut self, piece: std::fmt::Arguments<'_>) -> bool {
        let before = self.0.len();
        let written = self.0.write_fmt(piece).is_ok();
        let fits = written && self.0.len() <= MAX_TEXT;
        if !fits {
            self.0.truncate(before);
        }
        fits
    }
}
