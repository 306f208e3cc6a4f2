//! The manual in Markdown as parts of a page, so that what both say is written once. A table becomes a list:
//! its first column names the items, the last one is what they are, and what stands between is said behind
//! that in parentheses, with the heading of its column.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use roff::{Inline, bold, italic, roman};

use super::sheet::Sheet;

/// Title and text of each chapter; the first is what stands before all others, below the title of the page.
pub(super) fn chapters(page: &str) -> Vec<(&str, &str)> {
    let page = page.strip_prefix("# ").unwrap_or(page);
    let mut parts = page.split("\n## ");
    let first = parts.next().into_iter();
    first.chain(parts).map(|part| part.split_once('\n').unwrap_or((part, ""))).collect()
}

/// The text of a chapter; empty when there is none of this title.
pub(super) fn chapter<'a>(page: &'a str, title: &str) -> &'a str {
    chapters(page).into_iter().find(|(of, _)| *of == title).map_or("", |(_, text)| text)
}

/// The lines of a text that are a table.
pub(super) fn table(text: &str) -> String {
    text.lines().filter(|line| line.starts_with('|')).collect::<Vec<_>>().join("\n")
}

/// The lines of a text that are none.
pub(super) fn prose(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with('|')).collect::<Vec<_>>().join("\n")
}

/// Writes a text without headings.
pub(super) fn write(sheet: &mut Sheet, text: &str) {
    let options = Options::ENABLE_TABLES | Options::ENABLE_DEFINITION_LIST;
    let mut writer = Writer::new(sheet);
    for event in Parser::new_ext(text, options) {
        writer.event(event);
    }
}

/// A line of text in Markdown.
pub(super) fn inlines(text: &str) -> Vec<Inline> {
    let mut sheet = Sheet::new("", "", "");
    let mut writer = Writer::new(&mut sheet);
    for event in Parser::new(text) {
        if !matches!(event, Event::Start(Tag::Paragraph) | Event::End(TagEnd::Paragraph)) {
            writer.event(event);
        }
    }
    writer.line
}

struct Writer<'a> {
    sheet: &'a mut Sheet,
    line: Vec<Inline>,
    styles: Vec<fn(String) -> Inline>,
    code: Option<String>,
    cells: Vec<Vec<Inline>>,
    heads: Vec<Vec<Inline>>,
}

impl<'a> Writer<'a> {
    fn new(sheet: &'a mut Sheet) -> Self {
        Self { sheet, line: Vec::new(), styles: Vec::new(), code: None, cells: Vec::new(), heads: Vec::new() }
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.code {
                Some(code) => code.push_str(&text),
                None => {
                    let style = self.styles.last().copied().unwrap_or(roman);
                    self.line.push(style(text.into_string()));
                }
            },
            Event::Code(text) => self.line.push(bold(text.into_string())),
            Event::SoftBreak | Event::HardBreak => self.line.push(roman(" ")),
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::CodeBlock(_) => self.code = Some(String::new()),
            Tag::Strong => self.styles.push(bold),
            Tag::Emphasis => self.styles.push(italic),
            Tag::Link { dest_url, .. } => match super::page_of(dest_url) {
                Some(page) => {
                    self.line.extend([bold(page.name), roman(format!("({})", page.section))]);
                    self.styles.push(|_| roman(""));
                }
                None => self.styles.push(italic),
            },
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph => {
                let line = self.taken();
                self.sheet.paragraph(&line)
            }
            TagEnd::Item => {
                let line = self.taken();
                if !line.is_empty() {
                    self.sheet.bullet(&line)
                }
            }
            TagEnd::CodeBlock => {
                let code = self.code.take().unwrap_or_default();
                self.sheet.lines(code.lines());
            }
            TagEnd::Strong | TagEnd::Emphasis | TagEnd::Link => drop(self.styles.pop()),
            TagEnd::TableCell => {
                let line = self.taken();
                self.cells.push(line)
            }
            TagEnd::TableHead => self.heads = std::mem::take(&mut self.cells),
            TagEnd::TableRow => {
                let cells = std::mem::take(&mut self.cells);
                self.row(cells);
            }
            _ => {}
        }
    }

    fn taken(&mut self) -> Vec<Inline> {
        std::mem::take(&mut self.line)
    }

    fn row(&mut self, cells: Vec<Vec<Inline>>) {
        let mut between = cells.into_iter().zip(&self.heads);
        let Some((name, _)) = between.next() else { return };
        let Some((mut text, _)) = between.next_back() else { return };
        let mut before = " (";
        for (cell, head) in between.filter(|(cell, _)| !cell.is_empty()) {
            text.push(roman(before));
            text.extend(head.iter().cloned());
            text.push(roman(" "));
            text.extend(cell);
            before = "; ";
        }
        if before == "; " {
            text.push(roman(")"));
        }
        self.sheet.item(&name, &text);
    }
}
