//! A manual page in the making: sections, paragraphs and items of man(7), in lines that `mandoc -T lint`
//! has nothing to say about.

use roff::{Inline, Roff};

/// Bytes of a line of the source; 80 is the most, and a sign may stand behind a word.
const LINE: usize = 76;
/// Columns of an example, in a page of 80.
const EXAMPLE: usize = 68;
/// Columns of the name of an item that stands in the same line as its text.
const TAG: &str = "16";

/// A page.
#[derive(Debug)]
pub(super) struct Sheet {
    roff: Roff,
    /// Right behind a heading or at the beginning of a block, where no paragraph may begin.
    begun: bool,
}

impl Sheet {
    /// A page of this name and section; `date` is that of the version.
    pub(super) fn new(name: &str, section: &str, date: &str) -> Self {
        let version = concat!("conntop ", env!("CARGO_PKG_VERSION"));
        let mut roff = Roff::new();
        roff.control("TH", [&*name.to_uppercase(), section, date, version, "Manual of conntop"]);
        // Names that are typed are not broken, and a narrow column is not full of gaps.
        roff.control("nh", []).control("ad", ["l"]);
        Self { roff, begun: true }
    }

    /// The source of the page.
    pub(super) fn render(&self) -> String {
        self.roff.render()
    }

    /// A heading.
    pub(super) fn section(&mut self, title: &str) {
        self.roff.control("SH", [&*title.to_uppercase()]);
        self.begun = true;
    }

    /// A heading below it.
    pub(super) fn subsection(&mut self, title: &str) {
        self.roff.control("SS", [title]);
        self.begun = true;
    }

    /// A paragraph.
    pub(super) fn paragraph(&mut self, text: &[Inline]) {
        if !std::mem::take(&mut self.begun) {
            self.roff.control("PP", []);
        }
        self.text(text);
    }

    /// Something with a name, and what it is.
    pub(super) fn item(&mut self, name: &[Inline], text: &[Inline]) {
        self.roff.control("TP", [TAG]);
        self.begun = false;
        self.roff.text(name);
        self.text(text);
    }

    /// An item of a list.
    pub(super) fn bullet(&mut self, text: &[Inline]) {
        self.roff.control("IP", ["\\(bu", "2"]);
        self.begun = false;
        self.text(text);
    }

    /// Lines as they are.
    pub(super) fn lines<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) {
        if !std::mem::take(&mut self.begun) {
            self.roff.control("PP", []);
        }
        self.roff.control("RS", ["4"]).control("nf", []);
        for line in lines.into_iter().flat_map(narrow) {
            self.roff.text([roff::roman(line)]);
        }
        self.roff.control("fi", []).control("RE", []);
    }

    fn text(&mut self, text: &[Inline]) {
        let text = folded(text);
        if !text.is_empty() {
            self.roff.text(text);
        }
    }
}

/// A line of an example in lines that fit into 80 columns: with less room before what stands behind it, and else
/// broken.
fn narrow(line: &str) -> Vec<String> {
    if line.len() <= EXAMPLE {
        return vec![line.to_owned()];
    }
    let indent = line.len() - line.trim_start().len();
    let mut lines = vec![" ".repeat(indent)];
    let (mut gap, mut first) = (0, true);
    for word in line.trim().split(' ') {
        if word.is_empty() {
            gap = 1;
            continue;
        }
        let Some(last) = lines.last_mut() else { break };
        let blanks = if std::mem::take(&mut first) { 0 } else { 1 + std::mem::take(&mut gap) };
        if last.len() + blanks + word.len() > EXAMPLE {
            lines.push(" ".repeat(indent + 4) + word);
        } else {
            last.push_str(&" ".repeat(blanks));
            last.push_str(word);
        }
    }
    lines
}

/// The same text with line breaks in the source, where blanks were.
fn folded(text: &[Inline]) -> Vec<Inline> {
    let mut used = 0;
    let mut rest = text.iter();
    let mut out = Vec::new();
    while let Some(inline) = rest.next() {
        // What stands behind a blank at the end goes into the next line as well if it has no room.
        let behind = rest.as_slice().first().map_or(0, |next| {
            let (_, word, marks) = parts(next);
            source_width(word.split([' ', '\n']).next().unwrap_or_default()) + marks
        });
        let (make, words, marks) = parts(inline);
        used += marks;
        let mut words = words.split([' ', '\n']).peekable();
        let mut line = words.next().unwrap_or_default().to_owned();
        used += source_width(&line);
        while let Some(word) = words.next() {
            let wide = source_width(word) + if words.peek().is_none() { behind } else { 0 };
            let breaks = used + 1 + wide > LINE;
            line.push(if breaks { '\n' } else { ' ' });
            line.push_str(word);
            used = source_width(word) + if breaks { 0 } else { used + 1 };
        }
        out.push(make(line));
    }
    out
}

/// How an inline is made, its text, and the bytes around that.
fn parts(inline: &Inline) -> (fn(String) -> Inline, &str, usize) {
    const MARKS: usize = "\\fB\\fR".len();
    match inline {
        Inline::Roman(text) => (roff::roman, text, 0),
        Inline::Bold(text) => (roff::bold, text, MARKS),
        Inline::Italic(text) => (roff::italic, text, MARKS),
        Inline::LineBreak => (|_| Inline::LineBreak, "", 0),
    }
}

/// Bytes of a word once it is escaped.
fn source_width(word: &str) -> usize {
    word.bytes()
        .map(|byte| match byte {
            b'\'' => "\\*(Aq".len(),
            b'-' | b'\\' => 2,
            _ => 1,
        })
        .sum()
}
