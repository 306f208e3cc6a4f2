//! The help: keys from the bindings, words from the header, and what is counted.

use crate::enrich::geo::Geo;
use crate::tui::keymap::{HelpLine, Keymap};
use crate::tui::screen::{Span, Spans};
use crate::tui::theme::Role;

/// Columns of the screen that the keys take.
const KEYS: usize = 20;
/// Where explanations begin.
pub(crate) const INDENT: u16 = 23;

/// What a person should know to read the numbers right.
const WORDS: &[(&str, &str)] = &[
    ("in, out", "rates of flows between a local and a remote end, by who receives"),
    ("internal", "both ends are local"),
    ("transit", "neither end is local"),
    ("DOWN, UP", "rates towards and from the local end, over one window for all rows"),
    ("TOTAL", "the kernel's count of IP bytes since the flow began, both directions"),
    ("flows", "in this network namespace; the maximum is that of the whole machine"),
    ("▂▃▅▇", "all rates together over the last half minute"),
    ("clock", "time of the newest data by the router's clock"),
    ("n/a", "nobody knows: the kernel does not say, no database has it"),
    ("dimmed rows", "flows that ended a moment ago, with their last counters"),
    ("not counted", "link-layer headers, untracked traffic, offload without counters"),
];

/// The lines that contain the search text, under their headings.
pub(crate) fn lines(search: &str, keymap: &Keymap, geo: &Geo) -> Vec<Spans> {
    let wanted = search.to_lowercase();
    let mut out: Vec<Spans> = Vec::new();
    let mut title: Option<&str> = None;
    for line in keymap.help() {
        match line {
            HelpLine::Title(text) => title = Some(text),
            HelpLine::Keys(keys, help) => add(&mut out, &mut title, (&keys, help), &wanted),
        }
    }
    title = Some("Words");
    for (word, meaning) in WORDS {
        add(&mut out, &mut title, (word, meaning), &wanted);
    }
    for attribution in geo.attributions() {
        add(&mut out, &mut title, ("places", &attribution.to_string()), &wanted);
    }
    if out.is_empty() {
        out.push(vec![Span::new("nothing found; Esc shows everything again", Role::Dim)]);
    }
    out
}

fn add(out: &mut Vec<Spans>, title: &mut Option<&str>, (left, right): (&str, &str), wanted: &str) {
    let found = |text: &str| text.to_lowercase().contains(wanted);
    if !(wanted.is_empty() || found(left) || found(right)) {
        return;
    }
    if let Some(title) = title.take() {
        if !out.is_empty() {
            out.push(Vec::new());
        }
        out.push(vec![Span::new(title, Role::Title)]);
    }
    out.push(vec![Span::new(format!("  {left:<KEYS$} "), Role::Key), Span::new(right, Role::Text)]);
}
