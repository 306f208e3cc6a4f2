//! A page of Markdown, as far as the tests need to know it: what is code, what are links, what can be linked.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::root;

/// Folders without pages of the project.
const NO_PAGES: &[&str] = &["target", ".git"];

/// A file of Markdown.
pub(crate) struct Page {
    /// Below the project's root.
    pub(crate) path: PathBuf,
    /// Lines with their numbers; code blocks apart from the rest.
    lines: Vec<Line>,
}

struct Line {
    number: usize,
    is_code: bool,
    text: String,
}

/// Something of a page, and the line where it begins.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn read(path: &Path) -> Self {
        let text =
            fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self::parse(path, &text)
    }

    /// A block is code between fences, and when it is indented by four behind an empty line.
    pub(crate) fn parse(path: &Path, text: &str) -> Self {
        let (mut in_fence, mut behind_code_or_gap) = (false, true);
        let mut lines = Vec::new();
        for (number, text) in (1..).zip(text.lines()) {
            let is_fence = text.trim_start().starts_with("```");
            let is_empty = text.trim().is_empty();
            let is_indented = text.starts_with("    ") && behind_code_or_gap && !is_empty;
            let is_code = in_fence || is_indented;
            in_fence ^= is_fence;
            behind_code_or_gap = is_empty || is_indented;
            if !is_fence {
                lines.push(Line { number, is_code, text: text.to_owned() });
            }
        }
        Self { path: path.to_path_buf(), lines }
    }

    /// All pages of the project.
    pub(crate) fn all() -> Vec<Self> {
        let mut found = Vec::new();
        let mut open = vec![PathBuf::new()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(root().join(&folder)).expect("a folder of the project") {
                let entry = entry.expect("an entry");
                let path = folder.join(entry.file_name());
                if entry.file_type().expect("its type").is_dir() {
                    if !NO_PAGES.iter().any(|name| path.ends_with(name)) {
                        open.push(path);
                    }
                } else if path.extension().is_some_and(|e| e == "md") {
                    found.push(Self::read(&path));
                }
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    /// Lines of code blocks; those that a backslash continues are one.
    pub(crate) fn code(&self) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        let mut goes_on = false;
        for line in self.lines.iter().filter(|line| line.is_code) {
            let text = line.text.trim();
            let whole = text.strip_suffix('\\').unwrap_or(text).trim_end();
            match found.last_mut() {
                Some(last) if goes_on => {
                    last.text.push(' ');
                    last.text.push_str(whole);
                }
                _ => found.push(Found { line: line.number, text: whole.to_owned() }),
            }
            goes_on = text.ends_with('\\');
        }
        found
    }

    /// What stands between backquotes outside of code blocks.
    pub(crate) fn spans(&self) -> Vec<Found> {
        self.prose().1
    }

    /// Where links and pictures lead.
    pub(crate) fn links(&self) -> Vec<Found> {
        let prose = self.prose().0;
        let mut found = Vec::new();
        for (at, _) in prose.match_indices("](") {
            let rest = &prose[at + 2..];
            let end = rest.find(')').unwrap_or_else(|| panic!("{}: a link without end", self.path.display()));
            let line = 1 + prose[..at].matches('\n').count();
            found.push(Found { line, text: rest[..end].to_owned() });
        }
        found
    }

    /// What `#` may be followed by: headings as GitHub spells them.
    pub(crate) fn anchors(&self) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        for line in self.lines.iter().filter(|line| !line.is_code && line.text.starts_with('#')) {
            let title = line.text.trim_start_matches('#').trim();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            let slug: String = kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect();
            let again = (1..).map(|n| format!("{slug}-{n}"));
            let name = std::iter::once(slug.clone()).chain(again).find(|name| !anchors.contains(name));
            anchors.insert(name.expect("a free name"));
        }
        anchors
    }

    /// The text without code blocks and what is between backquotes, as many lines as the page has; and the latter.
    fn prose(&self) -> (String, Vec<Found>) {
        let (mut prose, mut spans): (String, Vec<Found>) = (String::new(), Vec::new());
        let mut span: Option<String> = None;
        let mut number = 1;
        for line in &self.lines {
            while number < line.number {
                prose.push('\n');
                number += 1;
            }
            if line.is_code || line.text.trim().is_empty() {
                span = None;
                continue;
            }
            for character in line.text.chars() {
                match (character, &mut span) {
                    ('`', None) => span = Some(String::new()),
                    ('`', Some(_)) => {
                        spans.extend(span.take().map(|text| Found { line: line.number, text }));
                    }
                    (_, Some(text)) => text.push(character),
                    (_, None) => prose.push(character),
                }
            }
            if let Some(text) = &mut span {
                text.push(' ');
            }
        }
        (prose, spans)
    }
}

#[test]
fn what_is_what() {
    let text = "# A `b`: c!\n\nSee [x](y.md#z) and `conntop\nlist`.\n\n    conntop \\\n      list # all\n\n```\n[no](link)\n```\n# a b c\n![p](q.svg)";
    let page = Page::parse(Path::new("test.md"), text);
    let texts =
        |found: Vec<Found>| -> Vec<(usize, String)> { found.into_iter().map(|f| (f.line, f.text)).collect() };
    assert_eq!(texts(page.links()), [(3, "y.md#z".to_owned()), (13, "q.svg".to_owned())]);
    assert_eq!(texts(page.spans()), [(1, "b".to_owned()), (4, "conntop list".to_owned())]);
    assert_eq!(texts(page.code()), [(6, "conntop list # all".to_owned()), (10, "[no](link)".to_owned())]);
    assert_eq!(page.anchors().into_iter().collect::<Vec<_>>(), ["a-b-c", "a-b-c-1"]);
}
